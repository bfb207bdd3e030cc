//! The one place that says anything: messages on standard error, events as JSON lines.
//!
//! The first line of a message is Ncat's, the indented lines below it are ours. Text that came
//! from a peer is made safe for terminals.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use endpoint::Attempt;
use plan::TalkSpec;
use proto::escape;
use relay::Outcome;
use serde_json::{Value, json};

/// Version of the event lines; raised when a field changes its meaning.
const EVENT_VERSION: u32 = 1;

/// Says things; cheap to clone.
#[derive(Clone)]
pub(crate) struct Talk {
    inner: Arc<Inner>,
}

struct Inner {
    level: u8,
    test_marks: bool,
    tells_port: bool,
    events: Option<Mutex<Events>>,
    started: Instant,
}

impl Talk {
    /// # Errors
    /// When the descriptor for events is not open.
    pub(crate) fn new(spec: &TalkSpec, started: Instant) -> io::Result<Self> {
        let events = match spec.json_fd {
            None => None,
            Some(fd) => Some(Events { out: event_file(fd)?, lost: 0 }),
        };
        let inner = Inner {
            level: spec.verbosity,
            test_marks: spec.test_marks,
            tells_port: spec.tells_port,
            events: events.map(Mutex::new),
            started,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Time since the program started.
    pub(crate) fn elapsed(&self) -> Duration {
        self.inner.started.elapsed()
    }

    /// A message that is always shown.
    pub(crate) fn error(&self, first: &str, more: &[String]) {
        let mut text = format!("Ncat: {first}\n");
        for line in more {
            text.push_str("  ");
            text.push_str(line);
            text.push('\n');
        }
        put(&text);
    }

    /// A message at `-v`.
    pub(crate) fn verbose(&self, line: impl FnOnce() -> String) {
        if self.inner.level >= 1 {
            put_if_read(&format!("Ncat: {}\n", line()));
        }
    }

    /// A message at `-vv`.
    pub(crate) fn debug(&self, line: impl FnOnce() -> String) {
        if self.inner.level >= 2 {
            put_if_read(&format!("NCAT DEBUG: {}\n", line()));
        }
    }

    /// The mark that test suites wait for (`--test`).
    pub(crate) fn test_mark(&self, what: &str) {
        if self.inner.test_marks {
            put(&format!("NCAT TEST: {what}\n"));
        }
    }

    /// A libc-style failure line, without prefix.
    pub(crate) fn perror(&self, call: &str, error: &io::Error, more: &[String]) {
        let mut text = format!("{call}: {}\n", words(error));
        for line in more {
            text.push_str(&format!("  {line}\n"));
        }
        put(&text);
    }

    /// Whether anybody reads events; to be asked before making many of them.
    pub(crate) fn has_events(&self) -> bool {
        self.inner.events.is_some()
    }

    /// An event line.
    pub(crate) fn event(&self, name: &str, fields: Value) {
        let Some(events) = &self.inner.events else { return };
        events.lock().unwrap_or_else(PoisonError::into_inner).write(name, fields);
    }

    /// Listening, with the real port.
    pub(crate) fn listening(&self, at: &gate::Address, protocol: &str) {
        if self.inner.level >= 1 || self.inner.tells_port {
            put_if_read(&format!("Ncat: Listening on {at}\n"));
        }
        self.test_mark("LISTEN");
        self.event("listening", json!({ "addr": at.to_string(), "protocol": protocol }));
    }

    /// A client came and was let in.
    pub(crate) fn accepted(&self, peer: &str, protocol: &str) {
        self.verbose(|| format!("Connection from {}.", escape::terminal(peer.as_bytes())));
        if self.has_events() {
            self.event("accepted", json!({ "peer": peer, "protocol": protocol }));
        }
    }

    /// A client came and was turned away.
    pub(crate) fn refused(&self, peer: &str, why: &str, rule: &str) {
        self.verbose(|| format!("Connection from {}.", escape::terminal(peer.as_bytes())));
        self.verbose(|| format!("New connection denied: {why}"));
        if !rule.is_empty() {
            self.debug(|| format!("denied by {rule}"));
        }
        self.event("refused", json!({ "peer": peer, "why": why, "rule": rule }));
    }

    /// One address failed.
    pub(crate) fn attempt_failed(&self, attempt: &Attempt, more: bool) {
        if !more {
            return;
        }
        if let Some(error) = &attempt.error {
            self.next_address(&attempt.addr.to_string(), &words(error));
        }
    }

    /// One address came to nothing, and there is another.
    pub(crate) fn next_address(&self, addr: &str, reason: &str) {
        self.verbose(|| format!("Connection to {addr} failed: {reason}."));
        self.verbose(|| "Trying next address...".into());
    }

    /// Connected, and by which way.
    pub(crate) fn connected(&self, peer: &str, local: &str, protocol: &str, attempts: &[Attempt]) {
        self.verbose(|| format!("Connected to {}.", escape::terminal(peer.as_bytes())));
        self.event(
            "connected",
            json!({
                "peer": peer, "local": local, "protocol": protocol,
                "attempts": attempts.iter().map(attempt_json).collect::<Vec<_>>(),
            }),
        );
    }

    /// Connecting failed.
    pub(crate) fn connect_failed(&self, target: &str, reason: &str, attempts: &[Attempt]) {
        let attempts: Vec<_> = attempts.iter().map(attempt_json).collect();
        self.event("failed", json!({ "target": target, "reason": reason, "attempts": attempts }));
    }

    /// One direction has ended.
    pub(crate) fn ended(&self, peer: &str, side: &str) {
        self.debug(|| format!("end of stream from {side} ({})", escape::terminal(peer.as_bytes())));
        self.event("eof", json!({ "peer": peer, "side": side }));
    }

    /// A peer closed a TLS connection without saying that this was all.
    #[cfg(feature = "tls")]
    pub(crate) fn truncated(&self, peer: &str) {
        self.verbose(|| {
            format!(
                "Warning: {} closed the connection without a TLS close_notify: what it sent may be \
                 cut short (--ssl-strict-eof makes this an error).",
                escape::terminal(peer.as_bytes())
            )
        });
        self.event("truncated", json!({ "peer": peer }));
    }

    /// A peer wanted something of TLS that it does not get; `what` in events, `why` in words.
    #[cfg(feature = "tls")]
    pub(crate) fn tls_refused(&self, peer: &str, what: &str, why: &str) {
        self.verbose(|| {
            format!("Warning: {} {why} (--ssl-ktls off).", escape::terminal(peer.as_bytes()))
        });
        self.event("tls-refused", json!({ "peer": peer, "what": what }));
    }

    /// A client's connection cannot be secured.
    pub(crate) fn insecure(&self, peer: &str, reason: &str, more: &[String]) {
        let name = escape::terminal(peer.as_bytes()).to_string();
        self.verbose(|| format!("Failed SSL connection from {name}: {reason}"));
        for line in more {
            self.debug(|| format!("{name}: {line}"));
        }
        self.event("insecure", json!({ "peer": peer, "reason": reason }));
    }

    /// A session is over.
    pub(crate) fn closed(&self, peer: &str, outcome: &Outcome, lasted: Duration) {
        if let Some(losses) = &outcome.losses {
            self.error(
                &format!("Warning: {losses}."),
                &[format!("peer {}", escape::terminal(peer.as_bytes()))],
            );
        }
        self.event(
            "closed",
            json!({
                "peer": peer, "sent": outcome.sent, "received": outcome.received,
                "duration": lasted.as_secs_f64(), "ended_by": outcome.ended_by.name(),
                "reason": reason(outcome),
                "error": outcome.error.as_ref().map(|e| words(&e.error)),
            }),
        );
    }

    /// A command runs for a connection.
    #[cfg(all(feature = "exec", any(target_os = "linux", target_os = "android")))]
    pub(crate) fn started(&self, peer: &str, pid: i32, command: &str) {
        self.debug(|| format!("Executing: {command} (process {pid})"));
        self.event("exec", json!({ "peer": peer, "pid": pid, "command": command }));
    }

    /// A connection's command cannot be started; why.
    #[cfg(all(feature = "exec", any(target_os = "linux", target_os = "android")))]
    pub(crate) fn not_started(&self, peer: &str, error: &endpoint::OpenError) -> io::Error {
        let (path, reason) = match error {
            endpoint::OpenError::Exec { path, error } => {
                let more = [format!("running {}", path.display())];
                let hint = exec_hint(path, error).map(|hint| format!("hint: {hint}"));
                self.perror("exec", error, &more.into_iter().chain(hint).collect::<Vec<_>>());
                (
                    path.display().to_string(),
                    io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(0)),
                )
            }
            other => {
                self.error("Denied by policy.", &[other.to_string()]);
                (other.to_string(), io::ErrorKind::PermissionDenied.into())
            }
        };
        self.event("exec_failed", json!({ "peer": peer, "path": path, "reason": words(&reason) }));
        reason
    }

    /// A connection's command has ended.
    #[cfg(all(feature = "exec", any(target_os = "linux", target_os = "android")))]
    pub(crate) fn exited(&self, peer: &str, pid: i32, ended: endpoint::exec::Ended) {
        use endpoint::exec::Ended;
        let (code, signal) = match ended {
            Ended::Code(code) => (Some(code), None),
            Ended::Signal(signal) => (None, Some(signal)),
        };
        self.verbose(|| match ended {
            Ended::Code(code) => format!("Command (process {pid}) exited with status {code}."),
            Ended::Signal(signal) => {
                format!("Command (process {pid}) was ended by signal {signal}.")
            }
        });
        self.event("exited", json!({ "peer": peer, "pid": pid, "status": code, "signal": signal }));
    }

    /// The closing line of every run at `-v`.
    pub(crate) fn summary(&self, sent: u64, received: u64) {
        self.verbose(|| totals(sent, received, self.elapsed()));
    }

    /// Totals on request, whatever the level.
    pub(crate) fn report(&self, sent: u64, received: u64) {
        put(&format!("Ncat: {}\n", totals(sent, received, self.elapsed())));
    }
}

fn totals(sent: u64, received: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    format!("{sent} bytes sent, {received} bytes received in {seconds:.2} seconds.")
}

/// Why a session ended, from a fixed list that scripts can match.
pub(crate) fn reason(outcome: &Outcome) -> &'static str {
    use relay::{EndedBy, Side};
    match (&outcome.error, outcome.ended_by) {
        (Some(error), _) => match (error.side, error.error.kind()) {
            (Side::LocalInput, _) => "input_error",
            (Side::LocalOutput, _) => "output_error",
            (_, io::ErrorKind::ConnectionReset) => "reset",
            (_, io::ErrorKind::ConnectionRefused) => "refused",
            (_, io::ErrorKind::BrokenPipe) => "broken_pipe",
            (_, io::ErrorKind::TimedOut) => "timeout",
            _ => "network_error",
        },
        (None, EndedBy::LocalEnd) => "local_eof",
        (None, EndedBy::RemoteEnd) => "remote_eof",
        (None, EndedBy::QuitTimer) => "quit_timer",
        (None, EndedBy::Idle) => "idle",
        (None, EndedBy::SlowReader) => "slow_reader",
        (None, EndedBy::Stopped) => "stopped",
        (None, _) => "error",
    }
}

