//! The programs that are shipped.

use std::io::Write;
use std::net::Shutdown;

use super::serve_support::{noise, skip};
use super::{example, rest, served, some};

#[test]
fn hello_world() {
    let (server, mut client) = served(&example("hello.lua"), &[]);
    assert_eq!(rest(&mut client), "Hello, world!\n");
    server.finish().expect_code(0);
}

#[test]
fn echo_gives_back_every_byte_at_once() {
    let (server, mut client) = served(&example("echo.lua"), &[]);
    client.write_all(b"no line").unwrap();
    assert_eq!(some(&mut client, 7), "no line");
    let data = noise(100_000, 3);
    let mut copy = client.try_clone().unwrap();
    let sent = data.clone();
    let sender = std::thread::spawn(move || {
        copy.write_all(&sent).unwrap();
        copy.shutdown(Shutdown::Write).unwrap();
    });
    let mut got = Vec::new();
    std::io::Read::read_to_end(&mut client, &mut got).unwrap();
    sender.join().unwrap();
    testkit::data::assert_same("echo", &got, &data);
    server.finish().expect_code(0);
}

#[test]
fn discard_takes_everything_and_says_nothing() {
    let (server, mut client) = served(&example("discard.lua"), &[]);
    client.write_all(&noise(1 << 20, 4)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), "");
    server.finish().expect_code(0);
}

#[test]
fn date_is_the_systems() {
    // Between one look at the clock and the other, whatever the machine does meanwhile.
    let date = || {
        let out = testkit::process::Program::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).run();
        String::from_utf8(out.stdout).unwrap()
    };
    let before = date();
    let (server, mut client) = served(&example("date.lua"), &[]);
    let told = rest(&mut client);
    assert!(before <= told && told <= date(), "{told}");
    server.finish().expect_code(0);
}

#[test]
fn whatismyip_tells_who_asks() {
    let (server, mut client) = served(&example("whatismyip.lua"), &[]);
    let own = client.local_addr().unwrap();
    assert_eq!(rest(&mut client), format!("{}\t{}\n", own.ip(), own.port()));
    server.finish().expect_code(0);
}

#[test]
fn conditional_is_a_menu() {
    let (server, mut client) = served(&example("conditional.lua"), &[]);
    let menu =
        "1  Tell the time\n2  Add two numbers\n3  Tell where you are\nq  Quit\nYour choice: ";
    assert_eq!(some(&mut client, menu.len()), menu);
    client.write_all(b"2\r\n").unwrap();
    assert_eq!(some(&mut client, 14), "First number: ");
    client.write_all(b"40\r\n").unwrap();
    assert_eq!(some(&mut client, 15), "Second number: ");
    client.write_all(b"2\n").unwrap();
    assert_eq!(some(&mut client, 15), "The sum is 42.\n");
    assert_eq!(some(&mut client, menu.len()), menu);
    client.write_all(b"7\n3\nq\n").unwrap();
    let told = rest(&mut client);
    assert!(told.starts_with("There is no choice \"7\".\n1  "), "{told}");
    assert!(told.contains("You are 127.0.0.1.\n") && told.ends_with("Good bye.\n"), "{told}");
    server.finish().expect_code(0);
}

#[test]
fn every_program_that_is_shipped_has_a_test() {
    let tests = [include_str!("examples.rs"), include_str!("modes.rs"), include_str!("httpd.rs")];
    let mut count = 0;
    for entry in std::fs::read_dir(example("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let used = format!("example(\"{name}\")");
        assert!(tests.iter().any(|text| text.contains(&used)), "{name}");
        count += 1;
    }
    assert!(count >= 9, "{count} programs");
}

#[test]
fn programs_are_those_of_the_installed_lua_too() {
    // What the binding adds must not be what makes them work.
    let lua = testkit::process::Program::new("sh").args(["-c", "command -v lua5.4"]).run();
    if lua.code() != Some(0) {
        skip("lua5.4 is not installed");
        return;
    }
    let ran = testkit::process::Program::new("lua5.4").args([example("hello.lua")]).run();
    assert_eq!(ran.stdout, b"Hello, world!\n");
    let (_server, mut client) = served(&example("hello.lua"), &[]);
    assert_eq!(rest(&mut client).as_bytes(), ran.stdout);
}
