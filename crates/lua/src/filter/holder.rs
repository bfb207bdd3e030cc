//! Whatever has a transport: the root of a stack, or a socket that a filter made for itself.

use std::sync::Arc;
use std::task::{Context, Poll};

use conn::Conn;
use mlua::AnyUserData;
use tokio::time::Instant;

use super::code::Failure;
use super::link::{Ends, Link};
use super::native::{Handle, lost};
use super::socket::{Outgoing, Socket};
use super::wire::Wire;

/// One of the two.
#[derive(Clone)]
pub(crate) enum Holder {
    Root(Arc<Link>),
    Socket(Arc<Outgoing>),
}

impl Holder {
    /// What a script's value stands for.
    pub(crate) fn of(value: &AnyUserData) -> mlua::Result<Self> {
        if let Ok(handle) = value.borrow::<Handle>() {
            return Ok(Self::Root(Arc::clone(&handle.0)));
        }
        match value.borrow::<Socket>() {
            Ok(socket) => Ok(Self::Socket(Arc::clone(&socket.0))),
            Err(_) => Err(lost("that is no connection")),
        }
    }

    /// Has `look` look at the transport.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&mut Wire) -> R) -> R {
        match self {
            Self::Root(link) => look(&mut link.lock().wire),
            Self::Socket(socket) => look(&mut socket.lock()),
        }
    }

    pub(crate) fn ends(&self) -> Ends {
        match self {
            Self::Root(link) => link.lock().ends.clone(),
            Self::Socket(socket) => socket.ends(),
        }
    }

    /// Ready once all that was to be sent has been.
    pub(crate) fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let flush = |wire: &mut Wire, cx: &mut Context<'_>| {
            let ticket = wire.queued;
            let _ = wire.poll_flush(cx);
            wire.poll_sent(cx, ticket)
        };
        match self {
            Self::Root(link) => {
                let flushed = flush(&mut link.lock().wire, cx);
                // The driver goes on with it.
                link.driver.ring();
                flushed
            }
            Self::Socket(socket) => socket.with_crowd(cx, flush),
        }
    }

    /// Whether both are the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Root(one), Self::Root(other)) => Arc::ptr_eq(one, other),
            (Self::Socket(one), Self::Socket(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

/// A connection taken out of its place for a time; it goes back, or the place learns that there is none
/// any more.
pub(crate) struct Loan {
    holder: Holder,
    is_over: bool,
}

impl Loan {
    /// Takes the connection. What was received and nobody has asked for is received again.
    pub(crate) fn take(holder: Holder) -> Result<(Self, Conn), Failure> {
        let conn = holder.with(Wire::lend)?;
        if let Holder::Root(link) = &holder {
            link.lock().grace.begin();
        }
        Ok((Self { holder, is_over: false }, conn))
    }

    /// Bytes have moved.
    pub(crate) fn is_active(&self) {
        self.holder.with(|wire| wire.active = Instant::now());
    }

    pub(crate) fn give_back(mut self, conn: Conn) {
        self.end(Some(conn));
    }

    fn end(&mut self, conn: Option<Conn>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        self.holder.with(|wire| wire.give_back(conn));
        if let Holder::Root(link) = &self.holder {
            link.lock().grace.end();
            link.driver.ring();
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.end(None);
    }
}
