//! Who looks names up, and which proxy is taken.

use testkit::process::{Finished, ncat};

use crate::programs;
use crate::scripted::{Scripted, echo};

fn connect_line(options: &[&str], host: &str) -> (Finished, Option<String>) {
    let proxy = Scripted::http("HTTP/1.1 200 OK\r\n\r\n");
    let place = proxy.addr.to_string();
    let done = ncat(["--proxy", &place]).args(options).args([host, "80"]).run();
    let heard = proxy.heard().first().and_then(|head| head.lines().next().map(str::to_owned));
    (done, heard)
}

#[test]
fn who_looks_the_name_up() {
    let asked = |options: &[&str], host: &str| connect_line(options, host).1.unwrap_or_default();
    assert_eq!(asked(&[], "localhost"), "CONNECT localhost:80 HTTP/1.0");
    assert_eq!(
        asked(&["-4", "--proxy-dns", "local"], "localhost"),
        "CONNECT 127.0.0.1:80 HTTP/1.0"
    );
    assert_eq!(asked(&["--proxy-dns", "both"], "no.invalid"), "CONNECT no.invalid:80 HTTP/1.0");
    assert_eq!(asked(&["--proxy-dns", "none"], "127.0.0.1"), "CONNECT 127.0.0.1:80 HTTP/1.0");
    assert_eq!(asked(&[], "0::1"), "CONNECT [::1]:80 HTTP/1.0");
    for (dns, host) in [("none", "localhost"), ("local", "no.invalid")] {
        let (done, heard) = connect_line(&["--proxy-dns", dns], host);
        let done = done.expect_code(1);
        let first = format!("Ncat: Error: Failed to resolve host {host} locally.");
        assert_eq!((done.first_line(), heard), (&first[..], None), "{}", done.stderr);
    }
}

#[test]
fn what_socks_4_cannot_carry_is_not_sent() {
    let proxy = Scripted::new(|_, client| client.stall());
    let place = proxy.addr.to_string();
    let done =
        ncat(["--proxy", &place, "--proxy-type", "socks4", "::1", "80"]).run().expect_code(1);
    assert_eq!(done.first_line(), "Ncat: Error: IPv6 addresses are not supported with Socks4.");
}

#[test]
fn the_environment_counts_only_when_asked() {
    let target = echo();
    let proxy = programs::ours("socks5", None);
    let port = target.port().to_string();
    let run = |options: &[&str], no_proxy: &str| {
        let line = ncat(options).args(["-v", "127.0.0.1", &port]).bytes("x");
        let done = line.env("ALL_PROXY", proxy.url("socks5h")).env("NO_PROXY", no_proxy).run();
        let done = done.expect_code(0);
        assert_eq!(done.stdout, b"x");
        done.stderr.contains("opened the way")
    };
    assert!(!run(&[], ""));
    assert!(run(&["--proxy-env"], "example.org,10.0.0.0/8"));
    assert!(!run(&["--proxy-env"], "127.0.0.0/8"));
}

#[test]
fn the_source_is_for_the_first_proxy() {
    let proxy = Scripted::http("HTTP/1.1 200 OK\r\n\r\n");
    let place = proxy.addr.to_string();
    let line = ncat(["--json-fd", "2", "-s", "127.0.0.9", "--proxy", &place, "t.example", "80"]);
    let done = line.bytes("x").run().expect_code(0);
    assert!(done.stderr.contains("\"local\":\"127.0.0.9:"), "{}", done.stderr);
}

#[test]
fn the_source_port_is_for_the_first_proxy() {
    let target = echo();
    let proxies = [programs::ours("socks5", None), programs::ours("http", None)];
    let urls = [proxies[0].url("socks5"), proxies[1].url("http")];
    for urls in [&urls[..1], &urls] {
        // Free a moment ago; somebody may take it meanwhile.
        let done = (0..3).find_map(|_| {
            let port = programs::free_port().to_string();
            let line = ncat(["--json-fd", "2", "-p", &port, "-s", "127.0.0.9"]);
            let line = line.args(urls.iter().flat_map(|url| ["--proxy", url]));
            let done = line.args(["127.0.0.1", &target.port().to_string()]).bytes("x").run();
            let local = format!("\"local\":\"127.0.0.9:{port}\"");
            let is_taken = done.stderr.contains("in use");
            assert!(is_taken || done.stderr.contains(&local), "{}", done.stderr);
            (!is_taken).then_some(done)
        });
        assert_eq!(done.unwrap().expect_code(0).stdout, b"x");
    }
}

#[test]
fn commands_are_told_the_target_and_not_the_password() {
    let target = echo();
    let proxy = programs::ours("http", Some("user:hunter2"));
    let line = ncat(["-c", "env | grep ^NCAT_ | sort >&2; echo from the command"]);
    let line = line.args(["--proxy", &proxy.place(), "127.0.0.1", &target.port().to_string()]);
    let done = line.env("NCAT_PROXY_AUTH", "user:hunter2").run().expect_code(0);
    assert!(done.stderr.contains("NCAT_TARGET_ADDR=127.0.0.1\n"), "{}", done.stderr);
    let port = format!("NCAT_TARGET_PORT={}\n", target.port());
    assert!(done.stderr.contains(&port), "{}", done.stderr);
    assert!(done.stderr.contains(&format!("NCAT_REMOTE_PORT={}\n", proxy.port)), "{}", done.stderr);
    assert!(
        !done.stderr.contains("hunter2") && !done.stderr.contains("PROXY_AUTH"),
        "{}",
        done.stderr
    );
}
