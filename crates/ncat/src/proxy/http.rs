//! An HTTP client of ours: its requests, one after another.

use std::time::Duration;

use bytes::Bytes;
use proto::http::{Body, Framing, HeadError, Request, Version};
use tokio::time::{Instant, timeout, timeout_at};

use super::Server;
use super::ask::{self, Ask};
use super::dial::NoWay;
use super::exchange::{Done, Failure, exchange};
use super::record::Record;
use super::reply::Reply;
use super::wire::{Head, HeadSearch, Wire};
use crate::talk::words;

/// How long a client may keep its connection without asking for anything.
const BETWEEN: Duration = Duration::from_secs(60);
/// How long a client that was told no may go on sending before we close.
const PARTING: Duration = Duration::from_secs(2);

/// Bytes of an unwanted body that are skipped rather than the connection ended.
const SKIPPED_MAX: u64 = 64 * 1024;

/// What becomes of the client's connection after one request.
enum Next {
    /// Another may come.
    Again(Wire),
    /// We have said the last word.
    Close(Wire),
    /// It is gone.
    Gone,
}

impl Server {
    /// Serves a client until one of us has enough. `until` is when its first request has to be there.
    pub(super) async fn serve_http(&self, mut wire: Wire, mut until: Instant) {
        let peer = wire.conn.info.peer.clone();
        loop {
            let mut record = Record::new("http", &peer);
            let next = match self.next_head(&mut wire, until).await {
                Ok(Some(head)) => {
                    record = Record::new("http", &peer);
                    let next = self.one(wire, &head, &mut record).await;
                    self.note(&record);
                    next
                }
                Ok(None) => Next::Gone,
                Err(reply) => {
                    let next = self.refuse(wire, &reply, None, &mut record).await;
                    self.note(&record);
                    next
                }
            };
            match next {
                Next::Again(same) => wire = same,
                Next::Close(wire) => return wire.close_gently(PARTING).await,
                Next::Gone => return,
            }
            until = Instant::now() + self.limits.idle_timeout.unwrap_or(BETWEEN).min(BETWEEN);
        }
    }

    /// The next request's head, which has begun by `until` and is complete in the time for connecting
    /// after that; `None` when the client has no more.
    async fn next_head(&self, wire: &mut Wire, until: Instant) -> Result<Option<Bytes>, Reply> {
        if wire.input.is_empty() {
            match timeout_at(until, wire.fill()).await {
                Ok(Ok(true)) => {}
                _ => return Ok(None),
            }
        }
        let limit = self.limits.connect_timeout;
        let mut search = HeadSearch::default();
        let head = std::future::poll_fn(|cx| search.poll(cx, wire));
        match timeout_at(Instant::now() + limit, head).await {
            Ok(Head::Complete(head)) => Ok(Some(head)),
            Ok(Head::Ended { is_partial: false } | Head::Failed(_)) => Ok(None),
            Ok(Head::Ended { is_partial: true }) => {
                Err(Reply::last(400, "The request ends within its head."))
            }
            Ok(Head::Bad(HeadError::LineTooLong)) => {
                Err(Reply::last(414, "The request line is longer than 8 KiB."))
            }
            Ok(Head::Bad(HeadError::TooLong)) => {
                Err(Reply::last(413, "The request's head is longer than 16 KiB."))
            }
            Err(_) => Err(Reply::last(
                408,
                format!("The request's head took longer than {} s.", limit.as_secs_f64()),
            )),
        }
    }

    /// One request, to its end.
    async fn one(&self, wire: Wire, head: &Bytes, record: &mut Record) -> Next {
        let request = match ask::read(head) {
            Ok(request) => request,
            Err(reply) => return self.refuse(wire, &reply, None, record).await,
        };
        record.method = String::from_utf8_lossy(&request.method).into_owned();
        record.target = String::from_utf8_lossy(&request.target).into_owned();
        let original = request.clone();
        let mut ask = match self.judge(request, record) {
            Ok(ask) => ask,
            Err(reply) => return self.refuse(wire, &reply, Some(&original), record).await,
        };
        if ask.is_connect {
            return self.connect(wire, &ask, &original, record).await;
        }
        if let Some(reply) = max_forwards(&mut ask) {
            return self.refuse(wire, &reply, Some(&original), record).await;
        }
        Box::pin(self.forward(wire, &ask, &original, record)).await
    }

