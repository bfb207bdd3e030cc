//! What is known about a question before any rule is asked: networks, ports, zones, grants, made plain facts.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use decision::address::{self, Form, Host};
use decision::{Act, Code, Question, Reason, Target, Tls};
use ipnet::IpNet;
use regex::Regex;

use crate::compile::{LISTED, LOOPBACK, RFC1918, ULA};
use crate::{Bundle, Grant, Prefixes, protected};

/// A network by name.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) name: Arc<str>,
    zone: Option<Arc<str>>,
}

/// The lists of a bundle, ready to be asked.
#[derive(Debug)]
pub(crate) struct Lists {
    networks: Prefixes<Label>,
    protected: Prefixes<String>,
    own: Vec<SocketAddr>,
    blocked_ports: Vec<u16>,
    ticket: Option<Regex>,
}

/// What a grant changes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Granted {
    pub(crate) covers: bool,
    pub(crate) port: bool,
    pub(crate) cleartext: bool,
    pub(crate) unverified: bool,
    pub(crate) exec: bool,
    pub(crate) relay: bool,
}

impl Granted {
    pub(crate) fn by(grant: &Grant, question: &Question) -> Self {
        let covers = grant.is_about(question, question.act);
        let port = question.target.port().is_some_and(|port| grant.names_port(port));
        Self {
            covers,
            port: covers && port,
            cleartext: covers && grant.allow_cleartext,
            unverified: covers && grant.allow_unverified,
            exec: covers && grant.allow_exec,
            relay: grant.is_about(question, Act::Relay),
        }
    }
}

/// The facts.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The address that is meant.
    pub(crate) addr: Option<IpAddr>,
    pub(crate) form: Form,
    /// Networks it is in, longest prefix first.
    pub(crate) networks: Vec<(IpNet, Label)>,
    pub(crate) loopback: bool,
    /// A socket of this host that no network leads to.
    pub(crate) local: bool,
    /// Every address of this host is bound.
    pub(crate) wildcard: bool,
    pub(crate) resolved: bool,
    pub(crate) port_blocked: bool,
    pub(crate) zones: BTreeSet<Arc<str>>,
    pub(crate) purpose_stated: bool,
    pub(crate) ticket_valid: bool,
    pub(crate) tls: Tls,
    pub(crate) grant: Granted,
}

impl Lists {
    pub(crate) fn new(bundle: &Bundle) -> Result<Self, String> {
        let nets = &bundle.networks;
        let label = |name: &str| Label { name: name.into(), zone: None };
        let (rfc1918, listed) = (label(RFC1918), label(LISTED));
        let private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
        let private: Vec<IpNet> = private.iter().filter_map(|net| net.parse().ok()).collect();
        let allowed = nets.allowed.iter().map(|net| {
            let inside = private.iter().any(|private| private.contains(net));
            (*net, if inside { rfc1918.clone() } else { listed.clone() })
        });
        let fixed = [("127.0.0.0/8", LOOPBACK), ("::1/128", LOOPBACK), ("fc00::/7", ULA)];
        let fixed = fixed.iter().filter_map(|(net, name)| Some((net.parse().ok()?, label(name))));
        let named = nets.named.iter().flat_map(|(name, named)| {
            let zone = named.zone.as_deref().map(Arc::from);
            let label = Label { name: name.as_str().into(), zone };
            named.cidrs.iter().map(move |net| (*net, label.clone()))
        });
        let extra = nets
            .protected
            .iter()
            .map(|net| (*net, "network_policies.protected_networks".to_owned()));
        let ticket = bundle.security.ticket_pattern.as_deref().map(Regex::new).transpose();
        Ok(Self {
            networks: Prefixes::new(allowed.chain(fixed).chain(named)),
            protected: Prefixes::new(protected::built_in().chain(extra)),
            own: nets.own.clone(),
            blocked_ports: nets.blocked_ports.clone(),
            ticket: ticket.map_err(|error| format!("ticket_pattern: {error}"))?,
        })
    }

    /// The facts about a question, without a grant.
    pub(crate) fn facts(&self, question: &Question) -> Facts {
        let (addr, form) = match &question.target {
            Target::Inet { addr, .. } => {
                let (addr, form) = address::normal(*addr);
                (Some(addr), form)
            }
            _ => (None, Form::Plain),
        };
        let networks: Vec<(IpNet, Label)> = addr.map_or_else(Vec::new, |addr| {
            self.networks.containing(addr).map(|(net, label)| (net, label.clone())).collect()
        });
        let joined = question
            .joined
            .iter()
            .flat_map(|addr| self.networks.containing(address::normal(*addr).0));
        let zones = networks.iter().map(|(_, label)| label).chain(joined.map(|(_, label)| label));
        let zones = zones.filter_map(|label| label.zone.clone()).collect();
        let unspecified = addr.is_some_and(|addr| addr.is_unspecified());
        let port = question.target.port();
        let ticket = question.ticket.as_deref();
        Facts {
            addr,
            form,
            loopback: addr.is_some_and(|addr| addr.is_loopback()),
            local: matches!(question.target, Target::Unix { .. } | Target::Vsock { .. }),
            wildcard: unspecified && question.act == Act::Listen,
            resolved: !matches!(question.target, Target::Name { .. }),
            port_blocked: port.is_some_and(|port| self.blocked_ports.contains(&port)),
            zones,
            networks,
            purpose_stated: question.purpose.as_deref().is_some_and(|text| !text.trim().is_empty()),
            ticket_valid: match &self.ticket {
                None => true,
                Some(pattern) => ticket.is_some_and(|ticket| pattern.is_match(ticket)),
            },
            tls: question.tls,
            grant: Granted::default(),
        }
    }

    /// What speaks against a target whatever the rules say.
    pub(crate) fn sanity(&self, question: &Question, facts: &Facts) -> Vec<Reason> {
        let reason = |code, text| Reason { code, rule: None, text, simulated: false };
        let mut reasons = Vec::new();
        if let Target::Name { name, .. } = &question.target {
            match address::host(name) {
                Err(why) => reasons.push(reason(Code::NamePolicy, why)),
                Ok(Host::Addr(addr)) => {
                    let text = format!("{addr} is an address and was asked about as a name");
                    reasons.push(reason(Code::NamePolicy, text));
                }
                Ok(Host::Name(_)) => {}
            }
        }
        let Some(addr) = facts.addr.filter(|_| !facts.wildcard) else { return reasons };
        if let Some((net, what)) = self.protected.containing(addr).next() {
            let meant = match facts.form {
                Form::Plain => String::new(),
                form => format!(" ({form} for {addr})"),
            };
            let text = format!("{}{meant} is in {net}: {what}", question.target);
            reasons.push(reason(Code::ProtectedNetwork, text));
        }
        let dials = matches!(question.act, Act::Connect | Act::Proxy | Act::Test | Act::Scan);
        let own = self.own.iter().find(|own| {
            let same = own.ip() == addr || own.ip().is_unspecified() && addr.is_loopback();
            same && Some(own.port()) == question.target.port()
        });
        if let Some(own) = own.filter(|_| dials) {
            reasons.push(reason(Code::SelfTarget, format!("{own} is this platform itself")));
        }
        reasons
    }

    /// The ports as written.
    pub(crate) fn blocked_ports(&self) -> &[u16] {
        &self.blocked_ports
    }
}
