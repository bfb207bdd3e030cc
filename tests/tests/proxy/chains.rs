//! Chains: three kinds in a row, TLS on the way, and how often they are asked.

use testkit::data::{assert_same, bytes};
use testkit::process::{Finished, Program, ncat};

use crate::programs::{self, dante, squid, there_and_back, tinyproxy};
use crate::scripted::{Scripted, echo};

fn line(urls: &[String], options: &[&str]) -> Program {
    let target = echo();
    let line = ncat(options).args(urls.iter().flat_map(|url| ["--proxy", url]));
    line.args(["127.0.0.1", &target.port().to_string()])
}

fn chain(urls: &[String], options: &[&str], sent: &[u8]) -> Finished {
    line(urls, options).bytes(sent).run()
}

#[test]
fn a_chain_of_three_kinds_carries_every_byte() {
    let http = programs::ours("http", Some("user:p@ss"));
    let five = programs::ours("socks5", Some("me:too"));
    let four = programs::ours("socks4", None);
    let sent = bytes(3, 64 << 20);
    let hops = [
        format!("http://user:p%40ss@{}", http.place()),
        format!("socks5h://me:too@{}", five.place()),
        four.url("socks4a"),
    ];
    for order in [[0, 1, 2], [1, 2, 0], [2, 0, 1]] {
        let urls = order.map(|n| hops[n].clone());
        let done = chain(&urls, &["-v", "--json-fd", "2"], &sent).expect_code(0);
        assert_same("three proxies", &done.stdout, &sent);
        // Each hop, where it is, and its time.
        for n in 1..=3 {
            let told = format!("({n} of 3)");
            let mut lines = done.stderr.lines().filter(|line| line.contains("opened the way"));
            let line = lines.find(|line| line.contains(&told)).unwrap();
            assert!(line.ends_with(" ms."), "{line}");
            assert!(done.stderr.contains(&format!("\"hop\":{n},")), "{}", done.stderr);
        }
        assert!(
            !done.stderr.contains("p@ss") && !done.stderr.contains("p%40ss"),
            "{}",
            done.stderr
        );
    }
}

#[test]
fn other_peoples_proxies_in_a_row() {
    let (Some(squid), Some(dante), Some(tiny)) = (squid(&["digest"]), dante(), tinyproxy(None))
    else {
        return;
    };
    let sent = bytes(4, 8 << 20);
    let known = format!("http://user:word@{}", squid.place());
    for urls in [
        [known.clone(), dante.url("socks5"), tiny.url("http")],
        [dante.url("socks4"), known.clone(), tiny.url("http")],
        [tiny.url("http"), dante.url("socks5h"), known.clone()],
    ] {
        let done = there_and_back(line(&urls, &["-v"]), &sent).expect_code(0);
        assert_same("three proxies", &done.stdout, &sent);
    }
}

#[test]
fn a_failure_names_the_hop() {
    let first = programs::ours("socks5", None);
    let second = Scripted::http("HTTP/1.1 503 Later\r\n\r\n");
    let urls = [first.url("socks5"), format!("http://{}", second.addr)];
    let done = chain(&urls, &[], b"").expect_code(1);
    let named = format!("through http proxy {} (2 of 2), asked for 127.0.0.1:", second.addr);
    assert!(done.stderr.contains(&named), "{}", done.stderr);
    let urls = [first.url("socks5"), "http://127.0.0.1:1".into(), first.url("socks5")];
    let done = chain(&urls, &[], b"").expect_code(1);
    let named = "(1 of 3), asked for 127.0.0.1:1";
    assert!(done.stderr.contains(named), "{}", done.stderr);
}

/// Every hop asks once for what its protocol needs, and nothing is asked twice.
#[test]
fn a_chain_costs_its_protocols_round_trips() {
    let first = Scripted::new(|_, client| {
        // SOCKS 5 without authentication: greeting and request.
        client.some();
        client.say(b"\x05\x00");
        client.some();
        client.say(b"\x05\x00\x00\x01\0\0\0\0\0\0");
        // HTTP in it, and SOCKS 4 in that: one each.
        client.some();
        client.say(b"HTTP/1.1 200 OK\r\n\r\n");
        client.some();
        client.say(b"\x00\x5a\0\0\0\0\0\0");
        client.echo();
    });
    let urls = [
        format!("socks5://{}", first.addr),
        "http://127.0.0.1:3128".into(),
        "socks4://127.0.0.1:1080".into(),
    ];
    let done = chain(&urls, &["-w", "10s"], b"through").expect_code(0);
    assert_eq!(done.stdout, b"through");
}

#[test]
fn a_password_is_for_one_proxy() {
    let first = Scripted::new(|_, client| {
        client.head();
        client.say(b"HTTP/1.1 200 OK\r\n\r\n");
        client.head();
        client.say(
            b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n",
        );
        client.head();
    });
    let urls = [
        format!("http://a:b@{}", first.addr),
        "http://127.0.0.1:9".into(),
        "http://127.0.0.1:8".into(),
    ];
    chain(&urls, &["--proxy-auth", "c:d"], b"").expect_code(1);
    let heard = first.heard();
    // "c:d" goes to the second, in whose place the script answers, and to nobody else.
    assert!(heard[2].contains("Proxy-Authorization: Basic Yzpk\r\n"), "{heard:?}");
    assert!(!heard.concat().contains("YTpi"), "{heard:?}");
}

#[cfg(feature = "tls")]
pub(crate) mod tls {
    use super::*;

    /// A certificate for 127.0.0.1 and its key, in files.
    pub(crate) fn identity(dir: &tempfile::TempDir) -> (String, String) {
        let path = |name: &str| dir.path().join(name).display().to_string();
        let (certificate, key) = (path("cert"), path("key"));
        let openssl = testkit::process::Program::new("openssl");
        openssl
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ])
            .args([
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ])
            .args(["-keyout", &key, "-out", &certificate])
            .run()
            .expect_code(0);
        (certificate, key)
    }

    #[test]
    fn an_https_proxy_is_verified() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = identity(&dir);
        let line =
            ["-v", "-l", "--proxy-type", "http", "--ssl-cert", &certificate, "--ssl-key", &key];
        let proxy = ncat(line).args(["127.0.0.1", "0"]).start();
        let urls = [format!("https://{}", proxy.listening())];
        let sent = bytes(5, 4 << 20);
        let done = chain(&urls, &["--proxy-trustfile", &certificate], &sent).expect_code(0);
        assert_same("an https proxy", &done.stdout, &sent);
        let done = chain(&urls, &[], b"").expect_code(1);
        assert!(done.stderr.contains("through https proxy"), "{}", done.stderr);
        assert!(done.stderr.contains("ertificate"), "{}", done.stderr);
    }

    #[test]
    fn tls_to_the_target_runs_inside() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = identity(&dir);
        let line = ["-v", "-l", "-k", "--ssl-cert", &certificate, "--ssl-key", &key, "-c", "cat"];
        let target = ncat(line).args(["127.0.0.1", "0"]).start();
        let target = target.listening().port().to_string();
        for kind in ["http", "socks5"] {
            let proxy = programs::ours(kind, None);
            let line = ncat(["-v", "--ssl-trustfile", &certificate, "--proxy", &proxy.url(kind)]);
            let done = line.args(["127.0.0.1", &target]).bytes("secret").run().expect_code(0);
            assert_eq!(done.stdout, b"secret");
            let told = format!("SSL connection to 127.0.0.1:{target}");
            assert!(done.stderr.contains(&told), "{}", done.stderr);
        }
    }
}
