//! `--exec-limit`: `mem=64M,cpu=10s,files=32`.

use plan::ExecLimits;

use super::item::Given;
use super::time;
use super::usage::UsageError;

/// What the value may be, in words.
const FORM: &str = "a list of mem=SIZE, cpu=TIME and files=N, as in mem=64M,cpu=10s,files=32";
/// Standard input, output and error.
const FILES_MIN: u64 = 3;

/// Adds the limits of a list; a limit named again replaces the earlier one.
pub(super) fn add(limits: &mut ExecLimits, given: &Given<'_>) -> Result<(), UsageError> {
    let word = given.text()?;
    let read: Option<()> = word.split(',').map(|item| one(limits, item)).collect();
    read.ok_or_else(|| UsageError::Word {
        option: given.written.to_owned(),
        value: word.to_owned(),
        words: FORM,
    })
}

fn one(limits: &mut ExecLimits, item: &str) -> Option<()> {
    let (name, value) = item.split_once('=')?;
    match name {
        "mem" => limits.memory = Some(size(value).filter(|bytes| *bytes > 0)?),
        "cpu" => limits.cpu = Some(time::parse(value).ok()?),
        "files" => limits.files = Some(digits(value).filter(|count| *count >= FILES_MIN)?),
        _ => return None,
    }
    Some(())
}

/// A whole number, perhaps of KiB, MiB or GiB.
pub(super) fn size(word: &str) -> Option<u64> {
    let units = [("K", 10), ("M", 20), ("G", 30)];
    let found = units.into_iter().find_map(|(letter, shift)| {
        let number = word.strip_suffix(letter).or(word.strip_suffix(&letter.to_lowercase()))?;
        Some((number, shift))
    });
    let (number, shift) = found.unwrap_or((word, 0));
    digits(number)?.checked_mul(1 << shift)
}

fn digits(word: &str) -> Option<u64> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(word: &str) -> Option<ExecLimits> {
        let mut limits = ExecLimits::default();
        let given = Given { written: "--exec-limit", value: word.as_ref() };
        add(&mut limits, &given).ok().map(|()| limits)
    }

    #[test]
    fn lists_of_limits() {
        let all = read("mem=64M,cpu=1500ms,files=32").unwrap();
        assert_eq!(all.memory, Some(64 << 20));
        assert_eq!(all.cpu, Some(Duration::from_millis(1500)));
        assert_eq!(all.files, Some(32));
        assert_eq!(read("mem=10").unwrap().memory, Some(10));
        assert_eq!(read("mem=2k").unwrap().memory, Some(2048));
        assert_eq!(read("mem=1G,mem=2G").unwrap().memory, Some(2 << 30));
        for bad in [
            "",
            "mem",
            "mem=",
            "mem=0",
            "mem=-1",
            "mem=1T",
            "mem=99999999999G",
            "cpu=0",
            "cpu=200",
            "files=2",
            "files=x",
            "mem=1,",
            "disk=1",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
