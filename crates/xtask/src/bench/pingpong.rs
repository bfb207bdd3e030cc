//! Latency: 64 bytes through the client to an echo server and back, one at a time.

use std::io::{self, Read as _, Write as _, pipe};
use std::time::{Duration, Instant};

use super::child::Stdio2;
use super::net;
use super::peers::{Job, LIMIT, NCAT, OPENBSD, Peer, SOCAT};
use super::report::{Fault, Metric, Section, full};
use super::stats::percentile;
use super::{Context, interleave};

const METRICS: [Metric; 3] = [full("p50 µs"), full("p99 µs"), full("p99.9 µs")];
const SIZE: usize = 64;
/// Round trips before counting: start-up, first page faults, TCP's first seconds.
const WARM_UP: usize = 500;
const ROUND_TRIPS: usize = 20_000;
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(context: &Context) -> io::Result<Section> {
    let peers = context.named(&[super::report::OURS, NCAT, OPENBSD, SOCAT, LIMIT]);
    let rows = interleave(&peers, &METRICS, context.pick(9, 5), |peer, _| once(context, peer));
    let mut section = Section {
        id: "pingpong",
        title: "64-byte ping-pong through the client".to_owned(),
        how: format!(
            "`X 127.0.0.1 PORT` between two pipes of the bench, which is also the echo server; \
             {ROUND_TRIPS} round trips a run, median of the runs' percentiles. \"No worse\" allows \
             for what a tool against itself was seen to differ: 5 % at p50, 10 % at p99."
        ),
        metrics: METRICS.into(),
        rows,
        ..Section::default()
    };
    for (metric, noise) in [(0, 1.05), (1, 1.1)] {
        section.at_most(metric, noise, OPENBSD);
        section.at_most(metric, 1.0, NCAT);
    }
    Ok(section)
}

fn once(context: &Context, peer: &Peer) -> Result<Vec<f64>, Fault> {
    let listener = net::listen()?;
    let port = listener.local_addr()?.port();
    let (stdin, mut to_tool) = pipe()?;
    let (mut from_tool, stdout) = pipe()?;
    let mut client = context.start(peer, Job::Connect, port, Stdio2::new(stdin, stdout))?;
    let _dog = client.watchdog(PATIENCE)?;
    // A tool that never connects is ended by the watchdog only if accept is not waiting for it.
    let echo = accept(&listener, &mut client)?;
    echo.set_nodelay(true)?;
    let mut back = echo.try_clone()?;
    let server = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(size @ 1..) = (&echo).read(&mut buffer) {
            if back.write_all(&buffer[..size]).is_err() {
                break;
            }
        }
    });

    let mut micros = Vec::with_capacity(ROUND_TRIPS);
    let mut answer = [0; SIZE];
    for trip in 0..WARM_UP + ROUND_TRIPS {
        let ping = [trip.to_le_bytes()[0]; SIZE];
        let start = Instant::now();
        let done = to_tool.write_all(&ping).and_then(|()| from_tool.read_exact(&mut answer));
        let took = start.elapsed();
        if let Err(error) = done {
            let _ = client.kill();
            return Err(Fault::Hung(format!("round trip {trip}: {error}: {}", client.complaint())));
        }
        if answer != ping {
            return Err(Fault::Failed(format!("round trip {trip} brought other bytes")));
        }
        if trip >= WARM_UP {
            micros.push(took.as_secs_f64() * 1e6);
        }
    }
    // Ends the connection, and with it the echo thread, however the tool takes its end of stdin.
    let _ = client.kill();
    server.join().map_err(|_| Fault::failed("the echo thread panicked"))?;
    let at = |percent| percentile(&micros, percent).expect("every trip was recorded");
    Ok(vec![at(50.0), at(99.0), at(99.9)])
}

fn accept(
    listener: &std::net::TcpListener,
    client: &mut super::child::Child,
) -> Result<std::net::TcpStream, Fault> {
    listener.set_nonblocking(true)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error.into()),
            Err(_) if client.has_ended() => return Err(Fault::Failed(client.complaint())),
            Err(_) if Instant::now() > deadline => return Err(Fault::Hung("no connection".into())),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}
