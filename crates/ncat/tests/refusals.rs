//! Refused command lines, given to the installed Ncat and to ours: same first line, same exit code.
//!
//! Only lines that Ncat 7.93, which Debian has, refuses before it opens a socket or looks up a name.

#![cfg(unix)]

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Words apart by blanks; `''` is an empty word.
const REFUSED: &[&str] = &[
    // The scanner.
    "--foo",
    "--foo=bar",
    "--z",
    "-Q",
    "-vQ",
    "-w",
    "-vw",
    "--wait",
    "--no",
    "--no=3",
    "--ssl-",
    "--=",
    "--=x",
    "--a",
    "--c",
    "--de",
    "--h",
    "--l",
    "--n",
    "--s",
    "--t",
    "--v",
    "--ver",
    "--pro",
    "--allo",
    "--ex",
    "--g",
    "--G",
    "--i",
    "--send-only=3 x",
    "--version=3",
    "-Q --help",
    "127.0.0.1 -1",
    // Single values.
    "-w 100 x",
    "-w 1e5 x",
    "-w 0xff x",
    "-w 100. x",
    "-w 99.99999999999999999 x",
    "-w 2147483.647 x",
    "-w 0 x",
    "-w -0 x",
    "-w -5 x",
    "-w abc x",
    "-w '' x",
    "-w inf x",
    "-w nan x",
    "-w 5d x",
    "-w 1e x",
    "-w 0x x",
    "-w .0001 x",
    "-w 5ss x",
    "-w 2147483648ms x",
    "-w 596.6h x",
    "-i 0 x",
    "-i 100 x",
    "-d -1 x",
    "-d 100 x",
    "-p abc x",
    "-p 5x x",
    "-p 99999999999999999999999 x",
    "-p 70000 x 1",
    "-p -1 x 1",
    "-l -p 70000",
    "--nsock-engine foo x",
    // Operands.
    "",
    "''",
    "'' 1",
    "-m 5",
    "127.0.0.1 70000",
    "127.0.0.1 abc",
    "127.0.0.1 -- -1",
    "127.0.0.1 99999999999999999999",
    "127.0.0.1 1 2",
    "-l 1 2 3",
    "-l 80 90",
    "-l 80 a",
    "-l '' 5",
    "-l -p 3 ''",
    "-l -p 3 127.0.0.1 4",
    "-l 127.0.0.1 4 x",
    "-l 99999",
    "-l 65536",
    "-l 127.0.0.1 abc",
    "-U",
    "-lU",
    "--vsock",
    "--vsock abc",
    "--vsock 0",
    "--vsock 4294967296",
    "--vsock 1 4294967296",
    "--vsock 1 2 3",
    // Combinations.
    "-e a -c b x",
    "-e a -e b x",
    "--lua-exec a -c b x",
    "--proxy 127.0.0.1:1 --proxy b x",
    "--proxy-type http --proxy-type http x",
    "--proxy-auth a --proxy-auth b x",
    "--ssl-trustfile a --ssl-trustfile b x",
    "-4 -G 5 127.0.0.1 1",
    "-4 -G abc 127.0.0.1",
    "--proxy-dns foo x",
    "-U --proxy x a",
    "-U --proxy-type http a",
    "-U --proxy x --ssl --broker a",
    "-U -p 3 a",
    "-U -p 70000 a",
    "-U -g 1.2.3.4 a",
    "--vsock --ssl --proxy x --broker 1",
    "--vsock -g 1.2.3.4 1",
    "--proxy-type http -t 127.0.0.1 1",
    "--proxy-type foo --proxy 127.0.0.1:1 x",
    "-l --proxy 127.0.0.1:1",
    "-l --proxy 127.0.0.1:1 --proxy-type foo",
    "-l --proxy-type foo",
    "-l --proxy-type http -t",
    "-z -l",
    "--broker -z",
    "-lz -t",
    "-z -t -e a x",
    "-z -e foo x",
    "-l -z -s x",
    "-l -s 127.0.0.1",
    "--broker -e a -s 1 -l",
    "--broker -e a",
    "--broker -l -c a",
    "--broker -e a 99999",
    "--allow 1.2.3.4 127.0.0.1",
    "--allowfile /dev/null 127.0.0.1",
    "--allow 1.2.3.4 -m 3 --chat -k --sctp 127.0.0.1",
    "-m 3 --chat 127.0.0.1",
    "-m 0 127.0.0.1",
    "--chat -k --sctp 127.0.0.1",
    "--chat 127.0.0.1",
    "-k --sctp 127.0.0.1",
    "--ssl-cert a -l",
    "--ssl-key a 127.0.0.1",
    "--ssl-cert a -m 3 127.0.0.1",
    "--ssl-cert a -g 1.2.3.4 127.0.0.1",
    "-g 1.2.3.4 127.0.0.1",
    "-6 -g 1.2.3.4 ::1",
];

/// Exit code and first line of standard error.
fn answer(program: &str, words: &str) -> Option<(Option<i32>, String)> {
    let words = words.split_whitespace().map(|word| word.replace("''", ""));
    let output = Command::new(program)
        .arg0("ncat")
        .args(words)
        .env_remove("POSIXLY_CORRECT")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    Some((output.status.code(), text.lines().next().unwrap_or_default().to_owned()))
}

#[test]
fn refused_command_lines_begin_as_ncats_do() {
    let reference = answer("/usr/bin/ncat", "--version").map(|(_, line)| line);
    if !reference.as_deref().is_some_and(|line| line.starts_with("Ncat: Version 7.93")) {
        let line = b"SKIPPED: no Ncat 7.93 in /usr/bin, refusals were not compared with it\n";
        std::io::stderr().write_all(line).expect("standard error");
        return;
    }
    for words in REFUSED {
        let theirs = answer("/usr/bin/ncat", words).expect("it ran a moment ago");
        let ours = answer(env!("CARGO_BIN_EXE_ncat"), words).expect("it was built");
        assert_eq!(ours, theirs, "ncat {words}");
        assert_eq!(ours.0, Some(2), "ncat {words}");
    }
}
