//! From arguments to an exit code.

use std::ffi::OsString;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use endpoint::OpenError;
use endpoint::options::{Note, OptionError, Setup};
use gate::Gatekeeper;
use plan::{Mode, Plan};
use relay::Totals;

use crate::exit::Exit;
use crate::flags::{self, Parsed};
use crate::logs::Logs;
use crate::lua::{self, Lua};
use crate::readiness::{Environment, Readiness};
use crate::secure::Security;
use crate::signals::on_totals_request;
use crate::talk::{self, Talk, words};
use crate::{connect, listen, probe, through, transports};

/// What every mode needs: the plan, who may do what, and whom to tell.
pub(crate) struct Context {
    pub(crate) plan: Plan,
    pub(crate) gate: Gatekeeper,
    pub(crate) talk: Talk,
    pub(crate) logs: Logs,
    pub(crate) lua: Lua,
    pub(crate) setup: Setup,
    pub(crate) readiness: Readiness,
    pub(crate) security: Security,
    pub(crate) totals: Arc<Totals>,
}

/// Runs `ncat` with these arguments, the program's name first.
pub fn main(args: impl Iterator<Item = OsString>) -> Exit {
    let started = Instant::now();
    let posixly_correct = std::env::var_os("POSIXLY_CORRECT").is_some();
    let mut raw = match flags::parse(args, posixly_correct) {
        Ok(Parsed::Run(raw)) => raw,
        Ok(Parsed::Help) => return print(&flags::help()),
        Ok(Parsed::Version) => return print(&flags::version()),
        Err(error) => {
            talk::put(&error.to_string());
            return Exit::Local;
        }
    };
    if let Some(script) = &raw.lua.internal {
        return lua::run(script, &raw.operands);
    }
    if raw.lua.filters.stack.iter().any(|filter| filter.wants_help) {
        return help_on_filters(&raw.lua.filters);
    }
    if let Some(instead) = raw.lua.filters.instead {
        return instead_of_a_run(instead, &raw);
    }
    let env = Environment::take();
    raw.sockets.is_handed = env.hands_sockets();
    raw.proxy.environment = through::environment();
    let plan = match plan::build(&raw) {
        Ok(plan) => plan,
        Err(error) => {
            talk::put(&format!("Ncat: {error}\n"));
            return Exit::Local;
        }
    };
    if raw.explain {
        return print(&plan::explain(&plan));
    }
    run(plan, env, started)
}

/// Tells what is known of the filters, instead of a run.
fn help_on_filters(filters: &plan::Filters) -> Exit {
    match lua::help(filters) {
        Ok(text) => print(&text),
        Err(line) => {
            talk::put(&format!("Ncat: {line}. QUITTING.\n"));
            Exit::Local
        }
    }
}

/// Lists the filters, or runs their tests.
fn instead_of_a_run(instead: plan::lua::Instead, raw: &plan::RawArgs) -> Exit {
    let told = match instead {
        plan::lua::Instead::List => lua::list(&raw.lua.filters).map(|text| (text, true)),
        plan::lua::Instead::Check => lua::check(raw),
    };
    match told {
        Ok((text, is_well)) => match print(&text) {
            Exit::Done if !is_well => Exit::Local,
            exit => exit,
        },
        Err(line) => {
            talk::put(&format!("Ncat: {line}. QUITTING.\n"));
            Exit::Local
        }
    }
}

/// Results go to standard output; that it is closed is worth an exit code.
fn print(text: &str) -> Exit {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Done,
        Err(error) => {
            talk::put(&format!("write: {}\n", words(&error)));
            Exit::Local
        }
    }
}

