//! What a Lua error that left an event means.

use mlua::Value;

use super::code::Fault;
use super::coroutine::Event;
use super::driver::Driver;
use super::native::Misuse;
use crate::source::plain;

impl Driver {
    pub(super) fn top_name(&self) -> String {
        self.engine.prototypes.last().map_or_else(String::new, |top| top.name.clone())
    }

    /// What a Lua error that left an event means, in one line.
    pub(super) fn blame(&self, event: Event, error: &mlua::Error) -> Fault {
        let mut cause = error;
        while let mlua::Error::CallbackError { cause: inner, .. } = cause {
            cause = inner;
        }
        let tripped: Option<String> = self.engine.flags.raw_get("tripped").unwrap_or(None);
        let _ = self.engine.flags.raw_set("tripped", Value::Nil);
        let text = plain(error);
        let (first, traceback) = text.split_once("\nstack traceback:").unwrap_or((&text, ""));
        let misuse = match cause {
            mlua::Error::ExternalError(error) => error.downcast_ref::<Misuse>(),
            _ => None,
        };
        let connects = self.link.facts.target.is_some();
        let method = match event {
            Event::Begin if connects => "connect",
            Event::Begin => "accept",
            Event::Recv => "recv",
            Event::Send if self.link.lock().outbox_end && !self.link.lock().in_send => "shutdown",
            Event::Send | Event::Post => "send",
            Event::Task => "task",
            Event::Close => "close",
        };
        let blamed = self.engine.blamed(first);
        let name = blamed.map_or_else(|| self.top_name(), |(name, _)| name.to_owned());
        let limit = self.engine.shared.limits.memory >> 20;
        let said = match (misuse, tripped, cause) {
            (Some(misuse), _, _) => format!(": {misuse}"),
            (_, Some(tripped), _) => format!(", {method}: {tripped}"),
            (_, _, mlua::Error::MemoryError(_)) => {
                format!(", {method}: not enough memory (limit {limit} MiB)")
            }
            _ => format!(", {method}: {}", blamed.map_or(first, |(_, rest)| rest).trim()),
        };
        Fault { traceback: traceback.trim().to_owned(), ..self.link.fault(&name, &said) }
    }
}
