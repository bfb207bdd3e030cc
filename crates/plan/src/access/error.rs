//! What can be wrong with access rules, worded as Ncat words it.

use std::path::PathBuf;

use super::rules::Place;

/// Why one spec is refused. Its text is the message's first line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// What follows the slash is not a number.
    #[error("Error parsing netmask in \"{spec}\".")]
    MaskSyntax {
        /// The whole spec.
        spec: String,
    },
    /// More prefix bits than an address has.
    #[error("Illegal netmask in \"{spec}\". Must be smaller than address bit length.")]
    MaskTooLong {
        /// The whole spec.
        spec: String,
    },
    /// The same, for forms that can be several addresses.
    #[error("Illegal netmask in \"{spec}\". Must be between 0 and {max}.")]
    MaskRange {
        /// The whole spec.
        spec: String,
        /// 32, or 128 for a name that has only IPv6 addresses.
        max: u8,
    },
    /// More than [`SPEC_BYTES_MAX`](super::SPEC_BYTES_MAX) bytes.
    #[error("Host specification starting with \"{start}\" is too long.")]
    TooLong {
        /// Its first characters.
        start: String,
    },
    /// Neither an address nor a name. Ncat gives everything to the resolver and says that it failed.
    #[error("Error resolving name \"{host}\": {why}.")]
    Address {
        /// What stands before the slash.
        host: String,
        /// What is wrong with it.
        why: &'static str,
        /// What to write instead.
        hint: Option<String>,
    },
}

/// Why access rules cannot be loaded. Its text is the message's first line; exit code 2.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// A spec is refused.
    #[error("{cause}")]
    Spec {
        /// The spec as written.
        spec: String,
        /// Where it stands.
        place: Place,
        /// What is wrong.
        cause: SpecError,
    },
    /// A name has no address.
    #[error("Error resolving name \"{host}\": {cause}")]
    Resolve {
        /// The name.
        host: String,
        /// The spec as written.
        spec: String,
        /// Where it stands.
        place: Place,
        /// What the resolver said.
        cause: String,
    },
    /// A file cannot be read.
    #[error("can't open {}: {cause}. QUITTING.", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
}

impl AccessError {
    /// The subject, Ncat's second line; `None` when the first line has it all.
    pub fn subject(&self) -> Option<String> {
        match self {
            Self::Spec { spec, place, .. } | Self::Resolve { spec, place, .. } => {
                Some(match place {
                    Place::File { path, line } => {
                        format!("error in hosts file {}, line {line}. QUITTING.", path.display())
                    }
                    option => {
                        format!("error in host specification \"{spec}\" of {option}. QUITTING.")
                    }
                })
            }
            Self::File { .. } => None,
        }
    }

    /// What to write instead, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Spec { cause: SpecError::Address { hint, .. }, .. } => hint.as_deref(),
            _ => None,
        }
    }
}
