//! What builds that lack something are asked alike.

use rustix::process::Signal;
use testkit::data::{assert_same, bytes};
use testkit::process::ncat;

/// A command line is refused with these words before anything is done.
pub(crate) fn refuses(args: &[&str]) {
    let ended = ncat(args.iter().copied()).run().expect_code(2);
    assert!(ended.first_line().ends_with(" is not in this build. QUITTING."), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: ncat --help ends with a list"), "{}", ended.stderr);
}

/// The help has the option in its list of what is not there, and not before.
pub(crate) fn help_misses(option: &str) {
    let help = ncat(["--help"]).run().expect_code(0).stdout;
    let help = String::from_utf8(help).unwrap();
    let (there, missing) = help.split_once("Not in this build:").unwrap();
    assert!(missing.contains(option), "{missing}");
    assert!(!there.contains(option), "{there}");
}

/// Both directions of one connection, then many.
pub(crate) fn the_rest_works() {
    let (up, down) = (bytes(1, 3_000_000), bytes(2, 3_000_000));
    let server = ncat(["-lv", "127.0.0.1", "0"]).bytes(down.clone()).start();
    let port = server.listening().port().to_string();
    let done = ncat(["127.0.0.1", &port]).bytes(up.clone()).run().expect_code(0);
    assert_same("down", &done.stdout, &down);
    assert_same("up", &server.finish().expect_code(0).stdout, &up);

    let server = ncat(["-lkv", "127.0.0.1", "0"]).held().start();
    let port = server.listening().port().to_string();
    for n in 1..=3 {
        ncat(["--send-only", "127.0.0.1", &port]).bytes("piece").run().expect_code(0);
        server.wait_output(5 * n);
    }
    server.signal(Signal::TERM);
    server.finish().expect_code(128 + 15);
}
