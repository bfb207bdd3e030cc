//! What a client asks: understood, judged by everything that needs no connection, and written anew
//! for the server.

use bytes::{Bytes, BytesMut};
use proto::http::{
    Authority, BadHead, BadHeaders, BadTarget, Framing, FramingError, Request, Target, Version,
};

use super::reply::{METHODS, Reply};

/// A request that can be carried out.
pub(super) struct Ask {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_connect: bool,
    /// What the server is sent; empty for a tunnel.
    pub(super) request: Request,
    pub(super) framing: Framing,
    pub(super) version: Version,
    /// The client wants the connection kept.
    pub(super) keeps: bool,
    /// The client offers to go on in another protocol.
    pub(super) upgrades: bool,
    /// Sending it twice does what sending it once does, and there is nothing but a head to send.
    pub(super) is_repeatable: bool,
    /// The connection itself is authenticated by what it carries, so nobody else may have it.
    pub(super) is_personal: bool,
}

/// What is wrong with a head.
pub(super) fn bad_head(bad: BadHead) -> Reply {
    let why = match bad {
        BadHead::NoVersion => "HTTP/0.9 has no header lines, so nothing safe can be passed on.",
        BadHead::Version => {
            return Reply::last(505, "This proxy speaks HTTP/1.0 and HTTP/1.1.");
        }
        BadHead::Line => "The request line is not: method, blank, target, blank, HTTP/version.",
        BadHead::Headers(BadHeaders::TooMany) => {
            return Reply::last(413, "There are more than 256 header lines.");
        }
        BadHead::Headers(BadHeaders::Name) => "A header line is not a name and a colon.",
        BadHead::Headers(BadHeaders::Value) => "A header value has a control character.",
        BadHead::Headers(BadHeaders::Fold) => "The first header line continues nothing.",
        BadHead::Headers(BadHeaders::Connection) => "The Connection header is not a list of names.",
    };
    Reply::last(400, why)
}

fn bad_target(bad: BadTarget) -> Reply {
    let why = match bad {
        BadTarget::NotAbsolute => "A proxy is asked for a whole URL, http://host/path.",
        BadTarget::Scheme => "Only http:// is passed on; CONNECT makes a tunnel for the rest.",
        BadTarget::User => "A URL with a user name is not passed on.",
        BadTarget::Host => "The URL has no host that could be one.",
        BadTarget::Port => "The port is missing or not one from 1 to 65535.",
    };
    Reply::last(400, why)
}

fn bad_framing(bad: FramingError) -> Reply {
    let (status, why) = match bad {
        FramingError::Both => (400, "Both Content-Length and Transfer-Encoding are given."),
        FramingError::Lengths => (400, "Content-Length is given more than once."),
        FramingError::Length => (400, "Content-Length is not a number."),
        FramingError::Coding => (501, "The only transfer coding understood is chunked."),
        FramingError::OldCoding => (400, "HTTP/1.0 has no Transfer-Encoding."),
    };
    Reply::last(status, why)
}

/// Understands a head, in Ncat's order: line and target, method, header lines.
pub(super) fn read(head: &Bytes) -> Result<Request, Reply> {
    let request = Request::parse(head).map_err(bad_head)?;
    let method = &request.method[..];
    if method == b"CONNECT" {
        Authority::parse_connect(&request.target).map_err(bad_target)?;
    } else {
        Target::parse(&request.target, method).map_err(bad_target)?;
    }
    let is_known = METHODS.split(", ").any(|known| known.as_bytes() == method);
    if !is_known {
        let allow = format!("Allow: {METHODS}\r\n");
        return Err(Reply::last(405, "This method is not passed on.").with(allow));
    }
    Ok(request)
}

/// Whether the client wants its connection kept (RFC 9112, section 9.3); old clients say so to
/// proxies in a header of their own.
pub(super) fn keeps(request: &Request) -> bool {
    let says = |word| {
        request.headers.has_word("Connection", word)
            || request.headers.has_word("Proxy-Connection", word)
    };
    match request.version {
        Version::V11 => !request.headers.has_word("Connection", "close"),
        Version::V10 => says("keep-alive") && !says("close"),
    }
}

