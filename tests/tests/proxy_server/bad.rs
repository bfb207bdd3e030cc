//! Requests that could be read in two ways, or in none: each has an answer, and none reaches a server.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::proxy::Proxy;
use crate::web;

/// Status of the answer.
fn status(answer: &str) -> u16 {
    let mut words = answer.split(' ');
    assert!(words.next().unwrap().starts_with("HTTP/1."), "{answer:?}");
    words.next().unwrap().parse().unwrap()
}

#[test]
fn whatever_is_ambiguous_is_refused_and_reaches_nobody() {
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let server = web::serve(move |mut socket| {
        // A body that is refused in its middle may have been begun; nobody may see it whole.
        let mut all = Vec::new();
        let _ = socket.read_to_end(&mut all);
        if all.ends_with(b"0\r\n\r\n") || all.windows(9).any(|w| w == b"smuggled:") {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let proxy = Proxy::http(&[]);
    let long = "x".repeat(24 * 1024);
    let extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(1 << 20));
    let flood = "a: b\r\n".repeat(2000);
    let post = |lines: &str, body: &str| {
        format!("POST http://{server}/ HTTP/1.1\r\nHost: a\r\n{lines}\r\n{body}")
    };
    let chunked = "Transfer-Encoding: chunked\r\n";
    let table: &[(&str, String, u16)] = &[
        (
            "both lengths",
            post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            400,
        ),
        (
            "both, the other way",
            post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n"),
            400,
        ),
        ("equal lengths", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400),
        ("a list of lengths", post("Content-Length: 5, 5\r\n", "hello"), 400),
        ("a negative length", post("Content-Length: -5\r\n", "hello"), 400),
        ("a signed length", post("Content-Length: +5\r\n", "hello"), 400),
        ("a hexadecimal length", post("Content-Length: 0x5\r\n", "hello"), 400),
        ("a length beyond 64 bits", post("Content-Length: 99999999999999999999\r\n", "hello"), 400),
        ("an empty length", post("Content-Length:\r\n", "hello"), 400),
        ("a folded length", post("Content-Length: 5\r\n 6\r\n", "hello"), 400),
        ("a blank before the colon", post("Content-Length : 5\r\n", "hello"), 400),
        ("an unknown coding", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501),
        ("chunked twice", post(&chunked.repeat(2), "0\r\n\r\n"), 501),
        ("a disguised coding", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 501),
        (
            "a coding in 1.0",
            format!("POST http://{server}/ HTTP/1.0\r\n{chunked}\r\n0\r\n\r\n"),
            400,
        ),
        ("a long extension", post(chunked, &extension), 400),
        ("a chunk of negative size", post(chunked, "-5\r\nhello\r\n0\r\n\r\n"), 400),
        ("a chunk of huge size", post(chunked, "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"), 400),
        ("a chunk without CR", post(chunked, "5\nhello\n0\n\n"), 400),
        ("a chunk longer than it says", post(chunked, "5\r\nhello!\r\n0\r\n\r\n"), 400),
        ("bare CR in a value", post("A: b\rContent-Length: 5\r\n", "hello"), 400),
        ("NUL in a value", post("A: b\0\r\n", ""), 400),
        ("no name", post(": b\r\n", ""), 400),
        ("no colon", post("smuggled\r\n", ""), 400),
        ("a fold of nothing", format!("GET http://{server}/ HTTP/1.1\r\n a: b\r\n\r\n"), 400),
        ("two hosts", post("Host: b\r\n", ""), 400),
        ("an empty Connection", post("Connection:\r\n", ""), 400),
        ("CR in the line", format!("GET http://{server}/\rsmuggled: a HTTP/1.1\r\n\r\n"), 400),
        ("NUL in the line", format!("GET http://{server}/\0 HTTP/1.1\r\n\r\n"), 400),
        ("CR LF in the host", "GET http://a%0d%0asmuggled:/ HTTP/1.1\r\n\r\n".to_string(), 400),
        ("HTTP/0.9", format!("GET http://{server}/\r\n\r\n"), 400),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 505),
        ("HTTP/9.9.9", format!("GET http://{server}/ HTTP/9.9.9\r\n\r\n"), 400),
        ("small letters", format!("GET http://{server}/ http/1.1\r\n\r\n"), 400),
        ("garbage", "garbage\r\n\r\n".into(), 400),
        ("a path", "GET / HTTP/1.1\r\n\r\n".into(), 400),
        ("a star", "OPTIONS * HTTP/1.1\r\n\r\n".into(), 400),
        ("another scheme", format!("GET https://{server}/ HTTP/1.1\r\n\r\n"), 400),
        ("a user", format!("GET http://u:p@{server}/ HTTP/1.1\r\n\r\n"), 400),
        ("no port", "CONNECT localhost HTTP/1.1\r\n\r\n".into(), 400),
        ("half a port", "CONNECT localhost: HTTP/1.1\r\n\r\n".into(), 400),
        ("IPv6 without a port", "CONNECT [::1] HTTP/1.1\r\n\r\n".into(), 400),
        ("IPv6 with half a port", "CONNECT [::1]: HTTP/1.1\r\n\r\n".into(), 400),
        ("a port too high", "CONNECT localhost:65536 HTTP/1.1\r\n\r\n".into(), 400),
        (
            "a length of a tunnel",
            format!("CONNECT {server} HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
            400,
        ),
        ("an end within the head", format!("GET http://{server}/ HTTP/1.1\r\nA: b"), 400),
        ("a POST of 1.0 without a length", format!("POST http://{server}/ HTTP/1.0\r\n\r\n"), 400),
        ("another method", format!("BREW http://{server}/ HTTP/1.1\r\n\r\n"), 405),
        ("a long line", format!("GET http://{server}/{long} HTTP/1.1\r\n\r\n"), 414),
        ("a line without an end", "GET http://".to_string() + &long, 414),
        ("a long header", post(&format!("A: {long}\r\n"), ""), 413),
        ("many headers", post(&flood[..1800], ""), 413),
        ("a flood of headers", post(&flood, ""), 413),
    ];
    for (what, request, expected) in table {
        let answer = proxy.ask(request);
        assert_eq!(status(&answer), *expected, "{what}: {answer}");
        assert_eq!(
            answer.matches("\r\nContent-Length: ").count(),
            1,
            "{what}: one request, one answer: {answer}"
        );
    }
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    assert_eq!(status(&proxy.ask(tls)), 400);
    assert_eq!(reached.load(Ordering::Relaxed), 0);
}

#[test]
fn what_is_wrong_with_an_answer_is_a_bad_gateway() {
    let proxy = Proxy::http(&[]);
    let flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
    for (what, answer) in [
        ("nothing", String::new()),
        ("garbage", "garbage\r\n\r\n".into()),
        ("half a head", "HTTP/1.1 200 OK\r\nA:".into()),
        (
            "both lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
        ),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".into()),
        ("a bare CR", "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n".into()),
        ("a protocol nobody offered", "HTTP/1.1 101 Up\r\n\r\n".into()),
        ("put off for ever", flood),
        ("a long head", format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(1 << 20))),
    ] {
        let (server, served) = web::once(move |mut socket| {
            crate::proxy::head(&mut socket);
            let _ = socket.write_all(answer.as_bytes());
        });
        let answer = proxy.ask(format!("GET http://{server}/ HTTP/1.0\r\n\r\n"));
        assert_eq!(status(&answer), 502, "{what}: {answer}");
        served.join().unwrap();
    }
}
