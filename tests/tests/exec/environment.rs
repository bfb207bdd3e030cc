//! What a command inherits, and what it does not.

use std::io::Write;
use std::net::Shutdown;

use super::serve_support::{Peer, Watch, ncat, peer};
use super::{connect, rest, served};

/// What a command is told; not what these tests are.
const SHOW: &str = "env | grep ^NCAT_ | grep -v -e ^NCAT_BI -e ^NCAT_REQUIRE_ | sort";

#[test]
fn the_environment_tells_who_is_who() {
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "-c", SHOW]).start();
    let port = server.port();
    let mut client = connect(port);
    let from = client.local_addr().unwrap().port();
    let wanted = format!(
        "NCAT_LOCAL_ADDR=127.0.0.1\nNCAT_LOCAL_PORT={port}\nNCAT_PROTO=TCP\n\
         NCAT_REMOTE_ADDR=127.0.0.1\nNCAT_REMOTE_PORT={from}\n"
    );
    assert_eq!(rest(&mut client), wanted);
    server.finish().expect_code(0);
}

#[test]
fn the_environment_is_ncats() {
    // Kept open, because Debian's ends the command with the client's input.
    let Some(reference) = peer(Peer::Ncat, ["-v", "-l", "127.0.0.1", "0", "-c", SHOW]) else {
        return;
    };
    let ours = ncat(["-v", "-l", "127.0.0.1", "0", "-c", SHOW]).start();
    let reference = reference.start();
    let [ours, theirs] = [ours, reference].map(|server| {
        let port = testkit::peer::listening_port(&server);
        let mut client = connect(port);
        let from = client.local_addr().unwrap().port();
        let text = rest(&mut client);
        text.replace(&port.to_string(), "PORT").replace(&from.to_string(), "FROM")
    });
    assert_eq!(ours, theirs);
}

#[test]
fn ipv6_addresses_have_no_brackets() {
    let server = ncat(["-v", "-l", "::1", "0", "-c", SHOW]).start();
    let port = server.port();
    let mut client = std::net::TcpStream::connect(("::1", port)).unwrap();
    let text = rest(&mut client);
    assert!(text.contains("NCAT_LOCAL_ADDR=::1\n"), "{text}");
    assert!(text.contains("NCAT_REMOTE_ADDR=::1\n"), "{text}");
}

#[test]
fn the_target_is_told_as_it_was_typed() {
    let server = ncat(["-v", "-l", "127.0.0.1", "0"]).start();
    let port = server.port().to_string();
    ncat(["localhost", &port, "-c", SHOW]).run().expect_code(0);
    let text = String::from_utf8(server.finish().stdout).unwrap();
    assert!(
        text.contains(&format!("NCAT_TARGET_ADDR=localhost\nNCAT_TARGET_PORT={port}\n")),
        "{text}"
    );
    assert!(
        text.contains(&format!("NCAT_REMOTE_ADDR=127.0.0.1\nNCAT_REMOTE_PORT={port}\n")),
        "{text}"
    );
}

#[test]
fn row_24_passwords_and_descriptors_stay_with_us() {
    let script = "env | grep -c NCAT_PROXY_AUTH; env | grep OTHER; ls -l /proc/self/fd | grep -c ' -> '; \
                  readlink /proc/self/fd/3";
    let line = format!(
        "exec 5</dev/null 6>/dev/null; exec \"$NCAT\" -v -l 127.0.0.1 0 -o /dev/null -c \"{script}\""
    );
    let server = testkit::process::shell(&line)
        .env("NCAT_PROXY_AUTH", "me:secret")
        .env("NCAT_REMOTE_PORT", "1")
        .env("OTHER", "kept")
        .start();
    let mut client = connect(server.port());
    // The fourth is the directory that ls reads.
    assert_eq!(rest(&mut client), "0\nOTHER=kept\n4\n");
}

#[test]
fn signals_are_as_the_command_expects() {
    // SIGPIPE has its default, what was ignored stays ignored, nothing is blocked.
    let line = "trap '' USR2; exec \"$NCAT\" -v -l 127.0.0.1 0 -e '/bin/cat /proc/self/status'";
    let server = testkit::process::shell(line).start();
    let text = rest(&mut connect(server.port()));
    let set = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    assert_eq!(set("SigBlk:"), 0, "{text}");
    assert_eq!(set("SigCgt:"), 0, "{text}");
    let (sigpipe, sigusr2) = (1 << 12, 1 << 11);
    assert_eq!(set("SigIgn:") & (sigpipe | sigusr2), sigusr2, "{text}");
    // And so a writer whose reader has gone ends.
    let (server, mut client) = served(&["-c", "yes | head -n 1"]);
    assert_eq!(rest(&mut client), "y\n");
    server.finish().expect_code(0);
}

#[test]
fn statuses_are_known_though_our_starter_ignored_them() {
    let line = "trap '' CHLD; exec \"$NCAT\" -v -l 127.0.0.1 0 --exec-exit -c 'exit 3'";
    let server = testkit::process::shell(line).start();
    assert_eq!(rest(&mut connect(server.port())), "");
    server.finish().expect_code(3);
}

#[test]
fn the_limit_on_descriptors_is_the_one_we_found() {
    let line = "ulimit -Sn 256; exec \"$NCAT\" -v -lk -m 500 127.0.0.1 0 -c 'ulimit -Sn'";
    let server = testkit::process::shell(line).start();
    assert_eq!(rest(&mut connect(server.port())), "256\n");
    server.stop().expect_code(143);
}

#[test]
fn errors_of_the_command_are_ours_to_show() {
    let (server, mut client) = served(&["-c", "echo out; echo err >&2"]);
    client.shutdown(Shutdown::Write).unwrap();
    client.flush().unwrap();
    assert_eq!(rest(&mut client), "out\n");
    assert!(server.finish().expect_code(0).stderr.contains("err\n"));
}

#[test]
fn a_closed_standard_error_is_null_to_the_command() {
    let line = "exec \"$NCAT\" -l -U \"$SOCKET\" -c 'readlink /proc/self/fd/2' 2>&-";
    let dir = super::serve_support::scratch();
    let path = dir.path().join("s");
    let _server = testkit::process::shell(line).env("SOCKET", &path).start();
    let mut client =
        super::eventually("the socket", || std::os::unix::net::UnixStream::connect(&path).ok());
    let mut text = String::new();
    std::io::Read::read_to_string(&mut client, &mut text).unwrap();
    assert_eq!(text, "/dev/null\n");
}
