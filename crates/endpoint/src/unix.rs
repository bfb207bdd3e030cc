//! Unix sockets: connecting, and paths that are removed when and only when we made them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conn::{Carrier, Conn};
use gate::{Action, Address, Gatekeeper, Permit, Protocol};
use socket2::{Domain, SockAddr, Type};
use tokio::time::{Instant, sleep};

use crate::listen::{BACKLOG, StreamListener};
use crate::options::Setup;
use crate::{Attempt, OpenError, stream};

/// Pause before a listener whose queue is full is asked again; the system has no event for it.
const FULL_QUEUE_PAUSE: Duration = Duration::from_millis(10);

/// A path of a socket that we bound; removed on drop if it is still the same socket.
#[derive(Debug)]
pub struct BoundPath {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl BoundPath {
    /// Takes responsibility for a path just bound.
    pub(crate) fn new(path: PathBuf) -> Self {
        let identity = identity(&path);
        Self { path, identity }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        // Somebody may have put another socket in its place meanwhile; that one is not ours.
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Listens on a path, which must not exist, with the options of `setup`.
///
/// # Errors
/// [`OpenError::PathInUse`] with the system's reason, [`OpenError::Denied`].
pub fn listen(
    gate: &Gatekeeper,
    path: &Path,
    setup: &Setup,
) -> Result<(StreamListener, BoundPath), OpenError> {
    let at = Address::Unix(Some(path.to_path_buf()));
    let permit = gate.decide(Action::Listen { protocol: Protocol::UnixStream, at: at.clone() })?;
    let open = |_permit: Permit| -> io::Result<_> {
        let socket = setup.socket(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let bound = BoundPath::new(path.to_path_buf());
        setup.listen(&socket, BACKLOG)?;
        Ok((StreamListener::new(socket, at, Carrier::Unix, setup)?, bound))
    };
    open(permit).map_err(|error| OpenError::PathInUse { path: path.to_path_buf(), error })
}

/// Connects to a path within `limit` of `started`; `source` is bound first where given.
///
/// # Errors
/// [`OpenError::Connect`], [`OpenError::Timeout`], [`OpenError::Bind`], [`OpenError::Denied`].
pub async fn connect(
    gate: &Gatekeeper,
    path: &Path,
    source: Option<&Path>,
    setup: &Setup,
    started: Instant,
    limit: Duration,
) -> Result<(Conn, Option<BoundPath>), OpenError> {
    let to = Address::Unix(Some(path.to_path_buf()));
    let action = Action::Connect { protocol: Protocol::UnixStream, to: to.clone() };
    let permit = gate.decide(action)?;
    let target = path.display().to_string();
    match tokio::time::timeout_at(started + limit, dial(permit, path, source, setup)).await {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(error)) => {
            let last = crate::race::copy(&error);
            let attempt = Attempt { addr: to, elapsed: started.elapsed(), error: Some(error) };
            Err(OpenError::Connect { target, attempts: vec![attempt], last })
        }
        Err(_) => {
            let error = Some(io::ErrorKind::TimedOut.into());
            let attempts = vec![Attempt { addr: to, elapsed: started.elapsed(), error }];
            Err(OpenError::Timeout { target, attempts, after: limit })
        }
    }
}

async fn dial(
    _permit: Permit,
    path: &Path,
    source: Option<&Path>,
    setup: &Setup,
) -> io::Result<(Conn, Option<BoundPath>)> {
    let socket = setup.socket(Domain::UNIX, Type::STREAM, None)?;
    let bound = match source {
        Some(source) => {
            socket.bind(&SockAddr::unix(source)?)?;
            Some(BoundPath::new(source.to_path_buf()))
        }
        None => None,
    };
    socket.set_nonblocking(true)?;
    let peer = SockAddr::unix(path)?;
    loop {
        match socket.connect(&peer) {
            Ok(()) => break,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => sleep(FULL_QUEUE_PAUSE).await,
            Err(e) => return Err(e),
        }
    }
    setup.report(&socket);
    let info = stream::info(&socket, &peer);
    Ok((stream::conn(socket, info, Carrier::Unix)?, bound))
}
