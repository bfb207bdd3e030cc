//! `-l --proxy-type`: serving as a proxy.

use crate::ProxyAuth;
use crate::destinations::{BadDestination, Destinations};

/// What is spoken to clients.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServerKind {
    /// HTTP/1.0 and 1.1.
    Http,
    /// SOCKS4 and 4a.
    Socks4,
    /// SOCKS5.
    Socks5,
    /// SOCKS4, 4a and 5.
    Socks,
    /// All of them, told apart by a client's first byte.
    Any,
}

impl ServerKind {
    /// The words of `--proxy-type` that a listener takes.
    pub const WORDS: [&str; 5] = ["http", "socks4", "socks5", "socks", "any"];

    /// What this word means.
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "http" => Self::Http,
            "socks4" => Self::Socks4,
            "socks5" => Self::Socks5,
            "socks" => Self::Socks,
            "any" => Self::Any,
            _ => return None,
        })
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Socks4 => "socks4",
            Self::Socks5 => "socks5",
            Self::Socks => "socks",
            Self::Any => "any",
        }
    }

    /// The port it is usually found at: Ncat's for HTTP, the registered one for SOCKS.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http | Self::Any => 3128,
            Self::Socks4 | Self::Socks5 | Self::Socks => 1080,
        }
    }

    /// Whether HTTP is spoken.
    pub fn has_http(self) -> bool {
        matches!(self, Self::Http | Self::Any)
    }

    /// Whether SOCKS4 and 4a are spoken.
    pub fn has_socks4(self) -> bool {
        matches!(self, Self::Socks4 | Self::Socks | Self::Any)
    }

    /// Whether SOCKS5 is spoken.
    pub fn has_socks5(self) -> bool {
        matches!(self, Self::Socks5 | Self::Socks | Self::Any)
    }
}

/// What the options about destinations said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RawProxyServer {
    /// `--proxy-allow`.
    pub allow: Vec<String>,
    /// `--proxy-deny`.
    pub deny: Vec<String>,
}

impl RawProxyServer {
    /// Whether there are rules.
    pub fn is_given(&self) -> bool {
        !self.allow.is_empty() || !self.deny.is_empty()
    }

    pub(crate) fn destinations(&self) -> Destinations {
        let parse = |texts: &[String]| texts.iter().filter_map(|text| text.parse().ok()).collect();
        Destinations { allow: parse(&self.allow), deny: parse(&self.deny) }
    }

    /// The first rule that is none: its option, itself, and why.
    pub(crate) fn bad(&self) -> Option<(&'static str, &str, BadDestination)> {
        let allow = self.allow.iter().map(|text| ("--proxy-allow", text));
        let deny = self.deny.iter().map(|text| ("--proxy-deny", text));
        allow.chain(deny).find_map(|(option, text)| {
            let bad = text.parse::<crate::Destination>().err()?;
            Some((option, text.as_str(), bad))
        })
    }
}

/// A listener that is a proxy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProxyServer {
    /// What is spoken to clients.
    pub kind: ServerKind,
    /// Where they may be connected to.
    pub destinations: Destinations,
    /// Who may use it: one user, or one in each line of a file.
    pub users: ProxyAuth,
}