    /// Everything that can be decided without a connection.
    fn judge(&self, request: Request, record: &mut Record) -> Result<Ask, Reply> {
        let allowed = self.admits_http(&request, record);
        let is_loop = request
            .headers
            .words("Via")
            .any(|one| one.split(|byte| *byte == b' ').any(|word| word == self.via.as_bytes()));
        let ask = ask::prepare(request, &self.via)?;
        allowed?;
        if is_loop {
            return Err(Reply::new(403, "This request has been here before."));
        }
        Ok(ask)
    }

    /// A tunnel.
    async fn connect(
        &self,
        mut wire: Wire,
        ask: &Ask,
        request: &Request,
        record: &mut Record,
    ) -> Next {
        let upstream = match Box::pin(self.dial(&ask.host, ask.port)).await {
            Ok(conn) => Wire::new(conn),
            Err(no) => {
                return Box::pin(self.refuse(wire, &no_way(&no), Some(request), record)).await;
            }
        };
        record.status = Some(200);
        let yes = match ask.version {
            Version::V10 => "HTTP/1.0 200 OK\r\n\r\n",
            Version::V11 => "HTTP/1.1 200 OK\r\n\r\n",
        };
        if let Err(error) = wire.send(Bytes::from_static(yes.as_bytes())).await {
            record.why = words(&error);
            return Next::Gone;
        }
        self.tunnel(wire, upstream, record).await;
        Next::Gone
    }

    /// A request passed on; on a connection that was used before it may have to be asked twice.
    async fn forward(
        &self,
        mut wire: Wire,
        ask: &Ask,
        request: &Request,
        record: &mut Record,
    ) -> Next {
        let key = (ask.host.to_ascii_lowercase(), ask.port);
        let may_be_used = ask.is_repeatable && !ask.is_personal;
        let mut pooled = if may_be_used { self.pool.take(&key) } else { None };
        loop {
            let was_used = pooled.is_some();
            let mut upstream = match pooled.take() {
                Some(upstream) => upstream,
                None => match self.dial(&ask.host, ask.port).await {
                    Ok(conn) => Wire::new(conn),
                    Err(no) => return self.refuse(wire, &no_way(&no), Some(request), record).await,
                },
            };
            let idle = self.limits.idle_timeout;
            match exchange(ask, &self.via, &mut wire, &mut upstream, idle).await {
                Ok(done) => return self.done(wire, upstream, key, done, record).await,
                // It had ended while nobody looked: nothing was answered, so nothing was done twice.
                Err(Failure::NoAnswer(_)) if was_used => {}
                Err(failure) => return self.failed(wire, failure, request, record).await,
            }
        }
    }

    async fn done(
        &self,
        wire: Wire,
        upstream: Wire,
        key: (String, u16),
        done: Done,
        record: &mut Record,
    ) -> Next {
        record.status = Some(done.status);
        (record.sent, record.received) = (done.sent, done.received);
        self.totals_add(done.sent, done.received);
        if done.is_upgraded {
            self.tunnel(wire, upstream, record).await;
            return Next::Gone;
        }
        if done.keeps_server {
            self.pool.put(key, upstream);
        }
        if done.keeps_client { Next::Again(wire) } else { Next::Close(wire) }
    }

