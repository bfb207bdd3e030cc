//! LDAP: the extended operation StartTLS (RFC 4511, sections 4.12 and 4.14), in BER (X.690).

use super::refusal::Refusal;
use super::script::{LINE_MAX, Script, shown};
use super::{Family, Progress};

/// LDAPMessage { messageID 1, ExtendedRequest { requestName } }.
const REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const ENUMERATED: u8 = 0x0a;
const OCTETS: u8 = 0x04;
/// `[APPLICATION 24]`.
const EXTENDED_RESPONSE: u8 = 0x78;
/// The most bytes a length has here.
const LENGTH_BYTES: usize = 4;

pub(super) struct Ldap;

impl Ldap {
    /// The client speaks first.
    pub(super) fn begin(script: &mut Script) -> Self {
        script.send(REQUEST, "ExtendedRequest StartTLS");
        Self
    }
}

impl Family for Ldap {
    fn advance(&mut self, script: &mut Script) -> Result<Progress, Refusal> {
        let Some(size) = message_size(script)? else { return Ok(Progress::More) };
        let Some(message) = script.bytes(size) else { return Ok(Progress::More) };
        let Some(response) = response(&message) else {
            return Err(Refusal::strange("an ExtendedResponse", &message));
        };
        let words = format!("{} ({})", result(response.code), response.code);
        let text = shown(response.diagnostic);
        let words = if text.is_empty() { words } else { format!("{words}: {text}") };
        script.heard(words.clone());
        match response.code {
            0 if response.is_ours => Ok(Progress::Ready),
            _ => Err(Refusal::Refused { to: "StartTLS", answer: vec![words] }),
        }
    }
}

/// The size of the message that begins here, once its head is.
fn message_size(script: &Script) -> Result<Option<usize>, Refusal> {
    for size in 1..=2 + LENGTH_BYTES {
        let Some(head) = script.peek(size) else { return Ok(None) };
        if head[0] != SEQUENCE {
            return Err(script.strange("an ExtendedResponse"));
        }
        if let Some((content, length)) = head.get(1..).and_then(length) {
            let size = length.saturating_add(head.len() - content.len());
            return if size > LINE_MAX { Err(Refusal::TooLong) } else { Ok(Some(size)) };
        }
    }
    Err(script.strange("an ExtendedResponse"))
}

/// A definite length, and what follows it.
fn length(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (first, rest) = bytes.split_first()?;
    if *first < 0x80 {
        return Some((rest, usize::from(*first)));
    }
    let count = usize::from(*first & 0x7f);
    if !(1..=LENGTH_BYTES).contains(&count) {
        return None;
    }
    let (digits, rest) = rest.split_at_checked(count)?;
    let length = digits.iter().fold(0_u32, |length, byte| length << 8 | u32::from(*byte));
    Some((rest, usize::try_from(length).ok()?))
}

/// The content of an element with this tag, and what follows the element.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (rest, length) = length(rest)?;
    if *first == tag { rest.split_at_checked(length) } else { None }
}

struct Response<'a> {
    code: u8,
    diagnostic: &'a [u8],
    /// It answers our request; a server that ends the connection answers none.
    is_ours: bool,
}

fn response(message: &[u8]) -> Option<Response<'_>> {
    let (content, _) = element(message, SEQUENCE)?;
    let (id, rest) = element(content, INTEGER)?;
    let (content, _) = element(rest, EXTENDED_RESPONSE)?;
    let (code, rest) = element(content, ENUMERATED)?;
    let (_matched, rest) = element(rest, OCTETS)?;
    let (diagnostic, _) = element(rest, OCTETS)?;
    let is_ours =
        id.iter().fold(0_u64, |id, byte| id << 8 | u64::from(*byte)) == 1 && id.len() <= 4;
    match code {
        [code] => Some(Response { code: *code, diagnostic, is_ours }),
        _ => None,
    }
}

/// Names of results (RFC 4511, section 4.1.9) that this request has.
fn result(code: u8) -> &'static str {
    match code {
        0 => "success",
        1 => "operationsError",
        2 => "protocolError: it knows no StartTLS",
        8 => "strongerAuthRequired",
        10 => "referral",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        80 => "other",
        _ => "result",
    }
}
