//! The question: who wants to do what, where, when and why.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $what:literal { $($(#[$item:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
        pub enum $name {
            $($(#[$item])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word for it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                let known = Self::ALL.iter().copied().find(|known| known.name() == word);
                known.ok_or_else(|| {
                    let all: Vec<&str> = Self::ALL.iter().map(|known| known.name()).collect();
                    format!("{word:?} is not {}: {}", $what, all.join(", "))
                })
            }
        }
    };
}

words! {
    /// What is to be done.
    Act: "an action" {
        /// Connect a socket.
        Connect = "connect",
        /// Bind a socket and listen.
        Listen = "listen",
        /// Serve a client that came.
        Accept = "accept",
        /// Run a program.
        Exec = "exec",
        /// Connect on behalf of a client of ours.
        Proxy = "proxy",
        /// Join clients with each other.
        Broker = "broker",
        /// Join two connections, or choose a packet's way.
        Relay = "relay",
        /// Test a service.
        Test = "test",
        /// Probe many.
        Scan = "scan",
        /// Keep what is transferred.
        Capture = "capture",
    }
}

words! {
    /// What carries it.
    Transport: "a protocol" {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
        /// SCTP.
        Sctp = "sctp",
        /// A Unix socket of either kind.
        Unix = "unix",
        /// A vsock socket.
        Vsock = "vsock",
    }
}

words! {
    /// Encryption, and authentication, which is another thing.
    Tls: "a kind of protection" {
        /// Clear text.
        Clear = "clear",
        /// Encrypted; who the peer is was not verified.
        Unverified = "unverified",
        /// Encrypted, and the peer's certificate verified for its name.
        Verified = "verified",
    }
}

/// Who asks.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// The name; empty when nobody is known.
    pub name: String,
    /// Groups the name is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// 0 a user id of the host, 1 a password, 2 a second factor or a client certificate.
    #[serde(default)]
    pub assurance: u8,
    /// Whether the platform knows the name.
    pub known: bool,
    /// Whether it was disabled.
    #[serde(default)]
    pub disabled: bool,
    /// The host asked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

impl Who {
    /// Somebody known by a name only.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), known: true, ..Self::default() }
    }
}

/// Where.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Target {
    /// An address that will be dialled or bound as it is here, or a client's.
    Inet {
        /// The address.
        addr: IpAddr,
        /// The port.
        port: u16,
        /// The name it was looked up from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// A name that somebody else will look up.
    Name {
        /// The name, as given.
        name: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket, by its path after links were followed.
    Unix {
        /// The path.
        path: PathBuf,
    },
    /// A port of a virtual machine.
    Vsock {
        /// The machine.
        cid: u32,
        /// The port.
        port: u32,
    },
    /// A program.
    Program {
        /// Its path.
        path: PathBuf,
    },
}

impl Target {
    /// The port, where there are ports of 16 bits.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Inet { port, .. } | Self::Name { port, .. } => Some(*port),
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet { addr: IpAddr::V6(addr), port, .. } => write!(f, "[{addr}]:{port}"),
            Self::Inet { addr, port, .. } => write!(f, "{addr}:{port}"),
            Self::Name { name, port } => write!(f, "{name}:{port}"),
            Self::Unix { path } | Self::Program { path } => write!(f, "{}", path.display()),
            Self::Vsock { cid, port } => write!(f, "{cid}:{port}"),
        }
    }
}

/// May this be done?
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Who asks.
    pub who: Who,
    /// What is to be done.
    pub act: Act,
    /// Where.
    pub target: Target,
    /// By which transport.
    pub transport: Transport,
    /// How it is protected.
    pub tls: Tls,
    /// When, in microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Under which ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Other ends that the same process holds and would be joined with this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<IpAddr>,
    /// The packet's way or its source address is chosen by the caller (`-g`, `-G`, a foreign `-s`).
    #[serde(default)]
    pub routed: bool,
}

impl Question {
    /// A question with nothing said beyond these: TCP, clear text, no purpose.
    pub fn new(who: Who, act: Act, target: Target, at: i64) -> Self {
        let transport = match target {
            Target::Unix { .. } => Transport::Unix,
            Target::Vsock { .. } => Transport::Vsock,
            _ => Transport::Tcp,
        };
        let (tls, purpose, ticket, joined) = (Tls::Clear, None, None, Vec::new());
        Self { who, act, target, transport, tls, at, purpose, ticket, joined, routed: false }
    }

    /// Target and transport, as shown: `10.1.2.3:22/tcp`.
    pub fn place(&self) -> String {
        match self.target {
            Target::Program { .. } => self.target.to_string(),
            _ => format!("{}/{}", self.target, self.transport),
        }
    }
}
