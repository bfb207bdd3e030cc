//! `cargo xtask bench`: the performance targets of the project, measured.
//!
//! Every workload runs ours and its peers in turn (A B C A B C …) in one go, so that a slow moment
//! of the machine hits all alike, and judges the ratios of the medians. Figures of different runs
//! or machines are not comparable; the ratios of one run are.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Command;

use child::{Child, Stdio2};
use peers::{Job, Peer};
use report::{Fault, Metric, Report, Row, Section};

mod accepts;
mod broker;
mod child;
mod dtls;
mod exec;
mod facts;
mod fanout;
mod idle;
mod json;
mod lua;
mod memory;
mod net;
mod peers;
mod pingpong;
mod proxy;
mod proxy_peers;
mod report;
mod startup;
mod stats;
mod sweeps;
mod table;
mod tls;
mod tls_clients;
mod transfer;
mod udp;

/// What a workload needs to know.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) quick: bool,
    pub(crate) peers: Vec<Peer>,
    /// The yardstick program, whose feeder and sink all tools get.
    pub(crate) limit: PathBuf,
    /// For files of the bench; on the same disk as the build.
    pub(crate) scratch: PathBuf,
}

type Workload = fn(&Context) -> io::Result<Section>;

const WORKLOADS: &[(&str, Workload)] = &[
    ("file", transfer::file),
    ("pipe", transfer::pipe_to_pipe),
    ("both", transfer::both),
    ("both-pipes", transfer::both_pipes),
    ("chunks", sweeps::chunks),
    ("crowds", sweeps::crowds),
    ("accepts", accepts::run),
    ("memory", memory::run),
    ("pingpong", pingpong::run),
    ("version", startup::version),
    ("probe", startup::probe),
    ("idle", idle::run),
    ("fanout", fanout::run),
    ("broker", broker::run),
    ("udp", udp::rate),
    ("udp-peers", udp::peers),
    ("exec-echo", exec::echo),
    ("exec-rate", exec::rate),
    ("exec-udp", exec::peers),
    ("tls", tls::bulk),
    ("tls-handshakes", tls::handshakes),
    ("dtls", dtls::echo),
    ("tls-resumed", tls_clients::resumed),
    ("tls-idle", tls_clients::idle),
    ("tls-start", tls_clients::start_up),
    ("proxy-bulk", proxy::bulk),
    ("proxy-connects", proxy::connects),
    ("proxy-gets", proxy::gets),
    ("proxy-idle", proxy::idle),
    ("lua", lua::pump),
    ("lua-natives", lua::natives),
    ("lua-start", lua::start_up),
];

/// Runs the named workloads, or all; an error when a target was missed.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let (options, names): (Vec<&str>, Vec<&str>) =
        args.iter().map(String::as_str).partition(|arg| arg.starts_with('-'));
    let known = |name: &&str| WORKLOADS.iter().any(|(id, _)| id == name);
    let understood = |option: &&str| ["--quick", "--urgent"].contains(option);
    if !options.iter().all(understood) || !names.iter().all(known) {
        let ids: Vec<&str> = WORKLOADS.iter().map(|(id, _)| *id).collect();
        return Err(format!(
            "usage: cargo xtask bench [--quick] [--urgent] [{}]...\n\
             --quick   256 MiB and few runs, for a first look; name the workloads you want\n\
             --urgent  ahead of everything else on a busy machine (needs root)",
            ids.join("|")
        ));
    }
    let urgent = std::env::var_os(URGENT).is_some();
    if options.contains(&"--urgent") && !urgent {
        return Err(format!("bench: chrt: {}", restart_urgent(args)));
    }
    match measure(options.contains(&"--quick"), urgent, &names) {
        Ok(report) if report.any_failed() => {
            Err("a target was missed; the table says which".into())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(format!("bench: {error}")),
    }
}

/// Set in the environment of the bench that runs ahead of everything else.
const URGENT: &str = "NCAT_BENCH_URGENT";

/// Becomes this program again with real-time scheduling, which the tools inherit, ours and the
/// peers alike. Niceness would not do: with autogroups it counts only within one terminal's tasks.
/// Seen beside a build: UDP without loss 8,000 to 12,000 packets/s as usual, 272,614 to 272,618 so.
/// Returns only the error.
fn restart_urgent(args: &[String]) -> io::Error {
    use std::os::unix::process::CommandExt as _;
    match std::env::current_exe() {
        Ok(program) => Command::new("chrt")
            .args(["-r", "1"])
            .arg(program)
            .arg("bench")
            .args(args)
            .env(URGENT, "1")
            .exec(),
        Err(error) => error,
    }
}

