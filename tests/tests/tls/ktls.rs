//! What is said about TLS in the kernel, whatever this kernel has. The rest is tested in the guest.

use testkit::process::ncat;

/// A session each way, and what each end said about its records.
fn said(args: &[&str]) -> [String; 2] {
    let server = ncat(["-lvv"]).args(args).args(["127.0.0.1", "0"]).bytes("down").start();
    let port = server.listening().port().to_string();
    let ours = ncat(["-vv"]).args(args).args(["127.0.0.1", &port]).bytes("up").run().expect_code(0);
    let served = server.finish().expect_code(0);
    assert_eq!((&ours.stdout[..], &served.stdout[..]), (&b"down"[..], &b"up"[..]));
    [served.stderr, ours.stderr].map(|text| {
        let line = text.lines().find(|line| line.contains("TLS records are made by "));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    })
}

#[test]
fn who_encrypts_is_told_and_may_be_chosen() {
    for mode in ["auto", "on"] {
        said(&["--ssl", "--ssl-ktls", mode]);
    }
    for line in said(&["--ssl-ktls", "off"]) {
        let off = "this program (--ssl-ktls off)";
        assert!(line.ends_with(&format!("made by {off}, opened by {off}")), "{line}");
    }
    let done = ncat(["--ssl-ktls", "maybe", "127.0.0.1", "1"]).run().expect_code(2);
    assert!(done.stderr.contains("auto, on, off"), "{}", done.stderr);
}

#[test]
fn the_kernel_is_no_use_below_a_stage_or_on_another_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let server = ncat(["-lvvU", "--ssl"]).args([&path]).bytes("down").start();
    server.wait_message("Listening on ");
    let ours = ncat(["-vvU", "--ssl"]).args([&path]).bytes("up").run().expect_code(0);
    assert!(ours.stderr.contains("made by this program (only for a TCP socket"), "{}", ours.stderr);
    server.finish().expect_code(0);
}
