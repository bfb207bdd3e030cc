//! The end travels with the last bytes: who reads those has it, and a server that reads no more, as web
//! servers do once they have the request, is not reset by it while its answer is on the way.

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::OwnedFd;

use testkit::process::{Input, ncat};

use crate::peer::{Ended, Server, drain, half_close};
use crate::pki::{Identity, Wanted};

fn server() -> Server {
    Server::new(&Identity::alone(&Wanted::name(&["a"])), |_| {})
}

/// A pipe whose writer has written and gone.
fn pipe(bytes: &[u8]) -> OwnedFd {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    File::from(write).write_all(bytes).unwrap();
    read
}

fn file(bytes: &[u8]) -> OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    file.into()
}

fn socket(bytes: &[u8]) -> OwnedFd {
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    ours.write_all(bytes).unwrap();
    theirs.into()
}

/// Bytes of the records that are here, as they came at once; nothing is taken.
fn records(socket: &TcpStream) -> Vec<usize> {
    let mut peeked = vec![0; 64 * 1024];
    let n =
        testkit::eventually("the first byte", || socket.peek(&mut peeked).ok().filter(|n| *n > 0));
    let (mut rest, mut found) = (&peeked[..n], Vec::new());
    while let Some(head) = rest.get(..5) {
        let len = 5 + usize::from(u16::from_be_bytes([head[3], head[4]]));
        assert!(len <= rest.len(), "a record is cut: {found:?}, {len} of {}", rest.len());
        found.push(len);
        rest = &rest[len..];
    }
    found
}

#[test]
fn the_end_comes_with_the_last_bytes() {
    let server = server();
    for version in ["tls1.2", "tls1.3"] {
        for input in [pipe as fn(&[u8]) -> OwnedFd, file, socket] {
            for args in [&[][..], &["--send-only"], &["-q", "30s"]] {
                let ncat = ncat(["--ssl", "--ssl-max", version]).args(args);
                let ncat = ncat.args(["127.0.0.1", &server.port()]);
                let ncat = ncat.input(Input::Fd(input(b"question"))).start();
                let mut tls = server.accept();
                let seen = records(&tls.get_ref().socket);
                assert_eq!(seen.len(), 2, "{version} {args:?}: {seen:?}");
                assert_eq!(drain(&mut tls), (b"question".to_vec(), Ended::Told));
                half_close(&mut tls);
                ncat.finish().expect_code(0);
            }
        }
    }
}

/// What our end means is another matter: where it is told late or never, the last bytes come alone.
#[test]
fn an_end_that_is_not_told_does_not_come_along() {
    let server = server();
    let ncat = ncat(["--ssl", "--no-shutdown", "127.0.0.1", &server.port()]);
    let ncat = ncat.input(Input::Fd(file(b"question"))).start();
    let mut tls = server.accept();
    assert_eq!(records(&tls.get_ref().socket).len(), 1);
    half_close(&mut tls);
    assert_eq!(drain(&mut tls).0, b"question");
    ncat.finish().expect_code(0);
}

/// And where more may come, nobody waits for it.
#[test]
fn what_may_not_be_the_last_is_sent_at_once() {
    let server = server();
    let mut ncat = ncat(["--ssl", "127.0.0.1", &server.port()]).held().start();
    let mut tls = server.accept();
    for _ in 0..3 {
        ncat.send(b"question");
        assert_eq!(records(&tls.get_ref().socket).len(), 1);
        assert_eq!(crate::peer::take(&mut tls, 8), b"question");
    }
    ncat.end_input();
    assert_eq!(drain(&mut tls), (Vec::new(), Ended::Told));
    half_close(&mut tls);
    ncat.finish().expect_code(0);
}

/// A server that reads the question, answers at length and closes, without another look at what we said.
#[test]
fn a_long_answer_of_a_server_that_reads_no_more_arrives() {
    let (server, answer) = (server(), testkit::data::bytes(1, 20 << 20));
    for input in [pipe as fn(&[u8]) -> OwnedFd, file] {
        let ncat = ncat(["--ssl", "127.0.0.1", &server.port()]);
        let ncat = ncat.input(Input::Fd(input(b"question"))).start();
        let mut tls = server.accept();
        // As much as there is, like who reads a head whose length it does not know.
        assert_eq!(drain(&mut tls), (b"question".to_vec(), Ended::Told));
        tls.write_all(&answer).unwrap();
        half_close(&mut tls);
        // With something unread this would be a reset.
        drop(tls);
        let done = ncat.finish().expect_code(0);
        testkit::data::assert_same("answer", &done.stdout, &answer);
    }
}
