//! TLS: clients that come back, clients that idle, clients that stall, and how long one handshake
//! takes a process that makes no other.

use std::io::{self, BufRead as _, BufReader, PipeWriter, Read as _, Write as _, pipe};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Context;
use super::child::{Child, Stdio2};
use super::idle::resident_kib;
use super::net::{Net, connect, start_listener};
use super::peers::{LIMIT, NCAT};
use super::report::{Fault, Metric, OURS, Section, brief, full};
use super::tls::{Identity, PATIENCE, S_SERVER, receiver, rows, start};

/// Idle clients; Debian's ncat cannot pass 1,024 descriptors.
const IDLE: u32 = 5_000;
const IDLE_OF_SELECT: u32 = 900;
/// Clients that connect and say nothing, while others make their handshakes.
const STALLED: usize = 100;
/// Handshakes beside them.
const NEWCOMERS: u32 = 50;

/// A listener for many clients, and what keeps its input open.
fn listener(
    context: &Context,
    peer: &str,
    own: &Identity,
) -> Result<(Child, u16, PipeWriter), Fault> {
    let mut held = None;
    let (server, port) = start_listener(Net::Tcp, |port| {
        let (silent, keep) = pipe()?;
        held = Some(keep);
        let args = format!("{} {}", receiver(peer, port, own, true), most(peer));
        start(context, peer, args.trim_end(), Stdio2::new(silent, Stdio::null()))
    })?;
    let held = held.ok_or_else(|| Fault::failed("no server was started"))?;
    Ok((server, port, held))
}

/// `-m`, before the operands or after: getopt does not mind.
fn most(peer: &str) -> &'static str {
    match peer {
        OURS => "-m 6000",
        NCAT => "-m 1000",
        _ => "",
    }
}

/// What `limit` says when it is asked for something with numbers.
fn ask(context: &Context, args: &str) -> Result<f64, Fault> {
    let (mut says, stdout) = pipe()?;
    let mut client = context.start_limit(args, Stdio2::new(Stdio::null(), stdout))?;
    client.success(Instant::now() + PATIENCE)?;
    let mut text = String::new();
    says.read_to_string(&mut text)?;
    text.trim().parse().map_err(|_| Fault::Failed(format!("limit said {text:?}")))
}

const RESUMED_METRICS: [Metric; 2] = [full("handshakes/s"), full("CPU ms server")];

pub(crate) fn resumed(context: &Context) -> io::Result<Section> {
    let count: u32 = context.pick(3000, 500);
    let own = Identity::make(context)?;
    let once = |peer: &str| -> Result<Vec<f64>, Fault> {
        let (mut server, port, mut input) = listener(context, peer, &own)?;
        let done = AtomicBool::new(false);
        // A ticket of ours comes with data.
        let rate = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) && input.write_all(b".\n").is_ok() {
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
            let rate = ask(context, &format!("tls-resumed {port} {count}"));
            done.store(true, Ordering::Relaxed);
            rate
        })?;
        let used = server.kill()?;
        Ok(vec![rate, used.cpu_seconds() * 1e3 / f64::from(count)])
    };
    let mut section = Section {
        id: "tls-resumed",
        title: "resumed handshakes, one after the other".to_owned(),
        how: format!(
            "as tls-handshakes, each of {count} with the ticket of a first one (TLS 1.3), which the server \
             gives with data (ours) or unasked."
        ),
        metrics: RESUMED_METRICS.into(),
        rows: rows(
            context,
            &[OURS, NCAT, S_SERVER],
            RESUMED_METRICS.len(),
            context.pick(5, 2),
            once,
        ),
        ..Section::default()
    };
    section.at_least(0, 0.8, S_SERVER);
    Ok(section)
}

const IDLE_METRICS: [Metric; 4] = [
    brief("idle clients"),
    brief("resident KiB per client"),
    brief("new handshake ms (mean)"),
    brief("beside 100 stalled ms (mean)"),
];

