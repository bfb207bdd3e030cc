//! Tunnels: every byte, each end by itself, and failures told as failures.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use crate::proxy::{Proxy, rest};
use crate::web;
use testkit::{data, eventually, procfs};

/// Bytes each way of the long tests.
fn long() -> usize {
    if std::env::var_os("NCAT_BIG").is_some_and(|v| v == "1") { 2_000_000_000 } else { 64 << 20 }
}

#[test]
fn both_directions_at_once_carry_every_byte() {
    let (there, back) = (data::bytes(1, 64 << 20), data::bytes(2, 64 << 20));
    let (expected, sent) = (there.clone(), back.clone());
    let (server, served) = web::once(move |socket| {
        let mut writer = socket.try_clone().unwrap();
        let writing = thread::spawn(move || {
            writer.write_all(&sent).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        data::assert_same("to the server", &rest(&mut { socket }), &expected);
        writing.join().unwrap();
    });
    let proxy = Proxy::http(&[]);
    let mut socket = proxy.tunnel(server);
    let mut writer = socket.try_clone().unwrap();
    let writing = thread::spawn(move || {
        writer.write_all(&there).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    data::assert_same("to the client", &rest(&mut socket), &back);
    writing.join().unwrap();
    served.join().unwrap();
}

#[test]
fn a_slow_reader_gets_every_byte_and_delays_nobody() {
    let len = long();
    let piece = data::bytes(5, 1 << 20);
    let again = piece.clone();
    let server = web::serve(move |mut socket| {
        let mut left = len;
        while left > 0 {
            let n = left.min(again.len());
            if socket.write_all(&again[..n]).is_err() {
                return;
            }
            left -= n;
        }
    });
    let proxy = Proxy::http(&[]);
    let mut slow = proxy.tunnel(server);
    let mut first = vec![0; 1000];
    slow.read_exact(&mut first).unwrap();
    // Another has everything while this one reads nothing.
    let mut quick = proxy.tunnel(server);
    let mut count = 0;
    let mut buf = vec![0; 1 << 20];
    while count < len.min(64 << 20) {
        count += quick.read(&mut buf).unwrap();
    }
    drop(quick);
    let mut got = first.len();
    loop {
        let n = slow.read(&mut buf).unwrap();
        if n == 0 {
            break;
        }
        // What was sent is one piece again and again.
        let at = got % piece.len();
        let one = n.min(piece.len() - at);
        assert!(buf[..one] == piece[at..at + one], "at {got}");
        assert!(buf[one..n] == piece[..n - one], "at {}", got + one);
        got += n;
    }
    assert_eq!(got, len);
}

#[test]
fn each_direction_ends_by_itself() {
    let (server, served) = web::once(|mut socket| {
        // Answers only when the client has ended.
        let asked = rest(&mut socket);
        assert_eq!(asked, b"question");
        socket.write_all(b"answer").unwrap();
    });
    let proxy = Proxy::http(&[]);
    let mut socket = proxy.tunnel(server);
    socket.write_all(b"question").unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut socket), b"answer");
    served.join().unwrap();

    let (server, served) = web::once(|mut socket| {
        socket.write_all(b"first").unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        rest(&mut socket)
    });
    let mut socket = proxy.tunnel(server);
    assert_eq!(rest(&mut socket), b"first");
    socket.write_all(b"and afterwards").unwrap();
    drop(socket);
    assert_eq!(served.join().unwrap(), b"and afterwards");
}

#[test]
fn what_comes_with_the_head_reaches_the_server_first() {
    let (server, served) = web::once(|mut socket| rest(&mut socket));
    let proxy = Proxy::http(&[]);
    let more = data::bytes(9, 300_000);
    let mut socket = proxy.connect();
    let head = format!("CONNECT {server} HTTP/1.0\r\n\r\n");
    socket.write_all(&[head.as_bytes(), &more].concat()).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut socket), b"HTTP/1.0 200 OK\r\n\r\n");
    data::assert_same("what came with it", &served.join().unwrap(), &more);
}

/// The dialogue leaves nothing that would keep the kernel from moving the bytes.
#[test]
fn a_tunnel_is_the_kernels_work() {
    let (server, served) = web::once(|mut socket| rest(&mut socket));
    let proxy = Proxy::new("any", &["-vv"]);
    let socket = proxy.tunnel(server);
    for direction in ["send: ", "recv: "] {
        let line = proxy.process.wait_message(direction);
        assert!(line.contains("splice"), "{line}");
    }
    drop(socket);
    served.join().unwrap();
}

/// Closes so that the peer sees a failure.
fn reset(socket: TcpStream) {
    socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_failure_at_one_end_is_a_failure_at_the_other() {
    let proxy = Proxy::http(&[]);
    let (server, served) = web::once(|mut socket| {
        socket.write_all(b"some").unwrap();
        socket.read_exact(&mut [0; 3]).unwrap();
        reset(socket);
    });
    let mut socket = proxy.tunnel(server);
    let mut buf = [0; 4];
    socket.read_exact(&mut buf).unwrap();
    socket.write_all(b"now").unwrap();
    assert_eq!(socket.read(&mut buf).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    served.join().unwrap();

    let (server, served) = web::once(|mut socket| socket.read(&mut [0; 4]).unwrap_err().kind());
    reset(proxy.tunnel(server));
    assert_eq!(served.join().unwrap(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn nothing_is_left_of_a_tunnel_that_is_over() {
    let proxy = Proxy::http(&[]);
    let server = web::serve(|mut socket| {
        rest(&mut socket);
    });
    drop(proxy.tunnel(server));
    let before = eventually("the first to be over", || {
        let messages = proxy.process.messages();
        messages.contains("CONNECT").then(|| procfs::descriptors(proxy.process.pid()))
    });
    let open: Vec<TcpStream> = (0..50).map(|_| proxy.tunnel(server)).collect();
    assert!(procfs::descriptors(proxy.process.pid()) >= before + 100);
    drop(open);
    eventually("every descriptor to be closed", || {
        (procfs::descriptors(proxy.process.pid()) <= before).then_some(())
    });
}

#[test]
fn the_memory_of_a_crowd_is_given_back() {
    const CROWD: usize = 400;
    let proxy = Proxy::new("http", &["-m", "1000"]);
    let server = web::serve(|mut socket| {
        rest(&mut socket);
    });
    let resident = || procfs::resident_kib(proxy.process.pid());
    drop(proxy.tunnel(server));
    let before = resident();
    let open: Vec<TcpStream> = (0..CROWD).map(|_| proxy.tunnel(server)).collect();
    let grown = resident() - before;
    assert!(grown > 1024, "{grown} KiB");
    drop(open);
    eventually("most of the memory to be given back", || {
        (resident() < before + grown / 2).then_some(())
    });
}
