//! Datagrams: how many a second without loss, and how many senders at once.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _, pipe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::child::{Child, Stdio2, on_processor, scratch_file};
use super::net::{Net, datagram_socket, start_listener};
use super::peers::{Job, NCAT, OPENBSD, Peer, SOCAT};
use super::report::{Fault, Metric, OURS, Section, brief, full};
use super::{Context, interleave};

const RATE_METRICS: [Metric; 2] = [full("packets/s without loss"), brief("CPU µs/packet")];
const PEER_METRICS: [Metric; 3] = [brief("senders"), brief("served"), brief("until complete ms")];
const SIZE: u64 = 1200;
const SENDERS: u32 = 1000;
const FIRST_RATE: u64 = 20_000;
/// A rate counts as lossy only after this many lossy tries: a receiver that was not scheduled for
/// half a millisecond says nothing about the tool.
const TRIES: usize = 5;

pub(crate) fn rate(context: &Context) -> io::Result<Section> {
    let peers = context.named(&[OURS, NCAT, OPENBSD, SOCAT]);
    let rows = interleave(&peers, &RATE_METRICS, context.pick(5, 2), |peer, _| once(context, peer));
    let mut section = Section {
        id: "udp",
        title: "UDP, 1,200-byte datagrams, one sender".to_owned(),
        how: format!(
            "`X -u -l 127.0.0.1 PORT >file`, file on {}; paced sendmmsg bursts of {} ms; sender and \
             receiver on a processor each; the highest rate of which every byte arrived in one of \
             {TRIES} tries.",
            output_dir(context).display(),
            burst_time(context).as_millis()
        ),
        metrics: RATE_METRICS.into(),
        rows,
        notes: vec!["A figure near the sender's own top speed is a lower bound.".to_owned()],
        ..Section::default()
    };
    section.at_least(0, 2.0, NCAT);
    section.at_least(0, 2.0, SOCAT);
    Ok(section)
}

fn burst_time(context: &Context) -> Duration {
    context.pick(Duration::from_millis(300), Duration::from_millis(100))
}

fn once(context: &Context, peer: &Peer) -> Result<Vec<f64>, Fault> {
    let mut trial = Trial::start(context, peer)?;
    let time = burst_time(context).as_secs_f64();
    // The first datagram makes a connecting tool pick this sender before anything is counted.
    trial.burst(1, 1000)?;
    let mut good = 0.0_f64;
    let mut bad = None;
    let mut rate = FIRST_RATE;
    let mut steps_left = 4;
    while steps_left > 0 {
        let count = (rate as f64 * time) as u64;
        let mut reached = None;
        for _ in 0..TRIES {
            let (real_rate, lost) = trial.burst(count, rate)?;
            if lost == 0 {
                reached = Some(real_rate);
                break;
            }
        }
        match reached {
            Some(real) => {
                good = good.max(real);
                if real < 0.95 * rate as f64 {
                    // The sender itself cannot go faster.
                    break;
                }
            }
            None => bad = Some(rate),
        }
        rate = match bad {
            // Bisect once a bound is known, else grow.
            Some(bad) => {
                steps_left -= 1;
                ((good.max(FIRST_RATE as f64 / 4.0) + bad as f64) / 2.0) as u64
            }
            None => rate * 8 / 5,
        };
    }
    let used = trial.receiver.kill()?;
    Ok(vec![good, used.cpu_seconds() * 1e6 / trial.sent_total.max(1) as f64])
}

/// In memory where possible: a disk that writes back meanwhile would cost datagrams.
fn output_dir(context: &Context) -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { context.scratch.clone() }
}

/// A receiver, the file it writes, and a sender.
///
/// A file and not a pipe, because a reader of the pipe would compete for the two processors.
struct Trial {
    receiver: Child,
    output: File,
    _sender: Child,
    orders: io::PipeWriter,
    reports: BufReader<io::PipeReader>,
    sent_total: u64,
    _held: Vec<io::PipeWriter>,
}

