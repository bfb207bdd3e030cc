//! One request passed on and its answer passed back, both ways at once: a server may answer before it
//! has the whole request, and a client may wait to be told to go on.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use conn::Conn;
use proto::http::{Body, CHUNK_END, CHUNKS_END, Framing, Response, Version, chunk_start};
use tokio::time::{Instant, Sleep, sleep_until};

use super::ask::Ask;
use super::wire::{Head, HeadSearch, Wire};

/// Bytes of a body read at a time.
const PIECE: usize = 64 * 1024;
/// How long a server, or a client in the middle of its request, may say nothing when `-i` is not given.
const SILENCE: Duration = Duration::from_secs(300);
/// Interim answers to one request; more are a flood.
const INTERIM_MAX: u32 = 32;

/// Why an exchange came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server ended or failed before it had answered.
    NoAnswer(Option<io::Error>),
    /// The server's answer cannot be understood.
    BadAnswer(&'static str),
    /// The server has said nothing for too long.
    Late,
    /// The request's body cannot be understood.
    BadRequest,
    /// The client ended or failed in the middle of its request, or takes no answer.
    ClientGone,
    /// The server failed in the middle of its answer; the client has seen the beginning.
    Broken,
}

/// How an exchange ended well.
pub(super) struct Done {
    pub(super) status: u16,
    /// Bytes of content, to the server and to the client.
    pub(super) sent: u64,
    pub(super) received: u64,
    /// The client's connection can be used for another request.
    pub(super) keeps_client: bool,
    /// So can the server's.
    pub(super) keeps_server: bool,
    /// The server goes on in another protocol (101).
    pub(super) is_upgraded: bool,
}

/// One direction's content.
struct Flow {
    body: Body,
    out: VecDeque<Bytes>,
    is_chunked: bool,
    is_closed: bool,
    moved: u64,
    /// Grows with every step, for the timer.
    steps: u64,
}

enum FlowError {
    Source,
    Sink,
    Body,
}

impl Flow {
    fn new(framing: Framing, is_chunked: bool, head: Bytes) -> Self {
        let out = VecDeque::from([head]);
        Self { body: Body::new(framing), out, is_chunked, is_closed: false, moved: 0, steps: 0 }
    }

    /// Moves what can be moved; ready when all is with the sink.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Wire,
        to: &mut Conn,
    ) -> Poll<Result<(), FlowError>> {
        loop {
            if !self.out.is_empty() {
                ready!(to.poll_send(cx, &mut self.out)).map_err(|_| FlowError::Sink)?;
                self.steps += 1;
                continue;
            }
            while let Some(piece) = from.next_piece(&mut self.body).map_err(|_| FlowError::Body)? {
                self.put(piece);
            }
            if self.body.is_done() && self.is_chunked && !self.is_closed {
                self.is_closed = true;
                self.out.push_back(Bytes::from_static(CHUNKS_END));
            }
            if !self.out.is_empty() {
                continue;
            }
            if self.body.is_done() {
                return Poll::Ready(Ok(()));
            }
            self.steps += 1;
            match ready!(from.poll_fill(cx, PIECE)) {
                Ok(true) => {}
                Ok(false) => self.body.end().map_err(|_| FlowError::Body)?,
                Err(_) => return Poll::Ready(Err(FlowError::Source)),
            }
        }
    }

    fn put(&mut self, piece: Bytes) {
        self.moved += piece.len() as u64;
        if self.is_chunked {
            self.out.push_back(chunk_start(piece.len()));
            self.out.push_back(piece);
            self.out.push_back(Bytes::from_static(CHUNK_END));
        } else {
            self.out.push_back(piece);
        }
    }
}

/// Where the answer is.
enum Answer {
    /// Its head has not come; interim ones are on their way to the client.
    Awaited { search: HeadSearch, interim: VecDeque<Bytes>, count: u32 },
    /// Its content.
    Content(Flow),
}

/// An exchange under way.
struct Exchange<'a> {
    ask: &'a Ask,
    via: &'a str,
    up: Flow,
    is_sent: bool,
    /// The server takes no more of the request; its answer may still come.
    is_refused: bool,
    answer: Answer,
    done: Done,
}

