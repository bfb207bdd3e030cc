//! Values: what a text means for a kind of key.

use std::fmt;

use ipnet::IpNet;

/// A unit of time in a duration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// Seconds.
    S,
    /// Minutes.
    M,
    /// Hours.
    H,
    /// Days of 24 hours.
    D,
    /// Calendar years.
    Y,
}

impl Unit {
    const ALL: [(&'static str, Self); 6] = [
        ("ms", Self::Ms),
        ("s", Self::S),
        ("m", Self::M),
        ("h", Self::H),
        ("d", Self::D),
        ("y", Self::Y),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, unit)| *unit == self).map_or("", |(word, _)| word)
    }

    /// Microseconds; of a year, those of its shortest, 365 days.
    fn micros(self) -> i64 {
        const SECOND: i64 = 1_000_000;
        match self {
            Self::Ms => 1000,
            Self::S => SECOND,
            Self::M => 60 * SECOND,
            Self::H => 3600 * SECOND,
            Self::D => 86_400 * SECOND,
            Self::Y => 365 * 86_400 * SECOND,
        }
    }
}

/// A duration as written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Period {
    /// How many.
    pub count: u32,
    /// Of what.
    pub unit: Unit,
}

impl Period {
    /// The least it can be, in microseconds: calendar years have leap days on top (see [`days_min`](Self::days_min)).
    pub fn micros(self) -> i64 {
        let leaps = if self.unit == Unit::Y { i64::from(self.count / 4) } else { 0 };
        i64::from(self.count) * self.unit.micros() + leaps * Unit::D.micros()
    }

    /// Whole days, at least.
    pub fn days_min(self) -> i64 {
        self.micros() / Unit::D.micros()
    }

    /// Reads `10s`, `500ms`, `7y`; a bare number counts `bare`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str, bare: Option<Unit>) -> Result<Self, String> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, word) = text.split_at(split);
        if text.starts_with('-') {
            return Err(format!("{text:?} is negative"));
        }
        let count: u32 = digits.parse().map_err(|_| {
            format!("{text:?} is not a duration: a number and ms, s, m, h, d or y, as 10s")
        })?;
        let unit = match (word, bare) {
            ("", Some(unit)) => unit,
            ("", None) => return Err(format!("{text:?} has no unit: ms, s, m, h, d or y")),
            _ => Unit::ALL
                .iter()
                .find(|(known, _)| *known == word)
                .map(|(_, unit)| *unit)
                .ok_or_else(|| format!("{word:?} is not a unit of time: ms, s, m, h, d, y"))?,
        };
        Ok(Self { count, unit })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.word())
    }
}

/// So many in a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In which time.
    pub per: Unit,
}

impl Rate {
    /// Reads `10/s`, `6/min`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a rate: a number, / and s, min or h, as 10/s");
        let (count, per) = text.split_once('/').ok_or_else(wrong)?;
        let per = match per {
            "s" => Unit::S,
            "min" => Unit::M,
            "h" => Unit::H,
            _ => return Err(wrong()),
        };
        let count = count.parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
        Ok(Self { count, per })
    }

    /// Microseconds in which one is earned.
    pub fn micros_each(self) -> i64 {
        self.per.micros() / i64::from(self.count)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = if self.per == Unit::M { "min" } else { self.per.word() };
        write!(f, "{}/{per}", self.count)
    }
}

/// Reads `64KiB`, `5MiB`, `4GiB` or bytes.
///
/// # Errors
/// What is wrong, in words.
pub fn size(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, word) = text.split_at(split);
    let shift = match word {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return Err(format!("{text:?} is not a size: a number and KiB, MiB, GiB or TiB")),
    };
    let count: u64 = digits.parse().map_err(|_| format!("{text:?} is not a size, as 64KiB"))?;
    count.checked_mul(1 << shift).ok_or_else(|| format!("{text:?} is too large"))
}

fn size_text(bytes: u64) -> String {
    for (shift, word) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes > 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{word}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// Reads a network: a CIDR without host bits, or an address alone.
///
/// # Errors
/// What is wrong and how to write it.
pub fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(addr) = text.parse::<std::net::IpAddr>() {
        return Ok(IpNet::from(addr));
    }
    let net: IpNet = text
        .parse()
        .map_err(|_| format!("{text:?} is not a network: ADDRESS/BITS, as 10.0.0.0/8"))?;
    if net.trunc() != net {
        return Err(format!("{text:?} has bits beyond its length; {} is meant?", net.trunc()));
    }
    Ok(net)
}

/// A value of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Real(f64),
    /// A text, path, address or word.
    Text(String),
    /// A duration.
    Period(Period),
    /// Bytes.
    Size(u64),
    /// So many in a time.
    Rate(Rate),
    /// Networks.
    Nets(Vec<IpNet>),
    /// Ports.
    Ports(Vec<u16>),
    /// Texts.
    Texts(Vec<String>),
    /// A list or map whose members are settings of their own; this many.
    Holder(usize),
    /// A secret that came without a file. Never shown.
    Secret(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
            let items: Vec<String> = items.iter().map(T::to_string).collect();
            write!(f, "[{}]", items.join(", "))
        }
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Real(value) => write!(f, "{value}"),
            Self::Text(text) => f.write_str(text),
            Self::Period(period) => write!(f, "{period}"),
            Self::Size(bytes) => f.write_str(&size_text(*bytes)),
            Self::Rate(rate) => write!(f, "{rate}"),
            Self::Nets(nets) => list(f, nets),
            Self::Ports(ports) => list(f, ports),
            Self::Texts(texts) => list(f, texts),
            Self::Holder(count) => write!(f, "({count})"),
            Self::Secret(_) => f.write_str("<set>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods() {
        for (text, micros) in
            [("500ms", 500_000), ("10s", 10_000_000), ("2555d", 2555 * 86_400_000_000)]
        {
            let period = Period::parse(text, None).unwrap();
            assert_eq!((period.micros(), period.to_string()), (micros, text.to_owned()));
        }
        assert_eq!(Period::parse("7y", None).unwrap().days_min(), 7 * 365 + 1);
        assert_eq!(Period::parse("2555", Some(Unit::D)).unwrap().to_string(), "2555d");
        for wrong in ["", "-1d", "s", "10", "10 s", "10S", "1.5h", "99999999999d", "٣s"] {
            assert!(Period::parse(wrong, None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_sizes_networks() {
        assert_eq!(Rate::parse("6/min").unwrap().micros_each(), 10_000_000);
        assert_eq!(Rate::parse("6/min").unwrap().to_string(), "6/min");
        for wrong in ["", "6", "0/s", "6/d", "-1/s", "6/ s"] {
            assert!(Rate::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(Value::Size(4 << 30).to_string(), "4GiB");
        for wrong in ["", "KiB", "64kb", "-1", "99999999TiB", "1 MiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert!(network("10.0.0.1/8").unwrap_err().contains("10.0.0.0/8"));
        assert!(network("10.0.0.0/33").is_err());
        assert_eq!(network("10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
    }
}
