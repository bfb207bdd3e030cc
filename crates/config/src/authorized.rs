//! `authorized-networks.txt`: which networks may be tested and scanned.
//!
//! One network, address or `name:NETWORK` a line, then `key=value` words; `#` begins a comment. A target is
//! authorised when every address of it lies inside the valid lines together: containment, never text or a pattern.
//! A file that others could have written counts as empty.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use decision::time;
use ipnet::IpNet;

use crate::value::{Rate, network};
use crate::yaml::BYTES_MAX;

/// What a line names.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Named {
    /// A network.
    Net(IpNet),
    /// A named network of the configuration.
    Name(String),
}

/// A line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// What it names.
    pub what: Named,
    /// It counts before this moment, in microseconds since 1970-01-01 UTC.
    pub until: Option<i64>,
    /// First and last ports; none for all.
    pub ports: Vec<(u16, u16)>,
    /// How fast.
    pub rate: Option<Rate>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Under which ticket.
    pub ticket: Option<String>,
}

/// The file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Authorized {
    /// Its good lines.
    pub lines: Vec<Line>,
    /// Bad lines and doubtful ones: number and what is wrong. 0 is the file itself.
    pub problems: Vec<(usize, String)>,
}

impl Authorized {
    /// Reads the file. What cannot be believed is empty, and says why.
    pub fn read(path: &Path) -> Self {
        let empty = |why: String| Self { lines: Vec::new(), problems: vec![(0, why)] };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) => return empty(format!("counts as empty: {error}")),
        };
        match crate::trusted(&file, false) {
            Ok(Ok(())) => {}
            Ok(Err(distrust)) => return empty(format!("counts as empty: {distrust}")),
            Err(error) => return empty(format!("counts as empty: {error}")),
        }
        let mut bytes = Vec::new();
        match file.take(BYTES_MAX as u64 * 16 + 1).read_to_end(&mut bytes) {
            Ok(length) if length > BYTES_MAX * 16 => {
                empty("counts as empty: longer than 16 MiB".into())
            }
            Ok(_) => Self::parse(&String::from_utf8_lossy(&bytes)),
            Err(error) => empty(format!("counts as empty: {error}")),
        }
    }

    /// Reads the text of one.
    pub fn parse(text: &str) -> Self {
        let mut list = Self::default();
        let mut seen = std::collections::HashMap::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or("").trim();
            if line.is_empty() {
                continue;
            }
            match parse_line(number, line) {
                Ok(line) => {
                    let key = (line.what.clone(), line.ports.clone());
                    if let Some(first) = seen.insert(key, number) {
                        list.problems.push((number, format!("the same as line {first}")));
                    }
                    list.lines.push(line);
                }
                Err(why) => list.problems.push((number, why)),
            }
        }
        list
    }

    /// Lines that are over at this moment.
    pub fn expired(&self, at: i64) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.until.is_some_and(|until| at >= until))
    }

    /// Whether every address of `target` lies inside the lines that count now and cover the port.
    /// `named` gives the networks of a name.
    pub fn covers(
        &self,
        target: IpNet,
        port: u16,
        at: i64,
        named: impl Fn(&str) -> Vec<IpNet>,
    ) -> bool {
        let counts = |line: &&Line| {
            let open = line.ports.is_empty();
            let port = open || line.ports.iter().any(|(low, high)| (*low..=*high).contains(&port));
            port && line.until.is_none_or(|until| at < until)
        };
        let nets = self.lines.iter().filter(counts).flat_map(|line| match &line.what {
            Named::Net(net) => vec![*net],
            Named::Name(name) => named(name),
        });
        let nets: Vec<IpNet> = nets.collect();
        IpNet::aggregate(&nets).iter().any(|net| net.contains(&target))
    }
}

fn parse_line(number: usize, text: &str) -> Result<Line, String> {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or("");
    let what = match first.strip_prefix("name:") {
        Some("") => return Err("name: without a name".into()),
        Some(name) => Named::Name(name.to_owned()),
        None => Named::Net(network(first)?),
    };
    let (until, ports, rate, owner, ticket) = (None, Vec::new(), None, None, None);
    let mut line = Line { number, what, until, ports, rate, owner, ticket };
    for word in words {
        let (key, value) =
            word.split_once('=').ok_or_else(|| format!("{word:?} is not KEY=VALUE"))?;
        match key {
            "until" => line.until = Some(end_of(value)?),
            "ports" => line.ports = ports_of(value)?,
            "rate" => line.rate = Some(Rate::parse(value)?),
            "owner" => line.owner = Some(value.to_owned()),
            "ticket" => line.ticket = Some(value.to_owned()),
            _ => return Err(format!("unknown key {key:?}: until, ports, rate, owner, ticket")),
        }
    }
    Ok(line)
}

