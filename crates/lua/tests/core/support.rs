//! Filters around connections in memory, on a clock that is moved by hand. No runtime: whatever waits has
//! been polled until nothing moves.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, ConnInfo, Duplex, Recv, Shape};
use lua::filter::{Clock, Driver, Engine, Facts, Opening, Residents, SearchPath, Step};
use plan::lua::FilterLimits;
use plan::{FilterSpec, Filters};

/// What a test and a connection share of the wire.
#[derive(Default)]
pub(crate) struct Wire {
    comes: VecDeque<io::Result<Bytes>>,
    ends: bool,
    /// Something always comes.
    pub(crate) floods: bool,
    /// Nothing is taken.
    pub(crate) stuck: bool,
    pub(crate) sent: Vec<Bytes>,
    pub(crate) finished: bool,
    pub(crate) dropped: bool,
    waker: Option<Waker>,
}

struct OnWire(Arc<Mutex<Wire>>);

impl Duplex for OnWire {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        _max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        let mut wire = self.0.lock().unwrap();
        if wire.floods {
            out.push_back(Bytes::from_static(&[b'x'; 1000]));
            return Poll::Ready(Ok(Recv::Data));
        }
        match wire.comes.pop_front() {
            Some(Ok(piece)) => out.push_back(piece),
            Some(Err(error)) => return Poll::Ready(Err(error)),
            None if wire.ends => return Poll::Ready(Ok(Recv::End)),
            None => {
                wire.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(Recv::Data))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.0.lock().unwrap();
        if wire.stuck {
            wire.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let piece = queue.pop_front().unwrap();
        let len = piece.len();
        wire.sent.push(piece);
        Poll::Ready(Ok(len))
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().unwrap().finished = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for OnWire {
    fn drop(&mut self) {
        self.0.lock().unwrap().dropped = true;
    }
}

/// Who is to be polled, and whether anybody is.
struct Flag {
    own: AtomicBool,
    any: Arc<AtomicBool>,
}

impl Flag {
    fn new(any: &Arc<AtomicBool>) -> Arc<Self> {
        any.store(true, Ordering::Relaxed);
        Arc::new(Self { own: true.into(), any: Arc::clone(any) })
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.own.store(true, Ordering::Relaxed);
        self.any.store(true, Ordering::Relaxed);
    }
}

/// One connection: its wire, and its user.
pub(crate) struct Peer {
    pub(crate) wire: Arc<Mutex<Wire>>,
    flag: Arc<Flag>,
    top: Option<Conn>,
    opening: Option<Opening>,
    driver: Option<Pin<Box<Driver>>>,
    to_send: VecDeque<Bytes>,
    to_finish: bool,
    /// The user takes what comes.
    pub(crate) takes: bool,
    /// What the user got, piece by piece, and how it ended.
    pub(crate) user: Vec<Bytes>,
    pub(crate) end: Option<Result<(), String>>,
    /// Why nothing more can be sent.
    pub(crate) refused: Option<String>,
    /// Why it was not opened.
    pub(crate) failed: Option<String>,
    shape: Shape,
}

impl Peer {
    pub(crate) fn sent(&self) -> String {
        let sent = self.wire.lock().unwrap().sent.concat();
        String::from_utf8_lossy(&sent).into_owned()
    }

    pub(crate) fn got(&self) -> String {
        String::from_utf8_lossy(&self.user.concat()).into_owned()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.driver.is_none()
    }

    pub(crate) fn finished(&self) -> bool {
        self.wire.lock().unwrap().finished
    }
}

pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Clock,
    pub(crate) peers: Vec<Peer>,
    residents: Pin<Box<Residents>>,
    said: Arc<Mutex<Vec<String>>>,
    flag: Arc<Flag>,
    any: Arc<AtomicBool>,
    dir: PathBuf,
}

static WORLDS: AtomicU32 = AtomicU32::new(0);

impl World {
    /// With these scripts, the one next to the wire first.
    pub(crate) fn new(scripts: &[&str]) -> Self {
        Self::with(scripts, Shape::Stream, FilterLimits::default())
    }

    pub(crate) fn with(scripts: &[&str], shape: Shape, limits: FilterLimits) -> Self {
        Self::load(scripts, shape, limits).unwrap()
    }

    pub(crate) fn load(
        scripts: &[&str],
        shape: Shape,
        limits: FilterLimits,
    ) -> Result<Self, String> {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("filters-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let spec = |(at, text): (usize, &&str)| {
            if Path::new(text).components().count() == 1 && !text.contains(' ') {
                return FilterSpec::parse(text).unwrap();
            }
            let path = dir.join(format!("{}.lua", ["a", "b", "c", "d"][at]));
            std::fs::write(&path, text).unwrap();
            FilterSpec::parse(path.to_str().unwrap()).unwrap()
        };
        let stack = scripts.iter().enumerate().map(spec).collect();
        let filters = Filters { stack, limits, ..Filters::default() };
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&said);
        let log = move |level: &str, name: &str, id: u64, text: &str| {
            let line = format!("{level} {name}[{id}] {text}");
            heard.lock().unwrap().push(line);
        };
        let clock = Clock::still();
        let engine = Engine::load_on(
            clock.clone(),
            &filters,
            &SearchPath::default(),
            shape == Shape::Message,
            Box::new(log),
            gate::Gatekeeper::open(),
        );
        let engine = Arc::new(engine?);
        let residents = Box::pin(engine.residents());
        let any = Arc::default();
        let flag = Flag::new(&any);
        Ok(Self { engine, clock, peers: Vec::new(), residents, said, flag, any, dir })
    }

    /// A client, accepted.
    pub(crate) fn client(&mut self) -> usize {
        self.client_of(Shape::Stream)
    }

    pub(crate) fn client_of(&mut self, shape: Shape) -> usize {
        let wire: Arc<Mutex<Wire>> = Arc::default();
        let conn =
            Conn::from_duplex(ConnInfo::default(), shape, Box::new(OnWire(Arc::clone(&wire))));
        let facts = Facts { mode: "listen", role: "relay", proto: "tcp", ..Facts::default() };
        let (top, driver) = self.engine.wrap(conn, facts);
        self.add(wire, shape, Some(top), None, driver)
    }

    /// A connection that we make; it is dialled when the filters say so.
    pub(crate) fn connect(&mut self) -> usize {
        let target = Some(("host".to_owned(), Some(7)));
        let facts =
            Facts { mode: "connect", role: "relay", proto: "tcp", target, ..Facts::default() };
        let (opening, driver) = self.engine.open(facts, Shape::Stream);
        self.add(Arc::default(), Shape::Stream, None, Some(opening), driver)
    }

    fn add(
        &mut self,
        wire: Arc<Mutex<Wire>>,
        shape: Shape,
        top: Option<Conn>,
        opening: Option<Opening>,
        driver: Driver,
    ) -> usize {
        self.peers.push(Peer {
            wire,
            flag: Flag::new(&self.any),
            top,
            opening,
            driver: Some(Box::pin(driver)),
            to_send: VecDeque::new(),
            to_finish: false,
            takes: true,
            user: Vec::new(),
            end: None,
            refused: None,
            failed: None,
            shape,
        });
        self.settle();
        self.peers.len() - 1
    }

    /// Something comes from the wire.
    pub(crate) fn comes(&mut self, at: usize, text: &str) {
        self.arrives(at, Some(Ok(Bytes::copy_from_slice(text.as_bytes()))));
    }

    /// The other side has nothing more to send.
    pub(crate) fn ends(&mut self, at: usize) {
        self.arrives(at, None);
    }

    /// The wire breaks.
    pub(crate) fn breaks(&mut self, at: usize, kind: io::ErrorKind) {
        self.arrives(at, Some(Err(kind.into())));
    }

    fn arrives(&mut self, at: usize, what: Option<io::Result<Bytes>>) {
        self.change(at, |wire| match what {
            Some(piece) => wire.comes.push_back(piece),
            None => wire.ends = true,
        });
    }

    pub(crate) fn change(&mut self, at: usize, how: impl FnOnce(&mut Wire)) {
        let mut wire = self.peers[at].wire.lock().unwrap();
        how(&mut wire);
        wire.waker.take().into_iter().for_each(Waker::wake);
        drop(wire);
        self.look(at);
    }

    /// The user sends something.
    pub(crate) fn sends(&mut self, at: usize, text: &str) {
        self.peers[at].to_send.push_back(Bytes::copy_from_slice(text.as_bytes()));
        self.look(at);
    }

    /// The user has nothing more to send.
    pub(crate) fn finishes(&mut self, at: usize) {
        self.peers[at].to_finish = true;
        self.look(at);
    }

    /// The session is over.
    pub(crate) fn leaves(&mut self, at: usize) {
        self.peers[at].top = None;
        self.peers[at].opening = None;
        self.look(at);
    }

    /// The session is over because nothing moved.
    pub(crate) fn idles(&mut self, at: usize) {
        self.peers[at].top.as_mut().unwrap().note_idle();
        self.leaves(at);
    }

    /// What the scripts said, and what was said of them; `print` without its level.
    pub(crate) fn said(&self) -> Vec<String> {
        let said = self.said.lock().unwrap();
        said.iter().map(|line| line.trim_start_matches("print ").to_owned()).collect()
    }

    /// What scripts printed, without who did.
    pub(crate) fn printed(&self) -> Vec<String> {
        let said = self.said.lock().unwrap();
        let printed = said.iter().filter_map(|line| line.strip_prefix("print "));
        printed.map(|line| line.split_once("] ").unwrap().1.to_owned()).collect()
    }

    /// Something may have happened to this one.
    pub(crate) fn look(&mut self, at: usize) {
        Arc::clone(&self.peers[at].flag).wake();
        self.settle();
    }

    /// Polls until nothing moves at this moment; at most so often that something that never rests shows.
    pub(crate) fn settle(&mut self) {
        let mut rounds = 0;
        while self.any.swap(false, Ordering::Relaxed) && rounds < 300 {
            self.round();
            rounds += 1;
        }
    }

    /// Polls once who is to be.
    pub(crate) fn round(&mut self) {
        let waker = Waker::from(Arc::clone(&self.flag));
        if self.flag.own.swap(false, Ordering::Relaxed) {
            let Poll::Pending = self.residents.as_mut().poll(&mut Context::from_waker(&waker));
        }
        for peer in &mut self.peers {
            let waker = Waker::from(Arc::clone(&peer.flag));
            if peer.flag.own.swap(false, Ordering::Relaxed) {
                peer.round(&mut Context::from_waker(&waker));
            }
        }
    }

    /// Moves the clock to the next moment somebody waits for.
    pub(crate) fn advance(&mut self) -> bool {
        let moved = self.clock.advance().is_some();
        self.settle();
        moved
    }

    /// Lets time pass until then; the clock stands at the last moment before it that somebody waited for.
    pub(crate) fn until(&mut self, seconds: f64) {
        let end = Duration::from_secs_f64(seconds);
        while self.clock.next().is_some_and(|next| next <= end) {
            self.advance();
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Peer {
    fn round(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(cx).is_ready()
        {
            self.driver = None;
        }
        self.open(cx);
        let Some(top) = &mut self.top else { return };
        while self.takes && self.end.is_none() {
            let mut out = VecDeque::new();
            match top.poll_recv(cx, 65_536, &mut out) {
                Poll::Pending => break,
                Poll::Ready(Ok(Recv::Data)) => self.user.extend(out),
                Poll::Ready(Ok(Recv::End)) => self.end = Some(Ok(())),
                Poll::Ready(Err(error)) => self.end = Some(Err(error.to_string())),
            }
        }
        while self.refused.is_none() && !self.to_send.is_empty() {
            match top.poll_send(cx, &mut self.to_send) {
                Poll::Pending => return,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => self.refused = Some(error.to_string()),
            }
        }
        if self.to_finish {
            match top.poll_finish(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.to_finish = false,
                Poll::Ready(Err(error)) => {
                    self.to_finish = false;
                    self.refused.get_or_insert(error.to_string());
                }
            }
        }
    }

    fn open(&mut self, cx: &mut Context<'_>) {
        while let Some(opening) = &mut self.opening {
            let next = std::pin::pin!(opening.next()).poll(cx);
            match next {
                Poll::Pending => return,
                Poll::Ready(Step::Dial(_)) => {
                    let wire = OnWire(Arc::clone(&self.wire));
                    let conn = Conn::from_duplex(ConnInfo::default(), self.shape, Box::new(wire));
                    opening.dialled(Ok(conn));
                    return;
                }
                Poll::Ready(Step::Ready(conn)) => {
                    self.top = Some(*conn);
                    self.opening = None;
                }
                Poll::Ready(Step::Failed(failure)) => {
                    self.failed = Some(failure.to_string());
                    self.opening = None;
                }
            }
        }
    }
}
