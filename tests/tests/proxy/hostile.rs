//! Proxies that misbehave: nothing hangs, nothing is lost, and who is told knows why.

use std::time::{Duration, Instant};

use testkit::process::{Finished, ncat};

use crate::scripted::Scripted;

fn ask(proxy: &Scripted, options: &[&str]) -> Finished {
    let place = proxy.addr.to_string();
    ncat(["--proxy", &place, "-w", "20s"])
        .args(options)
        .args(["target.example", "80"])
        .bytes("hi")
        .run()
}

#[track_caller]
fn refused(answer: &[u8], first: &str, more: &str) {
    let done = ask(&Scripted::http(answer), &[]).expect_code(1);
    assert_eq!(done.first_line(), first, "{}", done.stderr);
    assert!(done.stderr.contains(more), "{}", done.stderr);
    assert!(done.stderr.contains("through http proxy 127.0.0.1:"), "{}", done.stderr);
    assert!(!done.stderr.contains('\x1b') && done.stdout.is_empty(), "{}", done.stderr);
}

#[test]
fn what_a_proxy_answers_is_told_and_harmless() {
    let code = |n| format!("Ncat: Proxy returned status code {n}.");
    let refuse = |answer: &str, n: i32, more: &str| refused(answer.as_bytes(), &code(n), more);
    refuse("HTTP/1.0 403 No\r\n\r\n", 403, "answered 403 No");
    refuse("HTTP/1.1 302 Found\r\nLocation: http://e/\r\n\r\n", 302, "points to http://e/");
    refuse("HTTP/1.1 407 Who\r\n\r\n", 407, "hint: it wants to know who you are");
    refuse("HTTP/1.1 502 \u{202e}evil\r\n\r\n", 502, r"\u{202e}evil");
    refuse("garbage\r\n\r\n", -1, "its answer is not HTTP; it said \"garbage");
    refuse("\x1b[2J\r\n\r\n", -1, r"\x1b[2J");
    refuse("HTTP/1.1 20 OK\r\n\r\n", -1, "not HTTP");
    refuse("HTTP/2 200\r\n\r\n", -1, "not HTTP");
    refuse("\x05\x00", -1, "looks like SOCKS5");
    refuse("\x15\x03\x01\x00\x02\x02\x46", -1, "looks like TLS");
    refuse("SSH-2.0-x\r\n", -1, "SSH server");
    let flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
    refuse(&flood, -1, "interim answers");
    let line = format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(24_000));
    refuse(&line, -1, "longer than 8 KiB");
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(20_000));
    refuse(&endless, -1, "longer than 64 KiB");
}

#[test]
fn headers_of_24_kb_and_interim_answers_are_nothing() {
    let header = format!("X: {}\r\n", "x".repeat(6_000)).repeat(4);
    for answer in [
        format!("HTTP/1.1 200 OK\r\n{header}\r\n"),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 201 Made\r\n\r\n".into(),
        "HTTP/1.0 299\n\n".into(),
        // Lengths have no meaning here (RFC 9110, 9.3.6).
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
    ] {
        let done = ask(&Scripted::http(answer), &[]).expect_code(0);
        assert_eq!(done.stdout, b"hi", "{}", done.stderr);
    }
}

#[test]
fn bytes_straight_behind_the_head_are_the_targets() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let proxy = Scripted::http("HTTP/1.1 200 OK\r\n\r\nwelcome ");
    let done = ask(&proxy, &["-v", "-o", log.to_str().unwrap()]).expect_code(0);
    assert_eq!(done.stdout, b"welcome hi");
    // In the transcript and the count, too; Ncat forgets them.
    assert!(done.stderr.contains("2 bytes sent, 10 bytes received"), "{}", done.stderr);
    let log = std::fs::read(log).unwrap();
    assert_eq!(log.len(), 12, "{log:?}");
}

#[test]
fn a_head_may_be_cut_anywhere() {
    let answer = b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\nearly ";
    let proxy = Scripted::new(|n, client| {
        client.head();
        client.say_cut(answer, n);
        client.echo();
    });
    for n in 0..answer.len() {
        let done = ask(&proxy, &[]).expect_code(0);
        assert_eq!(done.stdout, b"early hi", "cut at {n}");
    }
}

#[test]
fn a_head_that_ends_anywhere_is_no_answer() {
    let answer = b"HTTP/1.1 200 OK\r\n\r\n";
    let proxy = Scripted::new(|n, client| {
        client.head();
        client.say(&answer[..n]);
    });
    for n in 0..answer.len() {
        let done = ask(&proxy, &[]).expect_code(1);
        assert!(done.stderr.contains("closed the connection"), "cut at {n}: {}", done.stderr);
    }
}

#[test]
fn socks_frames_may_be_cut_anywhere_and_end_nowhere() {
    // Method, password, reply with a name, and an early byte.
    let frames = [&b"\x05\x02"[..], b"\x01\x00", b"\x05\x00\x00\x03\x04host\x00\x50early "];
    let total: usize = frames.iter().map(|frame| frame.len()).sum();
    let asked = [4, 11, 21];
    let play = move |cut: usize, ends: bool, client: &mut crate::scripted::Client| {
        let mut before = 0;
        for (frame, asked) in frames.iter().zip(asked) {
            client.take(asked);
            let at = cut.saturating_sub(before).min(frame.len());
            if ends && at < frame.len() {
                return client.say(&frame[..at]);
            }
            client.say_cut(frame, at);
            before += frame.len();
        }
        client.echo();
    };
    let proxy = Scripted::new(move |n, client| play(n, false, client));
    let options = ["--proxy-type", "socks5", "--proxy-auth", "user:word"];
    for n in 0..total {
        let done = ask(&proxy, &options).expect_code(0);
        assert_eq!(done.stdout, b"early hi", "cut at {n}");
    }
    let proxy = Scripted::new(move |n, client| play(n, true, client));
    for n in 0..total - b"early ".len() {
        let done = ask(&proxy, &options).expect_code(1);
        assert!(done.stderr.contains("closed the connection"), "cut at {n}: {}", done.stderr);
    }
}

