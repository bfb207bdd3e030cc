//! User names and passwords: right, wrong, missing, heard by somebody else.

use std::io::Write;

use crate::proxy::{Proxy, head, header, rest};
use crate::web;
use testkit::peer::Peer;
use testkit::process::{Program, ncat};

fn page() -> std::net::SocketAddr {
    web::serve(|mut socket| {
        head(&mut socket);
        socket
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npage")
            .unwrap();
        rest(&mut socket);
    })
}

fn curl(proxy: &str, options: &[&str], url: &str) -> (String, String) {
    let base = ["-s", "-m", "30", "-w", " %{http_code}", "-x", proxy];
    let ended = Program::new("curl").args(base.iter().chain(options).chain(&[url])).run();
    let all = String::from_utf8(ended.stdout).unwrap();
    let (page, code) = all.rsplit_once(' ').unwrap();
    (page.to_owned(), code.to_owned())
}

#[test]
fn without_the_right_words_nobody_gets_through() {
    let (page, proxy) = (page(), Proxy::new("any", &["--proxy-auth", "me:pass:word"]));
    let get = |line: &str| {
        proxy.ask(format!("GET http://{page}/ HTTP/1.1\r\nConnection: close\r\n{line}\r\n"))
    };
    // "me:pass:word", "me:other", "you:pass:word".
    assert!(get("Proxy-Authorization: Basic bWU6cGFzczp3b3Jk\r\n").ends_with("page"));
    assert!(get("proxy-authorization:\tbasic  bWU6cGFzczp3b3Jk\r\n").ends_with("page"));
    for line in [
        "",
        "Proxy-Authorization: Basic bWU6b3RoZXI=\r\n",
        "Proxy-Authorization: Basic eW91OnBhc3M6d29yZA==\r\n",
        "Proxy-Authorization: Basic\r\n",
        "Proxy-Authorization: Basic !!!\r\n",
        "Proxy-Authorization: Bearer bWU6cGFzczp3b3Jk\r\n",
        "Proxy-Authorization: Basic bWU6cGFzczp3b3Jk, x=y\r\n",
        "Authorization: Basic bWU6cGFzczp3b3Jk\r\n",
        "Proxy-Authorization: Digest username=\"me\"\r\n",
    ] {
        let answer = get(line);
        assert!(
            answer.starts_with("HTTP/1.1 407 Proxy Authentication Required\r\n"),
            "{line}: {answer}"
        );
        assert!(answer.contains("Proxy-Authenticate: Basic realm=\"Ncat\"\r\n"), "{answer}");
        assert!(answer.contains("Proxy-Authenticate: Digest realm=\"Ncat\", nonce=\""), "{answer}");
    }
    let tunnel = proxy.ask(format!("CONNECT {page} HTTP/1.0\r\n\r\n"));
    assert!(tunnel.starts_with("HTTP/1.0 407 Proxy Authentication Required\r\n"), "{tunnel}");
    // What is wrong is told before who is asked, as by Ncat.
    assert!(proxy.ask("GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 400"));
    assert!(proxy.ask("BREW http://a/ HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 405"));
}

#[test]
fn socks_asks_too() {
    let proxy = Proxy::new("any", &["--proxy-auth", "me:pass"]);
    let port = page().port().to_be_bytes();
    let request = [&[5, 1, 0, 1, 127, 0, 0, 1], &port[..]].concat();
    let answer = proxy.ask([b"\x05\x01\x02\x01\x02me\x04pass", &request[..], b"\r\n\r\n"].concat());
    assert!(answer.as_bytes().starts_with(b"\x05\x02\x01\x00\x05\x00"), "{answer:?}");
    for wrong in [
        &b"\x05\x01\x02\x01\x02me\x04pasS"[..],
        b"\x05\x01\x02\x01\x00\x00",
        b"\x05\x01\x02\x01\x02yo\x04pass",
    ] {
        assert_eq!(proxy.ask([wrong, &request].concat()).as_bytes(), b"\x05\x02\x01\x01");
    }
    let none = proxy.ask([b"\x05\x01\x00", &request[..]].concat());
    assert!(none.starts_with('\u{5}') && none.len() == "\u{5}\u{fffd}".len(), "{none:?}");
    let old = [&[4, 1], &port[..], &[127, 0, 0, 1], b"you\0"].concat();
    assert_eq!(proxy.ask(old).as_bytes()[..2], [0, 0x5b]);
}

