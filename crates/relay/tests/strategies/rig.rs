//! A session between real descriptors. The user and the peer are played by plain threads, so that
//! faults, which belong to the thread of the session, never reach them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::Duration;

use conn::{Carrier, Conn, ConnInfo, Input, Output, Plain, Port, Shape};
use relay::{OnRemoteEnd, Outcome, Rules, Session, Strategy, Totals};
use socket2::{Domain, SockRef, Socket, Type};
use sys::fault::{self, Call};

/// A session that takes longer than this hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// What our standard input is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum In {
    File,
    Pipe,
    Socket,
    Empty,
}

/// What our standard output is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Out {
    File,
    /// Opened for appending, as by `>>`.
    Append,
    /// Switched to appending once the strategy has been chosen.
    AppendLater,
    Pipe,
    Socket,
    Null,
    Full,
    Discard,
}

/// What leads to the peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Net {
    Tcp,
    Unix,
}

/// What the peer does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Peer {
    /// Writes everything and ends, reading meanwhile.
    EndsFirst,
    /// Reads to our end before it writes and ends.
    EndsLast,
    /// Writes everything and ends only when our output has all of it: an echo of sorts.
    EndsWhenHeard,
    /// Reads this many bytes, then resets the connection.
    Resets(usize),
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) input: In,
    pub(crate) output: Out,
    pub(crate) net: Net,
    pub(crate) peer: Peer,
    pub(crate) send: Vec<u8>,
    pub(crate) recv: Vec<u8>,
    /// Lengths in which both are written; the rest at last.
    pub(crate) splits: Vec<usize>,
    /// Most bytes of one call.
    pub(crate) limit: Option<usize>,
    /// Kind of call, which one, and the error.
    pub(crate) faults: Vec<(Call, u64, i32)>,
    pub(crate) rules: Rules,
}

impl Case {
    pub(crate) fn new(input: In, output: Out, net: Net) -> Self {
        Self {
            input,
            output,
            net,
            peer: Peer::EndsFirst,
            send: if input == In::Empty { Vec::new() } else { numbers(10_000, 7) },
            recv: numbers(9_000, 3),
            splits: Vec::new(),
            limit: None,
            faults: Vec::new(),
            // A feeding thread may be held up for longer than the pause granted when draining.
            rules: match input {
                In::Pipe | In::Socket => {
                    Rules { on_remote_end: OnRemoteEnd::Continue, ..Rules::default() }
                }
                In::File | In::Empty => Rules::default(),
            },
        }
    }
}

/// Bytes of which no two places look alike for long.
pub(crate) fn numbers(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..len).map(|_| next()).collect()
}

/// More than any buffer on the way holds, made once.
pub(crate) fn many(len: usize) -> Vec<u8> {
    static MANY: LazyLock<Vec<u8>> = LazyLock::new(|| numbers(8_000_000, 11));
    MANY[..len].to_vec()
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) outcome: Outcome,
    pub(crate) chosen: (Strategy, Strategy),
    /// What reached the peer.
    pub(crate) at_peer: Vec<u8>,
    /// What reached our output; `None` where nobody can look (`/dev/null`).
    pub(crate) at_local: Option<Vec<u8>>,
    /// The peer saw our end, not a reset.
    pub(crate) peer_saw_end: bool,
    /// Every fault asked for has happened.
    pub(crate) fired: bool,
}

type Tell = std::sync::mpsc::Sender<()>;
type Reader = JoinHandle<(Vec<u8>, io::Result<()>)>;

fn write_split(to: &mut impl Write, data: &[u8], splits: &[usize]) {
    let mut rest = data;
    for &len in splits {
        let (now, later) = rest.split_at(len.min(rest.len()));
        // The session may end before it has taken everything.
        if to.write_all(now).is_err() {
            return;
        }
        rest = later;
        std::thread::yield_now();
    }
    let _ = to.write_all(rest);
}

