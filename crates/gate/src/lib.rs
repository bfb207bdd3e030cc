//! Permits: no socket, file or process is opened without one.
//!
//! Every effect is an [`Action`]. A [`Gatekeeper`] asks its [`Gate`] and, when the answer is yes,
//! hands out a [`Permit`]. Permits can be made nowhere else, so code that takes a `Permit` by value
//! cannot be reached around the gate. Ungoverned use has [`Gatekeeper::open`], which costs a branch.
//!
//! This crate decides nothing and opens nothing; it must not depend on any other crate.

#![forbid(unsafe_code)]

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// The kind of socket an action is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Protocol {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
    /// SCTP, one-to-one style (RFC 9260, RFC 6458).
    Sctp,
    /// A Unix stream socket.
    UnixStream,
    /// A Unix datagram socket.
    UnixDatagram,
    /// A vsock stream socket.
    Vsock,
    /// A vsock datagram socket.
    VsockDatagram,
}

impl Protocol {
    /// The name used in messages, events and rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::UnixStream => "unix",
            Self::UnixDatagram => "unix-dgram",
            Self::Vsock => "vsock",
            Self::VsockDatagram => "vsock-dgram",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a socket points: an internet address, a path, or a port of a virtual machine.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Address {
    /// An IPv4 or IPv6 address with its port.
    Inet(SocketAddr),
    /// A Unix socket's path; `None` for a socket without a name.
    Unix(Option<PathBuf>),
    /// A machine and a port of it.
    Vsock {
        /// The context identifier: 1 this machine, 2 the host, `u32::MAX` any.
        cid: u32,
        /// The port, of 32 bits.
        port: u32,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(addr) => write!(f, "{addr}"),
            Self::Unix(Some(path)) => write!(f, "{}", path.display()),
            Self::Unix(None) => f.write_str("(unnamed socket)"),
            Self::Vsock { cid, port } => write!(f, "{cid}:{port}"),
        }
    }
}

/// One effect on the world that wants a permit. Decided on the address dialled, not on a name.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Connect a socket.
    Connect {
        /// The socket's kind.
        protocol: Protocol,
        /// The address dialled.
        to: Address,
    },
    /// Bind a listening socket.
    Listen {
        /// The socket's kind.
        protocol: Protocol,
        /// The address bound.
        at: Address,
    },
    /// Serve a client that connected.
    Accept {
        /// The socket's kind.
        protocol: Protocol,
        /// The client.
        from: Address,
    },
    /// Take over standard input and output.
    Stdio,
    /// Create or write a file: a transcript, or one that a filter writes.
    WriteFile(PathBuf),
    /// Read a file that a filter opens.
    ReadFile(PathBuf),
    /// Read an environment variable for a filter.
    ReadEnvironment(String),
    /// Run a filter's script.
    LoadFilter {
        /// What the filter calls itself, or its file.
        name: String,
        /// Its file; `None` for one that is part of the program.
        origin: Option<PathBuf>,
        /// SHA-256 of its text.
        sha256: Box<[u8; 32]>,
        /// The names of the arguments it got; no values.
        arguments: Vec<String>,
    },
    /// Run a program.
    Exec(PathBuf),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { protocol, to } => write!(f, "connect {to}/{protocol}"),
            Self::Listen { protocol, at } => write!(f, "listen {at}/{protocol}"),
            Self::Accept { protocol, from } => write!(f, "accept {from}/{protocol}"),
            Self::Stdio => f.write_str("standard input and output"),
            Self::WriteFile(path) => write!(f, "write {}", path.display()),
            Self::ReadFile(path) => write!(f, "read {}", path.display()),
            Self::ReadEnvironment(name) => write!(f, "read the environment variable {name}"),
            Self::LoadFilter { name, .. } => write!(f, "filter {name}"),
            Self::Exec(path) => write!(f, "exec {}", path.display()),
        }
    }
}

/// Why a gate said no.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denied {
    /// What was asked.
    pub action: Action,
    /// The rule that matched, the value it matched on and what would permit it, in words.
    pub reason: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, self.reason)
    }
}

impl std::error::Error for Denied {}

/// Decides about actions. Implemented by policies and, in tests, by recorders.
pub trait Gate: Send + Sync {
    /// Allows the action or says why not.
    ///
    /// # Errors
    /// The reason for a refusal, in words.
    fn judge(&self, action: &Action) -> Result<(), String>;
}

/// Leave to do one action, once. Only [`Gatekeeper::decide`] makes one.
#[derive(Debug)]
pub struct Permit {
    action: Action,
    _sealed: (),
}

impl Permit {
    /// What this permit allows.
    pub fn action(&self) -> &Action {
        &self.action
    }
}

/// Asks the gate and issues permits; cheap to clone.
#[derive(Clone, Default)]
pub struct Gatekeeper {
    gate: Option<Arc<dyn Gate>>,
}

impl fmt::Debug for Gatekeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.gate.is_some() { "Gatekeeper(governed)" } else { "Gatekeeper(open)" })
    }
}

impl Gatekeeper {
    /// The gate that allows everything.
    pub fn open() -> Self {
        Self::default()
    }

    /// A gate that asks `gate` about every action.
    pub fn governed(gate: Arc<dyn Gate>) -> Self {
        Self { gate: Some(gate) }
    }

    /// Asks for leave.
    ///
    /// # Errors
    /// [`Denied`] with the gate's reason.
    pub fn decide(&self, action: Action) -> Result<Permit, Denied> {
        if let Some(gate) = &self.gate
            && let Err(reason) = gate.judge(&action)
        {
            return Err(Denied { action, reason });
        }
        Ok(Permit { action, _sealed: () })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoTelnet;
    impl Gate for NoTelnet {
        fn judge(&self, action: &Action) -> Result<(), String> {
            match action {
                Action::Connect { to: Address::Inet(addr), .. } if addr.port() == 23 => {
                    Err("rule \"no-telnet\"".into())
                }
                _ => Ok(()),
            }
        }
    }

    fn connect(addr: &str) -> Action {
        Action::Connect { protocol: Protocol::Tcp, to: Address::Inet(addr.parse().unwrap()) }
    }

    #[test]
    fn open_gate_permits_what_was_asked() {
        let permit = Gatekeeper::open().decide(connect("192.0.2.1:23")).unwrap();
        assert_eq!(permit.action(), &connect("192.0.2.1:23"));
    }

    #[test]
    fn governed_gate_denies_with_the_reason() {
        let keeper = Gatekeeper::governed(Arc::new(NoTelnet));
        let denied = keeper.decide(connect("192.0.2.1:23")).unwrap_err();
        assert_eq!(denied.to_string(), "connect 192.0.2.1:23/tcp: rule \"no-telnet\"");
        assert!(keeper.decide(connect("192.0.2.1:80")).is_ok());
    }
}
