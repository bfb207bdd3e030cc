//! The tools that are compared, and how each is asked for the same thing.

use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::child::{Child, Stdio2, scratch_file};
use super::report::{Fault, OURS};

pub(crate) const NCAT: &str = "ncat";
pub(crate) const OPENBSD: &str = "nc.openbsd";
pub(crate) const SOCAT: &str = "socat";
pub(crate) const SOCAT_1M: &str = "socat -b1M";
pub(crate) const LIMIT: &str = "limit";
/// The limit program waiting in poll instead of inside splice: see its source for why that matters.
pub(crate) const LIMIT_LIVE: &str = "limit, polled";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Ncat,
    OpenBsd,
    /// With the arguments of `-b`.
    Socat(&'static [&'static str]),
    /// With its word for receiving.
    Limit(&'static str),
}

/// One tool.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    /// Installed here; a missing peer keeps its row so that nobody takes its silence for a win.
    pub(crate) present: bool,
    family: Family,
}

/// What a tool is asked to do with its stdin and stdout.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    /// Connect, send stdin, end.
    Send,
    /// Accept one connection, write it to stdout, end.
    Recv,
    /// Connect, both directions.
    Connect,
    /// Accept one connection, both directions.
    Listen,
    /// Accept this many connections at once, stdin to all, all to stdout.
    ListenMany(u32),
    /// Accept this many connections at once, each to all others.
    Broker(u32),
    /// Receive datagrams of one sender to stdout.
    RecvDatagrams,
    /// Receive datagrams of many senders to stdout.
    RecvDatagramsMany(u32),
    /// Give each connection a `cat`.
    Echo,
    /// Give each connection a `true`.
    RunTrue,
    /// Give each of this many senders of datagrams a `cat`.
    EchoDatagrams(u32),
    /// Connect and end.
    Probe,
    /// Print the version, or the nearest thing to it.
    Version,
}

/// Every tool, ours first. `release` is the directory of the built programs.
pub(crate) fn all(release: &Path) -> Vec<Peer> {
    let ours = std::env::var_os("NCAT_BIN").map_or_else(|| release.join("ncat"), PathBuf::from);
    let peer =
        |name, program: PathBuf, family| Peer { present: program.is_file(), name, program, family };
    vec![
        peer(OURS, ours, Family::Ncat),
        peer(NCAT, "/usr/bin/ncat".into(), Family::Ncat),
        peer(OPENBSD, "/bin/nc.openbsd".into(), Family::OpenBsd),
        peer(SOCAT, "/usr/bin/socat".into(), Family::Socat(&[])),
        peer(SOCAT_1M, "/usr/bin/socat".into(), Family::Socat(&["-b", "1048576"])),
        peer(LIMIT, release.join("limit"), Family::Limit("recv")),
        peer(LIMIT_LIVE, release.join("limit"), Family::Limit("recv-live")),
    ]
}

