//! SCTP and vsock where the kernel does not have them: strace makes it so.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test runs real programs")]

mod serve_support;

use std::path::Path;

use serve_support::{Finished, ncat, skip};

/// Our program in a system whose socket(2) fails so.
fn without(error: &str, args: &[&str], code: i32) -> Option<Finished> {
    if !Path::new("/usr/bin/strace").exists() {
        skip("strace is not installed");
        return None;
    }
    let inject = format!("inject=socket:error={error}");
    let words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=socket", "-e", &inject];
    Some(ncat(args).under(words).run().expect_code(code))
}

#[test]
fn a_kernel_without_sctp_is_told_of() {
    let error = "EPROTONOSUPPORT";
    let hint = "this kernel has no SCTP; as root: modprobe sctp (the kernel needs CONFIG_IP_SCTP)";
    let Some(ended) = without(error, &["--sctp", "127.0.0.1", "9"], 1) else { return };
    assert_eq!(ended.first_line(), "Ncat: Protocol not supported.");
    assert!(ended.stderr.contains(hint), "{}", ended.stderr);
    let Some(ended) = without(error, &["--sctp", "-l", "127.0.0.1", "9"], 2) else { return };
    let line = "Ncat: bind to 127.0.0.1:9: Protocol not supported. QUITTING.";
    assert_eq!(ended.first_line(), line);
    assert!(ended.stderr.contains(hint), "{}", ended.stderr);
}

#[test]
fn a_kernel_without_vsock_is_told_of() {
    let error = "EAFNOSUPPORT";
    let hint =
        "this kernel has no vsock; as root: modprobe vsock (the kernel needs CONFIG_VSOCKETS)";
    let Some(ended) = without(error, &["--vsock", "1", "9"], 1) else { return };
    assert_eq!(ended.first_line(), "Ncat: Address family not supported by protocol.");
    assert!(ended.stderr.contains(hint), "{}", ended.stderr);
    let Some(ended) = without(error, &["--vsock", "-l", "9"], 2) else { return };
    let line = "Ncat: bind to 4294967295:9: Address family not supported by protocol. QUITTING.";
    assert_eq!(ended.first_line(), line);
    assert!(ended.stderr.contains(hint), "{}", ended.stderr);
}

#[test]
fn vsock_datagrams_are_refused_with_the_kernels_reason() {
    for (args, code) in [(&["--vsock", "-u", "1", "9"][..], 1), (&["--vsock", "-ul", "9"], 2)] {
        let Some(ended) = without("ENODEV", args, code) else { return };
        let reason = "No vsock datagrams (--vsock -u) in this kernel: No such device.";
        assert!(ended.first_line().contains(reason), "{}", ended.stderr);
    }
}

#[test]
fn a_plan_says_what_sctp_and_vsock_will_do() {
    let explained = |args: &[&str]| {
        let ended = ncat(["--explain"]).args(args).run().expect_code(0);
        String::from_utf8(ended.stdout).unwrap()
    };
    let said = explained(&["--sctp", "h", "9"]);
    assert!(said.contains("transport: sctp\n"), "{said}");
    assert!(said.contains("end: half-close: at the end of input wait for answers"), "{said}");
    let said = explained(&["--vsock", "-l", "5000"]);
    assert!(said.contains("bind: any machine number, port 5000\n"), "{said}");
    let said = explained(&["--vsock", "-s", "5", "host", "70000"]);
    assert!(said.contains("remote: cid 2, port 70000\nlocal: cid 5, port any\n"), "{said}");
}
