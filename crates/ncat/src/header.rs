//! The PROXY protocol: a header with the addresses of a connection, sent or taken before its first byte.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, Recv};
use plan::ProxyProtocol;
use plan::access::AccessRules;
use proto::proxy_protocol::{self, Addresses, Error, Header};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::secure::Insecure;
use crate::talk::{Talk, words};

/// Sends a header: from us, to where the connection leads. Through proxies the target may be a name,
/// and then nothing is said about addresses.
pub(crate) async fn send(
    protocol: ProxyProtocol,
    conn: &mut Conn,
    target: &str,
    deadline: Instant,
) -> Result<(), Insecure> {
    let addr = |text: &str| text.parse::<SocketAddr>().ok();
    let both = addr(&conn.info.local).zip(addr(target));
    let addresses = both.map(|(source, destination)| Addresses { source, destination });
    let mut header = Vec::new();
    match protocol {
        ProxyProtocol::Send1 => proxy_protocol::write_v1(addresses, &mut header),
        ProxyProtocol::Send2 => proxy_protocol::write_v2(addresses, &mut header),
        ProxyProtocol::Accept | ProxyProtocol::Require => return Ok(()),
    }
    let mut queue = VecDeque::from([Bytes::from(header)]);
    let sent = timeout_at(deadline, poll_fn(|cx| conn.poll_send_all(cx, &mut queue))).await;
    match sent {
        Ok(sent) => sent.map_err(|error| failed(words(&error))),
        Err(_) => Err(failed("TIMEOUT".into())),
    }
}

/// What is expected of clients.
pub(crate) struct Expected {
    pub(crate) is_required: bool,
    /// Whose headers are believed.
    pub(crate) trusted: AccessRules,
    /// Who may come in, by the address in the header.
    pub(crate) access: Arc<AccessRules>,
    pub(crate) limit: Duration,
    pub(crate) talk: Talk,
}

impl Expected {
    /// Takes the header off a client's connection, as far as one is to be there. What follows it is not
    /// read, so that the connection stays plain.
    pub(crate) async fn take(self: Arc<Self>, mut conn: Conn) -> Result<Taken, Insecure> {
        let proxy = conn.info.peer.parse::<SocketAddr>().ok();
        if !self.trusted.check(proxy.map(|addr| addr.ip())).is_allowed() {
            return match self.is_required {
                true => Err(failed("it is not in --proxy-protocol-from".into())),
                false => Ok(Taken { conn, facts: Vec::new() }),
            };
        }
        let deadline = Instant::now() + self.limit;
        let header = match read(&mut conn, deadline).await? {
            Some(header) => header,
            None if self.is_required => return Err(failed(Error::Absent.to_string())),
            None => return Ok(Taken { conn, facts: Vec::new() }),
        };
        self.apply(conn, header)
    }

    /// From here on the client is who the header says.
    fn apply(&self, mut conn: Conn, header: Header) -> Result<Taken, Insecure> {
        let proxy = conn.info.peer.clone();
        let Some(Addresses { source, destination }) = header.addresses else {
            self.talk.verbose(|| format!("PROXY header from {proxy}: no addresses."));
            return Ok(Taken { conn, facts: Vec::new() });
        };
        self.talk.verbose(|| {
            format!("PROXY header from {proxy}: client {source}, connected to {destination}.")
        });
        self.talk.event(
            "proxy_header",
            json!({
                "peer": proxy, "version": header.version, "source": source.to_string(),
                "destination": destination.to_string(),
            }),
        );
        let verdict = self.access.check(Some(source.ip()));
        if !verdict.is_allowed() {
            self.talk.refused(&source.to_string(), "not allowed", &verdict.to_string());
            let mut refused = failed(format!("client {source} is not allowed"));
            refused.more.push(verdict.to_string());
            return Err(refused);
        }
        conn.info.peer = source.to_string();
        let (host, port) = proxy.rsplit_once(':').unwrap_or((&proxy, ""));
        let facts = vec![
            ("NCAT_PROXY_ADDR", host.trim_matches(['[', ']']).to_owned()),
            ("NCAT_PROXY_PORT", port.to_owned()),
            ("NCAT_PROXY_DEST_ADDR", destination.ip().to_string()),
            ("NCAT_PROXY_DEST_PORT", destination.port().to_string()),
        ];
        Ok(Taken { conn, facts })
    }
}

/// A connection without its header, and what commands are told of it.
pub(crate) struct Taken {
    pub(crate) conn: Conn,
    pub(crate) facts: Vec<(&'static str, String)>,
}

/// Reads a header; `None` when the client begins with something else, which is then put back.
async fn read(conn: &mut Conn, deadline: Instant) -> Result<Option<Header>, Insecure> {
    let mut held = Vec::new();
    let mut pieces = VecDeque::new();
    loop {
        match proxy_protocol::parse(&held) {
            Ok(Some((header, used))) => {
                // Only what was in front of the conn already can be more than was asked for.
                put_back(conn, &held[used..]);
                return Ok(Some(header));
            }
            Ok(None) => {}
            Err(Error::Absent) => {
                put_back(conn, &held);
                return Ok(None);
            }
            Err(error) => return Err(failed(error.to_string())),
        }
        let most = proxy_protocol::wanted(&held);
        let received = timeout_at(deadline, poll_fn(|cx| conn.poll_recv(cx, most, &mut pieces)));
        match received.await {
            Ok(Ok(Recv::Data)) => {
                pieces.drain(..).for_each(|piece: Bytes| held.extend_from_slice(&piece));
            }
            // A client that has nothing to say has no header either.
            Ok(Ok(Recv::End)) => {
                put_back(conn, &held);
                return Ok(None);
            }
            Ok(Err(error)) => return Err(failed(words(&error))),
            Err(_) if held.is_empty() => return Ok(None),
            Err(_) => return Err(failed("TIMEOUT".into())),
        }
    }
}

fn put_back(conn: &mut Conn, bytes: &[u8]) {
    if !bytes.is_empty() {
        conn.push_lead(Bytes::copy_from_slice(bytes));
    }
}

fn failed(reason: String) -> Insecure {
    Insecure {
        reason: format!("PROXY header: {reason}"),
        more: Vec::new(),
        is_authentication: false,
    }
}
