//! Both sides of a proxy under measurement: clients that ask it, and the servers they ask for. All
//! proxies get the same ones, and the least program that carries a tunnel stands beside them.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::pattern;

/// Clients at a time, where the rate is what counts.
const CLIENTS: u64 = 8;
/// Bytes per write and per read of a long transfer.
const CHUNK: usize = 256 << 10;
/// Content of the page.
const PAGE: usize = 1024;
/// Nothing measured takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a proxy is asked.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Not at all: two bytes tell the port, as [`relay`] wants it.
    Direct,
    Http,
    Socks5,
}

impl Kind {
    pub(crate) fn parse(text: &str) -> io::Result<Self> {
        match text {
            "direct" => Ok(Self::Direct),
            "http" => Ok(Self::Http),
            "socks5" => Ok(Self::Socks5),
            _ => Err(io::Error::other(format!("no way to ask a proxy: {text}"))),
        }
    }
}

/// A connection by way of the proxy on `port` to the server on `target`, both on this machine.
fn open(port: u16, kind: Kind, target: u16) -> io::Result<TcpStream> {
    let mut socket = connect(port)?;
    match kind {
        Kind::Direct => socket.write_all(&target.to_be_bytes())?,
        Kind::Http => {
            let place = format!("127.0.0.1:{target}");
            let ask = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n");
            socket.write_all(ask.as_bytes())?;
            let head = head(&mut socket)?;
            if head.get(8..12) != Some(b" 200") {
                return Err(unexpected(&head));
            }
        }
        Kind::Socks5 => {
            socket.write_all(&[5, 1, 0])?;
            expect(&mut socket, &[5, 0])?;
            let ask = [&[5, 1, 0, 1, 127, 0, 0, 1], &target.to_be_bytes()[..]].concat();
            socket.write_all(&ask)?;
            expect(&mut socket, &[5, 0, 0, 1])?;
            // Where the proxy connects from.
            socket.read_exact(&mut [0; 6])?;
        }
    }
    Ok(socket)
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn expect(socket: &mut TcpStream, wanted: &[u8]) -> io::Result<()> {
    let mut got = vec![0; wanted.len()];
    socket.read_exact(&mut got)?;
    if got == wanted { Ok(()) } else { Err(unexpected(&got)) }
}

fn unexpected(answer: &[u8]) -> io::Error {
    io::Error::other(format!("the proxy answered {:?}", String::from_utf8_lossy(answer)))
}

/// A head, of which nothing can follow before we say more.
fn head(socket: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut all = vec![0; 4096];
    let mut len = 0;
    while !all[..len].ends_with(b"\r\n\r\n") {
        let n = socket.read(&mut all[len..])?;
        if n == 0 {
            return Err(unexpected(&all[..len]));
        }
        len += n;
    }
    all.truncate(len);
    Ok(all)
}

/// A server of the measurement's own, and its port. It is never told to end: the program ends.
fn listen() -> io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// The least program that does a tunnel's work: two bytes say where to, and then the kernel carries,
/// one thread for each direction.
pub(crate) fn relay(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let mut client = listener.accept()?.0;
    let mut target = [0; 2];
    client.read_exact(&mut target)?;
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, u16::from_be_bytes(target)))?;
    thread::scope(|scope| {
        let up = scope.spawn(|| crate::carry::across(&client, &server));
        crate::carry::across(&server, &client)?;
        up.join().map_err(|_| io::Error::other("the sending thread panicked"))?
    })
}

/// `count` bytes from a server to a client; prints the seconds from the open tunnel to the last byte.
pub(crate) fn bulk(port: u16, kind: Kind, count: u64, is_checked: bool) -> io::Result<()> {
    let (listener, target) = listen()?;
    let server = thread::spawn(move || -> io::Result<()> {
        let mut socket = listener.accept()?.0;
        // Begins when it is told to, so that no byte is under way before the clock runs.
        socket.read_exact(&mut [0])?;
        let mut block = vec![0; CHUNK];
        pattern::fill(&mut block, 0);
        let mut done = 0;
        while done < count {
            let size = usize::try_from(count - done).unwrap_or(usize::MAX).min(CHUNK);
            if is_checked {
                pattern::fill(&mut block[..size], done);
            }
            socket.write_all(&block[..size])?;
            done += size as u64;
        }
        socket.shutdown(Shutdown::Write)?;
        // Until the client has it all: a close may cost a proxy its last bytes.
        let _ = socket.read(&mut [0]);
        Ok(())
    });
    let mut socket = open(port, kind, target)?;
    let began = Instant::now();
    socket.write_all(b"!")?;
    let (mut block, mut scratch, mut done) = (vec![0; CHUNK], Vec::new(), 0);
    while done < count {
        let size = socket.read(&mut block)?;
        if size == 0 {
            break;
        }
        let block = &block[..size];
        if is_checked && let Some(at) = pattern::first_difference(block, done, &mut scratch) {
            return Err(io::Error::other(format!("the stream differs at byte {at}")));
        }
        done += size as u64;
    }
    let seconds = began.elapsed().as_secs_f64();
    if done != count {
        return Err(io::Error::other(format!("{done} of {count} bytes came")));
    }
    drop(socket);
    server.join().map_err(|_| io::Error::other("the server panicked"))??;
    writeln!(io::stdout(), "{seconds}")
}

