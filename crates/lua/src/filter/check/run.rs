//! Runs one embedded test once: a stack of the filter alone, a wire in memory, no network, no files.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, Recv, Shape};
use gate::{Action, Gate, Gatekeeper};
use plan::{FilterSpec, Filters};

use super::case::Case;
use super::wire::Far;
use crate::filter::clock::Clock;
use crate::filter::driver::Driver;
use crate::filter::engine::{Engine, broken};
use crate::filter::files::Files;
use crate::filter::find::SearchPath;
use crate::filter::link::Facts;
use crate::filter::native::Shared;
use crate::filter::opening::Step;

/// What a run may take of real time.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) wire: Vec<Vec<u8>>,
    pub(super) deliver: Vec<Vec<u8>>,
    pub(super) error: Option<String>,
    /// At the wires of the other connections.
    pub(super) others: Vec<Vec<Vec<u8>>>,
    pub(super) files: BTreeMap<PathBuf, Vec<u8>>,
    pub(super) said: Vec<u8>,
    /// When how much was sent.
    pub(super) timeline: Vec<(Duration, usize)>,
}

/// A test has no effects.
struct Nothing;

impl Gate for Nothing {
    fn judge(&self, action: &Action) -> Result<(), String> {
        match action {
            Action::LoadFilter { .. } | Action::ReadFile(_) | Action::WriteFile(_) => Ok(()),
            _ => Err("a test has no network and no environment".into()),
        }
    }
}

/// One connection of a test.
struct Side {
    far: Far,
    conn: Option<Conn>,
    driver: Driver,
    is_driven: bool,
    clock: Clock,
}

/// Notes that there is something to do.
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

const STUCK: &str = "it waits for what never comes";

/// Polls until it is ready. When nothing moves any more the clock does, to whatever is waited for next: in
/// memory nothing comes from outside. A stack that is busy for longer than [`PATIENCE`] is given up.
async fn run_to<T>(
    clock: Option<&Clock>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Result<T, String> {
    let bell = Arc::new(Bell(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&bell));
    let begun = std::time::Instant::now();
    let mut idle = 0;
    loop {
        if bell.0.swap(false, Ordering::Relaxed) {
            idle = 0;
            if let Poll::Ready(done) = poll(&mut Context::from_waker(&waker)) {
                return Ok(done);
            }
            if begun.elapsed() > PATIENCE {
                return Err("it does not come to an end".into());
            }
            continue;
        }
        // What the runtime put off comes before the clock moves.
        idle += 1;
        if idle < 3 {
            tokio::task::yield_now().await;
        } else if clock.is_none_or(|clock| clock.advance().is_none()) {
            return Err(STUCK.into());
        } else {
            bell.0.store(true, Ordering::Relaxed);
        }
    }
}

impl Side {
    /// Runs the connection's filters beside `work`.
    async fn beside<T>(&mut self, work: impl AsyncFnOnce(&mut Conn) -> T) -> Result<T, String> {
        let Self { conn, driver, is_driven, clock, .. } = self;
        let Some(conn) = conn else { return Err("there is no connection".into()) };
        let mut work = pin!(work(conn));
        run_to(Some(clock), |cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            if *is_driven {
                *is_driven = Pin::new(&mut *driver).poll(cx).is_pending();
            }
            work.as_mut().poll(cx)
        })
        .await
    }

    /// Lets the filters go on for as long as they can at once.
    async fn settle(&mut self) -> Result<(), String> {
        let settled = run_to(None, |cx| {
            if self.is_driven {
                self.is_driven = Pin::new(&mut self.driver).poll(cx).is_pending();
            }
            Poll::<()>::Pending
        });
        match settled.await {
            Err(why) if why != STUCK => Err(why),
            _ => Ok(()),
        }
    }

    /// Ends it, good-byes and all.
    async fn end(mut self) -> Result<(), String> {
        self.conn = None;
        if !self.is_driven {
            return Ok(());
        }
        run_to(Some(&self.clock), |cx| Pin::new(&mut self.driver).poll(cx)).await
    }
}

/// Sends, until the filters have taken all of it.
async fn send(conn: &mut Conn, piece: Vec<u8>) -> std::io::Result<()> {
    let mut queue = VecDeque::from([Bytes::from(piece)]);
    std::future::poll_fn(|cx| conn.poll_send_all(cx, &mut queue)).await?;
    std::future::poll_fn(|cx| conn.poll_send(cx, &mut queue)).await.map(drop)
}

/// Receives until the end, or a failure.
async fn receive(conn: &mut Conn, pieces: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
    loop {
        let mut out = VecDeque::new();
        match std::future::poll_fn(|cx| conn.poll_recv(cx, 65_536, &mut out)).await? {
            Recv::Data => pieces.extend(out.iter().map(|piece| piece.to_vec())),
            Recv::End => return Ok(()),
        }
    }
}

