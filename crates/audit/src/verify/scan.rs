//! All bundles in order, read by several threads, each with a bounded lead.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use super::bundle::{self, Bundle};
use crate::log::store::Store;

/// Bundles a thread may be ahead.
const LEAD: usize = 8;

/// Calls `each` with every bundle of a log of `size` leaves, in order, until it says false.
///
/// Thread t of T reads bundles t, t + T, …; so their order needs no buffer beyond the lead.
pub(super) fn bundles(
    store: Store<'_>,
    size: u64,
    threads: usize,
    wanted: &(impl Fn(u64) -> bool + Sync),
    mut each: impl FnMut(Bundle) -> bool,
) {
    let threads = threads.max(1);
    let count = size.div_ceil(256);
    thread::scope(|scope| {
        let lanes: Vec<Receiver<Bundle>> = (0..threads)
            .map(|first| {
                let (sender, receiver) = sync_channel(LEAD);
                scope.spawn(move || {
                    for n in (first as u64..count).step_by(threads) {
                        if sender.send(bundle::read(&store, n, size, wanted(n))).is_err() {
                            return;
                        }
                    }
                });
                receiver
            })
            .collect();
        for n in 0..count {
            let lane = &lanes[(n % threads as u64) as usize];
            let Ok(bundle) = lane.recv() else { return };
            if !each(bundle) {
                return;
            }
        }
    });
}
