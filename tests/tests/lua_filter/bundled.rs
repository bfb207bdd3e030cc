//! The filters that are part of the program, between two of them and against other programs.

use std::io::Write;

use testkit::process::Program;

use super::serve_support::{Watch, ncat, noise, scratch};
use super::{delivered, filters, on_wire};

#[test]
fn codecs_are_what_the_standard_programs_make_of_it() {
    let data = noise(50_000, 9);
    let (wire, _) = on_wire(&["base64"], &data);
    let decoded = Program::new("base64").args(["-d", "-i"]).bytes(wire).run().expect_code(0).stdout;
    // Units are padded where a read ended, which base64(1) does not go over.
    assert!(data.starts_with(&decoded[..decoded.len().min(1000)]));
    let small = Program::new("base64").bytes(&data[..3000]).run().expect_code(0).stdout;
    testkit::data::assert_same("base64", &delivered(&["base64"], &[&small]).0, &data[..3000]);
    let (wire, _) = on_wire(&["hex"], &data);
    let wanted: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    testkit::data::assert_same("hex", &wire, wanted.as_bytes());
}

#[test]
fn two_stacks_back_to_back_change_nothing() {
    let data = noise(200_000, 10);
    for specs in [
        &["base64"][..],
        &["hex"],
        &["rot13"],
        &["xor:key=secret"],
        &["netstring"],
        &["null"],
        &["crlf", "base64"],
        &["hex", "xor:hexkey=00ff17", "netstring", "rot13"],
    ] {
        let is_text = specs.contains(&"crlf");
        let data = if is_text { b"a\nb\n\nc".repeat(5000) } else { data.clone() };
        let server = ncat(["-v", "-l", "127.0.0.1", "0"]).args(filters(specs)).held().start();
        let port = server.port().to_string();
        let client = ncat(["127.0.0.1", &port]).args(filters(specs)).bytes(data.clone()).run();
        client.expect_code(0);
        let got = server.finish().expect_code(0).stdout;
        testkit::data::assert_same(&format!("{specs:?}"), &got, &data);
    }
}

#[test]
fn what_is_cut_short_is_told() {
    for (spec, wire, user, said) in [
        ("base64", &b"SEVMTE8"[..], &b"HEL"[..], "truncated base64 input"),
        ("hex", b"484", b"H", "truncated hexadecimal input"),
        ("netstring", b"2:hi,5:h", b"hi", "truncated netstring"),
        ("netstring", b"x", b"", "this is no netstring"),
        ("base64", b"SE*V", b"", "a byte that is no letter of base64"),
    ] {
        let (got, ended) = delivered(&[spec], &[wire]);
        assert_eq!(got, user, "{spec}");
        let ended = ended.expect_code(1);
        assert!(ended.stderr.contains(&format!("Ncat: {said}.\n")), "{}", ended.stderr);
    }
}

#[test]
fn filters_work_around_commands_and_datagrams() {
    let server =
        ncat(["-v", "-l", "127.0.0.1", "0", "-L", "rot13", "-c", "tr a-z A-Z"]).held().start();
    let mut client = super::connect(server.port());
    client.write_all(b"uryyb").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut client, &mut text).unwrap();
    assert_eq!(text, "URYYB");
    server.finish().expect_code(0);

    let server = ncat(["-v", "-lu", "127.0.0.1", "0", "-L", "base64"]).held().start();
    let port = super::serve_support::udp_port(&server);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    socket.send(b"SEVMTE8=").unwrap();
    server.printed("HELLO");
    socket.send(b"SEk=").unwrap();
    server.printed("HELLOHI");
    server.stop();

    let dir = scratch();
    let path = dir.path().join("s");
    let server = ncat(["-v", "-lU"]).args([&path]).args(["-L", "hex"]).held().start();
    server.said("Listening on");
    let client = ncat(["-U"]).args([&path]).args(["-L", "hex"]).bytes("unix").run();
    client.expect_code(0);
    assert_eq!(server.finish().stdout, b"unix");

    for spec in ["line", "crlf", "replace:find=x"] {
        let ran = ncat(["-u", "127.0.0.1", "1", "-L", spec]).run().expect_code(2);
        assert!(ran.first_line().contains("works on streams only and cannot be used with --udp"));
    }
}

#[test]
fn transcripts_show_the_users_side() {
    let dir = scratch();
    let log = dir.path().join("log");
    let server = ncat(["-v", "-l", "127.0.0.1", "0", "-L", "rot13", "-o"]).args([&log]).held();
    let server = server.start();
    let mut client = super::connect(server.port());
    client.write_all(b"URYYB").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(server.finish().expect_code(0).stdout, b"HELLO");
    assert_eq!(std::fs::read(&log).unwrap(), b"HELLO");
}