#[test]
fn a_407_for_ever_ends() {
    for challenge in [
        "Digest realm=r, nonce=n, qop=auth",
        "Digest realm=r, nonce=n, qop=auth, stale=true",
        "Basic realm=r",
    ] {
        for close in ["", "Connection: close\r\n"] {
            let answer = format!(
                "HTTP/1.1 407 Who\r\n{close}Proxy-Authenticate: {challenge}\r\nContent-Length: 3\r\n\r\nno\n"
            );
            let proxy = Scripted::new(move |_, client| {
                while !client.head().is_empty() {
                    client.say(answer.as_bytes());
                    if answer.contains("close") {
                        return;
                    }
                }
            });
            let done = ask(&proxy, &["--proxy-auth", "user:word"]).expect_code(1);
            assert_eq!(done.first_line(), "Ncat: Proxy returned status code 407.");
            let asked = proxy.heard().len();
            assert!(asked <= 6, "{asked} requests: {challenge} {close}");
        }
    }
}

#[test]
fn a_challenge_that_cannot_be_understood_is_told() {
    for challenge in ["", "Proxy-Authenticate: Digest realm=\"a \"b\" c\", nonce=n\r\n"] {
        let answer = format!("HTTP/1.1 407 Who\r\n{challenge}\r\n");
        let done = ask(&Scripted::http(answer), &["--proxy-auth", "user:word"]).expect_code(1);
        assert!(done.stderr.contains("hint: it does not say how"), "{}", done.stderr);
    }
    let answer = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Negotiate, NTLM\r\n\r\n";
    let done = ask(&Scripted::http(answer), &["--proxy-auth", "user:word"]).expect_code(2);
    assert_eq!(done.first_line(), "Ncat: Unknown authentication type. QUITTING.");
    assert!(done.stderr.contains("it offers Negotiate, NTLM"), "{}", done.stderr);
}

#[test]
fn nonces_are_counted_and_a_stale_one_is_replaced() {
    let proxy = Scripted::new(|_, client| {
        client.head();
        client.say(b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"x\"\r\nProxy-Authenticate: Digest realm=\"a\\\"b\", nonce=\"one\", qop=\"auth\", algorithm=MD5, Digest realm=r, nonce=\"sha\", qop=\"auth-int,auth\", algorithm=SHA-256\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno\n\r\n0\r\n\r\n");
        client.head();
        client.say(b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Digest realm=r, nonce=\"two\", qop=auth, algorithm=SHA-512-256, stale=TRUE\r\nContent-Length: 0\r\n\r\n");
        client.head();
        client.say(b"HTTP/1.1 200 OK\r\n\r\n");
        client.echo();
    });
    let done = ask(&proxy, &["--proxy-auth", "us\"er:word"]).expect_code(0);
    assert_eq!(done.stdout, b"hi");
    let heard = proxy.heard();
    let has = |n: usize, text: &str| assert!(heard[n].contains(text), "{text}: {}", heard[n]);
    assert!(!heard[0].contains("Authorization"), "{}", heard[0]);
    // The stronger of the two, with what needs quoting quoted.
    for text in [
        "algorithm=SHA-256,",
        "nonce=\"sha\"",
        "nc=00000001",
        r#"username="us\"er""#,
        "uri=\"target.example:80\"",
    ] {
        has(1, text);
    }
    has(2, "nonce=\"two\"");
    has(2, "algorithm=SHA-512-256");
}

#[test]
fn resets_and_stalls_have_an_end() {
    let proxy = Scripted::new(|_, client| {
        client.head();
        client.reset();
    });
    let done = ask(&proxy, &[]).expect_code(1);
    assert_eq!(done.first_line(), "Ncat: Proxy connection failed: Connection reset by peer.");

    // One deadline, however slowly the bytes come.
    let proxy = Scripted::new(|_, client| {
        client.head();
        for byte in b"HTTP/1.1 200 OK\r\nX: " {
            client.say(&[*byte]);
            std::thread::sleep(Duration::from_millis(20));
        }
        client.stall();
    });
    for options in [&["--proxy-type", "http"][..], &["--proxy-type", "socks5"]] {
        let begun = Instant::now();
        let place = proxy.addr.to_string();
        let line = ncat(["--proxy", &place, "-w", "700ms"]).args(options).args(["t.example", "80"]);
        let done = line.run().expect_code(1);
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        if options[1] == "http" {
            assert_eq!(done.first_line(), "Ncat: TIMEOUT.", "{}", done.stderr);
            assert!(done.stderr.contains("CONNECT took longer than 0.7 s (-w)"), "{}", done.stderr);
        }
    }
}

#[test]
fn a_probe_goes_through_too() {
    let open = Scripted::http("HTTP/1.1 200 OK\r\n\r\n");
    ask(&open, &["-z"]).expect_code(0);
    let closed = Scripted::http("HTTP/1.1 503 No\r\n\r\n");
    ask(&closed, &["-z"]).expect_code(1);
}
