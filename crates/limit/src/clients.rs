//! Many clients of a server at once, and many one after the other.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

/// Bytes a client sends at a time.
const CHUNK: usize = 64 << 10;

/// So many clients connect and say `ready`; when the input ends they send `bytes` in all, an equal share
/// each, and end.
pub(crate) fn flood(port: u16, clients: u64, bytes: u64) -> io::Result<()> {
    let mut sending = Vec::new();
    for _ in 0..clients {
        let socket = connect(port)?;
        socket.set_nonblocking(true)?;
        sending.push((socket, bytes / clients));
    }
    // Who is first sends what does not divide.
    if let Some((_, share)) = sending.first_mut() {
        *share += bytes % clients;
    }
    writeln!(io::stdout(), "ready")?;
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    let mut ended = Vec::new();
    let block = vec![0x5a; CHUNK];
    while !sending.is_empty() {
        let mut moved = false;
        let mut index = 0;
        while let Some((socket, left)) = sending.get_mut(index) {
            let size = block.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            match socket.write(&block[..size]) {
                Ok(n) => {
                    *left -= n as u64;
                    moved = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if *left == 0 {
                socket.shutdown(Shutdown::Write)?;
                ended.push(sending.swap_remove(index));
            } else {
                index += 1;
            }
        }
        if !moved {
            let mut fds: Vec<PollFd<'_>> =
                sending.iter().map(|(socket, _)| PollFd::new(socket, PollFlags::OUT)).collect();
            poll(&mut fds, None)?;
        }
    }
    for (mut socket, _) in ended {
        socket.set_nonblocking(false)?;
        io::copy(&mut socket, &mut io::sink())?;
    }
    Ok(())
}

/// So many clients one after the other, each until the server has closed; says how many there were in a
/// second.
pub(crate) fn connects(port: u16, count: u64) -> io::Result<()> {
    let began = Instant::now();
    for _ in 0..count {
        let mut byte = [0];
        if connect(port)?.read(&mut byte)? > 0 {
            return Err(io::Error::other("the server said something"));
        }
    }
    writeln!(io::stdout(), "{}", count as f64 / began.elapsed().as_secs_f64())
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(10))
}
