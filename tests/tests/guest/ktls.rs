//! TLS records made and opened by the kernel, with OpenSSL of the test's own and its programs as peers.

use std::io::{Read, Write};
use std::net::Shutdown;

use testkit::data::{self, assert_same};
use testkit::peer::{Peer, listening_port};
use testkit::process::{Input, Process, Program, ncat};

use crate::peer::{Ended, Server, Tls, drain, half_close, take, try_client};
use crate::pki::{Identity, Wanted};

/// What is sent each way in bulk.
const BULK: usize = 64 << 20;
/// What each setting makes and opens in the kernel, as listener and as client.
const BOTH: &str = "TLS records are made by the kernel, opened by the kernel";
const SENDS: &str = "TLS records are made by the kernel, opened by this program";
const NEITHER: &str = "TLS records are made by this program";

/// Everything the kernel can do, in both versions.
const VERSIONS: [&[&str]; 2] = [
    &["--ssl", "--ssl-ktls", "on", "--ssl-max", "tls1.2"],
    &["--ssl", "--ssl-ktls", "on", "--ssl-min", "tls1.3"],
];

fn counter(name: &str) -> u64 {
    let all = std::fs::read_to_string("/proc/net/tls_stat").unwrap();
    let line = all.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn own() -> Identity {
    Identity::alone(&Wanted { ips: &["127.0.0.1"], ..Wanted::name(&["localhost"]) })
}

fn file(bytes: &[u8]) -> (tempfile::NamedTempFile, Input) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let input = Input::Fd(std::fs::File::open(file.path()).unwrap().into());
    (file, input)
}

fn listener(args: &[&str]) -> Program {
    ncat(["-lvv"]).args(args).args(["127.0.0.1", "0"])
}

fn client(args: &[&str], port: impl ToString) -> Program {
    ncat(["-vv"]).args(args).args(["127.0.0.1", &port.to_string()])
}

/// Our client with a server of the test's own, and our listener with its client.
fn either(args: &[&str], check: impl Fn(Process, Tls)) {
    let server = Server::new(&own(), |_| {});
    let ours = client(args, server.port()).held().start();
    check(ours, server.accept());
    let ours = listener(args).held().start();
    let peer = try_client(ours.listening().port(), |_, _| {}).unwrap();
    check(ours, peer);
}

/// Files and pipes at our ends, in both directions at once.
fn bulk(args: &[&str], size: usize, said: [&str; 2]) {
    let (up, down) = (data::bytes(1, size + 12_345), data::bytes(2, size));
    let (kept, input) = file(&down);
    let sink = tempfile::NamedTempFile::new().unwrap();
    let server = listener(args).input(input).output(sink.reopen().unwrap()).start();
    let ours = client(args, server.listening().port()).bytes(up.clone()).run().expect_code(0);
    let served = server.finish().expect_code(0);
    assert_same("down", &ours.stdout, &down);
    assert_same("up", &std::fs::read(sink.path()).unwrap(), &up);
    assert!(served.stderr.contains(said[0]), "{}", served.stderr);
    assert!(ours.stderr.contains(said[1]), "{}", ours.stderr);
    assert!(served.stderr.contains("send: sendfile"), "{}", served.stderr);
    if said[1] == BOTH {
        assert!(served.stderr.contains("recv: splice through a pipe"), "{}", served.stderr);
        assert!(ours.stderr.contains("send: splice"), "{}", ours.stderr);
        assert!(ours.stderr.contains("recv: splice (socket to pipe)"), "{}", ours.stderr);
    }
    drop(kept);
}

#[ignore = "needs TLS in the kernel"]
#[test]
fn ktls_both_ways() {
    for args in VERSIONS {
        let before = (counter("TlsTxSw"), counter("TlsRxSw"));
        bulk(args, BULK, [BOTH, BOTH]);
        let after = (counter("TlsTxSw"), counter("TlsRxSw"));
        assert!(after.0 >= before.0 + 2 && after.1 >= before.1 + 2, "{before:?} {after:?}");
    }
}

