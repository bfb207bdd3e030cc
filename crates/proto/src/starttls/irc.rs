//! IRC: `STARTTLS` (IRCv3's tls extension, which it deprecates in favour of a port of its own).

use super::refusal::Refusal;
use super::script::Script;
use super::{Family, Progress};

pub(super) struct Irc;

impl Irc {
    /// The client speaks first.
    pub(super) fn begin(script: &mut Script) -> Self {
        script.say("STARTTLS");
        Self
    }
}

/// A line's command: after tags and who it is from.
fn command(line: &[u8]) -> &[u8] {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let is_before = |word: &&[u8]| word.starts_with(b"@") || word.starts_with(b":");
    words.find(|word| !is_before(word)).unwrap_or_default()
}

impl Family for Irc {
    fn advance(&mut self, script: &mut Script) -> Result<Progress, Refusal> {
        while let Some(line) = script.line()? {
            match command(&line) {
                b"670" => return Ok(Progress::Ready),
                // ERR_STARTTLS; unknown command, not registered, already registered; the end.
                b"691" | b"421" | b"451" | b"462" | b"ERROR" => {
                    return Err(Refusal::refused("STARTTLS", &line));
                }
                // Servers talk about looking up our name meanwhile.
                b"NOTICE" | b"020" | b"PING" | b"CAP" | b"" => {}
                _ => return Err(Refusal::strange("670 or 691", &line)),
            }
        }
        Ok(Progress::More)
    }
}
