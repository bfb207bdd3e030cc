//! What runs in a coroutine, and for what.

use std::sync::Arc;
use std::task::Waker;

use mlua::{MultiValue, Thread};

use super::link::Turn;

/// What a coroutine is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    Begin,
    Recv,
    Send,
    Post,
    Task,
    Close,
}

pub(super) struct Coroutine {
    pub(super) id: u64,
    pub(super) event: Event,
    pub(super) thread: Thread,
    pub(super) args: Option<MultiValue>,
    pub(super) turn: Arc<Turn>,
    pub(super) waker: Waker,
}
