//! POP3: `STLS` (RFC 2595, section 4).

use super::refusal::Refusal;
use super::script::{Script, begins};
use super::{Family, Progress};

#[derive(Default)]
pub(super) struct Pop3 {
    has_asked: bool,
}

impl Family for Pop3 {
    fn advance(&mut self, script: &mut Script) -> Result<Progress, Refusal> {
        while let Some(line) = script.line()? {
            let to = if self.has_asked { "STLS" } else { "the connection" };
            if begins(&line, "-ERR") {
                return Err(Refusal::refused(to, &line));
            }
            if !begins(&line, "+OK") {
                return Err(Refusal::strange("+OK or -ERR", &line));
            }
            if self.has_asked {
                return Ok(Progress::Ready);
            }
            script.say("STLS");
            self.has_asked = true;
        }
        Ok(Progress::More)
    }
}
