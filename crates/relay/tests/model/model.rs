//! What a session must do, as a pure function of two scripts and its rules. Times in milliseconds.

use relay::{AfterLocalEnd, EndedBy, OnLocalEnd, OnRemoteEnd, Rules, Side};
use testkit::scripted::{Give, Take};

/// How long a peer that cannot be sent to may be silent.
const FAILED_QUIET: u64 = 5_000;

/// One side of a session.
#[derive(Clone, Debug)]
pub(crate) struct Half {
    pub(crate) give: Vec<Give>,
    pub(crate) take: Vec<Take>,
}

/// How one direction ends when nothing interferes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Last {
    Finished,
    SourceFailed(i32),
    SinkFailed(i32),
}

/// One direction's history: what had been taken and delivered from each moment on.
#[derive(Debug)]
struct Track {
    moves: Vec<Move>,
    end: Option<(u64, Last)>,
}

#[derive(Clone, Copy, Debug)]
struct Move {
    at: u64,
    taken: usize,
    delivered: usize,
    /// Nothing taken waits, not even an empty piece.
    drained: bool,
}

/// Runs one direction alone.
fn track(give: &[Give], take: &[Take]) -> Track {
    let (mut at, mut taken, mut delivered) = (0, 0, 0);
    let (mut moves, mut takes) = (Vec::new(), take.iter());
    let millis = |time: &std::time::Duration| u64::try_from(time.as_millis()).expect("short");
    for step in give {
        match step {
            Give::Pending => continue,
            Give::Wait(time) => {
                at += millis(time);
                continue;
            }
            Give::End => return Track { moves, end: Some((at, Last::Finished)) },
            Give::Fail(errno) => {
                return Track { moves, end: Some((at, Last::SourceFailed(*errno))) };
            }
            Give::Pieces(pieces) => taken += pieces.iter().map(|piece| piece.len()).sum::<usize>(),
        }
        let mut drained = false;
        moves.push(Move { at, taken, delivered, drained });
        while !drained {
            let limit = match takes.next() {
                None => usize::MAX,
                Some(Take::Bytes(n)) => (*n).max(1),
                Some(Take::Pending) => continue,
                Some(Take::Wait(time)) => {
                    at += millis(time);
                    continue;
                }
                Some(Take::Never) => return Track { moves, end: None },
                Some(Take::Fail(errno)) => {
                    return Track { moves, end: Some((at, Last::SinkFailed(*errno))) };
                }
            };
            delivered += limit.min(taken - delivered);
            drained = delivered == taken;
            moves.push(Move { at, taken, delivered, drained });
        }
    }
    Track { moves, end: None }
}

impl Track {
    /// The state after everything that happens up to `at`.
    fn state(&self, at: u64) -> Move {
        let start = Move { at: 0, taken: 0, delivered: 0, drained: true };
        self.moves.iter().take_while(|m| m.at <= at).last().copied().unwrap_or(start)
    }

    fn finished_at(&self) -> Option<u64> {
        self.end.filter(|(_, last)| *last == Last::Finished).map(|(at, _)| at)
    }

    fn ended_by(&self, at: u64) -> bool {
        self.end.is_some_and(|(end, _)| end <= at)
    }
}

/// What must be seen.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Expected {
    pub(crate) at: u64,
    pub(crate) ended_by: EndedBy,
    pub(crate) error: Option<(Side, i32)>,
    pub(crate) sent: usize,
    pub(crate) received: usize,
    pub(crate) remote_finished: bool,
    pub(crate) local_finished: bool,
    /// The peer had not ended when ours was all sent: how long it is still listened to is not
    /// the model's business, so times, and what arrives meanwhile, are not compared.
    pub(crate) listening: bool,
    /// Our output takes nothing any more and holds up what was taken from the peer.
    pub(crate) is_stuck: bool,
}

