//! IMAP: `STARTTLS` (RFC 9051, section 6.2.1).

use super::refusal::Refusal;
use super::script::{Script, begins};
use super::{Family, Progress};

/// What our one command is called.
const TAG: &str = "a001";

#[derive(Default)]
pub(super) struct Imap {
    has_asked: bool,
}

impl Family for Imap {
    fn advance(&mut self, script: &mut Script) -> Result<Progress, Refusal> {
        while let Some(line) = script.line_with_literals()? {
            if self.has_asked {
                if let Some(progress) = answered(&line)? {
                    return Ok(progress);
                }
                continue;
            }
            greeted(&line)?;
            script.say(&format!("{TAG} STARTTLS"));
            self.has_asked = true;
        }
        Ok(Progress::More)
    }
}

fn greeted(line: &[u8]) -> Result<(), Refusal> {
    let Some(greeting) = line.strip_prefix(b"* ") else {
        return Err(Refusal::strange("a greeting that begins with *", line));
    };
    // To be somebody already, in the clear, is how an attacker keeps TLS from beginning.
    if begins(greeting, "PREAUTH") || begins(greeting, "BYE") {
        return Err(Refusal::refused("the connection", line));
    }
    if begins(greeting, "OK") { Ok(()) } else { Err(Refusal::strange("* OK", line)) }
}

/// What an answer means, unless it is one that nobody asked for.
fn answered(line: &[u8]) -> Result<Option<Progress>, Refusal> {
    let Some(result) = line.strip_prefix(TAG.as_bytes()).and_then(|rest| rest.strip_prefix(b" "))
    else {
        let is_untagged = line.starts_with(b"*");
        let is_end = line.strip_prefix(b"* ").is_some_and(|rest| begins(rest, "BYE"));
        return match (is_untagged, is_end) {
            (true, false) => Ok(None),
            (true, true) => Err(Refusal::refused("STARTTLS", line)),
            (false, _) => Err(Refusal::strange("an answer to STARTTLS", line)),
        };
    };
    let is_ok = begins(result, "OK") && result.get(2).is_none_or(|byte| *byte == b' ');
    if is_ok { Ok(Some(Progress::Ready)) } else { Err(Refusal::refused("STARTTLS", line)) }
}
