//! Runs the items of a pattern over a subject, going back where that is needed.

use std::ops::Range;

use super::class::Class;
use super::{Budget, CAPTURES_MAX, Item, Pattern, Stop, Times, Wrong};

/// Calls within calls, at most: as in Lua.
const DEPTH_MAX: u32 = 200;

/// Part of a subject.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Span {
    /// From here to there.
    Text(usize, usize),
    /// The place of `()`, counted from 0.
    Position(usize),
    /// `(` was here, and its `)` has not come.
    Open(usize),
}

/// A match and its captures.
#[derive(Clone, Copy, Debug)]
pub struct Captures<'s> {
    start: usize,
    end: usize,
    spans: &'s [Span],
}

impl<'s> Captures<'s> {
    /// All of the match.
    pub fn whole(&self) -> Range<usize> {
        self.start..self.end
    }

    /// What was captured.
    pub fn spans(&self) -> &'s [Span] {
        self.spans
    }

    /// The first capture, which is all of the match when there is none.
    pub fn first(&self) -> Span {
        self.spans.first().copied().unwrap_or(Span::Text(self.start, self.end))
    }
}

/// A pattern on its way over a subject.
#[derive(Debug)]
pub struct Search<'a, B> {
    pattern: &'a Pattern,
    subject: &'a [u8],
    budget: B,
    /// Steps until the budget is asked.
    left: u32,
    depth: u32,
    spans: [Span; CAPTURES_MAX],
    count: usize,
}

impl<'a, B: Budget> Search<'a, B> {
    /// Nothing is looked at yet.
    pub fn new(pattern: &'a Pattern, subject: &'a [u8], budget: B) -> Self {
        let spans = [Span::Position(0); CAPTURES_MAX];
        Self { pattern, subject, budget, left: B::EVERY, depth: DEPTH_MAX, spans, count: 0 }
    }

