//! Passwords are nowhere to be seen but where the user put them.

use testkit::process::{Process, ncat};

use crate::programs;
use crate::scripted::{Scripted, echo};

const SECRET: &str = "hunter2";

fn everything_it_says(process: Process) -> String {
    let pid = process.pid();
    process.wait_message("opened the way");
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let mut process = process;
    process.end_input();
    let done = process.finish().expect_code(0);
    format!("{}{}", String::from_utf8_lossy(&line), done.stderr)
}

#[test]
fn secrets_are_never_shown() {
    let target = echo().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("auth");
    std::fs::write(&file, format!("user:{SECRET}\nunused:line\n")).unwrap();
    for kind in ["http", "socks5"] {
        let proxy = programs::ours(kind, Some(&format!("user:{SECRET}")));
        let (place, file) = (proxy.place(), file.display().to_string());
        let line = ["-vvvv", "--json-fd", "2", "--proxy", &place, "--proxy-type", kind];
        let by_file = ncat(line).args(["--proxy-auth-file", &file, "127.0.0.1", &target]);
        let said = everything_it_says(by_file.held().start());
        assert!(!said.contains(SECRET) && !said.contains("dXNlcjpodW50ZXIy"), "{said}");
        let by_env = ncat(line).args(["127.0.0.1", &target]);
        let by_env = by_env.env("NCAT_PROXY_AUTH", format!("user:{SECRET}"));
        let said = everything_it_says(by_env.held().start());
        assert!(!said.contains(SECRET) && !said.contains("dXNlcjpodW50ZXIy"), "{said}");
    }
}

#[test]
fn a_plan_and_an_error_have_no_password() {
    let url = format!("http://user:{SECRET}@127.0.0.1:1");
    let explained = ncat(["--explain", "--proxy", &url, "t.example"]).run().expect_code(0);
    let text = String::from_utf8(explained.stdout).unwrap();
    assert!(text.contains("by way of: http proxy 127.0.0.1:1") && !text.contains(SECRET), "{text}");
    let refused = ncat(["-vvv", "--proxy", &url, "t.example"]).run().expect_code(1);
    assert!(!refused.stderr.contains(SECRET), "{}", refused.stderr);
    let bad =
        ncat(["--proxy", &format!("http://user:{SECRET}@h/x"), "t.example"]).run().expect_code(2);
    assert!(!bad.stderr.contains(SECRET), "{}", bad.stderr);
    let wrong = Scripted::http("HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=x\r\n\r\n");
    let url = format!("http://user:{SECRET}@{}", wrong.addr);
    let done = ncat(["-vvv", "-w", "5s", "--proxy", &url, "t.example"]).run().expect_code(1);
    assert!(!done.stderr.contains(SECRET), "{}", done.stderr);
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let done = ncat(["--proxy", "127.0.0.1:1", "--proxy-auth-file", "/none", "t.example"]).run();
    let done = done.expect_code(2);
    let first = "Ncat: can't read /none (--proxy-auth-file): No such file or directory. QUITTING.";
    assert_eq!(done.first_line(), first);
}
