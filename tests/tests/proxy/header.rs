//! The PROXY protocol from one of us to another, and from others.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use testkit::process::{Process, ncat};

use crate::programs;

fn listener(options: &[&str]) -> (Process, SocketAddr) {
    let process = ncat(["-v", "-l"]).args(options).args(["127.0.0.1", "0"]).start();
    let addr = process.listening();
    (process, addr)
}

/// Sends `text` in pieces cut at `at`, and gives what comes back.
fn send(addr: SocketAddr, text: &[u8], at: usize) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(testkit::PATIENCE)).unwrap();
    let _ = stream.write_all(&text[..at]);
    std::thread::sleep(std::time::Duration::from_millis(3));
    let _ = stream.write_all(&text[at..]);
    let _ = stream.shutdown(Shutdown::Write);
    let mut back = Vec::new();
    let _ = stream.read_to_end(&mut back);
    back
}

const ENV: &str =
    "echo $NCAT_REMOTE_ADDR $NCAT_REMOTE_PORT $NCAT_PROXY_ADDR $NCAT_PROXY_DEST_PORT; cat";

#[test]
fn a_header_goes_from_one_of_us_to_another() {
    for version in ["send1", "send2"] {
        let options = ["-k", "--proxy-protocol", "require", "--proxy-protocol-from", "127.0.0.0/8"];
        let (_server, addr) = listener(&[&options[..], &["-c", ENV]].concat());
        let port = addr.port().to_string();
        let line = ncat(["--proxy-protocol", version, "-s", "127.0.0.5", "127.0.0.1", &port]);
        let done = line.bytes("data").run().expect_code(0);
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(text.starts_with("127.0.0.5 "), "{text}");
        assert!(text.ends_with(&format!(" 127.0.0.5 {port}\ndata")), "{text}");
    }
}

#[test]
fn the_bytes_are_the_documents() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = target.local_addr().unwrap();
    let heard = |options: &[&str]| {
        let port = addr.port().to_string();
        let client = ncat(options).args(["127.0.0.1", &port]).bytes("data").start();
        let (mut stream, from) = target.accept().unwrap();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        drop(stream);
        client.finish().expect_code(0);
        (text, from)
    };
    let (text, from) = heard(&["--proxy-protocol", "send1"]);
    let line = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\ndata", from.port(), addr.port());
    assert_eq!(text, line.as_bytes());
    // Through a proxy it goes to the target.
    let proxy = programs::ours("socks5", None);
    let (text, _) = heard(&["--proxy-protocol", "send2", "--proxy", &proxy.url("socks5")]);
    assert!(
        text.starts_with(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01"),
        "{text:?}"
    );
    assert!(text.ends_with(b"data"));
}

#[test]
fn a_header_is_believed_from_whom_it_should_be() {
    let header = b"PROXY TCP4 192.0.2.1 198.51.100.1 1000 443\r\nhi";
    let env = |options: &[&str], text: &[u8]| {
        let (_server, addr) = listener(&[options, &["-k", "-c", ENV]].concat());
        String::from_utf8_lossy(&send(addr, text, 0)).into_owned()
    };
    let from = |kind, from| ["--proxy-protocol", kind, "--proxy-protocol-from", from];
    assert_eq!(env(&from("accept", "127.0.0.1"), header), "192.0.2.1 1000 127.0.0.1 443\nhi");
    // From others it is data, or the client is refused.
    let text = env(&from("accept", "10.0.0.0/8"), header);
    assert!(text.starts_with("127.0.0.1 ") && text.ends_with("443\r\nhi"), "{text}");
    assert_eq!(env(&from("require", "10.0.0.0/8"), header), "");
    // Without one: data, or refused.
    let text = env(&from("accept", "127.0.0.1"), b"GET / HTTP/1.0\r\n\r\n");
    assert!(text.starts_with("127.0.0.1 ") && text.ends_with("GET / HTTP/1.0\r\n\r\n"), "{text}");
    assert_eq!(env(&from("require", "127.0.0.1"), b"GET / HTTP/1.0\r\n\r\n"), "");
    assert_eq!(env(&from("accept", "127.0.0.1"), b"PROXY TCP4 garbage\r\n"), "");
}