/// What may be wrong with a command.
#[cfg(all(feature = "exec", any(target_os = "linux", target_os = "android")))]
fn exec_hint(path: &std::path::Path, error: &io::Error) -> Option<&'static str> {
    use io::ErrorKind::{NotFound, PermissionDenied, WouldBlock};
    Some(match error.kind() {
        NotFound if path.exists() => "it exists, but the interpreter in its first line does not",
        NotFound => "-e does not search PATH: give the whole path, or use -c",
        // The kernel's words for a program that may not run are others (EACCES).
        PermissionDenied if error.raw_os_error() == Some(EPERM) => {
            "a limit of --exec-limit is above what this user may have (ulimit -H)"
        }
        PermissionDenied if path.is_dir() => "it is a directory",
        PermissionDenied => "it is not executable (chmod +x) or a directory above it is closed",
        WouldBlock => "this user or system has as many processes as it may (ulimit -u)",
        _ if error.raw_os_error() == Some(ENOEXEC) => "a script begins with #! and its interpreter",
        _ => return None,
    })
}

#[cfg(all(feature = "exec", any(target_os = "linux", target_os = "android")))]
const ENOEXEC: i32 = 8;
#[cfg(all(feature = "exec", any(target_os = "linux", target_os = "android")))]
const EPERM: i32 = 1;

