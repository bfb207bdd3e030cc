//! Starting a program without copying ourselves: clone(2) with the memory shared and the caller
//! suspended until the program runs, as posix_spawn(3) does, but with every step ours: a session or
//! group of its own, a controlling terminal, limits, nothing inherited that was not asked for.

use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// Bytes of stack for the few calls between clone and exec.
const STACK_BYTES: usize = 64 * 1024;
/// Highest signal number, the real-time ones included.
const SIGNAL_MAX: c_int = 64;

/// A program to start, with everything made ready so that nothing is allocated on the way.
#[derive(Debug)]
pub struct Program<'a> {
    /// Path; not searched for.
    pub path: &'a CString,
    /// Arguments, its name first.
    pub args: &'a [CString],
    /// Environment, `NAME=value`.
    pub env: &'a [CString],
    /// What becomes descriptors 0, 1 and 2. Nothing else stays open in the program, but for `fourth`.
    pub stdio: [BorrowedFd<'a>; 3],
    /// What becomes descriptor 3.
    pub fourth: Option<BorrowedFd<'a>>,
    /// A session of its own with descriptor 0 as its terminal; otherwise a process group of its own.
    pub controls_terminal: bool,
    /// Resource, soft and hard limit.
    pub limits: &'a [(Resource, u64, u64)],
}

/// What a limit is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resource {
    /// Bytes of address space (`RLIMIT_AS`).
    Memory,
    /// Seconds of processor time (`RLIMIT_CPU`).
    Cpu,
    /// Open descriptors (`RLIMIT_NOFILE`).
    Files,
}

/// A program that was started. It must be waited for with [`wait`] or it stays a zombie.
#[derive(Debug)]
pub struct Spawned {
    /// Its process number, which is also its process group's.
    pub pid: i32,
    /// Readable once it has ended; `None` on kernels before 5.2.
    pub pidfd: Option<OwnedFd>,
}

/// What the child reads and writes while we are suspended.
struct Shared {
    path: *const c_char,
    args: *const *const c_char,
    env: *const *const c_char,
    stdio: [c_int; 3],
    /// Below 0 when there is none.
    fourth: c_int,
    controls_terminal: bool,
    limits: *const (Resource, u64, u64),
    limit_count: usize,
    mask: libc::sigset_t,
    failed: c_int,
}

/// Starts `program`. The calling thread waits until the program runs or has failed to.
///
/// # Errors
/// Those of execve(2) (`ENOENT`, `EACCES`, `ENOEXEC`, `E2BIG`) and clone(2) (`EAGAIN`, `ENOMEM`).
pub fn spawn(program: &Program<'_>) -> io::Result<Spawned> {
    let args = pointers(program.args);
    let env = pointers(program.env);
    // Descriptors below 4 would be overwritten by each other.
    let moved = program.stdio.map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 4));
    let [stdin, stdout, stderr] = moved;
    let (stdin, stdout, stderr) = (stdin?, stdout?, stderr?);
    let fourth = program.fourth.map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 4)).transpose()?;
    let mut stack: Vec<u8> = Vec::with_capacity(STACK_BYTES);
    // SAFETY: all-zero is a valid signal set; both calls below fill it.
    let (mut all, mut mask): (libc::sigset_t, libc::sigset_t) = unsafe { std::mem::zeroed() };
    // SAFETY: the sets are live. No handler may run in the child, which shares our memory, so every
    // signal is held back until it has given them all their default action.
    unsafe {
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut mask);
    }
    let mut shared = Shared {
        path: program.path.as_ptr(),
        args: args.as_ptr(),
        env: env.as_ptr(),
        stdio: [stdin.as_raw_fd(), stdout.as_raw_fd(), stderr.as_raw_fd()],
        fourth: fourth.as_ref().map_or(-1, AsRawFd::as_raw_fd),
        controls_terminal: program.controls_terminal,
        limits: program.limits.as_ptr(),
        limit_count: program.limits.len(),
        mask,
        failed: 0,
    };
    let mut pidfd: c_int = -1;
    // SAFETY: the stack grows down from the aligned end of a live buffer; CLONE_VFORK suspends us
    // until the child has left our memory, so `shared`, the buffer and what they point to outlive it.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(STACK_BYTES);
        let top = top.sub(top as usize % 16);
        let start = |flags: c_int, pidfd: *mut c_int, shared: *mut Shared| {
            libc::clone(child, top.cast(), flags | libc::SIGCHLD, shared.cast(), pidfd)
        };
        let flags = libc::CLONE_VM | libc::CLONE_VFORK;
        match start(flags | libc::CLONE_PIDFD, &raw mut pidfd, &raw mut shared) {
            -1 if io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) => {
                start(flags, ptr::null_mut(), &raw mut shared)
            }
            pid => pid,
        }
    };
    let refused = io::Error::last_os_error();
    // SAFETY: the set is live; this gives back what was held back above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask, ptr::null_mut()) };
    if pid < 0 {
        return Err(refused);
    }
    // SAFETY: the kernel has just made this descriptor for us, close-on-exec.
    let pidfd = (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
    // SAFETY: written by the child, which has ended or runs the program; a plain read would let the
    // compiler keep the 0 from above.
    match unsafe { ptr::read_volatile(&raw const shared.failed) } {
        0 => Ok(Spawned { pid, pidfd }),
        failed => {
            // That it could not be run is worth more than that somebody else has reaped it.
            let _ = wait(pid);
            Err(io::Error::from_raw_os_error(failed))
        }
    }
}

