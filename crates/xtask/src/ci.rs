//! `cargo xtask ci`: what CI runs.

use std::path::PathBuf;
use std::process::Command;

use crate::step::{Steps, cargo, cargo_daily, find_program, root, target_dir};
use crate::{step, test};

/// Systems whose types are checked without a machine of theirs.
const CROSS_TARGETS: [&str; 3] =
    ["x86_64-pc-windows-gnu", "aarch64-apple-darwin", "x86_64-unknown-freebsd"];
/// What a build may lack.
const FEATURES: [&str; 3] = ["exec", "lua", "tls"];
/// For Windows there is no OpenSSL here whose headers would do; for the others Debian's do, if none is
/// built from source.
const WITHOUT_TLS: [&str; 3] = ["--no-default-features", "--features", "ncat/exec,ncat/progress"];
/// Whose Windows tests run under Wine: what is the same everywhere, and the program.
const WINE_PACKAGES: [&str; 4] = ["gate", "plan", "proto", "ncat"];

/// All of `test`, then licences and feature sets, and with `--cross` the other systems.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let cross = match args {
        [] => false,
        [arg] if arg == "--cross" => true,
        _ => return Err("usage: cargo xtask ci [--cross]".into()),
    };
    let mut steps = Steps::default();
    let without_features = ["check", "-p", "ncat", "--no-default-features"];
    steps.command("no default features", cargo(without_features));
    for feature in FEATURES.into_iter().chain(["progress"]) {
        let alone = ["check", "-p", "ncat", "--no-default-features", "--features", feature];
        steps.command(&format!("only {feature}"), cargo_daily(alone));
    }
    for lacks in FEATURES {
        steps.step(&format!("without {lacks}: what it says"), || without(lacks));
    }
    steps.step("release build", || test::run(&["--vendored".to_owned()]));
    match find_program("cargo-deny") {
        Some(_) => steps.command("licences", cargo(["deny", "check"])),
        None => steps.skip("licences: cargo-deny is not installed"),
    }
    steps.task("counts", &[]);
    if cross {
        other_systems(&mut steps);
    }
    let others = steps.finish();
    // Last, so that its count is the last line.
    test::run(&[]).and(others)
}

/// A build without a feature: its own tests, and that it refuses the options in words of its own.
fn without(lacks: &str) -> Result<(), String> {
    let has: Vec<&str> = FEATURES.into_iter().filter(|feature| *feature != lacks).collect();
    let (program_has, tests_have) = (format!("progress,{}", has.join(",")), has.join(","));
    let build = ["-p", "ncat", "--no-default-features", "--features", &program_has];
    // Apart from the builds with all of it, which would have to be made again.
    let apart = target_dir().join("without");
    for task in ["build", "test"] {
        let mut own = cargo_daily([&[task], &build[..]].concat());
        own.env("CARGO_TARGET_DIR", &apart);
        step::run(own)?;
    }
    let (target, features) = (format!("no_{lacks}"), ["--no-default-features", "--features"]);
    let tests = [&["test", "-p", "integration"], &features[..], &[&tests_have, "--test", &target]];
    let program = apart.join("debug").join(format!("ncat{}", std::env::consts::EXE_SUFFIX));
    let mut tests = cargo_daily(tests.concat());
    tests.env("NCAT_BIN", program);
    step::run(tests)
}

fn other_systems(steps: &mut Steps) {
    let Some(xcargo) = xcargo() else {
        steps.skip("other systems: no xcargo; name it in XCARGO");
        return;
    };
    let run = |args: &[&str]| {
        let mut command = Command::new(&xcargo);
        command.args(args).current_dir(root()).env("OPENSSL_NO_VENDOR", "1");
        command
    };
    for target in CROSS_TARGETS {
        let title = format!("check for {target}");
        let mut check = vec![target, "check", "--workspace", "--exclude", "xtask"];
        if target.contains("windows") {
            check.extend(["--exclude", "tls"]);
            check.extend(WITHOUT_TLS);
        }
        steps.command(&title, run(&check));
    }
    match xcargo.with_file_name("wine-run") {
        wine if wine.is_file() => {
            let mut args = vec![CROSS_TARGETS[0], "test"];
            WINE_PACKAGES.iter().for_each(|package| args.extend(["-p", package]));
            args.extend(WITHOUT_TLS);
            steps.command("Windows tests under Wine", run(&args));
        }
        _ => steps.skip("Windows tests: no wine-run beside xcargo"),
    }
}

/// Named by `XCARGO`, else in the tools beside the workspace or one directory up.
fn xcargo() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("XCARGO") {
        return Some(named.into());
    }
    ["../shared/tools/xcargo", "../../shared/tools/xcargo"]
        .map(|place| root().join(place))
        .into_iter()
        .find(|file| file.is_file())
}
