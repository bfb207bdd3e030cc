//! `ncat` links none of what governs it: no policy engine, no database, no log.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::Command;

#[test]
fn ncat_links_no_policy_engine_and_no_database() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let tree = |package: &str| {
        let mut command = Command::new(&cargo);
        command.current_dir(root).args([
            "tree",
            "-p",
            package,
            "-e",
            "normal",
            "--all-features",
            "--offline",
            "--prefix",
            "none",
        ]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let has =
        |tree: &str, name: &str| tree.lines().any(|line| line.split(' ').next() == Some(name));
    let (ncat, guard) = (tree("ncat"), tree("ncat-guard"));
    for name in [
        "cedar-policy",
        "rusqlite",
        "libsqlite3-sys",
        "policy",
        "config",
        "audit",
        "saphyr-parser",
        "regex",
        "ed25519-dalek",
    ] {
        assert!(
            has(&guard, name),
            "{name} is in ncat-guard, or this test looks for the wrong thing"
        );
        assert!(!has(&ncat, name), "{name} is in ncat");
    }
    assert!(has(&ncat, "gate"));
}
