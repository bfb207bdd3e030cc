//! Time that filters do not answer for while a connection begins: dialling has a limit of its own, and
//! whoever serves a client by itself is done with beginning.

use std::time::Duration;

use super::clock::Clock;

/// How much longer a limit is to hold while somebody else works, at least.
const STEP: Duration = Duration::from_secs(1);

/// Adds up time in which somebody else was at work.
#[derive(Debug)]
pub(crate) struct Grace {
    clock: Clock,
    depth: u32,
    since: Option<Duration>,
    spent: Duration,
}

impl Grace {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, depth: 0, since: None, spent: Duration::ZERO }
    }

    /// Somebody else begins to work.
    pub(crate) fn begin(&mut self) {
        self.depth += 1;
        let now = self.clock.now();
        self.since.get_or_insert(now);
    }

    /// Somebody else is done.
    pub(crate) fn end(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0
            && let Some(since) = self.since.take()
        {
            self.spent += self.clock.now() - since;
        }
    }

    /// What a limit that has run out is to be extended by; nothing is given twice.
    pub(crate) fn take(&mut self) -> Option<Duration> {
        let mut spent = std::mem::take(&mut self.spent);
        if let Some(since) = &mut self.since {
            let now = self.clock.now();
            spent = (spent + (now - *since)).max(STEP);
            *since = now;
        }
        (!spent.is_zero()).then_some(spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_given_that_was_not_spent() {
        let mut grace = Grace::new(Clock::real());
        assert_eq!(grace.take(), None);
        grace.begin();
        grace.begin();
        grace.end();
        assert!(grace.take().is_some_and(|more| more >= STEP));
        grace.end();
        assert!(grace.take().is_none_or(|more| more < STEP));
        assert_eq!(grace.take(), None);
    }
}
