//! Those who are slow, silent or too many cost the others nothing.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::proxy::{Proxy, head, rest};
use crate::web;
use testkit::eventually;

fn page() -> std::net::SocketAddr {
    web::serve(|mut socket| {
        head(&mut socket);
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage").unwrap();
    })
}

#[test]
fn who_never_finishes_a_head_is_sent_away() {
    let proxy = Proxy::new("any", &["-w", "300ms"]);
    let began = Instant::now();
    let mut silent = proxy.connect();
    let mut slow = proxy.connect();
    slow.write_all(b"GET http://a/ HTTP/1.1\r\n").unwrap();
    let mut socks = proxy.connect();
    socks.write_all(&[5]).unwrap();
    // A byte now and then buys no time.
    let mut dribbler = proxy.connect();
    let mut answered = false;
    for byte in b"GET http://a/ HTTP/1.1\r\n".iter().chain(std::iter::repeat(&b'a')) {
        if dribbler.write_all(&[*byte]).is_err() || began.elapsed() > Duration::from_secs(30) {
            break;
        }
        dribbler.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut buf = [0; 500];
        if let Ok(n) = dribbler.read(&mut buf) {
            answered = n == 0 || buf.starts_with(b"HTTP/1.0 408 Request Timeout\r\n");
            break;
        }
    }
    assert!(answered, "it went on for {:?}", began.elapsed());
    assert_eq!(rest(&mut silent), b"");
    assert!(rest(&mut slow).starts_with(b"HTTP/1.0 408 Request Timeout\r\n"));
    assert_eq!(rest(&mut socks), b"");
}

#[test]
fn no_more_clients_than_there_are_places() {
    let proxy = Proxy::http(&["-m", "2"]);
    let server = web::serve(|mut socket| {
        rest(&mut socket);
    });
    let (one, two) = (proxy.tunnel(server), proxy.tunnel(server));
    assert_eq!(proxy.ask(format!("CONNECT {server} HTTP/1.1\r\n\r\n")), "");
    proxy.process.wait_message("connection limit reached (2)");
    drop((one, two));
    eventually("a place to be free", || {
        let mut socket = proxy.connect();
        write!(socket, "CONNECT {server} HTTP/1.1\r\n\r\n").ok()?;
        (socket.read(&mut [0; 100]).ok()? > 0).then_some(())
    });
}

#[test]
fn an_idle_tunnel_ends_and_a_busy_one_does_not() {
    let proxy = Proxy::http(&["-i", "400ms"]);
    let server = web::serve(|mut socket| {
        let mut buf = [0; 10];
        while let Ok(n @ 1..) = socket.read(&mut buf) {
            socket.write_all(&buf[..n]).unwrap();
        }
    });
    let mut busy = proxy.tunnel(server);
    let mut idle = proxy.tunnel(server);
    let began = Instant::now();
    let mut buf = [0; 1];
    while began.elapsed() < Duration::from_millis(1200) {
        busy.write_all(b"x").unwrap();
        busy.read_exact(&mut buf).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(rest(&mut idle), b"");
    proxy.process.wait_message("(idle)");
    busy.write_all(b"x").unwrap();
    busy.read_exact(&mut buf).unwrap();
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap();
    let (proxy, page) = (Proxy::http(&["-i", "500ms"]), page());
    let mut waiting = proxy.connect();
    write!(waiting, "GET http://{at}/ HTTP/1.0\r\n\r\n").unwrap();
    // Others are served meanwhile.
    assert!(proxy.ask(format!("GET http://{page}/ HTTP/1.0\r\n\r\n")).ends_with("page"));
    assert!(rest(&mut waiting).starts_with(b"HTTP/1.0 504 Gateway Timeout\r\n"));
}

#[test]
fn nobody_there_is_a_timeout_of_the_gateway() {
    let proxy = Proxy::http(&[]);
    let nobody = web::nobody();
    for request in [
        format!("GET http://{nobody}/ HTTP/1.0\r\n\r\n"),
        format!("CONNECT {nobody} HTTP/1.0\r\n\r\n"),
        "CONNECT a.invalid:80 HTTP/1.0\r\n\r\n".into(),
    ] {
        let answer = proxy.ask(&request);
        assert!(answer.starts_with("HTTP/1.0 504 Gateway Timeout\r\n"), "{request}: {answer}");
    }
    // The families of the listener are those of the way on.
    let four = Proxy::http(&["-4"]);
    let answer = four.ask("CONNECT [::1]:80 HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 504"), "{answer}");
}