/// Has [`CLIENTS`] do `count` of something between them, and prints how many that is in a second.
fn rate(count: u64, each: impl Fn(u64) -> io::Result<()> + Sync) -> io::Result<()> {
    let share = count.div_ceil(CLIENTS);
    let began = Instant::now();
    thread::scope(|scope| -> io::Result<()> {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| each(share))).collect();
        for client in clients {
            client.join().map_err(|_| io::Error::other("a client panicked"))??;
        }
        Ok(())
    })?;
    let done = share * CLIENTS;
    writeln!(io::stdout(), "{}", done as f64 / began.elapsed().as_secs_f64())
}

/// Tunnels that are opened and closed, `count` of them; prints the rate, which counts a tunnel when
/// the server has seen its end.
pub(crate) fn connects(port: u16, kind: Kind, count: u64) -> io::Result<()> {
    let (listener, target) = listen()?;
    let ended = &*Box::leak(Box::new(AtomicU64::new(0)));
    for _ in 0..2 * CLIENTS {
        let listener = listener.try_clone()?;
        thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                let _ = socket.read(&mut [0]);
                drop(socket);
                ended.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let all = count.div_ceil(CLIENTS) * CLIENTS;
    let asked = AtomicU64::new(0);
    rate(count, |share| {
        for _ in 0..share {
            drop(open(port, kind, target)?);
        }
        // The last to have asked waits for the ends of all.
        if asked.fetch_add(share, Ordering::Relaxed) + share == all {
            let until = Instant::now() + PATIENCE;
            while ended.load(Ordering::Relaxed) < all {
                if Instant::now() > until {
                    return Err(io::Error::other("not every tunnel has ended"));
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    })
}

/// Requests for a page of 1 KiB, `count` of them, on connections that are kept when the proxy does;
/// prints the rate.
pub(crate) fn gets(port: u16, count: u64) -> io::Result<()> {
    let (listener, target) = listen()?;
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(move || serve_pages(socket));
        }
    });
    let place = format!("127.0.0.1:{target}");
    let ask = format!("GET http://{place}/page HTTP/1.1\r\nHost: {place}\r\n\r\n");
    rate(count, |share| {
        let mut kept = None;
        for _ in 0..share {
            // What was kept may have been closed without a word.
            if let Some(socket) = kept.take()
                && let Ok(again) = page(socket, &ask)
            {
                kept = again;
                continue;
            }
            kept = page(connect(port)?, &ask)?;
        }
        Ok(())
    })
}

/// Asks and reads one answer; gives the connection back when it can be used again.
fn page(mut socket: TcpStream, ask: &str) -> io::Result<Option<TcpStream>> {
    socket.write_all(ask.as_bytes())?;
    let mut all = [0; 4096];
    let mut len = 0;
    let body = loop {
        let n = socket.read(&mut all[len..])?;
        if n == 0 {
            return Err(unexpected(&all[..len]));
        }
        len += n;
        let end = all[..len].windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end.filter(|end| len >= end + 4 + PAGE) {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&all[..body]).to_ascii_lowercase();
    if head.get(8..12) != Some(" 200") || all[body..len] != [b'p'; PAGE] {
        return Err(unexpected(&all[..len]));
    }
    let says =
        |word: &str| head.lines().any(|line| line.contains("connection:") && line.contains(word));
    let is_kept = !says("close") && (head.starts_with("http/1.1") || says("keep-alive"));
    Ok(is_kept.then_some(socket))
}

fn serve_pages(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut page = format!("HTTP/1.1 200 OK\r\nContent-Length: {PAGE}\r\n\r\n").into_bytes();
    page.extend([b'p'; PAGE]);
    loop {
        let asked = head(&mut socket)?;
        socket.write_all(&page)?;
        let asked = String::from_utf8_lossy(&asked).to_ascii_lowercase();
        if asked.contains("connection: close") || asked.contains(" http/1.0") {
            return Ok(());
        }
    }
}

/// So many open tunnels that say nothing, until the input ends.
pub(crate) fn tunnels(port: u16, kind: Kind, count: u64) -> io::Result<()> {
    let (listener, target) = listen()?;
    let mut open_ends = Vec::new();
    for _ in 0..count {
        let client = open(port, kind, target)?;
        open_ends.push((client, listener.accept()?.0));
    }
    writeln!(io::stdout(), "ready")?;
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}