/// Passes `ask` on to `server` and the answer back to `client`.
pub(super) async fn exchange(
    ask: &Ask,
    via: &str,
    client: &mut Wire,
    server: &mut Wire,
    idle: Option<Duration>,
) -> Result<Done, Failure> {
    let up = Flow::new(ask.framing, ask.framing == Framing::Chunked, ask.head());
    let answer =
        Answer::Awaited { search: HeadSearch::default(), interim: VecDeque::new(), count: 0 };
    let done = Done {
        status: 0,
        sent: 0,
        received: 0,
        keeps_client: ask.keeps,
        keeps_server: !ask.is_personal,
        is_upgraded: false,
    };
    let mut exchange = Exchange { ask, via, up, is_sent: false, is_refused: false, answer, done };
    let limit = idle.unwrap_or(SILENCE);
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    let (mut steps, mut active) = (0, Instant::now());
    std::future::poll_fn(|cx| {
        if let Poll::Ready(result) = exchange.poll(cx, client, server) {
            return Poll::Ready(result);
        }
        // A client that reads slowly is waited for, unless -i says otherwise.
        if exchange.steps() != steps || (idle.is_none() && exchange.waits_for_client()) {
            (steps, active) = (exchange.steps(), Instant::now());
        }
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(active + limit)));
        while timer.as_mut().poll(cx).is_ready() {
            let until = active + limit;
            if until <= Instant::now() {
                return Poll::Ready(Err(exchange.late()));
            }
            timer.as_mut().reset(until);
        }
        Poll::Pending
    })
    .await?;
    exchange.done.sent = exchange.up.moved;
    // What is left of the request would be taken for the next one.
    exchange.done.keeps_client &= exchange.is_sent;
    exchange.done.keeps_server &= exchange.is_sent && server.input.is_empty();
    Ok(exchange.done)
}

