//! HTTP CONNECT, and saying who we are when asked (RFC 9110, 9.3.6 and 11.7).

use bytes::Bytes;
use proto::auth::{Auth, basic, digest, parse_challenges};
use proto::http::{Body, Framing, HeadError, HeadReader, Limits, Response, Version};
use proto::target::Target;

use super::failure::Tried;
use super::wire::Wire;
use super::{Failure, Opened, Passage, random};

/// How much head a proxy may send; what belongs to the target comes after it.
const LIMITS: Limits = Limits { line: 8 * 1024, head: 64 * 1024 };
/// Interim answers (1xx) to one request.
const INTERIM_MAX: usize = 16;
/// How much of the page below a 407 is read in order to keep the connection.
const PAGE_MAX: usize = 256 * 1024;
/// Answers to 407 on one way to the proxy: one, and those that were only too late (`stale`).
const ANSWERS_MAX: usize = 4;

const DOING: &str = "waiting for its answer to CONNECT";

/// How to say who we are, as learnt from a 407.
#[derive(Debug, Default)]
pub(super) struct Answerer {
    scheme: Option<Scheme>,
    answers: usize,
}

#[derive(Debug)]
enum Scheme {
    Basic,
    Digest(digest::Client),
}

impl Scheme {
    fn name(&self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Digest(_) => "Digest",
        }
    }
}

/// What to do after a 407.
enum Next {
    /// The connection goes on.
    Here,
    /// It does not.
    Elsewhere,
}

/// Asks the proxy to connect to `target`.
pub(super) async fn connect(
    passage: &mut Passage<'_>,
    wire: &mut Wire,
    target: &Target,
) -> Result<Opened, Failure> {
    let target = target.to_string();
    let mut is_first = true;
    loop {
        let request = request(passage, &target)?;
        let sent = wire.send(request, "asking it to connect").await;
        let response = match sent {
            Ok(()) => answer(passage, wire).await,
            Err(failure) => Err(failure),
        };
        let response = match response {
            Ok(response) => response,
            // A connection that was kept may have been closed meanwhile; that is no answer.
            Err(Failure::HungUp { .. } | Failure::Io { .. }) if !is_first => {
                return Ok(Opened::Again);
            }
            Err(failure) => return Err(failure),
        };
        is_first = false;
        match response.status {
            200..300 => return Ok(Opened::Yes),
            407 if passage.credentials.is_some() => {
                learn(passage, &response)?;
                match skip_page(wire, &response).await {
                    Next::Here => {
                        passage.context.talk.debug(|| "the proxy keeps the connection".into())
                    }
                    Next::Elsewhere => return Ok(Opened::Again),
                }
            }
            _ => return Err(refused(passage, &response)),
        }
    }
}

fn refused(passage: &Passage<'_>, response: &Response) -> Failure {
    Failure::Status {
        code: response.status,
        reason: response.reason.to_vec(),
        location: response.headers.first("Location").map(|place| place.to_vec()),
        tried: match (&passage.answerer.scheme, &passage.credentials) {
            (Some(scheme), _) => Tried::Scheme(scheme.name()),
            (None, Some(_)) => Tried::NotAsked,
            (None, None) => Tried::Nothing,
        },
    }
}

/// The request. Without credentials it is Ncat's to the byte, for there will be no second; with them it
/// is HTTP/1.1, so that the connection can be kept when the proxy asks who we are.
fn request(passage: &mut Passage<'_>, target: &str) -> Result<Vec<u8>, Failure> {
    let Some(known) = &passage.credentials else {
        return Ok(format!("CONNECT {target} HTTP/1.0\r\n\r\n").into_bytes());
    };
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    let answer = match &mut passage.answerer.scheme {
        None => None,
        Some(Scheme::Basic) => Some(basic::answer(known)),
        Some(Scheme::Digest(client)) => {
            let answer = client.answer(known, b"CONNECT", target.as_bytes());
            Some(answer.map_err(Failure::Unanswerable)?)
        }
    };
    if let Some(answer) = answer {
        request.extend(b"Proxy-Authorization: ");
        request.extend(answer);
        request.extend(b"\r\n");
    }
    request.extend(b"\r\n");
    Ok(request)
}

