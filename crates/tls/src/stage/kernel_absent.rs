//! Where the kernel does nothing for TLS: every system but Linux.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use conn::{Conn, Recv};
use plan::KernelTls;

use super::Tls;
use crate::facts::Worker;

/// Nothing is ever given to it.
#[derive(Default)]
pub(super) struct Kernel {
    pub(super) is_cut: bool,
    given: Option<Infallible>,
}

impl Kernel {
    pub(super) fn sends(&self) -> bool {
        self.given.is_some()
    }

    pub(super) fn receives(&self) -> bool {
        self.given.is_some()
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.given.is_some()
    }

    pub(super) fn forget(&mut self) {}

    pub(super) fn waiting_len(&self) -> usize {
        0
    }
}

pub(super) fn hindrance(mode: KernelTls, _inner: &Conn) -> Option<&'static str> {
    Some(if mode == KernelTls::Off { "--ssl-ktls off" } else { "only Linux has it in the kernel" })
}

impl Tls {
    /// Who makes and who opens records.
    pub(crate) fn lower(&mut self, _mode: KernelTls) -> (Worker, Worker) {
        let worker = Worker::User(self.hindrance.unwrap_or_default());
        (worker, worker)
    }

    pub(super) fn note_key_wish(&mut self) {}

    pub(super) fn poll_pass_on(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_read_opened(
        &mut self,
        _cx: &mut Context<'_>,
        _max: usize,
        _out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }
}
