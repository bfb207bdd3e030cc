//! From options to a plan: every rule that spans options.
//!
//! Called once, after the option scanner. The rules are data (`rules`), the reading of operands is
//! apart (`operands`), and what is left here only copies. No I/O and no name look-up: the caller may
//! print the result and stop.

mod broker;
mod exec;
mod lua;
mod operands;
mod proxy;
mod proxy_server;
mod rules;
mod safe;
mod sockets;
mod starttls;
mod tls;
mod vsock;

use crate::{
    AccessSpec, Connect, DEFAULT_CONNECT_TIMEOUT, DEFAULT_DATAGRAM_SIZE, DEFAULT_MAX_CONNS,
    EofPolicy, Family, Flow, Limits, Listen, LogSpec, Mode, Plan, ProxyHop, Quit, RawArgs,
    RawFamily, RawTransport, SourceRoute, StageSpec, TalkSpec, Transport,
};

pub(crate) use self::operands::number;

use self::operands::Operands;
use self::rules::Facts;

/// Why the options cannot be carried out; exit code 2.
///
/// The text is what follows `Ncat: `, without a final newline: the first line as Ncat words it
/// (` QUITTING.` included), then perhaps indented lines of ours.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(pub String);

/// Applies the rules, in Ncat's order, so that the error it would show is the one shown.
///
/// # Errors
/// [`PlanError`] for every refused combination, for operands that cannot be understood, and, after
/// all of those, for capabilities this build does not have.
pub fn build(raw: &RawArgs) -> Result<Plan, PlanError> {
    let facts = Facts::new(raw);
    rules::check(rules::BEFORE_OPERANDS, &facts)?;
    let operands = operands::read(&facts)?;
    rules::check(rules::AFTER_OPERANDS, &facts)?;
    rules::check(sockets::RULES, &facts)?;
    rules::check(exec::RULES, &facts)?;
    rules::check(broker::RULES, &facts)?;
    rules::check(starttls::RULES, &facts)?;
    rules::check(tls::RULES, &facts)?;
    rules::check(proxy::RULES, &facts)?;
    rules::check(proxy_server::RULES, &facts)?;
    rules::check(lua::RULES, &facts)?;
    rules::check(safe::RULES, &facts)?;
    rules::check_absent(&facts)?;
    let proxies = proxy::chain(&facts, &operands)?;

    Ok(Plan {
        sockets: proxy_server::sockets(&facts, sockets::options(&facts)),
        ready: sockets::ready(&facts, &operands),
        tls: safe::tls(&facts),
        proxy_tls: proxy::tls(raw, &proxies),
        header_from: proxy::trusted(&facts),
        proxy_protocol: raw.proxy.protocol,
        exec: raw.exec.spec(&raw.lua),
        filters: (!raw.lua.filters.stack.is_empty()).then(|| raw.lua.filters.clone()),
        stages: stages(raw),
        flow: flow(raw),
        eof: eof(&facts),
        quit: match raw.quit {
            None => Quit::Default,
            Some(None) => Quit::Never,
            Some(Some(time)) => Quit::After(time),
        },
        limits: Limits {
            connect_timeout: raw.wait.unwrap_or(DEFAULT_CONNECT_TIMEOUT),
            idle_timeout: raw.idle,
            datagram_size: raw.datagram_size.unwrap_or(DEFAULT_DATAGRAM_SIZE),
        },
        logs: logs(raw),
        talk: TalkSpec {
            verbosity: raw.verbosity,
            // --json-fd alone is taken as a wish for events: naming their destination means nothing else.
            json_fd: raw.json_fd.or(raw.json.then_some(2)),
            progress: raw.progress,
            test_marks: raw.test_marks,
            tells_port: sockets::tells_port(&facts, &operands),
        },
        mode: mode(&facts, operands, proxies),
        warnings: warnings(&facts),
    })
}

/// The combinations of options that are refused, in the order in which they are looked for.
///
/// For the generated compatibility page, so that it cannot forget one.
pub fn refused_combinations() -> impl Iterator<Item = &'static str> {
    let ours = [
        broker::RULES,
        starttls::RULES,
        tls::RULES,
        proxy::RULES,
        proxy_server::RULES,
        lua::RULES,
        safe::RULES,
    ]
    .into_iter()
    .flatten();
    rules::names().chain(ours.map(|rule| rule.name))
}

fn mode(facts: &Facts<'_>, operands: Operands, proxies: Vec<ProxyHop>) -> Mode {
    let raw = facts.raw;
    if facts.listen {
        return Mode::Listen(listen(facts, operands));
    }
    let transport = transport(raw);
    let connect = Connect {
        transport,
        host: operands.host.unwrap_or_default(),
        port: operands.port,
        family: family(raw),
        numeric: raw.nodns,
        // Ncat binds a Unix client only for datagrams, where the peer needs an address to answer to.
        source_host: raw.source.clone().filter(|_| transport != Transport::UnixStream),
        source_port: raw.source_port.and_then(|port| u16::try_from(port).ok()).filter(|p| *p != 0),
        vsock: operands.vsock,
        route: SourceRoute::new(&raw.route),
        proxies,
    };
    if raw.zero_io { Mode::Probe(connect) } else { Mode::Connect(connect) }
}