#[test]
fn rules_look_at_the_connection_and_at_the_header() {
    let from = ["-k", "--proxy-protocol", "require", "--proxy-protocol-from", "127.0.0.1"];
    let (server, addr) = listener(&[&from[..], &["--deny", "192.0.2.0/24", "-c", "cat"]].concat());
    assert_eq!(send(addr, b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\nhi", 0), b"");
    server.wait_message("New connection denied: not allowed");
    assert_eq!(send(addr, b"PROXY TCP4 192.0.3.1 198.51.100.1 1 2\r\nhi", 0), b"hi");
    assert_eq!(send(addr, b"PROXY UNKNOWN\r\nhi", 0), b"hi");
    server.wait_message("client 192.0.3.1:1, connected to 198.51.100.1:2");
}

#[test]
fn headers_may_be_cut_anywhere() {
    let options =
        ["-k", "--proxy-protocol", "require", "--proxy-protocol-from", "127.0.0.1", "-c", "cat"];
    let (_server, addr) = listener(&options);
    let one = b"PROXY TCP4 192.0.2.1 198.51.100.1 1000 443\r\nhi".to_vec();
    let two = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\x7f\0\0\x01\x7f\0\0\x02\0\x01\0\x02\x04\0\0hi"
        .to_vec();
    for text in [one, two] {
        for at in 0..text.len() {
            assert_eq!(send(addr, &text, at), b"hi", "cut at {at}");
        }
    }
}

#[test]
fn one_client_and_a_hub_take_headers_too() {
    let from = ["--proxy-protocol", "require", "--proxy-protocol-from", "127.0.0.1"];
    for more in [&[][..], &["-k"]] {
        let (server, addr) = listener(&[&from[..], more].concat());
        send(addr, b"PROXY TCP4 192.0.2.1 198.51.100.1 1000 443\r\nhi", 0);
        assert_eq!(server.wait_output(2), b"hi");
    }
    let (server, addr) = listener(&from);
    send(addr, b"no header", 0);
    let done = server.finish().expect_code(1);
    assert!(done.stderr.contains("no PROXY header"), "{}", done.stderr);
}

const TRUSTED: [&str; 4] = ["--proxy-protocol", "require", "--proxy-protocol-from", "127.0.0.1"];

/// Says `text`, and leaves its direction open.
fn client(addr: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(testkit::PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

fn heard(stream: &mut TcpStream, wanted: &str) {
    let mut text = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&text).contains(wanted) {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&text));
        text.push(byte[0]);
    }
    assert!(!String::from_utf8_lossy(&text).contains("PROXY"), "the header is nobody's");
}

#[test]
fn a_broker_takes_headers_and_passes_none_on() {
    let (server, addr) = listener(&[&TRUSTED[..], &["--broker"]].concat());
    let mut one = client(addr, "PROXY TCP4 192.0.2.1 198.51.100.1 1000 443\r\n");
    server.wait_message("client 192.0.2.1:1000");
    let mut two = client(addr, "PROXY TCP4 192.0.2.2 198.51.100.1 2000 443\r\nhello");
    heard(&mut one, "hello");
    one.write_all(b"and back").unwrap();
    heard(&mut two, "and back");
    assert_eq!(send(addr, b"no header", 0), b"");
    // In a chat the others are told where somebody really comes from.
    let (_chat, addr) = listener(&[&TRUSTED[..], &["--chat"]].concat());
    let mut one = client(addr, "PROXY TCP4 192.0.2.1 198.51.100.1 1000 443\r\n");
    heard(&mut one, "already connected");
    let _two = client(addr, "PROXY TCP4 192.0.2.2 198.51.100.1 2000 443\r\n");
    heard(&mut one, "192.0.2.2:2000 is connected as");
}

#[test]
fn a_proxy_server_takes_headers_and_knows_its_clients_by_them() {
    let target = crate::scripted::echo();
    let options = ["--proxy-type", "any", "--deny", "192.0.2.9"];
    let (server, addr) = listener(&[&TRUSTED[..], &options].concat());
    let ask = format!("CONNECT {target} HTTP/1.0\r\n\r\nhello");
    let header = "PROXY TCP4 192.0.2.1 198.51.100.1 1000 443\r\n";
    let mut tunnel = client(addr, &format!("{header}{ask}"));
    heard(&mut tunnel, "HTTP/1.0 200 OK\r\n\r\nhello");
    drop(tunnel);
    server.wait_message(&format!("192.0.2.1:1000 - \"CONNECT {target}\" http 200"));
    let port = target.port().to_be_bytes();
    let socks = [header.as_bytes(), &[4, 1, port[0], port[1], 127, 0, 0, 1, 0], b"hi"].concat();
    assert_eq!(send(addr, &socks, 0)[..2], [0, 0x5a]);
    server.wait_message("192.0.2.1:1000 - \"CONNECT 127.0.0.1:");
    let denied = "PROXY TCP4 192.0.2.9 198.51.100.1 1000 443\r\n";
    assert_eq!(send(addr, format!("{denied}{ask}").as_bytes(), 0), b"");
    assert_eq!(send(addr, ask.as_bytes(), 0), b"", "without a header");
}
