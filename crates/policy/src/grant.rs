//! Grants: exceptions for a time, with who asked for them and who agreed.

use std::fmt;
use std::str::FromStr;

use decision::{Act, Question, Target, Transport, address};
use ipnet::IpNet;

/// Whom a grant is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// One user.
    User(String),
    /// All of a group.
    Group(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => f.write_str(name),
            Self::Group(name) => write!(f, "group:{name}"),
        }
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, group) = match text.strip_prefix("group:") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.is_empty() || name.contains(char::is_control) {
            return Err(format!("{text:?} is not a user or group:NAME"));
        }
        Ok(if group { Self::Group(name.to_owned()) } else { Self::User(name.to_owned()) })
    }
}

/// Where a grant reaches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// Addresses.
    Net(IpNet),
    /// A name that is looked up elsewhere; never the addresses it may have.
    Name(String),
    /// A Unix socket or a program.
    Path(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) => write!(f, "{net}"),
            Self::Name(text) | Self::Path(text) => f.write_str(text),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return Ok(Self::Path(text.to_owned()));
        }
        if let Some((addr, bits)) = text.split_once('/') {
            let net: Option<IpNet> =
                format!("{}/{bits}", addr.trim_matches(['[', ']'])).parse().ok();
            return match net {
                Some(net) if net.trunc() == net => Ok(Self::Net(net)),
                Some(net) => {
                    Err(format!("{text:?} has bits beyond its length; {} is meant?", net.trunc()))
                }
                None => Err(format!("{text:?} is not a network")),
            };
        }
        match address::host(text).map_err(|why| format!("{text:?}: {why}"))? {
            address::Host::Addr(addr) => Ok(Self::Net(address::normal(addr).0.into())),
            address::Host::Name(name) => Ok(Self::Name(name)),
        }
    }
}

/// What became of a grant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// Nobody has decided yet.
    Requested,
    /// Approved.
    Active,
    /// Refused.
    Rejected,
    /// Over.
    Expired,
    /// Taken back.
    Revoked,
    /// Used up.
    Exhausted,
}

impl Status {
    const WORDS: [(Self, &'static str); 6] = [
        (Self::Requested, "requested"),
        (Self::Active, "active"),
        (Self::Rejected, "rejected"),
        (Self::Expired, "expired"),
        (Self::Revoked, "revoked"),
        (Self::Exhausted, "exhausted"),
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(status, _)| *status == self).map_or("", |(_, word)| word)
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::WORDS.iter().find(|(_, word)| *word == text);
        known.map(|(status, _)| *status).ok_or_else(|| format!("{text:?} is not a grant's status"))
    }
}

/// An exception.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// Whom it is for.
    pub subject: Subject,
    /// What it allows to do.
    pub actions: Vec<Act>,
    /// Where.
    pub places: Vec<Place>,
    /// First and last ports. None means all but blocked ones, which have to be named.
    pub ports: Vec<(u16, u16)>,
    /// By which transports; none for all.
    pub transports: Vec<Transport>,
    /// Also in clear text.
    pub allow_cleartext: bool,
    /// Also without authentication of the peer.
    pub allow_unverified: bool,
    /// Also running programs.
    pub allow_exec: bool,
    /// How often; none for any number.
    pub max_uses: Option<u32>,
    /// How often so far.
    pub used: u32,
    /// Why.
    pub purpose: String,
    /// Under which ticket.
    pub ticket: Option<String>,
    /// Who asked.
    pub requested_by: String,
    /// Who decided; never who asked.
    pub approved_by: Option<String>,
    /// From this moment, in microseconds since 1970-01-01 UTC.
    pub not_before: i64,
    /// Before this moment.
    pub not_after: i64,
    /// What became of it.
    pub status: Status,
}

impl Grant {
    /// The status at a moment: what time and uses have made of it.
    pub fn status_at(&self, at: i64) -> Status {
        match self.status {
            Status::Active | Status::Requested if at >= self.not_after => Status::Expired,
            Status::Active if self.max_uses.is_some_and(|max| self.used >= max) => {
                Status::Exhausted
            }
            status => status,
        }
    }

    /// Whether it is about this: subject, time, action, place, transport and port.
    pub(crate) fn is_about(&self, question: &Question, act: Act) -> bool {
        let subject = match &self.subject {
            Subject::User(name) => *name == question.who.name,
            Subject::Group(name) => question.who.groups.contains(name),
        };
        let transport = self.transports.is_empty() || self.transports.contains(&question.transport);
        let port = question.target.port();
        let port = self.ports.is_empty() || port.is_some_and(|port| self.names_port(port));
        let time = (self.not_before..self.not_after).contains(&question.at);
        subject
            && time
            && transport
            && port
            && self.actions.contains(&act)
            && self.reaches(question)
    }

    /// Whether the port is named, and not only not excluded.
    pub(crate) fn names_port(&self, port: u16) -> bool {
        self.ports.iter().any(|(low, high)| (*low..=*high).contains(&port))
    }

    fn reaches(&self, question: &Question) -> bool {
        self.places.iter().any(|place| match (place, &question.target) {
            (Place::Net(net), Target::Inet { addr, .. }) => {
                let (addr, _) = address::normal(*addr);
                // A listener is reached through the address it binds, so that one has to be named.
                match question.act {
                    Act::Listen => *net == IpNet::from(addr),
                    _ => net.contains(&addr),
                }
            }
            (Place::Name(name), Target::Name { name: asked, .. }) => {
                address::host(asked) == Ok(address::Host::Name(name.clone()))
            }
            (Place::Path(path), Target::Unix { path: asked } | Target::Program { path: asked }) => {
                asked.as_os_str() == path.as_str()
            }
            _ => false,
        })
    }
}
