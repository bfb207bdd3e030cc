//! `-L`: the filters of a run, and the connections they are put around.

use std::sync::Arc;
use std::time::Duration;

use conn::{Conn, ConnInfo, Shape};
use endpoint::OpenError;
use gate::Gatekeeper;
use lua::filter::{Driver, Engine, Facts, Failure, Log, SearchPath, Step, Target};
use plan::{Connect, Flow, Mode, Plan, Transport};
use proto::escape;

use super::apart;
use crate::connect::{self, Opened};
use crate::run::Context;
use crate::talk::{self, words};

/// Time for the filters' good-byes when we are ended by a signal.
const GOOD_BYE: Duration = Duration::from_secs(1);

/// Loads the plan's filters; `None` without any.
///
/// # Errors
/// A line without its end.
pub(super) fn load(plan: &Plan, gate: &Gatekeeper) -> Result<Option<Arc<Engine>>, String> {
    let Some(filters) = &plan.filters else { return Ok(None) };
    let path = search_path(filters);
    let datagrams = plan.transport().is_message();
    Engine::load(filters, &path, datagrams, log(plan.talk.verbosity), gate.clone())
        .map(|engine| Some(Arc::new(engine)))
}

/// What the filters are for, and their options.
///
/// # Errors
/// As [`load`].
pub(crate) fn help(filters: &plan::Filters) -> Result<String, String> {
    let path = search_path(filters);
    let mut text = String::new();
    for filter in &filters.stack {
        text.push_str(&lua::filter::help(&filter.what, filters, &path, log(0))?);
    }
    Ok(text)
}

/// Which filters there are.
///
/// # Errors
/// As [`load`].
pub(crate) fn list(filters: &plan::Filters) -> Result<String, String> {
    lua::filter::list(filters, &search_path(filters), log(0))
}

/// What came of the filters' own tests, and whether all passed.
///
/// # Errors
/// As [`load`].
pub(crate) fn check(raw: &plan::RawArgs) -> Result<(String, bool), String> {
    let filters = &raw.lua.filters;
    if filters.stack.is_empty() {
        return Err("--lua-check needs a filter to check: -L NAME".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| words(&error))?;
    let path = search_path(filters);
    let report = lua::filter::check(filters, &path, false, log(0));
    let report = runtime.block_on(report)?;
    Ok((report.text, report.failed == 0))
}

fn search_path(filters: &plan::Filters) -> SearchPath {
    SearchPath::new(&filters.path, |name| std::env::var_os(name))
}

/// What a script says goes to standard error; control characters do not reach the terminal.
fn log(verbosity: u8) -> Log {
    Box::new(move |level, name, id, text| {
        let from = match level {
            "info" => 1,
            "debug" => 2,
            "trace" => 3,
            _ => 0,
        };
        if verbosity < from {
            return;
        }
        if level == "plain" {
            // A filter's own lines; their ends stay, nothing else does that a terminal would act on.
            let lines = text.split_inclusive('\n').map(|line| match line.strip_suffix('\n') {
                Some(line) => format!("{}\n", escape::terminal(line.as_bytes())),
                None => escape::terminal(line.as_bytes()).into_owned(),
            });
            talk::put(&lines.collect::<String>());
            return;
        }
        let text = escape::terminal(text.as_bytes());
        let id = if id == 0 { String::new() } else { format!("[{id}]") };
        talk::put(&format!("NCAT LUA {}{id}: {text}\n", escape::terminal(name.as_bytes())));
    })
}

fn facts(plan: &Plan, info: &ConnInfo) -> Facts {
    let transport = plan.transport();
    let is_broker = matches!(&plan.mode, Mode::Listen(listen) if listen.broker.is_some());
    let is_proxy = matches!(&plan.mode, Mode::Listen(listen) if listen.proxy.is_some());
    // By UDP what is asked is asked with a datagram, which the filters see to as to any other.
    let probes = matches!(plan.mode, Mode::Probe(_)) && !transport.is_message();
    let ends = Facts::ends(info, transport.is_unix());
    Facts {
        mode: if matches!(plan.mode, Mode::Listen(_)) { "listen" } else { "connect" },
        role: match (&plan.exec, is_broker, is_proxy) {
            (Some(_), _, _) => "exec",
            (None, true, _) => "broker",
            (None, _, true) => "proxy",
            (None, false, false) => "relay",
        },
        proto: match transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::Sctp => "sctp",
            Transport::UnixStream | Transport::UnixDatagram => "unix",
            Transport::Vsock | Transport::VsockDatagram => "vsock",
        },
        tls: plan.tls.is_some(),
        target: None,
        remote: ends.0,
        local: ends.1,
        discards: plan.flow == Flow::SendOnly && !is_broker,
        probes,
        message_max: if plan.is_dtls() { plan::DTLS_DATAGRAM_MAX } else { 0 },
    }
}

