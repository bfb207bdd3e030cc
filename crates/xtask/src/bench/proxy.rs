//! Proxies: a tunnel's speed, tunnels and requests in a second, and what an open tunnel costs.

use std::io::{self, BufRead as _, BufReader, pipe};
use std::time::{Duration, Instant};

use super::Context;
use super::child::Stdio2;
use super::idle::{descriptors, settled_descriptors};
use super::peers::{LIMIT, NCAT};
use super::proxy_peers::{
    DANTE, OURS_SOCKS, SQUID, TINYPROXY, ask, cpu_seconds, kind, proportional_kib, rows, start,
};
use super::report::{Fault, Metric, OURS, Section, brief, full};

const PATIENCE: Duration = Duration::from_secs(90);
const ALL: [&str; 6] = [OURS, OURS_SOCKS, NCAT, SQUID, TINYPROXY, DANTE];

/// Target: `mine`, a row of ours, is at least `factor` times the peer.
fn at_least(section: &mut Section, mine: &str, factor: f64, peer: &str) {
    let theirs = section.median(peer, 0).filter(|theirs| *theirs > 0.0);
    let ratio = section.median(mine, 0).zip(theirs).map(|(mine, theirs)| mine / theirs);
    let as_ours = if mine == OURS { String::new() } else { format!("{mine}: ") };
    let target = format!("{as_ours}{} ≥ {factor} × {peer}", section.metrics[0].name);
    section.judge(target, ratio, |ratio| ratio >= factor);
}

const BULK_METRICS: [Metric; 2] = [full("GB/s"), full("CPU s/GB proxy")];

pub(crate) fn bulk(context: &Context) -> io::Result<Section> {
    let bytes: u64 = context.pick(2 << 30, 256 << 20);
    let once = |name: &str, check: &str| -> Result<Vec<f64>, Fault> {
        let proxy = start(context, name)?;
        let gigabytes = bytes as f64 / 1e9;
        let args = format!("proxy-bulk {} {} {bytes} {check}", proxy.port, kind(name));
        let before = cpu_seconds(proxy.child.pid)?;
        let seconds = ask(context, args.trim_end(), PATIENCE)?;
        let used = cpu_seconds(proxy.child.pid)? - before;
        Ok(vec![gigabytes / seconds, used / gigabytes])
    };
    let names = [&ALL[..], &[LIMIT]].concat();
    // A proxy that loses or changes a byte gets no speed.
    let mut checked =
        rows(context, &names, 0, 1, |name| once(name, "--pattern").map(|_| Vec::new()));
    let timed =
        rows(context, &names, BULK_METRICS.len(), context.pick(9, 3), |name| {
            match checked.iter_mut().find(|row| row.peer == name).map(|row| &row.state) {
                Some(super::report::State::Failed(why)) => Err(Fault::Failed(why.clone())),
                Some(super::report::State::Hung(why)) => Err(Fault::Hung(why.clone())),
                _ => once(name, ""),
            }
        });
    let mut section = Section {
        id: "proxy-bulk",
        title: "a long download through a tunnel".to_owned(),
        how: format!(
            "CONNECT (dante, and ours in its second row: SOCKS 5) to a server of the bench, which sends {} \
             MiB; from the open tunnel until the client has all of it. limit: the least program that \
             does the same without a dialogue, by splice, one thread for each direction. Content checked in \
             a run of its own.",
            bytes >> 20
        ),
        metrics: BULK_METRICS.into(),
        rows: timed,
        ..Section::default()
    };
    at_least(&mut section, OURS, 0.9, LIMIT);
    for peer in [NCAT, SQUID, TINYPROXY] {
        at_least(&mut section, OURS, 1.0, peer);
    }
    at_least(&mut section, OURS_SOCKS, 0.9, LIMIT);
    at_least(&mut section, OURS_SOCKS, 1.0, DANTE);
    Ok(section)
}

const RATE_METRICS: [Metric; 2] = [full("tunnels/s"), full("CPU µs proxy")];

pub(crate) fn connects(context: &Context) -> io::Result<Section> {
    let count: u32 = context.pick(8000, 1600);
    let once = |name: &str| -> Result<Vec<f64>, Fault> {
        let proxy = start(context, name)?;
        let run = |count| {
            let args = format!("proxy-connects {} {} {count}", proxy.port, kind(name));
            ask(context, &args, PATIENCE)
        };
        // What a proxy does once is not counted.
        run(80)?;
        let before = cpu_seconds(proxy.child.pid)?;
        let rate = run(count)?;
        Ok(vec![rate, (cpu_seconds(proxy.child.pid)? - before) * 1e6 / f64::from(count)])
    };
    let mut section = Section {
        id: "proxy-connects",
        title: "tunnels opened and closed".to_owned(),
        how: format!(
            "8 clients open {count} tunnels between them, one after the other, and close each when it is \
             open; until the server has seen the end of each. CONNECT, or SOCKS 5 as above."
        ),
        metrics: RATE_METRICS.into(),
        rows: rows(context, &ALL, RATE_METRICS.len(), context.pick(7, 3), once),
        ..Section::default()
    };
    at_least(&mut section, OURS, 5.0, NCAT);
    at_least(&mut section, OURS, 1.0, SQUID);
    at_least(&mut section, OURS, 1.0, TINYPROXY);
    at_least(&mut section, OURS_SOCKS, 1.0, DANTE);
    Ok(section)
}

