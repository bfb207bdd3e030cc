//! The two ends of a measured path: a writer from memory and a reader that counts.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;

use crate::pattern;

/// Bytes per write, unless told otherwise, and per read.
pub(crate) const CHUNK: usize = 256 << 10;

/// Writes `count` bytes to stdout, `chunk` at a time: one block over and over, or the checkable pattern.
///
/// std's stdout is line-buffered and would split the writes, hence the bare descriptor.
pub(crate) fn feed(count: u64, chunk: usize, checked: bool) -> io::Result<()> {
    let mut out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut block = vec![0; chunk];
    pattern::fill(&mut block, 0);
    let mut done = 0;
    while done < count {
        let size = usize::try_from(count - done).unwrap_or(usize::MAX).min(chunk);
        if checked {
            pattern::fill(&mut block[..size], done);
        }
        match out.write_all(&block[..size]) {
            // The endless feed ends when its reader does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && count == u64::MAX => {
                return Ok(());
            }
            other => other?,
        }
        done += size as u64;
    }
    Ok(())
}

/// Reads `count` bytes from stdin, or to its end with `inf`, and prints how many came. With
/// `goes_on` it then reads on to the end, so that nobody is held up by what was not counted.
///
/// # Errors
/// The stream ended early, or a checked byte differs; the message names the offset.
pub(crate) fn sink(count: u64, checked: bool, goes_on: bool) -> io::Result<()> {
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut block = vec![0; CHUNK];
    let mut scratch = Vec::new();
    let mut done = 0;
    while done < count {
        let room = usize::try_from(count - done).unwrap_or(usize::MAX).min(CHUNK);
        let size = match input.read(&mut block[..room]) {
            Ok(0) => break,
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if checked && let Some(at) = pattern::first_difference(&block[..size], done, &mut scratch) {
            return Err(io::Error::other(format!("the stream differs at byte {at}")));
        }
        done += size as u64;
    }
    writeln!(io::stdout(), "{done}")?;
    while goes_on && input.read(&mut block)? > 0 {}
    if count != u64::MAX && done != count {
        return Err(io::Error::other(format!("{done} of {count} bytes came")));
    }
    Ok(())
}
