//! Values of socket options: sizes, rates, marks, classes of service.

use std::time::Duration;

use plan::{Keepalive, Rates};

use super::item::Given;
use super::usage::UsageError;
use super::values;

/// The longest interface name, in bytes (`IFNAMSIZ` without its end mark), and that of a congestion
/// control algorithm (`TCP_CA_NAME_MAX`).
const NAME_MAX: usize = 15;

fn bad(given: &Given<'_>, words: &'static str) -> UsageError {
    let value = given.value.to_string_lossy().into_owned();
    UsageError::Word { option: given.written.to_owned(), value, words }
}

/// A number of bytes: digits, and K, M or G for powers of 1024.
fn bytes(word: &str) -> Option<u64> {
    let split = word.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(word.len());
    let (digits, unit) = word.split_at(split);
    let factor = match unit {
        "" => 1,
        "K" | "k" => 1 << 10,
        "M" | "m" => 1 << 20,
        "G" | "g" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes > 0)
}

/// `--sndbuf`, `--rcvbuf`.
pub(super) fn buffer(given: &Given<'_>) -> Result<u32, UsageError> {
    // The kernel holds twice the number in an int.
    let max = 1u64 << 30;
    let size = bytes(given.text()?).filter(|bytes| *bytes < max);
    let size = size.and_then(|bytes| u32::try_from(bytes).ok());
    size.ok_or_else(|| bad(given, "a number of bytes below 1G, as 65536, 64K or 4M"))
}

/// `--rate`: one for both directions, two for sending and receiving, or named ones.
pub(super) fn rate(given: &Given<'_>) -> Result<Rates, UsageError> {
    let words = "SIZE/s for each direction, or SIZE/s,SIZE/s for sending and receiving, or send=SIZE/s, \
                 recv=SIZE/s; a size is as 65536, 64K or 4M";
    let text = given.text()?;
    rates(text).ok_or_else(|| bad(given, words))
}

fn rates(text: &str) -> Option<Rates> {
    let one = |word: &str| bytes(word.strip_suffix("/s")?);
    let parts: Vec<&str> = text.split(',').collect();
    match parts.as_slice() {
        [both] if !both.contains('=') => {
            let rate = Some(one(both)?);
            Some(Rates { send: rate, recv: rate })
        }
        [send, recv] if !text.contains('=') => {
            Some(Rates { send: Some(one(send)?), recv: Some(one(recv)?) })
        }
        named => {
            let mut rates = Rates::default();
            for word in named {
                let (slot, size) = match word.split_once('=')? {
                    ("send", size) => (&mut rates.send, size),
                    ("recv", size) => (&mut rates.recv, size),
                    _ => return None,
                };
                if slot.replace(one(size)?).is_some() {
                    return None;
                }
            }
            Some(rates)
        }
    }
}

/// `--keepalive T[,I[,N]]`.
pub(super) fn keepalive(given: &Given<'_>) -> Result<Keepalive, UsageError> {
    let mut parts = given.text()?.split(',');
    let mut next_time = || parts.next().map(|word| whole_seconds(given, word)).transpose();
    let idle = next_time()?.unwrap_or_default();
    let interval = next_time()?;
    let words = "T,I,N: times in whole seconds of 1 to 32767, N a number of 1 to 127";
    let count = match (parts.next(), parts.next()) {
        (None, _) => None,
        (Some(word), None) => {
            let count = word.parse().ok().filter(|count| (1..=127).contains(count));
            Some(count.ok_or_else(|| bad(given, words))?)
        }
        (Some(_), Some(_)) => return Err(bad(given, words)),
    };
    Ok(Keepalive { idle, interval, count })
}

/// The kernel counts these times in seconds: a part of one would be cut off.
fn whole_seconds(given: &Given<'_>, word: &str) -> Result<Duration, UsageError> {
    let inner = Given { written: given.written, value: word.as_ref() };
    let time = values::time("--keepalive time", &inner)?;
    let is_whole = time.subsec_nanos() == 0 && time.as_secs() <= 32_767;
    if is_whole { Ok(time) } else { Err(bad(given, "times in whole seconds of 1 to 32767")) }
}

/// A number, decimal or after 0x hexadecimal.
fn number(word: &str) -> Option<u32> {
    match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(digits, 16).ok()
        }
        None if word.bytes().all(|byte| byte.is_ascii_digit()) => word.parse().ok(),
        _ => None,
    }
}

/// `--mark`.
pub(super) fn mark(given: &Given<'_>) -> Result<u32, UsageError> {
    number(given.text()?).ok_or_else(|| bad(given, "a number up to 4294967295, or 0xffffffff"))
}

/// `--tos`.
pub(super) fn tos(given: &Given<'_>) -> Result<u8, UsageError> {
    let tos = number(given.text()?).and_then(|tos| u8::try_from(tos).ok());
    tos.ok_or_else(|| bad(given, "a number of 0 to 255, or 0x00 to 0xff"))
}