const GET_METRICS: [Metric; 2] = [full("requests/s"), full("CPU µs proxy")];

pub(crate) fn gets(context: &Context) -> io::Result<Section> {
    let count: u32 = context.pick(40_000, 8_000);
    let once = |name: &str| -> Result<Vec<f64>, Fault> {
        let proxy = start(context, name)?;
        let run = |count| {
            let args = format!("proxy-gets {} {count}", proxy.port);
            ask(context, &args, PATIENCE)
        };
        run(80)?;
        let before = cpu_seconds(proxy.child.pid)?;
        let rate = run(count)?;
        Ok(vec![rate, (cpu_seconds(proxy.child.pid)? - before) * 1e6 / f64::from(count)])
    };
    let names = [OURS, NCAT, SQUID, TINYPROXY];
    let mut section = Section {
        id: "proxy-gets",
        title: "pages of 1 KiB through a proxy".to_owned(),
        how: format!(
            "8 clients ask {count} times between them, each on a connection that it keeps as long as the \
             proxy does; the server, one of the bench, keeps its own. Nothing is cached."
        ),
        metrics: GET_METRICS.into(),
        rows: rows(context, &names, GET_METRICS.len(), context.pick(7, 3), once),
        ..Section::default()
    };
    at_least(&mut section, OURS, 1.0, SQUID);
    at_least(&mut section, OURS, 1.0, TINYPROXY);
    Ok(section)
}

/// Open tunnels; of those with a process or a thread for each, as many as need no patience.
const TUNNELS: u32 = 5_000;
const TUNNELS_OF_OTHERS: u32 = 500;

const IDLE_METRICS: [Metric; 3] =
    [brief("tunnels"), brief("PSS KiB per tunnel"), brief("PSS KiB per tunnel after their end")];

pub(crate) fn idle(context: &Context) -> io::Result<Section> {
    let once = |name: &str| -> Result<Vec<f64>, Fault> {
        let count =
            if [OURS, OURS_SOCKS, SQUID].contains(&name) { TUNNELS } else { TUNNELS_OF_OTHERS };
        let mut proxy = start(context, name)?;
        ask(context, &format!("proxy-connects {} {} 80", proxy.port, kind(name)), PATIENCE)?;
        let open_before = descriptors(&proxy.child)?;
        let before = proportional_kib(proxy.child.pid)?;
        let (silent, hold) = pipe()?;
        let (says, stdout) = pipe()?;
        let args = format!("proxy-tunnels {} {} {count}", proxy.port, kind(name));
        let mut clients = context.start_limit(&args, Stdio2::new(silent, stdout))?;
        let _dog = clients.watchdog(PATIENCE)?;
        let mut line = String::new();
        BufReader::new(says).read_line(&mut line)?;
        if line.trim() != "ready" {
            return Err(Fault::Failed(clients.complaint()));
        }
        let each = |now: u64| now.saturating_sub(before) as f64 / f64::from(count);
        let open = each(proportional_kib(proxy.child.pid)?);
        drop(hold);
        clients.success(Instant::now() + PATIENCE)?;
        // Where descriptors go, the rest has gone too.
        let wanted = Instant::now() + Duration::from_secs(5);
        while descriptors(&proxy.child)? > open_before && Instant::now() < wanted {
            std::thread::sleep(Duration::from_millis(20));
        }
        settled_descriptors(&mut proxy.child, 0)?;
        let after = each(proportional_kib(proxy.child.pid)?);
        Ok(vec![f64::from(count), open, after])
    };
    let mut section = Section {
        id: "proxy-idle",
        title: "5,000 open tunnels".to_owned(),
        how: "memory of the proxy and its processes (PSS, from smaps_rollup) before, while they are open, and \
              when all have ended."
            .to_owned(),
        metrics: IDLE_METRICS.into(),
        rows: rows(context, &ALL, IDLE_METRICS.len(), context.pick(3, 1), once),
        notes: vec![format!(
            "ncat, tinyproxy and dante with {TUNNELS_OF_OTHERS}: a process or a thread for each, or a \
             few."
        )],
        ..Section::default()
    };
    for mine in [OURS, OURS_SOCKS] {
        let size = section.median(mine, 1);
        section.judge(format!("{mine}: PSS KiB per tunnel ≤ 32"), size, |kib| kib <= 32.0);
    }
    Ok(section)
}
