//! ManageSieve: `STARTTLS` (RFC 5804, sections 1.7 and 2.2).

use super::refusal::Refusal;
use super::script::{Script, begins, shown};
use super::{Family, Progress};

#[derive(Default)]
pub(super) struct Sieve {
    has_asked: bool,
    /// What the greeting lists.
    abilities: Vec<String>,
    offers: bool,
}

/// How a line of the server's answers.
enum Answer {
    Yes,
    No,
    Ability,
}

fn read(line: &[u8]) -> Result<Answer, Refusal> {
    let ends = |word: &str| line.get(word.len()).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    match line {
        [b'"' | b'{', ..] => Ok(Answer::Ability),
        _ if begins(line, "OK") && ends("OK") => Ok(Answer::Yes),
        _ if begins(line, "NO") && ends("NO") => Ok(Answer::No),
        _ if begins(line, "BYE") && ends("BYE") => Ok(Answer::No),
        _ => Err(Refusal::strange("OK, NO or what it can", line)),
    }
}

impl Family for Sieve {
    fn advance(&mut self, script: &mut Script) -> Result<Progress, Refusal> {
        while let Some(line) = script.line_with_literals()? {
            let to = if self.has_asked { "STARTTLS" } else { "the connection" };
            match read(&line)? {
                Answer::No => return Err(Refusal::refused(to, &line)),
                Answer::Ability => {
                    self.offers |= begins(&line, "\"STARTTLS\"");
                    self.abilities.push(shown(&line));
                }
                Answer::Yes if self.has_asked => return Ok(Progress::Ready),
                Answer::Yes if !self.offers => {
                    let answer = std::mem::take(&mut self.abilities);
                    return Err(Refusal::NotOffered { answer });
                }
                Answer::Yes => {
                    script.say("STARTTLS");
                    self.has_asked = true;
                }
            }
        }
        Ok(Progress::More)
    }
}
