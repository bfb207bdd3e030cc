//! What Rust's runtime does before `main`, without what we do not need of it.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::fcntl_getfd;
use rustix::stdio::{stderr, stdin, stdout};

/// Prepares a process that was started as C programs are: writing to who is gone is an error and no
/// signal, and 0, 1 and 2 are open, so that no socket gets their numbers.
///
/// The runtime also finds out where the stack ends, to tell an overflow from another fault. That
/// reads `/proc/self/maps`, sets up a second stack, and takes a seventh of the whole start.
pub fn prepare() {
    // SAFETY: both are plain integers; SIG_IGN is a valid disposition for SIGPIPE.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    for fd in [stdin(), stdout(), stderr()] {
        // The lowest number that is free is this one: those below are open by now.
        if fcntl_getfd(fd).is_err()
            && let Ok(null) = open("/dev/null", OFlags::RDWR, Mode::empty())
        {
            std::mem::forget(null);
        }
    }
}
