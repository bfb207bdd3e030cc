//! The rules in force, and their verdicts.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;

use super::error::{AccessError, SpecError};
use super::octets::Octets;
use super::ranges::{Range, Ranges};
use super::spec::{Spec, net};
use super::{AccessSpec, items};

/// An octet form that takes more ranges than this is kept as it is and looked through.
const RANGES_PER_SPEC_MAX: usize = 16;

/// Where a rule was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// A value of `--allow`.
    Allow,
    /// A value of `--deny`.
    Deny,
    /// A file.
    File {
        /// As given.
        path: Arc<Path>,
        /// From 1.
        line: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("--allow"),
            Self::Deny => f.write_str("--deny"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// One rule as it was written. Displays as `"10.0.0.0/8" (hosts:14)`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// The spec.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" ({})", self.text, self.place)
    }
}

/// The answer for one peer. Displays as the reason, for a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict<'r> {
    /// There is no allow option, and no deny rule matches.
    Allowed,
    /// This allow rule matches, and no deny rule does.
    AllowedBy(&'r Rule),
    /// This deny rule matches.
    DeniedBy(&'r Rule),
    /// There are allow options, and none of their rules matches.
    NotAllowed,
}

impl Verdict<'_> {
    /// Whether the peer may connect.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed | Self::AllowedBy(_))
    }
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.write_str("no rule forbids it"),
            Self::AllowedBy(rule) => write!(f, "matches allow rule {rule}"),
            Self::DeniedBy(rule) => write!(f, "matches deny rule {rule}"),
            Self::NotAllowed => f.write_str("matches no allow rule"),
        }
    }
}

/// The rules in force. The default lets everybody in.
#[derive(Clone, Debug, Default)]
pub struct AccessRules {
    /// `None` without an allow option.
    allow: Option<Set>,
    deny: Set,
}

impl AccessRules {
    /// Reads every file and resolves every name of `spec`, in this order: `--allow`, its files,
    /// `--deny`, its files.
    ///
    /// `resolve` gives all addresses of a name in the families in use; it refuses when names are not to
    /// be looked up. Its error text ends up behind `Error resolving name "…": `.
    ///
    /// # Errors
    /// [`AccessError`] for the first thing wrong.
    pub fn load(
        spec: &AccessSpec,
        read: &mut dyn FnMut(&Path) -> io::Result<String>,
        resolve: &mut dyn FnMut(&str) -> Result<Vec<IpAddr>, String>,
    ) -> Result<Self, AccessError> {
        let mut load = |values: &[String], option: Place, files: &[PathBuf]| {
            let mut draft = Draft::default();
            for text in values.iter().flat_map(|value| items::of_option(value)) {
                draft.add(&text, option.clone(), resolve)?;
            }
            for path in files {
                draft.add_file(path, read, resolve)?;
            }
            Ok(draft.finish())
        };
        let allow_given = spec.allow.is_some() || !spec.allow_files.is_empty();
        let allow = spec.allow.as_deref().unwrap_or_default();
        let allow = load(allow, Place::Allow, &spec.allow_files)?;
        let deny = load(&spec.deny, Place::Deny, &spec.deny_files)?;
        Ok(Self { allow: allow_given.then_some(allow), deny })
    }

    /// Whether nobody can be refused, so that peers need not be checked.
    pub fn is_open(&self) -> bool {
        self.allow.is_none() && self.deny.rules.is_empty()
    }

    /// Judges a peer; `None` is one without an IP address, such as a Unix socket's.
    ///
    /// An IPv4-mapped IPv6 address is judged as the IPv4 address it is. With several matching rules
    /// the verdict names the one written first.
    pub fn check(&self, peer: Option<IpAddr>) -> Verdict<'_> {
        let find = |set: &'_ Set| peer.and_then(|addr| set.find(addr.to_canonical()));
        if let Some(rule) = find(&self.deny) {
            return Verdict::DeniedBy(&self.deny.rules[rule]);
        }
        match &self.allow {
            None => Verdict::Allowed,
            Some(allow) => match find(allow) {
                Some(rule) => Verdict::AllowedBy(&allow.rules[rule]),
                None => Verdict::NotAllowed,
            },
        }
    }
}