fn run(plan: Plan, env: Environment, started: Instant) -> Exit {
    // First of all: what is opened before could get the number that was meant.
    let readiness = match Readiness::take(&plan.ready, env) {
        Ok(readiness) => readiness,
        Err(lines) => {
            talk::put(&format!("Ncat: {lines}\n"));
            return Exit::Local;
        }
    };
    let talk = match Talk::new(&plan.talk, started) {
        Ok(talk) => talk,
        Err(error) => {
            let fd = plan.talk.json_fd.unwrap_or(2);
            talk::put(&format!("Ncat: --json-fd {fd}: {}. QUITTING.\n", words(&error)));
            return Exit::Local;
        }
    };
    for warning in &plan.warnings {
        talk.error(&format!("Warning: {warning}"), &[]);
    }
    let gate = Gatekeeper::open();
    // Before a transcript is begun anew: a script that is none must not cost one.
    let lua = match Lua::prepare(&plan, &gate) {
        Ok(lua) => lua,
        Err(line) => {
            talk.error(&line, &[]);
            return Exit::Local;
        }
    };
    let logs = match Logs::open(&gate, &plan.logs) {
        Ok(logs) => logs,
        Err(error) => {
            let path = error.path.display();
            talk.error(&format!("can't open {path} for writing: {}. QUITTING.", error.reason), &[]);
            return Exit::Local;
        }
    };
    talk.verbose(|| flags::version().trim_end().trim_start_matches("Ncat: ").to_string());
    let security = match Security::prepare(&plan, &gate, &talk) {
        Ok(security) => security,
        Err(unusable) => {
            talk.error(&format!("{}. QUITTING.", unusable.reason), &unusable.more);
            return Exit::Local;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            talk.error(&format!("cannot start: {}. QUITTING.", words(&error)), &[]);
            return Exit::Local;
        }
    };
    let setup = setup(&plan, &talk);
    let totals = Arc::default();
    let context =
        Arc::new(Context { plan, gate, talk, logs, lua, setup, readiness, security, totals });
    context.lua.attach(&context);
    let report = || {
        let (sent, received) = context.totals.read();
        context.talk.report(sent, received);
    };
    let exit = runtime.block_on(async {
        context.lua.begin(&context.plan);
        // From the start: before there is a session the request would end the program.
        let requests = on_totals_request(report);
        let mode = async {
            match &context.plan.mode {
                Mode::Connect(spec) => connect::run(&context, spec).await,
                Mode::Probe(spec) => probe::run(&context, spec).await,
                Mode::Listen(spec) => listen::run(&context, spec).await,
            }
        };
        let exit = tokio::select! {
            exit = mode => exit,
            never = requests => match never {},
        };
        let is_signal = matches!(exit, Exit::Signal(_) | Exit::Killed(_));
        context.lua.ended(&context.plan, is_signal).await;
        exit
    });
    context.readiness.stopping(&context);
    // A look-up that still runs must not hold the program up.
    runtime.shutdown_background();
    let (sent, received) = context.totals.read();
    context.talk.summary(sent, received);
    exit
}

/// The options of every socket of this run; what the system made of them is told.
fn setup(plan: &Plan, talk: &Talk) -> Setup {
    let talk = talk.clone();
    Setup::new(plan.sockets.clone(), move |note| match note {
        Note::Fact(line) => talk.verbose(|| format!("{line}.")),
        Note::Warning(line) => talk.error(&format!("Warning: {line}."), &[]),
    })
}

impl Context {
    /// Shows a socket option that could not be set. An MPTCP connection that cannot be made is the
    /// network's failure, as any connection; everything else is this machine's.
    fn option_failed(&self, failed: &OptionError) -> Exit {
        let more: Vec<String> = failed.hint.iter().map(|hint| format!("hint: {hint}")).collect();
        self.talk.error(&format!("{failed}. QUITTING."), &more);
        let connects = !matches!(self.plan.mode, Mode::Listen(_));
        let is_network = failed.option == "--mptcp" && connects;
        self.talk.connect_failed(failed.option, &failed.to_string(), &[]);
        if is_network { Exit::Network } else { Exit::Local }
    }

