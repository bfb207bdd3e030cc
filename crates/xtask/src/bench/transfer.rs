//! Bulk transfers: a file, a pipe, and both directions at once.

use std::io::{self, PipeReader, Read as _, pipe};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::child::{Child, Finished, Stdio2};
use super::net::{Net, start_listener};
use super::peers::{Job, LIMIT, LIMIT_LIVE, NCAT, OPENBSD, Peer, SOCAT, SOCAT_1M};
use super::report::{Fault, Metric, Section, State, brief, full};
use super::{Context, interleave};

pub(crate) const METRICS: [Metric; 5] = [
    full("GB/s"),
    full("CPU s/GB sender"),
    full("CPU s/GB receiver"),
    brief("peak RSS MiB sender"),
    brief("peak RSS MiB receiver"),
];

/// No transfer of the bench takes a tenth of this unless it hangs.
pub(crate) fn patience(context: &Context) -> Duration {
    context.pick(Duration::from_secs(120), Duration::from_secs(20))
}

/// Where the bytes to send come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input<'a> {
    File(&'a Path),
    /// A feeder that writes pieces of this many bytes.
    Feeder(u64),
}

/// The feeder's pieces where their size is not what is measured, in bytes.
const PIECE: u64 = 256 << 10;

/// Whether to look at every byte (slow, untimed) or only to count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Bytes,
    Count,
}

pub(crate) fn file(context: &Context) -> io::Result<Section> {
    let bytes = context.pick(2 << 30, 256 << 20);
    let input = InputFile::make(context, bytes)?;
    let how = format!(
        "`X --send-only 127.0.0.1 PORT <file` to `X -l 127.0.0.1 PORT >/dev/null`, each tool with \
         itself; {} MiB, file on disk and in the page cache; from the sender's start until both \
         ended with 0. Content checked in a run of its own.",
        bytes >> 20
    );
    let once = |peer: &Peer, check| one_way(context, peer, bytes, Input::File(&input.path), check);
    let mut section = measure(context, "file", "file → socket → /dev/null", how, once);
    section.at_least(0, 0.95, LIMIT);
    section.at_least(0, 3.0, NCAT);
    section.at_least(0, 1.8, OPENBSD);
    section.at_least(0, 3.0, SOCAT);
    section.at_least(0, 1.0, SOCAT_1M);
    section.at_most(1, 0.5, OPENBSD);
    section.at_most(2, 0.5, OPENBSD);
    Ok(section)
}

pub(crate) fn pipe_to_pipe(context: &Context) -> io::Result<Section> {
    let bytes = context.pick(2 << 30, 256 << 20);
    let how = format!(
        "`feed | X --send-only 127.0.0.1 PORT` to `X -l 127.0.0.1 PORT | sink`, the same feeder and \
         sink (256 KiB calls) for all; {} MiB; until sender, receiver and sink ended. Content \
         checked in a run of its own.",
        bytes >> 20
    );
    let once = |peer: &Peer, check| one_way(context, peer, bytes, Input::Feeder(PIECE), check);
    let mut section = measure(context, "pipe", "pipe → socket → pipe", how, once);
    section.at_least(0, 0.95, LIMIT);
    section.at_least(0, 1.8, NCAT);
    section.at_least(0, 1.2, OPENBSD);
    Ok(section)
}

/// A file each way, as two people who exchange files would: `X host <a >b` at both ends.
pub(crate) fn both(context: &Context) -> io::Result<Section> {
    let bytes = context.pick(1 << 30, 128 << 20);
    // Twice what is counted, so that no stream ends and no tool's rule for ending is measured.
    let input = InputFile::make(context, 2 * bytes)?;
    let how = format!(
        "`X 127.0.0.1 PORT <file | sink` with `X -l 127.0.0.1 PORT <file | sink`; {} MiB each way; \
         GB/s counts both ways; until both sinks have everything (the file is longer, so no tool's \
         rule for ending is measured).",
        bytes >> 20
    );
    let once = |peer: &Peer, check| two_way(context, peer, bytes, Some(&input.path), check);
    let mut section = measure(context, "both", "both directions at once", how, once);
    let rivals = [NCAT, OPENBSD, SOCAT, SOCAT_1M];
    let speed = |name: &&str| section.median(name, 0).unwrap_or(0.0);
    let best = rivals.into_iter().max_by(|a, b| speed(a).total_cmp(&speed(b)));
    section.at_least(0, 1.5, best.expect("the list is not empty"));
    Ok(section)
}

