//! What the end of one direction means for the other. No I/O and no clock: a table.
//!
//! | sending  | receiving | what happens                                                        |
//! |----------|-----------|---------------------------------------------------------------------|
//! | open     | open      | both go on                                                          |
//! | finished | open      | [`AfterLocalEnd`]: until the peer ends, for a time, or settle        |
//! | open     | finished  | [`OnRemoteEnd`]: settle, first send what is ready, or until input ends |
//! | finished | finished  | settle                                                              |
//! | failed   | open      | receive what the peer still sends, then fail                        |
//! | any      | failed    | fail                                                                |
//!
//! To *settle* is to see that what was sent has arrived: input is discarded (unread bytes would turn
//! our close into a reset that destroys the tail) until the peer's system has acknowledged all. Where
//! one end ends both directions (SCTP), ours is told then, and what the peer had sent is received.

use std::time::Duration;

/// What to tell the peer when our input ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnLocalEnd {
    /// End our direction (FIN).
    Finish,
    /// Nothing yet: the transport ends both directions at once, so the end is told last (SCTP). The
    /// peer's system then delivers what its program has written, and the connection is over.
    Last,
    /// Nothing: `--no-shutdown`.
    Keep,
}

/// How long to go on once our direction has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AfterLocalEnd {
    /// Until the peer ends.
    Stay,
    /// Not at all: `--send-only`, `--eof=quit`.
    Quit,
    /// This long, whatever arrives: `-q`.
    For(Duration),
    /// Until nothing has arrived for this long: the default of datagrams, whose peers never end, and of
    /// SCTP, whose peers are not told that our input has; there from when all was acknowledged.
    Quiet(Duration),
}

/// What to do with our input when the peer has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnRemoteEnd {
    /// Send what is ready, then quit.
    Drain,
    /// Go on until our input ends: `--eof=ncat-7.95`, `-k` when connecting.
    Continue,
    /// Nothing: one that has ended hears no more (DTLS).
    Quit,
}

/// The rules of one session's end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rules {
    /// Whether anything is sent at all; not with `--recv-only`.
    pub sends: bool,
    /// At the end of our input.
    pub on_local_end: OnLocalEnd,
    /// After it.
    pub after_local_end: AfterLocalEnd,
    /// At the end of the peer's.
    pub on_remote_end: OnRemoteEnd,
    /// Longest time with no byte in either direction.
    pub idle: Option<Duration>,
    /// Longest time at the end in which a peer that answers may acknowledge nothing; `None` waits as
    /// long as its system answers. A peer that does not answer is given up sooner.
    pub stall: Option<Duration>,
    /// Bytes of a stream that make one datagram.
    pub datagram_size: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            sends: true,
            on_local_end: OnLocalEnd::Finish,
            after_local_end: AfterLocalEnd::Stay,
            on_remote_end: OnRemoteEnd::Drain,
            idle: None,
            stall: None,
            datagram_size: 8192,
        }
    }
}

/// How long a peer that cannot be sent to may be silent before we give up on what it still sends.
/// Most have ended by then; without a limit one that has not would keep a failed session for ever.
pub const FAILED_QUIET: Duration = Duration::from_secs(5);

/// How far one direction is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// More may come.
    Open,
    /// Its source has ended and its sink has everything.
    Finished,
    /// It broke.
    Failed,
}

/// What the session does next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Move bytes in every open direction.
    Move,
    /// Receive; quit when this timer, begun at the end of input, runs out.
    ReceiveFor(Duration),
    /// Receive; quit when nothing has arrived for this long.
    ReceiveUntilQuiet(Duration),
    /// Send what is ready; when nothing is, settle.
    Drain,
    /// See that all has arrived, then end.
    Settle(EndedBy),
    /// Receive; end with the error that was noted when nothing has arrived for this long.
    FailWhenQuiet(Duration),
    /// End now, with the error that was noted.
    Fail,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum EndedBy {
    /// Our input ended and the rules said to quit.
    LocalEnd,
    /// The peer ended.
    RemoteEnd,
    /// The time of `-q` ran out.
    QuitTimer,
    /// No byte for the time of `-i`.
    Idle,
    /// One side failed; see the error.
    Error,
    /// The peer took nothing for too long.
    SlowReader,
    /// Somebody stopped us.
    Stopped,
}

impl EndedBy {
    /// The word used in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::LocalEnd => "local_end",
            Self::RemoteEnd => "remote_end",
            Self::QuitTimer => "quit_timer",
            Self::Idle => "idle",
            Self::Error => "error",
            Self::SlowReader => "slow_reader",
            Self::Stopped => "stopped",
        }
    }
}