fn measure(quick: bool, urgent: bool, names: &[&str]) -> io::Result<Report> {
    let target = crate::step::target_dir();
    build()?;
    let scratch = target.join("bench");
    std::fs::create_dir_all(&scratch)?;
    let release = target.join("release");
    raise_descriptor_limit();
    let peers = peers::all(&release);
    let limit = release.join("limit");
    let context = Context { quick, peers, limit, scratch };
    let mut report = Report { facts: facts::machine(), sections: Vec::new() };
    let mode = if quick { "quick: 256 MiB, few runs" } else { "full: 2 GiB, at least 5 runs" };
    let mode = if urgent { format!("{mode}; urgent (SCHED_RR)") } else { mode.to_owned() };
    report.facts.push(("mode".to_owned(), mode));
    if std::env::var_os("OPENSSL_NO_VENDOR").is_some() {
        let what =
            "the system's, loaded at start: slower to start than the program that is shipped";
        report.facts.push(("OpenSSL".to_owned(), what.to_owned()));
    }
    for peer in &context.peers {
        if !peer.present {
            eprintln!(
                "bench: MISSING: {} ({}): its rows stay empty",
                peer.name,
                peer.program.display()
            );
        }
        let what = format!("{} ({})", peer.program.display(), peer.version(&context.scratch));
        report.facts.push((peer.name.to_owned(), what));
    }
    for (id, workload) in WORKLOADS {
        if names.is_empty() || names.contains(id) {
            let start = std::time::Instant::now();
            eprintln!("bench: {id} ...");
            let section = workload(&context)?;
            eprintln!("bench: {id} took {:.1} s", start.elapsed().as_secs_f64());
            report.sections.push(section);
        }
    }
    report.facts.push(("load after".to_owned(), facts::load()));
    std::fs::write(target.join("bench.json"), format!("{:#}\n", json::render(&report)))?;
    let table = table::render(&report);
    std::fs::write(target.join("bench.md"), &table)?;
    io::stdout().write_all(table.as_bytes())?;
    Ok(report)
}

/// The programs must be those of this source, built as they are shipped.
fn build() -> io::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--release", "-p", "limit"]);
    if std::env::var_os("NCAT_BIN").is_none() {
        command.args(["-p", "ncat"]);
    }
    match command.status()?.success() {
        true => Ok(()),
        false => Err(io::Error::other("the programs to measure do not build")),
    }
}

/// Ten thousand clients need as many descriptors here; what is not granted shows in the row.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

impl Context {
    /// The full number, or the quick one.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Starts a peer; `None` means the tool cannot do it.
    pub(crate) fn start(
        &self,
        peer: &Peer,
        job: Job,
        port: u16,
        stdio: Stdio2,
    ) -> Result<Child, Fault> {
        let args = peer.args(job, port).ok_or_else(|| Fault::failed("has no such mode"))?;
        Ok(Child::start(&peer.program, &args, stdio, &self.scratch)?)
    }

    /// Starts the yardstick program as feeder, sink or datagram sender.
    pub(crate) fn start_limit(&self, args: &str, stdio: Stdio2) -> Result<Child, Fault> {
        let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
        Ok(Child::start(&self.limit, &args, stdio, &self.scratch)?)
    }

    /// The peers that `wanted` names, in their usual order.
    pub(crate) fn named(&self, wanted: &[&str]) -> Vec<&Peer> {
        self.peers.iter().filter(|peer| wanted.contains(&peer.name)).collect()
    }
}

/// Runs each peer `runs` times, in turn; a peer that fails once is left out of later rounds.
pub(crate) fn interleave(
    peers: &[&Peer],
    metrics: &[Metric],
    runs: usize,
    mut run: impl FnMut(&Peer, usize) -> Result<Vec<f64>, Fault>,
) -> Vec<Row> {
    let mut rows: Vec<Row> =
        peers.iter().map(|peer| Row::new(peer.name, peer.present, metrics.len())).collect();
    for round in 0..runs {
        for (peer, row) in peers.iter().zip(&mut rows) {
            if row.state == report::State::Ran {
                row.record(run(peer, round));
            }
        }
    }
    rows
}