fn listen(facts: &Facts<'_>, operands: Operands) -> Listen {
    let raw = facts.raw;
    let allow_given = !raw.allow.is_empty() || !raw.allow_files.is_empty();
    Listen {
        transport: transport(raw),
        host: operands.host,
        loopback: safe::is_loopback(facts),
        port: operands.port,
        family: family(raw),
        numeric: raw.nodns,
        keep_open: raw.keep_open || facts.brokers() || facts.server_kind().is_some(),
        max_conns: raw.max_conns.unwrap_or(DEFAULT_MAX_CONNS),
        access: AccessSpec {
            allow: allow_given.then(|| raw.allow.clone()),
            deny: raw.deny.clone(),
            allow_files: raw.allow_files.clone(),
            deny_files: raw.deny_files.clone(),
        },
        slow_reader: raw.slow_reader.unwrap_or_default(),
        vsock: operands.vsock,
        broker: raw.broker.plan(),
        proxy: proxy_server::plan(facts),
    }
}

fn transport(raw: &RawArgs) -> Transport {
    let datagrams = raw.transport == Some(RawTransport::Udp);
    match (raw.family, raw.transport) {
        (Some(RawFamily::Unix), _) if datagrams => Transport::UnixDatagram,
        (Some(RawFamily::Unix), _) => Transport::UnixStream,
        (Some(RawFamily::Vsock), _) if datagrams => Transport::VsockDatagram,
        (Some(RawFamily::Vsock), _) => Transport::Vsock,
        (_, Some(RawTransport::Sctp)) => Transport::Sctp,
        (_, Some(RawTransport::Udp)) => Transport::Udp,
        (_, None) => Transport::Tcp,
    }
}

fn family(raw: &RawArgs) -> Family {
    match raw.family {
        Some(RawFamily::V4) => Family::V4,
        Some(RawFamily::V6) => Family::V6,
        Some(RawFamily::Unix | RawFamily::Vsock) | None => Family::Any,
    }
}

/// Wire side first: telnet commands are taken out before the transcript, which therefore shows what
/// the user sees and what the user's data became on the wire side of `-C` (spec section 13).
fn stages(raw: &RawArgs) -> Vec<StageSpec> {
    let has_log = raw.output.is_some() || raw.hex_dump.is_some();
    [
        raw.sockets.rate.map(StageSpec::Rate),
        raw.telnet.then_some(StageSpec::Telnet),
        has_log.then_some(StageSpec::Tap),
        raw.crlf.then_some(StageSpec::Crlf),
        raw.delay.map(StageSpec::Delay),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn flow(raw: &RawArgs) -> Flow {
    match (raw.send_only, raw.recv_only) {
        (true, _) => Flow::SendOnly,
        (false, true) => Flow::RecvOnly,
        (false, false) => Flow::Both,
    }
}

/// `--eof` names the policy; without it the old flags do. `--send-only` quits at the end of input,
/// so `--no-shutdown` beside it changes nothing (as in Ncat, which closes the socket either way). A
/// broker serves on after the end of its input, with `--send-only` too.
fn eof(facts: &Facts<'_>) -> EofPolicy {
    let raw = facts.raw;
    if let Some(named) = raw.eof {
        named
    } else if raw.send_only && !facts.brokers() {
        EofPolicy::Quit
    } else if raw.no_shutdown {
        EofPolicy::Wait
    } else if raw.keep_open && !facts.listen {
        EofPolicy::Ncat795
    } else {
        EofPolicy::HalfClose
    }
}

fn logs(raw: &RawArgs) -> Vec<LogSpec> {
    let one = |path: &Option<std::path::PathBuf>, hex| {
        path.clone().map(|path| LogSpec { path, hex, append: raw.append_output })
    };
    [one(&raw.output, false), one(&raw.hex_dump, true)].into_iter().flatten().collect()
}

fn warnings(facts: &Facts<'_>) -> Vec<String> {
    let raw = facts.raw;
    let mut lines = Vec::new();
    if facts.listen && !raw.keep_open && !facts.brokers() && facts.server_kind().is_none() {
        match raw.max_conns {
            // Ncat says the limit is ignored, and then enforces it. One client is all a listener
            // without -k serves, so its line is true of every limit but 0.
            Some(0) => lines
                .push("-m 0 is enforced although -k is not given: every client is refused.".into()),
            Some(_) => lines.push(
                "Maximum connections ignored, since it does not take effect without -k or \
                 --broker."
                    .into(),
            ),
            None => {}
        }
    }
    if !facts.listen && raw.keep_open && raw.eof.is_none() && (raw.send_only || raw.no_shutdown) {
        let other = if raw.send_only { "--send-only" } else { "--no-shutdown" };
        lines.push(format!("-k has no effect when connecting with {other}."));
    }
    if facts.listen && raw.route.hops().next().is_some() {
        lines.push("-g has no effect when listening: whoever connects chooses the way.".into());
    }
    let names_stream_source = raw.source.is_some() && transport(raw) == Transport::UnixStream;
    if names_stream_source && !facts.listen && raw.verbosity > 0 {
        lines.push(
            "Specifying source socket for other than DATAGRAM Unix domain sockets have no effect."
                .into(),
        );
    }
    lines
}

#[cfg(test)]
mod tests;
