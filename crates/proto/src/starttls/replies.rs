//! SMTP, LMTP, FTP and NNTP: replies that begin with three digits (RFC 5321, section 4.2; RFC 959,
//! section 4.2; RFC 3977, section 3.1).

use std::net::IpAddr;

use super::refusal::Refusal;
use super::script::{Script, shown};
use super::{Family, Progress};

/// What the server is to say next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Greeting,
    Abilities,
    Leave,
}

/// Where the protocols differ.
struct Manner {
    /// Codes of a greeting that has us.
    greetings: &'static [u16],
    /// Asks for the list of abilities, where there is one.
    hello: Option<String>,
    /// Asks for TLS.
    ask: &'static str,
    /// Gives leave.
    leave: u16,
    /// Whether lines within a reply need not begin with its code (FTP).
    is_loose: bool,
    /// Whether a reply may have more than one line.
    is_multiline: bool,
}

pub(super) struct Replies {
    manner: Manner,
    step: Step,
    /// Lines of the reply under way, and its code.
    lines: Vec<Vec<u8>>,
    code: Option<u16>,
}

/// Who we are, in a way that claims nothing: an address literal, or the name of every machine.
fn own_name(own: Option<IpAddr>) -> String {
    match own {
        Some(IpAddr::V4(ip)) => format!("[{ip}]"),
        Some(IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
        None => "localhost".into(),
    }
}

impl Replies {
    pub(super) fn mail(hello: &str, own: Option<IpAddr>) -> Self {
        Self::new(Manner {
            greetings: &[220],
            hello: Some(format!("{hello} {}", own_name(own))),
            ask: "STARTTLS",
            leave: 220,
            is_loose: false,
            is_multiline: true,
        })
    }

    pub(super) fn ftp() -> Self {
        Self::new(Manner {
            greetings: &[220],
            hello: None,
            ask: "AUTH TLS",
            leave: 234,
            is_loose: true,
            is_multiline: true,
        })
    }

    pub(super) fn nntp() -> Self {
        Self::new(Manner {
            greetings: &[200, 201],
            hello: None,
            ask: "STARTTLS",
            leave: 382,
            is_loose: false,
            is_multiline: false,
        })
    }

    fn new(manner: Manner) -> Self {
        Self { manner, step: Step::Greeting, lines: Vec::new(), code: None }
    }

    /// The next whole reply: its code, and its lines in `self.lines`.
    fn reply(&mut self, script: &mut Script) -> Result<Option<u16>, Refusal> {
        if self.code.is_none() {
            self.lines.clear();
        }
        while let Some(line) = script.line()? {
            let (code, is_last) = match (code(&line), self.code) {
                (Some((code, is_last)), None) => (code, is_last || !self.manner.is_multiline),
                (Some((code, is_last)), Some(first)) if code == first => (code, is_last),
                (_, Some(first)) if self.manner.is_loose => (first, false),
                _ => return Err(Refusal::strange("a reply with a number", &line)),
            };
            self.code = Some(code);
            self.lines.push(line);
            if is_last {
                return Ok(self.code.take());
            }
        }
        Ok(None)
    }

    fn answer(&self) -> Vec<String> {
        self.lines.iter().map(|line| shown(line)).collect()
    }

    fn refused(&self, to: &'static str) -> Refusal {
        Refusal::Refused { to, answer: self.answer() }
    }

    /// Whether an ability is in the list; its first line is a greeting.
    fn offers(&self, ability: &str) -> bool {
        let texts = self.lines.iter().skip(1).filter_map(|line| line.get(4..));
        let mut words = texts.map(|text| text.split(u8::is_ascii_whitespace).next());
        words.any(|word| word.is_some_and(|word| word.eq_ignore_ascii_case(ability.as_bytes())))
    }

    fn after_greeting(&mut self, script: &mut Script, code: u16) -> Result<(), Refusal> {
        // FTP: ready in a few minutes; the greeting follows then.
        if code == 120 && self.manner.is_loose {
            return Ok(());
        }
        if !self.manner.greetings.contains(&code) {
            return Err(self.refused("the connection"));
        }
        self.step = match &self.manner.hello {
            Some(hello) => {
                script.say(hello);
                Step::Abilities
            }
            None => {
                script.say(self.manner.ask);
                Step::Leave
            }
        };
        Ok(())
    }

    fn after_abilities(&mut self, script: &mut Script, code: u16) -> Result<(), Refusal> {
        if code != 250 {
            return Err(self.refused("our greeting"));
        }
        if !self.offers(self.manner.ask) {
            return Err(Refusal::NotOffered { answer: self.answer() });
        }
        script.say(self.manner.ask);
        self.step = Step::Leave;
        Ok(())
    }
}

impl Family for Replies {
    fn advance(&mut self, script: &mut Script) -> Result<Progress, Refusal> {
        while let Some(code) = self.reply(script)? {
            match self.step {
                Step::Greeting => self.after_greeting(script, code)?,
                Step::Abilities => self.after_abilities(script, code)?,
                Step::Leave if code == self.manner.leave => return Ok(Progress::Ready),
                Step::Leave => return Err(self.refused(self.manner.ask)),
            }
        }
        Ok(Progress::More)
    }
}

/// The code a line begins with, and whether it is a reply's last.
fn code(line: &[u8]) -> Option<(u16, bool)> {
    let digits = line.get(..3)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match line.get(3) {
        None | Some(b' ') => Some((code, true)),
        Some(b'-') => Some((code, false)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        for (line, wanted) in [
            (&b"220 ready"[..], Some((220, true))),
            (b"220", Some((220, true))),
            (b"220-more", Some((220, false))),
            (b"22x", None),
            (b"22", None),
            (b"", None),
            (b"2200 x", None),
            (b"\xff20 x", None),
        ] {
            assert_eq!(code(line), wanted, "{line:?}");
        }
        assert_eq!(own_name("::1".parse().ok()), "[IPv6:::1]");
    }
}
