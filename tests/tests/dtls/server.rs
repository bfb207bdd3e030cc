//! Our program as a listener: strangers, cookies, clients that say nothing or begin anew.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use testkit::data::bytes;
use testkit::process::{Process, ncat};
use testkit::{eventually, procfs};

use crate::peer::{Dtls, client, drain, end, next, send, socket, try_client};
use crate::pki::{Identity, Wanted};

fn listener(args: &[&str]) -> Process {
    ncat(["-l", "-v", "-u", "--ssl"]).args(args).args(["127.0.0.1", "0"]).held().start()
}

/// A first ClientHello as OpenSSL makes it.
pub(crate) fn hello() -> Vec<u8> {
    let catcher = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = catcher.local_addr().unwrap().port();
    let made = std::thread::spawn(move || {
        let mut buf = [0; 2000];
        let n = catcher.recv(&mut buf).unwrap();
        buf[..n].to_vec()
    });
    let mut builder =
        openssl::ssl::SslContext::builder(openssl::ssl::SslMethod::dtls_client()).unwrap();
    builder.set_verify(openssl::ssl::SslVerifyMode::NONE);
    let wire = socket(port);
    wire.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let mut ssl = openssl::ssl::SslStream::new(
        openssl::ssl::Ssl::new(&builder.build()).unwrap(),
        crate::peer::Wire(wire),
    )
    .unwrap();
    let _ = ssl.connect();
    made.join().unwrap()
}

/// What comes back within a moment.
fn answers(socket: &UdpSocket, moment: Duration) -> Vec<Vec<u8>> {
    socket.set_read_timeout(Some(moment)).unwrap();
    let mut buf = [0; 2000];
    std::iter::from_fn(|| socket.recv(&mut buf).ok().map(|n| buf[..n].to_vec())).collect()
}

/// Sends until something comes back.
fn ask(socket: &UdpSocket, hello: &[u8]) -> Vec<u8> {
    eventually("an answer", || {
        socket.send(hello).unwrap();
        let mut answers = answers(socket, Duration::from_millis(200));
        (!answers.is_empty()).then(|| answers.remove(0))
    })
}

#[test]
fn strangers_are_not_answered_and_take_nobodys_place() {
    let ncat = listener(&[]);
    let port = ncat.listening().port();
    let stranger = socket(port);
    let noise = bytes(1, 1200);
    let mut tls = hello();
    tls[1..3].copy_from_slice(&[3, 1]);
    for data in
        [&b"x"[..], b"", b"plain datagram\n", &noise, &tls, &[22; 40], &[23, 254, 253, 0, 1]]
    {
        stranger.send(data).unwrap();
    }
    let mut dtls = client(port);
    send(&mut dtls, b"hello");
    assert_eq!(ncat.wait_output(5), b"hello");
    assert!(answers(&stranger, Duration::from_millis(100)).is_empty());
    end(&mut dtls);
    let done = ncat.finish().expect_code(0);
    assert_eq!(done.stdout, b"hello");
    assert_eq!(done.stderr.matches("Connection from").count(), 1, "{}", done.stderr);
}

#[test]
fn a_stranger_gets_less_than_it_sends_and_leaves_nothing_behind() {
    const SENDERS: u16 = 100;
    const EACH: usize = 300;
    let ncat = listener(&["-k"]);
    let at = ncat.listening();
    let hello = hello();
    let before = procfs::resident_kib(ncat.pid());
    let (mut sent, mut got, mut answered) = (0, 0, 0);
    for sender in 0..SENDERS {
        // A sender with many addresses, and not the one it got the cookie at.
        let from =
            SocketAddr::from(([127, 0, 1 + (sender / 200) as u8, 1 + (sender % 200) as u8], 0));
        let socket = UdpSocket::bind(from).unwrap();
        socket.connect(at).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut hello = hello.clone();
        for i in 0..EACH {
            // Another client's random each time.
            hello[27..29].copy_from_slice(&(i as u16).to_be_bytes());
            // A full buffer takes a moment.
            sent += socket.send(&hello).unwrap_or(0);
            let mut buf = [0; 2000];
            while let Ok(n) = socket.recv(&mut buf) {
                got += n;
                answered += 1;
            }
        }
        socket.set_nonblocking(false).unwrap();
        for answer in answers(&socket, Duration::from_millis(30)) {
            got += answer.len();
            answered += 1;
        }
    }
    assert!(answered > usize::from(SENDERS), "{answered} answers: nothing was tested");
    assert!(got <= sent, "{got} bytes out for {sent} in");
    let grown = procfs::resident_kib(ncat.pid()).saturating_sub(before);
    assert!(grown < 4096, "{grown} KiB for strangers");
    // A cookie of another address is no cookie.
    let (one, other) = (socket(at.port()), socket(at.port()));
    let asked = ask(&one, &hello);
    let with = with_cookie(&hello, &asked[28..]);
    let again = ask(&other, &with);
    assert_eq!((again[13], again.len()), (3, asked.len()), "asked for its own cookie");
    // Nobody of them was let in, and whoever means it still is.
    assert!(!ncat.messages().contains("Connection from"), "{}", ncat.messages());
    let mut dtls = client(at.port());
    send(&mut dtls, b"hello");
    assert_eq!(ncat.wait_output(5), b"hello");
}

