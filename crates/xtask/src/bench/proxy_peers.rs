//! The proxies that are compared, each started with no more configuration than the work needs.

use std::io::pipe;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Context;
use super::child::{Child, Stdio2};
use super::net::{Net, start_listener};
use super::peers::{LIMIT, NCAT};
use super::report::{Fault, OURS, Row, State};

/// Ours again, asked by SOCKS 5, as dante has to be.
pub(super) const OURS_SOCKS: &str = "ours, SOCKS 5";
pub(super) const SQUID: &str = "squid";
pub(super) const TINYPROXY: &str = "tinyproxy";
pub(super) const DANTE: &str = "dante";

/// Clients that a proxy has to be ready for.
const CLIENTS: u32 = 6000;

/// A running proxy. Its configuration is removed with it.
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) port: u16,
    config: Option<PathBuf>,
    _input: std::io::PipeWriter,
}

impl Drop for Running {
    fn drop(&mut self) {
        // One of several processes has to be asked, so that it ends the others.
        self.child.end(Duration::from_secs(5));
        if let Some(config) = &self.config {
            let _ = std::fs::remove_file(config);
        }
    }
}

/// How the clients of the bench ask it.
pub(super) fn kind(name: &str) -> &'static str {
    match name {
        LIMIT => "direct",
        OURS_SOCKS | DANTE => "socks5",
        _ => "http",
    }
}

/// The program of a proxy.
fn program(context: &Context, name: &str) -> PathBuf {
    let known = |name: &str| context.peers.iter().find(|peer| peer.name == name);
    match name {
        SQUID => "/usr/sbin/squid".into(),
        TINYPROXY => "/usr/bin/tinyproxy".into(),
        DANTE => "/usr/sbin/danted".into(),
        OURS_SOCKS => known(OURS).map(|peer| peer.program.clone()).unwrap_or_default(),
        _ => known(name).map(|peer| peer.program.clone()).unwrap_or_default(),
    }
}

/// What is written into a file for it.
fn config(name: &str, port: u16) -> Option<String> {
    Some(match name {
        // Nothing is kept: what is compared is how a request is passed on.
        SQUID => format!(
            "http_port 127.0.0.1:{port}\npid_filename none\ncache_log /dev/null\naccess_log none\n\
             coredump_dir /tmp\nshutdown_lifetime 0 seconds\nvisible_hostname squid.example\n\
             cache deny all\nnetdb_filename none\npinger_enable off\nhttp_access allow all\n\
             max_filedescriptors {}\n",
            3 * CLIENTS
        ),
        TINYPROXY => format!(
            "Port {port}\nListen 127.0.0.1\nMaxClients {CLIENTS}\nTimeout 60\nLogLevel Critical\n"
        ),
        DANTE => format!(
            "logoutput: /dev/null\ninternal: 127.0.0.1 port = {port}\nexternal: lo\n\
             clientmethod: none\nsocksmethod: none\nuser.privileged: root\nuser.unprivileged: nobody\n\
             client pass {{ from: 0/0 to: 0/0 }}\nsocks pass {{ from: 0/0 to: 0/0 protocol: tcp udp }}\n"
        ),
        _ => return None,
    })
}

/// Its arguments.
fn args(name: &str, port: u16, config: &Path) -> String {
    let config = config.display();
    match name {
        LIMIT => format!("relay {port}"),
        SQUID => format!("-N -f {config}"),
        TINYPROXY => format!("-d -c {config}"),
        DANTE => format!("-p {config}.pid -f {config}"),
        NCAT => format!("-l --proxy-type http {port}"),
        OURS_SOCKS => format!("-l --proxy-type socks5 -m {CLIENTS} 127.0.0.1 {port}"),
        _ => format!("-l --proxy-type http -m {CLIENTS} 127.0.0.1 {port}"),
    }
}

/// Starts a proxy and waits until it listens.
pub(super) fn start(context: &Context, name: &str) -> Result<Running, Fault> {
    let (mut written, mut input) = (None, None);
    let (child, port) = start_listener(Net::Tcp, |port| {
        let file = context.scratch.join(format!("proxy-{}-{port}", std::process::id()));
        if let Some(text) = config(name, port) {
            std::fs::write(&file, text)?;
            written = Some(file.clone());
        }
        let (silent, keep) = pipe()?;
        input = Some(keep);
        let args: Vec<String> =
            args(name, port, &file).split_whitespace().map(str::to_owned).collect();
        let stdio = Stdio2::new(silent, Stdio::null());
        Ok(Child::start(&program(context, name), &args, stdio, &context.scratch)?)
    })?;
    let input = input.ok_or_else(|| Fault::failed("no proxy was started"))?;
    Ok(Running { child, port, config: written, _input: input })
}