/// What no peer can notice, and nothing more.
#[ignore = "needs TLS in the kernel"]
#[test]
fn ktls_unasked() {
    bulk(&["--ssl"], BULK / 8, [SENDS, SENDS]);
    let small = |args: &[&str], said: [&str; 2]| {
        let server = listener(args).bytes("down").start();
        let ours = client(args, server.listening().port()).bytes("up").run().expect_code(0);
        let served = server.finish().expect_code(0);
        assert_eq!((&ours.stdout[..], &served.stdout[..]), (&b"down"[..], &b"up"[..]));
        assert!(served.stderr.contains(said[0]), "{}", served.stderr);
        assert!(ours.stderr.contains(said[1]), "{}", ours.stderr);
    };
    small(&["--ssl", "--ssl-max", "tls1.2"], [BOTH, NEITHER]);
    small(&["--ssl-ktls", "off"], [NEITHER, NEITHER]);
}

#[ignore = "needs TLS in the kernel"]
#[test]
fn ktls_of_every_cipher_has_its_alerts() {
    let suites = [
        ("--ssl-ciphersuites", "TLS_AES_128_GCM_SHA256", "tls1.3"),
        ("--ssl-ciphersuites", "TLS_AES_256_GCM_SHA384", "tls1.3"),
        ("--ssl-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", "tls1.3"),
        ("--ssl-ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256", "tls1.2"),
        ("--ssl-ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384", "tls1.2"),
        ("--ssl-ciphers", "ECDHE-ECDSA-CHACHA20-POLY1305", "tls1.2"),
    ];
    for (option, suite, version) in suites {
        let args = ["--ssl-ktls", "on", option, suite, "--ssl-max", version];
        let sent = data::bytes(3, 300_000);
        either(&args, |mut ours, mut peer| {
            ours.wait_message(BOTH);
            // A half-close each way, and what follows on the other.
            ours.send(b"request");
            assert_eq!(take(&mut peer, 7), b"request");
            ours.end_input();
            assert_eq!(drain(&mut peer), (Vec::new(), Ended::Told), "{suite}");
            peer.write_all(&sent).unwrap();
            half_close(&mut peer);
            assert_same(suite, &ours.finish().expect_code(0).stdout, &sent);
        });
    }
}

/// Records come in pieces, and the peer ends first.
#[ignore = "needs TLS in the kernel"]
#[test]
fn ktls_of_a_record_in_pieces() {
    for args in VERSIONS {
        either(args, |mut ours, mut peer| {
            peer.get_mut().piece = 7;
            let sent = data::bytes(4, 3_000);
            for (at, part) in sent.chunks(1_000).enumerate() {
                peer.write_all(part).unwrap();
                assert_eq!(ours.wait_output((at + 1) * 1_000), &sent[..(at + 1) * 1_000]);
                ours.send(b"answer");
                assert_eq!(take(&mut peer, 6), b"answer");
            }
            half_close(&mut peer);
            ours.wait_output_end();
            ours.send(b"more");
            assert_eq!(take(&mut peer, 4), b"more");
            ours.end_input();
            assert_eq!(drain(&mut peer).1, Ended::Told);
            ours.finish().expect_code(0);
        });
    }
}

/// A file's last bytes leave without an end that pushes them.
#[ignore = "needs TLS in the kernel"]
#[test]
fn ktls_sends_a_file_to_its_last_byte() {
    for args in VERSIONS {
        let sent = data::bytes(5, 1_234_567);
        let (_kept, input) = file(&sent);
        let ours = listener(&[args, &["--no-shutdown"]].concat()).input(input).start();
        let mut peer = try_client(ours.listening().port(), |_, _| {}).unwrap();
        assert_same("file", &take(&mut peer, sent.len()), &sent);
        half_close(&mut peer);
        ours.finish().expect_code(0);
    }
}

#[ignore = "needs TLS in the kernel"]
#[test]
fn ktls_tells_an_end_from_a_cut() {
    for args in VERSIONS {
        let strict = [args, &["--ssl-strict-eof"]].concat();
        let cut = |peer: &mut Tls| {
            peer.write_all(b"data").unwrap();
            peer.get_ref().socket.shutdown(Shutdown::Write).unwrap();
        };
        either(args, |ours, mut peer| {
            cut(&mut peer);
            let mut ours = ours;
            assert_eq!(ours.wait_output_end(), b"data");
            ours.end_input();
            let done = ours.finish().expect_code(0);
            assert!(done.stderr.contains("without a TLS close_notify"), "{}", done.stderr);
        });
        either(&strict, |ours, mut peer| {
            cut(&mut peer);
            let done = ours.finish().expect_code(1);
            assert_eq!(done.stdout, b"data");
            assert!(done.stderr.contains("--ssl-strict-eof"), "{}", done.stderr);
        });
        either(args, |ours, mut peer| {
            peer.write_all(b"data").unwrap();
            // A header that promises more than comes.
            peer.get_mut().socket.write_all(&[23, 3, 3, 1, 0, 5, 5, 5]).unwrap();
            peer.get_ref().socket.shutdown(Shutdown::Write).unwrap();
            let done = ours.finish().expect_code(1);
            assert_eq!(done.stdout, b"data");
            assert!(done.stderr.contains("in the middle of a TLS record"), "{}", done.stderr);
        });
    }
}

