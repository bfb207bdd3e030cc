//! Ending by a signal, as the shell expects to see it.

/// Gives `signal` its default action again and sends it to this process. Returns only when the
/// default action does not end the process.
pub fn raise_default(signal: i32) {
    // SAFETY: both calls take plain integers; SIG_DFL is a valid disposition for any signal.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Whether `signal` is ignored, as under nohup(1): then it must stay so.
pub fn is_ignored(signal: i32) -> bool {
    // SAFETY: with a null new action sigaction only reports; all-zero is a valid place for it.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Lets a broken pipe end the program again, as it does every program but those written in Rust.
pub fn end_on_broken_pipe() {
    // SAFETY: both arguments are plain integers; SIG_DFL is a valid disposition.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
