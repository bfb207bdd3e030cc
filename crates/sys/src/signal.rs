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
