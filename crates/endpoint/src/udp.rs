//! Datagrams: a connected client, and a listener that tells its peers apart by address.
//!
//! The listener keeps one unconnected socket for all peers, so no datagram is given to the wrong
//! one and no port changes. UDP and Unix datagram sockets share this code.

mod client;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, ConnInfo, Duplex, Look, Mark, Recv, Screen, Shape};
use gate::{Action, Address, Gatekeeper, Permit, Protocol};
use socket2::{Domain, SockAddr, Socket, Type};
use sys::datagram::{Datagram, RecvBatch};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

use crate::message::MessageSocket;
use crate::options::Setup;
use crate::unix::BoundPath;
use crate::{OpenError, stream};

pub use self::client::{connect, connect_unix};

/// Bytes one peer's queue may hold; what arrives beyond is dropped and counted, as UDP may.
const PEER_QUEUE_BYTES: usize = 1024 * 1024;
/// Before a full send buffer is tried again for a peer of a shared socket.
const SEND_RETRY: Duration = Duration::from_millis(1);

/// A peer that sent its first datagram.
#[derive(Debug)]
pub struct Accepted {
    /// The conn; its first message is the datagram that announced it.
    pub conn: Conn,
    /// Who it is; `None` for Unix sockets.
    pub peer: Option<SocketAddr>,
}

/// Decides about a peer that is not known yet: true lets it in.
pub type Admit = Box<dyn FnMut(Option<SocketAddr>, &str) -> bool + Send>;

/// A listening datagram socket. Its peers arrive here while [`Listener::run`] runs.
pub struct Listener {
    /// The address bound, with the real port.
    pub at: Address,
    shared: Arc<Shared>,
    arrivals: mpsc::UnboundedSender<Accepted>,
    /// Only the first peer is served.
    single: bool,
    /// The socket is ours alone, and may be pinned to the one peer.
    is_own: bool,
    screen: Option<Box<dyn Screen>>,
    _bound: Option<BoundPath>,
}

struct Shared {
    socket: MessageSocket,
    peers: Mutex<HashMap<SockAddr, Arc<PeerQueue>>>,
}

#[derive(Default)]
struct PeerQueue {
    /// Set where there is a screen.
    mark: Option<Mark>,
    state: Mutex<PeerState>,
}

#[derive(Default)]
struct PeerState {
    queue: VecDeque<Bytes>,
    bytes: usize,
    dropped: u64,
    truncated: u64,
    error: Option<io::Error>,
    waker: Option<Waker>,
}

