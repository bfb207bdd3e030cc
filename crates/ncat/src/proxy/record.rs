//! The access log: one line, and one event, for each request.

use std::time::Duration;

use proto::escape;
use serde_json::json;
use tokio::time::Instant;

use super::Server;

/// What is known of one request.
pub(super) struct Record {
    /// The protocol, as in `--proxy-type`.
    pub(super) kind: &'static str,
    pub(super) peer: String,
    /// Whom the credentials name; only after they were found to be right.
    pub(super) user: Option<String>,
    pub(super) method: String,
    pub(super) target: String,
    /// What the client was answered, in its protocol's numbers; `None` when it came to no answer.
    pub(super) status: Option<u16>,
    /// Why, when it was no.
    pub(super) why: String,
    /// Bytes from the client, and to it.
    pub(super) sent: u64,
    pub(super) received: u64,
    started: Instant,
}

impl Record {
    pub(super) fn new(kind: &'static str, peer: &str) -> Self {
        Self {
            kind,
            peer: peer.to_owned(),
            user: None,
            method: String::new(),
            target: String::new(),
            status: None,
            why: String::new(),
            sent: 0,
            received: 0,
            started: Instant::now(),
        }
    }

    pub(super) fn lasted(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Server {
    /// Writes it down.
    pub(super) fn note(&self, record: &Record) {
        let safe = |text: &str| escape::terminal(text.as_bytes()).to_string();
        self.talk.verbose(|| {
            let user = record.user.as_deref().map_or("-".into(), safe);
            let status = record.status.map_or("-".into(), |status| status.to_string());
            let why = match record.why.as_str() {
                "" => String::new(),
                why => format!(" ({})", safe(why)),
            };
            format!(
                "{} {user} \"{} {}\" {} {status}: {} bytes sent, {} received in {:.3} s{why}.",
                record.peer,
                safe(&record.method),
                safe(&record.target),
                record.kind,
                record.sent,
                record.received,
                record.lasted().as_secs_f64(),
            )
        });
        if !self.talk.has_events() {
            return;
        }
        self.talk.event(
            "proxied",
            json!({
                "proxy": record.kind, "peer": record.peer, "user": record.user,
                "method": record.method, "target": record.target, "status": record.status,
                "why": (!record.why.is_empty()).then_some(&record.why),
                "sent": record.sent, "received": record.received,
                "duration": record.lasted().as_secs_f64(),
            }),
        );
    }
}
