//! Standard input and output as one conn.

use conn::{Conn, ConnInfo, Shape};
use gate::Permit;

use crate::OpenError;

/// What is wanted of standard input and output.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Read standard input; otherwise it is never opened (`--recv-only`).
    pub input: bool,
    /// Write standard output; otherwise what goes there is discarded (`--send-only`).
    pub output: bool,
}

/// Opens them. Neither is switched to non-blocking: whoever shares them sees no change.
///
/// # Errors
/// [`OpenError::Stdio`] when one is of a kind that cannot be waited for.
#[cfg(unix)]
pub fn open(_permit: Permit, wanted: Wanted) -> Result<Conn, OpenError> {
    use conn::{Input, Output, Plain, Port};

    let fail = |what| move |error| OpenError::Stdio { what, error };
    let mut info = info();
    let input = if !wanted.input || sys::stdio::was_closed(0) {
        Input::Empty
    } else {
        info.expected = sys::fd::remaining(sys::stdio::input());
        Input::Port(Port::shared(sys::stdio::input(), false).map_err(fail("standard input"))?)
    };
    let output = if !wanted.output {
        Output::Discard
    } else if sys::stdio::was_closed(1) {
        Output::Closed
    } else {
        Output::Port(Port::shared(sys::stdio::output(), true).map_err(fail("standard output"))?)
    };
    Ok(Conn::from_plain(info, Shape::Stream, Plain::stdio(input, output)))
}

/// Opens them, read and written on threads of the runtime.
///
/// # Errors
/// None on this system.
#[cfg(not(unix))]
pub fn open(_permit: Permit, wanted: Wanted) -> Result<Conn, OpenError> {
    use std::time::Duration;
    use tokio::io::{AsyncRead, AsyncWrite, empty, sink, stdin, stdout};

    let input: Box<dyn AsyncRead + Send + Unpin> =
        if wanted.input { Box::new(stdin()) } else { Box::new(empty()) };
    let output: Box<dyn AsyncWrite + Send + Unpin> =
        if wanted.output { Box::new(stdout()) } else { Box::new(sink()) };
    let duplex = conn::StreamDuplex::new(input, output, Duration::from_millis(100));
    Ok(Conn::from_duplex(info(), Shape::Stream, Box::new(duplex)))
}

fn info() -> ConnInfo {
    ConnInfo { peer: "standard input and output".into(), ..ConnInfo::default() }
}
