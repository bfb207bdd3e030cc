//! The door of a listener: who may come in, and how many.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gate::{Action, Address, Gatekeeper, Protocol};
use plan::access::AccessRules;

use crate::run::Context;
use crate::talk::Talk;

/// Why a client was turned away.
pub(crate) struct Refusal {
    /// In Ncat's words.
    why: String,
    /// The rule that decided it, where one did.
    rule: String,
}

impl Refusal {
    fn not_allowed(rule: String) -> Self {
        Self { why: "not allowed".into(), rule }
    }
}

/// Who may come in: access rules and the number of clients.
pub(crate) struct Door {
    talk: Talk,
    access: AccessRules,
    max_conns: u32,
    inside: Arc<AtomicU32>,
}

/// A client's place; given back on drop.
pub(crate) struct Pass {
    inside: Arc<AtomicU32>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Door {
    pub(crate) fn new(talk: Talk, access: AccessRules, max_conns: u32) -> Self {
        Self { talk, access, max_conns, inside: Arc::default() }
    }

    /// Lets a client in, or says why not: first the limit, then the access rules, then the gate.
    pub(crate) fn judge(
        &self,
        gate: &Gatekeeper,
        peer: Option<SocketAddr>,
        protocol: Protocol,
    ) -> Result<Pass, Refusal> {
        if self.inside.load(Ordering::Relaxed) >= self.max_conns {
            let why = format!("connection limit reached ({})", self.max_conns);
            return Err(Refusal { why, rule: String::new() });
        }
        let verdict = self.access.check(peer.map(|addr| addr.ip()));
        if !verdict.is_allowed() {
            return Err(Refusal::not_allowed(verdict.to_string()));
        }
        let from = peer.map_or(Address::Unix(None), Address::Inet);
        gate.decide(Action::Accept { protocol, from })
            .map_err(|denied| Refusal::not_allowed(denied.reason))?;
        self.inside.fetch_add(1, Ordering::Relaxed);
        Ok(Pass { inside: Arc::clone(&self.inside) })
    }

    /// As [`Door::judge`], telling about it either way.
    pub(crate) fn admit(
        &self,
        context: &Context,
        peer: Option<SocketAddr>,
        name: &str,
        protocol: Protocol,
    ) -> Option<Pass> {
        match self.judge(&context.gate, peer, protocol) {
            Ok(pass) => {
                self.welcome(name, protocol);
                Some(pass)
            }
            Err(refusal) => {
                self.tell(name, &refusal);
                None
            }
        }
    }

    /// Says that a client was let in.
    pub(crate) fn welcome(&self, name: &str, protocol: Protocol) {
        self.talk.accepted(name, protocol.name());
    }

    /// Says that a client was turned away.
    pub(crate) fn tell(&self, name: &str, refusal: &Refusal) {
        self.talk.refused(name, &refusal.why, &refusal.rule);
    }

    /// The place of a client who was judged fit to enter and whose [`Pass`] was left behind.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn seat(&self) -> Pass {
        Pass { inside: Arc::clone(&self.inside) }
    }
}