/// The same from pipes. Here the feeders and sinks of the bench take most of both processors and
/// the pipes' locks are fought over, so that even the limit program is no more than 1.3 to 1.6
/// times as fast as the best peer: shown, not judged.
pub(crate) fn both_pipes(context: &Context) -> io::Result<Section> {
    let bytes = context.pick(1 << 30, 128 << 20);
    let how = format!(
        "`feed | X 127.0.0.1 PORT | sink` with `feed | X -l 127.0.0.1 PORT | sink`; {} MiB each way; \
         GB/s counts both ways; until both sinks have everything.",
        bytes >> 20
    );
    let once = |peer: &Peer, check| two_way(context, peer, bytes, None, check);
    Ok(measure(context, "both-pipes", "both directions at once, pipes", how, once))
}

fn measure(
    context: &Context,
    id: &'static str,
    title: &str,
    how: String,
    once: impl Fn(&Peer, Check) -> Result<Vec<f64>, Fault>,
) -> Section {
    // Only where stdout is a pipe and the stream ends do the two limits differ.
    let differs = |peer: &&Peer| id == "pipe" || peer.name != LIMIT_LIVE;
    let peers: Vec<&Peer> = context.peers.iter().filter(differs).collect();
    // Single runs of these differ by a tenth: nine, so that their medians do not.
    let runs = context.pick(9, 3);
    // A tool that loses or changes a byte gets no speed.
    let mut checks =
        interleave(&peers, &[], 1, |peer, _| once(peer, Check::Bytes).map(|_| Vec::new()));
    let rows = interleave(&peers, &METRICS, runs, |peer, _| {
        let check = checks.iter_mut().find(|row| row.peer == peer.name);
        match check.map(|row| &row.state) {
            Some(State::Hung(why)) => Err(Fault::Hung(why.clone())),
            Some(State::Failed(why)) => Err(Fault::Failed(why.clone())),
            _ => once(peer, Check::Count),
        }
    });
    Section {
        id,
        title: title.to_owned(),
        how,
        metrics: METRICS.into(),
        rows,
        ..Section::default()
    }
}

/// A sender with `input` or a feeder, a receiver with /dev/null or a sink.
pub(crate) fn one_way(
    context: &Context,
    peer: &Peer,
    bytes: u64,
    input: Input<'_>,
    check: Check,
) -> Result<Vec<f64>, Fault> {
    let deadline = Instant::now() + patience(context);
    // The receiver's stdin stays open and silent, as a terminal would be.
    let mut held = Vec::new();
    let mut sink_input: Option<PipeReader> = None;
    let (mut receiver, port) = start_listener(Net::Tcp, |port| {
        let (silent, keep) = pipe()?;
        held.push(keep);
        let stdout = if matches!(input, Input::File(_)) && check == Check::Count {
            Stdio::null()
        } else {
            let (read, write) = pipe()?;
            sink_input = Some(read);
            write.into()
        };
        context.start(peer, Job::Recv, port, Stdio2::new(silent, stdout))
    })?;
    let mut sink = match sink_input {
        Some(read) => Some(Sink::start(context, read, "inf", check)?),
        None => None,
    };

    let start = Instant::now();
    let mut feeder = None;
    let stdin: Stdio = match input {
        Input::File(path) => std::fs::File::open(path)?.into(),
        Input::Feeder(piece) => {
            let (read, write) = pipe()?;
            feeder = Some(feed(context, bytes, piece, check, write.into())?);
            read.into()
        }
    };
    let mut sender = context.start(peer, Job::Send, port, Stdio2::new(stdin, Stdio::null()))?;

    let sent = sender.success(deadline)?;
    let received = receiver.success(deadline)?;
    let mut end = sent.at.max(received.at);
    if let Some(sink) = &mut sink {
        end = end.max(sink.expect(bytes, deadline)?);
    }
    if let Some(feeder) = &mut feeder {
        feeder.success(deadline)?;
    }
    Ok(figures(bytes, end - start, sent, received))
}

