//! Every bundled filter in a real session, between two of us and with other programs.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};

use testkit::process::Program;

use super::serve_support::{Watch, ncat, noise, scratch};
use super::{connect, delivered, filters, named, on_wire, patient};

/// Sends `data` through `specs` on both sides; what arrives.
fn back_to_back(specs: &[&str], data: &[u8]) -> Vec<u8> {
    let server = ncat(["-v", "-l", "127.0.0.1", "0"]).args(filters(specs)).held().start();
    let port = server.port().to_string();
    ncat(["127.0.0.1", &port]).args(filters(specs)).bytes(data).run().expect_code(0);
    server.finish().expect_code(0).stdout
}

#[test]
fn stacks_back_to_back_are_the_identity_on_any_data() {
    let data = noise(8 << 20, 21);
    for specs in [
        &["gzip"][..],
        &["zstd"],
        &["gzip:level=1", "zstd:level=1"],
        &["hexdump:file=/dev/null", "jsonlog:file=/dev/null,data=none", "gzip"],
        &["throttle:rate=1G,burst=1M"],
        &["base64", "zstd", "xor:key=k"],
    ] {
        for len in [0, 1, 2, 3, 1000, 65_537, 8 << 20] {
            let got = back_to_back(specs, &data[..len]);
            testkit::data::assert_same(&format!("{specs:?} {len}"), &got, &data[..len]);
        }
    }
    let text = b"a line of text, and more of it\n".repeat(2000);
    for specs in
        [&["line"][..], &["lineedit"], &["crlf"], &["telnet"], &["replace:find=\u{1},with=x"]]
    {
        testkit::data::assert_same(&format!("{specs:?}"), &back_to_back(specs, &text), &text);
    }
    // A byte of 255 is doubled on its way out and halved on its way in.
    testkit::data::assert_same(
        "telnet",
        &back_to_back(&["telnet"], &data[..300_000]),
        &data[..300_000],
    );
}

#[test]
fn compressed_streams_are_those_of_the_standard_programs() {
    let data = b"text that can be made smaller, and is\n".repeat(5000);
    for (name, program) in [("gzip", "gzip"), ("zstd", "zstd")] {
        let Some(_) = testkit::peer::find(program, program) else { continue };
        let (wire, ended) = on_wire(&[name], &data);
        ended.expect_code(0);
        assert!(wire.len() < data.len() / 4, "{}", wire.len());
        let plain =
            Program::new(program).args(["-d", "-c"]).bytes(wire).run().expect_code(0).stdout;
        testkit::data::assert_same(name, &plain, &data);
        let coded =
            Program::new(program).args(["-c"]).bytes(data.clone()).run().expect_code(0).stdout;
        let (got, ended) = delivered(&[name], &[&coded]);
        ended.expect_code(0);
        testkit::data::assert_same(name, &got, &data);
        // Cut short it is told, and what was whole arrives.
        let (_, ended) = delivered(&[name], &[&coded[..coded.len() - 5]]);
        assert!(ended.expect_code(1).stderr.contains("truncated or damaged compressed input"));
    }
}

#[test]
fn what_is_typed_is_understood_at_once_through_compression() {
    for name in ["gzip", "zstd"] {
        let server = ncat(["-v", "-l", "127.0.0.1", "0", "-L", name, "-c", "cat"]).held().start();
        let port = server.port().to_string();
        let mut client = ncat(["127.0.0.1", &port, "-L", name]).held().start();
        for word in ["one\n", "two\n"] {
            client.send(word.as_bytes());
            client.printed(word);
        }
        client.wait().expect_code(0);
        server.finish().expect_code(0);
    }
}

#[test]
fn bombs_end_their_connection_only() {
    let Some(gzip) = testkit::peer::find("gzip", "gzip") else { return };
    let zeros = vec![0; 64 << 20];
    let bomb = gzip.args(["-9", "-c"]).bytes(zeros).run().expect_code(0).stdout;
    let server = ncat(["-v", "-lk", "127.0.0.1", "0", "-L", "gzip:max=1M"]).held().start();
    let mut victim = connect(server.port());
    victim.write_all(&bomb).ok();
    server.said("what comes expands to more than is allowed");
    let port = server.port().to_string();
    ncat(["127.0.0.1", &port, "-L", "gzip"]).bytes("after").run().expect_code(0);
    server.printed("after");
    server.stop().expect_code(143);
}

