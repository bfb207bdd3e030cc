//! Proxies on the way: what the options said, and the chain that is decided from it.

mod environment;
mod url;

use std::fmt;
use std::path::PathBuf;

pub use environment::ProxyEnvironment;

/// Ncat's port of an HTTP proxy.
pub const HTTP_PROXY_PORT: u16 = 3128;
/// The registered port of SOCKS.
pub const SOCKS_PORT: u16 = 1080;
/// Proxies in a row; each costs at least one round trip over all before it.
pub const HOPS_IN_CHAIN_MAX: usize = 16;

/// What the options about proxies said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawProxy {
    /// `--proxy` values.
    pub proxies: Vec<Secret>,
    /// `--proxy-type` values.
    pub types: Vec<String>,
    /// `--proxy-auth` values.
    pub auths: Vec<Secret>,
    /// `--proxy-auth-file`.
    pub auth_file: Option<PathBuf>,
    /// `--proxy-dns` values, each a word or a list of them.
    pub dns: Vec<String>,
    /// `--proxy-trustfile`.
    pub trust_file: Option<PathBuf>,
    /// `--proxy-env`.
    pub uses_environment: bool,
    /// What the environment says about proxies. Always filled; used where it is asked for, and
    /// `NCAT_PROXY_AUTH` as in Ncat.
    pub environment: ProxyEnvironment,
    /// `--proxy-protocol`.
    pub protocol: Option<ProxyProtocol>,
    /// `--proxy-protocol-from` values.
    pub protocol_from: Vec<String>,
}

impl RawProxy {
    /// The values of one of Ncat's four options, by its long name, for the rules.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        match name {
            "proxy" => self.proxies.iter().map(|value| value.reveal()).collect(),
            "proxy-type" => self.types.iter().map(String::as_str).collect(),
            "proxy-auth" => self.auths.iter().map(|value| value.reveal()).collect(),
            "proxy-dns" => self.dns.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// Text that is not shown: `Debug` hides it.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` to itself.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What is spoken to a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyKind {
    /// HTTP CONNECT.
    Http,
    /// HTTP CONNECT inside TLS.
    Https,
    /// SOCKS 4, or 4a for a name.
    Socks4,
    /// SOCKS 5.
    Socks5,
}

impl ProxyKind {
    /// The port it is usually found at.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => HTTP_PROXY_PORT,
            Self::Https => 443,
            Self::Socks4 | Self::Socks5 => SOCKS_PORT,
        }
    }

    /// Its word in messages and events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks4 => "socks4",
            Self::Socks5 => "socks5",
        }
    }
}

/// Who looks up the name of what a proxy is asked to reach.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ProxyDns {
    /// We do.
    Local,
    /// The proxy does.
    #[default]
    Remote,
    /// We try, and the proxy does when we have no answer.
    Both,
    /// Nobody: it must be an address.
    None,
}

impl ProxyDns {
    /// The words of `--proxy-dns`.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("local", Self::Local),
        ("remote", Self::Remote),
        ("both", Self::Both),
        ("none", Self::None),
    ];

    /// What this word means.
    pub fn named(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(name, _)| *name == word).map(|(_, dns)| *dns)
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, dns)| *dns == self).map_or("", |(name, _)| name)
    }
}

/// Where a proxy's user name and password come from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum ProxyAuth {
    /// There are none.
    #[default]
    None,
    /// Given by an option, a URL or the environment: `user:password`.
    Given(Secret),
    /// A line of a file, counted from 0; an empty or missing line is none.
    File(PathBuf, usize),
}

/// One proxy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProxyHop {
    /// What is spoken to it.
    pub kind: ProxyKind,
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who we are to it.
    pub auth: ProxyAuth,
    /// Who looks up the name of the next.
    pub dns: ProxyDns,
}