/// The proxy's final answer; what follows it stays in the wire.
async fn answer(passage: &Passage<'_>, wire: &mut Wire) -> Result<Response, Failure> {
    let mut reader = HeadReader::new(LIMITS);
    let mut interim = 0;
    loop {
        let taken = reader.take(&mut wire.held);
        let head = taken.map_err(|error| {
            let why = match error {
                HeadError::LineTooLong => "the first line of its answer is longer than 8 KiB",
                HeadError::TooLong => "the head of its answer is longer than 64 KiB",
            };
            Failure::NotHttp { said: wire.held.to_vec(), why }
        })?;
        let Some(head) = head else {
            // What cannot become HTTP any more is not waited for.
            let start = wire.held.trim_ascii_start();
            if !b"HTTP/".starts_with(&start[..start.len().min(5)]) {
                return Err(not_http(&wire.held));
            }
            if !wire.receive(DOING).await? {
                return Err(Failure::HungUp { doing: DOING.into(), said: wire.held.to_vec() });
            }
            continue;
        };
        let response = Response::parse(&head).map_err(|_| not_http(&head))?;
        passage.context.talk.debug(|| {
            let reason = proto::escape::terminal(&response.reason).into_owned();
            format!("{} answered {} {reason}", passage.name(), response.status)
        });
        if !response.is_interim() {
            return Ok(response);
        }
        interim += 1;
        if interim > INTERIM_MAX {
            let why = "it goes on sending interim answers (1xx)";
            return Err(Failure::NotHttp { said: head.to_vec(), why });
        }
    }
}

fn not_http(said: &[u8]) -> Failure {
    Failure::NotHttp { said: said.to_vec(), why: "its answer is not HTTP" }
}

/// Chooses how to say who we are: the strongest Digest there is, else Basic.
fn learn(passage: &mut Passage<'_>, response: &Response) -> Result<(), Failure> {
    let values = response.headers.all("Proxy-Authenticate");
    let all: Vec<Auth> =
        values.filter_map(|value| parse_challenges(value).ok()).flatten().collect();
    let mut why = None;
    let digests = all.iter().filter(|auth| auth.is("Digest")).filter_map(|auth| {
        digest::Challenge::new(auth).map_err(|unusable| why = Some(unusable)).ok()
    });
    // The first of those that are equally strong: the server has them in its order.
    let best = digests.reduce(|best, one| {
        let strength =
            |one: &digest::Challenge| one.algorithm.unwrap_or(digest::Algorithm::MD5).hash;
        if strength(&one) > strength(&best) { one } else { best }
    });
    let answerer = &mut passage.answerer;
    let is_stale = best.as_ref().is_some_and(|best| best.is_stale);
    answerer.answers += 1;
    let was_answered = answerer.scheme.is_some();
    if was_answered && (!is_stale || answerer.answers > ANSWERS_MAX) {
        return Err(refused(passage, response));
    }
    let next = match best {
        Some(challenge) => Scheme::Digest(digest::Client::new(challenge, random()?)),
        None if all.iter().any(|auth| auth.is("Basic")) => Scheme::Basic,
        None => {
            let offered = all.into_iter().map(|auth| auth.scheme).collect::<Vec<_>>();
            // A 407 that says nothing is an answer like any other.
            return Err(match offered.is_empty() {
                true => refused(passage, response),
                false => Failure::NoScheme { offered, why },
            });
        }
    };
    passage.context.talk.verbose(|| format!("Proxy authentication: {}.", next.name()));
    passage.answerer.scheme = Some(next);
    Ok(())
}

/// Reads the page below a 407 where the connection can be used again after it.
async fn skip_page(wire: &mut Wire, response: &Response) -> Next {
    let headers = &response.headers;
    let says =
        |word| headers.has_word("Connection", word) || headers.has_word("Proxy-Connection", word);
    let is_kept = match response.version {
        Version::V11 => !says("close"),
        Version::V10 => says("keep-alive") && !says("close"),
    };
    let framing = match Framing::of_response(response, b"CONNECT") {
        Ok(framing) if is_kept && framing != Framing::UntilEnd => framing,
        _ => return Next::Elsewhere,
    };
    let mut body = Body::new(framing);
    let mut read = 0;
    loop {
        let mut input: Bytes = wire.held.split().freeze();
        loop {
            match body.take(&mut input) {
                Ok(Some(piece)) => read += piece.len(),
                Ok(None) => break,
                Err(_) => return Next::Elsewhere,
            }
        }
        wire.held.extend_from_slice(&input);
        if body.is_done() {
            return Next::Here;
        }
        if read > PAGE_MAX {
            return Next::Elsewhere;
        }
        match wire.receive(DOING).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return Next::Elsewhere,
        }
    }
}