/// A date counts to its end.
fn end_of(text: &str) -> Result<i64, String> {
    let at = time::parse(text)?;
    Ok(if text.len() == "2027-01-31".len() { time::next_day(at) } else { at })
}

/// `80,443,8000-8099`.
///
/// # Errors
/// What is wrong, in words.
pub fn ports_of(text: &str) -> Result<Vec<(u16, u16)>, String> {
    let port = |digits: &str| {
        let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let port = all.then(|| digits.parse::<u16>().ok()).flatten().filter(|port| *port > 0);
        port.ok_or_else(|| format!("{digits:?} is not a port: 1 to 65535"))
    };
    let range = |part: &str| match part.split_once('-') {
        None => port(part).map(|port| (port, port)),
        Some((low, high)) => match (port(low)?, port(high)?) {
            (low, high) if low <= high => Ok((low, high)),
            _ => Err(format!("{part:?} goes backwards")),
        },
    };
    text.split(',').map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    fn covers(text: &str, target: &str, port: u16) -> bool {
        let dmz = |name: &str| match name {
            "dmz" => vec!["192.0.2.0/24".parse().unwrap()],
            _ => Vec::new(),
        };
        Authorized::parse(text).covers(target.parse().unwrap(), port, DAY, dmz)
    }

    #[test]
    fn containment() {
        let list = "10.0.0.0/25\r\n10.0.0.128/25 # both halves\n192.168.1.7\nname:dmz ports=80,443\n2001:db8::/32\n";
        for (target, port, expected) in [
            ("10.0.0.0/24", 22, true),
            ("10.0.0.64/26", 22, true),
            ("10.0.0.0/23", 22, false),
            ("192.168.1.7/32", 1, true),
            ("192.168.1.0/24", 1, false),
            ("192.0.2.5/32", 443, true),
            ("192.0.2.5/32", 444, false),
            ("2001:db8:1::/48", 1, true),
            ("::/0", 1, false),
            ("0.0.0.0/0", 1, false),
        ] {
            assert_eq!(covers(list, target, port), expected, "{target} {port}");
        }
        assert!(!covers("name:other", "192.0.2.5/32", 1));
    }

    #[test]
    fn dates_count_to_their_end() {
        let list = Authorized::parse("10.0.0.0/8 until=1970-01-02 owner=a ticket=T-1 rate=5/s\n");
        let target = "10.0.0.1/32".parse().unwrap();
        let none = |_: &str| Vec::new();
        assert!(list.covers(target, 1, 2 * DAY - 1, none));
        assert!(!list.covers(target, 1, 2 * DAY, none));
        assert_eq!((list.expired(2 * DAY).count(), list.expired(0).count()), (1, 0));
        assert_eq!(list.lines[0].ticket.as_deref(), Some("T-1"));
    }

    #[test]
    fn bad_lines_are_named_and_the_others_count() {
        let text = "\u{feff}10.0.0.0/8\n.*\n10.0.0.1/8\n10.0.0.0/33\n\n10.0.0.0/8\n1.2.3.4 ports=0\n1.2.3.4 until=soon\n1.2.3.4 x=y\nname:\n1.2.3.4 y\n127.1\n";
        let list = Authorized::parse(text);
        let numbers: Vec<usize> = list.problems.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [2, 3, 4, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(list.lines.len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_write_counts_as_empty() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("authorized-networks.txt");
        std::fs::write(&path, "10.0.0.0/8\n").unwrap();
        for (mode, lines) in [(0o644, 1), (0o600, 1), (0o664, 0), (0o646, 0), (0o666, 0)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let list = Authorized::read(&path);
            assert_eq!(list.lines.len(), lines, "{mode:o}");
            assert_eq!(list.problems.len(), 1 - lines);
        }
        assert!(Authorized::read(&dir.path().join("none")).problems[0].1.contains("empty"));
    }

    proptest::proptest! {
        #[test]
        fn any_text(text: String) {
            let list = Authorized::parse(&text);
            let _ = list.covers("10.0.0.0/8".parse().unwrap(), 1, 0, |_| Vec::new());
        }
    }
}