    /// The first match that begins at `from` or later; `from` is within the subject or at its end.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn find(&mut self, from: usize) -> Result<Option<Captures<'_>>, Stop> {
        let mut start = from;
        while let Some(at) = self.candidate(start) {
            (self.count, self.depth) = (0, DEPTH_MAX);
            if let Some(end) = self.go(at, 0)? {
                return Ok(Some(Captures { start: at, end, spans: &self.spans[..self.count] }));
            }
            if self.pattern.anchored || at == self.subject.len() {
                break;
            }
            start = at + 1;
        }
        Ok(None)
    }

    /// As `gmatch` and `gsub` go on: not with a match that ends where the last one ended.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn next(
        &mut self,
        from: usize,
        last_end: Option<usize>,
    ) -> Result<Option<Captures<'_>>, Stop> {
        let mut from = from;
        while from <= self.subject.len() {
            let (start, end) = match self.find(from)? {
                Some(found) => (found.start, found.end),
                None => return Ok(None),
            };
            if Some(end) != last_end {
                return Ok(Some(Captures { start, end, spans: &self.spans[..self.count] }));
            }
            if self.pattern.anchored {
                return Ok(None);
            }
            from = start + 1;
        }
        Ok(None)
    }

    /// Where a match may begin, from `from` on.
    fn candidate(&self, from: usize) -> Option<usize> {
        let rest = self.subject.get(from..)?;
        if self.pattern.anchored {
            return Some(from);
        }
        match self.pattern.items.first() {
            Some(Item::Match(class, Times::Once | Times::Many { least: 1 })) => {
                class.find(rest).map(|offset| from + offset)
            }
            _ => Some(from),
        }
    }

    fn spend(&mut self, steps: usize) -> Result<(), Stop> {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        match self.left.checked_sub(steps) {
            Some(left) => self.left = left,
            None if self.budget.goes_on() => self.left = B::EVERY,
            None => return Err(Stop::Late),
        }
        Ok(())
    }

    /// Where a match of the items from `item` on ends that begins at `at`.
    fn go(&mut self, at: usize, item: usize) -> Result<Option<usize>, Stop> {
        self.depth = self.depth.checked_sub(1).ok_or(Stop::Wrong(Wrong::Complex))?;
        let end = self.items_from(at, item);
        self.depth += 1;
        end
    }

    fn items_from(&mut self, mut at: usize, mut item: usize) -> Result<Option<usize>, Stop> {
        let items = &self.pattern.items;
        loop {
            self.spend(1)?;
            let Some(this) = items.get(item) else { return Ok(Some(at)) };
            item += 1;
            let end = match this {
                Item::Match(class, times) => {
                    let matches = self.subject.get(at).is_some_and(|byte| class.has(*byte));
                    match times {
                        Times::Once if matches => Some(at + 1),
                        Times::Once => None,
                        Times::Maybe if matches => match self.go(at + 1, item)? {
                            None => Some(at),
                            found => return Ok(found),
                        },
                        Times::Many { least } if matches => {
                            return self.most(class, at, *least, item);
                        }
                        Times::Many { least: 1.. } => None,
                        Times::Few if matches => return self.least(class, at, item),
                        Times::Maybe | Times::Many { .. } | Times::Few => Some(at),
                    }
                }
                Item::Open => return self.open(Span::Open(at), at, item),
                Item::Position => return self.open(Span::Position(at), at, item),
                Item::Close => return self.close(at, item),
                Item::End => (at == self.subject.len()).then_some(at),
                Item::Balance(open, close) => self.balanced(at, *open, *close)?,
                Item::Frontier(class) => {
                    let before = at.checked_sub(1).map_or(0, |before| self.subject[before]);
                    let after = self.subject.get(at).copied().unwrap_or(0);
                    (!class.has(before) && class.has(after)).then_some(at)
                }
                Item::Back(index) => self.again(at, *index)?,
                Item::Wrong(wrong) => return Err(Stop::Wrong(*wrong)),
            };
            match end {
                Some(end) => at = end,
                None => return Ok(None),
            }
        }
    }

    /// As many as there are, then one less, and so on.
    fn most(
        &mut self,
        class: &Class,
        at: usize,
        least: usize,
        next: usize,
    ) -> Result<Option<usize>, Stop> {
        if self.depth == 0 {
            return Err(Stop::Wrong(Wrong::Complex));
        }
        let mut count = class.run(&self.subject[at..]);
        self.spend(count / 4)?;
        let following = match self.pattern.items.get(next) {
            None => return Ok(Some(at + count)),
            Some(Item::Match(class, Times::Once)) => Some(class),
            Some(_) => None,
        };
        loop {
            // What cannot go on at a place need not be tried there.
            let may = following.is_none_or(|class| {
                self.subject.get(at + count).is_some_and(|byte| class.has(*byte))
            });
            if !may {
                self.spend(1)?;
            } else if let Some(end) = self.go(at + count, next)? {
                return Ok(Some(end));
            }
            if count == least {
                return Ok(None);
            }
            count -= 1;
        }
    }

    /// As few as will do.
    fn least(&mut self, class: &Class, at: usize, next: usize) -> Result<Option<usize>, Stop> {
        let mut at = at;
        loop {
            if let Some(end) = self.go(at, next)? {
                return Ok(Some(end));
            }
            if !self.subject.get(at).is_some_and(|byte| class.has(*byte)) {
                return Ok(None);
            }
            at += 1;
        }
    }

    fn open(&mut self, span: Span, at: usize, next: usize) -> Result<Option<usize>, Stop> {
        *self.spans.get_mut(self.count).ok_or(Stop::Wrong(Wrong::Many))? = span;
        self.count += 1;
        let end = self.go(at, next)?;
        if end.is_none() {
            self.count -= 1;
        }
        Ok(end)
    }

    fn close(&mut self, at: usize, next: usize) -> Result<Option<usize>, Stop> {
        let spans = self.spans[..self.count].iter_mut().rev();
        let open = spans.enumerate().find_map(|(back, span)| match *span {
            Span::Open(start) => {
                *span = Span::Text(start, at);
                Some((self.count - 1 - back, start))
            }
            _ => None,
        });
        let (slot, start) = open.ok_or(Stop::Wrong(Wrong::Close))?;
        let end = self.go(at, next)?;
        if end.is_none() {
            self.spans[slot] = Span::Open(start);
        }
        Ok(end)
    }

    /// `%b`: where what begins here with `open` is closed again.
    fn balanced(&mut self, at: usize, open: u8, close: u8) -> Result<Option<usize>, Stop> {
        if self.subject.get(at) != Some(&open) {
            return Ok(None);
        }
        let mut depth = 1usize;
        for (offset, byte) in self.subject[at + 1..].iter().enumerate() {
            if *byte == close {
                depth -= 1;
                if depth == 0 {
                    self.spend(offset)?;
                    return Ok(Some(at + offset + 2));
                }
            } else if *byte == open {
                depth += 1;
            }
        }
        self.spend(self.subject.len() - at)?;
        Ok(None)
    }

    /// `%1` to `%9`: what was captured, once more. A position is never found again.
    fn again(&mut self, at: usize, index: u8) -> Result<Option<usize>, Stop> {
        let slot = usize::from(index).wrapping_sub(1);
        match self.spans[..self.count].get(slot) {
            None | Some(Span::Open(_)) => Err(Stop::Wrong(Wrong::Index(index))),
            Some(Span::Position(_)) => Ok(None),
            Some(Span::Text(start, end)) => {
                let text = &self.subject[*start..*end];
                self.spend(text.len() / 16)?;
                Ok(self.subject[at..].starts_with(text).then(|| at + text.len()))
            }
        }
    }
}
