//! How much memory there is for this process, and giving back what it does not use.

/// Bytes that this process may still take: what its limit on address space leaves, and never more than
/// the machine has. `None` when the system does not say.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn available() -> Option<usize> {
    let page = rustix::param::page_size() as u64;
    // SAFETY: sysconf takes any number and only reports.
    let pages = u64::try_from(unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) }).ok()?;
    let machine = pages.saturating_mul(page);
    // SAFETY: the pointer is to a live, zeroed rlimit.
    let limit = unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        let answer = libc::getrlimit(libc::RLIMIT_AS, &raw mut limit);
        (answer == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
    };
    let Some(limit) = limit else { return usize::try_from(machine).ok() };
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let used: u64 = statm.split(' ').next()?.parse().ok()?;
    usize::try_from(limit.saturating_sub(used.saturating_mul(page)).min(machine)).ok()
}

/// Nobody is asked here yet.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn available() -> Option<usize> {
    None
}

/// Gives the system what the C library's allocator keeps of freed memory, between what is used too. Takes
/// time in proportion to the heap: for moments when much has just been freed. Does nothing where the
/// allocator is another than glibc's.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim(3) may be called at any time, by any thread, and touches only what is free.
    unsafe {
        libc::malloc_trim(0);
    }
}
