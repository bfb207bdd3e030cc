//! A build without TLS: its options are known, and refused in words. `cargo xtask ci` makes one.
#![cfg(not(feature = "tls"))]

use testkit::process::ncat;

#[test]
fn the_options_are_refused_before_anything_is_done() {
    for args in [
        &["--ssl", "127.0.0.1", "1"][..],
        &["--ssl-verify", "127.0.0.1", "1"],
        &["-l", "--ssl", "127.0.0.1", "0"],
    ] {
        let ended = ncat(args.iter().copied()).run().expect_code(2);
        assert!(ended.first_line().contains("not in this build"), "{}", ended.stderr);
    }
}
