//! Start-up: from the moment before the process is made until it has ended.

use std::io;
use std::time::{Duration, Instant};

use super::child::Stdio2;
use super::net;
use super::peers::{Job, NCAT, OPENBSD, Peer, SOCAT};
use super::report::{Fault, Metric, OURS, Section, brief, full};
use super::{Context, interleave};

const METRICS: [Metric; 3] = [full("ms"), brief("CPU ms"), brief("peak RSS MiB")];
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn version(context: &Context) -> io::Result<Section> {
    let how = "`X --version` (nc.openbsd has none: `-h`; socat `-V`), output to /dev/null.";
    Ok(section(context, "version", "start-up: --version", how, |peer| {
        once(context, peer, Job::Version, 0)
    }))
}

pub(crate) fn probe(context: &Context) -> io::Result<Section> {
    let listener = net::listen()?;
    let port = listener.local_addr()?.port();
    // Nobody stops this thread: it costs nothing while nobody connects, and ends with the bench.
    std::thread::spawn(move || {
        for client in listener.incoming() {
            drop(client);
        }
    });
    let how = "`X -z 127.0.0.1 PORT` to a listener of the bench (socat: connect, send nothing).";
    Ok(section(context, "probe", "start-up: -z to an open port", how, |peer| {
        once(context, peer, Job::Probe, port)
    }))
}

fn section(
    context: &Context,
    id: &'static str,
    title: &str,
    how: &str,
    once: impl Fn(&Peer) -> Result<Vec<f64>, Fault>,
) -> Section {
    let peers = context.named(&[OURS, NCAT, OPENBSD, SOCAT]);
    // One round to have every program and library in the page cache.
    interleave(&peers, &METRICS, 1, |peer, _| once(peer));
    let spawns = context.pick(200, 50);
    let rows = interleave(&peers, &METRICS, spawns, |peer, _| once(peer));
    let mut section = Section {
        id,
        title: title.to_owned(),
        how: format!("{how} {spawns} runs each."),
        metrics: METRICS.into(),
        rows,
        ..Section::default()
    };
    section.at_most(0, 1.5, OPENBSD);
    // The reference of "20 times faster" is ncat's 72 ms for -z, where it sets TLS up. Its
    // --version takes 2.5 ms, a twentieth of which starts no process at all.
    if id == "probe" {
        section.at_most(0, 1.0 / 20.0, NCAT);
    }
    section
}

fn once(context: &Context, peer: &Peer, job: Job, port: u16) -> Result<Vec<f64>, Fault> {
    let start = Instant::now();
    let mut child = context.start(peer, job, port, Stdio2::null())?;
    let finished = child.success(start + PATIENCE)?;
    Ok(vec![
        (finished.at - start).as_secs_f64() * 1e3,
        finished.cpu_seconds() * 1e3,
        finished.resident_mib_max(),
    ])
}
