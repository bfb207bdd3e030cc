//! `--lua-limit`: `memory=64M,slice=500ms`.

use std::time::Duration;

use plan::lua::FilterLimits;

use super::{exec_limit, time};

/// Adds the limits of a list; a limit named again replaces the earlier one. `None` when it is no list.
pub(super) fn add(limits: &mut FilterLimits, list: &str) -> Option<()> {
    list.split(',').try_for_each(|item| {
        let (name, value) = item.split_once('=')?;
        match name {
            "memory" => {
                limits.memory = exec_limit::size(value)?;
                limits.is_memory_given = true;
            }
            "chunk" => limits.chunk = exec_limit::size(value)?,
            "buffer" => limits.buffer = exec_limit::size(value)?,
            "tasks" => limits.tasks = value.parse().ok()?,
            "timers" => limits.timers = value.parse().ok()?,
            "queue" => limits.queue = exec_limit::size(value)?,
            "slice" => limits.slice = span(value)?,
            "load" => limits.load = span(value)?,
            "handshake" => limits.handshake = span(value)?,
            "close" => limits.close = span(value)?,
            "sockets" => limits.sockets = value.parse().ok()?,
            "hard" => {
                limits.hard = match value {
                    "0" => false,
                    "1" => true,
                    _ => return None,
                }
            }
            _ => return None,
        }
        Some(())
    })
}

fn span(value: &str) -> Option<Duration> {
    if value == "0" { Some(Duration::ZERO) } else { time::parse(value).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_limits() {
        let mut limits = FilterLimits::default();
        assert_eq!(add(&mut limits, "memory=64M,slice=500ms,close=0,chunk=0,hard=1"), Some(()));
        assert!(limits.hard && limits.is_memory_given);
        assert_eq!(limits.memory, 64 << 20);
        assert_eq!(limits.slice, Duration::from_millis(500));
        assert_eq!((limits.close, limits.chunk), (Duration::ZERO, 0));
        for bad in ["", "memory", "memory=", "slice=x", "cpu=1", "memory=1,", "hard=2", "tasks=x"] {
            assert_eq!(add(&mut limits, bad), None, "{bad:?}");
        }
    }
}
