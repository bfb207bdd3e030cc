//! XMPP: `<starttls/>` in a client's stream (RFC 6120, section 5).
//!
//! Of XML only what a stream may have (section 11): tags and text. There is no tree: the few elements
//! that matter are known by their names.

use super::refusal::Refusal;
use super::script::{Script, shown};
use super::{Family, Progress};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:xmpp-tls";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// The server's stream begins.
    Stream,
    /// What it offers; whether TLS is in it.
    Features { is_within: bool },
    /// Its answer to our wish.
    Leave,
    /// `</proceed>`, from a server that does not write it short.
    Close,
    /// Why it ends the stream: the first element within the error.
    Error,
}

pub(super) struct Xmpp {
    step: Step,
    offered: Vec<String>,
    offers: bool,
}

/// A tag.
struct Tag {
    /// Without its prefix.
    name: Vec<u8>,
    whole: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Open,
    Close,
    Empty,
    /// `<?xml ...?>`.
    Declaration,
}

impl Xmpp {
    /// The client speaks first.
    pub(super) fn begin(script: &mut Script, server: Option<&str>) -> Self {
        let to = server.map(|name| format!(" to='{}'", attribute(name))).unwrap_or_default();
        let header = format!(
            "<?xml version='1.0'?><stream:stream{to} version='1.0' xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams'>"
        );
        script.send(header.as_bytes(), &header);
        Self { step: Step::Stream, offered: Vec::new(), offers: false }
    }

    fn take(&mut self, script: &mut Script, tag: &Tag) -> Result<Option<Progress>, Refusal> {
        if tag.kind == Kind::Declaration {
            return Ok(None);
        }
        let is = |name: &str| tag.name == name.as_bytes();
        let strange = |wanted| Err(Refusal::strange(wanted, &tag.whole));
        match self.step {
            Step::Error => return Err(Refusal::refused("our stream", &tag.whole)),
            _ if is("error") && tag.kind == Kind::Open => self.step = Step::Error,
            _ if is("stream") && tag.kind == Kind::Close => {
                return Err(Refusal::refused("our stream", &tag.whole));
            }
            Step::Stream if is("stream") && tag.kind == Kind::Open => {
                self.step = Step::Features { is_within: false };
            }
            Step::Stream => return strange("<stream:stream>"),
            Step::Features { is_within } => self.feature(script, tag, is_within)?,
            Step::Leave if is("proceed") && tag.kind == Kind::Empty => {
                return Ok(Some(Progress::Ready));
            }
            Step::Leave if is("proceed") && tag.kind == Kind::Open => self.step = Step::Close,
            Step::Leave if is("failure") => {
                return Err(Refusal::refused("<starttls/>", &tag.whole));
            }
            Step::Leave => return strange("<proceed/> or <failure/>"),
            Step::Close if is("proceed") && tag.kind == Kind::Close => {
                return Ok(Some(Progress::Ready));
            }
            Step::Close => return strange("</proceed>"),
        }
        Ok(None)
    }

    fn feature(&mut self, script: &mut Script, tag: &Tag, is_within: bool) -> Result<(), Refusal> {
        let is_features = tag.name == b"features";
        match (is_within, is_features, tag.kind) {
            (false, true, Kind::Open) => self.step = Step::Features { is_within: true },
            (false, true, Kind::Empty) | (true, true, Kind::Close) => {
                if !self.offers {
                    return Err(Refusal::NotOffered { answer: std::mem::take(&mut self.offered) });
                }
                let ask = format!("<starttls xmlns='{NAMESPACE}'/>");
                script.send(ask.as_bytes(), &ask);
                self.step = Step::Leave;
            }
            (false, ..) => return Err(Refusal::strange("<stream:features>", &tag.whole)),
            (true, ..) => {
                let is_tls = tag.name == b"starttls" && contains(&tag.whole, NAMESPACE.as_bytes());
                self.offers |= is_tls && tag.kind != Kind::Close;
                if tag.kind != Kind::Close {
                    self.offered.push(shown(&tag.whole));
                }
            }
        }
        Ok(())
    }
}

impl Family for Xmpp {
    fn advance(&mut self, script: &mut Script) -> Result<Progress, Refusal> {
        loop {
            if self.step == Step::Stream && !begins_with_tag(script) {
                // Another protocol, whose line is whole when it can be shown.
                return match script.line()? {
                    Some(line) => Err(Refusal::strange("<stream:stream>", &line)),
                    None => Ok(Progress::More),
                };
            }
            let Some(tag) = next(script)? else { return Ok(Progress::More) };
            script.heard(shown(&tag.whole));
            if let Some(progress) = self.take(script, &tag)? {
                return Ok(progress);
            }
        }
    }
}

/// The next tag; text before it means nothing here.
fn next(script: &mut Script) -> Result<Option<Tag>, Refusal> {
    let Some(size) = tag_size(script) else { return Ok(None) };
    let Some(bytes) = script.bytes(size) else { return Ok(None) };
    let start = memchr::memchr(b'<', &bytes).unwrap_or_default();
    let whole = bytes[start..].to_vec();
    let inner = &whole[1..whole.len() - 1];
    let (kind, inner) = match inner {
        [b'?', rest @ ..] => (Kind::Declaration, rest),
        [b'/', rest @ ..] => (Kind::Close, rest),
        [rest @ .., b'/'] => (Kind::Empty, rest),
        rest => (Kind::Open, rest),
    };
    // Comments, document types and the like have no place in a stream (section 11.1).
    if inner.first() == Some(&b'!') {
        return Err(Refusal::strange("a tag", &whole));
    }
    let name = inner.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let name = name.rsplit(|byte| *byte == b':').next().unwrap_or_default().to_vec();
    Ok(Some(Tag { name, whole, kind }))
}

/// How many bytes there are up to the end of the next tag: a `>` outside quotes.
fn tag_size(script: &Script) -> Option<usize> {
    let unread = script.unread();
    let start = memchr::memchr(b'<', unread)?;
    let mut quote = None;
    for (at, byte) in unread.iter().enumerate().skip(start) {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    None
}

/// Whether what is there can be a stream: nothing but blanks comes before its first tag.
fn begins_with_tag(script: &Script) -> bool {
    let first = script.unread().iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_none_or(|byte| *byte == b'<')
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(bytes, wanted).is_some()
}

/// A name as the value of an attribute.
fn attribute(name: &str) -> String {
    let escape = |character| match character {
        '&' => "&amp;".into(),
        '<' => "&lt;".into(),
        '\'' => "&apos;".into(),
        other => String::from(other),
    };
    name.chars().map(escape).collect()
}
