//! `--explain`: a plan in words.

use std::fmt::Write;
use std::time::Duration;

use crate::{
    AccessSpec, Broker, Connect, EofPolicy, ExecSpec, Family, Flow, Listen, Mode, Plan, ProxyAuth,
    ProxyDns, Quit, SlowReader, StageSpec, TlsSpec, TlsVersion, Transport, VSOCK_ANY,
};

/// The plan, one `name: value` a line, always in the same order; ends with a newline.
///
/// For people and for tests; for programs there is `--json`. Text from the command line is shown
/// quoted and escaped.
pub fn explain(plan: &Plan) -> String {
    let mut page = Page(String::new());
    let with = match &plan.exec {
        Some(_) => "a command",
        None => "standard input and output",
    };
    match &plan.mode {
        Mode::Connect(connect) => {
            page.line("mode", format!("connect, and join the connection with {with}"));
            page.connect(connect, plan);
        }
        Mode::Probe(connect) => {
            page.line("mode", "probe: find out whether a connection is possible, send no data");
            page.connect(connect, plan);
        }
        Mode::Listen(listen) => {
            match listen.broker {
                Some(_) => page.line("mode", listening(listen.broker)),
                None => page.line("mode", format!("listen, and join clients with {with}")),
            }
            page.listen(listen, plan);
        }
    }
    if let Some(exec) = &plan.exec {
        page.exec(exec);
    }
    page.sockets(plan);
    for (at, filter) in plan.filters.iter().flat_map(|filters| &filters.stack).enumerate() {
        page.line(&format!("filter {}", at + 1), format!("{:?}", filter.what));
    }
    if let Some(tls) = &plan.tls {
        page.tls(tls, plan);
    }
    page.transfer(plan);
    page.talk(plan);
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{name}: {value}");
    }

    fn connect(&mut self, connect: &Connect, plan: &Plan) {
        self.line("transport", transport(connect.transport));
        if let Some(at) = connect.vsock {
            self.line("remote", machine(at.cid, at.port));
            let cid = at.source_cid.map_or("any machine number".into(), |cid| format!("cid {cid}"));
            let port = at.source_port.map_or("any".into(), |port| port.to_string());
            self.line("local", format!("{cid}, port {port}"));
        } else if connect.transport.is_unix() {
            self.line("remote", format!("path {:?}", connect.host));
            if let Some(path) = &connect.source_host {
                self.line("local", format!("path {path:?}"));
            }
        } else {
            self.line("remote", format!("{:?} port {}", connect.host, connect.port));
            self.line("families", family(connect.family));
            self.line("names", names(connect.numeric));
            let host = connect.source_host.as_ref().map(|host| format!("{host:?}"));
            let port = connect.source_port.map(|port| port.to_string());
            let (host, port) = (host.as_deref().unwrap_or("any"), port.as_deref().unwrap_or("any"));
            self.line("local", format!("address {host}, port {port}"));
        }
        if let Some(route) = &connect.route {
            let hops: Vec<_> = route.hops.iter().map(|hop| format!("{hop:?}")).collect();
            let text = format!("by way of {}, pointer {}", hops.join(", "), route.pointer);
            self.line("source route", text);
        }
        self.proxies(connect, plan);
        let timeout = time(plan.limits.connect_timeout);
        self.line("connect timeout", format!("{timeout}, over all addresses"));
    }

    fn proxies(&mut self, connect: &Connect, plan: &Plan) {
        for hop in &connect.proxies {
            let names = match hop.dns {
                ProxyDns::Local => "names are looked up here",
                ProxyDns::Remote => "it looks names up",
                ProxyDns::Both => "names are looked up here, else by it",
                ProxyDns::None => "no names",
            };
            let auth = match &hop.auth {
                ProxyAuth::None => "no credentials".into(),
                ProxyAuth::Given(_) => "credentials given".into(),
                ProxyAuth::File(path, line) => {
                    format!("credentials in line {} of {path:?}", line + 1)
                }
            };
            self.line(
                "by way of",
                format!("{} proxy {}, {names}, {auth}", hop.kind.name(), hop.place()),
            );
        }
        if let Some(protocol) = plan.proxy_protocol {
            self.line("PROXY header", protocol.name());
        }
    }

    fn listen(&mut self, listen: &Listen, plan: &Plan) {
        self.line("transport", transport(listen.transport));
        match &listen.host {
            _ if plan.ready.is_handed => {
                self.line("bind", "no: sockets are handed over (LISTEN_FDS)")
            }
            _ if listen.vsock.is_some() => {
                let at = listen.vsock.map(|at| machine(at.cid, at.port));
                self.line("bind", at.unwrap_or_default());
            }
            Some(path) if listen.transport.is_unix() => self.line("bind", format!("path {path:?}")),
            Some(host) => self.line("bind", format!("{host:?} {}", listen_port(listen.port))),
            None => {
                let which = if listen.loopback { "loopback addresses" } else { "every address" };
                self.line("bind", format!("{which}, {}", listen_port(listen.port)));
            }
        }
        if !listen.transport.is_unix() && listen.vsock.is_none() {
            self.line("families", family(listen.family));
            self.line("names", names(listen.numeric));
        }
        match (listen.keep_open, listen.max_conns) {
            (false, 0) => self.line("clients", "none: the first is refused"),
            (false, _) => self.line("clients", "one, then quit"),
            (true, max) => {
                self.line("clients", format!("any number, at most {max} at once"));
                self.line("slow clients", slow_reader(listen.slow_reader));
                listen.broker.iter().for_each(|broker| self.broker(broker));
            }
        }
        self.access(&listen.access);
        if let (Some(protocol), Some(from)) = (plan.proxy_protocol, &plan.header_from) {
            let from = from.allow.as_deref().unwrap_or_default().join(",");
            self.line("PROXY header", format!("{}, believed from {from:?}", protocol.name()));
        }
    }

    fn exec(&mut self, exec: &ExecSpec) {
        match &exec.script {
            Some(script) => self.line("Lua program", format!("{script:?}, read at the start")),
            None => {
                self.line("command", format!("{:?}, not searched for", exec.path));
                self.line("arguments", format!("{:?}", exec.args));
            }
        }
        let wiring = match (exec.pty, exec.handover) {
            (true, _) => "a terminal of its own",
            (_, true) => "the socket itself",
            _ => "pipes",
        };
        self.line("joined by", wiring);
        let limits = [
            exec.limits.memory.map(|bytes| format!("{bytes} bytes of memory")),
            exec.limits.cpu.map(|limit| format!("{} of processor time", time(limit))),
            exec.limits.files.map(|count| format!("{count} descriptors")),
            exec.timeout.map(|limit| format!("{} until it is stopped", time(limit))),
        ];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        self.line("limits", if limits.is_empty() { "none".into() } else { limits.join(", ") });
        self.line("exit code", if exec.exit { "the command's" } else { "the connection's" });
    }

    fn broker(&mut self, broker: &Broker) {
        let end = if broker.passes_end { "passed on" } else { "not passed on" };
        self.line("end of a sender", end);
        self.line("history", format!("{} bytes", broker.history_bytes));
        if broker.as_ncat {
            self.line("compatible", "to the byte with Ncat");
        }
    }

    fn access(&mut self, access: &AccessSpec) {
        let files = |paths: &[std::path::PathBuf]| {
            paths.iter().map(|path| format!("file {path:?}")).collect::<Vec<_>>()
        };
        let words = |specs: &[String]| specs.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>();
        let allow = access.allow.as_ref().map(|specs| [words(specs), files(&access.allow_files)]);
        let deny = [words(&access.deny), files(&access.deny_files)].concat();
        match allow {
            Some(allow) => self.line("allow", allow.concat().join(", ")),
            None => self.line("allow", "everybody"),
        }
        self.line("deny", if deny.is_empty() { "nobody".into() } else { deny.join(", ") });
    }

    fn sockets(&mut self, plan: &Plan) {
        let asked = plan.sockets.asked().into_iter();
        let words = asked.map(|(name, value)| format!("{name} {value}").trim_end().to_owned());
        let words: Vec<String> = words.collect();
        if !words.is_empty() {
            self.line("socket options", words.join(", "));
        }
        if let Some(fd) = plan.ready.fd {
            self.line("when bound", format!("one line per listener on descriptor {fd}"));
        }
    }

    fn tls(&mut self, tls: &TlsSpec, plan: &Plan) {
        let listens = matches!(plan.mode, Mode::Listen(_));
        let own = match (&tls.certificate, listens) {
            (Some(path), _) => format!("from {path:?}"),
            (None, true) => "made for this run".into(),
            (None, false) => "none".into(),
        };
        let peer = match (tls.verify, listens, tls.pins.is_empty() && tls.allow.is_empty()) {
            (true, true, true) => "a certificate, its chain verified",
            (true, true, false) => "a certificate, its chain verified, one of those allowed",
            (true, false, true) => "name and chain verified",
            (true, false, false) => "name and chain verified, and one of those pinned",
            (false, true, true) => "anybody",
            (false, _, false) => "one of the certificates or keys named",
            (false, false, true) => "NOT VERIFIED",
        };
        let name = if tls.datagrams { "dtls" } else { "tls" };
        self.line(name, format!("own certificate: {own}; peer: {peer}"));
        if let Some(protocol) = tls.starttls {
            self.line("tls begins", format!("after the dialogue of {}", protocol.word()));
        }
        if let Some(name) = &tls.server_name {
            self.line("tls server name", format!("{name:?}"));
        }
        let word = |version: Option<TlsVersion>| version.map_or("any", TlsVersion::word);
        if tls.min.is_some() || tls.max.is_some() {
            self.line("tls versions", format!("{} to {}", word(tls.min), word(tls.max)));
        }
        if tls.require_pq {
            self.line("tls key exchange", "post-quantum only");
        }
        if !tls.alpn.is_empty() {
            self.line("tls protocols", format!("{:?}", tls.alpn));
        }
        if let Some(path) = &tls.keylog {
            self.line("tls secrets", format!("appended to {path:?}"));
        }
        if let Some(path) = &tls.session {
            self.line("tls session", format!("kept in {path:?}"));
        }
    }

    fn transfer(&mut self, plan: &Plan) {
        let stages: Vec<String> = plan.stages.iter().map(stage).collect();
        let stages = if stages.is_empty() { "none".into() } else { stages.join(", ") };
        self.line("stages, wire first", stages);
        self.line("flow", flow(plan.flow));
        let transport = plan.transport();
        let meaning = match (plan.half_closes(), &plan.mode) {
            (false, Mode::Listen(_)) => eof_of_sctp_listener(plan.eof),
            (false, _) => eof_of_sctp_client(plan.eof),
            (true, _) => eof(plan.eof),
        };
        self.line("end", format!("{}: {meaning}", plan.eof.name()));
        self.line("after the end of input", quit(plan.quit));
        let idle = plan.limits.idle_timeout.map_or("none".into(), time);
        self.line("idle timeout", idle);
        if transport.is_message() {
            let size = plan.limits.datagram_size;
            self.line("datagrams sent", format!("of at most {size} bytes"));
        }
    }

    fn talk(&mut self, plan: &Plan) {
        for log in &plan.logs {
            let kind = if log.hex { "hex dump" } else { "raw" };
            let how = if log.append { "appended to" } else { "written over" };
            self.line("transcript", format!("{kind}, {how} {:?}", log.path));
        }
        self.line("verbosity", plan.talk.verbosity);
        if let Some(fd) = plan.talk.json_fd {
            self.line("events", format!("JSON lines on descriptor {fd}"));
        }
        if plan.talk.progress {
            self.line("progress", "shown when standard error is a terminal");
        }
        if plan.talk.test_marks {
            self.line("test marks", "on");
        }
        for warning in &plan.warnings {
            self.line("warning", warning);
        }
    }
}