impl Trial {
    fn start(context: &Context, peer: &Peer) -> Result<Self, Fault> {
        let mut held = Vec::new();
        let output = scratch_file(&output_dir(context))?;
        let (receiver, port) = start_listener(Net::Udp, |port| {
            let (silent, keep) = pipe()?;
            held.push(keep);
            let stdio = Stdio2::new(silent, output.try_clone()?);
            on_processor(1, || context.start(peer, Job::RecvDatagrams, port, stdio))?
        })?;
        let (stdin, orders) = pipe()?;
        let (reports, stdout) = pipe()?;
        let stdio = Stdio2::new(stdin, stdout);
        let sender = on_processor(0, || context.start_limit(&format!("udp-send {port}"), stdio))??;
        let reports = BufReader::new(reports);
        Ok(Self { receiver, output, _sender: sender, orders, reports, sent_total: 0, _held: held })
    }

    /// Bytes written so far.
    fn count(&self) -> io::Result<u64> {
        Ok(self.output.metadata()?.len())
    }

    /// Sends `count` datagrams; the rate that was reached and how many were lost.
    fn burst(&mut self, count: u64, rate: u64) -> Result<(f64, u64), Fault> {
        // Frees the last burst's memory. The receiver's offset stays, and the next write makes the
        // file as long again with a hole in front, so lengths still count bytes.
        let before = self.count()?;
        self.output.set_len(0)?;
        self.output.set_len(before)?;
        writeln!(self.orders, "{count} {rate}")?;
        let mut answer = String::new();
        self.reports.read_line(&mut answer)?;
        let nanos = answer.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok());
        let nanos = nanos.ok_or_else(|| Fault::failed("the sender gave no report"))?;
        self.sent_total += count;
        let expected = before + count * SIZE;
        let mut seen = before;
        let mut since = Instant::now();
        // What is still on its way comes within the receiver's next turn; 30 ms is plenty.
        while seen < expected && since.elapsed() < Duration::from_millis(30) {
            std::thread::sleep(Duration::from_millis(1));
            let now = self.count()?;
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
        }
        if self.receiver.has_ended() {
            return Err(Fault::Failed(self.receiver.complaint()));
        }
        Ok((count as f64 * 1e9 / nanos.max(1.0), expected.saturating_sub(seen).div_ceil(SIZE)))
    }
}

pub(crate) fn peers(context: &Context) -> io::Result<Section> {
    let peers = context.named(&[OURS, NCAT, SOCAT]);
    let rows = interleave(&peers, &PEER_METRICS, context.pick(5, 1), |peer, _| many(context, peer));
    let mut section = Section {
        id: "udp-peers",
        title: "UDP, 1,000 senders with -k".to_owned(),
        how: format!(
            "`X -u -l -k -m {} 127.0.0.1 PORT | bench`; each sender has its own port and sends one \
             line, one sender a millisecond; served are the senders whose line came out.",
            SENDERS + 100
        ),
        metrics: PEER_METRICS.into(),
        rows,
        ..Section::default()
    };
    let served = section.median(OURS, 1);
    section.judge(format!("served = {SENDERS}"), served, |count| count >= f64::from(SENDERS));
    Ok(section)
}

fn many(context: &Context, peer: &Peer) -> Result<Vec<f64>, Fault> {
    let mut held = Vec::new();
    let mut output = None;
    let (_receiver, port) = start_listener(Net::Udp, |port| {
        let (silent, keep) = pipe()?;
        let (read, write) = pipe()?;
        held.push(keep);
        output = Some(read);
        let job = Job::RecvDatagramsMany(SENDERS + 100);
        context.start(peer, job, port, Stdio2::new(silent, write))
    })?;
    let output = output.ok_or_else(|| Fault::failed("no receiver was started"))?;
    let (send, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    let start = Instant::now();
    let mut sockets = Vec::new();
    for number in 0..SENDERS {
        let socket = datagram_socket()?;
        // A refusal of an earlier datagram (nobody listens for a moment) is the tool's loss.
        let _ = socket.send_to(format!("sender {number}\n").as_bytes(), ("127.0.0.1", port));
        sockets.push(socket);
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut served = BTreeSet::new();
    let mut last = start;
    while served.len() < SENDERS as usize {
        let Ok(line) = lines.recv_timeout(Duration::from_secs(2)) else { break };
        last = Instant::now();
        served.insert(line);
    }
    Ok(vec![f64::from(SENDERS), served.len() as f64, (last - start).as_secs_f64() * 1e3])
}
