//! Commands run for connections: an echo, how many a second, and a thousand peers at once.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::child::{Child, Stdio2};
use super::net::{Net, connect, datagram_socket, start_listener};
use super::peers::{Job, NCAT, Peer, SOCAT};
use super::report::{Fault, Metric, OURS, Section, brief, full};
use super::{Context, interleave};

const ECHO_METRICS: [Metric; 2] = [full("GB/s"), full("GB/s, 128 KiB under way")];
const RATE_METRICS: [Metric; 2] = [full("connections/s"), full("CPU ms/connection")];
const PEER_METRICS: [Metric; 3] = [brief("peers"), brief("served"), brief("until complete ms")];
/// Pieces under way at most: together less than two pipes hold, so that no tool and `cat` wait for
/// each other.
const WINDOW: usize = 4;
/// Bytes of one of them.
const WINDOW_PIECE: usize = 32 * 1024;
/// How long such an echo is watched.
const WATCHED: Duration = Duration::from_secs(2);
/// Bytes of one write; does not repeat in step with a pipe.
const PIECE: usize = 256 * 1024;
/// Clients at once; more than processors, so that the tool is never idle.
const CLIENTS: usize = 4;
const PEERS: u32 = 1000;
/// Who gives and takes nothing for this long hangs.
const SILENCE: Duration = Duration::from_secs(3);

fn start(context: &Context, peer: &Peer, net: Net, job: Job) -> Result<(Child, u16), Fault> {
    start_listener(net, |port| context.start(peer, job, port, Stdio2::null()))
}

pub(crate) fn echo(context: &Context) -> io::Result<Section> {
    let bytes = context.pick(1 << 30, 256 << 20);
    let peers = context.named(&[OURS, NCAT, SOCAT]);
    let runs = context.pick(5, 2);
    // Where a tool and cat wait for each other for ever, the figure is 0.
    let rows = interleave(&peers, &ECHO_METRICS, runs, |peer, _| {
        let few = window_once(context, peer)?;
        Ok(vec![echo_once(context, peer, bytes).unwrap_or(0.0), few])
    });
    let mut section = Section {
        id: "exec-echo",
        title: "command: socket → cat → socket".to_owned(),
        how: format!(
            "`X -l -k 127.0.0.1 PORT -e /bin/cat` (socat: TCP-LISTEN:PORT,fork EXEC:/bin/cat); the \
             bench sends {} MiB in writes of {} KiB and compares what comes back; GB/s counts one \
             way, and is 0 when nothing came for {} s. The second figure is \
             for {} s with never more than {} KiB sent that are not back.",
            bytes >> 20,
            PIECE >> 10,
            SILENCE.as_secs(),
            WATCHED.as_secs(),
            (WINDOW * WINDOW_PIECE) >> 10
        ),
        metrics: ECHO_METRICS.into(),
        rows,
        notes: vec!["socat -b1M is left out: it and cat wait for each other for ever.".to_owned()],
        ..Section::default()
    };
    // Judged only in a run in which it does not hang.
    section.at_least(0, 2.0, NCAT);
    section.at_least(1, 1.0, NCAT);
    section.at_least(0, 1.0, SOCAT);
    section.at_least(1, 1.0, SOCAT);
    Ok(section)
}

/// An echo with little under way.
fn window_once(context: &Context, peer: &Peer) -> Result<f64, Fault> {
    let (mut tool, port) = start(context, peer, Net::Tcp, Job::Echo)?;
    let mut reader = connect(port)?;
    reader.set_read_timeout(Some(SILENCE))?;
    reader.set_nodelay(true)?;
    let mut writer = reader.try_clone()?;
    let (back, credits) = std::sync::mpsc::channel();
    (0..WINDOW).try_for_each(|_| back.send(())).map_err(Fault::failed)?;
    let feeder = std::thread::spawn(move || -> io::Result<()> {
        let piece = [7; WINDOW_PIECE];
        credits.iter().try_for_each(|()| writer.write_all(&piece))
    });
    let mut buffer = [0; WINDOW_PIECE];
    let began = Instant::now();
    let mut got = 0;
    while began.elapsed() < WATCHED {
        reader.read_exact(&mut buffer)?;
        got += buffer.len();
        back.send(()).map_err(Fault::failed)?;
    }
    let took = began.elapsed().as_secs_f64();
    drop(back);
    reader.shutdown(Shutdown::Both)?;
    let _ = feeder.join();
    tool.kill()?;
    Ok(got as f64 / 1e9 / took)
}

