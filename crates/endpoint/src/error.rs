//! Why an endpoint could not be opened.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use gate::{Address, Denied};

use crate::options::OptionError;

/// One address tried.
#[derive(Debug)]
pub struct Attempt {
    /// The address.
    pub addr: Address,
    /// How long it took to succeed or fail.
    pub elapsed: Duration,
    /// Why it failed; `None` for the one that succeeded.
    pub error: Option<io::Error>,
}

impl OpenError {
    /// The socket option that could not be set, if that is why.
    pub fn option(&self) -> Option<&OptionError> {
        match self {
            Self::Connect { last: cause, .. }
            | Self::Bind { error: cause, .. }
            | Self::PathInUse { error: cause, .. } => OptionError::within(cause),
            _ => None,
        }
    }
}

/// Why an endpoint could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The name has no address.
    #[error("Could not resolve hostname \"{host}\": {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's words.
        reason: String,
    },
    /// The gate said no.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// Every address failed; the last failure is the one to show.
    #[error("{last}")]
    Connect {
        /// What was to be reached.
        target: String,
        /// Addresses that failed, in order.
        attempts: Vec<Attempt>,
        /// The last failure.
        last: io::Error,
    },
    /// The time for connecting ran out.
    #[error("TIMEOUT")]
    Timeout {
        /// What was to be reached.
        target: String,
        /// Addresses that failed before that, and those that had not answered.
        attempts: Vec<Attempt>,
        /// The time given.
        after: Duration,
    },
    /// A proxy on the way does not open it.
    #[error("{reason}")]
    Proxy {
        /// The proxy, as `http 192.0.2.7:3128`.
        proxy: String,
        /// One line, as it is to be shown.
        reason: String,
        /// Lines below it.
        more: Vec<String>,
        /// It is about what we were given, not about the network.
        is_local: bool,
    },
    /// A connection that was made cannot be secured.
    #[error("{reason}")]
    Insecure {
        /// With whom.
        target: String,
        /// One line, without a full stop.
        reason: String,
        /// Lines below it.
        more: Vec<String>,
    },
    /// A filter did not want the connection, or failed while it was made.
    #[error("{reason}")]
    Filtered {
        /// With whom.
        target: String,
        /// One line, without a full stop.
        reason: String,
    },
    /// An address cannot be listened on, or a source address cannot be used.
    #[error("bind to {at}: {error}")]
    Bind {
        /// The address.
        at: Address,
        /// The system's reason.
        #[source]
        error: io::Error,
    },
    /// A Unix socket's path is in use.
    #[error("bind to {}: {error}", path.display())]
    PathInUse {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        #[source]
        error: io::Error,
    },
    /// A socket that was handed over is not one we can listen on.
    #[error("{socket}: {is}, not {wanted}")]
    Handed {
        /// Which one.
        socket: String,
        /// What it is.
        is: String,
        /// What it should be.
        wanted: String,
    },
    /// A program cannot be started.
    #[error("exec: {error}")]
    Exec {
        /// The program.
        path: PathBuf,
        /// The system's reason.
        #[source]
        error: io::Error,
    },
    /// A descriptor cannot be used.
    #[error("{what}: {error}")]
    Stdio {
        /// Which one.
        what: &'static str,
        /// The system's reason.
        #[source]
        error: io::Error,
    },
}
