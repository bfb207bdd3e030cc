//! Fewer, larger wakeups in a bulk transfer.
//!
//! Woken for every segment, a receiver takes the processor and the socket's lock away from the
//! sender 70 KB at a time. Once a connection has been delivering large pieces, it is asked to
//! report only when another large piece has come (`SO_RCVLOWAT`), or the end has. If that takes
//! longer than a moment, the stream is no bulk transfer any more and every byte counts again, so
//! the last bytes before a pause are late by [`PAUSE`] at most, once.
//!
//! Measured with pipe → socket → pipe, 2 GiB, on two cores: 1.85 GB/s without, 2.3 GB/s with.

use std::future::Future;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use conn::{Carrier, Conn};
use sys::fd::FdKind;
use tokio::time::{Instant, Sleep, sleep_until};

/// A large piece, in bytes.
const PIECE: u64 = 256 * 1024;
/// Large pieces in a row that make a bulk transfer.
const ROUNDS: u32 = 8;
/// Longest wait for a large piece.
const PAUSE: Duration = Duration::from_millis(2);

/// How a source is listened to.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    rounds: u32,
    /// Set while the source reports large pieces only.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Called when `from` has nothing more at the moment, after `taken` bytes came at once.
    pub(crate) fn adjust(&mut self, cx: &mut Context<'_>, from: &Conn, taken: u64) {
        match &mut self.timer {
            None if taken < PIECE => {
                if taken > 0 {
                    self.rounds = 0;
                }
            }
            None => {
                self.rounds += 1;
                if self.rounds == ROUNDS && report_at(from, PIECE as i32) {
                    self.timer = Some(Box::pin(sleep_until(Instant::now() + PAUSE)));
                    self.watch(cx, from);
                }
            }
            Some(timer) => {
                if taken > 0 {
                    timer.as_mut().reset(Instant::now() + PAUSE);
                }
                self.watch(cx, from);
            }
        }
    }

    fn watch(&mut self, cx: &mut Context<'_>, from: &Conn) {
        if let Some(timer) = &mut self.timer
            && timer.as_mut().poll(cx).is_ready()
        {
            // The system reports what waits already when the mark is lowered.
            report_at(from, 1);
            (self.timer, self.rounds) = (None, 0);
        }
    }
}

/// Sets the mark at which the source reports; false where it is no TCP socket of our own. Others have
/// the mark too, but a vsock socket does not report what waits when it is lowered.
fn report_at(from: &Conn, bytes: i32) -> bool {
    from.plain()
        .filter(|plain| plain.carrier() == Some(Carrier::Tcp))
        .and_then(conn::Plain::input)
        .filter(|port| port.kind() == FdKind::Socket && port.is_exclusive())
        .is_some_and(|port| sys::socket::report_at(port.as_fd(), bytes))
}