/// The ClientHello with a cookie in it.
fn with_cookie(hello: &[u8], cookie: &[u8]) -> Vec<u8> {
    let session = usize::from(hello[59]);
    let at = 60 + session;
    assert_eq!(hello[at], 0, "no cookie yet");
    let mut with = [&hello[..at], &[cookie.len() as u8], cookie, &hello[at + 1..]].concat();
    let more = cookie.len() as u16;
    for place in [11, 15, 23] {
        let len = u16::from_be_bytes([with[place], with[place + 1]]) + more;
        with[place..place + 2].copy_from_slice(&len.to_be_bytes());
    }
    with[18] = 1;
    with[10] = 1;
    with
}

#[test]
fn a_client_that_falls_silent_holds_its_place_no_longer_than_w() {
    let ncat = listener(&["-k", "-m", "1", "-w", "600ms"]);
    let at = ncat.listening();
    let silent = socket(at.port());
    let hello = hello();
    let asked = ask(&silent, &hello);
    silent.send(&with_cookie(&hello, &asked[28..])).unwrap();
    assert!(!answers(&silent, Duration::from_millis(300)).is_empty(), "the server's flight");
    ncat.wait_message("Connection from");
    ncat.wait_message("Failed SSL connection from 127.0.0.1:");
    let mut dtls = client(at.port());
    send(&mut dtls, b"hello");
    assert_eq!(ncat.wait_output(5), b"hello");
}

#[test]
fn a_client_may_begin_anew_on_its_old_port() {
    let mut ncat = listener(&["-k"]);
    let port = ncat.listening().port();
    let first = socket(port);
    let again = first.try_clone().unwrap();
    let mut dtls = try_client(first, |_| {}).unwrap();
    send(&mut dtls, b"before");
    assert_eq!(ncat.wait_output(6), b"before");
    // It loses its state and says nothing, as after a crash.
    std::mem::forget(dtls);
    let mut dtls = try_client(again, |_| {}).unwrap();
    send(&mut dtls, b"after");
    assert_eq!(ncat.wait_output(11), b"beforeafter");
    ncat.wait_message("the peer has begun a new connection from the same port");
    ncat.send(b"to all");
    assert_eq!(next(&mut dtls).unwrap(), b"to all");
}

/// From whoever knows two addresses: with any length.
#[test]
fn forged_records_of_every_length_change_nothing() {
    for cipher in [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-CCM8",
        "ECDHE-ECDSA-AES128-CCM",
    ] {
        let ncat = listener(&["-k", "--ssl-ciphers", "ALL:@SECLEVEL=0"]);
        let wire = socket(ncat.listening().port());
        let forger = wire.try_clone().unwrap();
        let mut dtls = try_client(wire, |builder| {
            builder.set_cipher_list(&format!("{cipher}:@SECLEVEL=0")).unwrap();
        })
        .unwrap();
        send(&mut dtls, b"begin ");
        ncat.wait_output(6);
        for kind in 19..25 {
            for len in 0..100_u8 {
                let header = [kind, 254, 253, 0, 1, 0, 0, 0, 0, 9, len, 0, len];
                forger.send(&[&header[..], &vec![kind; usize::from(len)]].concat()).unwrap();
            }
            // Not more than a socket's buffer has room for.
            send(&mut dtls, b"go on ");
            let wanted = 6 + 6 * usize::from(kind - 18);
            let got = ncat.wait_output(wanted);
            assert_eq!(got.len(), wanted, "{cipher}, records of type {kind}");
        }
    }
}

