//! A paced UDP sender that keeps one source port, since netcats serve one peer per port.

use std::io::{self, BufRead as _, IoSlice, Write as _};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use sys::datagram::send_segments;

/// Payload of each datagram: what fits an Ethernet frame with room for a tunnel.
const SIZE: usize = 1200;
/// Datagrams in one system call at most: the kernel cuts them (`UDP_SEGMENT`), since one call for
/// each would make the sender the slowest part of the test. Small against the default receive buffer (92 such
/// datagrams), so that a burst alone never overruns a receiver.
const BATCH: usize = 8;

/// Obeys lines `COUNT RATE` on stdin (datagrams, datagrams per second), answers each with
/// `COUNT NANOSECONDS` once sent.
pub(crate) fn serve(port: u16) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(count)), Some(Ok(rate))) = (words.next(), words.next()) else {
            return Err(io::Error::other(format!("not COUNT RATE: {line}")));
        };
        let took = burst(&socket, count, rate.max(1))?;
        let mut out = io::stdout();
        writeln!(out, "{count} {}", took.as_nanos())?;
        out.flush()?;
    }
    Ok(())
}

/// Sends `count` datagrams, never ahead of `rate`; spins, because a sleep is coarser than the gaps.
fn burst(socket: &UdpSocket, count: u64, rate: u64) -> io::Result<Duration> {
    let payload = [b'u'; SIZE];
    let slices = [IoSlice::new(&payload); BATCH];
    let start = Instant::now();
    let mut sent = 0;
    while sent < count {
        let due = (start.elapsed().as_secs_f64() * rate as f64) as u64;
        let ready = due.min(count).saturating_sub(sent);
        if ready == 0 {
            std::hint::spin_loop();
            continue;
        }
        let batch = usize::try_from(ready).unwrap_or(BATCH).min(BATCH);
        match send_segments(socket.as_fd(), None, &slices[..batch], SIZE as u16) {
            Ok(_) => sent += batch as u64,
            Err(error) if error.raw_os_error() == Some(ENOBUFS) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                ) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(start.elapsed())
}

const ENOBUFS: i32 = 105;
