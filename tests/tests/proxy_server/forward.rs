//! Requests passed on: what the server is sent, what the client gets back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::proxy::{Proxy, body, head, header, rest};
use crate::web;
use testkit::data;

/// Answers every request with what it was: its head, and its body.
fn mirror(mut socket: TcpStream) {
    let mut first = [0];
    while matches!(socket.peek(&mut first), Ok(1)) {
        let asked = head(&mut socket);
        let content = match header(&asked, "Content-Length") {
            Some(_) => body(&mut socket, &asked),
            None => Vec::new(),
        };
        let all = [asked.as_bytes(), &content].concat();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", all.len());
        socket.write_all(&[answer.as_bytes(), &all].concat()).unwrap();
    }
}

#[test]
fn headers_of_one_connection_stay_there() {
    let (server, proxy) = (web::serve(mirror), Proxy::http(&[]));
    let mut socket = proxy.connect();
    write!(
        socket,
        "GET http://{server}/a?b HTTP/1.1\r\nHost: other\r\nConnection: X-One, keep-alive\r\nX-One: 1\r\n\
         Connection: x-two\r\nX-Two: 2\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\n\
         Proxy-Authorization: Basic c2VjcmV0\r\nTrailer: T\r\nAccept: x,\r\n y\r\nAccept: z\r\n\r\n"
    )
    .unwrap();
    let answer = head(&mut socket);
    let seen = String::from_utf8(body(&mut socket, &answer)).unwrap();
    let via = header(&seen, "Via").unwrap().to_owned();
    assert!(via.starts_with("1.1 ncat-"), "{via}");
    assert_eq!(
        seen,
        format!(
            "GET /a?b HTTP/1.1\r\nHost: {server}\r\nAccept: x, y\r\nAccept: z\r\nVia: {via}\r\n\r\n"
        )
    );
    assert_eq!(header(&answer, "Via"), Some(&*via));
}

#[test]
fn every_method_is_passed_on_with_its_body() {
    let (server, proxy) = (web::serve(mirror), Proxy::http(&[]));
    let mut socket = proxy.connect();
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        for content in ["", "some content"] {
            write!(
                socket,
                "{method} http://{server}/ HTTP/1.1\r\nContent-Length: {}\r\n\r\n{content}",
                content.len()
            )
            .unwrap();
            let answer = head(&mut socket);
            let seen = String::from_utf8(body(&mut socket, &answer)).unwrap();
            assert!(seen.starts_with(&format!("{method} / HTTP/1.1\r\n")), "{seen}");
            assert!(seen.ends_with(&format!("\r\n\r\n{content}")), "{seen}");
        }
    }
    write!(socket, "HEAD http://{server}/ HTTP/1.1\r\n\r\nGET http://{server}/2 HTTP/1.1\r\n\r\n")
        .unwrap();
    assert!(header(&head(&mut socket), "Content-Length").is_some());
    let answer = head(&mut socket);
    assert!(body(&mut socket, &answer).starts_with(b"GET /2 "), "HEAD has no body");
}

#[test]
fn one_connection_each_way_carries_many_requests() {
    let proxy = Proxy::http(&[]);
    let (server, served) = web::once(mirror);
    let mut socket = proxy.connect();
    for n in 0..20 {
        write!(socket, "GET http://{server}/{n} HTTP/1.1\r\n\r\n").unwrap();
        let answer = head(&mut socket);
        assert!(body(&mut socket, &answer).starts_with(format!("GET /{n} ").as_bytes()));
    }
    // HTTP/1.0 has to ask for it.
    let one = format!("GET http://{server}/x HTTP/1.0\r\n");
    write!(socket, "{one}Proxy-Connection: keep-alive\r\n\r\n").unwrap();
    let answer = head(&mut socket);
    assert!(answer.starts_with("HTTP/1.0 200 OK"), "{answer}");
    assert_eq!(header(&answer, "Connection"), Some("keep-alive"));
    body(&mut socket, &answer);
    write!(socket, "{one}\r\n").unwrap();
    let answer = head(&mut socket);
    assert_eq!(header(&answer, "Connection"), Some("close"));
    body(&mut socket, &answer);
    assert_eq!(rest(&mut socket), b"");
    drop(proxy);
    served.join().unwrap();
}

#[test]
fn a_server_that_ended_a_kept_connection_is_asked_again() {
    let proxy = Proxy::http(&[]);
    // Keeps its connection, as it says, for one request, and hears the next one's first byte.
    let server = web::serve(|mut socket| {
        head(&mut socket);
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        let _ = socket.read(&mut [0]);
    });
    let mut socket = proxy.connect();
    for _ in 0..5 {
        write!(socket, "GET http://{server}/ HTTP/1.1\r\n\r\n").unwrap();
        let answer = head(&mut socket);
        assert_eq!(body(&mut socket, &answer), b"ok");
    }
}