    /// Shows why an endpoint could not be opened, and the exit code for it.
    pub(crate) fn open_failed(&self, error: &OpenError) -> Exit {
        if let Some(failed) = error.option() {
            return self.option_failed(failed);
        }
        let (exit, reason) = match error {
            OpenError::Resolve { .. } => {
                self.talk.error(
                    &format!("{error}. QUITTING."),
                    &["hint: check the spelling, or give an address; -n never looks names up"
                        .into()],
                );
                (Exit::Local, error.to_string())
            }
            OpenError::Connect { target, attempts, last } => {
                let reason = words(last);
                let mut more = vec![connecting(target, attempts)];
                let at = attempts.last().map(|attempt| &attempt.addr);
                more.extend(transports::hint(last, at).or_else(|| hint(last)));
                self.talk.error(&format!("{reason}."), &more);
                (Exit::Network, reason)
            }
            OpenError::Timeout { target, attempts, after } => {
                let more = [
                    format!(
                        "connecting to {target} took longer than {} s (-w); {}",
                        after.as_secs_f64(),
                        tried(attempts)
                    ),
                    transports::silence_hint(attempts.last().map(|attempt| &attempt.addr))
                        .unwrap_or_else(|| silence_hint(attempts).into()),
                ];
                self.talk.error("TIMEOUT.", &more);
                (Exit::Network, "TIMEOUT".into())
            }
            OpenError::Proxy { reason, more, is_local, .. } => {
                self.talk.error(reason, more);
                (if *is_local { Exit::Local } else { Exit::Network }, reason.clone())
            }
            OpenError::Insecure { target, reason, more } => {
                let with = format!("securing the connection to {target}");
                let more: Vec<String> = std::iter::once(with).chain(more.iter().cloned()).collect();
                self.talk.error(&format!("{reason}."), &more);
                (Exit::Network, reason.clone())
            }
            OpenError::Filtered { target, reason } => {
                self.talk.error(&format!("{reason}."), &[format!("connecting to {target} (-L)")]);
                (Exit::Network, reason.clone())
            }
            OpenError::Bind { at, error } => {
                let line = format!("bind to {at}: {}. QUITTING.", words(error));
                let known = transports::hint(error, Some(at)).map(|hint| vec![hint]);
                self.talk.error(&line, &known.unwrap_or_else(|| bind_hint(error)));
                (Exit::Local, words(error))
            }
            OpenError::PathInUse { path, error } => {
                let line = format!("bind to {}: {}. QUITTING.", path.display(), words(error));
                self.talk.error(&line, &path_hint(path, error));
                (Exit::Local, words(error))
            }
            OpenError::Handed { .. } => {
                let more = ["hint: the options must say what was handed over: -u for datagrams, -U for Unix sockets, no other address".into()];
                self.talk.error(&format!("{error}. QUITTING."), &more);
                (Exit::Local, error.to_string())
            }
            OpenError::Denied(denied) => {
                self.talk.error("Denied by policy.", &[denied.to_string()]);
                (Exit::Local, denied.reason.clone())
            }
            OpenError::Stdio { what, error } => {
                self.talk.error(&format!("{what}: {}. QUITTING.", words(error)), &[]);
                (Exit::Local, words(error))
            }
            other => {
                self.talk.error(&format!("{other}. QUITTING."), &[]);
                (Exit::Local, other.to_string())
            }
        };
        let none: &[endpoint::Attempt] = &[];
        let (target, attempts) = match error {
            OpenError::Connect { target, attempts, .. }
            | OpenError::Timeout { target, attempts, .. } => (target.clone(), attempts.as_slice()),
            OpenError::Resolve { host, .. } => (host.clone(), none),
            OpenError::Insecure { target, .. }
            | OpenError::Filtered { target, .. }
            | OpenError::Proxy { proxy: target, .. } => (target.clone(), none),
            OpenError::Bind { at, .. } => (at.to_string(), none),
            OpenError::PathInUse { path, .. } => (path.display().to_string(), none),
            OpenError::Stdio { what, .. } => ((*what).to_string(), none),
            other => (other.to_string(), none),
        };
        self.talk.connect_failed(&target, &reason, attempts);
        exit
    }
}

/// What silence means: on a network, packets that vanish; on this machine, a full queue.
fn silence_hint(attempts: &[endpoint::Attempt]) -> &'static str {
    match attempts.last().map(|attempt| &attempt.addr) {
        Some(gate::Address::Unix(_)) => "hint: its queue is full; is the server still accepting?",
        _ => "hint: a firewall that drops packets looks like this; --json lists every address",
    }
}

fn connecting(target: &str, attempts: &[endpoint::Attempt]) -> String {
    match attempts.last() {
        Some(last) => format!("connecting to {target} ({}); {}", last.addr, tried(attempts)),
        None => format!("connecting to {target}"),
    }
}

fn tried(attempts: &[endpoint::Attempt]) -> String {
    match attempts.len() {
        1 => "1 address tried".into(),
        n => format!("{n} addresses tried"),
    }
}

/// What may be wrong when nobody can be reached.
pub(crate) fn hint(error: &std::io::Error) -> Option<String> {
    use std::io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable, NotFound,
        PermissionDenied,
    };
    let text = match error.kind() {
        ConnectionRefused => {
            "nothing listens there, or a firewall answered; -v lists every address"
        }
        HostUnreachable | NetworkUnreachable => "there is no route to it from here",
        AddrNotAvailable => "-s must be an address of this machine",
        NotFound => "the path does not exist; is the server running?",
        PermissionDenied => "this user may not use that address or path",
        _ => return None,
    };
    Some(format!("hint: {text}"))
}

/// What stands in the way of a Unix socket.
fn path_hint(path: &std::path::Path, error: &std::io::Error) -> Vec<String> {
    if error.kind() != std::io::ErrorKind::AddrInUse {
        return bind_hint(error);
    }
    #[cfg(unix)]
    let is_socket = std::fs::symlink_metadata(path)
        .is_ok_and(|meta| std::os::unix::fs::FileTypeExt::is_socket(&meta.file_type()));
    #[cfg(not(unix))]
    let is_socket = path.exists();
    let text = if is_socket {
        "a socket is there already; remove it if no program listens on it any more (ss -xlp)"
    } else {
        "the path exists and is no socket"
    };
    vec![format!("hint: {text}")]
}

fn bind_hint(error: &std::io::Error) -> Vec<String> {
    use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    let text = match error.kind() {
        AddrInUse => "another program listens there (ss -lnp shows which)",
        AddrNotAvailable => "it is not an address of this machine",
        PermissionDenied => "ports below 1024 need privilege; a path needs a writable directory",
        _ => return Vec::new(),
    };
    vec![format!("hint: {text}")]
}
