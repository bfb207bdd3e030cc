//! Datagrams: a connected client, and a listener that tells its peers apart by address.
//!
//! The listener keeps one unconnected socket for all peers, so no datagram is given to the wrong
//! one and no port changes. UDP and Unix datagram sockets share this code.

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
use conn::{Conn, ConnInfo, Duplex, Recv, Shape};
use gate::{Action, Address, Gatekeeper, Permit, Protocol};
use socket2::{Domain, SockAddr, Socket, Type};
use sys::datagram::{Datagram, RecvBatch};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

use crate::message::MessageSocket;
use crate::unix::BoundPath;
use crate::{Attempt, OpenError, Source, stream};

/// Bytes one peer's queue may hold; what arrives beyond is dropped and counted, as UDP may.
const PEER_QUEUE_BYTES: usize = 1024 * 1024;
/// Before a full send buffer is tried again for a peer of a shared socket.
const SEND_RETRY: Duration = Duration::from_millis(1);

/// Connects a UDP socket to `addr`. Nothing is sent: that somebody listens there is not known yet.
///
/// # Errors
/// [`OpenError::Connect`], [`OpenError::Denied`].
pub fn connect(
    gate: &Gatekeeper,
    target: &str,
    addr: SocketAddr,
    source: &Source,
) -> Result<Conn, OpenError> {
    let to = Address::Inet(addr);
    let permit = gate.decide(Action::Connect { protocol: Protocol::Udp, to: to.clone() })?;
    let open = |_permit: Permit| -> io::Result<Conn> {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, None)?;
        if addr.is_ipv4() {
            socket.set_broadcast(true)?;
        }
        if let Some(local) = source.address_for(addr) {
            socket.bind(&local.into())?;
        }
        socket.connect(&addr.into())?;
        client(socket, &addr.into(), None, true)
    };
    open(permit).map_err(|error| connect_error(target, to, error))
}

/// Connects a Unix datagram socket; it is bound to `source` so that the peer can answer.
///
/// # Errors
/// [`OpenError::Connect`], [`OpenError::Denied`].
pub fn connect_unix(gate: &Gatekeeper, path: &Path, source: &Path) -> Result<Conn, OpenError> {
    let to = Address::Unix(Some(path.to_path_buf()));
    let permit =
        gate.decide(Action::Connect { protocol: Protocol::UnixDatagram, to: to.clone() })?;
    let open = |_permit: Permit| -> io::Result<Conn> {
        let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
        socket.bind(&SockAddr::unix(source)?)?;
        let bound = BoundPath::new(source.to_path_buf());
        let peer = SockAddr::unix(path)?;
        socket.connect(&peer)?;
        client(socket, &peer, Some(bound), false)
    };
    open(permit).map_err(|error| connect_error(&path.display().to_string(), to, error))
}

fn connect_error(target: &str, addr: Address, error: io::Error) -> OpenError {
    let last = crate::race::copy(&error);
    let attempts = vec![Attempt { addr, elapsed: Duration::ZERO, error: Some(error) }];
    OpenError::Connect { target: target.into(), attempts, last }
}

fn client(
    socket: Socket,
    peer: &SockAddr,
    bound: Option<BoundPath>,
    is_udp: bool,
) -> io::Result<Conn> {
    let info = stream::info(&socket, peer);
    let duplex = Client {
        socket: MessageSocket::new(socket, is_udp)?,
        batch: RecvBatch::new(),
        received: Vec::new(),
        truncated: 0,
        _bound: bound,
    };
    Ok(Conn::from_duplex(info, Shape::Message, Box::new(duplex)))
}

/// A connected datagram socket.
struct Client {
    socket: MessageSocket,
    batch: RecvBatch,
    received: Vec<Datagram>,
    truncated: u64,
    _bound: Option<BoundPath>,
}

impl Duplex for Client {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        _max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        ready!(self.socket.poll_recv(cx, &mut self.batch, &mut self.received))?;
        for datagram in self.received.drain(..) {
            self.truncated += u64::from(datagram.truncated);
            out.push_back(datagram.data);
        }
        Poll::Ready(Ok(Recv::Data))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_send(cx, queue)
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn losses(&self) -> Option<String> {
        (self.truncated > 0).then(|| {
            format!("{} datagrams were longer than 65,536 bytes and were cut", self.truncated)
        })
    }
}

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
    /// Only the first peer is served, and the socket is pinned to it.
    single: bool,
    _bound: Option<BoundPath>,
}

