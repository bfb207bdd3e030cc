//! The file the counts are kept in.

use std::fmt::Write as _;
use std::process::Command;

const HEAD: &str = "\
# Instructions in user space of small fixed workloads of the release build, counted by callgrind, and the
# size of the program; the last column is the tolerance in percent. `cargo xtask ci` compares; a change that costs
# more changes this file on purpose: cargo xtask counts --update
";

/// All counts, and what they depend on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// Compiler, libraries and processor, in one line.
    pub(super) facts: String,
    pub(super) counts: Vec<Count>,
}

/// One workload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) name: String,
    /// Instructions; bytes for the program's size.
    pub(super) value: u64,
    /// Tolerance.
    pub(super) percent: u32,
}

impl Counts {
    pub(super) fn render(&self) -> String {
        let mut out = format!("{HEAD}for {}\n", self.facts);
        for Count { name, value, percent } in &self.counts {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{name:16} {value:>12} {percent:>3}");
        }
        out
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut facts = String::new();
        let mut counts = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(rest) = line.strip_prefix("for ") {
                rest.clone_into(&mut facts);
                continue;
            }
            let wrong = || format!("counts.txt: not a count: {line:?}");
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, value, percent] = words[..] else { return Err(wrong()) };
            counts.push(Count {
                name: name.to_owned(),
                value: value.parse().map_err(|_| wrong())?,
                percent: percent.parse().map_err(|_| wrong())?,
            });
        }
        Ok(Self { facts, counts })
    }
}

/// What the counts depend on beside the source.
pub(super) fn facts() -> String {
    let first_line = |program: &str, arg: &str| {
        let output = Command::new(program).arg(arg).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        text.ok().and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_default()
    };
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = |flag: &str| cpu.split_whitespace().any(|word| word == flag);
    let flags: Vec<&str> =
        ["sse4_2", "avx2", "sha_ni"].into_iter().filter(|flag| has(flag)).collect();
    [
        first_line("rustc", "--version"),
        first_line("openssl", "version"),
        first_line("valgrind", "--version"),
        format!("{} {}", std::env::consts::ARCH, flags.join(" ")),
    ]
    .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let count = |name: &str, value| Count { name: name.to_owned(), value, percent: 3 };
        let counts = vec![count("version", 123), count("binary-bytes", 45)];
        let all = Counts { facts: "rustc 1; x86_64".to_owned(), counts };
        assert_eq!(Counts::parse(&all.render()), Ok(all));
        assert!(Counts::parse("version 12 x").is_err());
        assert!(Counts::parse("version").is_err());
    }
}
