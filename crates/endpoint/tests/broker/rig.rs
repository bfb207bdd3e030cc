//! A broker whose clients are scripts.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use endpoint::hub::{Broker, Driver, Hub, HubError, SlowReader, broker};
use relay::{OnRemoteEnd, Rules, Session, Totals};
use testkit::scripted::{Record, Script};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) const PIECE: usize = 64 * 1024;
pub(crate) const MIB: usize = 1024 * 1024;
pub(crate) const CUT: SlowReader = SlowReader::Disconnect(Duration::from_secs(5));

pub(crate) fn secs(time: u64) -> Duration {
    Duration::from_secs(time)
}

/// Numbered bytes, so that a lost or doubled one shows.
pub(crate) fn data(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

/// A client that sends `len` bytes as fast as they are taken.
pub(crate) fn sender(len: usize) -> Script {
    Script::new().recv_split(data(len), &vec![PIECE; len.div_ceil(PIECE)])
}

pub(crate) fn plain() -> Broker {
    Broker {
        relays: true,
        sends: true,
        passes_end: false,
        drops_half_closed: false,
        history_bytes: 0,
        chat: None,
        transcript: None,
    }
}

pub(crate) fn start(
    input: Script,
    slow: SlowReader,
    spec: Broker,
) -> (Hub, JoinHandle<HubError>, Record) {
    let (local, record) = input.conn();
    let (hub, driver): (Hub, Driver) = broker(local, slow, true, 0, spec);
    (hub, tokio::spawn(driver), record)
}

/// A client whose connection is a script.
pub(crate) struct Client {
    pub(crate) remote: Record,
    /// Bytes that were waiting when it was cut, and when that was.
    pub(crate) cut: Arc<OnceLock<(u64, Instant)>>,
    pub(crate) session: JoinHandle<()>,
}

impl Client {
    /// What it got, as text.
    pub(crate) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.remote.sent()).into_owned()
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.get().is_some()
    }

    pub(crate) fn leave(self) {
        self.session.abort();
    }
}

pub(crate) fn join(hub: &Hub, remote: Script) -> Client {
    let totals = Arc::new(Totals::default());
    let (local, signal) = hub.attach(Arc::clone(&totals), "192.0.2.1:9");
    let (remote, record) = remote.conn();
    let rules = Rules { on_remote_end: OnRemoteEnd::Continue, ..Rules::default() };
    let session = Session::new(local, remote, rules, totals);
    let noted: Arc<OnceLock<(u64, Instant)>> = Arc::default();
    let cut = Arc::clone(&noted);
    let session = tokio::spawn(async move {
        tokio::select! {
            _ = session.run() => {}
            Ok(waiting) = signal => {
                let _ = noted.set((waiting, Instant::now()));
            }
        }
    });
    Client { remote: record, cut, session }
}
