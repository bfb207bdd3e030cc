//! STARTTLS, the client's side: what is said in the clear until TLS may begin.
//!
//! A [`Dialogue`] takes what the server sent and gives what to send, and ends with leave to begin the
//! handshake or with a [`Refusal`] in words. One file per family of protocols; each is a state machine
//! that asks its `Script` for the next line or packet and stops where there is none yet, so any split of
//! what arrives gives the same dialogue.
//!
//! Nothing said in the clear is worth anything: nobody has vouched for it. So nothing of it reaches
//! the user's stream, and a byte that follows the server's leave refuses the connection, since whoever
//! put it there wanted it taken for something said under TLS (CVE-2011-0411, CVE-2021-23222).

mod imap;
mod irc;
mod ldap;
mod mysql;
mod pop3;
mod postgres;
mod refusal;
mod replies;
mod script;
mod sieve;
mod xmpp;

#[cfg(test)]
mod tests;

use self::script::Script;

pub use refusal::Refusal;
pub use script::{LINE_MAX, Said, TOTAL_MAX};

/// A protocol that can begin TLS in the middle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// SMTP (RFC 3207).
    Smtp,
    /// LMTP (RFC 2033), as SMTP.
    Lmtp,
    /// IMAP (RFC 9051).
    Imap,
    /// POP3 (RFC 2595).
    Pop3,
    /// FTP (RFC 4217).
    Ftp,
    /// LDAP (RFC 4511, section 4.14).
    Ldap,
    /// XMPP, a client's stream (RFC 6120, section 5).
    Xmpp,
    /// PostgreSQL (its manual, section 55.2.10).
    Postgres,
    /// MySQL and MariaDB (their client/server protocol).
    Mysql,
    /// NNTP (RFC 4642).
    Nntp,
    /// ManageSieve (RFC 5804).
    Sieve,
    /// IRC (IRCv3 tls, deprecated there).
    Irc,
}

impl Protocol {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::Smtp,
        Self::Lmtp,
        Self::Imap,
        Self::Pop3,
        Self::Ftp,
        Self::Ldap,
        Self::Xmpp,
        Self::Postgres,
        Self::Mysql,
        Self::Nntp,
        Self::Sieve,
        Self::Irc,
    ];

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "SMTP",
            Self::Lmtp => "LMTP",
            Self::Imap => "IMAP",
            Self::Pop3 => "POP3",
            Self::Ftp => "FTP",
            Self::Ldap => "LDAP",
            Self::Xmpp => "XMPP",
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Nntp => "NNTP",
            Self::Sieve => "ManageSieve",
            Self::Irc => "IRC",
        }
    }
}

/// Who the two are, for the protocols that want to be told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Names<'a> {
    /// The server, as the user named it; XMPP's `to`.
    pub server: Option<&'a str>,
    /// Our own address, which we greet with: the one thing we know of ourselves (RFC 5321, section 4.1.4).
    pub own: Option<std::net::IpAddr>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// The server is to speak next.
    More,
    /// TLS may begin, once what there is to send is sent.
    Ready,
}

/// What a family of protocols does with what has arrived.
trait Family: Send {
    /// Goes as far as the bytes in `script` allow.
    fn advance(&mut self, script: &mut Script) -> Result<Progress, Refusal>;
}

/// One dialogue.
///
/// ```
/// use proto::starttls::{Dialogue, Names, Progress, Protocol};
///
/// let mut dialogue = Dialogue::new(Protocol::Pop3, Names::default());
/// assert_eq!(dialogue.receive(b"+OK ready\r\n"), Ok(Progress::More));
/// assert_eq!(dialogue.take_output(), b"STLS\r\n");
/// assert_eq!(dialogue.receive(b"+OK begin\r\n"), Ok(Progress::Ready));
/// assert!(dialogue.receive(b"+OK 7 messages\r\n").is_err(), "nobody may speak now");
/// ```
pub struct Dialogue {
    protocol: Protocol,
    family: Box<dyn Family>,
    script: Script,
    is_ready: bool,
}

impl std::fmt::Debug for Dialogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dialogue({:?}, ready: {})", self.protocol, self.is_ready)
    }
}

impl Dialogue {
    /// Begins one. Where the client speaks first, there is output at once.
    pub fn new(protocol: Protocol, names: Names<'_>) -> Self {
        let mut script = Script::default();
        let family: Box<dyn Family> = match protocol {
            Protocol::Smtp => Box::new(replies::Replies::mail("EHLO", names.own)),
            Protocol::Lmtp => Box::new(replies::Replies::mail("LHLO", names.own)),
            Protocol::Ftp => Box::new(replies::Replies::ftp()),
            Protocol::Nntp => Box::new(replies::Replies::nntp()),
            Protocol::Imap => Box::<imap::Imap>::default(),
            Protocol::Pop3 => Box::<pop3::Pop3>::default(),
            Protocol::Sieve => Box::<sieve::Sieve>::default(),
            Protocol::Ldap => Box::new(ldap::Ldap::begin(&mut script)),
            Protocol::Xmpp => Box::new(xmpp::Xmpp::begin(&mut script, names.server)),
            Protocol::Postgres => Box::new(postgres::Postgres::begin(&mut script)),
            Protocol::Mysql => Box::<mysql::Mysql>::default(),
            Protocol::Irc => Box::new(irc::Irc::begin(&mut script)),
        };
        Self { protocol, family, script, is_ready: false }
    }

    /// What to send now; empty when there is nothing.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.script.take_output()
    }

    /// What was said since this was last asked, both ways, made safe for terminals.
    pub fn take_said(&mut self) -> Vec<Said> {
        self.script.take_said()
    }

    /// Takes what the server sent.
    ///
    /// # Errors
    /// Why there will be no TLS. Nothing may be received after that.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Progress, Refusal> {
        self.script.put(bytes);
        if !self.is_ready && self.family.advance(&mut self.script)? == Progress::More {
            return self.script.check_limits().map(|()| Progress::More);
        }
        self.is_ready = true;
        let rest = self.script.rest();
        if rest.is_empty() { Ok(Progress::Ready) } else { Err(Refusal::Injected { bytes: rest }) }
    }

    /// Why there will be no TLS when the server ends the connection now.
    pub fn ended(&self) -> Refusal {
        let said_something = self.script.heard_something();
        Refusal::Ended { unfinished: self.script.rest(), said_something }
    }

    /// The protocol.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }
}
