//! Section "Output Options".

use std::fs;

use crate::neat_tricks::{SMTP_TYPED, smtp_server};
use crate::world::{World, has};

#[test]
fn output_records_everything_sent_and_received() {
    let Some(world) = World::new() else { return };
    let Some(_server) = smtp_server(&world) else { return };
    let line = "ncat -C --output smtp-debug.log mail.example.com 25";
    let session = world.at("host1", line).bytes(SMTP_TYPED).run().expect_code(0);
    let log = fs::read_to_string(world.file("host1", "smtp-debug.log")).unwrap();
    for sent in SMTP_TYPED.lines() {
        assert!(log.contains(&format!("{sent}\r\n")), "{sent}: {log}");
    }
    for received in String::from_utf8(session.stdout).unwrap().lines() {
        assert!(log.contains(received), "{received}: {log}");
    }
}

/// "What happens if we accidentally speak SMTP to an SSH server". The layout is today's Ncat's, not
/// the guide's older one.
#[test]
fn hex_dump_of_smtp_spoken_to_an_ssh_server() {
    let Some(world) = World::new() else { return };
    if !has("/usr/sbin/sshd") {
        return;
    }
    let _sshd = world.sshd("host3");
    let line = "ncat -C --hex-dump ssh-hex.log host3 22";
    let mut client = world.at("host1", line).held().start();
    client.wait_output(8);
    client.send(b"HELO example.com\n");
    let said = client.wait_output_end();
    let text = String::from_utf8_lossy(&said).into_owned();
    assert!(text.starts_with("SSH-2.0-OpenSSH"), "{text}");
    client.finish();
    let log = fs::read_to_string(world.file("host1", "ssh-hex.log")).unwrap();
    let first = "0000   53 53 48 2d 32 2e 30 2d  4f 70 65 6e 53 53 48 5f  SSH-2.0-OpenSSH_";
    assert!(log.starts_with(first), "{log}");
    let sent = "0000   48 45 4c 4f 20 65 78 61  6d 70 6c 65 2e 63 6f 6d  HELO.example.com";
    let end = format!("0010   0d 0a {:44}..", "");
    assert!(log.contains(&format!("{sent}\n{end}")), "{log}");
}
