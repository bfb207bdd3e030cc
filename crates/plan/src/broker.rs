//! `--broker`, `--chat` and what belongs to them.

/// What the options about brokering said.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RawBroker {
    /// `--broker`.
    pub broker: bool,
    /// `--chat`, `--talk`.
    pub chat: bool,
    /// `--broker-eof`.
    pub passes_end: bool,
    /// `--history`.
    pub history_bytes: Option<u64>,
    /// `--compat=ncat`.
    pub as_ncat: bool,
}

/// A listener whose clients speak to each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Broker {
    /// Users are told apart, announced, and made safe for each other's terminals.
    pub chat: bool,
    /// That a sender is done is passed on.
    pub passes_end: bool,
    /// Bytes of the conversation kept for those who join late.
    pub history_bytes: u64,
    /// The bytes of a chat, and the end of a client that half-closes, are exactly Ncat's.
    pub as_ncat: bool,
}

impl RawBroker {
    /// Whether clients are to speak to each other.
    pub fn is_wanted(&self) -> bool {
        self.broker || self.chat
    }

    pub(crate) fn plan(&self) -> Option<Broker> {
        self.is_wanted().then(|| Broker {
            chat: self.chat,
            passes_end: self.passes_end,
            history_bytes: self.history_bytes.unwrap_or(0),
            as_ncat: self.as_ncat,
        })
    }
}
