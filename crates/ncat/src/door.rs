//! The door of a listener: who may come in, and how many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use conn::Conn;
use gate::{Action, Address, Gatekeeper, Protocol};
use plan::access::AccessRules;
use tokio::time::Instant;

use crate::header::{Expected, Taken};
use crate::run::Context;
use crate::secure::Insecure;
use crate::talk::Talk;

/// Turns given to the sessions of clients before another is refused for want of room.
const TURNS: u32 = 8;

/// Between two looks at whether the last one has left.
const PAUSE: Duration = Duration::from_millis(5);

/// Why a client was turned away.
pub(crate) struct Refusal {
    /// In Ncat's words.
    why: String,
    /// The rule that decided it, where one did.
    rule: String,
    /// It was for want of room.
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android")),
        expect(dead_code, reason = "asked by datagram listeners")
    )]
    pub(crate) is_full: bool,
}

impl Refusal {
    fn not_allowed(rule: String) -> Self {
        Self { why: "not allowed".into(), rule, is_full: false }
    }
}

/// Who may come in: access rules and the number of clients.
pub(crate) struct Door {
    talk: Talk,
    access: Arc<AccessRules>,
    /// What comes before a client's first byte.
    header: Option<Arc<Expected>>,
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
    pub(crate) fn new(talk: Talk, access: Arc<AccessRules>, max_conns: u32) -> Self {
        Self { talk, access, header: None, max_conns, inside: Arc::default() }
    }

    /// With a PROXY header expected of clients.
    pub(crate) fn with_header(self, header: Option<Expected>) -> Self {
        Self { header: header.map(Arc::new), ..self }
    }

    /// Whether a client that was let in has to be received first.
    pub(crate) fn receives(&self, context: &Context) -> bool {
        self.header.is_some() || context.security.is_wanted()
    }

    /// What a client goes through once it was let in: its PROXY header, then TLS. Independent of us, so
    /// that others are served meanwhile.
    pub(crate) fn receive(
        &self,
        context: &Context,
        conn: Conn,
    ) -> impl Future<Output = Result<Conn, Insecure>> + Send + use<> {
        let (header, security) = (self.header.clone(), context.security.acceptor());
        async move {
            let Taken { conn, facts } = match header {
                Some(header) => header.take(conn).await?,
                None => Taken { conn, facts: Vec::new() },
            };
            let mut conn = security.accept(conn).await?;
            conn.info.secured.extend(facts);
            Ok(conn)
        }
    }

    /// When every place is taken, lets those who have left already be seen to leave; `dismiss` lets go
    /// of one who need not stay.
    pub(crate) async fn make_room(&self, dismiss: impl FnOnce()) {
        let mut dismiss = Some(dismiss);
        for turn in 0..2 * TURNS {
            if self.inside.load(Ordering::Relaxed) < self.max_conns {
                return;
            }
            if turn == TURNS
                && let Some(dismiss) = dismiss.take()
            {
                dismiss();
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until everybody has left, at most this long. Asked at the end of the program only, where
    /// an event for it would cost every client more than these questions.
    pub(crate) async fn left_by_all(&self, time: Duration) {
        let until = Instant::now() + time;
        while self.inside.load(Ordering::Relaxed) > 0 && Instant::now() < until {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Lets a client in, or says why not: first the limit, then the access rules, then the gate.
    pub(crate) fn judge(
        &self,
        gate: &Gatekeeper,
        peer: &Address,
        protocol: Protocol,
    ) -> Result<Pass, Refusal> {
        if self.inside.load(Ordering::Relaxed) >= self.max_conns {
            let why = format!("connection limit reached ({})", self.max_conns);
            return Err(Refusal { why, rule: String::new(), is_full: true });
        }
        let ip = match peer {
            Address::Inet(addr) => Some(addr.ip()),
            _ => None,
        };
        let verdict = self.access.check(ip);
        if !verdict.is_allowed() {
            return Err(Refusal::not_allowed(verdict.to_string()));
        }
        gate.decide(Action::Accept { protocol, from: peer.clone() })
            .map_err(|denied| Refusal::not_allowed(denied.reason))?;
        self.inside.fetch_add(1, Ordering::Relaxed);
        Ok(Pass { inside: Arc::clone(&self.inside) })
    }

    /// As [`Door::judge`], telling about it either way.
    pub(crate) fn admit(
        &self,
        context: &Context,
        peer: &Address,
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

    /// Says once, whatever the level, that datagrams are lost for want of room: nobody else would.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn warn_full(&self, name: &str) {
        let first = format!("Warning: connection limit reached ({}).", self.max_conns);
        let more = [
            format!(
                "datagrams of {name} and of other new senders are dropped until one falls silent"
            ),
            "hint: -m allows more senders at once, -i forgets silent ones sooner".into(),
        ];
        self.talk.error(&first, &more);
    }

    /// The place of a client who was judged fit to enter and whose [`Pass`] was left behind.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn seat(&self) -> Pass {
        Pass { inside: Arc::clone(&self.inside) }
    }
}
