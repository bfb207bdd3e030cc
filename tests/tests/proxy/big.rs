//! 2 GB through each kind of proxy to a reader that pauses, with hashes. Runs when `NCAT_BIG` is 1, as
//! `cargo xtask test` sets it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use testkit::data;
use testkit::peer::find;
use testkit::process::{Input, Process, Program, ncat};

use crate::programs::{self, Running};

const PIECE: usize = 8 << 20;
const PIECES: u64 = 256;
/// For a slow machine with other tests on it.
const TIME: Duration = Duration::from_secs(300);
/// Reads nothing at first, and nothing again in the middle.
const SLOWLY: &str = "(sleep 1; head -c 300000000; sleep 1; cat) | sha256sum";

/// Whether this run is for big transfers; if not, that is said aloud.
fn is_big() -> bool {
    let is_big = std::env::var_os("NCAT_BIG").is_some_and(|value| value == "1");
    if !is_big {
        let line = b"SKIPPED: 2 GB through proxies (NCAT_BIG=1 runs them)\n";
        let _ = std::io::stderr().write_all(line);
    }
    is_big
}

/// The stream. Pieces differ by their first bytes, so that one too many or too few is seen.
fn write(to: &mut impl Write) -> std::io::Result<()> {
    let mut piece = data::bytes(9, PIECE);
    for n in 0..PIECES {
        piece[..8].copy_from_slice(&n.to_le_bytes());
        to.write_all(&piece)?;
    }
    Ok(())
}

fn hash(finished: testkit::process::Finished) -> String {
    let text = String::from_utf8(finished.expect_code(0).stdout).unwrap();
    text.split(' ').next().unwrap().to_owned()
}

fn expected() -> String {
    let (read, write_end) = pipe();
    let hasher = Program::new("sha256sum").input(Input::Fd(read)).start();
    write(&mut std::fs::File::from(write_end)).unwrap();
    hash(hasher.finish_within(TIME))
}

fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

/// Sends the stream to whoever connects; with `is_web`, after a request, as a page.
fn serve(is_web: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || give(stream, is_web));
        }
    });
    addr
}

fn give(mut stream: TcpStream, is_web: bool) -> std::io::Result<()> {
    stream.set_write_timeout(Some(TIME))?;
    if is_web {
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            asked.push(byte[0]);
        }
        let length = PIECES * PIECE as u64;
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?;
    }
    write(&mut stream)?;
    stream.shutdown(Shutdown::Write)?;
    // Until the proxy has it all.
    let _ = stream.read(&mut [0]);
    Ok(())
}

/// Runs `program` with a reader that takes its time; what the reader saw.
fn slowly(what: &str, program: Program) -> String {
    let (read, write) = pipe();
    let reader = Program::new("sh").args(["-c", SLOWLY]).input(Input::Fd(read)).start();
    // Its input stays open: many a proxy takes the end of one direction for the end of both.
    let client: Process = program.held().output(write).start();
    let done = client.finish_within(TIME);
    assert_eq!(done.code(), Some(0), "{what}: {}", done.stderr);
    hash(reader.finish_within(TIME))
}

fn through(what: &str, url: &str, options: &[&str], want: &str) {
    let port = serve(false).port().to_string();
    let line = ncat(options).args(["--proxy", url, "127.0.0.1", &port]);
    assert_eq!(slowly(what, line), want, "{what}");
}

#[test]
fn two_gigabytes_through_each_kind_of_ours_to_a_slow_reader() {
    if !is_big() {
        return;
    }
    let want = expected();
    for (kind, scheme) in
        [("http", "http"), ("socks4", "socks4a"), ("socks5", "socks5"), ("any", "socks5h")]
    {
        through(scheme, &programs::ours(kind, None).url(scheme), &[], &want);
    }
    let hops = ["http", "socks5", "socks4"].map(|kind| programs::ours(kind, None));
    let urls = [hops[0].url("http"), hops[1].url("socks5"), hops[2].url("socks4")];
    let port = serve(false).port().to_string();
    let line = ncat(urls.iter().flat_map(|url| ["--proxy", url])).args(["127.0.0.1", &port]);
    assert_eq!(slowly("a chain", line), want, "a chain");
}

#[test]
#[cfg(feature = "tls")]
fn two_gigabytes_through_an_https_proxy_to_a_slow_reader() {
    if !is_big() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = crate::chains::tls::identity(&dir);
    let line = ["-v", "-l", "--proxy-type", "http", "--ssl-cert", &certificate, "--ssl-key", &key];
    let proxy = ncat(line).args(["127.0.0.1", "0"]).start();
    let url = format!("https://{}", proxy.listening());
    through("https", &url, &["--proxy-trustfile", &certificate], &expected());
}

#[test]
fn two_gigabytes_of_a_page_to_a_slow_reader() {
    if !is_big() {
        return;
    }
    let Some(curl) = find("curl", "curl") else { return };
    let (proxy, page) = (programs::ours("any", None), format!("http://{}/", serve(true)));
    let line = curl.args(["-sS", "-m", "280", "-x", &proxy.url("http"), &page]);
    assert_eq!(slowly("a page", line), expected());
}

#[test]
fn two_gigabytes_through_other_peoples_proxies_to_a_slow_reader() {
    if !is_big() {
        return;
    }
    let want = expected();
    let each = |what: &str, proxy: Option<Running>, schemes: &[&str]| {
        let Some(proxy) = proxy else { return };
        for scheme in schemes {
            through(&format!("{what} {scheme}"), &proxy.url(scheme), &[], &want);
        }
    };
    each("squid", programs::squid(&[]), &["http"]);
    each("tinyproxy", programs::tinyproxy(None), &["http"]);
    each("dante", programs::dante(), &["socks4", "socks5h"]);
    if let Some((_server, client)) = programs::ssh() {
        each("ssh", Some(client), &["socks5h"]);
    }
}
