//! A broker: one client to a hundred, of which one may stall; and ten thousand that are only there.

use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};

use super::child::{Child, Stdio2};
use super::fanout::{CUT_WITHIN, SETTLE};
use super::idle::{PACE, descriptors, resident_kib, settled_descriptors};
use super::net::{Net, connect, is_established, start_listener};
use super::peers::{Job, NCAT, Peer};
use super::report::{Fault, Metric, OURS, Section, brief, full};
use super::{Context, interleave};

const METRICS: [Metric; 6] = [
    full("1 to 100, all together MB/s"),
    brief("stalled client cut after s"),
    brief("afterwards / before"),
    brief("joined"),
    brief("in s"),
    brief("resident KiB per client"),
];
const READERS: usize = 100;
const CLIENTS: u32 = 10_000;
/// Clients that come at once.
const BURST: u32 = 8;
/// What a select-based tool can hold below its 1,024 descriptors.
const CLIENTS_OF_SELECT: u32 = 900;

pub(crate) fn run(context: &Context) -> io::Result<Section> {
    let peers = context.named(&[OURS, NCAT]);
    let rows = interleave(&peers, &METRICS, context.pick(5, 1), |peer, _| {
        let mut values = fan_out(context, peer)?;
        values.extend(crowd(context, peer)?);
        Ok(values)
    });
    let mut section = Section {
        id: "broker",
        title: "--broker: 1 to 100, and 10,000 clients".to_owned(),
        how: format!(
            "`X -l --broker -m N 127.0.0.1 PORT`; one client sends for ever, {READERS} take it \
             and discard it inside the system (MSG_TRUNC); then one \
             more joins that never reads, and from its cut, or after {} s, the speed is taken again. \
             Another server: {CLIENTS} clients join; resident memory before and after.",
            CUT_WITHIN.as_secs()
        ),
        metrics: METRICS.into(),
        rows,
        notes: vec![format!(
            "Debian's ncat uses select and cannot pass 1,024 descriptors: {CLIENTS_OF_SELECT} clients \
             join it. nc.openbsd and socat have no broker."
        )],
        ..Section::default()
    };
    let speed = section.ratio(0, NCAT);
    let ours = |section: &Section, metric| section.median(OURS, metric);
    let (after, joined) = (ours(&section, 2), ours(&section, 3));
    let (time, size) = (ours(&section, 4), ours(&section, 5));
    section.judge("1 to 100: ours / ncat ≥ 3".to_owned(), speed, |ratio| ratio >= 3.0);
    section.judge("afterwards / before ≥ 0.9".to_owned(), after, |ratio| ratio >= 0.9);
    section.judge(format!("joined = {CLIENTS}"), joined, |n| n >= f64::from(CLIENTS));
    section.judge("joined in ≤ 5 s".to_owned(), time, |seconds| seconds <= 5.0);
    section.judge("resident KiB per client ≤ 24".to_owned(), size, |kib| kib <= 24.0);
    Ok(section)
}

fn start(context: &Context, peer: &Peer, most: u32) -> Result<(Child, u16), Fault> {
    start_listener(Net::Tcp, |port| {
        let stdio = Stdio2::new(Stdio::null(), Stdio::null());
        context.start(peer, Job::Broker(most), port, stdio)
    })
}

/// The speed of all readers together, when a stalled one was cut, and the speed after that by the
/// speed before.
fn fan_out(context: &Context, peer: &Peer) -> Result<Vec<f64>, Fault> {
    let window = context.pick(Duration::from_secs(3), Duration::from_millis(1500));
    let (mut server, port) = start(context, peer, 200)?;
    let before = descriptors(&server)?;
    let readers = Readers::start(port)?;
    // Who joins late is not waited for by the sender: all are in before it begins.
    settled_descriptors(&mut server, before + READERS)?;
    let sender = connect(port)?;
    let mut output = sender.try_clone()?;
    std::thread::spawn(move || {
        let piece = vec![0x5a; 256 << 10];
        while output.write_all(&piece).is_ok() {}
    });
    std::thread::sleep(SETTLE);
    let alone = readers.speed(window);
    let stalled = connect(port)?;
    let stalled_port = stalled.local_addr()?.port();
    let began = Instant::now();
    std::thread::sleep(SETTLE);
    while began.elapsed() < CUT_WITHIN && is_established(port, stalled_port)? {
        if server.has_ended() {
            return Err(Fault::Failed(server.complaint()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let cut_after = began.elapsed();
    std::thread::sleep(SETTLE);
    let afterwards = readers.speed(window);
    drop(stalled);
    let _ = sender.shutdown(Shutdown::Both);
    let cut_after = if cut_after < CUT_WITHIN { cut_after.as_secs_f64() } else { f64::INFINITY };
    Ok(vec![alone, cut_after, afterwards / alone])
}

/// Clients that take as fast as they can. They discard inside the system (`MSG_TRUNC`, tcp(7)): on two
/// cores a hundred that copy would measure themselves.
struct Readers {
    count: Arc<AtomicU64>,
    streams: Vec<TcpStream>,
}

impl Readers {
    fn start(port: u16) -> Result<Self, Fault> {
        let count = Arc::new(AtomicU64::new(0));
        let mut streams = Vec::new();
        for _ in 0..READERS {
            let stream = connect(port)?;
            let (total, input) = (Arc::clone(&count), stream.try_clone()?);
            streams.push(stream);
            std::thread::spawn(move || {
                let mut buffer = vec![0; 256 << 10];
                while let Ok((_, size @ 1..)) = recv(&input, &mut buffer[..], RecvFlags::TRUNC) {
                    total.fetch_add(size as u64, Ordering::Relaxed);
                }
            });
        }
        Ok(Self { count, streams })
    }

    /// MB/s of all together over the next `window`.
    fn speed(&self, window: Duration) -> f64 {
        let (start, before) = (Instant::now(), self.count.load(Ordering::Relaxed));
        std::thread::sleep(window);
        let moved = self.count.load(Ordering::Relaxed) - before;
        moved as f64 / 1e6 / start.elapsed().as_secs_f64()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        // Ends the reading threads.
        self.streams.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }
}

/// How many of the clients joined, in how many seconds, and what each takes.
fn crowd(context: &Context, peer: &Peer) -> Result<Vec<f64>, Fault> {
    let count = if peer.name == OURS { CLIENTS } else { CLIENTS_OF_SELECT };
    let (mut server, port) = start(context, peer, count + 100)?;
    // The first client makes the server allocate what it needs once.
    let first = connect(port)?;
    let before = settled_descriptors(&mut server, usize::MAX)?;
    let resident_before = resident_kib(&server)?;
    let began = Instant::now();
    let mut clients = Vec::new();
    for number in 0..count {
        clients.push(connect(port).map_err(|error| {
            let ended = if server.has_ended() { server.complaint() } else { String::new() };
            Fault::Failed(format!("client {number}: {error} {ended}"))
        })?);
        // Ncat's accept queue takes ten, and is emptied slowly.
        if peer.name != OURS || number % BURST == 0 {
            std::thread::sleep(PACE);
        }
    }
    let now = settled_descriptors(&mut server, before + count as usize)?;
    let time = began.elapsed().as_secs_f64();
    let joined = now.saturating_sub(before);
    let resident = resident_kib(&server)?.saturating_sub(resident_before);
    drop(first);
    Ok(vec![joined as f64, time, resident as f64 / joined.max(1) as f64])
}
