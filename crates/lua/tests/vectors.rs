//! The bundled filters' vectors (spec section 20), each with its input cut at every place.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "a test")]

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use conn::{Conn, ConnInfo, Duplex, Recv, Shape};
use lua::filter::{Engine, Facts, SearchPath};
use plan::{FilterSpec, Filters};

/// A wire in memory: what comes, and what was sent.
struct Wire {
    comes: VecDeque<Bytes>,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Duplex for Wire {
    fn poll_recv(
        &mut self,
        _cx: &mut Context<'_>,
        _max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        Poll::Ready(Ok(match self.comes.pop_front() {
            Some(piece) => {
                out.push_back(piece);
                Recv::Data
            }
            None => Recv::End,
        }))
    }

    fn poll_send(
        &mut self,
        _cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        let piece = queue.pop_front().unwrap();
        self.sent.lock().unwrap().extend(&piece);
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What the wire gets of `sends`, what the user gets of `comes`, and what broke receiving.
fn pass(spec: &str, sends: &[&[u8]], comes: &[&[u8]]) -> (Vec<u8>, Vec<u8>, Option<String>) {
    let stack = vec![FilterSpec::parse(spec).unwrap()];
    let filters = Filters { stack, ..Filters::default() };
    let log = Box::new(|_: &str, _: &str, _, _: &str| {});
    let gate = gate::Gatekeeper::open();
    let engine = Engine::load(&filters, &SearchPath::default(), false, log, gate);
    let engine = Arc::new(engine.unwrap());
    let sent = Arc::default();
    let comes = comes.iter().map(|piece| Bytes::copy_from_slice(piece)).collect();
    let wire = Wire { comes, sent: Arc::clone(&sent) };
    let conn = Conn::from_duplex(ConnInfo::default(), Shape::Stream, Box::new(wire));
    let (mut top, driver) = engine.wrap(conn, Facts { mode: "listen", ..Facts::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (user, broke) = runtime.block_on(async {
        let driving = tokio::spawn(driver);
        let (mut user, mut broke) = (Vec::new(), None);
        for piece in sends {
            let mut queue = VecDeque::from([Bytes::copy_from_slice(piece)]);
            std::future::poll_fn(|cx| top.poll_send_all(cx, &mut queue)).await.unwrap();
        }
        std::future::poll_fn(|cx| top.poll_finish(cx)).await.unwrap();
        loop {
            let mut out = VecDeque::new();
            match std::future::poll_fn(|cx| top.poll_recv(cx, 65_536, &mut out)).await {
                Ok(Recv::Data) => out.iter().for_each(|piece| user.extend(piece)),
                Ok(Recv::End) => break,
                Err(error) => {
                    broke = Some(error.to_string());
                    break;
                }
            }
        }
        drop(top);
        driving.await.unwrap();
        (user, broke)
    });
    let sent = sent.lock().unwrap().clone();
    (sent, user, broke)
}

/// Every cut in two, in three at the ends, and byte by byte.
fn cuttings(data: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut all = vec![vec![data], data.chunks(1).collect()];
    for at in 1..data.len() {
        all.push(vec![&data[..at], &data[at..]]);
        if at + 1 < data.len() {
            all.push(vec![&data[..at], &data[at..=at], &data[at + 1..]]);
        }
    }
    all
}

#[test]
fn what_is_sent_is_on_the_wire() {
    for (spec, sends, wire) in [
        ("null", &[&b"HELLO\n"[..]][..], &b"HELLO\n"[..]),
        ("rot13", &[b"HELLO\n"], b"URYYB\n"),
        ("base64", &[b"HELLO\n"], b"SEVMTE8K"),
        ("base64", &[b"HELLO", b"HI"], b"SEVMTE8=SEk="),
        ("base64:url", &[b"\xff\xfe\xfd"], b"__79"),
        ("base64:wrap=4", &[b"HELLO\n"], b"SEVM\nTE8K\n"),
        ("hex", &[b"HELLO\n"], b"48454c4c4f0a"),
        ("xor:key=secret", &[b"HELLO\n", b"A"], b"\x3b\x20\x2f\x3e\x2a\x7e\x32"),
        ("xor:hexkey=736563726574", &[b"HELLO\n", b"A"], b"\x3b\x20\x2f\x3e\x2a\x7e\x32"),
        ("prefix:out=> ", &[b"a\nb\n"], b"> a\n> b\n"),
        ("prefix:out=> ", &[b"a", b"b\n", b"\nc"], b"> ab\n> \n> c"),
        ("crlf", &[b"a\n", b"b\r", b"\n"], b"a\r\nb\r\n"),
        ("crlf", &[b"a\r\nb\rc\n\n"], b"a\r\nb\rc\r\n\r\n"),
        ("replace:find=foo,with=bar", &[b"xf", b"oof", b"o"], b"xbarfo"),
        ("replace:find=foo,with=bar,dir=in", &[b"foo"], b"foo"),
        ("netstring", &[b"HELLO\n"], b"6:HELLO\n,"),
    ] {
        assert_eq!(pass(spec, sends, &[]).0, wire, "{spec}");
    }
}

#[test]
fn what_comes_is_the_same_however_it_is_cut() {
    let mut count = 0;
    for (spec, comes, user, broke) in [
        ("null", &b"HELLO\n"[..], &b"HELLO\n"[..], None),
        ("rot13", b"URYYB", b"HELLO", None),
        ("base64", b"SEVMTE8=SEk=", b"HELLOHI", None),
        ("base64", b"SEVM TE8\n=SE\tk=", b"HELLOHI", None),
        ("base64", b"SEVMTE8", b"HEL", Some("truncated base64 input")),
        ("base64", b"SEVMT", b"HEL", Some("truncated base64 input")),
        ("hex", b"48 45", b"HE", None),
        ("hex", b"484", b"H", Some("truncated hexadecimal input")),
        ("xor:key=secret", b"\x3b\x20\x2f\x3e\x2a\x7e\x32", b"HELLO\nA", None),
        ("prefix:strip=1", b"Xa\nXb\n", b"a\nb\n", None),
        ("prefix:strip=2,in=<", b"XYa\nX\n\nXYb", b"<a\n<\n<\n<b", None),
        ("crlf", b"a\r\nb\rc", b"a\nb\rc", None),
        ("crlf", b"a\r\r\n\r", b"a\r\n\r", None),
        ("line", b"HELLO\nworld\nrest", b"HELLO\nworld\nrest", None),
        ("replace:find=foo,with=bar", b"xfooyfofoo", b"xbaryfobar", None),
        ("replace:find=foo,with=bar", b"xfo", b"xfo", None),
        ("replace:find=aab,with=-", b"aaab", b"a-", None),
        ("netstring", b"2:hi,0:,1:x,", b"hix", None),
        ("netstring", b"2:hi,5:h", b"hi", Some("truncated netstring")),
        ("netstring", b"2:hi;", b"", Some("this is no netstring")),
        ("netstring", b"02:hi,", b"", Some("this is no netstring")),
    ] {
        for cut in cuttings(comes) {
            let (_, got, why) = pass(spec, &[], &cut);
            assert_eq!(
                (&got[..], why.as_deref()),
                (user, broke),
                "{spec} {:?}: {:?}",
                cut,
                String::from_utf8_lossy(&got)
            );
            count += 1;
        }
    }
    assert!(count > 250, "{count}");
}
