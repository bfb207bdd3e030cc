//! Which port a program has bound, as the kernel tells; no program has to say it.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::DEADLINE;

/// Asks `probe` until it has an answer; fails the test at the deadline.
#[track_caller]
pub fn poll_until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < until, "waited too long for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The port on which process `id` has a listening TCP socket or a bound UDP one.
#[track_caller]
pub fn bound_port(id: u32, protocol: &str) -> u16 {
    poll_until(&format!("process {id} to bind a {protocol} port"), || find(id, protocol))
}

fn find(id: u32, protocol: &str) -> Option<u16> {
    let inodes: Vec<String> = fs::read_dir(format!("/proc/{id}/fd"))
        .ok()?
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let text = link.to_string_lossy().into_owned();
            text.strip_prefix("socket:[")?.strip_suffix(']').map(str::to_string)
        })
        .collect();
    let state = if protocol == "tcp" { "0A" } else { "07" };
    ["", "6"].iter().find_map(|family| {
        let table = fs::read_to_string(format!("/proc/{id}/net/{protocol}{family}")).ok()?;
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_ours = inodes.iter().any(|inode| inode == fields[9]) && fields[3] == state;
            let port = fields[1].rsplit_once(':')?.1;
            is_ours.then(|| u16::from_str_radix(port, 16).unwrap())
        })
    })
}
