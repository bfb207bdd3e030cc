//! Once the dialogue is over: two conns in a relay session, like any other.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use conn::Conn;
use relay::{AfterLocalEnd, EndedBy, OnLocalEnd, OnRemoteEnd, Outcome, Rules, Session, Totals};
use tokio::time::{Instant, sleep};

use super::Server;
use super::record::Record;
use super::wire::Wire;
use crate::local;
use crate::talk::words;

/// How long one end may take for what the other had sent before it failed.
const LAST_BYTES: Duration = Duration::from_secs(5);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(10);

impl Server {
    /// Joins a client with where it asked to be, until both directions have ended. Each ends by itself;
    /// that one end has failed is told to the other by a reset, after all that came before it.
    pub(super) async fn tunnel(&self, mut client: Wire, mut upstream: Wire, record: &mut Record) {
        // What came right behind the head. Sent at once where there is room, both ends stay plain and
        // the rest of the tunnel is left to the kernel.
        send_ready(&mut client, &mut upstream).await;
        send_ready(&mut upstream, &mut client).await;
        let totals = Arc::new(Totals::part_of(&self.totals));
        let remote = local::pace(&self.plan, upstream.into_conn());
        let session = Session::new(client.into_conn(), remote, self.tunnel_rules(), totals);
        let (send, recv) = session.choices();
        for (direction, choice) in [("send", send), ("recv", recv)] {
            self.talk.debug(|| format!("{direction}: {} ({})", choice.strategy.name(), choice.why));
        }
        // Of its own on the heap: the dialogue's memory is not the tunnel's.
        let (outcome, client, upstream) = Box::pin(session.run_back()).await;
        record.sent += outcome.sent;
        record.received += outcome.received;
        record.why = ended(&outcome);
        if outcome.error.is_some() {
            tokio::join!(reset(client), reset(upstream));
        }
    }

    fn tunnel_rules(&self) -> Rules {
        Rules {
            on_local_end: OnLocalEnd::Finish,
            after_local_end: AfterLocalEnd::Stay,
            on_remote_end: OnRemoteEnd::Continue,
            idle: self.limits.idle_timeout,
            ..Rules::default()
        }
    }
}

/// Sends what was read ahead as far as there is room for it now.
async fn send_ready(from: &mut Wire, to: &mut Wire) {
    std::future::poll_fn(|cx| {
        while !from.input.is_empty() {
            // A failure is seen again by the session, which knows what to do about it.
            if !matches!(to.conn.poll_send(cx, &mut from.input), Poll::Ready(Ok(_))) {
                break;
            }
        }
        Poll::Ready(())
    })
    .await;
}

/// Resets a connection when the peer's system has what was sent before, or after a while.
async fn reset(conn: Conn) {
    let until = Instant::now() + LAST_BYTES;
    while matches!(conn.undelivered(), Ok(Some(1..))) && Instant::now() < until {
        sleep(LOOK).await;
    }
    conn.reset();
}

/// Why it ended, when that is worth a word.
fn ended(outcome: &Outcome) -> String {
    match (&outcome.error, outcome.ended_by) {
        (Some(failed), _) => {
            let whose = if failed.side == relay::Side::Remote { "server" } else { "client" };
            format!("{whose}: {}", words(&failed.error))
        }
        (None, EndedBy::Idle) => "idle".into(),
        _ => String::new(),
    }
}