#[test]
fn chunks_are_taken_apart_and_put_together() {
    let proxy = Proxy::http(&[]);
    let data = data::bytes(7, 300_000);
    let sent = data.clone();
    let server = web::serve(move |mut socket| {
        let asked = head(&mut socket);
        assert_eq!(header(&asked, "Transfer-Encoding"), Some("chunked"));
        let mut got = Vec::new();
        let mut buf = [0; 4096];
        while !got.ends_with(b"\r\n0\r\n\r\n") {
            let n = socket.read(&mut buf).unwrap();
            got.extend_from_slice(&buf[..n]);
        }
        assert!(got.windows(5).any(|w| w == b"hello"));
        assert!(!got.windows(3).any(|w| w == b"ext"), "extensions stay behind");
        socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        for piece in sent.chunks(7777) {
            write!(socket, "{:X};ext=1\r\n", piece.len()).unwrap();
            socket.write_all(piece).unwrap();
            socket.write_all(b"\r\n").unwrap();
        }
        socket.write_all(b"0\r\nT: trailer\r\n\r\n").unwrap();
    });
    let request = format!(
        "POST http://{server}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         5;ext\r\nhello\r\n0\r\n\r\n"
    );
    let mut socket = proxy.connect();
    // Byte by byte, so that every cut is one that may happen.
    for byte in request.as_bytes() {
        socket.write_all(&[*byte]).unwrap();
    }
    let answer = head(&mut socket);
    assert_eq!(header(&answer, "Transfer-Encoding"), Some("chunked"));
    assert_eq!(header(&answer, "Content-Length"), None);
    let mut got = Vec::new();
    let all = rest(&mut socket);
    let mut left = &all[..];
    loop {
        let end = left.iter().position(|byte| *byte == b'\n').unwrap();
        let size = std::str::from_utf8(&left[..end - 1]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        left = &left[end + 1..];
        if size == 0 {
            break;
        }
        got.extend_from_slice(&left[..size]);
        left = &left[size + 2..];
    }
    assert_eq!(left, b"\r\n");
    data::assert_same("the content", &got, &data);
}

#[test]
fn a_client_of_1_0_gets_no_chunks() {
    let proxy = Proxy::http(&[]);
    let server = web::serve(|mut socket| {
        head(&mut socket);
        let text =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        socket.write_all(text.as_bytes()).unwrap();
        let _ = socket.read(&mut [0]);
    });
    let answer = proxy.ask(format!("GET http://{server}/ HTTP/1.0\r\n\r\n"));
    let (head, content) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(content, "abcde");
    assert!(!head.contains("chunked"), "{head}");
}

#[test]
fn who_waits_to_be_told_to_go_on_is_told() {
    let proxy = Proxy::http(&[]);
    let server = web::serve(|mut socket| {
        let asked = head(&mut socket);
        assert_eq!(header(&asked, "Expect"), Some("100-continue"));
        socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        assert_eq!(body(&mut socket, &asked), b"hello");
        socket.write_all(b"HTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n").unwrap();
        let _ = socket.read(&mut [0]);
    });
    let mut socket = proxy.connect();
    let lines = "Content-Length: 5\r\nExpect: 100-continue\r\n";
    write!(socket, "PUT http://{server}/ HTTP/1.1\r\n{lines}\r\n").unwrap();
    assert!(head(&mut socket).starts_with("HTTP/1.1 100 Continue\r\n"));
    socket.write_all(b"hello").unwrap();
    assert!(head(&mut socket).starts_with("HTTP/1.1 201 Made\r\n"));
}

#[test]
fn an_answer_before_the_request_has_ended_arrives() {
    let proxy = Proxy::http(&[]);
    let server = web::serve(|mut socket| {
        head(&mut socket);
        socket.write_all(b"HTTP/1.1 413 Too much\r\nContent-Length: 4\r\n\r\nstop").unwrap();
        let _ = socket.shutdown(Shutdown::Write);
        rest(&mut socket);
    });
    let mut socket = proxy.connect();
    write!(socket, "POST http://{server}/ HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nonly this")
        .unwrap();
    let answer = head(&mut socket);
    assert!(answer.starts_with("HTTP/1.1 413 Too much"), "{answer}");
    assert_eq!(header(&answer, "Connection"), Some("close"), "the rest would be the next request");
    assert_eq!(rest(&mut socket), b"stop");
}

#[test]
fn a_body_may_come_later_than_its_head_and_be_long() {
    let proxy = Proxy::http(&[]);
    let data = data::bytes(3, 20_000_000);
    let sent = data.clone();
    let (server, served) = web::once(move |mut socket| {
        let asked = head(&mut socket);
        let got = body(&mut socket, &asked);
        data::assert_same("what was posted", &got, &sent);
        write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", got.len()).unwrap();
        socket.write_all(&got).unwrap();
    });
    let mut socket = proxy.connect();
    write!(socket, "POST http://{server}/ HTTP/1.1\r\nContent-Length: {}\r\n\r\n", data.len())
        .unwrap();
    socket.write_all(&data).unwrap();
    let answer = head(&mut socket);
    data::assert_same("what came back", &body(&mut socket, &answer), &data);
    served.join().unwrap();
}

#[test]
fn an_answer_that_breaks_off_does_not_look_whole() {
    let proxy = Proxy::http(&[]);
    let server = web::serve(|mut socket| {
        head(&mut socket);
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
    });
    for version in ["1.0", "1.1"] {
        let mut socket = proxy.connect();
        write!(socket, "GET http://{server}/ HTTP/{version}\r\n\r\n").unwrap();
        let mut all = Vec::new();
        let error = socket.read_to_end(&mut all).expect_err("a reset, not an end");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}

#[test]
fn a_websocket_goes_through() {
    let proxy = Proxy::http(&[]);
    let server = web::serve(|mut socket| {
        let asked = head(&mut socket);
        assert_eq!(header(&asked, "Upgrade"), Some("websocket"));
        assert_eq!(header(&asked, "Connection"), Some("Upgrade"));
        let text = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst";
        socket.write_all(text.as_bytes()).unwrap();
        let mut buf = [0; 5];
        socket.read_exact(&mut buf).unwrap();
        socket.write_all(&buf).unwrap();
    });
    let mut socket = proxy.connect();
    let lines = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
    write!(socket, "GET http://{server}/ HTTP/1.1\r\n{lines}\r\n").unwrap();
    let answer = head(&mut socket);
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    assert_eq!(header(&answer, "Upgrade"), Some("websocket"));
    socket.write_all(b"hello").unwrap();
    assert_eq!(rest(&mut socket), b"firsthello");
}

#[test]
fn options_that_may_go_no_further_are_answered_here() {
    let proxy = Proxy::http(&[]);
    let nobody = web::nobody();
    let answer = proxy.ask(format!(
        "OPTIONS http://{nobody}/ HTTP/1.1\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n"
    ));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\nAllow: CONNECT, GET, HEAD, POST"), "{answer}");
}

#[test]
fn what_a_server_says_unasked_is_nobodys_answer() {
    let proxy = Proxy::http(&[]);
    let (tell, told) = std::sync::mpsc::channel();
    // One in two says more at once, the other when its connection is idle.
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let server = web::serve(move |mut socket| {
        let good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let evil = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno";
        head(&mut socket);
        if count.fetch_add(1, std::sync::atomic::Ordering::Relaxed).is_multiple_of(2) {
            socket.write_all(format!("{good}{evil}").as_bytes()).unwrap();
            tell.send(()).unwrap();
        } else {
            socket.write_all(good.as_bytes()).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(50));
            // The proxy may have closed it.
            let _ = socket.write_all(evil.as_bytes());
            tell.send(()).unwrap();
        }
        rest(&mut socket);
    });
    let mut socket = proxy.connect();
    for _ in 0..6 {
        write!(socket, "GET http://{server}/ HTTP/1.1\r\n\r\n").unwrap();
        let answer = head(&mut socket);
        assert_eq!(body(&mut socket, &answer), b"ok");
        told.recv_timeout(testkit::PATIENCE).unwrap();
    }
}

#[test]
fn a_slow_reader_of_a_page_gets_every_byte_and_delays_nobody() {
    const LEN: usize = 32 << 20;
    let page = data::bytes(21, LEN);
    let sent = page.clone();
    let server = web::serve(move |mut socket| {
        head(&mut socket);
        write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {LEN}\r\n\r\n").unwrap();
        socket.write_all(&sent).unwrap();
        rest(&mut socket);
    });
    let proxy = Proxy::http(&[]);
    let ask = || {
        let mut socket = proxy.connect();
        write!(socket, "GET http://{server}/ HTTP/1.1\r\n\r\n").unwrap();
        let answer = head(&mut socket);
        (socket, answer)
    };
    let (mut slow, slow_answer) = ask();
    // Another has everything while this one reads nothing.
    let (mut quick, quick_answer) = ask();
    data::assert_same("the quick one's", &body(&mut quick, &quick_answer), &page);
    data::assert_same("the slow one's", &body(&mut slow, &slow_answer), &page);
}