/// Reads to the end; tells when `expected` bytes have come.
fn read_and_tell(mut from: impl Read + Send + 'static, expected: usize, heard: Tell) -> Reader {
    std::thread::spawn(move || {
        let (mut all, mut buf) = (Vec::new(), vec![0; 65_536]);
        loop {
            if all.len() >= expected {
                let _ = heard.send(());
            }
            match from.read(&mut buf) {
                Ok(0) => return (all, Ok(())),
                Ok(n) => all.extend_from_slice(&buf[..n]),
                Err(e) => return (all, Err(e)),
            }
        }
    })
}

fn read_all(mut from: impl Read + Send + 'static) -> Reader {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let result = from.read_to_end(&mut all).map(drop);
        (all, result)
    })
}

fn pair(net: Net) -> (Socket, Socket) {
    match net {
        Net::Unix => Socket::pair(Domain::UNIX, Type::STREAM, None).expect("a pair"),
        Net::Tcp => {
            let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
            listener.bind(&any.into()).expect("a port");
            listener.listen(1).expect("to listen");
            let ours = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            ours.connect(&listener.local_addr().expect("an address")).expect("to connect");
            (ours, listener.accept().expect("a client").0)
        }
    }
}

fn temporary(data: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(data).expect("room");
    file.seek(SeekFrom::Start(0)).expect("a file");
    file
}

fn input(case: &Case) -> Input {
    let (data, splits) = (case.send.clone(), case.splits.clone());
    let fd: OwnedFd = match case.input {
        In::Empty => return Input::Empty,
        In::File => temporary(&data).into(),
        In::Pipe => {
            let (read, mut write) = io::pipe().expect("a pipe");
            std::thread::spawn(move || write_split(&mut write, &data, &splits));
            read.into()
        }
        In::Socket => {
            let (read, mut write) = pair(Net::Unix);
            std::thread::spawn(move || write_split(&mut write, &data, &splits));
            read.into()
        }
    };
    Input::Port(Port::shared(fd.as_fd(), false).expect("an input"))
}

/// Where the output goes and how to look at it afterwards.
enum Look {
    File(File),
    Reader(Reader),
    Nowhere,
}

fn output(case: &Case, heard: Tell) -> (Output, Look) {
    let expected = case.recv.len();
    let device = |path| File::options().write(true).open(path).expect("a device");
    let (fd, look): (OwnedFd, Look) = match case.output {
        Out::Discard => return (Output::Discard, Look::Nowhere),
        Out::File | Out::AppendLater => {
            let file = temporary(&[]);
            (file.try_clone().expect("a copy").into(), Look::File(file))
        }
        Out::Append => {
            let named = tempfile::NamedTempFile::new().expect("a file");
            let file = File::options().read(true).append(true).open(named.path()).expect("it");
            (file.try_clone().expect("a copy").into(), Look::File(file))
        }
        Out::Pipe => {
            let (read, write) = io::pipe().expect("a pipe");
            (write.into(), Look::Reader(read_and_tell(read, expected, heard)))
        }
        Out::Socket => {
            let (read, write) = pair(Net::Unix);
            (write.into(), Look::Reader(read_and_tell(read, expected, heard)))
        }
        Out::Null => (device("/dev/null").into(), Look::Nowhere),
        Out::Full => (device("/dev/full").into(), Look::Nowhere),
    };
    (Output::Port(Port::shared(fd.as_fd(), true).expect("an output")), look)
}

/// Plays the peer; gives what it read, and whether our end was seen.
fn play(case: &Case, socket: Socket, heard: Receiver<()>) -> JoinHandle<(Vec<u8>, bool)> {
    let (peer, data, splits) = (case.peer, case.recv.clone(), case.splits.clone());
    std::thread::spawn(move || {
        let mut writer = socket.try_clone().expect("a copy");
        let mut write = move || {
            write_split(&mut writer, &data, &splits);
            if peer == Peer::EndsWhenHeard {
                heard.recv_timeout(DEADLINE).expect("the last bytes are held back");
            }
            let _ = writer.shutdown(Shutdown::Write);
        };
        match peer {
            Peer::EndsFirst | Peer::EndsWhenHeard => {
                let reader = read_all(socket);
                write();
                let (all, result) = reader.join().expect("a reader");
                (all, result.is_ok())
            }
            Peer::EndsLast => {
                let mut all = Vec::new();
                let result = (&socket).read_to_end(&mut all);
                write();
                (all, result.is_ok())
            }
            Peer::Resets(after) => {
                let mut some = vec![0; after];
                let is_read = (&socket).read_exact(&mut some).is_ok();
                SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("an option");
                drop(write);
                (if is_read { some } else { Vec::new() }, false)
            }
        }
    })
}

