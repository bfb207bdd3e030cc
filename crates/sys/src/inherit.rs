//! What the program was started with: descriptors and variables meant for it alone.

use std::ffi::OsString;

/// Takes a variable out of the environment, so that no child inherits it.
///
/// Call it only while the program has one thread: others could read the environment meanwhile.
pub fn take_variable(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name)?;
    // SAFETY: the caller has only one thread (its duty above), so nobody reads the environment now.
    unsafe { std::env::remove_var(name) };
    Some(value)
}

/// Takes over a descriptor that the program was started with. It is ours from now on: closed when
/// dropped, and not inherited by children.
///
/// Call it before anything else is opened, and once for each number: only then is it nobody else's.
///
/// # Errors
/// `EBADF` when it is not open.
#[cfg(unix)]
pub fn take_descriptor(number: u32) -> std::io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    let bad = || std::io::Error::from_raw_os_error(libc::EBADF);
    let number = i32::try_from(number).map_err(|_| bad())?;
    // SAFETY: fcntl takes any number and fails on one that is not open. Whoever passed the descriptor
    // passed it to us, and nothing in this program has opened it (the caller's duty above).
    unsafe {
        if libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) < 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(std::os::fd::OwnedFd::from_raw_fd(number))
    }
}

/// Whether bytes can be written to a descriptor as far as its access mode goes.
#[cfg(unix)]
pub fn is_writable_mode(fd: impl std::os::fd::AsFd) -> bool {
    let mode = rustix::fs::OFlags::RWMODE;
    rustix::fs::fcntl_getfl(fd).is_ok_and(|flags| flags & mode != rustix::fs::OFlags::RDONLY)
}