#[ignore = "needs TLS in the kernel"]
#[test]
fn ktls_of_a_record_that_is_not_the_peers() {
    for args in VERSIONS {
        // One that fails its check, one of a version there is not, one that is too long.
        let forged = [&[23, 3, 3, 0, 64][..], &[23, 9, 9, 0, 64], &[23, 3, 3, 255, 255]];
        for header in forged {
            either(args, |ours, mut peer| {
                peer.write_all(b"data").unwrap();
                peer.get_mut().socket.write_all(&[header, &[7; 64]].concat()).unwrap();
                let done = ours.finish().expect_code(1);
                assert_eq!(done.stdout, b"data");
                assert!(done.stderr.contains("Ncat: TLS failed: "), "{}", done.stderr);
                let mut rest = Vec::new();
                let told = peer.read_to_end(&mut rest).unwrap_err().to_string();
                assert!(told.contains("alert"), "{told}");
            });
        }
    }
}

/// A peer of TLS 1.3 may have new keys at any time, and may ask for ours.
#[ignore = "needs TLS in the kernel"]
#[test]
fn ktls_and_new_keys() {
    let Some(openssl) = Peer::Openssl.find() else { return };
    let mut ours = listener(&["--ssl"]).held().start();
    let at = ours.listening().to_string();
    let mut peer = openssl.args(["s_client", "-connect", &at]).held().start();
    ours.wait_message(SENDS);
    let mut wanted = String::new();
    for (done, letter, text) in [(1, "K", "one"), (2, "k", "two"), (3, "K", "three")] {
        peer.send(format!("{letter}\n").as_bytes());
        testkit::eventually("new keys", || {
            (peer.messages().matches("KEYUPDATE").count() == done).then_some(())
        });
        peer.send(format!("{text}\n").as_bytes());
        wanted.push_str(&format!("{text}\n"));
        assert_eq!(ours.wait_output(wanted.len()), wanted.as_bytes());
        let answer = format!("answer to {text}");
        ours.send(format!("{answer}\n").as_bytes());
        testkit::eventually("the answer", || {
            String::from_utf8_lossy(&peer.wait_output(0)).contains(&answer).then_some(())
        });
    }
    assert_eq!(ours.messages().matches("asked for new TLS keys").count(), 1);
    drop(peer);

    let Some(openssl) = Peer::Openssl.find() else { return };
    let ours = listener(VERSIONS[1]).held().start();
    let at = ours.listening().to_string();
    let mut peer = openssl.args(["s_client", "-connect", &at]).held().start();
    peer.send(b"before\n");
    assert_eq!(ours.wait_output(7), b"before\n");
    peer.send(b"k\n");
    let done = ours.finish().expect_code(1);
    assert_eq!(done.stdout, b"before\n");
    assert!(done.stderr.contains("Ncat: The peer changed its TLS keys"), "{}", done.stderr);
}

/// While the kernel encrypts, TLS 1.2 is not begun again; the peer is told so.
#[ignore = "needs TLS in the kernel"]
#[test]
fn ktls_and_a_wish_to_renegotiate() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = own().files(&dir, "own");
    let Some(openssl) = Peer::Openssl.find() else { return };
    let server = openssl.args(["s_server", "-accept", "127.0.0.1:0", "-tls1_2", "-cert"]);
    let mut server = server.args([&certificate]).args(["-key"]).args([&key]).held().start();
    let mut ours = client(VERSIONS[0], listening_port(&server)).held().start();
    ours.send(b"before\n");
    testkit::eventually("what was sent before", || {
        String::from_utf8_lossy(&server.wait_output(0)).contains("before").then_some(())
    });
    server.send(b"r\n");
    ours.wait_message("wanted to renegotiate");
    server.wait_message("no renegotiation");
    ours.finish();
}

