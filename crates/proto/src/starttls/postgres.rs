//! PostgreSQL: the SSLRequest (its manual, "SSL Session Encryption" in "Message Flow").

use super::refusal::Refusal;
use super::script::{LINE_MAX, Script, shown};
use super::{Family, Progress};

/// Length 8, and the number that is no version of the protocol.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

pub(super) struct Postgres;

impl Postgres {
    /// The client speaks first.
    pub(super) fn begin(script: &mut Script) -> Self {
        script.send(&REQUEST, "SSLRequest");
        Self
    }
}

impl Family for Postgres {
    fn advance(&mut self, script: &mut Script) -> Result<Progress, Refusal> {
        let Some(answer) = script.peek(1).map(|byte| byte[0]) else { return Ok(Progress::More) };
        match answer {
            b'S' => {
                script.bytes(1);
                script.heard("S (yes)".into());
                Ok(Progress::Ready)
            }
            b'N' => {
                script.heard("N (no)".into());
                Err(Refusal::refused("SSLRequest", b"N (ssl is off there)"))
            }
            b'E' => error(script),
            _ => Err(script.strange("S, N or an error")),
        }
    }
}

/// An ErrorResponse: E, a length that counts itself, and fields, each a letter and a text that ends
/// with a zero; M is the message. It is no more than a hint: anybody could have sent it.
fn error(script: &mut Script) -> Result<Progress, Refusal> {
    let Some(head) = script.peek(5) else { return Ok(Progress::More) };
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let length = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(1);
    if !(5..=LINE_MAX).contains(&length) {
        return Err(script.strange("S, N or an error"));
    }
    let Some(packet) = script.bytes(length) else { return Ok(Progress::More) };
    let mut fields = packet[5..].split(|byte| *byte == 0);
    let message = fields.find_map(|field| field.strip_prefix(b"M")).unwrap_or(b"an error");
    script.heard(format!("error: {}", shown(message)));
    Err(Refusal::refused("SSLRequest", message))
}
