//! HTTP messages: the same for every cut, and what is written is what was understood.

use bytes::{Bytes, BytesMut};
use proto::http::{Body, Framing, HeadReader, Request, Response};

use crate::codecs::split;

/// A head found in these pieces, and what follows it.
fn head(pieces: &[&[u8]]) -> Option<Result<(Bytes, BytesMut), proto::http::HeadError>> {
    let mut reader = HeadReader::default();
    let mut buf = BytesMut::new();
    let mut found = None;
    for piece in pieces {
        buf.extend_from_slice(piece);
        if found.is_none() {
            match reader.take(&mut buf) {
                Ok(Some(head)) => found = Some(head),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
    found.map(|head| Ok((head, buf)))
}

/// Heads: split or whole; a request or an answer that was understood is understood again, the same,
/// when it is written; nothing that two readers could read differently survives.
pub fn http_head(data: &[u8]) {
    let (input, pieces) = split(data);
    let whole = head(&[input]);
    assert_eq!(head(&pieces), whole);
    let Some(Ok((head, _))) = whole else { return };
    if let Ok(mut request) = Request::parse(&head) {
        let _ = Framing::of_request(&request);
        let mut out = BytesMut::new();
        request.write(&mut out);
        assert!(!out.contains(&0));
        assert_eq!(
            out.iter().filter(|b| **b == b'\r').count(),
            out.iter().filter(|b| **b == b'\n').count()
        );
        assert_eq!(Request::parse(&out.freeze()).as_ref(), Ok(&request));
        if request.headers.strip_hop_by_hop().is_ok() {
            assert_eq!(request.headers.first("Connection"), None);
        }
    }
    if let Ok(response) = Response::parse(&head) {
        let mut out = BytesMut::new();
        response.write(&mut out);
        assert_eq!(Response::parse(&out.freeze()), Ok(response));
    }
}

/// Chunks: split or whole, never more content than input, and an end once found is the end.
pub fn http_chunks(data: &[u8]) {
    let decode = |pieces: &[&[u8]]| {
        let mut body = Body::new(Framing::Chunked);
        let (mut content, mut after) = (Vec::new(), Vec::new());
        for piece in pieces {
            let mut piece = Bytes::copy_from_slice(piece);
            loop {
                match body.take(&mut piece) {
                    Ok(Some(data)) => content.extend_from_slice(&data),
                    Ok(None) => break,
                    Err(error) => return (content, after, Some(error), false),
                }
            }
            after.extend_from_slice(&piece);
        }
        (content, after, None, body.is_done())
    };
    let (input, pieces) = split(data);
    let whole = decode(&[input]);
    assert_eq!(decode(&pieces), whole);
    assert!(whole.0.len() + whole.1.len() <= input.len());
}
