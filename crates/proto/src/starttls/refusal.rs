//! Why there is no TLS, in words.

use std::fmt;

use super::Protocol;
use super::script::{LINE_MAX, TOTAL_MAX, shown};

/// Lines of an answer worth showing.
const ANSWER_LINES: usize = 6;

/// Why a dialogue came to nothing. Text in it is safe for terminals.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The server will not have us, or not just now.
    Refused {
        /// To what it answered.
        to: &'static str,
        /// What it answered.
        answer: Vec<String>,
    },
    /// The server lists what it can, and this is not in it.
    NotOffered {
        /// What it lists.
        answer: Vec<String>,
    },
    /// No answer of that protocol.
    Strange {
        /// What was expected.
        wanted: &'static str,
        /// What came.
        answer: String,
    },
    /// Something came after the leave to begin TLS: it was to be taken for something said under TLS.
    Injected {
        /// Its beginning.
        bytes: String,
    },
    /// A line or packet is too long.
    TooLong,
    /// The server talks and talks.
    TooMuch,
    /// The server ended the connection.
    Ended {
        /// What it had begun to say.
        unfinished: String,
        /// It has said something.
        said_something: bool,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { .. } => f.write_str("the server refuses"),
            Self::NotOffered { .. } => f.write_str("the server does not offer it"),
            Self::Strange { .. } => f.write_str("the server does not speak that protocol"),
            Self::Injected { .. } => f.write_str("plaintext after the leave to begin TLS"),
            Self::TooLong => write!(f, "the server's line is longer than {LINE_MAX} bytes"),
            Self::TooMuch => write!(f, "the server said more than {TOTAL_MAX} bytes"),
            Self::Ended { .. } => f.write_str("the server closed the connection"),
        }
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    pub(super) fn refused(to: &'static str, answer: &[u8]) -> Self {
        Self::Refused { to, answer: vec![shown(answer)] }
    }

    pub(super) fn strange(wanted: &'static str, answer: &[u8]) -> Self {
        Self::Strange { wanted, answer: shown(answer) }
    }

    /// Whether somebody tampers with the connection, so that no other address is worth a try.
    pub fn is_attack(&self) -> bool {
        matches!(self, Self::Injected { .. })
    }

    /// The lines below the first: what the server said, what to do.
    pub fn more(&self, protocol: Protocol) -> Vec<String> {
        let says = |answer: &[String]| {
            let mut lines: Vec<String> = answer.iter().take(ANSWER_LINES).map(quoted).collect();
            if answer.len() > ANSWER_LINES {
                lines.push(format!("and {} lines more", answer.len() - ANSWER_LINES));
            }
            lines
        };
        let mut lines = match self {
            Self::Refused { to, answer } => {
                [vec![format!("its answer to {to}:")], says(answer)].concat()
            }
            Self::NotOffered { answer } if answer.is_empty() => vec!["it offers nothing".into()],
            Self::NotOffered { answer } => [vec!["it offers:".into()], says(answer)].concat(),
            Self::Strange { wanted, answer } => {
                vec![format!("{wanted} was expected, and this came:"), quoted(answer)]
            }
            Self::Injected { bytes } => {
                vec!["it would be taken for something said under TLS:".into(), quoted(bytes)]
            }
            Self::TooLong | Self::TooMuch => Vec::new(),
            Self::Ended { unfinished, .. } if !unfinished.is_empty() => {
                vec!["it had begun to say:".into(), quoted(unfinished)]
            }
            Self::Ended { said_something: false, .. } => vec!["it had said nothing".into()],
            Self::Ended { .. } => Vec::new(),
        };
        lines.extend(self.hint(protocol).map(|hint| format!("hint: {hint}")));
        lines
    }

    fn hint(&self, protocol: Protocol) -> Option<String> {
        let name = protocol.name();
        Some(match self {
            Self::NotOffered { .. } => format!("is TLS set up there? Some {name} servers have it on a port of its own (--ssl alone)"),
            Self::Strange { .. } => format!("does it speak {name} there? A port that begins with TLS wants --ssl alone"),
            Self::Injected { .. } => "somebody between here and the server tampers with the connection, or the server is broken".into(),
            Self::Ended { said_something: false, .. } => "a port that begins with TLS looks like this; it wants --ssl alone".into(),
            _ => return None,
        })
    }
}

fn quoted(line: &String) -> String {
    format!("| {line}")
}