/// `--dscp`: a number of six bits, or a name of RFC 2474 (CS), 2597 (AF), 3246 (EF), 5865 (VA),
/// 8622 (LE).
pub(super) fn dscp(given: &Given<'_>) -> Result<u8, UsageError> {
    let words = "a number of 0 to 63, or one of CS0 to CS7, AF11 to AF43, EF, VA, LE";
    let word = given.text()?.to_ascii_uppercase();
    let digits = |text: &str| -> Option<Vec<u8>> {
        text.chars().map(|digit| u8::try_from(digit.to_digit(10)?).ok()).collect()
    };
    let class = match word.as_str() {
        "EF" => Some(46),
        "VA" => Some(44),
        "LE" => Some(1),
        name if name.starts_with("CS") => match digits(&name[2..]).as_deref() {
            Some([class @ 0..=7]) => Some(class * 8),
            _ => None,
        },
        name if name.starts_with("AF") => match digits(&name[2..]).as_deref() {
            Some([class @ 1..=4, drop @ 1..=3]) => Some(class * 8 + drop * 2),
            _ => None,
        },
        number => self::number(number).and_then(|n| u8::try_from(n).ok()).filter(|n| *n < 64),
    };
    class.ok_or_else(|| bad(given, words))
}

/// `--ttl`.
pub(super) fn ttl(given: &Given<'_>) -> Result<u8, UsageError> {
    let range = "1 to 255";
    let ttl = values::number(given, 1, range)?;
    u8::try_from(ttl).map_err(|_| UsageError::Number {
        option: given.written.to_owned(),
        value: ttl.to_string(),
        range,
    })
}

/// `--backlog`.
pub(super) fn backlog(given: &Given<'_>) -> Result<u32, UsageError> {
    let range = "1 to 2147483647";
    let backlog = values::number(given, 1, range)?;
    if i32::try_from(backlog).is_ok() {
        return Ok(backlog);
    }
    let value = backlog.to_string();
    Err(UsageError::Number { option: given.written.to_owned(), value, range })
}

/// `--ready-fd`: not a standard descriptor, since it is closed when it has been told.
pub(super) fn ready_fd(given: &Given<'_>) -> Result<u32, UsageError> {
    values::number(given, 3, "3 or more: the standard ones have other uses")
}

/// `--bind-device` and `--congestion`: a name the kernel can hold.
pub(super) fn name(given: &Given<'_>) -> Result<String, UsageError> {
    let name = given.text()?;
    let is_name = !name.is_empty() && name.len() <= NAME_MAX && !name.contains(['/', '\0', ' ']);
    if is_name {
        Ok(name.to_owned())
    } else {
        Err(bad(given, "a name of 1 to 15 letters and digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(value: &str) -> Given<'_> {
        Given { written: "--x", value: value.as_ref() }
    }

    #[test]
    fn sizes_have_units_of_1024() {
        for (word, size) in [("1", 1), ("64K", 65_536), ("2k", 2048), ("1M", 1 << 20)] {
            assert_eq!(buffer(&given(word)).unwrap(), size);
        }
        for word in ["", "0", "-1", "K", "1G", "1KB", "1.5M", "99999999999999999999", " 1"] {
            assert!(buffer(&given(word)).is_err(), "{word:?}");
        }
    }

    #[test]
    fn rates_are_for_both_two_or_named_directions() {
        let both = |send, recv| Some(Rates { send, recv });
        assert_eq!(rates("10K/s"), both(Some(10_240), Some(10_240)));
        assert_eq!(rates("1/s,2/s"), both(Some(1), Some(2)));
        assert_eq!(rates("recv=1G/s"), both(None, Some(1 << 30)));
        assert_eq!(rates("recv=3/s,send=4/s"), both(Some(4), Some(3)));
        for word in
            ["", "1", "1K", "0/s", "1/s,", "1/s,2/s,3/s", "send=1/s,2/s", "send=1/s,send=2/s"]
        {
            assert_eq!(rates(word), None, "{word:?}");
        }
    }

    #[test]
    fn keepalive_takes_up_to_three_values() {
        let one = keepalive(&given("60")).unwrap();
        assert_eq!((one.idle.as_secs(), one.interval, one.count), (60, None, None));
        let all = keepalive(&given("1m,5s,3")).unwrap();
        assert_eq!((all.idle.as_secs(), all.count), (60, Some(3)));
        assert_eq!(all.interval, Some(Duration::from_secs(5)));
        for word in ["", "0", "1500ms", "60,", "60,5,0", "60,5,128", "60,5,3,1", "10h"] {
            assert!(keepalive(&given(word)).is_err(), "{word:?}");
        }
    }

    #[test]
    fn classes_have_names() {
        for (word, class) in
            [("EF", 46), ("ef", 46), ("CS1", 8), ("AF41", 34), ("0", 0), ("63", 63)]
        {
            assert_eq!(dscp(&given(word)).unwrap(), class, "{word}");
        }
        for word in ["", "64", "CS8", "AF44", "AF4", "AF411", "XX"] {
            assert!(dscp(&given(word)).is_err(), "{word:?}");
        }
        assert_eq!(mark(&given("0x10")).unwrap(), 16);
        for word in ["", "0x", "-1", "4294967296", "+1", "0x+1"] {
            assert!(mark(&given(word)).is_err(), "{word:?}");
        }
    }
}