fn pointers(words: &[CString]) -> Vec<*const c_char> {
    words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect()
}

/// Runs in the child, in our memory: system calls only, no allocation, no panic.
extern "C" fn child(shared: *mut c_void) -> c_int {
    let shared: *mut Shared = shared.cast();
    // SAFETY: the parent keeps it alive and does not touch it before we have left its memory.
    unsafe {
        let failed = prepare(&*shared);
        if failed == 0 {
            libc::execve((*shared).path, (*shared).args, (*shared).env);
            (*shared).failed = errno();
        } else {
            (*shared).failed = failed;
        }
        libc::_exit(127)
    }
}

/// Everything between clone and exec; the errno of what failed.
unsafe fn prepare(shared: &Shared) -> c_int {
    // SAFETY: system calls on plain integers and on memory that the parent keeps alive.
    unsafe {
        default_signals();
        if shared.controls_terminal {
            if libc::setsid() < 0 || libc::ioctl(shared.stdio[0], libc::TIOCSCTTY, 0) < 0 {
                return errno();
            }
        } else {
            libc::setpgid(0, 0);
        }
        for (at, fd) in shared.stdio.iter().enumerate() {
            if libc::dup2(*fd, at as c_int) < 0 {
                return errno();
            }
        }
        if shared.fourth < 0 {
            close_from(3);
        } else if libc::dup2(shared.fourth, 3) < 0 {
            return errno();
        } else {
            close_from(4);
        }
        for at in 0..shared.limit_count {
            let (resource, soft, hard) = *shared.limits.add(at);
            let resource = match resource {
                Resource::Memory => libc::RLIMIT_AS,
                Resource::Cpu => libc::RLIMIT_CPU,
                Resource::Files => libc::RLIMIT_NOFILE,
            };
            let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
            if libc::setrlimit(resource, &raw const limit) < 0 {
                return errno();
            }
        }
        libc::sigprocmask(libc::SIG_SETMASK, &raw const shared.mask, ptr::null_mut());
    }
    0
}

/// Handlers, which would run in the parent's memory, become the default; what is ignored stays
/// ignored, but for SIGPIPE, which we ignore ourselves.
unsafe fn default_signals() {
    for signal in 1..=SIGNAL_MAX {
        // SAFETY: sigaction with a null argument only reports; all-zero is a valid place and, with
        // SIG_DFL being 0, a valid action.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, ptr::null(), &raw mut action) != 0 {
                continue;
            }
            let stays = action.sa_sigaction == libc::SIG_DFL
                || action.sa_sigaction == libc::SIG_IGN && signal != libc::SIGPIPE;
            if !stays {
                let default: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, &raw const default, ptr::null_mut());
            }
        }
    }
}

