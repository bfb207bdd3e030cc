//! What we were handed by whoever started us, and telling them that we listen: `--ready-fd`,
//! `LISTEN_FDS` (sd_listen_fds(3)), `NOTIFY_SOCKET` (sd_notify(3)).

use std::ffi::OsString;
#[cfg(unix)]
use std::fs::File;
#[cfg(unix)]
use std::io::Write;
#[cfg(unix)]
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use gate::{Address, Protocol};
use plan::Ready;
use proto::escape;

use crate::run::Context;
use crate::talk::words;

/// The first descriptor that is handed over (sd_listen_fds(3), `SD_LISTEN_FDS_START`).
#[cfg(unix)]
const FIRST: u32 = 3;
/// How long a reader of `--ready-fd` whose pipe is full is waited for, in milliseconds.
#[cfg(unix)]
const LATE: u16 = 1000;

/// What the environment says to this process alone. Taken out of it, so that no child believes that
/// it is meant.
#[cfg_attr(
    not(any(target_os = "linux", target_os = "android")),
    allow(dead_code, reason = "only Linux has a use for all of it")
)]
pub(crate) struct Environment {
    notify: Option<OsString>,
    names: Option<OsString>,
    /// Sockets handed over.
    count: u32,
}

impl Environment {
    /// Call it before there is a second thread. Variables meant for another process are left alone.
    pub(crate) fn take() -> Self {
        let own = std::process::id().to_string();
        let is_ours = std::env::var_os("LISTEN_PID").is_some_and(|pid| pid == own.as_str());
        let mut taken =
            Self { notify: sys::inherit::take_variable("NOTIFY_SOCKET"), names: None, count: 0 };
        if is_ours && cfg!(any(target_os = "linux", target_os = "android")) {
            sys::inherit::take_variable("LISTEN_PID");
            taken.names = sys::inherit::take_variable("LISTEN_FDNAMES");
            let count = sys::inherit::take_variable("LISTEN_FDS");
            taken.count = count.and_then(|n| n.to_str()?.parse().ok()).unwrap_or(0);
        }
        taken
    }

    /// Whether sockets are handed over.
    pub(crate) fn hands_sockets(&self) -> bool {
        self.count > 0
    }
}

/// Descriptors we were handed and whom to tell.
pub(crate) struct Readiness {
    #[cfg(unix)]
    notify: Option<OsString>,
    #[cfg(unix)]
    ready: Mutex<Option<File>>,
    /// The sockets handed over, until they are listened on.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    handed: Mutex<Vec<endpoint::handed::Handed>>,
    told: Mutex<bool>,
}

#[cfg(unix)]
impl Readiness {
    /// Takes the descriptors over. Call it before anything is opened: only then are the numbers those
    /// that were meant.
    ///
    /// # Errors
    /// What is wrong with them, in lines.
    pub(crate) fn take(spec: &Ready, env: Environment) -> Result<Self, String> {
        let count = if spec.is_handed { env.count } else { 0 };
        let ready = match spec.fd {
            Some(fd) if fd < FIRST.saturating_add(count) => {
                return Err(format!(
                    "--ready-fd {fd} is one of the sockets handed over (LISTEN_FDS={count}). QUITTING."
                ));
            }
            Some(fd) => Some(ready_descriptor(fd)?),
            None => None,
        };
        Ok(Self {
            notify: env.notify,
            ready: Mutex::new(ready),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            handed: Mutex::new(handed_sockets(count, env.names.as_deref())?),
            told: Mutex::new(false),
        })
    }

    fn write_ready(&self, text: &str) -> std::io::Result<()> {
        // Closed when dropped: that is how its reader knows that this was all.
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut ready) = ready else { return Ok(()) };
        if !sys::fd::is_writable_within(ready.as_fd(), LATE) {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        ready.write_all(text.as_bytes())
    }