#[test]
fn curl_and_debians_ncat_say_it_right() {
    let page = page();
    let url = format!("http://{page}/");
    let proxy = Proxy::new("any", &["--proxy-auth", "me:pass word"]);
    let (http, socks) = (format!("http://{}", proxy.addr), format!("socks5h://{}", proxy.addr));
    for options in [
        &["-U", "me:pass word"][..],
        &["-U", "me:pass word", "--proxy-digest"],
        &["-U", "me:pass word", "--proxy-anyauth", "-d", "x=y"],
    ] {
        assert_eq!(curl(&http, options, &url), ("page".into(), "200".into()), "{options:?}");
        let tunnel = [options, &["-p"]].concat();
        assert_eq!(curl(&http, &tunnel, &url), ("page".into(), "200".into()), "{tunnel:?}");
    }
    assert_eq!(curl(&socks, &["-U", "me:pass word"], &url).1, "200");
    assert_eq!(curl(&http, &["-U", "me:wrong", "--proxy-digest"], &url).1, "407");
    let Some(debians) = Peer::Ncat.find() else { return };
    let path = debians;
    let at = proxy.addr.to_string();
    let args =
        ["--proxy", &at, "--proxy-auth", "me:pass word", "127.0.0.1", &page.port().to_string()];
    let ended = path.args(args).bytes("GET / HTTP/1.0\r\n\r\n").run();
    assert!(ended.stdout.ends_with(b"page"), "{}", ended.stderr);
    proxy.process.wait_message("me \"CONNECT");
}

#[test]
fn what_was_heard_cannot_be_said_again() {
    let page = page();
    let proxy = Proxy::http(&["--proxy-auth", "me:pass"]);
    // A client's whole answer, taken from the wire.
    let (tap, heard) = web::once({
        let addr = proxy.addr;
        move |mut client| {
            let mut heard: Vec<String> = Vec::new();
            let mut server = std::net::TcpStream::connect(addr).unwrap();
            for _ in 0..2 {
                let asked = head(&mut client);
                heard.push(asked.clone());
                server.write_all(asked.as_bytes()).unwrap();
                let answer = head(&mut server);
                let content = crate::proxy::body(&mut server, &answer);
                client.write_all(&[answer.as_bytes(), &content].concat()).unwrap();
            }
            heard.pop().unwrap()
        }
    });
    let url = format!("http://{page}/");
    assert_eq!(curl(&format!("http://{tap}"), &["-U", "me:pass", "--proxy-digest"], &url).1, "200");
    let heard = heard.join().unwrap();
    assert!(heard.contains("Proxy-Authorization: Digest"), "{heard}");
    let answer = proxy.ask(&heard);
    assert!(answer.starts_with("HTTP/1.1 407"), "{answer}");
    assert!(answer.contains("stale=true"), "{answer}");
    // Nor for something else, nor with another count.
    for (from, to) in
        [("GET http", "HEAD http"), ("nc=00000001", "nc=00000002"), ("uri=\"/\"", "uri=\"/x\"")]
    {
        assert!(heard.contains(from), "{heard}");
        let answer = proxy.ask(heard.replace(from, to));
        assert!(answer.starts_with("HTTP/1.1 407"), "{to}: {answer}");
    }
}

#[test]
fn users_come_from_a_file_or_the_environment() {
    let page = page();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users");
    std::fs::write(&file, "one:1\r\n\ntwo:2\n").unwrap();
    let path = file.to_str().unwrap();
    let proxy = Proxy::http(&["--proxy-auth-file", path]);
    let url = format!("http://{page}/");
    let at = format!("http://{}", proxy.addr);
    assert_eq!(curl(&at, &["-U", "one:1"], &url).1, "200");
    assert_eq!(curl(&at, &["-U", "two:2", "--proxy-digest"], &url).1, "200");
    assert_eq!(curl(&at, &["-U", "one:2"], &url).1, "407");
    let args = ["-l", "-v", "--proxy-type", "http", "127.0.0.1", "0"];
    let process = ncat(args).env("NCAT_PROXY_AUTH", "env:secret").start();
    let at = format!("http://{}", process.listening());
    assert_eq!(curl(&at, &["-U", "env:secret"], &url).1, "200");
    assert_eq!(curl(&at, &[], &url).1, "407");
    std::fs::write(&file, "\n").unwrap();
    let args = ["-l", "--proxy-type", "http", "--proxy-auth-file", path, "127.0.0.1", "0"];
    let said = format!("Ncat: {path} names no user. QUITTING.");
    assert_eq!(ncat(args).run().expect_code(2).first_line(), said);
}

#[test]
fn a_challenge_is_answered_on_the_same_connection() {
    let (page, proxy) = (page(), Proxy::http(&["--proxy-auth", "me:pass"]));
    let mut socket = proxy.connect();
    let request = format!("POST http://{page}/ HTTP/1.1\r\nContent-Length: 5\r\n");
    write!(
        socket,
        "{request}\r\nhello{request}Proxy-Authorization: Basic bWU6cGFzcw==\r\n\r\nhello"
    )
    .unwrap();
    let answer = head(&mut socket);
    assert!(answer.starts_with("HTTP/1.1 407"), "{answer}");
    assert_eq!(header(&answer, "Connection"), None);
    crate::proxy::body(&mut socket, &answer);
    assert!(head(&mut socket).starts_with("HTTP/1.1 200"));
}