#[test]
fn taps_write_what_passes() {
    let dir = scratch();
    let hex = dir.path().join("wire.hex");
    let spec = format!("hexdump:file={}", hex.display());
    assert_eq!(on_wire(&[&spec], b"HELLO\n").0, b"HELLO\n");
    let line = format!("0000   48 45 4c 4c 4f 0a{:33}HELLO.{:10}\n", "", "");
    assert_eq!(std::fs::read_to_string(&hex).unwrap(), line);
    let (_, ended) = on_wire(&["hexdump"], b"HELLO\n");
    assert_eq!(ended.expect_code(0).stderr, line);
    let (_, ended) = on_wire(&["jsonlog:time=off"], b"HELLO\n");
    let said = "{\"id\":1,\"dir\":\"send\",\"len\":6,\"text\":\"HELLO\\n\"}\n";
    assert_eq!(ended.expect_code(0).stderr, said);
    // What cannot be written is no reason to pass data unseen.
    let ran = ncat(["127.0.0.1", "1", "-L", "hexdump:file=/nonexistent/x"]).held().run();
    let said = "Ncat: /nonexistent/x: No such file or directory.";
    assert_eq!(ran.expect_code(1).first_line(), said);
}

#[test]
fn a_rate_is_held() {
    let begun = std::time::Instant::now();
    let data = noise(30_000, 4);
    let (wire, ended) = on_wire(&["throttle:rate=40k,burst=8k"], &data);
    ended.expect_code(0);
    testkit::data::assert_same("throttle", &wire, &data);
    let seconds = begun.elapsed().as_secs_f64();
    assert!(seconds > (30_000.0 - 8192.0) / 40_960.0, "{seconds}");
}

#[test]
fn telnet_servers_are_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut client = ncat(["127.0.0.1", &port, "-L", "telnet"]).held().start();
    client.send(b"\xff");
    let mut server = patient(listener.accept().unwrap().0);
    server.write_all(b"\xff\xfb\x01hello\xff\xfd\x18\xff\xff").unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    let mut answers = Vec::new();
    server.read_to_end(&mut answers).unwrap();
    drop(server);
    assert_eq!(client.finish().expect_code(0).stdout, b"hello\xff");
    answers.sort_unstable();
    let mut wanted = b"\xff\xff\xff\xfe\x01\xff\xfc\x18".to_vec();
    wanted.sort_unstable();
    assert_eq!(answers, wanted);
}

#[test]
fn every_filter_that_can_be_found_is_listed() {
    let dir = scratch();
    named(dir.path(), "mine.lua", "return {about = 'of my own'}");
    named(dir.path(), "broken.lua", "return = 5");
    named(dir.path(), "rot13.lua", "return {about = 'hides the other'}");
    let path = dir.path().to_str().unwrap();
    let ran =
        ncat(["--lua-list", "--lua-path", path]).env("HOME", "/nonexistent").run().expect_code(0);
    let text = String::from_utf8(ran.stdout).unwrap();
    let line = |name: &str| text.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
    assert!(line("mine").ends_with(&format!("of my own  ({path})")), "{text}");
    assert!(line("broken").contains("cannot be used: "), "{text}");
    assert!(line("rot13").contains("hides the other"), "{text}");
    assert!(line("base64").ends_with("Base64 on the wire  (bundled)"), "{text}");
    for name in ["gzip", "zstd", "telnet", "socks5", "httpproxy", "jsonlog"] {
        assert!(line(name).ends_with("(bundled)"), "{text}");
    }
}

#[test]
fn filters_bring_tests_along() {
    let all = ["base64", "line", "jsonlog", "chat"];
    let ran = ncat(["--lua-check"]).args(filters(&all)).run().expect_code(0);
    let text = String::from_utf8(ran.stdout).unwrap();
    for name in all {
        assert!(text.contains(&format!("{name}: ")) && text.contains(" tests passed ("), "{text}");
    }
    let dir = scratch();
    let path = named(dir.path(), "x.lua", "return {tests = {{send = 'a', wire = 'b'}}}");
    let ran = ncat(["--lua-check", "-L"]).args([&path]).run().expect_code(2);
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(
        text.contains("1 of 1 tests FAILED") && text.contains("wire is \"a\", expected \"b\""),
        "{text}"
    );
    let path = named(dir.path(), "y.lua", "return 5");
    let ran = ncat(["--lua-check", "-L"]).args([&path]).run().expect_code(2);
    let line = "Ncat: Lua filter \"y.lua\" did not return a table (got number). QUITTING.";
    assert_eq!(ran.first_line(), line);
    ncat(["--lua-check"]).run().expect_code(2);
}
