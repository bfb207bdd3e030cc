//! Commands where there are none: a build without them, or a system they do not work on yet.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use conn::Conn;
use endpoint::OpenError;
use plan::{Connect, Listen};
use relay::{Outcome, Totals};

use crate::exit::Exit;
use crate::run::Context;
use crate::signals::Signals;

#[cfg(unix)]
pub(crate) const DESCRIPTORS_PER_CLIENT: u64 = 1;
pub(crate) const GRACE: Duration = Duration::ZERO;
pub(crate) const LAST_WORDS: Duration = Duration::ZERO;

/// A command made ready; there is none.
pub(crate) enum Launch {}

/// What a command is told; nothing.
pub(crate) struct Facts;

impl Facts {
    pub(crate) fn of_connect(_spec: &Connect) -> Self {
        Self
    }

    pub(crate) fn of_listen(_spec: &Listen) -> Self {
        Self
    }
}

/// Refuses a command.
pub(crate) fn prepare(context: &Context) -> Result<Option<Launch>, OpenError> {
    match &context.plan.exec {
        None => Ok(None),
        Some(_) => Err(OpenError::Stdio {
            what: "-e, -c",
            error: io::Error::new(
                io::ErrorKind::Unsupported,
                "commands are not available on this system yet",
            ),
        }),
    }
}

pub(crate) async fn run(
    _context: &Context,
    launch: Launch,
    _remote: Conn,
    _facts: Facts,
    _signals: &mut Signals,
    _ended: impl Fn(i32) -> Exit,
) -> Exit {
    match launch {}
}

/// Runs commands; there is none.
pub(crate) struct Host {
    never: Infallible,
    pub(crate) children: Children,
}

/// How it went.
pub(crate) struct End {
    pub(crate) outcome: Option<Outcome>,
}

impl Host {
    pub(crate) fn new(_context: &Context, launch: Launch, _facts: Facts) -> Self {
        match launch {}
    }

    pub(crate) async fn serve(self: Arc<Self>, _remote: Conn, _totals: Arc<Totals>) -> End {
        match self.never {}
    }
}

/// Running programs; there are none.
pub(crate) struct Children(Infallible);

impl Children {
    pub(crate) async fn stop(&self, _grace: Duration) {
        match self.0 {}
    }
}
