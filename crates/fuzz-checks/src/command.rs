//! The command line of `-e`.

use std::ffi::{OsStr, OsString};

/// Any bytes as a command: the words hold no more than the line, and quoted they come back.
pub fn command(data: &[u8]) {
    let Some(line) = text(data) else { return };
    let words = plan::exec::split(line);
    let bytes = |word: &OsString| word.as_encoded_bytes().len();
    assert!(words.iter().map(bytes).sum::<usize>() <= data.len());
    let quoted: Vec<Vec<u8>> = words.iter().map(|word| quote(word.as_encoded_bytes())).collect();
    let again = quoted.join(&b' ');
    if let Some(again) = text(&again) {
        assert_eq!(plan::exec::split(again), words);
    }
    // Without quotes and backslashes it is only cut at blanks.
    if !data.iter().any(|byte| b"'\"\\".contains(byte)) {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
        let cut = data.split(blank).filter(|word| !word.is_empty());
        assert!(words.iter().map(|word| word.as_encoded_bytes()).eq(cut));
    }
}

fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in word {
        quoted.extend(matches!(byte, b'"' | b'\\').then_some(b'\\'));
        quoted.push(*byte);
    }
    quoted.push(b'"');
    quoted
}

#[cfg(unix)]
fn text(data: &[u8]) -> Option<&OsStr> {
    Some(std::os::unix::ffi::OsStrExt::from_bytes(data))
}

#[cfg(not(unix))]
fn text(data: &[u8]) -> Option<&OsStr> {
    std::str::from_utf8(data).ok().map(OsStr::new)
}
