//! A build without Lua: its options are known, and refused in words; the rest works. `cargo xtask ci`
//! makes one.
#![cfg(all(target_os = "linux", not(feature = "lua")))]
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod without;

#[test]
fn the_options_are_refused_before_anything_is_done() {
    for args in [
        &["-L", "rot13", "127.0.0.1", "1"][..],
        &["--lua-exec", "program.lua", "127.0.0.1", "1"],
        &["-l", "-k", "--lua-filter", "rot13", "127.0.0.1", "0"],
    ] {
        without::refuses(args);
    }
}

#[test]
fn the_help_says_what_is_missing() {
    without::help_misses("--lua-exec");
}

#[test]
fn the_rest_works() {
    without::the_rest_works();
}