    fn notify(&self, context: &Context, state: &str) {
        let Some(target) = &self.notify else { return };
        if let Err(error) = endpoint::notify::notify(&context.gate, target, state) {
            let target = escape::terminal(target.as_encoded_bytes());
            let line = format!("Warning: NOTIFY_SOCKET={target}: {}.", words(&error));
            context.talk.error(&line, &["the service manager was not told how we are".into()]);
        }
    }
}

#[cfg(unix)]
fn ready_descriptor(number: u32) -> Result<File, String> {
    let refuse = |why: String| {
        format!(
            "--ready-fd {number}: {why}. QUITTING.\n  hint: open it for us: ncat -l ... --ready-fd \
             {number} {number}>file"
        )
    };
    let fd: OwnedFd =
        sys::inherit::take_descriptor(number).map_err(|error| refuse(words(&error)))?;
    if !sys::inherit::is_writable_mode(&fd) {
        return Err(refuse("it is open for reading only".into()));
    }
    Ok(File::from(fd))
}

#[cfg(not(unix))]
impl Readiness {
    /// # Errors
    /// Where a descriptor is to be told: there is none here.
    pub(crate) fn take(spec: &Ready, _env: Environment) -> Result<Self, String> {
        match spec.fd {
            Some(_) => Err("--ready-fd is not available on this system yet. QUITTING.".into()),
            None => Ok(Self { told: Mutex::new(false) }),
        }
    }

    fn write_ready(&self, _text: &str) -> std::io::Result<()> {
        Ok(())
    }

    fn notify(&self, _context: &Context, _state: &str) {}
}

impl Readiness {
    /// Every listener is bound: tells whoever wants to know.
    pub(crate) fn listening(&self, context: &Context, bound: &[(Address, Protocol)]) {
        let lines: String = bound.iter().map(|(at, protocol)| line(at, *protocol)).collect();
        if let Err(error) = self.write_ready(&lines) {
            let fd = context.plan.ready.fd.unwrap_or_default();
            let line = format!("Warning: --ready-fd {fd}: {}.", words(&error));
            context.talk.error(&line, &["whoever waits for it was not told that we listen".into()]);
        }
        let names: Vec<String> = bound.iter().map(|(at, _)| name(at)).collect();
        self.notify(context, &format!("READY=1\nSTATUS=Listening on {}\n", names.join(", ")));
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// The run is over: says so to whoever was told that it had begun.
    pub(crate) fn stopping(&self, context: &Context) {
        if *self.told.lock().unwrap_or_else(PoisonError::into_inner) {
            self.notify(context, "STOPPING=1\n");
        }
    }

    /// The sockets handed over; once.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn handed(&self) -> Vec<endpoint::handed::Handed> {
        std::mem::take(&mut *self.handed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes over `count` sockets, whose names are separated by colons.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn handed_sockets(
    count: u32,
    names: Option<&std::ffi::OsStr>,
) -> Result<Vec<endpoint::handed::Handed>, String> {
    let names = names.map(|names| names.to_string_lossy().into_owned()).unwrap_or_default();
    let mut names = names.split(':');
    let mut handed = Vec::new();
    for number in FIRST..FIRST.saturating_add(count) {
        let fd = sys::inherit::take_descriptor(number).map_err(|error| {
            format!("LISTEN_FDS={count}, but descriptor {number}: {}. QUITTING.", words(&error))
        })?;
        let name = names.next().filter(|name| !name.is_empty() && *name != "unknown");
        let name = name.map(|name| format!(" ({})", escape::terminal(name.as_bytes())));
        let label = format!("socket {number}{}", name.unwrap_or_default());
        handed.push(endpoint::handed::Handed { fd, label });
    }
    Ok(handed)
}

/// An address that keeps to its line.
fn name(at: &Address) -> String {
    escape::terminal(at.to_string().as_bytes()).to_string()
}

fn line(at: &Address, protocol: Protocol) -> String {
    let port = match at {
        Address::Inet(addr) => format!("PORT={} ", addr.port()),
        Address::Vsock { port, .. } => format!("PORT={port} "),
        Address::Unix(_) => String::new(),
    };
    format!("READY=1 PROTOCOL={protocol} {port}ADDR={}\n", name(at))
}