fn listening(broker: Option<Broker>) -> &'static str {
    match broker {
        None => "listen, and join clients with standard input and output",
        Some(Broker { chat: false, .. }) => {
            "broker: pass what a client sends to all others, and standard input to all"
        }
        Some(Broker { chat: true, .. }) => {
            "chat: pass what a user says to all others, and standard input to all"
        }
    }
}

fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
        Transport::Sctp => "sctp",
        Transport::UnixStream => "unix stream",
        Transport::UnixDatagram => "unix datagram",
        Transport::Vsock => "vsock stream",
        Transport::VsockDatagram => "vsock datagram",
    }
}

fn family(family: Family) -> &'static str {
    match family {
        Family::Any => "IPv4 and IPv6",
        Family::V4 => "IPv4 only",
        Family::V6 => "IPv6 only",
    }
}

fn names(numeric: bool) -> &'static str {
    if numeric { "not looked up: literal addresses only" } else { "looked up" }
}

fn listen_port(port: u16) -> String {
    if port == 0 { "a port chosen by the system".into() } else { format!("port {port}") }
}

fn slow_reader(what: SlowReader) -> String {
    match what {
        SlowReader::Wait => "waited for".into(),
        SlowReader::Drop => "skip what does not fit their queue".into(),
        SlowReader::Disconnect(limit) => {
            format!("disconnected when they take nothing for {}", time(limit))
        }
    }
}

