//! What a Lua error that left an event means.

use mlua::Value;

use super::code::{Fault, Origin};
use super::coroutine::Event;
use super::driver::Driver;
use super::engine::Engine;
use super::native::Misuse;
use crate::source::plain;

impl Driver {
    /// The filter next to the user.
    pub(super) fn top_origin(&self, method: &'static str) -> Origin {
        Origin { method, ..self.link.top.clone() }
    }

    /// What a Lua error that left an event means, in one line.
    pub(super) fn blame(&self, event: Event, error: &mlua::Error) -> Fault {
        let connects = self.link.facts.target.is_some();
        let method = match event {
            Event::Begin if connects => "connect",
            Event::Begin => "accept",
            Event::Recv => "recv",
            Event::Send => {
                let state = self.link.lock();
                if state.outbox_end && !state.in_send { "shutdown" } else { "send" }
            }
            Event::Post => "send",
            Event::Task => "task",
            Event::Timer(_) => "timer",
            Event::Close => "close",
        };
        let said = self.engine.said(error, self.top_origin(method));
        Fault {
            traceback: said.traceback,
            code: said.code,
            ..self.link.fault(said.origin, &said.text)
        }
    }
}

/// An error, taken apart.
pub(super) struct Said {
    pub(super) origin: Origin,
    pub(super) code: &'static str,
    /// What follows the filter's name and the connection.
    pub(super) text: String,
    pub(super) traceback: String,
}

impl Engine {
    /// Takes apart what left an event; `event` says which, and who is to blame when nothing else does.
    pub(super) fn said(&self, error: &mlua::Error, event: Origin) -> Said {
        let mut cause = error;
        while let mlua::Error::CallbackError { cause: inner, .. } = cause {
            cause = inner;
        }
        let tripped: Option<String> = self.flags.raw_get("tripped").unwrap_or(None);
        let _ = self.flags.raw_set("tripped", Value::Nil);
        let text = plain(error);
        let (first, traceback) = text.split_once("\nstack traceback:").unwrap_or((&text, ""));
        let misuse = match cause {
            mlua::Error::ExternalError(error) => error.downcast_ref::<Misuse>(),
            _ => None,
        };
        let method = event.method;
        let mut lines = std::iter::once(first).chain(traceback.lines().map(str::trim));
        let (origin, rest) = match lines.find_map(|line| self.blamed(line)) {
            Some((layer, name, rest)) => (Origin { layer, filter: Some(name), method }, Some(rest)),
            // A tail call leaves no trace; whoever calls the root is the first who has such a method.
            None => match misuse.and_then(|misuse| self.first_with(misuse)) {
                Some((layer, name)) => (Origin { layer, filter: Some(name), method }, None),
                None => (event, None),
            },
        };
        let own = if self.blamed(first).is_some() { rest } else { None };
        let limit = self.shared.limits.memory >> 20;
        let (code, text) = match (misuse, tripped, cause) {
            (Some(misuse), _, _) => ("ERROR", format!(": {misuse}")),
            (_, Some(tripped), _) => ("LIMIT", format!(", {method}: {tripped}")),
            (_, _, mlua::Error::MemoryError(_)) => {
                ("LIMIT", format!(", {method}: not enough memory (limit {limit} MiB)"))
            }
            _ => {
                let placed = placed(first, rest);
                let text = placed.as_deref().or(own).unwrap_or(first);
                ("ERROR", format!(", {method}: {}", text.trim()))
            }
        };
        Said { origin, code, text, traceback: traceback.trim().to_owned() }
    }

    /// The layer next to the wire whose script has the method that was misused, and its name.
    fn first_with(&self, misuse: &Misuse) -> Option<(usize, String)> {
        let method = misuse.0.split(' ').next()?;
        self.stack().parts.iter().enumerate().find_map(|(at, part)| {
            let has = part.table.contains_key(method).unwrap_or(false);
            has.then(|| (at + 1, part.prototype.name.clone()))
        })
    }
}

/// What a function of ours said, at the line of the script that had called it where that is known.
fn placed(said: &str, script: Option<&str>) -> Option<String> {
    let ours = said.strip_prefix("ncat:")?.trim_start_matches(|c: char| c.is_ascii_digit());
    let ours = ours.strip_prefix(": ")?;
    let line = script.and_then(|script| script.split(':').next());
    Some(line.map_or_else(|| ours.to_owned(), |line| format!("{line}: {ours}")))
}
