//! One direction: takes bytes out of one conn and puts them into another until the first ends.

mod buffered;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod patience;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod splice;

use std::io;
use std::task::{Context, Poll};

use conn::Conn;

#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::strategy::Strategy;
use crate::strategy::{Choice, choose};
use buffered::Buffered;

/// Bytes moved by one poll before others get their turn.
const TURN_BYTES: u64 = 4 * 1024 * 1024;
/// Calls made by one poll before others get their turn.
const TURN_STEPS: u64 = 256;

/// What one direction has done so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    /// Bytes taken from the source.
    pub(crate) taken: u64,
    /// Bytes the sink has accepted.
    pub(crate) delivered: u64,
    /// Transfers of any size, for the idle timer: an empty datagram is a sign of life too.
    pub(crate) steps: u64,
}

/// Which end failed.
#[derive(Debug)]
pub(crate) enum PumpError {
    /// Taking bytes out.
    Source(io::Error),
    /// Putting bytes in.
    Sink(io::Error),
}

/// One direction under way.
#[derive(Debug)]
pub(crate) struct Pump {
    way: Way,
    pub(crate) choice: Choice,
    pub(crate) tally: Tally,
    /// The last poll stopped to let others run, not because nothing was ready.
    pub(crate) yielded: bool,
    /// Looks for the source's end behind its last bytes.
    joins_end: bool,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    patience: patience::Patience,
}

/// When this poll must let others run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    taken: u64,
    steps: u64,
}

impl Turn {
    fn is_over(self, tally: &Tally) -> bool {
        tally.taken >= self.taken || tally.steps >= self.steps
    }
}

#[derive(Debug)]
enum Way {
    Buffered(Buffered),
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Splice(splice::Splice),
}

impl Pump {
    /// A pump with the best strategy for this pair. Streams become datagrams of `datagram_size`
    /// bytes where the sink keeps messages. `finishes`: the sink is finished as soon as the source has
    /// ended, so that its end can travel with the last bytes where that matters.
    pub(crate) fn new(from: &Conn, to: &Conn, datagram_size: usize, finishes: bool) -> Self {
        let choice = choose(from, to);
        let joins_end = finishes && to.ends_in_bytes();
        let way = match choice.strategy {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Strategy::Sendfile | Strategy::Splice | Strategy::SplicePipe => {
                match splice::Splice::new(choice.strategy, from, to, joins_end) {
                    Ok(splice) => Way::Splice(splice),
                    // No descriptors for a pipe: slower is better than not at all.
                    Err(_) => Way::Buffered(Buffered::new(datagram_size, joins_end)),
                }
            }
            _ => Way::Buffered(Buffered::new(datagram_size, joins_end)),
        };
        Self {
            way,
            choice,
            tally: Tally::default(),
            yielded: false,
            joins_end,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            patience: patience::Patience::default(),
        }
    }

    /// Moves what can be moved. Ready when the source has ended and the sink has everything.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
    ) -> Poll<Result<(), PumpError>> {
        let turn =
            Turn { taken: self.tally.taken + TURN_BYTES, steps: self.tally.steps + TURN_STEPS };
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let taken = self.tally.taken;
        let polled = self.poll_way(cx, from, to, Some(turn));
        self.yielded = polled.is_pending() && turn.is_over(&self.tally);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if polled.is_pending() {
            self.patience.adjust(cx, from, self.tally.taken - taken);
        }
        polled
    }

    /// Delivers what was taken and takes nothing more. Ready when the sink has everything.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
    ) -> Poll<Result<(), PumpError>> {
        self.poll_way(cx, from, to, None)
    }

    /// Moves until `turn` is over, or, without one, only what has been taken already.
    fn poll_way(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        turn: Option<Turn>,
    ) -> Poll<Result<(), PumpError>> {
        let tally = &mut self.tally;
        loop {
            match &mut self.way {
                Way::Buffered(buffered) => {
                    return match turn {
                        Some(turn) => buffered.poll(cx, from, to, tally, turn),
                        None => buffered.flush(cx, to, tally),
                    };
                }
                #[cfg(any(target_os = "linux", target_os = "android"))]
                Way::Splice(splice) => {
                    let polled = match turn {
                        Some(turn) => splice.poll(cx, from, to, tally, turn),
                        None => splice.flush(cx, from, to, tally),
                    };
                    match polled {
                        Poll::Ready(Err(splice::Stop::Refused { left, failure })) => {
                            self.choice.strategy = Strategy::Buffered;
                            self.choice.why = "the kernel declined to splice this pair";
                            let buffered = Buffered::with_queue(left, failure, self.joins_end);
                            self.way = Way::Buffered(buffered);
                        }
                        Poll::Ready(Err(splice::Stop::Failed(e))) => return Poll::Ready(Err(e)),
                        Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
        }
    }

    /// Whether nothing taken from the source still waits to be delivered.
    pub(crate) fn is_drained(&self) -> bool {
        match &self.way {
            Way::Buffered(buffered) => buffered.is_drained(),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Way::Splice(splice) => splice.is_drained(),
        }
    }
}
