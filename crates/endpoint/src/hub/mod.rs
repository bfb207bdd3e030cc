//! Shares one conn among many, or joins many with each other.
//!
//! With `-k` the shared conn is standard input and output: what comes out of it goes to every client,
//! what the clients send goes into it ([`hub`]). A [`broker`] passes what a client sends to all other
//! clients, and what the shared conn gives to all of them.
//!
//! Each client has a queue of at most 1 MiB. A client that still moves is waited for, so the source
//! runs at the pace of the slowest; one that takes nothing is handled as [`SlowReader`] says. What is
//! given to many is one buffer, however many they are.

mod broker;
mod chat;
mod client;
mod driver;
mod end;
mod ends;
mod history;
mod shared;
mod slow;
mod turns;

use std::io;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use conn::{Conn, ConnInfo, Shape};
use relay::Totals;
use tokio::sync::oneshot;

pub use broker::Broker;
pub use chat::Chat;
pub use driver::Driver;

use broker::Room;
use end::End;
use shared::{Shared, lock};

/// Bytes that may wait for one client, and in the other direction for the shared conn. Each piece
/// counts for 64 bytes more than it has.
pub const QUEUE_BYTES: u64 = 1024 * 1024;
/// Bytes handed to a client's session at a time.
const SERVING: usize = 256 * 1024;

/// What to do with a client that takes nothing while bytes wait for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SlowReader {
    /// Wait for it. Only clients of a broker that wait for each other in a circle, each sending and
    /// none receiving, are disconnected, one after the other.
    Wait,
    /// Skip what does not fit.
    Drop,
    /// Disconnect it after this time.
    Disconnect(Duration),
}

/// Told to a session whose client is to be disconnected: the bytes that were waiting.
pub type Cut = oneshot::Receiver<u64>;

/// Which direction of the shared conn failed.
#[derive(Debug)]
pub enum HubError {
    /// Its output, or the transcript.
    Output(io::Error),
    /// Its input.
    Input(io::Error),
}

/// Attaches clients; cheap to clone.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Mutex<Shared>>,
    shape: Shape,
}

/// A hub around `local`. `reads` says whether anything is to be taken out of it; `datagram_size`
/// is the longest piece given to clients that keep message boundaries, 0 when they do not.
pub fn hub(local: Conn, slow: SlowReader, reads: bool, datagram_size: usize) -> (Hub, Driver) {
    let shared = Shared::new(slow, reads, None);
    let driver = Driver::new(Arc::clone(&shared), local, reads, datagram_size);
    (Hub { shared, shape: Shape::Stream }, driver)
}

/// A broker; of `local` only the input is used. The other arguments are those of [`hub`].
pub fn broker(
    local: Conn,
    slow: SlowReader,
    reads: bool,
    datagram_size: usize,
    spec: Broker,
) -> (Hub, Driver) {
    let shape = if datagram_size == 0 { Shape::Stream } else { Shape::Message };
    let shared = Shared::new(slow, reads, Some(Room::new(spec, datagram_size)));
    let driver = Driver::new(Arc::clone(&shared), local, reads, datagram_size);
    (Hub { shared, shape }, driver)
}

impl Hub {
    /// A client's end of the hub, and the signal that the client is to be disconnected. `totals`
    /// is what the client's session counts into: its progress is how a slow client is told from a
    /// stalled one. `peer` is who it is, for the others.
    pub fn attach(&self, totals: Arc<Totals>, peer: &str) -> (Conn, Cut) {
        let mut shared = lock(&self.shared);
        let (id, signal) = shared.add(totals);
        let speaker = shared.welcome(id, peer);
        let is_broker = shared.room.is_some();
        drop(shared);
        let end = End::new(Arc::clone(&self.shared), id, speaker);
        let peer = if is_broker { "the other clients" } else { "standard input and output" };
        let info = ConnInfo { peer: peer.into(), ..ConnInfo::default() };
        (Conn::from_duplex(info, self.shape, Box::new(end)), signal)
    }

    /// Whether the shared conn has no more to give.
    pub fn is_source_ended(&self) -> bool {
        lock(&self.shared).source_ended
    }

    /// Waits until everything the clients sent has gone into the shared conn.
    pub async fn flushed(&self) {
        std::future::poll_fn(|cx| {
            let mut shared = lock(&self.shared);
            if shared.inbox_bytes == 0 {
                return Poll::Ready(());
            }
            shared.flushed = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits until the source has ended; with `-q` and `--send-only` that ends the listener.
    pub async fn source_ended(&self) {
        std::future::poll_fn(|cx| {
            let mut shared = lock(&self.shared);
            if shared.source_ended {
                return Poll::Ready(());
            }
            shared.end_awaited = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Has every client of a broker see the end, after what waits for it.
    pub fn close(&self) {
        lock(&self.shared).close();
    }

    /// Lets go of a client of a broker that only listens, since its place is wanted.
    pub fn dismiss(&self) {
        lock(&self.shared).dismiss();
    }
}
