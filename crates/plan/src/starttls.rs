//! `--starttls`: the protocol in which TLS begins.

/// A protocol whose client asks for TLS in the clear, and then begins it on the same connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the words of the option, each a protocol's name")]
pub enum StartTls {
    Smtp,
    Lmtp,
    Imap,
    Pop3,
    Ftp,
    Ldap,
    Xmpp,
    Postgres,
    Mysql,
    Nntp,
    Sieve,
    Irc,
}

impl StartTls {
    /// The words of `--starttls`.
    pub const WORDS: [(&'static str, Self); 12] = [
        ("smtp", Self::Smtp),
        ("lmtp", Self::Lmtp),
        ("imap", Self::Imap),
        ("pop3", Self::Pop3),
        ("ftp", Self::Ftp),
        ("ldap", Self::Ldap),
        ("xmpp", Self::Xmpp),
        ("postgres", Self::Postgres),
        ("mysql", Self::Mysql),
        ("nntp", Self::Nntp),
        ("sieve", Self::Sieve),
        ("irc", Self::Irc),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, protocol)| *protocol == self);
        found.map_or("", |(word, _)| word)
    }
}
