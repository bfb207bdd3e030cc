//! `--starttls`: what is said in the clear before the handshake.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, Recv};
use plan::{StartTls, TlsSpec};
use proto::escape;
use proto::starttls::{Dialogue, Names, Progress, Protocol, Refusal, Said};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::secure::Insecure;
use crate::talk::{Talk, words};

/// Longest read of a server's words.
const READ_MAX: usize = 8 * 1024;

/// A dialogue to be had with every server.
pub(crate) struct Preface {
    protocol: Protocol,
    server_name: Option<String>,
}

/// Why a dialogue came to nothing.
enum Failure {
    Refused(Refusal),
    Io(io::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Preface {
    /// What the plan wants before the handshake, if anything.
    pub(crate) fn of(spec: &TlsSpec) -> Option<Self> {
        let protocol = protocol(spec.starttls?);
        Some(Self { protocol, server_name: spec.server_name.clone() })
    }

    /// Talks until TLS may begin; the conn is then where the server waits for the handshake.
    pub(crate) async fn speak(
        &self,
        mut conn: Conn,
        host: Option<&str>,
        talk: &Talk,
        deadline: Instant,
        limit: Duration,
    ) -> Result<Conn, Insecure> {
        let own = conn.info.local.parse::<SocketAddr>().ok().map(|own| own.ip());
        let names = Names { server: self.server_name.as_deref().or(host), own };
        let mut dialogue = Dialogue::new(self.protocol, names);
        let held = hold(&mut dialogue, &mut conn, talk);
        let result = timeout_at(deadline, held).await;
        // What was said last is what explains a failure.
        tell(&mut dialogue, talk);
        match result {
            Ok(Ok(())) => {
                let (peer, name) = (&conn.info.peer, self.protocol.name());
                talk.verbose(|| {
                    let peer = escape::terminal(peer.as_bytes());
                    format!("STARTTLS: {peer} has TLS begin in {name}.")
                });
                talk.event("starttls", json!({ "peer": peer, "protocol": name }));
                Ok(conn)
            }
            Ok(Err(Failure::Refused(refusal))) => Err(self.refused(&refusal)),
            Ok(Err(Failure::Io(error))) => Err(Insecure {
                reason: words(&error),
                more: vec![format!("in the dialogue of {} before TLS", self.protocol.name())],
                is_authentication: false,
            }),
            Err(_) => Err(self.too_late(&dialogue, limit)),
        }
    }

    fn refused(&self, refusal: &Refusal) -> Insecure {
        Insecure {
            reason: format!("STARTTLS in {} failed: {refusal}", self.protocol.name()),
            more: refusal.more(self.protocol),
            is_authentication: refusal.is_attack(),
        }
    }

    fn too_late(&self, dialogue: &Dialogue, limit: Duration) -> Insecure {
        let (name, limit) = (self.protocol.name(), limit.as_secs_f64());
        let so_far = dialogue.ended().more(self.protocol);
        let mut more =
            vec![format!("the dialogue of {name} before TLS was not done within {limit} s (-w)")];
        more.extend(so_far);
        Insecure { reason: "TIMEOUT".into(), more, is_authentication: false }
    }
}

/// Both sides in turn, to the server's leave.
async fn hold(dialogue: &mut Dialogue, conn: &mut Conn, talk: &Talk) -> Result<(), Failure> {
    let mut received = VecDeque::new();
    let mut progress = Progress::More;
    loop {
        tell(dialogue, talk);
        let output = Bytes::from(dialogue.take_output());
        let mut output: VecDeque<Bytes> =
            Some(output).into_iter().filter(|o| !o.is_empty()).collect();
        poll_fn(|cx| conn.poll_send_all(cx, &mut output)).await?;
        if progress == Progress::Ready {
            return nothing_follows(dialogue, conn).await;
        }
        if poll_fn(|cx| conn.poll_recv(cx, READ_MAX, &mut received)).await? == Recv::End {
            return Err(dialogue.ended().into());
        }
        for piece in received.drain(..) {
            progress = dialogue.receive(&piece)?;
        }
    }
}

/// The server has nothing to say until we begin the handshake: what is here now was put there to be
/// taken for something else. What comes later is read as TLS, and is none.
async fn nothing_follows(dialogue: &mut Dialogue, conn: &mut Conn) -> Result<(), Failure> {
    let mut received = VecDeque::new();
    match poll_fn(|cx| Poll::Ready(conn.poll_recv(cx, READ_MAX, &mut received))).await {
        Poll::Pending => Ok(()),
        Poll::Ready(Ok(Recv::End)) => Err(dialogue.ended().into()),
        Poll::Ready(Ok(Recv::Data)) => {
            for piece in received {
                dialogue.receive(&piece)?;
            }
            Ok(())
        }
        Poll::Ready(Err(error)) => Err(error.into()),
    }
}

/// The dialogue, at `-vv`.
fn tell(dialogue: &mut Dialogue, talk: &Talk) {
    for said in dialogue.take_said() {
        talk.debug(|| match said {
            Said::Sent(line) => format!("STARTTLS > {line}"),
            Said::Received(line) => format!("STARTTLS < {line}"),
        });
    }
}

fn protocol(wanted: StartTls) -> Protocol {
    match wanted {
        StartTls::Smtp => Protocol::Smtp,
        StartTls::Lmtp => Protocol::Lmtp,
        StartTls::Imap => Protocol::Imap,
        StartTls::Pop3 => Protocol::Pop3,
        StartTls::Ftp => Protocol::Ftp,
        StartTls::Ldap => Protocol::Ldap,
        StartTls::Xmpp => Protocol::Xmpp,
        StartTls::Postgres => Protocol::Postgres,
        StartTls::Mysql => Protocol::Mysql,
        StartTls::Nntp => Protocol::Nntp,
        StartTls::Sieve => Protocol::Sieve,
        StartTls::Irc => Protocol::Irc,
    }
}