/// Closes what was not asked for: ours is close-on-exec, but whoever started us may have left something
/// open.
unsafe fn close_from(first: c_int) {
    // SAFETY: plain integers; the table of descriptors is the child's own.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) == 0 {
            return;
        }
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        for fd in first..limit.rlim_cur.min(65_536) as c_int {
            libc::close(fd);
        }
    }
}

/// Reads a number; allocates nothing.
fn errno() -> c_int {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// How a program ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// With this exit code.
    Code(u8),
    /// By this signal.
    Signal(i32),
}

/// Whether the program has ended, without reaping it: its number stays its own.
pub fn has_ended(pid: i32) -> bool {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: all-zero is a valid siginfo, and the pointer is live.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let answer = libc::waitid(libc::P_PID, pid as libc::id_t, &raw mut info, flags);
        answer < 0 || info.si_pid() != 0
    }
}

/// Waits for a program and reaps it.
///
/// # Errors
/// `ECHILD` when it is no child of ours, or the system reaped it itself (SIGCHLD ignored).
pub fn wait(pid: i32) -> io::Result<Ended> {
    let mut status = 0;
    loop {
        // SAFETY: the pointer is to a live integer.
        if unsafe { libc::waitpid(pid, &raw mut status, 0) } == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(if libc::WIFSIGNALED(status) {
        Ended::Signal(libc::WTERMSIG(status))
    } else {
        Ended::Code(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX))
    })
}

/// Sends `signal` (0 only asks) to a process group that a program of ours leads; whether it is there.
pub fn signal_group(pid: i32, signal: i32) -> bool {
    // SAFETY: plain integers. Group 1 and below would be somebody else's, or everybody's.
    pid > 1 && unsafe { libc::kill(-pid, signal) } == 0
}

/// Lets the status of children be asked for, should whoever started us have had SIGCHLD ignored.
pub fn keep_statuses() {
    if crate::signal::is_ignored(libc::SIGCHLD) {
        // SAFETY: SIG_DFL is a valid disposition.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    }
}

/// The soft limit on open descriptors.
pub fn descriptor_limit() -> Option<(u64, u64)> {
    // SAFETY: the pointer is to a live, zeroed rlimit.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        let answer = libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        (answer == 0).then_some((limit.rlim_cur, limit.rlim_max))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::os::fd::AsFd;

    use super::*;

    fn run(args: &[&str], limits: &[(Resource, u64, u64)]) -> io::Result<(String, Ended)> {
        let args: Vec<CString> = args.iter().map(|a| CString::new(*a).unwrap()).collect();
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let null = File::open("/dev/null").unwrap();
        let program = Program {
            path: &args[0],
            args: &args,
            env: &[CString::new("A=b").unwrap()],
            stdio: [null.as_fd(), write.as_fd(), null.as_fd()],
            fourth: None,
            controls_terminal: false,
            limits,
        };
        let spawned = spawn(&program)?;
        drop(write);
        let mut text = String::new();
        File::from(read).read_to_string(&mut text).unwrap();
        Ok((text, wait(spawned.pid).unwrap()))
    }

    #[test]
    fn environment_limits_status_and_nothing_else() {
        let leaked = rustix::io::dup(File::open("/dev/null").unwrap()).unwrap();
        let script = "echo $A; ulimit -n; ls /proc/self/fd | tr '\\n' ' '; kill -TERM $$";
        let files = [(Resource::Files, 100, 100)];
        let (text, ended) = run(&["/bin/sh", "-c", script], &files).unwrap();
        // 3 is the directory that ls reads.
        assert_eq!(text, "b\n100\n0 1 2 3 ");
        assert_eq!(ended, Ended::Signal(libc::SIGTERM));
        assert_eq!(run(&["/bin/sh", "-c", "exit 3"], &[]).unwrap().1, Ended::Code(3));
        drop(leaked);
    }

    #[test]
    fn what_cannot_be_run_is_an_error_and_leaves_no_zombie() {
        for (path, wanted) in
            [("/nonexistent", libc::ENOENT), ("/etc/passwd", libc::EACCES), ("/", libc::EACCES)]
        {
            let error = run(&[path], &[]).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(wanted), "{path}");
        }
    }
}
