//! What has arrived and is not read yet, what is to be sent, and what was said.

use std::borrow::Cow;

use super::refusal::Refusal;
use crate::escape;

/// Longest line or packet taken, in bytes; servers' lists of abilities are far below it.
pub const LINE_MAX: usize = 8 * 1024;
/// The most a server may say before TLS begins, in bytes.
pub const TOTAL_MAX: usize = 64 * 1024;
/// Lines kept for whoever follows the dialogue; a banner can have more, and is cut there.
const SAID_MAX: usize = 200;

/// One thing that was said, in words that are safe for terminals.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Said {
    /// By us.
    Sent(String),
    /// By the server.
    Received(String),
}

#[derive(Default)]
pub(super) struct Script {
    input: Vec<u8>,
    /// Bytes of `input` that are read.
    read: usize,
    output: Vec<u8>,
    said: Vec<Said>,
    total: usize,
}

impl Script {
    /// Takes what has arrived; of what is beyond the limit nothing is kept.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        let room = TOTAL_MAX.saturating_sub(self.total);
        self.total = self.total.saturating_add(bytes.len());
        self.input.drain(..std::mem::take(&mut self.read));
        self.input.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Whether what waits for its end may still have one.
    pub(super) fn check_limits(&self) -> Result<(), Refusal> {
        self.check_line()?;
        if self.total > TOTAL_MAX { Err(Refusal::TooMuch) } else { Ok(()) }
    }

    /// What is here and not read.
    pub(super) fn unread(&self) -> &[u8] {
        &self.input[self.read..]
    }

    fn left(&self) -> usize {
        self.unread().len()
    }

    /// What is here and not read, to be shown.
    pub(super) fn rest(&self) -> String {
        shown(self.unread())
    }

    pub(super) fn heard_something(&self) -> bool {
        self.total > 0
    }

    fn check_line(&self) -> Result<(), Refusal> {
        if self.left() > LINE_MAX { Err(Refusal::TooLong) } else { Ok(()) }
    }

    /// The next line, without its end (CR LF, or LF alone, which some send).
    pub(super) fn line(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(end) = memchr::memchr(b'\n', self.unread()) else {
            return self.check_line().map(|()| None);
        };
        self.take_line(end).map(Some)
    }

    fn take_line(&mut self, end: usize) -> Result<Vec<u8>, Refusal> {
        if end > LINE_MAX {
            return Err(Refusal::TooLong);
        }
        let line = &self.unread()[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.read += end + 1;
        self.heard(shown(&line));
        Ok(line)
    }

    /// The next line of a protocol with literals: a line that ends with `{n}` or `{n+}` goes on with n
    /// bytes of any kind, and then with more of itself (RFC 9051, section 4.3).
    pub(super) fn line_with_literals(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        let mut from = 0;
        loop {
            let unread = self.unread();
            let Some(end) = unread.get(from..).and_then(|rest| memchr::memchr(b'\n', rest)) else {
                return self.check_line().map(|()| None);
            };
            let end = from + end;
            match literal(&unread[from..end]) {
                Some(length) if length > LINE_MAX => return Err(Refusal::TooLong),
                Some(length) => from = end + 1 + length,
                None => return self.take_line(end).map(Some),
            }
        }
    }

    /// The next `n` bytes, which the caller tells about.
    pub(super) fn bytes(&mut self, n: usize) -> Option<Vec<u8>> {
        let bytes = self.unread().get(..n)?.to_vec();
        self.read += n;
        Some(bytes)
    }

    /// The next `n` bytes, left where they are.
    pub(super) fn peek(&self, n: usize) -> Option<&[u8]> {
        self.unread().get(..n)
    }

    /// What is here is not of the protocol.
    pub(super) fn strange(&self, wanted: &'static str) -> Refusal {
        Refusal::Strange { wanted, answer: self.rest() }
    }

    /// Sends a line.
    pub(super) fn say(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        self.note(Said::Sent(shown(line.as_bytes())));
    }

    /// Sends bytes that `words` describe.
    pub(super) fn send(&mut self, bytes: &[u8], words: &str) {
        self.output.extend_from_slice(bytes);
        self.note(Said::Sent(shown(words.as_bytes())));
    }

    /// Takes note of what the server said.
    pub(super) fn heard(&mut self, words: String) {
        self.note(Said::Received(words));
    }

    fn note(&mut self, said: Said) {
        if self.said.len() < SAID_MAX {
            self.said.push(said);
        }
    }

    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    pub(super) fn take_said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }
}

/// The length that a literal's mark at the end of a line names.
fn literal(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"\r").unwrap_or(line).strip_suffix(b"}")?;
    let line = line.strip_suffix(b"+").unwrap_or(line);
    let open = memchr::memrchr(b'{', line)?;
    let digits = std::str::from_utf8(&line[open + 1..]).ok()?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // A number too large to be one is no length anybody can send.
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

/// What a server said, safe for a terminal and of a length that fits one.
pub(super) fn shown(bytes: &[u8]) -> String {
    /// Bytes of a line worth showing.
    const SHOWN: usize = 300;
    let cut = &bytes[..bytes.len().min(SHOWN)];
    let text: Cow<'_, str> = escape::terminal(cut);
    if cut.len() < bytes.len() { format!("{text}...") } else { text.into_owned() }
}

/// Whether `line` begins with `word` in any case.
pub(super) fn begins(line: &[u8], word: &str) -> bool {
    line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
}