fn echo_once(context: &Context, peer: &Peer, bytes: usize) -> Result<f64, Fault> {
    let (mut tool, port) = start(context, peer, Net::Tcp, Job::Echo)?;
    let piece: Vec<u8> = (0..PIECE).map(|at| (at * 7 + at / 251) as u8).collect();
    let mut reader = connect(port)?;
    // A watchdog would not do: the tool's own children hold the connection too.
    reader.set_read_timeout(Some(SILENCE))?;
    reader.set_write_timeout(Some(SILENCE))?;
    let began = Instant::now();
    let feeder = feed(reader.try_clone()?, piece.clone(), bytes);
    let mut got = 0;
    let mut buffer = vec![0; PIECE];
    while got < bytes {
        let n = reader.read(&mut buffer)?;
        if n == 0 {
            return Err(Fault::failed(format!("the echo ended after {got} bytes")));
        }
        // In at most two parts: the buffer is as long as the piece.
        let at = got % PIECE;
        let first = n.min(PIECE - at);
        if buffer[..first] != piece[at..at + first] || buffer[first..n] != piece[..n - first] {
            return Err(Fault::failed(format!("the echo differs within {n} bytes at {got}")));
        }
        got += n;
    }
    let took = began.elapsed().as_secs_f64();
    feeder.join().map_err(|_| Fault::failed("the feeder"))??;
    let _ = reader.shutdown(Shutdown::Both);
    drop(reader);
    tool.kill()?;
    Ok(bytes as f64 / 1e9 / took)
}

fn feed(
    mut stream: TcpStream,
    piece: Vec<u8>,
    bytes: usize,
) -> std::thread::JoinHandle<io::Result<()>> {
    std::thread::spawn(move || {
        for _ in 0..bytes / PIECE {
            stream.write_all(&piece)?;
        }
        Ok(())
    })
}

pub(crate) fn rate(context: &Context) -> io::Result<Section> {
    let count = context.pick(4000, 800);
    let peers = context.named(&[OURS, NCAT, SOCAT]);
    let runs = context.pick(5, 3);
    let rows = interleave(&peers, &RATE_METRICS, runs, |peer, _| rate_once(context, peer, count));
    let mut section = Section {
        id: "exec-rate",
        title: "command: connections a second".to_owned(),
        how: format!(
            "`X -l -k 127.0.0.1 PORT -e /bin/true` (socat: TCP-LISTEN:PORT,fork EXEC:/bin/true); \
             {CLIENTS} clients at once, {count} connections, each until the end of stream."
        ),
        metrics: RATE_METRICS.into(),
        rows,
        ..Section::default()
    };
    section.at_least(0, 1.5, NCAT);
    section.at_least(0, 1.0, SOCAT);
    Ok(section)
}

fn rate_once(context: &Context, peer: &Peer, count: usize) -> Result<Vec<f64>, Fault> {
    let (mut tool, port) = start(context, peer, Net::Tcp, Job::RunTrue)?;
    let began = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            std::thread::spawn(move || -> io::Result<()> {
                for _ in 0..count / CLIENTS {
                    let mut client = connect(port)?;
                    client.set_read_timeout(Some(SILENCE))?;
                    client.read_to_end(&mut Vec::new())?;
                }
                Ok(())
            })
        })
        .collect();
    for client in clients {
        client.join().map_err(|_| Fault::failed("a client"))??;
    }
    let took = began.elapsed().as_secs_f64();
    let used = tool.kill()?;
    Ok(vec![count as f64 / took, used.cpu_seconds() * 1e3 / count as f64])
}

pub(crate) fn peers(context: &Context) -> io::Result<Section> {
    let peers = context.named(&[OURS, NCAT, SOCAT]);
    let runs = context.pick(3, 1);
    let rows = interleave(&peers, &PEER_METRICS, runs, |peer, _| peers_once(context, peer));
    let mut section = Section {
        id: "exec-udp",
        title: "command: UDP, 1,000 peers".to_owned(),
        how: format!(
            "`X -u -l -k -m {} 127.0.0.1 PORT -e /bin/cat` (socat: UDP-LISTEN:PORT,fork \
             EXEC:/bin/cat); each peer has its own port and sends one line, one peer a millisecond; \
             served are the peers whose own line came back.",
            PEERS + 100
        ),
        metrics: PEER_METRICS.into(),
        rows,
        ..Section::default()
    };
    let served = section.median(OURS, 1);
    section.judge(format!("served = {PEERS}"), served, |count| count >= f64::from(PEERS));
    Ok(section)
}

fn peers_once(context: &Context, peer: &Peer) -> Result<Vec<f64>, Fault> {
    let (_tool, port) = start(context, peer, Net::Udp, Job::EchoDatagrams(PEERS + 100))?;
    let began = Instant::now();
    let mut sockets = Vec::new();
    for number in 0..PEERS {
        let socket = datagram_socket()?;
        let line = format!("peer {number}\n");
        // A refusal of an earlier datagram (nobody listens for a moment) is the tool's loss.
        let _ = socket.send_to(line.as_bytes(), ("127.0.0.1", port));
        sockets.push((socket, line));
        std::thread::sleep(Duration::from_millis(1));
    }
    let until = Instant::now() + Duration::from_secs(10);
    let mut served = 0_u32;
    let mut last = began;
    for (socket, line) in &sockets {
        // Who comes late has had as long as all before it; a moment more shows that it never will.
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(left))?;
        let mut buffer = [0; 64];
        if socket.recv(&mut buffer).is_ok_and(|n| buffer[..n] == *line.as_bytes()) {
            served += 1;
            last = Instant::now();
        }
    }
    Ok(vec![f64::from(PEERS), f64::from(served), (last - began).as_secs_f64() * 1e3])
}