struct Shared {
    socket: MessageSocket,
    peers: Mutex<HashMap<SockAddr, Arc<PeerQueue>>>,
}

#[derive(Default)]
struct PeerQueue {
    state: Mutex<PeerState>,
}

#[derive(Default)]
struct PeerState {
    queue: VecDeque<Bytes>,
    bytes: usize,
    dropped: u64,
    error: Option<io::Error>,
    waker: Option<Waker>,
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
) -> Result<Listener, OpenError> {
    let at = Address::Inet(addr);
    let permit = gate.decide(Action::Listen { protocol: Protocol::Udp, at: at.clone() })?;
    let open = |_permit: Permit| -> io::Result<Listener> {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, None)?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // No SO_REUSEADDR: with it another process could bind the same port and take datagrams.
        socket.bind(&addr.into())?;
        let bound = socket.local_addr()?.as_socket().unwrap_or(addr);
        let socket = MessageSocket::new(socket, true)?;
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
) -> Result<Listener, OpenError> {
    let at = Address::Unix(Some(path.to_path_buf()));
    let permit =
        gate.decide(Action::Listen { protocol: Protocol::UnixDatagram, at: at.clone() })?;
    let open = |_permit: Permit| -> io::Result<Listener> {
        let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let bound = BoundPath::new(path.to_path_buf());
        let socket = MessageSocket::new(socket, false)?;
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
        Self { at, shared, arrivals, single, _bound: bound }
    }

    /// Receives for ever and gives each datagram to its peer. `admit` is asked about new ones.
    ///
    /// # Errors
    /// When the socket itself fails.
    pub async fn run(self, mut admit: Admit) -> io::Result<()> {
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
                let queue = match known {
                    Some(queue) => queue,
                    None if pinned => continue,
                    None => match self.arrive(&datagram.from, &mut admit) {
                        Some(queue) => queue,
                        None => continue,
                    },
                };
                if self.single && !pinned {
                    pinned = true;
                    // A Unix peer without a name cannot be connected to; it is told apart anyway.
                    let _ = self.shared.socket.connect(&datagram.from);
                }
                if lock(&queue.state).push(datagram.data)
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

    fn arrive(&self, from: &SockAddr, admit: &mut Admit) -> Option<Arc<PeerQueue>> {
        let name = stream::name(from);
        if !admit(from.as_socket(), &name) {
            return None;
        }
        let queue = Arc::new(PeerQueue::default());
        lock(&self.shared.peers).insert(from.clone(), Arc::clone(&queue));
        let peer = Peer {
            shared: Arc::clone(&self.shared),
            addr: from.clone(),
            queue: Arc::clone(&queue),
            retry: None,
        };
        let info = ConnInfo { peer: name, local: self.at.to_string(), expected: None };
        let conn = Conn::from_duplex(info, Shape::Message, Box::new(peer));
        let accepted = Accepted { conn, peer: from.as_socket() };
        self.arrivals.send(accepted).ok().map(|()| queue)
    }

    /// An error of the socket belongs to its only peer; without one it is nobody's.
    fn report(&self, error: io::Error) -> io::Result<()> {
        use io::ErrorKind::{
            ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable,
        };
        if !matches!(
            error.kind(),
            ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable
        ) {
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

impl PeerState {
    /// Queues a datagram; false when there was no room for it.
    fn push(&mut self, data: Bytes) -> bool {
        // An empty datagram takes room too, or a flood of them would not be bounded.
        let cost = data.len() + 64;
        if self.bytes + cost > PEER_QUEUE_BYTES {
            self.dropped += 1;
            return false;
        }
        self.bytes += cost;
        self.queue.push_back(data);
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
}

impl Drop for Peer {
    fn drop(&mut self) {
        lock(&self.shared.peers).remove(&self.addr);
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
        let dropped = lock(&self.queue.state).dropped;
        (dropped > 0).then(|| format!("{dropped} datagrams were dropped, since they came faster than they could be passed on"))
    }
}