#[test]
fn a_new_beginning_ends_a_listener_for_one() {
    let ncat = listener(&[]);
    let first = socket(ncat.listening().port());
    let again = first.try_clone().unwrap();
    let mut dtls = try_client(first, |_| {}).unwrap();
    send(&mut dtls, b"before");
    assert_eq!(ncat.wait_output(6), b"before");
    std::mem::forget(dtls);
    let hello = hello();
    let asked = ask(&again, &hello);
    again.send(&with_cookie(&hello, &asked[28..])).unwrap();
    let done = ncat.finish().expect_code(1);
    let why = "Ncat: the peer has begun a new connection from the same port.";
    assert!(done.stderr.contains(why), "{}", done.stderr);
}

#[test]
fn somebody_elses_beginning_does_not_end_a_connection() {
    let mut ncat = listener(&["-k"]);
    let port = ncat.listening().port();
    let wire = socket(port);
    let forger = wire.try_clone().unwrap();
    let mut dtls = try_client(wire, |_| {}).unwrap();
    send(&mut dtls, b"one");
    assert_eq!(ncat.wait_output(3), b"one");
    // As if from the same address; whoever forges it does not get the cookie.
    let hello = hello();
    forger.send(&hello).unwrap();
    forger.send(&with_cookie(&hello, &[7; 20])).unwrap();
    send(&mut dtls, b"two");
    assert_eq!(ncat.wait_output(6), b"onetwo");
    ncat.send(b"still here");
    assert_eq!(next(&mut dtls).unwrap(), b"still here");
}

#[test]
fn a_single_listener_serves_one_and_ends_with_it() {
    let ncat = listener(&[]);
    let port = ncat.listening().port();
    let mut dtls = client(port);
    send(&mut dtls, b"one");
    assert_eq!(ncat.wait_output(3), b"one");
    // Nobody else gets in.
    let second = socket(port);
    let _ = second.send(&hello());
    assert!(answers(&second, Duration::from_millis(200)).is_empty());
    end(&mut dtls);
    assert_eq!(drain(&mut dtls), Vec::<Vec<u8>>::new());
    ncat.finish().expect_code(0);
}

#[test]
fn a_handshake_that_fails_ends_a_single_listener() {
    let root = Identity::root();
    let dir = tempfile::tempdir().unwrap();
    let (trusted, _) = root.files(&dir, "root");
    let ncat = listener(&["--ssl-client-ca", trusted.to_str().unwrap()]);
    assert!(try_client(socket(ncat.listening().port()), |_| {}).is_err());
    let done = ncat.finish().expect_code(1);
    assert!(done.stderr.contains("Failed SSL connection from 127.0.0.1:"), "{}", done.stderr);
    assert!(done.stderr.contains("clients must send a certificate"), "{}", done.stderr);
}

#[test]
fn datagram_clients_are_let_in_by_certificate() {
    let root = Identity::root();
    let dir = tempfile::tempdir().unwrap();
    let (trusted, _) = root.files(&dir, "root");
    let ours = root.issue(&Wanted { common_name: "alice", ..Wanted::name(&["a"]) });
    let trusted = trusted.to_str().unwrap();
    let ncat = listener(&["-k", "--ssl-client-ca", trusted, "--ssl-allow", "CN=alice"]);
    let port = ncat.listening().port();
    let with = |own: &Identity| -> Result<Dtls, String> {
        try_client(socket(port), |builder| {
            builder.set_certificate(&own.certificate).unwrap();
            builder.set_private_key(&own.key).unwrap();
        })
    };
    let mut dtls = with(&ours).unwrap();
    send(&mut dtls, b"hello");
    assert_eq!(ncat.wait_output(5), b"hello");
    ncat.wait_message("Peer: verified: chain.");
    assert!(with(&Identity::alone(&Wanted::name(&["b"]))).is_err());
    // One that the root signed and nobody wants has its handshake, and no more.
    let mut other = with(&root.issue(&Wanted::name(&["mallory"]))).unwrap();
    send(&mut other, b"lost");
    ncat.wait_message("not one of --ssl-allow");
    send(&mut dtls, b" again");
    assert_eq!(ncat.wait_output(11), b"hello again");
}

#[test]
fn who_is_denied_never_gets_a_handshake() {
    let ncat = listener(&["-k", "--deny", "127.0.0.0/8"]);
    let at = ncat.listening();
    let denied = socket(at.port());
    let hello = hello();
    let began = Instant::now();
    let asked = ask(&denied, &hello);
    denied.send(&with_cookie(&hello, &asked[28..])).unwrap();
    ncat.wait_message("not allowed");
    assert!(answers(&denied, Duration::from_millis(200)).is_empty());
    assert!(began.elapsed() < Duration::from_secs(20));
}