/// Begins a connection; or how the filters refused it.
async fn begin(
    engine: &Arc<Engine>,
    case: &Case,
    far: Far,
) -> Result<Result<Side, String>, String> {
    let shape = if case.datagram { Shape::Message } else { Shape::Stream };
    let proto = if case.datagram { "udp" } else { "tcp" };
    let facts = Facts { mode: "listen", role: "relay", proto, ..Facts::default() };
    if case.connect.is_none() {
        let (conn, driver) = engine.wrap(far.conn(shape), facts);
        let clock = engine.shared.clock.clone();
        return Ok(Ok(Side { far, conn: Some(conn), driver, is_driven: true, clock }));
    }
    // Whoever is dialled talks at once.
    far.open();
    let facts = Facts { mode: "connect", target: case.connect.clone(), ..facts };
    let (mut opening, mut driver) = engine.open(facts, shape);
    let (mut is_driven, clock) = (true, engine.shared.clock.clone());
    loop {
        let step = run_to(Some(&clock), |cx| {
            if is_driven {
                is_driven = Pin::new(&mut driver).poll(cx).is_pending();
            }
            pin!(opening.next()).poll(cx)
        });
        match step.await? {
            Step::Failed(failure) => return Ok(Err(failure.to_string())),
            Step::Ready(conn) => {
                return Ok(Ok(Side { far, conn: Some(*conn), driver, is_driven, clock }));
            }
            // Whoever is dialled, the same wire answers.
            Step::Dial(_) => opening.dialled(Ok(far.conn(shape))),
        }
    }
}

/// Runs `case` of the filter that `spec` names.
pub(super) async fn run(
    spec: &FilterSpec,
    filters: &Filters,
    path: &SearchPath,
    case: &Case,
    (sends, comes): (Vec<Vec<u8>>, Vec<Vec<u8>>),
) -> Result<Seen, String> {
    let stack = vec![FilterSpec { args: case.args.clone(), ..spec.clone() }];
    let filters = Filters { stack, ..filters.clone() };
    let files = Arc::new(Mutex::new(BTreeMap::new()));
    let said = Arc::new(Mutex::new(Vec::new()));
    let screen = Arc::clone(&said);
    let clock = Clock::still();
    let shared = Shared {
        log: Box::new(move |level, _, _, text| {
            if level == "plain" {
                screen.lock().unwrap_or_else(PoisonError::into_inner).extend(text.as_bytes());
            }
        }),
        gate: Gatekeeper::governed(Arc::new(Nothing)),
        files: Files::Memory(Arc::clone(&files)),
        clock: clock.clone(),
        ..Shared::new(filters.limits)
    };
    let engine = Engine::empty(Arc::new(shared), path).map_err(|error| broken(&error))?;
    let engine = Arc::new(engine.with(&filters, path, case.datagram)?);
    let far = Far::new(comes, clock);
    let mut seen = Seen::default();
    let mut side = match begin(&engine, case, far.clone()).await? {
        Ok(side) => side,
        Err(refused) => {
            seen.error = Some(refused);
            seen.wire = far.sent();
            return Ok(seen);
        }
    };
    pass(&engine, case, &mut side, sends, &mut seen).await?;
    seen.wire = far.sent();
    seen.timeline = far.timeline();
    side.end().await?;
    seen.files = files.lock().unwrap_or_else(PoisonError::into_inner).clone();
    seen.said = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(seen)
}

/// What goes through the connection, and what that does to others.
async fn pass(
    engine: &Arc<Engine>,
    case: &Case,
    side: &mut Side,
    sends: Vec<Vec<u8>>,
    seen: &mut Seen,
) -> Result<(), String> {
    let mut others = Vec::new();
    if case.others.is_some() {
        // Only who has begun is there for the others.
        side.settle().await?;
        for _ in 0..2 {
            let far = Far::new([], side.clock.clone());
            let Ok(mut other) = begin(engine, case, far).await? else { continue };
            other.settle().await?;
            others.push(other);
        }
    }
    side.far.open();
    let failed = side
        .beside(async |conn| {
            let mut sent = Ok(());
            for piece in sends {
                sent = sent.and(send(conn, piece).await);
            }
            if case.recv.is_some() || sent.is_err() {
                // Why filters refuse a client is what receiving ends with.
                receive(conn, &mut seen.deliver).await?;
            }
            sent?;
            if case.shutdown {
                std::future::poll_fn(|cx| conn.poll_finish(cx)).await?;
            }
            std::io::Result::Ok(())
        })
        .await?;
    seen.error = failed.err().map(|error| error.to_string());
    for mut other in others {
        other.settle().await?;
        seen.others.push(other.far.sent());
        other.end().await?;
    }
    Ok(())
}
