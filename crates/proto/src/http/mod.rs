//! HTTP/1.0 and 1.1 messages (RFC 9110, RFC 9112), for proxies and their clients.
//!
//! Strict where two readers of one message could disagree: bare CR, control characters, two lengths,
//! a length beside a transfer coding and anything but digits in a length are refused, never repaired.
//! What is passed on is written anew from what was understood, so nothing rides along.
//!
//! A head is found by [`HeadReader`], understood by [`Request::parse`] or [`Response::parse`]; whether
//! a body follows says [`Framing`]; [`Body`] takes it out of the stream.

mod body;
mod framing;
mod head;
mod headers;
mod target;

pub use body::{Body, BodyError, CHUNK_END, CHUNKS_END, chunk_start};
pub use framing::{Framing, FramingError};
pub use head::{BadHead, HeadError, HeadReader, Limits, Request, Response, Version};
pub use headers::{BadHeaders, Headers};
pub use target::{Authority, BadTarget, Target};
