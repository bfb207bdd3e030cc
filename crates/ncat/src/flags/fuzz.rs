//! What a fuzzer calls.

use std::ffi::OsString;

use super::{Parsed, parse};

/// Takes any bytes for a command line, words ended by NUL, and goes as far as the plan.
///
/// The first byte says whether `POSIXLY_CORRECT` is set. Nothing is opened, whatever the bytes say;
/// the only thing that can go wrong is a panic.
pub fn fuzz_options(data: &[u8]) {
    let (posixly_correct, rest) = match data.split_first() {
        Some((first, rest)) => (first & 1 == 1, rest),
        None => (false, data),
    };
    let words = rest.split(|byte| *byte == 0).map(word);
    let argv = std::iter::once(OsString::from("ncat")).chain(words);
    match parse(argv, posixly_correct) {
        Err(error) => drop(error.to_string()),
        Ok(Parsed::Help | Parsed::Version) => {}
        Ok(Parsed::Run(raw)) => match plan::build(&raw) {
            Err(error) => drop(error.to_string()),
            Ok(plan) => drop(plan::explain(&plan)),
        },
    }
}

#[cfg(unix)]
fn word(bytes: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(bytes.to_vec())
}

/// Elsewhere words that are not UTF-8 are rarer, and are made of other units than bytes.
#[cfg(not(unix))]
fn word(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}
