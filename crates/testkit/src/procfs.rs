//! Facts about running processes, from `/proc`.

use std::fs;
use std::time::Duration;

/// Whether somebody listens on this TCP port, on any address of this machine.
pub fn is_listening(port: u16) -> bool {
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|path| {
        let table = fs::read_to_string(path).unwrap_or_default();
        table.lines().skip(1).any(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, _, state) = (fields.next(), fields.next(), fields.next());
            let at = local.and_then(|l| l.rsplit(':').next());
            state == Some("0A") && at.and_then(|p| u16::from_str_radix(p, 16).ok()) == Some(port)
        })
    })
}

/// The TCP ports a process listens on.
pub fn listening_ports(pid: u32) -> Vec<u16> {
    ports(pid, ["/proc/net/tcp", "/proc/net/tcp6"], "0A")
}

/// The UDP ports a process has bound without being connected.
pub fn udp_ports(pid: u32) -> Vec<u16> {
    ports(pid, ["/proc/net/udp", "/proc/net/udp6"], "07")
}

/// The sockets a process has, as the system numbers them.
fn sockets(pid: u32) -> Vec<String> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = links.filter_map(|entry| fs::read_link(entry.path()).ok());
    let number = |link: std::path::PathBuf| {
        let link = link.to_string_lossy().into_owned();
        Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    };
    links.filter_map(number).collect()
}

/// A process that was just started has our own descriptors for a moment, until exec(2) closes them; so
/// what it has counts when it has it twice, and we do not have it ourselves.
fn ports(pid: u32, tables: [&str; 2], wanted: &str) -> Vec<u16> {
    let own = if pid == std::process::id() { Vec::new() } else { sockets(std::process::id()) };
    let look = || {
        let mut theirs = sockets(pid);
        theirs.retain(|socket| !own.contains(socket));
        bound(&theirs, tables, wanted)
    };
    let first = look();
    if first.is_empty() {
        return first;
    }
    std::thread::sleep(Duration::from_millis(5));
    let again = look();
    first.into_iter().filter(|port| again.contains(port)).collect()
}

fn bound(inodes: &[String], tables: [&str; 2], wanted: &str) -> Vec<u16> {
    let mut ports = Vec::new();
    for path in tables {
        for line in fs::read_to_string(path).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(local), Some(state), Some(inode)) =
                (fields.get(1), fields.get(3), fields.get(9))
            else {
                continue;
            };
            if *state == wanted && inodes.iter().any(|known| known == inode) {
                let port = local.rsplit(':').next().and_then(|p| u16::from_str_radix(p, 16).ok());
                ports.extend(port);
            }
        }
    }
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Processor time used so far, user and system, in clock ticks.
///
/// # Panics
/// When the process is gone.
pub fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The name may hold blanks; fields are counted after its parenthesis, from the third on.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |n: usize| fields[n - 3].parse::<u64>().expect("a number");
    field(14) + field(15)
}

/// Resident memory in KiB.
///
/// # Panics
/// When the process is gone.
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

/// Open descriptors of a process.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// How often a process was put to sleep waiting, which is once per wake-up.
///
/// # Panics
/// When the process is gone.
pub fn wakeups(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.expect("switches").trim().parse().expect("a number")
}
