//! What this machine's kernel may not have: SCTP, vsock and TLS, in another kernel.
//!
//! The lab's `guest-run` boots a kernel as a process and runs this same test program in it, once, with
//! `--ignored`: that is what the attribute marks here. Without the tool the loss is said aloud.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod bad_link;
mod ending;
mod filters;
#[cfg(feature = "tls")]
mod ktls;
#[cfg(feature = "tls")]
#[allow(clippy::disallowed_methods, dead_code, reason = "not all of it is used here")]
#[path = "../tls/peer.rs"]
mod peer;
#[cfg(feature = "tls")]
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "../tls/pki.rs"]
mod pki;
mod sctp;
#[cfg(feature = "tls")]
mod tls;
mod vsock;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::process::{Program, ncat_path};

/// Longest time for boot, every test and shutdown.
const LIMIT: Duration = Duration::from_secs(290);
/// Tests that must at least have run, so that a filter gone wrong is not taken for success.
const TESTS_MIN: usize = 44;

/// Other programs' buffers do not hold two of loopback's packets of 64 KiB, and then their kernel
/// acknowledges each 200 ms late; the packets of a real network they do hold.
const IN_THE_GUEST: &str = "ip link set lo mtu 1500 && exec \"$@\"";

/// The lab beside the repository, or beside a worktree of it.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .flat_map(|dir| [dir.join("shared/tools"), dir.join("../shared/tools")])
        .map(|dir| dir.join(name))
        .find(|path| path.exists())
}

/// The tool and the kernel it boots; what is missing otherwise.
fn guest_run() -> Result<PathBuf, &'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has_kernel = std::env::split_paths(&path).any(|dir| dir.join("linux.uml").is_file());
    if !has_kernel {
        return Err("no linux.uml here (Debian package user-mode-linux)");
    }
    tool("guest-run").ok_or("../shared/tools/guest-run is missing")
}

#[test]
fn sctp_and_vsock_in_a_kernel_that_has_them() {
    run_in_guest("SCTP and vsock", &["--skip", "ktls::"], TESTS_MIN);
}

#[cfg(feature = "tls")]
#[test]
fn tls_in_a_kernel_that_has_it() {
    run_in_guest("TLS in the kernel", &["ktls::"], 10);
}

/// The tests that need the other kernel, in it; at least `min` of them.
fn run_in_guest(what: &str, which: &[&str], min: usize) {
    let guest_run = match guest_run() {
        Ok(found) => found,
        Err(missing) => {
            let required = std::env::var_os("NCAT_REQUIRE_GUEST").is_some_and(|v| v == "1");
            assert!(!required, "{missing}");
            let line = format!("SKIPPED: {missing}: {what} not tested\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            return;
        }
    };
    let limit = LIMIT.as_secs().to_string();
    let guest = Program::new(guest_run)
        .args(["--mem", "1G", "--timeout", &limit, "--", "sh", "-c", IN_THE_GUEST, "sh"])
        .args([std::env::current_exe().unwrap()])
        .args(["--ignored", "--test-threads=4"])
        .args(which)
        .env("NCAT_BIN", ncat_path())
        .start();
    let ended = guest.finish_within(LIMIT + Duration::from_secs(20));
    let told = String::from_utf8_lossy(&ended.stdout).into_owned();
    let skips = ended.stderr.lines().filter(|line| line.contains("SKIPPED"));
    skips.for_each(|line| drop(writeln!(std::io::stderr(), "{line}")));
    assert_eq!(ended.code(), Some(0), "in the guest:\n{told}\n{}", ended.stderr);
    let passed = told.split("test result: ok. ").nth(1).and_then(|rest| rest.split(' ').next());
    let passed: usize = passed.and_then(|n| n.parse().ok()).expect("a result");
    assert!(passed >= min, "only {passed} tests ran in the guest:\n{told}");
}
