//! Section "Neat Tricks".

use std::fs;

use testkit::process::Process;

use crate::world::{World, has, noise};

pub(crate) const SMTP_TYPED: &str = "\
HELO client.example.com
MAIL FROM:<a@example.com>
RCPT TO:<b@example.com>
DATA
From: a@example.com
To: b@example.com
Subject: Greetings from Ncat

Hello. This short message is being sent by Ncat.
.
QUIT
";

/// A mail server at host3 that prints what it gets.
pub(crate) fn smtp_server(world: &World) -> Option<Process> {
    if !has("python3") {
        return None;
    }
    let run = "exec python3 -u -W ignore -m smtpd -n -c DebuggingServer 0.0.0.0:25";
    let server = world.at("host3", run).start();
    world.listens("host3", 25);
    Some(server)
}

#[test]
fn send_mail() {
    let Some(world) = World::new() else { return };
    let Some(server) = smtp_server(&world) else { return };
    let session =
        world.at("host1", "ncat -C mail.example.com 25").bytes(SMTP_TYPED).run().expect_code(0);
    let said = String::from_utf8(session.stdout).unwrap();
    let codes: Vec<&str> = said.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["220", "250", "250", "250", "354", "250", "221"], "{said}");
    server.wait_output("Hello. This short message".len());
    testkit::eventually("the message", || {
        let got = String::from_utf8_lossy(&server.wait_output(0)).into_owned();
        got.contains("Hello. This short message is being sent by Ncat.").then_some(())
    });
}

/// The guide's `echo -e` wants a shell whose `echo` knows it: /bin/sh is bash here.
#[test]
fn turn_ncat_into_a_simple_web_server() {
    let Some(world) = World::new() else { return };
    if !has("curl") {
        return;
    }
    let page = "<title>index</title>\n".repeat(5000);
    fs::write(world.file("host1", "index.html"), &page).unwrap();
    let line = r#"ncat -lk -p 8080 --sh-exec "echo -e 'HTTP/1.1 200 OK\r\n'; cat index.html""#;
    let _server = world.at("host1", &format!("mount --bind /bin/bash /bin/sh; {line}")).start();
    world.listens("host1", 8080);
    for _ in 0..3 {
        let got = world.at("host1", "curl -s http://localhost:8080/").run().expect_code(0);
        assert_eq!(String::from_utf8_lossy(&got.stdout), page);
    }
}

#[test]
fn chain_ncats_together_in_a_pipeline() {
    let Some(world) = World::new() else { return };
    let log = noise(2_000_000);
    fs::write(world.file("host1", "log.txt"), &log).unwrap();
    // Somebody sits at its keyboard and types nothing: an input that ends would be an end for host2.
    let last = world.at("host3", "ncat -l > log.txt").held().start();
    world.listens("host3", 31337);
    let middle = world.at("host2", "ncat -l | ncat host3").start();
    world.listens("host2", 31337);
    world.at("host1", "ncat --send-only host2 < log.txt").run().expect_code(0);
    middle.finish().expect_code(0);
    last.finish().expect_code(0);
    assert_eq!(fs::read(world.file("host3", "log.txt")).unwrap(), log);
}

#[test]
fn chain_ncats_together_with_sh_exec() {
    let Some(world) = World::new() else { return };
    let log = noise(2_000_000);
    fs::write(world.file("host1", "log.txt"), &log).unwrap();
    // Somebody sits at its keyboard and types nothing: an input that ends would be an end for host2.
    let last = world.at("host3", "ncat -l > log.txt").held().start();
    world.listens("host3", 31337);
    let middle = world.at("host2", r#"ncat -l --sh-exec "ncat host3""#).start();
    world.listens("host2", 31337);
    world.at("host1", "ncat --send-only host2 < log.txt").run().expect_code(0);
    middle.finish().expect_code(0);
    last.finish().expect_code(0);
    assert_eq!(fs::read(world.file("host3", "log.txt")).unwrap(), log);
}

#[test]
fn forward_a_local_port_to_a_web_server() {
    let Some(world) = World::new() else { return };
    if !has("python3") || !has("curl") {
        return;
    }
    let page = noise(1_000_000);
    fs::write(world.file("host3", "page"), &page).unwrap();
    let _web = world.at("host3", "exec python3 -m http.server 80").start();
    world.listens("host3", 80);
    let line = r#"ncat -l localhost 8080 --sh-exec "ncat example.org 80""#;
    let forwarder = world.at("host1", line).start();
    world.listens("host1", 8080);
    let got = world.at("host1", "curl -s http://localhost:8080/page").run().expect_code(0);
    assert!(got.stdout == page, "{} bytes came", got.stdout.len());
    forwarder.finish().expect_code(0);
}

#[test]
fn use_ssh_through_an_ncat_tunnel() {
    let Some(world) = World::new() else { return };
    if !has("/usr/sbin/sshd") || !has("ssh") {
        return;
    }
    let _router = world.sshd("host2");
    let _host = world.sshd("host3");
    let line = r#"ssh -o ProxyCommand="ssh -q router ncat %h %p" host"#;
    // Behind the tunnel: who are you, and a megabyte each way.
    let asked = "'ip -4 addr show dev eth0 | grep -o 10.31.33.[0-9]; md5sum'";
    let input = noise(1_000_000);
    fs::write(world.file("host1", "input"), &input).unwrap();
    let told = world.at("host1", &format!("{line} {asked} < input")).run().expect_code(0);
    let sum = world.at("host1", "md5sum < input").run().expect_code(0);
    let text = String::from_utf8(told.stdout).unwrap();
    assert_eq!(text.lines().next(), Some("10.31.33.3"), "{text}");
    assert!(text.as_bytes().ends_with(&sum.stdout), "{text}");
    let back = world.at("host1", &format!("{line} cat {}", world.file("host1", "input").display()));
    assert!(back.run().expect_code(0).stdout == input);
}

#[test]
fn watch_what_nmaps_version_detection_is_doing() {
    let Some(world) = World::new() else { return };
    if !has("nmap") {
        return;
    }
    let line = "ncat -l --keep-open 5200 --hex-dump vscan.log > /dev/null";
    let _server = world.at("host1", line).held().start();
    world.listens("host1", 5200);
    // Two of the probes instead of all of them: --version-all takes minutes against a silent server.
    let scan = "timeout 50 nmap -d -sV --version-light -Pn -n 127.0.0.1 -p 5200";
    world.at("host1", scan).run().expect_code(0);
    let log = fs::read_to_string(world.file("host1", "vscan.log")).unwrap();
    for probe in [
        format!("0000   0d 0a 0d 0a {:38}....", ""),
        "0000   47 45 54 20 2f 20 48 54  54 50 2f 31 2e 30 0d 0a  GET./.HTTP/1.0..".into(),
    ] {
        assert!(log.contains(&probe), "no {probe:?} in\n{log}");
    }
}