pub(crate) fn idle(context: &Context) -> io::Result<Section> {
    let own = Identity::make(context)?;
    let once = |peer: &str| -> Result<Vec<f64>, Fault> {
        let count = if peer == OURS { IDLE } else { IDLE_OF_SELECT };
        let (mut server, port, _input) = listener(context, peer, &own)?;
        // The first clients make the server allocate what it needs once.
        ask(context, &format!("tls-handshakes {port} 10"))?;
        let before = resident_kib(&server)?;
        let (silent, hold) = pipe()?;
        let (says, stdout) = pipe()?;
        let args = format!("tls-idle {port} {count}");
        let mut clients = context.start_limit(&args, Stdio2::new(silent, stdout))?;
        let mut line = String::new();
        BufReader::new(says).read_line(&mut line)?;
        if line.trim() != "ready" {
            return Err(Fault::Failed(clients.complaint()));
        }
        let each = resident_kib(&server)?.saturating_sub(before) as f64 / f64::from(count);
        let newcomers = format!("tls-handshakes {port} {NEWCOMERS}");
        let alone = 1e3 / ask(context, &newcomers)?;
        let stalled = (0..STALLED).map(|_| connect(port)).collect::<io::Result<Vec<_>>>()?;
        let beside = 1e3 / ask(context, &newcomers)?;
        drop((stalled, hold));
        clients.success(Instant::now() + PATIENCE)?;
        server.kill()?;
        Ok(vec![f64::from(count), each, alone, beside])
    };
    let mut section = Section {
        id: "tls-idle",
        title: "-k --ssl with 5,000 idle clients".to_owned(),
        how: format!(
            "resident memory before and after; then {NEWCOMERS} handshakes, one after the other, alone and \
             while {STALLED} others have connected and say nothing."
        ),
        metrics: IDLE_METRICS.into(),
        rows: rows(context, &[OURS, NCAT], IDLE_METRICS.len(), context.pick(3, 1), once),
        notes: vec![format!("ncat with {IDLE_OF_SELECT} clients: it uses select.")],
        ..Section::default()
    };
    let (size, alone) = (section.median(OURS, 1), section.median(OURS, 2));
    let beside = section.median(OURS, 3);
    section.judge("resident KiB per client ≤ 48".to_owned(), size, |kib| kib <= 48.0);
    let added = beside.zip(alone).map(|(beside, alone)| beside - alone);
    section.judge("stalled handshakes delay others by < 5 ms".to_owned(), added, |ms| ms < 5.0);
    Ok(section)
}

const START_METRICS: [Metric; 3] =
    [full("ms"), brief("the handshake alone ms"), brief("peak RSS MiB")];

pub(crate) fn start_up(context: &Context) -> io::Result<Section> {
    let own = Identity::make(context)?;
    let failed = |fault: Fault| io::Error::other(format!("{fault:?}"));
    let server = listener(context, OURS, &own);
    let (mut server, port, _input) = server.map_err(failed)?;
    let once = |peer: &str| -> Result<Vec<f64>, Fault> {
        let bare = 1e3 / ask(context, &format!("tls-handshakes {port} 20"))?;
        let args = match peer {
            LIMIT => format!("tls-handshakes {port} 1"),
            _ => format!("-z --ssl 127.0.0.1 {port}"),
        };
        let began = Instant::now();
        let mut child = start(context, peer, &args, Stdio2::null())?;
        let ended = child.success(began + PATIENCE)?;
        Ok(vec![(ended.at - began).as_secs_f64() * 1e3, bare, ended.resident_mib_max()])
    };
    let mut section = Section {
        id: "tls-start",
        title: "start-up: -z --ssl".to_owned(),
        how: "`X -z --ssl 127.0.0.1 PORT` to a listener of ours, from before the process until it has \
              ended; beside it a handshake of a client that runs already, which the server takes part in \
              alike. The limit makes one handshake and ends."
            .to_owned(),
        metrics: START_METRICS.into(),
        rows: rows(context, &[OURS, NCAT, LIMIT], START_METRICS.len(), context.pick(50, 15), once),
        ..Section::default()
    };
    server.kill().map_err(failed)?;
    let above = section.median(OURS, 0).zip(section.median(OURS, 1)).map(|(all, bare)| all - bare);
    section.judge("≤ 10 ms above the handshake alone".to_owned(), above, |ms| ms <= 10.0);
    Ok(section)
}