impl ProxyHop {
    /// `host:port`, IPv6 in brackets.
    pub fn place(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// `--proxy-protocol`: the header of HAProxy's PROXY protocol at the start of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyProtocol {
    /// Send a header of version 1, which is text.
    Send1,
    /// Send a header of version 2, which is binary.
    Send2,
    /// Take a header where there is one.
    Accept,
    /// Refuse a client without.
    Require,
}

impl ProxyProtocol {
    /// The words of `--proxy-protocol`.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("send1", Self::Send1),
        ("send2", Self::Send2),
        ("accept", Self::Accept),
        ("require", Self::Require),
    ];

    /// Whether a header is sent.
    pub fn sends(self) -> bool {
        matches!(self, Self::Send1 | Self::Send2)
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }
}

/// Why the proxies cannot be understood; a whole message.
pub(crate) type BadProxy = String;

/// The proxies to pass on the way to `host`, nearest first.
pub(crate) fn chain(raw: &RawProxy, host: &str) -> Result<Vec<ProxyHop>, BadProxy> {
    let mut hops = match &raw.proxies[..] {
        [] if raw.uses_environment => raw.environment.proxy_for(host)?.into_iter().collect(),
        [] => Vec::new(),
        [one] if !url::is_url(one.reveal()) => {
            let kind = match raw.types.last().map(String::as_str) {
                Some("socks4" | "4") => ProxyKind::Socks4,
                Some("socks5" | "5") => ProxyKind::Socks5,
                _ => ProxyKind::Http,
            };
            vec![url::ncat(one.reveal(), kind)?]
        }
        several => {
            let hops = several.iter().map(|one| url::parse(one.reveal()));
            hops.collect::<Result<Vec<_>, _>>()?
        }
    };
    if hops.len() > HOPS_IN_CHAIN_MAX {
        return Err(format!(
            "Too many proxies: {}. QUITTING.\n  at most {HOPS_IN_CHAIN_MAX}",
            hops.len()
        ));
    }
    look_up(raw, &mut hops)?;
    authenticate(raw, &mut hops)?;
    Ok(hops)
}

/// `--proxy-dns`: one word for all, or a list with one for each.
fn look_up(raw: &RawProxy, hops: &mut [ProxyHop]) -> Result<(), BadProxy> {
    let Some(list) = raw.dns.last() else { return Ok(()) };
    let words: Vec<ProxyDns> = list.split(',').filter_map(ProxyDns::named).collect();
    if words.len() > 1 && words.len() != hops.len() {
        return Err(format!(
            "--proxy-dns has {} words for {} proxies. QUITTING.\n  hint: one word for all, or one for \
             each, as local,remote",
            words.len(),
            hops.len()
        ));
    }
    for (n, hop) in hops.iter_mut().enumerate() {
        hop.dns = words.get(n).or(words.first()).copied().unwrap_or(hop.dns);
    }
    Ok(())
}

/// What is in a URL is for that proxy. A file has a line for each. What was given once is for one
/// proxy only, the first that has nothing yet: no proxy is shown another's password.
fn authenticate(raw: &RawProxy, hops: &mut [ProxyHop]) -> Result<(), BadProxy> {
    if let Some(path) = &raw.auth_file {
        let without = hops.iter_mut().enumerate();
        for (line, hop) in without.filter(|(_, hop)| hop.auth == ProxyAuth::None) {
            hop.auth = ProxyAuth::File(path.clone(), line);
        }
        return Ok(());
    }
    let given = raw.auths.last().or(raw.environment.auth.as_ref());
    let has_proxies = !hops.is_empty();
    let without = hops.iter_mut().find(|hop| hop.auth == ProxyAuth::None);
    match (given, without) {
        (Some(given), Some(hop)) => hop.auth = ProxyAuth::Given(given.clone()),
        (Some(_), None) if !raw.auths.is_empty() && has_proxies => {
            return Err(
                "Every proxy has credentials in its URL, and --proxy-auth has others. QUITTING."
                    .into(),
            );
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
