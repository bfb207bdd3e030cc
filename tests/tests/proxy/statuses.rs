//! Our HTTP server beside Debian's ncat: the same first line for the same request of HTTP/1.0.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use testkit::eventually;

use crate::programs;
use crate::scripted::echo;

/// Says it, ends, and gives the head of the answer.
fn ask(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    stream.set_read_timeout(Some(testkit::PATIENCE)).unwrap();
    // It may have heard enough in the middle.
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split("\r\n\r\n").next().unwrap_or_default().to_owned()
}

/// As [`ask`]. Ncat closes before it has read everything, and the reset may overtake its answer; then it
/// is asked again.
fn answer(port: u16, request: &str) -> String {
    eventually("an answer", || Some(ask(port, request)).filter(|answer| !answer.is_empty()))
}

fn first_line(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

#[test]
fn every_status_of_ncats_is_ours() {
    let Some(theirs) = programs::reference(None) else { return };
    let ours = programs::ours("http", None);
    let nobody = programs::free_port();
    let target = echo();
    let get = |lines: &str| format!("GET http://127.0.0.1:{nobody}/ HTTP/1.0\r\n{lines}\r\n");
    let post = |lines: &str| format!("POST http://127.0.0.1:{nobody}/ HTTP/1.0\r\n{lines}\r\n");
    for (request, status) in [
        ("garbage\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.0\r\n\r\n".into(), 400),
        ("GET * HTTP/1.0\r\n\r\n".into(), 400),
        ("GET ftp://127.0.0.1/ HTTP/1.0\r\n\r\n".into(), 400),
        (format!("GET http://127.0.0.1:{nobody}/ http/1.0\r\n\r\n"), 400),
        ("CONNECT 127.0.0.1 HTTP/1.0\r\n\r\n".into(), 400),
        (get("no colon\r\n"), 400),
        (get("A: b\rc\r\n"), 400),
        (get("Content-Length: x\r\n"), 400),
        (format!("GET http://127.0.0.1:{nobody}/ HTTP/1.0\r\nA: b"), 400),
        ("BREW http://127.0.0.1/ HTTP/1.0\r\n\r\n".into(), 405),
        (get(&"A: bcdefghi\r\n".repeat(3000)), 413),
        (get(""), 504),
        (post("Content-Length: 0\r\n"), 504),
        (format!("CONNECT 127.0.0.1:{nobody} HTTP/1.0\r\n\r\n"), 504),
        ("CONNECT name.invalid:80 HTTP/1.0\r\n\r\n".into(), 504),
        // What Ncat takes is taken: bare line ends, a blank line before, zeros before the port.
        (format!("CONNECT 127.0.0.1:0{} HTTP/1.0\n\n", target.port()), 200),
        (format!("\r\nCONNECT {target} HTTP/1.0\r\nX: y\r\n z\r\n\r\n"), 200),
    ] {
        let theirs = answer(theirs.port, &request);
        let ours = ask(ours.port, &request);
        assert_eq!(first_line(&ours), first_line(&theirs), "{request}");
        let told = format!("HTTP/1.0 {status} ");
        assert!(ours.starts_with(&told), "{status}, not {ours}: {request}");
    }
    // Debian's ncat hangs up at these without a word.
    for url in ["http://u:p@127.0.0.1/", "http://127.0.0.1:0/", "http://127.0.0.1:65536/", "http:a"]
    {
        let request = format!("GET {url} HTTP/1.0\r\n\r\n");
        assert_eq!(ask(theirs.port, &request), "", "{url}");
        assert_eq!(first_line(&ask(ours.port, &request)), "HTTP/1.0 400 Bad Request", "{url}");
    }
    for proxy in [&theirs, &ours] {
        let own = format!("GET http://127.0.0.1:{}/ HTTP/1.0\r\n\r\n", proxy.port);
        assert_eq!(first_line(&answer(proxy.port, &own)), "HTTP/1.0 403 Forbidden");
        let brew = answer(proxy.port, "BREW http://127.0.0.1/ HTTP/1.0\r\n\r\n");
        assert!(brew.contains("\r\nAllow: CONNECT, GET, HEAD, POST"), "{brew}");
    }
}

#[test]
fn who_is_asked_is_asked_in_ncats_words() {
    let Some(theirs) = programs::reference(Some("me:pass")) else { return };
    let ours = programs::ours("http", Some("me:pass"));
    for request in
        ["CONNECT 127.0.0.1:9 HTTP/1.0\r\n\r\n", "GET http://127.0.0.1/ HTTP/1.0\r\n\r\n"]
    {
        for proxy in [&theirs, &ours] {
            let answer = answer(proxy.port, request);
            assert_eq!(first_line(&answer), "HTTP/1.0 407 Proxy Authentication Required");
            assert!(
                answer.contains("\r\nProxy-Authenticate: Basic realm=\"Ncat\"\r\n"),
                "{answer}"
            );
            assert!(answer.contains("Digest realm=\"Ncat\", nonce=\""), "{answer}");
            assert!(answer.contains("qop=\"auth\""), "{answer}");
        }
        // What is wrong with a request is told before who is asked.
        let wrong = request.replace("HTTP/1.0\r\n", "HTTP/1.0\r\nno colon\r\n");
        assert!(answer(theirs.port, &wrong).starts_with("HTTP/1.0 400 "));
        assert!(answer(ours.port, &wrong).starts_with("HTTP/1.0 400 "));
    }
}
