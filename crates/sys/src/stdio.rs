//! Standard input and output as they were when the program started.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fs::{Mode, OFlags};

/// Bit n is set when descriptor n was closed at start-up.
static CLOSED: AtomicU8 = AtomicU8::new(0);

extern "C" fn note_closed() {
    for fd in 0..3 {
        // SAFETY: F_GETFD takes any number and only reads the descriptor table.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
            CLOSED.fetch_or(1 << fd, Ordering::Relaxed);
        }
    }
}

// The runtime opens /dev/null over closed standard descriptors before `main`, which would turn
// "stdout is closed" into silent loss. This runs earlier and remembers.
// SAFETY: the section holds function pointers called once, before main, with no arguments needed.
#[cfg(any(target_os = "linux", target_os = "freebsd"))]
#[unsafe(link_section = ".init_array")]
#[used]
static NOTE_CLOSED: extern "C" fn() = note_closed;
// SAFETY: as above; Mach-O's name for the same thing.
#[cfg(target_os = "macos")]
#[unsafe(link_section = "__DATA,__mod_init_func")]
#[used]
static NOTE_CLOSED: extern "C" fn() = note_closed;

/// Whether descriptor 0, 1 or 2 was closed when the program started.
pub fn was_closed(fd: u8) -> bool {
    let _ = note_closed as extern "C" fn();
    CLOSED.load(Ordering::Relaxed) & (1 << fd) != 0
}

/// Standard input.
pub fn input() -> BorrowedFd<'static> {
    rustix::stdio::stdin()
}

/// Standard output.
pub fn output() -> BorrowedFd<'static> {
    rustix::stdio::stdout()
}

/// Whether standard input has bytes to give at this moment (`FIONREAD`): in a pipe, a socket, a
/// terminal, or the rest of a file.
pub fn has_input() -> bool {
    rustix::io::ioctl_fionread(input()).is_ok_and(|bytes| bytes > 0)
}

/// Standard error; `/dev/null` when it was closed.
pub fn error() -> BorrowedFd<'static> {
    rustix::stdio::stderr()
}

/// Gives up a standard descriptor: whoever waits for its end sees it now.
///
/// `/dev/null` takes its number, so that no socket can.
///
/// # Errors
/// When `/dev/null` cannot be opened.
pub fn release(input: bool) -> io::Result<()> {
    let null: OwnedFd =
        rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    if input {
        rustix::stdio::dup2_stdin(&null)?
    } else {
        rustix::stdio::dup2_stdout(&null)?
    };
    Ok(())
}