/// Makes of a request what the server is to be asked. `via` is our name for the `Via` header.
pub(super) fn prepare(mut request: Request, via: &str) -> Result<Ask, Reply> {
    let framing = Framing::of_request(&request).map_err(bad_framing)?;
    if request.headers.all("Host").count() > 1 {
        return Err(Reply::last(400, "Host is given more than once."));
    }
    let (version, keeps) = (request.version, keeps(&request));
    let upgrade = upgrade(&request).filter(|_| framing == Framing::None);
    request.headers.strip_hop_by_hop().map_err(|bad| bad_head(BadHead::Headers(bad)))?;
    let method = request.method.clone();
    if method == b"CONNECT"[..] {
        let authority = Authority::parse_connect(&request.target).map_err(bad_target)?;
        if framing != Framing::None && framing != Framing::Length(0) {
            return Err(Reply::last(400, "CONNECT has no body."));
        }
        return Ok(Ask {
            host: authority.host,
            port: authority.port.unwrap_or_default(),
            is_connect: true,
            request,
            framing,
            version,
            keeps,
            upgrades: false,
            is_repeatable: false,
            is_personal: false,
        });
    }
    let target = Target::parse(&request.target, &method).map_err(bad_target)?;
    if method == b"POST"[..] && framing == Framing::None && version == Version::V10 {
        return Err(Reply::last(400, "A POST of HTTP/1.0 must have a Content-Length."));
    }
    let is_repeatable = framing == Framing::None
        && matches!(&method[..], b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE");
    let is_personal = request.headers.all("Authorization").any(|value| {
        let scheme = value.split(|byte| *byte == b' ').next().unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"NTLM") || scheme.eq_ignore_ascii_case(b"Negotiate")
    });
    let headers = &mut request.headers;
    headers.remove("Host");
    if version == Version::V10 {
        headers.remove("Expect");
    }
    let number = if version == Version::V10 { "1.0" } else { "1.1" };
    headers.push("Via", format!("{number} {via}"));
    if framing == Framing::Chunked {
        headers.push("Transfer-Encoding", "chunked");
    }
    let upgrades = upgrade.is_some();
    if let Some(protocols) = upgrade {
        headers.push("Connection", "Upgrade");
        headers.push("Upgrade", protocols);
    }
    request.target = target.path;
    request.version = Version::V11;
    let port = target.authority.port.unwrap_or(80);
    let host = target.authority.host;
    Ok(Ask {
        host,
        port,
        is_connect: false,
        request,
        framing,
        version,
        keeps,
        upgrades,
        is_repeatable,
        is_personal,
    })
}

/// The protocols a client offers to go on in. Not HTTP/2: what its frames ask would pass us unread.
fn upgrade(request: &Request) -> Option<Bytes> {
    let is_asked = request.headers.has_word("Connection", "upgrade");
    let protocols = request.headers.first("Upgrade").filter(|_| is_asked)?;
    let is_http2 = request
        .headers
        .words("Upgrade")
        .any(|word| word.len() >= 2 && word[..2].eq_ignore_ascii_case(b"h2"));
    (request.version == Version::V11 && !is_http2).then(|| protocols.clone())
}

impl Ask {
    /// The host as `Host` names it.
    pub(super) fn authority(&self) -> Authority {
        let port = (self.port != 80 || self.is_connect).then_some(self.port);
        Authority { host: self.host.clone(), port }
    }

    /// The head for the server, `Host` first.
    pub(super) fn head(&self) -> Bytes {
        let mut lines = BytesMut::new();
        let mut request = self.request.clone();
        request.headers = proto::http::Headers::default();
        request.headers.push("Host", self.authority().to_string());
        request.headers.append(&self.request.headers);
        request.write(&mut lines);
        lines.freeze()
    }
}