fn stage(stage: &StageSpec) -> String {
    match stage {
        StageSpec::Rate(rates) => format!("rate ({})", rates.words()),
        StageSpec::Telnet => "telnet".into(),
        StageSpec::Tap => "transcript".into(),
        StageSpec::Crlf => "LF to CRLF".into(),
        StageSpec::Delay(wait) => format!("delay {}", time(*wait)),
    }
}

fn flow(flow: Flow) -> &'static str {
    match flow {
        Flow::Both => "both directions",
        Flow::SendOnly => "send only, what is received is discarded",
        Flow::RecvOnly => "receive only, standard input is not read",
    }
}

fn eof(policy: EofPolicy) -> &'static str {
    match policy {
        EofPolicy::HalfClose => {
            "at the end of input tell the peer and go on receiving; when the peer ends, send what is \
             ready and quit"
        }
        EofPolicy::Quit => "at the end of input tell the peer, see that all arrived, and quit",
        EofPolicy::Wait => "at the end of input tell the peer nothing and go on receiving",
        EofPolicy::Ncat795 => {
            "at the end of input tell the peer and go on receiving; when the peer ends, go on sending \
             until the end of input"
        }
    }
}

/// SCTP ends both directions at once.
fn eof_of_sctp_client(policy: EofPolicy) -> &'static str {
    match policy {
        EofPolicy::HalfClose | EofPolicy::Ncat795 => {
            "at the end of input wait for answers until none comes any more, then end the association \
             and receive what is on its way; when the peer ends, quit"
        }
        other => eof(other),
    }
}

