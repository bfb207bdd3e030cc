//! Filters without a network: what one costs for each chunk, and how fast what is native in them is.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, ConnInfo, Duplex, Recv, Shape};
use lua::filter::{Engine, Facts, SearchPath};
use plan::{FilterSpec, Filters};
use rustix::time::{ClockId, clock_gettime};

/// Runs of which the best counts.
const BATCHES: usize = 5;

/// A wire from which the same piece comes over and over.
struct Endless {
    piece: Bytes,
    left: u64,
}

impl Duplex for Endless {
    fn poll_recv(
        &mut self,
        _cx: &mut Context<'_>,
        _max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        if self.left == 0 {
            return Poll::Ready(Ok(Recv::End));
        }
        self.left -= 1;
        out.push_back(self.piece.clone());
        Poll::Ready(Ok(Recv::Data))
    }

    fn poll_send(
        &mut self,
        _cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(queue.drain(..).map(|piece| piece.len()).sum()))
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Processor time of this thread.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn engine(specs: &[String]) -> io::Result<Arc<Engine>> {
    let stack: Result<Vec<_>, _> = specs.iter().map(|spec| FilterSpec::parse(spec)).collect();
    let mut filters = Filters { stack: stack.map_err(io::Error::other)?, ..Filters::default() };
    // What measures runs for longer than a script may.
    filters.limits.load = Duration::ZERO;
    let log = |level: &str, _: &str, _: u64, text: &str| {
        if level == "print" {
            let _ = writeln!(io::stdout(), "{text}");
        }
    };
    let gate = gate::Gatekeeper::open();
    let engine = Engine::load(&filters, &SearchPath::default(), false, Box::new(log), gate);
    engine.map(Arc::new).map_err(io::Error::other)
}

/// Microseconds that `layers` filters of this name cost for each chunk of `size` bytes from the wire.
pub(crate) fn pump(name: &str, layers: u64, size: u64, count: u64) -> io::Result<()> {
    let specs: Vec<String> = (0..layers).map(|_| name.to_owned()).collect();
    let engine = engine(&specs)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let piece = Bytes::from(vec![b'x'; usize::try_from(size).map_err(io::Error::other)?]);
    let mut best = Duration::MAX;
    for _ in 0..BATCHES {
        let wire = Endless { piece: piece.clone(), left: count };
        let conn = Conn::from_duplex(ConnInfo::default(), Shape::Stream, Box::new(wire));
        let (mut top, driver) = engine.wrap(conn, Facts { mode: "listen", ..Facts::default() });
        let took = runtime.block_on(async {
            let driving = tokio::spawn(driver);
            let (began, mut out, mut total) = (used(), VecDeque::new(), 0);
            loop {
                let got = poll_fn(|cx| top.poll_recv(cx, 1 << 20, &mut out)).await?;
                total += out.drain(..).map(|piece: Bytes| piece.len() as u64).sum::<u64>();
                if got == Recv::End {
                    break;
                }
            }
            let took = used() - began;
            drop(top);
            let _ = driving.await;
            if total == size * count { Ok(took) } else { Err(io::Error::other("bytes were lost")) }
        })?;
        best = best.min(took);
    }
    writeln!(io::stdout(), "{:.3}", best.as_secs_f64() * 1e6 / count as f64)
}

/// GB/s of what is native in `bytes`, one line each.
pub(crate) fn natives(script: &str) -> io::Result<()> {
    engine(&[script.to_owned()]).map(|_| ())
}