/// Puts the filters around a client's connection; what runs them is on its way then.
pub(super) fn wrap(engine: &Arc<Engine>, plan: &Plan, remote: Conn) -> Conn {
    let facts = facts(plan, &remote.info);
    if plan.filters.as_ref().is_some_and(|filters| filters.isolates) {
        return apart::wrap(engine, facts, remote);
    }
    let (conn, driver) = engine.wrap(remote, facts);
    run(driver);
    conn
}

/// Beside the session, on the one thread there is: nothing of it blocks.
fn run(driver: Driver) {
    tokio::spawn(driver);
}

/// Connects as the filters have it.
///
/// # Errors
/// What kept us from connecting, as without filters; or what the filters said.
pub(super) async fn connect(
    engine: &Arc<Engine>,
    context: &Context,
    spec: &Connect,
) -> Result<Opened, OpenError> {
    let is_unix = spec.transport.is_unix();
    let port = (!is_unix).then_some(spec.port);
    let target = Some((spec.host.clone(), port));
    let facts = Facts { target, ..facts(&context.plan, &ConnInfo::default()) };
    let shape = if spec.transport.is_message() { Shape::Message } else { Shape::Stream };
    let (mut opening, driver) = engine.open(facts, shape);
    run(driver);
    let (mut bound, mut failed) = (None, None);
    loop {
        match opening.next().await {
            Step::Dial(elsewhere) => match dial(context, spec, elsewhere).await {
                Ok(opened) => {
                    let (conn, kept) = opened.into_parts();
                    (bound, failed) = (Some(kept), None);
                    opening.dialled(Ok(crate::local::pace(&context.plan, conn)));
                }
                Err(error) => {
                    opening.dialled(Err(failure(&error)));
                    failed = Some(error);
                }
            },
            Step::Ready(conn) => return Ok(Opened::from_parts(*conn, bound)),
            // What was reported to the filters, and what they pass on, is one thing.
            Step::Failed(said) => {
                let passed_on = failed.filter(|error| failure(error).code == said.code);
                return Err(passed_on.unwrap_or_else(|| refused(spec, &said)));
            }
        }
    }
}

/// Dials whom the user named, or whom a filter wants in its place, in the same way.
async fn dial(
    context: &Context,
    spec: &Connect,
    elsewhere: Option<Target>,
) -> Result<Opened, OpenError> {
    match elsewhere {
        None => connect::dial(context, spec).await,
        Some((host, port)) if spec.vsock.is_none() => {
            let spec = Connect { host, port: port.unwrap_or(spec.port), ..spec.clone() };
            connect::dial(context, &spec).await
        }
        Some((target, _)) => {
            let reason = "by vsock only the target you named can be dialled".into();
            Err(OpenError::Filtered { target, reason })
        }
    }
}

fn refused(spec: &Connect, said: &Failure) -> OpenError {
    let target = if spec.transport.is_unix() { spec.host.clone() } else { connect::target(spec) };
    OpenError::Filtered { target, reason: said.to_string() }
}

/// Why dialling failed, as scripts have it.
pub(super) fn failure(error: &OpenError) -> Failure {
    let (code, detail) = match error {
        OpenError::Resolve { .. } => ("RESOLVE", error.to_string()),
        OpenError::Timeout { .. } => ("TIMEOUT", "TIMEOUT".into()),
        OpenError::Insecure { reason, .. } => ("TLS", reason.clone()),
        OpenError::Denied(_) => ("DENIED", error.to_string()),
        OpenError::Connect { last, .. } => (Failure::from(last).code, words(last)),
        other => ("ERROR", other.to_string()),
    };
    Failure { code, detail }
}

/// Runs what the scripts set going while they were loaded, and looks after all of them.
pub(super) fn begin(engine: &Arc<Engine>, plan: &Plan) {
    tokio::spawn(engine.residents());
    if let Some(filters) = &plan.filters {
        apart::watch(engine, filters.limits.hard);
        if filters.reloads {
            apart::reload(engine);
        }
    }
}

/// Waits until the filters of every connection have said good-bye.
pub(super) async fn ended(engine: &Engine, plan: &Plan, is_signal: bool) {
    if is_signal {
        engine.exit();
    }
    let limit = plan.filters.as_ref().map_or(GOOD_BYE, |filters| filters.limits.close);
    let limit = if is_signal { GOOD_BYE } else { limit + GOOD_BYE };
    let _ = tokio::time::timeout(limit, engine.ended()).await;
}
