//! Ten thousand clients that say nothing, and one that does.

use std::io::{self, BufRead as _, BufReader, Write as _, pipe};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::child::{Child, Stdio2};
use super::net::{Net, connect, start_listener};
use super::peers::{Job, NCAT, Peer};
use super::report::{Fault, Metric, OURS, Section, brief};
use super::stats::percentile;
use super::{Context, interleave};

const METRICS: [Metric; 5] = [
    brief("idle clients"),
    brief("accepted"),
    brief("resident KiB per client"),
    brief("new client served ms (median)"),
    brief("ms (worst)"),
];
const CLIENTS: u32 = 10_000;
/// What a select-based tool can hold below its 1,024 descriptors.
const CLIENTS_OF_SELECT: u32 = 900;
/// Clients that come while the others idle.
const NEWCOMERS: usize = 50;
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two clients: a short accept queue that overflows costs a second each time (the client's
/// SYN is sent again), which would measure TCP's patience.
pub(super) const PACE: Duration = Duration::from_micros(200);

pub(crate) fn run(context: &Context) -> io::Result<Section> {
    let peers = context.named(&[OURS, NCAT]);
    let rows = interleave(&peers, &METRICS, context.pick(5, 1), |peer, _| {
        let clients = if peer.name == OURS { CLIENTS } else { CLIENTS_OF_SELECT };
        once(context, peer, clients)
    });
    let mut section = Section {
        id: "idle",
        title: "-k with 10,000 idle clients".to_owned(),
        how: format!(
            "`X -l -k -m N 127.0.0.1 PORT | bench`; resident memory before and after; then \
             {NEWCOMERS} new clients, one after the other, each timed from connect until its line \
             is on stdout."
        ),
        metrics: METRICS.into(),
        rows,
        notes: vec![format!(
            "Debian's ncat uses select and cannot pass 1,024 descriptors: shown with \
             {CLIENTS_OF_SELECT} clients. nc.openbsd -k serves one client at a time."
        )],
        ..Section::default()
    };
    let all = f64::from(CLIENTS);
    let ours = |section: &Section, metric| section.median(OURS, metric);
    let (accepted, size, worst) = (ours(&section, 1), ours(&section, 2), ours(&section, 4));
    section.judge(format!("accepted = {CLIENTS}"), accepted, |count| count >= all);
    section.judge("resident KiB per client ≤ 16".to_owned(), size, |kib| kib <= 16.0);
    section.judge("new client served in < 10 ms (worst)".to_owned(), worst, |ms| ms < 10.0);
    Ok(section)
}

fn once(context: &Context, peer: &Peer, count: u32) -> Result<Vec<f64>, Fault> {
    let mut held = Vec::new();
    let mut output = None;
    let (mut server, port) = start_listener(Net::Tcp, |port| {
        let (silent, keep) = pipe()?;
        let (read, write) = pipe()?;
        held.push(keep);
        output = Some(read);
        let job = Job::ListenMany(count + 500);
        context.start(peer, job, port, Stdio2::new(silent, write))
    })?;
    let lines = read_lines(output.ok_or_else(|| Fault::failed("no server was started"))?);

    // The first client makes the server allocate what it needs once.
    serve_one(port, &lines, &mut server, "first")?;
    // It is gone before anything is counted.
    let descriptors_before = settled_descriptors(&mut server, usize::MAX)?;
    let resident_before = resident_kib(&server)?;
    let mut clients: Vec<TcpStream> = Vec::new();
    for number in 0..count {
        match connect(port) {
            Ok(client) => {
                clients.push(client);
                std::thread::sleep(PACE);
            }
            Err(error) => {
                let ended = if server.has_ended() { server.complaint() } else { String::new() };
                return Err(Fault::Failed(format!("client {number}: {error} {ended}")));
            }
        }
    }
    let accepted = settled_descriptors(&mut server, descriptors_before + count as usize)?
        .saturating_sub(descriptors_before);
    let resident = resident_kib(&server)?.saturating_sub(resident_before);
    let mut times = Vec::new();
    for newcomer in 0..NEWCOMERS {
        times.push(serve_one(port, &lines, &mut server, &newcomer.to_string())?);
    }
    let at = |percent| percentile(&times, percent).expect("there were newcomers");
    let per_client = resident as f64 / accepted.max(1) as f64;
    Ok(vec![f64::from(count), accepted as f64, per_client, at(50.0), at(100.0)])
}

/// Milliseconds from connect until the client's line came out of the server.
fn serve_one(
    port: u16,
    lines: &Receiver<(Instant, String)>,
    server: &mut Child,
    text: &str,
) -> Result<f64, Fault> {
    let start = Instant::now();
    let mut client = connect(port)?;
    client.write_all(format!("{text}\n").as_bytes())?;
    match lines.recv_timeout(Duration::from_secs(5)) {
        Ok((at, line)) if line == text => Ok((at - start).as_secs_f64() * 1e3),
        Ok((_, line)) => Err(Fault::Failed(format!("`{line}` came instead of `{text}`"))),
        Err(_) if server.has_ended() => Err(Fault::Failed(server.complaint())),
        Err(_) => Err(Fault::Hung("a new client is not served".to_owned())),
    }
}

fn read_lines(output: io::PipeReader) -> Receiver<(Instant, String)> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if send.send((Instant::now(), line)).is_err() {
                break;
            }
        }
    });
    lines
}

/// How many descriptors the server holds once it has as many as wanted, or no more come.
pub(super) fn settled_descriptors(server: &mut Child, wanted: usize) -> Result<usize, Fault> {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = 0;
    let mut since = Instant::now();
    loop {
        if server.has_ended() {
            return Err(Fault::Failed(server.complaint()));
        }
        let now = descriptors(server)?;
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        // A server may close a client that ended between our two counts, hence not `==`.
        let steady = since.elapsed() > Duration::from_secs(2);
        if now >= wanted || steady || Instant::now() > deadline {
            return Ok(now);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn descriptors(server: &Child) -> io::Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{}/fd", server.pid))?.count())
}

pub(super) fn resident_kib(server: &Child) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| io::Error::other("no VmRSS: the server ended"))
}
