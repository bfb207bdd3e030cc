//! Pseudo-terminals.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pty::OpenptFlags;
use rustix::termios::{SpecialCodeIndex, Winsize, tcgetattr, tcsetwinsize};

/// Opens a new terminal, 80 by 24 characters; its master and its other side, both close-on-exec. It
/// becomes nobody's controlling terminal.
///
/// # Errors
/// As posix_openpt(3) and open(2): `ENOSPC` when there are no more terminals.
pub fn open() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags)?;
    rustix::pty::grantpt(&master)?;
    rustix::pty::unlockpt(&master)?;
    let name = rustix::pty::ptsname(&master, Vec::new())?;
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    let slave = rustix::fs::open(name, flags, rustix::fs::Mode::empty())?;
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&slave, size)?;
    Ok((master, slave))
}

/// The character that means the end of input to the terminal.
///
/// # Errors
/// As tcgetattr(3).
pub fn end_of_file(fd: impl AsFd) -> io::Result<u8> {
    Ok(tcgetattr(fd)?.special_codes[SpecialCodeIndex::VEOF])
}
