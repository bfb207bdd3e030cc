//! What is said beside messages and events: progress, test marks, the plan.

#![cfg(target_os = "linux")]

use testkit::process::{ncat, ncat_path, shell};
use testkit::script::Listener;
use testkit::{data, eventually};

/// Runs a client under script(1), which gives it a terminal as standard error; what the terminal
/// was shown.
fn on_a_terminal(line: &str) -> String {
    let quoted = line.replace('\'', "'\\''");
    let ended = shell(&format!("exec script -qec '{quoted}' /dev/null")).run();
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

#[test]
fn progress_is_drawn_on_a_terminal_with_the_size_of_a_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    std::fs::write(&file, data::bytes(5, 3 << 20)).expect("written");
    let listener = Listener::tcp();
    let port = listener.port();
    let server = std::thread::spawn(move || {
        let mut peer = listener.accept();
        peer.drain().0.len()
    });
    let (ncat, file) = (ncat_path().display(), file.display());
    let shown = on_a_terminal(&format!(
        "{ncat} --progress --send-only 127.0.0.1 {port} <{file} >/dev/null"
    ));
    assert_eq!(server.join().expect("the server ends"), 3 << 20);
    assert!(shown.contains("3.00 MiB/3.00 MiB"), "{shown:?}");
}

#[test]
fn progress_is_silent_where_nobody_looks() {
    let listener = Listener::tcp();
    let client = ncat(["--progress", "--send-only", "127.0.0.1", &listener.port().to_string()])
        .bytes("hello")
        .start();
    assert_eq!(listener.accept().drain().0, b"hello");
    assert_eq!(client.finish().expect_code(0).stderr, "");
}

#[test]
fn test_marks_say_when_it_listens() {
    let listener = ncat(["--test", "-l", "127.0.0.1", "0"]).held().start();
    listener.wait_message("NCAT TEST: LISTEN");
    let both = ncat(["--test", "-l", "0"]).held().start();
    eventually("a mark for each family", || {
        let marks = both.messages().matches("NCAT TEST: LISTEN\n").count();
        let has_v6 = std::path::Path::new("/proc/net/if_inet6").exists();
        (marks == if has_v6 { 2 } else { 1 }).then_some(())
    });
}

#[test]
fn explain_says_what_would_be_done_and_does_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("log");
    let args = ["--explain", "-l", "-k", "-C", "-o", log.to_str().expect("text"), "9000"];
    let ended = ncat(args).run().expect_code(0);
    let plan = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(plan.starts_with("mode: listen"), "{plan}");
    assert!(plan.contains("9000") && plan.contains("log"), "{plan}");
    assert_eq!(ended.stderr, "");
    assert!(!log.exists());
}
