//! What a finished child used, which std's `wait` throws away.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

/// What one child used over its life, its own waited-for children included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildUsage {
    /// CPU time in user mode.
    pub user: Duration,
    /// CPU time in the kernel on the child's behalf.
    pub system: Duration,
    /// Largest resident set in KiB. Never below what its parent held when it was started, because
    /// the kernel counts the moments between fork and exec.
    pub resident_kib_max: u64,
}

/// Waits for the child `pid` of this process and reaps it.
///
/// The caller must be the only one to wait for `pid`.
///
/// # Errors
/// wait4's: `ECHILD` when `pid` is no child of this process or was reaped already.
/// Source: wait4(2), getrusage(2).
pub fn wait_with_usage(pid: u32) -> io::Result<(ExitStatus, ChildUsage)> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut status = 0;
    // SAFETY: `rusage` is plain old data for which all zeroes is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live, writable values of the types wait4 fills.
        let got = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        if got == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // macOS counts bytes, the others KiB.
    let unit = if cfg!(target_vendor = "apple") { 1024 } else { 1 };
    Ok((
        ExitStatus::from_raw(status),
        ChildUsage {
            user: duration(usage.ru_utime),
            system: duration(usage.ru_stime),
            resident_kib_max: u64::try_from(usage.ru_maxrss).unwrap_or(0) / unit,
        },
    ))
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
        + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test's own child")]
    #[expect(clippy::zombie_processes, reason = "waited for by the function under test")]
    fn status_and_size_of_a_child() {
        let child = std::process::Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        let (status, usage) = wait_with_usage(child.id()).unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(usage.resident_kib_max > 0);
        assert!(wait_with_usage(child.id()).is_err(), "reaped only once");
    }
}