#[ignore = "needs TLS in the kernel"]
#[test]
fn ktls_of_many_clients() {
    for args in VERSIONS {
        let ours = listener(&[args, &["-k", "-c", "cat"]].concat()).start();
        let port = ours.listening().port();
        let one = move |seed| {
            let sent = data::bytes(seed, 2 << 20);
            let mut peer = try_client(port, |_, _| {}).unwrap();
            for part in sent.chunks(60_000) {
                peer.write_all(part).unwrap();
                assert_same("echo", &take(&mut peer, part.len()), part);
            }
            half_close(&mut peer);
            assert_eq!(drain(&mut peer), (Vec::new(), Ended::Told));
        };
        let all: Vec<_> = (0..4).map(|seed| std::thread::spawn(move || one(seed))).collect();
        all.into_iter().for_each(|client| client.join().unwrap());
        assert_eq!(ours.messages().matches(BOTH).count(), 4);
    }
}

/// Other people's programs, in bulk.
#[ignore = "needs TLS in the kernel"]
#[test]
fn ktls_with_openssl_and_socat() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = own().files(&dir, "own");
    for (args, is_12) in VERSIONS.into_iter().zip([true, false]) {
        // In bulk once each way: the guest is slow.
        let sent = data::bytes(6, if is_12 { BULK / 8 } else { BULK });
        let Some(openssl) = Peer::Openssl.find() else { return };
        let server = openssl
            .args(["s_server", "-quiet", "-naccept", "1", "-accept", "127.0.0.1:0"])
            .args([if is_12 { "-tls1_2" } else { "-tls1_3" }, "-cert"])
            .args([&certificate])
            .args(["-key"])
            .args([&key]);
        let server = server.held().start();
        let (_kept, input) = file(&sent);
        let ours = client(&[args, &["--send-only"]].concat(), listening_port(&server));
        ours.input(input).run().expect_code(0);
        assert_same("to s_server", &server.finish().stdout, &sent);

        let Some(socat) = Peer::Socat.find() else { return };
        let sent = data::bytes(7, if is_12 { BULK } else { BULK / 8 });
        let ours = listener(args).held().start();
        let at = format!("OPENSSL:127.0.0.1:{},verify=0", ours.listening().port());
        let peer = socat.args(["-b65536", "-t3", "-", &at]).bytes(sent.clone()).start();
        assert_same("from socat", &ours.wait_output(sent.len()), &sent);
        peer.finish();
        ours.finish().expect_code(0);
    }
}

/// Bytes of the records that have come at once; nothing is taken.
fn records(tls: &Tls) -> Vec<usize> {
    let mut peeked = vec![0; 64 * 1024];
    let n = data_here(tls, &mut peeked);
    let (mut rest, mut found) = (&peeked[..n], Vec::new());
    while let Some(head) = rest.get(..5) {
        let len = 5 + usize::from(u16::from_be_bytes([head[3], head[4]]));
        assert!(len <= rest.len(), "a record is cut: {found:?}, {len} of {}", rest.len());
        found.push(len);
        rest = &rest[len..];
    }
    found
}

fn data_here(tls: &Tls, peeked: &mut [u8]) -> usize {
    testkit::eventually("the first byte", || {
        tls.get_ref().socket.peek(peeked).ok().filter(|n| *n > 0)
    })
}

/// A pipe whose writer has written and gone.
fn pipe(bytes: &[u8]) -> Input {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    std::fs::File::from(write).write_all(bytes).unwrap();
    Input::Fd(read)
}

/// Here too the end travels with the last bytes, whichever way they are sent.
#[ignore = "needs TLS in the kernel"]
#[test]
fn ktls_end_comes_with_the_last_bytes() {
    for args in VERSIONS {
        let server = Server::new(&own(), |_| {});
        let (_kept, from_file) = file(b"question");
        for (input, way) in [(from_file, "send: sendfile"), (pipe(b"question"), "send: splice")] {
            let ours = client(args, server.port()).input(input).start();
            let mut tls = server.accept();
            assert_eq!(records(&tls).len(), 2, "{args:?}, {way}");
            assert_eq!(drain(&mut tls), (b"question".to_vec(), Ended::Told));
            half_close(&mut tls);
            let done = ours.finish().expect_code(0);
            assert!(done.stderr.contains(way), "{}", done.stderr);
        }
    }
}
