//! Links a release so that it starts fast: without libraries beside libc, each of which costs a tenth
//! of a millisecond, and with relocations in the short form where this system's loader reads it
//! (docs/decisions/0012-tls-in-the-default-build.md).

use std::path::{Path, PathBuf};
use std::process::Command;

/// The first glibc that reads `DT_RELR`. The program asks for at least the version it is built with
/// anyway.
const FIRST_WITH_RELR: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    let is_gnu = of("CARGO_CFG_TARGET_OS") == "linux" && of("CARGO_CFG_TARGET_ENV") == "gnu";
    // Only where the archives are those of the compiler that links.
    if is_gnu && of("HOST") == of("TARGET") && of("PROFILE") == "release" {
        link_unwinder(Path::new(&of("OUT_DIR")));
        if libc_version() >= Some(FIRST_WITH_RELR) {
            println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
    }
}

/// The standard library names `gcc_s`; what is found first under that name is a linker script that
/// means the archives. Without them everything stays as it is.
fn link_unwinder(out: &Path) {
    let (Some(unwinder), Some(support)) = (archive("libgcc_eh.a"), archive("libgcc.a")) else {
        return;
    };
    let script = format!("INPUT ( {} {} )\n", unwinder.display(), support.display());
    if std::fs::write(out.join("libgcc_s.so"), script).is_ok() {
        println!("cargo:rustc-link-arg-bins=-L{}", out.display());
    }
}

/// The C library's version, as `getconf` has it: `glibc 2.36`.
fn libc_version() -> Option<(u32, u32)> {
    let asked = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(asked.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Where the compiler that links has this archive; one that has it not repeats the bare name.
fn archive(name: &str) -> Option<PathBuf> {
    let asked = Command::new("cc").arg(format!("-print-file-name={name}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim());
    let is_plain = |path: &Path| !path.to_string_lossy().contains([' ', '"', '(', ')']);
    (path.is_absolute() && path.is_file() && is_plain(&path)).then_some(path)
}
