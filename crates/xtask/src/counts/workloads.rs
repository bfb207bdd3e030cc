//! The workloads: small, and the same every time.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;

use super::rig::Rig;

/// One thing the program does.
pub(super) struct Workload {
    pub(super) name: &'static str,
    /// Tolerance: more where timing or random keys decide a part of the way.
    pub(super) percent: u32,
    pub(super) run: fn(&Rig<'_>) -> io::Result<u64>,
}

/// All of them.
pub(super) const ALL: &[Workload] = &[
    Workload { name: "version", percent: 3, run: |rig| rig.start(&["--version"])?.finish() },
    Workload { name: "help", percent: 3, run: |rig| rig.start(&["--help"])?.finish() },
    Workload { name: "refused", percent: 3, run: |rig| rig.start(&["-l", "--bogus"])?.finish() },
    Workload { name: "probe", percent: 3, run: probe },
    Workload { name: "send-file", percent: 10, run: send_file },
    Workload { name: "receive-file", percent: 10, run: receive_file },
    Workload { name: "ping-pong", percent: 5, run: ping_pong },
    Workload { name: "datagrams", percent: 5, run: datagrams },
    Workload { name: "clients", percent: 10, run: clients },
    Workload { name: "chat", percent: 10, run: chat },
];

const FILE_BYTES: usize = 8 * 1024 * 1024;
const ROUNDS: usize = 500;
const CLIENTS: usize = 100;

fn listen() -> io::Result<(TcpListener, String)> {
    #[expect(clippy::disallowed_methods, reason = "the counted program's peer, not an endpoint")]
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port().to_string();
    Ok((listener, port))
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    TcpStream::connect_timeout(&address, std::time::Duration::from_secs(10))
}

fn file(rig: &Rig<'_>) -> io::Result<File> {
    let path = rig.dir.join("file");
    std::fs::write(&path, vec![0x5a; FILE_BYTES])?;
    File::open(path)
}

fn probe(rig: &Rig<'_>) -> io::Result<u64> {
    let (_listener, port) = listen()?;
    rig.start(&["-z", "127.0.0.1", &port])?.finish()
}

fn send_file(rig: &Rig<'_>) -> io::Result<u64> {
    let (listener, port) = listen()?;
    let args = ["--send-only", "127.0.0.1", &port];
    let counted = rig.start_with(&args, file(rig)?.into(), Stdio::null())?;
    let got = io::copy(&mut listener.accept()?.0, &mut io::sink())?;
    expect(got, FILE_BYTES)?;
    counted.finish()
}

fn receive_file(rig: &Rig<'_>) -> io::Result<u64> {
    let (listener, port) = listen()?;
    let output = rig.dir.join("output");
    let args = ["--recv-only", "127.0.0.1", &port];
    let counted = rig.start_with(&args, Stdio::null(), File::create(&output)?.into())?;
    let mut peer = listener.accept()?.0;
    peer.write_all(&vec![0x5a; FILE_BYTES])?;
    drop(peer);
    let count = counted.finish()?;
    expect(std::fs::metadata(output)?.len(), FILE_BYTES)?;
    Ok(count)
}

/// From our standard input to the peer and back, one line at a time.
fn ping_pong(rig: &Rig<'_>) -> io::Result<u64> {
    let (listener, port) = listen()?;
    let mut counted = rig.start(&["127.0.0.1", &port])?;
    let mut peer = listener.accept()?.0;
    peer.set_nodelay(true)?;
    let (input, output) = (counted.child.stdin.take(), counted.child.stdout.take());
    let (Some(mut input), Some(mut output)) = (input, output) else {
        return Err(io::Error::other("no pipes"));
    };
    let mut line = [0x5a; 64];
    for _ in 0..ROUNDS {
        input.write_all(&line)?;
        peer.read_exact(&mut line)?;
        peer.write_all(&line)?;
        output.read_exact(&mut line)?;
    }
    drop(input);
    expect(io::copy(&mut peer, &mut io::sink())?, 0)?;
    drop(peer);
    counted.finish()
}

fn datagrams(rig: &Rig<'_>) -> io::Result<u64> {
    #[expect(clippy::disallowed_methods, reason = "the counted program's peer, not an endpoint")]
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = peer.local_addr()?.port().to_string();
    let mut counted = rig.start(&["-u", "127.0.0.1", &port])?;
    let (input, output) = (counted.child.stdin.take(), counted.child.stdout.take());
    let (Some(mut input), Some(mut output)) = (input, output) else {
        return Err(io::Error::other("no pipes"));
    };
    let mut line = [0x5a; 64];
    for _ in 0..ROUNDS {
        input.write_all(&line)?;
        let (n, from) = peer.recv_from(&mut line)?;
        peer.send_to(&line[..n], from)?;
        output.read_exact(&mut line)?;
    }
    counted.terminate()?;
    counted.finish()
}

/// One after the other; each is served before the next comes.
fn clients(rig: &Rig<'_>) -> io::Result<u64> {
    let mut counted = rig.start(&["-v", "-l", "-k", "127.0.0.1", "0"])?;
    let port = counted.port()?;
    let mut output = counted.child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
    let mut line = [0x5a; 64];
    for _ in 0..CLIENTS {
        let mut client = connect(port)?;
        client.write_all(&line)?;
        output.read_exact(&mut line)?;
        client.shutdown(Shutdown::Write)?;
    }
    counted.terminate()?;
    counted.finish()
}

/// Two who talk to each other.
fn chat(rig: &Rig<'_>) -> io::Result<u64> {
    let mut counted = rig.start(&["-v", "-l", "--broker", "127.0.0.1", "0"])?;
    let port = counted.port()?;
    let (mut one, mut two) = (connect(port)?, connect(port)?);
    // The second has joined when what it says arrives.
    let mut line = [0x5a; 64];
    for _ in 0..ROUNDS {
        two.write_all(&line)?;
        one.read_exact(&mut line)?;
        one.write_all(&line)?;
        two.read_exact(&mut line)?;
    }
    counted.terminate()?;
    counted.finish()
}

fn expect(got: u64, wanted: usize) -> io::Result<()> {
    if got == wanted as u64 {
        return Ok(());
    }
    Err(io::Error::other(format!("{got} bytes came instead of {wanted}")))
}