impl Exchange<'_> {
    fn steps(&self) -> u64 {
        let down = match &self.answer {
            Answer::Awaited { count, .. } => u64::from(*count),
            Answer::Content(flow) => flow.steps,
        };
        self.up.steps + down
    }

    fn waits_for_client(&self) -> bool {
        matches!(&self.answer, Answer::Content(flow) if !flow.out.is_empty())
    }

    fn late(&self) -> Failure {
        match &self.answer {
            Answer::Content(_) => Failure::Broken,
            // In the middle of the request, with the server taking what there is: the client is late.
            Answer::Awaited { .. }
                if !self.is_sent && self.up.out.is_empty() && !self.is_refused =>
            {
                Failure::ClientGone
            }
            Answer::Awaited { .. } => Failure::Late,
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Wire,
        server: &mut Wire,
    ) -> Poll<Result<(), Failure>> {
        if !self.is_sent && !self.is_refused {
            match self.up.poll(cx, client, &mut server.conn) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.is_sent = true,
                Poll::Ready(Err(FlowError::Sink)) => self.is_refused = true,
                Poll::Ready(Err(FlowError::Source)) => {
                    return Poll::Ready(Err(Failure::ClientGone));
                }
                Poll::Ready(Err(FlowError::Body)) => {
                    let has_begun = matches!(self.answer, Answer::Content(_));
                    let failure = if has_begun { Failure::Broken } else { Failure::BadRequest };
                    return Poll::Ready(Err(failure));
                }
            }
        }
        if let Answer::Awaited { .. } = self.answer {
            ready!(self.poll_head(cx, client, server))?;
        }
        let Answer::Content(flow) = &mut self.answer else { return Poll::Pending };
        match ready!(flow.poll(cx, server, &mut client.conn)) {
            Ok(()) => {
                self.done.received = flow.moved;
                Poll::Ready(Ok(()))
            }
            Err(FlowError::Sink) => Poll::Ready(Err(Failure::ClientGone)),
            Err(_) => Poll::Ready(Err(Failure::Broken)),
        }
    }

    /// Takes heads until the final one; interim ones go to the client as they come.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Wire,
        server: &mut Wire,
    ) -> Poll<Result<(), Failure>> {
        loop {
            let Answer::Awaited { search, interim, count } = &mut self.answer else {
                return Poll::Ready(Ok(()));
            };
            if !interim.is_empty() {
                ready!(client.conn.poll_send_all(cx, interim)).map_err(|_| Failure::ClientGone)?;
            }
            let head = match ready!(search.poll(cx, server)) {
                Head::Complete(head) => head,
                Head::Ended { is_partial: false } => {
                    return Poll::Ready(Err(Failure::NoAnswer(None)));
                }
                Head::Failed(error) if !search.has_begun() => {
                    return Poll::Ready(Err(Failure::NoAnswer(Some(error))));
                }
                Head::Ended { .. } | Head::Failed(_) => {
                    return Poll::Ready(Err(Failure::BadAnswer("it ends within its head")));
                }
                Head::Bad(_) => {
                    return Poll::Ready(Err(Failure::BadAnswer("its head is longer than 16 KiB")));
                }
            };
            let response = Response::parse(&head)
                .map_err(|_| Failure::BadAnswer("its head is not one of HTTP/1"))?;
            if response.is_interim() {
                *count += 1;
                if *count > INTERIM_MAX {
                    return Poll::Ready(Err(Failure::BadAnswer("it is put off for ever")));
                }
                // HTTP/1.0 has none (RFC 9110, section 15.2).
                if self.ask.version == Version::V11 {
                    let mut out = BytesMut::new();
                    self.passed_on(response, None)?.write(&mut out);
                    if let Answer::Awaited { interim, .. } = &mut self.answer {
                        interim.push_back(out.freeze());
                    }
                }
                continue;
            }
            self.begin(response)?;
        }
    }

    /// The final head has come.
    fn begin(&mut self, response: Response) -> Result<(), Failure> {
        let bad = |_| Failure::BadAnswer("where it ends is ambiguous");
        let framing = Framing::of_response(&response, &self.ask.request.method).map_err(bad)?;
        self.done.status = response.status;
        self.done.is_upgraded = response.status == 101 && self.ask.upgrades;
        if response.status == 101 && !self.ask.upgrades {
            return Err(Failure::BadAnswer("it goes on in a protocol that nobody offered"));
        }
        let server_keeps = match response.version {
            Version::V11 => !response.headers.has_word("Connection", "close"),
            Version::V10 => response.headers.has_word("Connection", "keep-alive"),
        };
        self.done.keeps_server &= server_keeps && framing != Framing::UntilEnd;
        let is_open = matches!(framing, Framing::Chunked | Framing::UntilEnd);
        let is_chunked = is_open && self.ask.version == Version::V11;
        // A client of HTTP/1.0 sees the end of what has no length by the end of the connection; one
        // that has been answered before it was done asking has to begin anew.
        self.done.keeps_client &= (!is_open || is_chunked) && (self.is_sent || self.up_is_idle());
        let mut out = BytesMut::new();
        self.passed_on(response, Some(is_chunked))?.write(&mut out);
        self.answer = Answer::Content(Flow::new(framing, is_chunked, out.freeze()));
        Ok(())
    }

    /// The request has no content that could still be coming.
    fn up_is_idle(&self) -> bool {
        self.up.body.is_done()
    }

    /// An answer as the client is to see it; `is_chunked` of a final one.
    fn passed_on(
        &self,
        mut response: Response,
        is_chunked: Option<bool>,
    ) -> Result<Response, Failure> {
        let headers = &mut response.headers;
        let upgrade = headers.first("Upgrade").cloned().filter(|_| self.done.is_upgraded);
        let bad = |_| Failure::BadAnswer("its Connection header is no list of names");
        headers.strip_hop_by_hop().map_err(bad)?;
        let number = if response.version == Version::V10 { "1.0" } else { "1.1" };
        headers.push("Via", format!("{number} {}", self.via));
        if let Some(protocol) = upgrade {
            headers.push("Connection", "Upgrade");
            headers.push("Upgrade", protocol);
        } else if let Some(is_chunked) = is_chunked {
            if is_chunked {
                headers.push("Transfer-Encoding", "chunked");
            }
            match (self.done.keeps_client, self.ask.version) {
                (false, _) => headers.push("Connection", "close"),
                (true, Version::V10) => headers.push("Connection", "keep-alive"),
                (true, Version::V11) => {}
            }
        }
        response.version = self.ask.version;
        Ok(response)
    }
}