/// What to say of datagrams that were cut.
fn truncated(count: u64) -> Option<String> {
    (count > 0).then(|| format!("{count} datagrams were longer than 65,536 bytes and were cut"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Binds a UDP socket. Peers are sent to `arrivals`.
///
/// # Errors
/// [`OpenError::Bind`], [`OpenError::Denied`].
pub fn listen(
    gate: &Gatekeeper,
    addr: SocketAddr,
    single: bool,
    arrivals: mpsc::UnboundedSender<Accepted>,
    setup: &Setup,
) -> Result<Listener, OpenError> {
    let at = Address::Inet(addr);
    let permit = gate.decide(Action::Listen { protocol: Protocol::Udp, at: at.clone() })?;
    let open = |_permit: Permit| -> io::Result<Listener> {
        let socket = setup.socket(Domain::for_address(addr), Type::DGRAM, None)?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // No SO_REUSEADDR: with it another process could bind the same port and take datagrams.
        socket.bind(&addr.into())?;
        let bound = socket.local_addr()?.as_socket().unwrap_or(addr);
        let socket = MessageSocket::new(socket, true, setup)?;
        Ok(Listener::new(Address::Inet(bound), socket, arrivals, single, None))
    };
    open(permit).map_err(|error| OpenError::Bind { at, error })
}

/// Binds a Unix datagram socket at a path, which must not exist.
///
/// # Errors
/// [`OpenError::PathInUse`], [`OpenError::Denied`].
pub fn listen_unix(
    gate: &Gatekeeper,
    path: &Path,
    single: bool,
    arrivals: mpsc::UnboundedSender<Accepted>,
    setup: &Setup,
) -> Result<Listener, OpenError> {
    let at = Address::Unix(Some(path.to_path_buf()));
    let permit =
        gate.decide(Action::Listen { protocol: Protocol::UnixDatagram, at: at.clone() })?;
    let open = |_permit: Permit| -> io::Result<Listener> {
        let socket = setup.socket(Domain::UNIX, Type::DGRAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let bound = BoundPath::new(path.to_path_buf());
        let socket = MessageSocket::new(socket, false, setup)?;
        Ok(Listener::new(at, socket, arrivals, single, Some(bound)))
    };
    open(permit).map_err(|error| OpenError::PathInUse { path: path.to_path_buf(), error })
}

impl Listener {
    fn new(
        at: Address,
        socket: MessageSocket,
        arrivals: mpsc::UnboundedSender<Accepted>,
        single: bool,
        bound: Option<BoundPath>,
    ) -> Self {
        let shared = Arc::new(Shared { socket, peers: Mutex::default() });
        Self { at, shared, arrivals, single, is_own: true, screen: None, _bound: bound }
    }

    /// On a socket that was handed over, with its options set. Whoever handed it over goes on using it:
    /// it is not pinned to a peer, and its path is not removed.
    pub(crate) fn adopt(
        socket: Socket,
        at: Address,
        single: bool,
        arrivals: mpsc::UnboundedSender<Accepted>,
        setup: &Setup,
    ) -> io::Result<Self> {
        let is_udp = matches!(at, Address::Inet(_));
        let socket = MessageSocket::new(socket, is_udp, setup)?;
        Ok(Self { is_own: false, ..Self::new(at, socket, arrivals, single, None) })
    }

    /// Puts a screen before the peers: only what it lets through is asked about, or makes a conn.
    #[must_use]
    pub fn behind(mut self, screen: Option<Box<dyn Screen>>) -> Self {
        self.screen = screen;
        self
    }

    /// Receives for ever and gives each datagram to its peer. `admit` is asked about new ones.
    ///
    /// # Errors
    /// When the socket itself fails.
    pub async fn run(mut self, mut admit: Admit) -> io::Result<()> {
        let mut batch = RecvBatch::new();
        let mut received = Vec::new();
        let mut pinned = false;
        loop {
            let got = std::future::poll_fn(|cx| {
                self.shared.socket.poll_recv(cx, &mut batch, &mut received)
            })
            .await;
            if let Err(error) = got {
                self.report(error)?;
                continue;
            }
            let mut woken: Vec<Arc<PeerQueue>> = Vec::new();
            for datagram in received.drain(..) {
                let known = lock(&self.shared.peers).get(&datagram.from).cloned();
                let Some((known, mark)) = self.screened(&datagram, known) else { continue };
                let queue = match known {
                    Some(queue) => queue,
                    None if pinned => continue,
                    None => match self.arrive(&datagram.from, mark, &mut admit) {
                        Some(queue) => queue,
                        None => continue,
                    },
                };
                if self.single && !pinned {
                    pinned = true;
                    // A Unix peer without a name cannot be connected to; it is told apart anyway.
                    if self.is_own {
                        let _ = self.shared.socket.connect(&datagram.from);
                    }
                }
                if lock(&queue.state).push(datagram)
                    && !woken.iter().any(|other| Arc::ptr_eq(other, &queue))
                {
                    woken.push(queue);
                }
            }
            for queue in woken {
                lock(&queue.state).wake();
            }
            // The peers' sessions must run before the next batch, or their queues would overflow.
            tokio::task::yield_now().await;
        }
    }

    /// What the screen makes of a datagram: the queue it goes to, if there is one already, and the mark
    /// of the conn it begins; `None` when it goes nowhere.
    fn screened(
        &mut self,
        datagram: &Datagram,
        known: Option<Arc<PeerQueue>>,
    ) -> Option<(Option<Arc<PeerQueue>>, Option<Mark>)> {
        let Some(screen) = &mut self.screen else { return Some((known, None)) };
        let current = known.as_ref().and_then(|queue| queue.mark.as_ref());
        match screen.look(datagram.from.as_socket()?, &datagram.data, current) {
            Look::Pass => known.map(|queue| (Some(queue), None)),
            Look::Drop => None,
            Look::Answer(answer) => {
                // One that finds no room is lost as if on the way, and will be asked for again.
                let _ =
                    self.shared.socket.send(Some(&datagram.from), &mut VecDeque::from([answer]));
                None
            }
            Look::Begin(mark) => {
                if let Some(old) = known {
                    lock(&self.shared.peers).remove(&datagram.from);
                    let mut state = lock(&old.state);
                    state.error = Some(io::Error::new(
                        io::ErrorKind::ConnectionReset,
                        "the peer has begun a new connection from the same port",
                    ));
                    state.wake();
                }
                Some((None, Some(mark)))
            }
        }
    }

    fn arrive(
        &self,
        from: &SockAddr,
        mark: Option<Mark>,
        admit: &mut Admit,
    ) -> Option<Arc<PeerQueue>> {
        let name = stream::name(from);
        if !admit(from.as_socket(), &name) {
            return None;
        }
        let queue = Arc::new(PeerQueue { mark, ..PeerQueue::default() });
        lock(&self.shared.peers).insert(from.clone(), Arc::clone(&queue));
        let peer = Peer {
            shared: Arc::clone(&self.shared),
            addr: from.clone(),
            queue: Arc::clone(&queue),
            retry: None,
            unanswered: 0,
        };
        let info = ConnInfo { peer: name, local: self.at.to_string(), ..ConnInfo::default() };
        let conn = Conn::from_duplex(info, Shape::Message, Box::new(peer));
        let accepted = Accepted { conn, peer: from.as_socket() };
        self.arrivals.send(accepted).ok().map(|()| queue)
    }

    /// An error of the socket belongs to its only peer; without one it is nobody's.
    fn report(&self, error: io::Error) -> io::Result<()> {
        if !is_refusal(&error) {
            return Err(error);
        }
        if self.single
            && let Some(queue) = lock(&self.shared.peers).values().next()
        {
            let mut state = lock(&queue.state);
            state.error = Some(error);
            state.wake();
        }
        Ok(())
    }
}

/// Whether an error only says that a datagram did not get through (ICMP): it is the peer's, and the
/// socket goes on working.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable
    )
}

impl PeerState {
    /// Queues a datagram; false when there was no room for it.
    fn push(&mut self, datagram: Datagram) -> bool {
        // An empty datagram takes room too, or a flood of them would not be bounded.
        let cost = datagram.data.len() + 64;
        if self.bytes + cost > PEER_QUEUE_BYTES {
            self.dropped += 1;
            return false;
        }
        self.bytes += cost;
        self.truncated += u64::from(datagram.truncated);
        self.queue.push_back(datagram.data);
        true
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// One peer of a listening socket.
struct Peer {
    shared: Arc<Shared>,
    addr: SockAddr,
    queue: Arc<PeerQueue>,
    retry: Option<Pin<Box<Sleep>>>,
    /// Bytes meant for a peer whose socket has no name, which nothing can be sent to.
    unanswered: u64,
}

impl Peer {
    /// A Unix socket that was not bound can be heard and not answered (unix(7)).
    fn has_name(&self) -> bool {
        self.addr.as_socket().is_some()
            || self.addr.as_pathname().is_some()
            || self.addr.as_abstract_namespace().is_some()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut peers = lock(&self.shared.peers);
        // Not the one that has taken its place.
        if peers.get(&self.addr).is_some_and(|queue| Arc::ptr_eq(queue, &self.queue)) {
            peers.remove(&self.addr);
        }
    }
}

impl Duplex for Peer {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        _max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let mut state = lock(&self.queue.state);
        if !state.queue.is_empty() {
            state.bytes = 0;
            out.append(&mut state.queue);
            return Poll::Ready(Ok(Recv::Data));
        }
        if let Some(error) = state.error.take() {
            return Poll::Ready(Err(error));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        if !self.has_name() {
            // Taken and given up: an error would end what it has still to say, and not taking it
            // would hold up the others.
            let bytes = queue.drain(..).map(|piece| piece.len()).sum();
            self.unanswered += bytes as u64;
            return Poll::Ready(Ok(bytes));
        }
        loop {
            if let Some(retry) = &mut self.retry {
                ready!(retry.as_mut().poll(cx));
                self.retry = None;
            }
            match self.shared.socket.send(Some(&self.addr), queue) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.retry = Some(Box::pin(sleep(SEND_RETRY)));
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn losses(&self) -> Option<String> {
        let state = lock(&self.queue.state);
        let dropped = (state.dropped > 0).then(|| {
            let n = state.dropped;
            format!(
                "{n} datagrams were dropped, since they came faster than they could be passed on"
            )
        });
        let unanswered = (self.unanswered > 0).then(|| {
            let n = self.unanswered;
            format!("{n} bytes were given up, since the peer's socket has no name")
        });
        let all: Vec<String> =
            [dropped, truncated(state.truncated), unanswered].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}