impl Peer {
    /// The arguments for `job` on 127.0.0.1 `port`; None when the tool has no such mode.
    pub(crate) fn args(&self, job: Job, port: u16) -> Option<Vec<String>> {
        let text = match self.family {
            Family::Ncat => match job {
                Job::Send => format!("--send-only 127.0.0.1 {port}"),
                Job::Recv | Job::Listen => format!("-l 127.0.0.1 {port}"),
                Job::Connect => format!("127.0.0.1 {port}"),
                Job::ListenMany(most) => format!("-l -k -m {most} 127.0.0.1 {port}"),
                Job::Broker(most) => format!("-l --broker -m {most} 127.0.0.1 {port}"),
                Job::RecvDatagrams => format!("-u -l 127.0.0.1 {port}"),
                Job::RecvDatagramsMany(most) => format!("-u -l -k -m {most} 127.0.0.1 {port}"),
                Job::Echo => format!("-l -k -e /bin/cat 127.0.0.1 {port}"),
                Job::RunTrue => format!("-l -k -e /bin/true 127.0.0.1 {port}"),
                Job::EchoDatagrams(most) => {
                    format!("-u -l -k -m {most} -e /bin/cat 127.0.0.1 {port}")
                }
                Job::Probe => format!("-z 127.0.0.1 {port}"),
                Job::Version => "--version".to_owned(),
            },
            Family::OpenBsd => match job {
                Job::Send => format!("-N 127.0.0.1 {port}"),
                Job::Recv | Job::Listen => format!("-l 127.0.0.1 {port}"),
                Job::Connect => format!("127.0.0.1 {port}"),
                Job::RecvDatagrams => format!("-u -l 127.0.0.1 {port}"),
                Job::Probe => format!("-z 127.0.0.1 {port}"),
                Job::Version => "-h".to_owned(),
                // Its -k serves one client after the other.
                Job::ListenMany(_) | Job::Broker(_) | Job::RecvDatagramsMany(_) => return None,
                // Debian's runs no commands.
                Job::Echo | Job::RunTrue | Job::EchoDatagrams(_) => return None,
            },
            Family::Socat(block) => {
                let listen = format!("TCP-LISTEN:{port},bind=127.0.0.1");
                let rest = match job {
                    Job::Send => format!("-u - TCP:127.0.0.1:{port}"),
                    Job::Recv => format!("-u {listen} -"),
                    Job::Connect => format!("- TCP:127.0.0.1:{port}"),
                    Job::Listen => format!("{listen} -"),
                    Job::RecvDatagrams | Job::RecvDatagramsMany(_) => {
                        format!("-u UDP-RECV:{port},bind=127.0.0.1 -")
                    }
                    Job::Echo => format!("{listen},fork EXEC:/bin/cat"),
                    Job::RunTrue => format!("{listen},fork,backlog=4096 EXEC:/bin/true"),
                    Job::EchoDatagrams(_) => {
                        format!("UDP-LISTEN:{port},bind=127.0.0.1,fork EXEC:/bin/cat")
                    }
                    Job::Probe => format!("-u /dev/null TCP:127.0.0.1:{port}"),
                    Job::Version => "-V".to_owned(),
                    // Its fork option makes processes that take turns at stdin: another thing.
                    Job::ListenMany(_) | Job::Broker(_) => return None,
                };
                [&block.join(" "), " ", &rest].concat()
            }
            Family::Limit(recv) => match job {
                Job::Send => format!("send {port}"),
                Job::Recv => format!("{recv} {port}"),
                Job::Connect => format!("both-connect {port}"),
                Job::Listen => format!("both-listen {port}"),
                _ => return None,
            },
        };
        Some(text.split_whitespace().map(str::to_owned).collect())
    }

    /// First line of what the tool says about its version, for the head of the report.
    pub(crate) fn version(&self, scratch: &Path) -> String {
        let Some(args) = self.args(Job::Version, 0).filter(|_| self.present) else {
            return if self.present { "part of this workspace" } else { "MISSING" }.to_owned();
        };
        self.ask(&args, scratch).unwrap_or_else(|fault| format!("{fault:?}"))
    }

    fn ask(&self, args: &[String], scratch: &Path) -> Result<String, Fault> {
        let mut output = scratch_file(scratch)?;
        let stdio = Stdio2::new(Stdio::null(), output.try_clone()?);
        let mut child = Child::start(&self.program, args, stdio, scratch)?;
        child.wait(Instant::now() + Duration::from_secs(5))?;
        let mut text = String::new();
        output.rewind()?;
        output.read_to_string(&mut text)?;
        // nc.openbsd says it on stderr.
        text.push_str(&child.said());
        let line = text.lines().find(|line| line.to_lowercase().contains("version"));
        Ok(line.or(text.lines().next()).unwrap_or("says nothing").trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_asked_for_the_same() {
        let peers = all(Path::new("/nowhere"));
        let words = |name: &str, job| {
            let peer = peers.iter().find(|p| p.name == name).unwrap();
            peer.args(job, 77).map(|args| args.join(" "))
        };
        assert_eq!(words(OURS, Job::Send), words(NCAT, Job::Send));
        assert_eq!(words(SOCAT_1M, Job::Send).unwrap(), "-b 1048576 -u - TCP:127.0.0.1:77");
        assert_eq!(words(OPENBSD, Job::ListenMany(3)), None);
        assert!(!peers.last().unwrap().present);
        assert_eq!(peers.last().unwrap().version(Path::new("/")), "MISSING");
    }
}