/// The table at the head of this module.
pub fn next(rules: &Rules, send: Direction, recv: Direction) -> Next {
    use Direction::{Failed, Finished, Open};
    match (send, recv) {
        (_, Failed) | (Failed, Finished) => Next::Fail,
        (Open, Open) => Next::Move,
        (Failed, Open) => Next::FailWhenQuiet(FAILED_QUIET),
        // Without a sending direction only the peer can end the session.
        (Finished, Open) if !rules.sends => Next::Move,
        (Finished, Open) => match rules.after_local_end {
            AfterLocalEnd::Stay => Next::Move,
            AfterLocalEnd::Quit => Next::Settle(EndedBy::LocalEnd),
            AfterLocalEnd::For(time) => Next::ReceiveFor(time),
            AfterLocalEnd::Quiet(_) if rules.on_local_end == OnLocalEnd::Last => {
                Next::Settle(EndedBy::LocalEnd)
            }
            AfterLocalEnd::Quiet(time) => Next::ReceiveUntilQuiet(time),
        },
        (Open, Finished) => match rules.on_remote_end {
            OnRemoteEnd::Drain => Next::Drain,
            OnRemoteEnd::Continue => Next::Move,
            OnRemoteEnd::Quit => Next::Settle(EndedBy::RemoteEnd),
        },
        (Finished, Finished) => Next::Settle(EndedBy::RemoteEnd),
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::{Failed, Finished, Open};
    use super::*;

    fn rules() -> Rules {
        Rules::default()
    }

    #[test]
    fn nothing_ends_while_both_are_open() {
        assert_eq!(next(&rules(), Open, Open), Next::Move);
    }

    #[test]
    fn one_end_never_cuts_the_other_short() {
        assert_eq!(next(&rules(), Finished, Open), Next::Move);
        assert_eq!(next(&rules(), Open, Finished), Next::Drain);
        assert_eq!(next(&rules(), Failed, Open), Next::FailWhenQuiet(FAILED_QUIET));
    }

    #[test]
    fn the_end_of_input_ends_the_session_only_where_the_rules_say_so() {
        let after = |after_local_end| next(&Rules { after_local_end, ..rules() }, Finished, Open);
        let second = Duration::from_secs(1);
        assert_eq!(after(AfterLocalEnd::Quit), Next::Settle(EndedBy::LocalEnd));
        assert_eq!(after(AfterLocalEnd::For(second)), Next::ReceiveFor(second));
        assert_eq!(after(AfterLocalEnd::Quiet(second)), Next::ReceiveUntilQuiet(second));
        let receive_only = Rules { sends: false, after_local_end: AfterLocalEnd::Quit, ..rules() };
        assert_eq!(next(&receive_only, Finished, Open), Next::Move);
    }

    #[test]
    fn input_goes_on_after_the_peer_where_the_rules_say_so() {
        let rules = Rules { on_remote_end: OnRemoteEnd::Continue, ..rules() };
        assert_eq!(next(&rules, Open, Finished), Next::Move);
        assert_eq!(next(&rules, Finished, Finished), Next::Settle(EndedBy::RemoteEnd));
    }

    #[test]
    fn who_hears_no_more_is_sent_no_more() {
        let rules = Rules { on_remote_end: OnRemoteEnd::Quit, ..rules() };
        assert_eq!(next(&rules, Open, Finished), Next::Settle(EndedBy::RemoteEnd));
        assert_eq!(next(&rules, Open, Open), Next::Move);
    }

    #[test]
    fn an_end_that_ends_both_directions_is_told_last() {
        let on_local_end = OnLocalEnd::Last;
        let after = |after_local_end| {
            next(&Rules { on_local_end, after_local_end, ..rules() }, Finished, Open)
        };
        assert_eq!(after(AfterLocalEnd::Stay), Next::Move);
        let second = Duration::from_secs(1);
        assert_eq!(after(AfterLocalEnd::Quiet(second)), Next::Settle(EndedBy::LocalEnd));
        assert_eq!(after(AfterLocalEnd::For(second)), Next::ReceiveFor(second));
    }

    #[test]
    fn a_failure_is_never_a_success() {
        for send in [Open, Finished, Failed] {
            assert_eq!(next(&rules(), send, Failed), Next::Fail);
        }
        assert_eq!(next(&rules(), Failed, Finished), Next::Fail);
    }
}