/// The rules of all allow options, or of all deny options.
#[derive(Clone, Debug, Default)]
struct Set {
    rules: Vec<Rule>,
    v4: Ranges,
    v6: Ranges,
    /// Octet forms with too many ranges, in order of their rules.
    octets: Vec<(Octets, u32)>,
}

impl Set {
    /// The first rule that covers the address, which is not IPv4-mapped.
    fn find(&self, addr: IpAddr) -> Option<usize> {
        let rule = match addr {
            IpAddr::V6(addr) => self.v6.find(addr.to_bits()),
            IpAddr::V4(addr) => {
                let ranged = self.v4.find(addr.to_bits().into());
                let before = ranged.unwrap_or(u32::MAX);
                let mut earlier = self.octets.iter().take_while(|(_, rule)| *rule < before);
                earlier.find(|(octets, _)| octets.contains(addr)).map(|(_, rule)| *rule).or(ranged)
            }
        };
        rule.map(|rule| rule as usize)
    }
}

/// A [`Set`] being made.
#[derive(Default)]
struct Draft {
    rules: Vec<Rule>,
    v4: Vec<Range>,
    v6: Vec<Range>,
    octets: Vec<(Octets, u32)>,
}

impl Draft {
    fn add_file(
        &mut self,
        path: &Path,
        read: &mut dyn FnMut(&Path) -> io::Result<String>,
        resolve: &mut dyn FnMut(&str) -> Result<Vec<IpAddr>, String>,
    ) -> Result<(), AccessError> {
        let text = read(path)
            .map_err(|error| AccessError::File { path: path.into(), cause: plain_cause(&error) })?;
        let path: Arc<Path> = path.into();
        for (line, spec) in items::of_file(&text) {
            self.add(spec, Place::File { path: Arc::clone(&path), line }, resolve)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        text: &str,
        place: Place,
        resolve: &mut dyn FnMut(&str) -> Result<Vec<IpAddr>, String>,
    ) -> Result<(), AccessError> {
        let rule = u32::try_from(self.rules.len()).expect("2^32 rules do not fit in memory");
        let refuse = |cause| AccessError::Spec { spec: text.into(), place: place.clone(), cause };
        match Spec::parse(text).map_err(refuse)? {
            Spec::Net(net) => self.add_net(net, rule),
            Spec::Octets(octets) => self.add_octets(*octets, rule),
            Spec::Name { host, bits } => {
                let fail = |cause| AccessError::Resolve {
                    host: host.clone(),
                    spec: text.into(),
                    place: place.clone(),
                    cause,
                };
                let addrs = resolve(&host).map_err(fail)?;
                if addrs.is_empty() {
                    return Err(fail("the name has no address".into()));
                }
                let max = if addrs.iter().any(IpAddr::is_ipv4) { 32 } else { 128 };
                for addr in addrs {
                    let net = net(addr, bits)
                        .ok_or_else(|| refuse(SpecError::MaskRange { spec: text.into(), max }))?;
                    self.add_net(net, rule);
                }
            }
        }
        self.rules.push(Rule { text: text.into(), place });
        Ok(())
    }

    fn add_net(&mut self, net: IpNet, rule: u32) {
        match net {
            IpNet::V4(net) => {
                let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
                self.v4.push(Range { first: first.into(), last: last.into(), rule });
            }
            IpNet::V6(net) => {
                let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
                self.v6.push(Range { first, last, rule });
            }
        }
    }

    fn add_octets(&mut self, octets: Octets, rule: u32) {
        match octets.ranges(RANGES_PER_SPEC_MAX) {
            Some(ranges) => self.v4.extend(ranges.into_iter().map(|(first, last)| Range {
                first: first.into(),
                last: last.into(),
                rule,
            })),
            None => self.octets.push((octets, rule)),
        }
    }

    fn finish(self) -> Set {
        let Self { rules, v4, v6, octets } = self;
        Set { rules, v4: Ranges::new(v4), v6: Ranges::new(v6), octets }
    }
}

/// The system's words without Rust's ` (os error 2)`: that is the line scripts look for.
fn plain_cause(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((cause, _)) => cause.to_owned(),
        None => text,
    }
}
