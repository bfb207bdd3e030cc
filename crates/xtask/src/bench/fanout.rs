//! Stdin to two clients, one of which stops reading.

use std::io::{self, Read as _, pipe};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::child::{Child, Stdio2};
use super::net::{Net, connect, is_established, start_listener};
use super::peers::{Job, NCAT, Peer};
use super::report::{Fault, Metric, OURS, Section, brief};
use super::{Context, interleave};

const METRICS: [Metric; 5] = [
    brief("alone MB/s"),
    brief("before the cut MB/s"),
    brief("stalled client cut after s"),
    brief("afterwards MB/s (worst window)"),
    brief("afterwards / alone"),
];
/// A stalled client may hold the others for 5 s; no server of ours may need longer than this.
pub(super) const CUT_WITHIN: Duration = Duration::from_secs(7);
pub(super) const SETTLE: Duration = Duration::from_millis(300);

pub(crate) fn run(context: &Context) -> io::Result<Section> {
    let peers = context.named(&[OURS, NCAT]);
    let rows = interleave(&peers, &METRICS, context.pick(5, 1), |peer, _| once(context, peer));
    let mut section = Section {
        id: "fanout",
        title: "-k stdin to two clients, one stalled".to_owned(),
        how: format!(
            "`feed inf | X -l -k -m 10 127.0.0.1 PORT`; one client alone, then (new server) a client \
             that never reads and one that does; from the cut of the stalled one, or after {} s, \
             three windows.",
            CUT_WITHIN.as_secs()
        ),
        metrics: METRICS.into(),
        rows,
        notes: vec![
            "A cut is the server's socket leaving ESTABLISHED. nc.openbsd and socat do not send \
             stdin to several clients."
                .to_owned(),
        ],
        ..Section::default()
    };
    let ratio = section.median(OURS, 4);
    section.judge("afterwards / alone ≥ 0.9".to_owned(), ratio, |ratio| ratio >= 0.9);
    Ok(section)
}

fn once(context: &Context, peer: &Peer) -> Result<Vec<f64>, Fault> {
    let window = context.pick(Duration::from_secs(2), Duration::from_millis(700));
    let alone = {
        let server = Server::start(context, peer)?;
        let good = Reader::start(server.port)?;
        std::thread::sleep(SETTLE);
        good.speed(window)
    };
    let mut server = Server::start(context, peer)?;
    let stalled = connect(server.port)?;
    let stalled_port = stalled.local_addr()?.port();
    let good = Reader::start(server.port)?;
    let start = Instant::now();
    let before = good.count();
    while start.elapsed() < CUT_WITHIN && is_established(server.port, stalled_port)? {
        if server.child.has_ended() {
            return Err(Fault::Failed(server.child.complaint()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let cut_after = start.elapsed().as_secs_f64();
    let meanwhile = (good.count() - before) as f64 / 1e6 / cut_after;
    std::thread::sleep(SETTLE);
    let afterwards = (0..3).map(|_| good.speed(window)).fold(f64::INFINITY, f64::min);
    drop(stalled);
    let cut_after = if cut_after < CUT_WITHIN.as_secs_f64() { cut_after } else { f64::INFINITY };
    Ok(vec![alone, meanwhile, cut_after, afterwards, afterwards / alone])
}

struct Server {
    child: Child,
    port: u16,
    _feeder: Child,
}

impl Server {
    fn start(context: &Context, peer: &Peer) -> Result<Self, Fault> {
        let mut feeder = None;
        let (child, port) = start_listener(Net::Tcp, |port| {
            let (read, write) = pipe()?;
            let stdio = Stdio2::new(Stdio::null(), write);
            feeder = Some(context.start_limit("feed inf", stdio)?);
            let stdio = Stdio2::new(read, Stdio::null());
            context.start(peer, Job::ListenMany(10), port, stdio)
        })?;
        let feeder = feeder.ok_or_else(|| Fault::failed("no feeder was started"))?;
        Ok(Self { child, port, _feeder: feeder })
    }
}

/// A client that reads as fast as it can.
struct Reader {
    count: Arc<AtomicU64>,
    stream: TcpStream,
}

impl Reader {
    fn start(port: u16) -> Result<Self, Fault> {
        let stream = connect(port)?;
        let count = Arc::new(AtomicU64::new(0));
        let (total, mut input) = (Arc::clone(&count), stream.try_clone()?);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 256 << 10];
            while let Ok(size @ 1..) = input.read(&mut buffer) {
                total.fetch_add(size as u64, Ordering::Relaxed);
            }
        });
        Ok(Self { count, stream })
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// MB/s over the next `window`.
    fn speed(&self, window: Duration) -> f64 {
        let (start, before) = (Instant::now(), self.count());
        std::thread::sleep(window);
        (self.count() - before) as f64 / 1e6 / start.elapsed().as_secs_f64()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Ends the reading thread.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}
