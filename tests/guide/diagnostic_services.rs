//! Section "Emulating Diagnostic Services".

use crate::world::{World, has};

/// The answer to `typed` of a service at host1, asked from host2.
fn answer(world: &World, options: &str, port: u16, typed: &str) -> Vec<u8> {
    let line = format!("ncat {options} host1 {port}");
    world.at("host2", &line).bytes(typed).run().expect_code(0).stdout
}

#[test]
fn tcp_discard_server() {
    let Some(world) = World::new() else { return };
    let _server = world.at("host1", "ncat -l --keep-open 9 --recv-only > /dev/null").start();
    world.listens("host1", 9);
    for _ in 0..2 {
        assert_eq!(answer(&world, "", 9, &"x".repeat(1_000_000)), b"");
    }
}

#[test]
fn udp_discard_server() {
    let Some(world) = World::new() else { return };
    let line = "ncat --udp -l --keep-open 9 --recv-only > /dev/null";
    let mut server = world.at("host1", line).start();
    world.binds("host1", 9);
    for _ in 0..2 {
        assert_eq!(answer(&world, "-u", 9, "x"), b"");
    }
    assert!(server.is_running());
}

#[test]
fn tcp_echo_server() {
    let Some(world) = World::new() else { return };
    let _server = world.at("host1", r#"ncat -l 7 --keep-open --exec "/bin/cat""#).start();
    world.listens("host1", 7);
    let text = "echo\n".repeat(200_000);
    for _ in 0..2 {
        assert!(answer(&world, "", 7, &text) == text.as_bytes());
    }
}

#[test]
fn udp_echo_server() {
    let Some(world) = World::new() else { return };
    let _server = world.at("host1", r#"ncat -l 7 --keep-open --udp --exec "/bin/cat""#).start();
    world.binds("host1", 7);
    for text in ["one", "two"] {
        assert_eq!(answer(&world, "-u", 7, text), text.as_bytes());
    }
}

#[test]
fn tcp_and_udp_daytime_server() {
    let Some(world) = World::new() else { return };
    let tcp = r#"ncat -l 13 --keep-open --send-only --exec "/bin/date""#;
    let udp = r#"ncat -l 13 --keep-open --udp --send-only --exec "/bin/date""#;
    let _servers = [world.at("host1", tcp).start(), world.at("host1", udp).start()];
    world.listens("host1", 13);
    world.binds("host1", 13);
    let year = world.at("host1", "date +%Y").run().stdout;
    let year = String::from_utf8(year).unwrap();
    for options in ["", "-u"] {
        let told = String::from_utf8(answer(&world, options, 13, "\n")).unwrap();
        assert!(told.contains(year.trim()) && told.ends_with('\n'), "{options}: {told:?}");
    }
    if !has("nmap") {
        return;
    }
    let scan = world.at("host1", "nmap -sSU -p 13 --script=daytime localhost").run().expect_code(0);
    let report = String::from_utf8(scan.stdout).unwrap();
    assert!(report.contains("13/tcp open"), "{report}");
    assert!(report.contains("13/udp open"), "{report}");
    assert_eq!(report.matches("|_daytime: ").count(), 2, "{report}");
}

#[test]
fn tcp_and_udp_qotd_server() {
    let Some(world) = World::new() else { return };
    if !has("/usr/games/fortune") {
        return;
    }
    let tcp = r#"ncat -l 17 --keep-open --send-only --exec "/usr/games/fortune""#;
    let udp = r#"ncat -l 17 --keep-open --udp --send-only --exec "/usr/games/fortune""#;
    let _servers = [world.at("host1", tcp).start(), world.at("host1", udp).start()];
    world.listens("host1", 17);
    world.binds("host1", 17);
    for options in ["", "-u"] {
        for _ in 0..2 {
            assert!(answer(&world, options, 17, "\n").ends_with(b"\n"), "{options}");
        }
    }
}

/// "Think about why the second command stops working after the first connection."
#[test]
fn a_pipe_is_not_a_service() {
    let Some(world) = World::new() else { return };
    let server = world.at("host1", "echo wisdom | ncat -l 17").start();
    world.listens("host1", 17);
    assert_eq!(answer(&world, "", 17, ""), b"wisdom\n");
    server.finish().expect_code(0);
    world.at("host2", "ncat host1 17").run().expect_code(1);
}

#[test]
fn tcp_chargen_server() {
    let Some(world) = World::new() else { return };
    let line = r#"yes "chargenchargenchargen" | ncat -l --keep-open 19 --send-only"#;
    let _server = world.at("host1", line).start();
    world.listens("host1", 19);
    for _ in 0..2 {
        // Never-ending, until the user has had enough.
        let enough = world.at("host2", "ncat host1 19 | head -c 1000000 | tail -c 66").run();
        let text = String::from_utf8(enough.stdout).unwrap();
        assert!(text.contains("\nchargenchargenchargen\n"), "{text}");
    }
}

#[test]
fn udp_chargen_server() {
    let Some(world) = World::new() else { return };
    let line = r#"ncat -l 19 --keep-open --udp --send-only --sh-exec \
  "yes chargenchargenchargen | dd count=1 bs=$(($RANDOM % 511 + 1)) 2> /dev/null""#;
    let _server = world.at("host1", line).start();
    world.binds("host1", 19);
    for _ in 0..2 {
        let told = answer(&world, "-u", 19, "\n");
        let wanted = "chargenchargenchargen\n".repeat(30);
        assert!(!told.is_empty() && wanted.as_bytes().starts_with(&told), "{told:?}");
    }
}