/// Two files or feeders, two sinks; the tools are killed once the sinks are full.
fn two_way(
    context: &Context,
    peer: &Peer,
    bytes: u64,
    input: Option<&Path>,
    check: Check,
) -> Result<Vec<f64>, Fault> {
    // Ends kept open here, so that neither tool sees an end of stream or a broken pipe.
    let mut held: Vec<(io::PipeWriter, PipeReader)> = Vec::new();
    let mut ends = || -> io::Result<(Stdio2, io::PipeWriter, PipeReader)> {
        let (read, feed_to) = pipe()?;
        let (sink_from, stdout) = pipe()?;
        held.push((feed_to.try_clone()?, sink_from.try_clone()?));
        let stdin = match input {
            Some(path) => Stdio::from(std::fs::File::open(path)?),
            None => read.into(),
        };
        Ok((Stdio2::new(stdin, stdout), feed_to, sink_from))
    };
    let mut far = None;
    let (mut listener, port) = start_listener(Net::Tcp, |port| {
        let (stdio, feed_to, sink_from) = ends()?;
        far = Some((feed_to, sink_from));
        context.start(peer, Job::Listen, port, stdio)
    })?;
    let (far_feed, far_sink) = far.ok_or_else(|| Fault::failed("no listener was started"))?;
    let (stdio, near_feed, near_sink) = ends()?;
    let count = bytes.to_string();
    let mut sinks = [
        Sink::start(context, far_sink, &format!("{count} --on"), check)?,
        Sink::start(context, near_sink, &format!("{count} --on"), check)?,
    ];

    let start = Instant::now();
    let feeders = match input {
        Some(_) => Vec::new(),
        None => vec![
            feed(context, bytes, PIECE, check, far_feed.into())?,
            feed(context, bytes, PIECE, check, near_feed.into())?,
        ],
    };
    let mut client = context.start(peer, Job::Connect, port, stdio)?;
    let mut end = start;
    for sink in &mut sinks {
        end = end.max(sink.reached(bytes, patience(context))?);
    }
    drop(feeders);
    let (sent, received) = (client.kill()?, listener.kill()?);
    Ok(figures(2 * bytes, end - start, sent, received))
}

pub(crate) fn figures(
    bytes: u64,
    took: Duration,
    sender: Finished,
    receiver: Finished,
) -> Vec<f64> {
    let gigabytes = bytes as f64 / 1e9;
    vec![
        gigabytes / took.as_secs_f64(),
        sender.cpu_seconds() / gigabytes,
        receiver.cpu_seconds() / gigabytes,
        sender.resident_mib_max(),
        receiver.resident_mib_max(),
    ]
}

fn feed(
    context: &Context,
    bytes: u64,
    piece: u64,
    check: Check,
    to: Stdio,
) -> Result<Child, Fault> {
    let what = match check {
        Check::Bytes => "--pattern".to_owned(),
        Check::Count => format!("--chunk {piece}"),
    };
    context.start_limit(&format!("feed {bytes} {what}"), Stdio2::new(Stdio::null(), to))
}

/// A sink and the pipe on which it says how much came.
pub(crate) struct Sink {
    child: Child,
    says: PipeReader,
}

impl Sink {
    pub(crate) fn start(
        context: &Context,
        from: PipeReader,
        count: &str,
        check: Check,
    ) -> Result<Self, Fault> {
        let (count, on) = count.split_once(' ').unwrap_or((count, ""));
        let pattern = if check == Check::Bytes { "--pattern" } else { "" };
        let (says, stdout) = pipe()?;
        let args = format!("sink {count} {pattern} {on}");
        let child = context.start_limit(&args, Stdio2::new(from, stdout))?;
        Ok(Self { child, says })
    }

    /// Waits until it has counted everything; the moment it had. It reads on meanwhile.
    pub(crate) fn reached(&mut self, bytes: u64, patience: Duration) -> Result<Instant, Fault> {
        let _dog = self.child.watchdog(patience)?;
        let mut count = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(&self.says), &mut count)?;
        let at = Instant::now();
        if count.trim() == bytes.to_string() {
            return Ok(at);
        }
        Err(Fault::Hung(format!("{:?} of {bytes} bytes arrived", count.trim())))
    }

    /// Waits for its end and compares the count; the moment it ended.
    fn expect(&mut self, bytes: u64, deadline: Instant) -> Result<Instant, Fault> {
        let finished = self.child.success(deadline)?;
        let mut count = String::new();
        self.says.read_to_string(&mut count)?;
        if count.trim() == bytes.to_string() {
            return Ok(finished.at);
        }
        Err(Fault::Failed(format!("{} of {bytes} bytes arrived", count.trim())))
    }
}

/// The file to send; removed with this value.
pub(crate) struct InputFile {
    pub(crate) path: PathBuf,
}

impl InputFile {
    pub(crate) fn make(context: &Context, bytes: u64) -> io::Result<Self> {
        let input = Self { path: context.scratch.join(format!("input-{}", std::process::id())) };
        let file = std::fs::File::create(&input.path)?;
        let into = Stdio2::new(Stdio::null(), file.try_clone()?);
        let made = context
            .start_limit(&format!("feed {bytes} --pattern"), into)
            .and_then(|mut child| child.success(Instant::now() + patience(context)));
        made.map_err(|fault| io::Error::other(format!("making the input file: {fault:?}")))?;
        // Written back now, so that the disk is quiet while we measure; the pages stay in memory.
        file.sync_all()?;
        Ok(input)
    }
}

impl Drop for InputFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