/// Runs a session to its end and collects what arrived.
pub(crate) fn run(case: &Case) -> Seen {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (ours, theirs) = pair(case.net);
    let (tell, heard) = std::sync::mpsc::channel();
    let peer = play(case, theirs, heard);
    let (outcome, chosen, look, fired) = runtime.block_on(async {
        let (to, look) = output(case, tell);
        let local = Plain::new(input(case), to);
        let local = Conn::from_plain(ConnInfo::default(), Shape::Stream, local);
        let port = Port::socket(ours.into()).expect("a socket");
        let carrier = if case.net == Net::Tcp { Carrier::Tcp } else { Carrier::Unix };
        let remote = Plain::socket(port, carrier);
        let remote = Conn::from_plain(ConnInfo::default(), Shape::Stream, remote);
        let session = Session::new(local, remote, case.rules, Arc::new(Totals::default()));
        let (send, recv) = session.choices();
        if let (Out::AppendLater, Look::File(file)) = (case.output, &look) {
            let flags = rustix::fs::fcntl_getfl(file).expect("flags");
            rustix::fs::fcntl_setfl(file, flags | rustix::fs::OFlags::APPEND).expect("flags");
        }
        if let Some(bytes) = case.limit {
            fault::limit_bytes(bytes);
        }
        for &(call, nth, errno) in &case.faults {
            fault::fail_nth(call, nth, errno);
        }
        let outcome = tokio::time::timeout(DEADLINE, session.run()).await;
        let fired = fault::reset() >= case.faults.len().max(1);
        let outcome = outcome.unwrap_or_else(|_| panic!("the session hangs: {case:?}"));
        (outcome, (send.strategy, recv.strategy), look, fired)
    });
    let at_local = match look {
        Look::Nowhere => None,
        Look::Reader(reader) => Some(reader.join().expect("a reader").0),
        Look::File(mut file) => {
            let mut all = Vec::new();
            file.seek(SeekFrom::Start(0)).expect("a file");
            file.read_to_end(&mut all).expect("a file");
            Some(all)
        }
    };
    let (at_peer, peer_saw_end) = peer.join().expect("a peer");
    Seen { outcome, chosen, at_peer, at_local, peer_saw_end, fired }
}

/// What holds for every run, whatever went wrong.
pub(crate) fn check(case: &Case, seen: &Seen) {
    let Seen { outcome, at_peer, at_local, .. } = seen;
    let story = || format!("{:?}, chosen {:?}, {outcome:?}", brief(case), seen.chosen);
    assert!(case.send.starts_with(at_peer), "the peer got something else: {}", story());
    assert!(at_peer.len() as u64 <= outcome.sent, "more than was counted: {}", story());
    if let Some(at_local) = at_local {
        assert!(case.recv.starts_with(at_local), "we got something else: {}", story());
        assert!(at_local.len() as u64 <= outcome.received, "more than counted: {}", story());
    }
    if outcome.error.is_none() {
        assert_eq!(outcome.sent, case.send.len() as u64, "{}", story());
        assert_eq!(at_peer.len(), case.send.len(), "{}", story());
        assert_eq!(outcome.received, case.recv.len() as u64, "{}", story());
        assert!(at_local.as_ref().is_none_or(|all| *all == case.recv), "{}", story());
        assert!(seen.peer_saw_end, "{}", story());
    }
}

fn brief(case: &Case) -> Case {
    let mut brief = case.clone();
    brief.send.truncate(4);
    brief.recv.truncate(4);
    brief
}