/// Each of `names` in turn, `runs` times.
pub(super) fn rows(
    context: &Context,
    names: &[&str],
    metrics: usize,
    runs: usize,
    mut run: impl FnMut(&str) -> Result<Vec<f64>, Fault>,
) -> Vec<Row> {
    let row = |name: &&str| Row::new(name, program(context, name).is_file(), metrics);
    let mut rows: Vec<Row> = names.iter().map(row).collect();
    for _ in 0..runs {
        for row in &mut rows {
            if row.state == State::Ran {
                let result = run(&row.peer);
                row.record(result);
            }
        }
    }
    rows
}

/// What `limit` says when it is asked for something with numbers.
pub(super) fn ask(context: &Context, args: &str, patience: Duration) -> Result<f64, Fault> {
    use std::io::Read as _;
    let (mut says, stdout) = pipe()?;
    let mut client = context.start_limit(args, Stdio2::new(Stdio::null(), stdout))?;
    client.success(Instant::now() + patience)?;
    let mut text = String::new();
    says.read_to_string(&mut text)?;
    text.trim().parse().map_err(|_| Fault::Failed(format!("limit said {text:?}")))
}

/// A process and those it started.
fn family(root: u32) -> std::io::Result<Vec<u32>> {
    let mut family = vec![root];
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end while we look.
        if let Some(parent) = stat(pid).get(1) {
            parents.push((pid, *parent));
        }
    }
    let mut at = 0;
    while at < family.len() {
        let parent = family[at];
        let children = parents.iter().filter(|(_, own)| *own == u64::from(parent));
        family.extend(children.map(|(pid, _)| *pid));
        at += 1;
    }
    Ok(family)
}

/// Numbers of /proc/PID/stat from the state on, which counts as 0; none when the process has ended.
fn stat(pid: u32) -> Vec<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before it may hold anything, blanks and brackets too.
    let rest = text.rsplit(')').next().unwrap_or_default();
    rest.split_whitespace().map(|word| word.parse().unwrap_or_default()).collect()
}

/// Processor time of a process, of those it started, and of those that they have seen end, in seconds.
pub(super) fn cpu_seconds(root: u32) -> std::io::Result<f64> {
    let ticks: u64 = family(root)?
        .into_iter()
        .map(|pid| stat(pid).get(11..15).map_or(0, |times| times.iter().sum()))
        .sum();
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Memory of a process and of those it started, in KiB; what they share is counted once.
pub(super) fn proportional_kib(root: u32) -> std::io::Result<u64> {
    let mut all = 0;
    for pid in family(root)? {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        all += kib.unwrap_or_default();
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_child_counts() {
        let own = proportional_kib(std::process::id()).unwrap();
        let script = ["-c".to_owned(), "sleep 1000 & wait".to_owned()];
        let dir = std::env::temp_dir();
        let child = Child::start(Path::new("/bin/sh"), &script, Stdio2::null(), &dir).unwrap();
        let of_child = proportional_kib(child.pid).unwrap();
        assert!(of_child > 0 && own > 0, "{own} {of_child}");
    }

    #[test]
    fn processor_time_of_a_child_counts() {
        let script = ["-c".to_owned(), "(while :; do :; done) & wait".to_owned()];
        let dir = std::env::temp_dir();
        let child = Child::start(Path::new("/bin/sh"), &script, Stdio2::null(), &dir).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while cpu_seconds(child.pid).unwrap() < 0.05 {
            assert!(Instant::now() < until, "it is busy and that does not show");
            std::thread::sleep(Duration::from_millis(10));
        }
        for pid in family(child.pid).unwrap() {
            let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    #[test]
    fn each_proxy_is_asked_for_its_port() {
        for name in [OURS, OURS_SOCKS, NCAT, SQUID, TINYPROXY, DANTE, LIMIT] {
            let told = args(name, 77, Path::new("file"));
            let told = config(name, 77).unwrap_or_default() + &told;
            assert!(told.contains("77"), "{name}: {told}");
        }
    }
}