/// The outcome of a session; `None` when it goes on for ever. `linger` is the local side's.
pub(crate) fn expect(local: &Half, remote: &Half, rules: &Rules, linger: u64) -> Option<Expected> {
    let mut send = track(&local.give, &remote.take);
    if !rules.sends {
        send = Track { moves: Vec::new(), end: Some((0, Last::Finished)) };
    }
    let recv = track(&remote.give, &local.take);
    let mut ends: Vec<(u64, EndedBy, bool)> = Vec::new();
    let send_finished = send.finished_at();
    let recv_finished = recv.finished_at();

    if let Some((at, Last::SourceFailed(_) | Last::SinkFailed(_))) = recv.end {
        ends.push((at, EndedBy::Error, false));
    }
    match send.end {
        Some((at, Last::SourceFailed(_))) => ends.push((at, EndedBy::Error, false)),
        Some((at, Last::SinkFailed(_))) => {
            let end = quiet(&send, &recv, at, FAILED_QUIET);
            let other = recv.end.map_or(end, |(other, _)| other.max(at));
            ends.push((end.min(other), EndedBy::Error, false));
        }
        _ => {}
    }
    if let (Some(one), Some(other)) = (send_finished, recv_finished) {
        ends.push((one.max(other), EndedBy::RemoteEnd, false));
    }
    if let (Some(at), true) = (send_finished, rules.sends) {
        let end = match rules.after_local_end {
            AfterLocalEnd::Stay => None,
            AfterLocalEnd::Quit => Some((at, EndedBy::LocalEnd)),
            AfterLocalEnd::For(time) => Some((at + millis(time), EndedBy::QuitTimer)),
            AfterLocalEnd::Quiet(time) => {
                Some((quiet(&send, &recv, at, millis(time)), EndedBy::LocalEnd))
            }
        };
        ends.extend(end.filter(|(at, _)| !recv.ended_by(*at)).map(|(at, by)| (at, by, true)));
    }
    if let (Some(at), OnRemoteEnd::Drain) = (recv_finished, rules.on_remote_end) {
        let end = drain(&send, at, linger);
        ends.extend(end.filter(|at| !send.ended_by(*at)).map(|at| (at, EndedBy::RemoteEnd, false)));
    }
    if let Some(time) = rules.idle {
        ends.push((quiet(&send, &recv, 0, millis(time)), EndedBy::Idle, false));
    }

    let (at, ended_by, listening) = ends.into_iter().min_by_key(|(at, ..)| *at)?;
    let side = |track: &Track, source: Side, sink: Side| match track.end.filter(|e| e.0 <= at)? {
        (at, Last::SourceFailed(errno)) => Some((at, source, errno)),
        (at, Last::SinkFailed(errno)) => Some((at, sink, errno)),
        (_, Last::Finished) => None,
    };
    let errors =
        [side(&send, Side::LocalInput, Side::Remote), side(&recv, Side::Remote, Side::LocalOutput)];
    let error = errors.into_iter().flatten().min_by_key(|(at, ..)| *at);
    let ended_by = if error.is_some() { EndedBy::Error } else { ended_by };
    let finishes = rules.sends && rules.on_local_end == OnLocalEnd::Finish;
    Some(Expected {
        at,
        ended_by,
        error: error.map(|(_, side, errno)| (side, errno)),
        sent: send.state(at).delivered,
        received: recv.state(at).taken,
        remote_finished: finishes && send_finished.is_some_and(|end| end <= at),
        local_finished: recv_finished.is_some_and(|end| end <= at),
        listening,
        is_stuck: recv.end.is_none() && recv.moves.last().is_some_and(|last| !last.drained),
    })
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("short")
}

/// When nothing has moved in either direction for `time`, but not before `from`.
fn quiet(send: &Track, recv: &Track, from: u64, time: u64) -> u64 {
    let mut moves: Vec<u64> = send.moves.iter().chain(&recv.moves).map(|m| m.at).collect();
    moves.sort_unstable();
    let mut last = 0;
    for at in moves {
        if at > (last + time).max(from) {
            break;
        }
        last = at;
    }
    (last + time).max(from)
}

/// When, the peer having ended at `from`, our side has had nothing ready for `linger`.
fn drain(send: &Track, from: u64, linger: u64) -> Option<u64> {
    let start = Move { at: 0, taken: 0, delivered: 0, drained: true };
    let states: Vec<Move> = std::iter::once(start).chain(send.moves.iter().copied()).collect();
    states.iter().enumerate().find_map(|(i, state)| {
        let at = (state.at + linger).max(from);
        let is_last = states.get(i + 1).is_none_or(|next| next.at > at);
        (state.drained && is_last).then_some(at)
    })
}
