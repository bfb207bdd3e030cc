//! Where clients may be connected to, who they may be, and what is written down.

use std::io::Write;

use crate::proxy::{Proxy, head, rest};
use crate::web;
use testkit::process::ncat;

fn get(proxy: &Proxy, url: &str) -> String {
    proxy.ask(format!("GET {url} HTTP/1.1\r\nConnection: close\r\n\r\n"))
}

fn page() -> std::net::SocketAddr {
    web::serve(|mut socket| {
        head(&mut socket);
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage").unwrap();
    })
}

#[test]
fn only_what_is_allowed_is_connected_to() {
    let (page, other) = (page(), page());
    let proxy = Proxy::new("any", &["--proxy-allow", &format!("127.0.0.0/8:{}", page.port())]);
    assert!(get(&proxy, &format!("http://{page}/")).ends_with("page"));
    assert!(get(&proxy, &format!("http://localhost:{}/", page.port())).ends_with("page"));
    let answer = get(&proxy, &format!("http://{other}/"));
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(answer.contains("no --proxy-allow matches"), "{answer}");
    let answer = proxy.ask(format!("CONNECT {other} HTTP/1.1\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    let socks =
        [b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01".as_slice(), &other.port().to_be_bytes()];
    assert_eq!(proxy.ask(socks.concat()).as_bytes()[..4], *b"\x05\x00\x05\x02");
}

#[test]
fn what_is_denied_is_never_connected_to() {
    let page = page();
    let proxy = Proxy::http(&[
        "--proxy-deny",
        "127.0.0.1",
        "--proxy-deny",
        "*.invalid",
        "--proxy-deny",
        ":25",
    ]);
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]"] {
        let answer = get(&proxy, &format!("http://{host}:{}/", page.port()));
        assert!(answer.contains("forbidden by --proxy-deny 127.0.0.1"), "{host}: {answer}");
    }
    for (url, rule) in [("http://a.invalid/", "*.invalid"), ("http://192.0.2.1:25/", ":25")] {
        let answer = get(&proxy, url);
        assert!(answer.starts_with("HTTP/1.1 403"), "{url}: {answer}");
        assert!(answer.contains(rule), "{url}: {answer}");
    }
}

#[test]
fn rules_that_are_none_are_told() {
    for (args, said) in [
        (
            &["-l", "--proxy-type", "http", "--proxy-deny", "a b"][..],
            "Ncat: Invalid destination \"a b\" for --proxy-deny. QUITTING.",
        ),
        (
            &["-l", "--proxy-deny", "a"],
            "Ncat: Invalid option combination: --proxy-allow or --proxy-deny without -l --proxy-type. QUITTING.",
        ),
        (
            &["-l", "--proxy-type", "ftp"],
            "Ncat: Invalid proxy type \"ftp\"; Ncat proxy server only supports \"http\". QUITTING.",
        ),
        (
            &["-l", "--proxy-type", "http", "-e", "/bin/true"],
            "Ncat: Invalid option combination: --proxy-type and -e. QUITTING.",
        ),
        (
            &["-l", "--proxy-type", "http", "-u"],
            "Ncat: Invalid option combination: --proxy-type and -u. QUITTING.",
        ),
    ] {
        let ended = ncat(args).run().expect_code(2);
        assert_eq!(ended.first_line(), said);
    }
}

#[test]
fn a_proxy_does_not_ask_itself() {
    let proxy = Proxy::http(&[]);
    let port = proxy.addr.port();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let answer = get(&proxy, &format!("http://{host}:{port}/"));
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{host}: {answer}");
        let answer = proxy.ask(format!("CONNECT {host}:{port} HTTP/1.1\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{host}: {answer}");
    }
    // By way of another.
    let other = Proxy::http(&[]);
    let mut socket = other.connect();
    let page = page();
    write!(socket, "GET http://{page}/ HTTP/1.1\r\nVia: 1.1 x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let via = head(&mut socket);
    let name = via.lines().find_map(|line| line.strip_prefix("Via: 1.1 ")).unwrap();
    rest(&mut socket);
    let answer =
        other.ask(format!("GET http://{page}/ HTTP/1.1\r\nVia: 1.1 x, 1.1 {name}\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
}

#[test]
fn who_listens_beyond_loopback_without_a_password_is_warned() {
    let warning = "Ncat: Warning: this proxy serves whoever can reach it.";
    let open = ncat(["-l", "-v", "--proxy-type", "http", "0"]).start();
    open.wait_message(warning);
    let closed = Proxy::http(&[]);
    get(&closed, "http://127.0.0.1:1/");
    closed.process.wait_message("504");
    assert!(!closed.process.messages().contains(warning));
    let asked = ncat(["-l", "-v", "--proxy-type", "http", "--proxy-auth", "u:p", "0"]).start();
    asked.wait_message("Listening on 0.0.0.0");
    assert!(!asked.messages().contains(warning));
}

#[test]
fn the_address_before_the_port_is_the_only_one() {
    let proxy = Proxy::http(&[]);
    assert!(proxy.addr.ip().is_loopback());
    assert!(std::net::TcpStream::connect(("127.0.0.2", proxy.addr.port())).is_err());
}

#[test]
fn each_request_is_a_line_and_an_event() {
    let page = page();
    let mut args = vec!["-l", "-v", "--json", "--proxy-type", "any", "--proxy-auth", "me:secret"];
    args.extend(["127.0.0.1", "0"]);
    let process = ncat(args).start();
    let addr = process.listening();
    let proxy = Proxy { process, addr };
    let request = format!(
        "GET http://{page}/ HTTP/1.1\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\nConnection: close\r\n\r\n"
    );
    assert!(proxy.ask(request).ends_with("page"));
    let line = format!("me \"GET http://{page}/\" http 200: 0 bytes sent, 4 received");
    proxy.process.wait_message(&line);
    let event = proxy.process.wait_message("\"event\":\"proxied\"");
    let event = event.lines().find(|line| line.contains("\"proxied\"")).unwrap();
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    assert_eq!(event["user"], "me");
    assert_eq!(event["status"], 200);
    assert_eq!(event["received"], 4);
    assert_eq!(event["target"], format!("http://{page}/"));
    assert!(!proxy.process.messages().contains("secret"));
}

#[test]
fn who_may_be_a_client_is_asked_first() {
    let proxy = Proxy::http(&["--deny", "127.0.0.1"]);
    assert_eq!(proxy.ask("GET / HTTP/1.1\r\n\r\n"), "");
    proxy.process.wait_message("New connection denied");
}
