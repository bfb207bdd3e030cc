//! A build without TLS: its options are known, and refused in words; the rest works. `cargo xtask ci`
//! makes one.
#![cfg(all(target_os = "linux", not(feature = "tls")))]
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod without;

#[test]
fn the_options_are_refused_before_anything_is_done() {
    for args in [
        &["--ssl", "127.0.0.1", "1"][..],
        &["--ssl-verify", "127.0.0.1", "1"],
        &["--ssl-session", "/nonexistent/x", "127.0.0.1", "1"],
        &["--starttls", "smtp", "127.0.0.1", "1"],
        &["-u", "--ssl", "127.0.0.1", "1"],
        &["-l", "--ssl", "127.0.0.1", "0"],
        &["-l", "-k", "--ssl-cert", "a.pem", "--ssl-key", "a.key", "127.0.0.1", "0"],
    ] {
        without::refuses(args);
    }
    let done = testkit::process::ncat(["--proxy", "https://127.0.0.1:1", "127.0.0.1", "1"]).run();
    assert!(done.first_line().contains("not in this build"), "{}", done.stderr);
    done.expect_code(2);
}

#[test]
fn the_help_says_what_is_missing() {
    without::help_misses("--ssl");
}

#[test]
fn the_rest_works() {
    without::the_rest_works();
}