/// SCTP ends both directions at once.
fn eof_of_sctp_listener(policy: EofPolicy) -> &'static str {
    match policy {
        EofPolicy::HalfClose | EofPolicy::Ncat795 => {
            "at the end of input tell the peer nothing, which would end both directions, and go on \
             receiving; when the peer ends, quit"
        }
        other => eof(other),
    }
}

fn machine(cid: u32, port: u32) -> String {
    let cid = if cid == VSOCK_ANY { "any machine number".into() } else { format!("cid {cid}") };
    format!("{cid}, port {port}")
}

fn quit(quit: Quit) -> String {
    match quit {
        Quit::Default => "as transport and end policy have it".into(),
        Quit::After(wait) => format!("quit after {}", time(wait)),
        Quit::Never => "never quit because of it".into(),
    }
}

/// The shortest exact form of a time in whole milliseconds, as the options take it.
fn time(time: Duration) -> String {
    let millis = time.as_millis();
    if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RawArgs, RawFamily, RawTransport, build};

    fn explained(set: impl FnOnce(&mut RawArgs)) -> String {
        let mut raw = RawArgs::default();
        set(&mut raw);
        explain(&build(&raw).expect("a good plan"))
    }

    #[test]
    fn a_plain_connection() {
        let text = explained(|raw| raw.operands = vec!["db.example".into(), "5432".into()]);
        assert_eq!(
            text,
            "mode: connect, and join the connection with standard input and output\n\
             transport: tcp\n\
             remote: \"db.example\" port 5432\n\
             families: IPv4 and IPv6\n\
             names: looked up\n\
             local: address any, port any\n\
             connect timeout: 10s, over all addresses\n\
             stages, wire first: none\n\
             flow: both directions\n\
             end: half-close: at the end of input tell the peer and go on receiving; when the peer \
             ends, send what is ready and quit\n\
             after the end of input: as transport and end policy have it\n\
             idle timeout: none\n\
             verbosity: 0\n"
        );
    }

    #[test]
    fn a_listener_with_everything() {
        let text = explained(|raw| {
            raw.listen = true;
            raw.keep_open = true;
            raw.transport = Some(RawTransport::Udp);
            raw.family = Some(RawFamily::V6);
            raw.nodns = true;
            raw.operands = vec!["::1".into(), "0".into()];
            raw.allow = vec!["10.0.0.0/8".into()];
            raw.allow_files = vec!["friends".into()];
            raw.deny = vec!["10.0.0.1".into()];
            raw.crlf = true;
            raw.delay = Some(Duration::from_millis(1500));
            raw.hex_dump = Some("dump\n".into());
            raw.recv_only = true;
            raw.idle = Some(Duration::from_secs(60));
            raw.quit = Some(None);
            raw.verbosity = 2;
            raw.json = true;
            raw.progress = true;
            raw.test_marks = true;
            raw.max_conns = Some(100);
        });
        assert_eq!(
            text,
            "mode: listen, and join clients with standard input and output\n\
             transport: udp\n\
             bind: \"::1\" a port chosen by the system\n\
             families: IPv6 only\n\
             names: not looked up: literal addresses only\n\
             clients: any number, at most 100 at once\n\
             slow clients: disconnected when they take nothing for 5s\n\
             allow: \"10.0.0.0/8\", file \"friends\"\n\
             deny: \"10.0.0.1\"\n\
             stages, wire first: transcript, LF to CRLF, delay 1500ms\n\
             flow: receive only, standard input is not read\n\
             end: half-close: at the end of input tell the peer and go on receiving; when the peer \
             ends, send what is ready and quit\n\
             after the end of input: never quit because of it\n\
             idle timeout: 60s\n\
             datagrams sent: of at most 8192 bytes\n\
             transcript: hex dump, written over \"dump\\n\"\n\
             verbosity: 2\n\
             events: JSON lines on descriptor 2\n\
             progress: shown when standard error is a terminal\n\
             test marks: on\n"
        );
    }

    #[test]
    fn a_command() {
        let text = explained(|raw| {
            raw.listen = true;
            raw.exec.exec = vec!["/bin/echo 'a b'".into()];
            raw.exec.limits.memory = Some(1024);
            raw.exec.timeout = Some(Duration::from_secs(5));
        });
        assert!(text.starts_with("mode: listen, and join clients with a command\n"), "{text}");
        let wanted = "command: \"/bin/echo\", not searched for\n\
                      arguments: [\"/bin/echo\", \"a b\"]\n\
                      joined by: pipes\n\
                      limits: 1024 bytes of memory, 5s until it is stopped\n\
                      exit code: the connection's\n";
        assert!(text.contains(wanted), "{text}");
    }

    #[test]
    fn a_unix_probe_and_a_warning() {
        let text = explained(|raw| {
            raw.zero_io = true;
            raw.family = Some(RawFamily::Unix);
            raw.source = Some("mine".into());
            raw.verbosity = 1;
            raw.operands = vec!["/run/x".into()];
        });
        assert!(text.starts_with(
            "mode: probe: find out whether a connection is possible, send no data\n\
             transport: unix stream\n\
             remote: path \"/run/x\"\n\
             connect timeout: 10s, over all addresses\n"
        ));
        assert!(text.ends_with(
            "warning: Specifying source socket for other than DATAGRAM Unix domain \
                                sockets have no effect.\n"
        ));
    }

    #[test]
    fn a_broker() {
        let text = explained(|raw| {
            raw.broker.broker = true;
            raw.broker.chat = true;
            raw.broker.passes_end = true;
            raw.broker.history_bytes = Some(2048);
        });
        assert!(text.starts_with(
            "mode: chat: pass what a user says to all others, and standard input to all\n"
        ));
        assert!(text.contains(
            "clients: any number, at most 100 at once\n\
             slow clients: disconnected when they take nothing for 5s\n\
             end of a sender: passed on\n\
             history: 2048 bytes\n"
        ));
    }
}