fn attempt_json(attempt: &Attempt) -> Value {
    json!({
        "addr": attempt.addr.to_string(),
        "seconds": attempt.elapsed.as_secs_f64(),
        "error": attempt.error.as_ref().map(words),
    })
}

/// An error as strerror(3) words it.
pub(crate) fn words(error: &io::Error) -> String {
    sys::resolve::strerror(error)
}

/// Writes to standard error in one piece. A message that cannot be shown is not worth dying for.
pub(crate) fn put(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// How long a reader may be late with what is said, in milliseconds, before it counts as absent.
#[cfg(unix)]
const LATE: u16 = 200;

/// Whether somebody reads what is written to `fd`. One who is late is waited for, once: while nobody
/// reads, nothing more is waited for.
#[cfg(unix)]
fn is_read(fd: std::os::fd::BorrowedFd<'_>, absent: &mut bool) -> bool {
    *absent = !sys::fd::is_writable_within(fd, if *absent { 0 } else { LATE });
    !*absent
}

/// As [`put`], for lines that the session need not wait for: nothing is said into a pipe that is
/// full because nobody reads it.
fn put_if_read(text: &str) {
    #[cfg(unix)]
    {
        static ABSENT: Mutex<bool> = Mutex::new(false);
        let mut absent = ABSENT.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_read(std::os::fd::AsFd::as_fd(&io::stderr()), &mut absent) {
            return;
        }
    }
    put(text);
}

/// The event lines' way out. The session is worth more than its events: when nobody reads them they
/// are dropped, and counted.
struct Events {
    out: File,
    lost: u64,
}

impl Events {
    fn write(&mut self, name: &str, fields: Value) {
        #[cfg(unix)]
        {
            let mut absent = self.lost > 0;
            if !is_read(std::os::fd::AsFd::as_fd(&self.out), &mut absent) {
                self.lost += 1;
                return;
            }
        }
        let mut text = String::new();
        if self.lost > 0 {
            text = line("lost", json!({ "count": self.lost }));
            self.lost = 0;
        }
        text.push_str(&line(name, fields));
        let _ = self.out.write_all(text.as_bytes());
    }
}

fn line(name: &str, fields: Value) -> String {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut line = json!({ "v": EVENT_VERSION, "event": name, "time": time.as_secs_f64() });
    if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
        line.extend(fields);
    }
    let mut text = line.to_string();
    text.push('\n');
    text
}

#[cfg(unix)]
fn event_file(fd: u32) -> io::Result<File> {
    Ok(File::from(sys::fd::duplicate_number(fd)?))
}

#[cfg(not(unix))]
fn event_file(fd: u32) -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    if fd != 2 {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "only --json-fd 2 works on this system",
        ));
    }
    Ok(File::from(io::stderr().as_handle().try_clone_to_owned()?))
}