    async fn failed(
        &self,
        wire: Wire,
        failure: Failure,
        request: &Request,
        record: &mut Record,
    ) -> Next {
        let reply = match failure {
            Failure::ClientGone => {
                record.why = "the client is gone".into();
                return Next::Gone;
            }
            Failure::Broken => {
                record.why = "the server failed in the middle of its answer".into();
                // An end would pass for the answer's where only the connection's end tells.
                wire.conn.reset();
                return Next::Gone;
            }
            Failure::NoAnswer(None) => {
                Reply::last(502, "The server closed the connection without an answer.")
            }
            Failure::NoAnswer(Some(error)) => {
                Reply::last(502, format!("The server gave no answer: {}.", words(&error)))
            }
            Failure::BadAnswer(why) => {
                Reply::last(502, format!("The server's answer cannot be passed on: {why}."))
            }
            Failure::Late => Reply::last(504, "The server gave no answer in time."),
            Failure::BadRequest => {
                Reply::last(400, "The request's body is not what its head says.")
            }
        };
        self.refuse(wire, &reply, Some(request), record).await
    }

    /// Takes a request's body that nobody wants, where it is short and surely on its way; whether the
    /// next request can follow.
    async fn skip_body(&self, wire: &mut Wire, request: &Request) -> bool {
        let mut body = match Framing::of_request(request) {
            Ok(Framing::None) => return true,
            Ok(Framing::Length(SKIPPED_MAX..)) | Err(_) => return false,
            Ok(framing) => Body::new(framing),
        };
        if request.headers.first("Expect").is_some() {
            return false;
        }
        let skip = async {
            let mut skipped = 0;
            while !body.is_done() && skipped < SKIPPED_MAX {
                while let Ok(Some(piece)) = wire.next_piece(&mut body) {
                    skipped += piece.len() as u64;
                }
                if !body.is_done() && !matches!(wire.fill().await, Ok(true)) {
                    return false;
                }
            }
            body.is_done()
        };
        timeout(self.limits.connect_timeout, skip).await.unwrap_or(false)
    }

    /// A client that speaks TLS to a port that does not.
    pub(super) async fn refuse_tls(&self, wire: Wire) {
        let mut record = Record::new("http", &wire.conn.info.peer);
        let why = "This is TLS, and this port speaks plain HTTP (--ssl would make it TLS).";
        if let Next::Close(wire) =
            self.refuse(wire, &Reply::last(400, why), None, &mut record).await
        {
            self.note(&record);
            wire.close_gently(PARTING).await;
        }
    }

    /// Answers ourselves. Without a request that was understood nothing can follow.
    async fn refuse(
        &self,
        mut wire: Wire,
        reply: &Reply,
        request: Option<&Request>,
        record: &mut Record,
    ) -> Next {
        record.status = Some(reply.status);
        reply.why.trim_end_matches('.').clone_into(&mut record.why);
        let wants_more = request.filter(|request| !reply.is_last && ask::keeps(request));
        let keeps = match wants_more {
            Some(request) => self.skip_body(&mut wire, request).await,
            None => false,
        };
        let version = request.map_or(Version::V10, |request| request.version);
        let is_head = request.is_some_and(|request| request.method == b"HEAD"[..]);
        let limit = self.limits.connect_timeout;
        let said = wire.send(reply.write(version, is_head, keeps));
        match timeout(limit, said).await {
            Ok(Ok(())) if keeps => Next::Again(wire),
            Ok(Ok(())) => Next::Close(wire),
            _ => Next::Gone,
        }
    }
}

/// `OPTIONS` is answered by whoever is the last that may pass it on (RFC 9110, section 7.6.2).
fn max_forwards(ask: &mut Ask) -> Option<Reply> {
    if ask.request.method != b"OPTIONS"[..] {
        return None;
    }
    let given = ask.request.headers.first("Max-Forwards")?;
    let left: u32 = std::str::from_utf8(given).ok()?.parse().ok()?;
    if left == 0 {
        let allow = format!("Allow: {}\r\n", super::reply::METHODS);
        return Some(Reply::new(200, "This proxy passes these methods on.").with(allow));
    }
    ask.request.headers.remove("Max-Forwards");
    ask.request.headers.push("Max-Forwards", (left - 1).to_string());
    None
}

fn no_way(no: &NoWay) -> Reply {
    let why = format!("Not connected: {}.", no.words());
    match no {
        NoWay::Forbidden(_) | NoWay::Loop => Reply::new(403, why),
        NoWay::Failed(_) => Reply::new(504, why),
    }
}
