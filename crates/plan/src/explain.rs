//! `--explain`: a plan in words.

use std::fmt::Write;
use std::time::Duration;

use crate::{
    AccessSpec, Connect, EofPolicy, Family, Flow, Listen, Mode, Plan, Quit, SlowReader, StageSpec,
    Transport,
};

/// The plan, one `name: value` a line, always in the same order; ends with a newline.
///
/// For people and for tests; for programs there is `--json`. Text from the command line is shown
/// quoted and escaped.
pub fn explain(plan: &Plan) -> String {
    let mut page = Page(String::new());
    match &plan.mode {
        Mode::Connect(connect) => {
            page.line("mode", "connect, and join the connection with standard input and output");
            page.connect(connect, plan);
        }
        Mode::Probe(connect) => {
            page.line("mode", "probe: find out whether a connection is possible, send no data");
            page.connect(connect, plan);
        }
        Mode::Listen(listen) => {
            page.line("mode", "listen, and join clients with standard input and output");
            page.listen(listen);
        }
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
        if connect.transport.is_unix() {
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
        let timeout = time(plan.limits.connect_timeout);
        self.line("connect timeout", format!("{timeout}, over all addresses"));
    }

    fn listen(&mut self, listen: &Listen) {
        self.line("transport", transport(listen.transport));
        match &listen.host {
            Some(path) if listen.transport.is_unix() => self.line("bind", format!("path {path:?}")),
            Some(host) => self.line("bind", format!("{host:?} {}", listen_port(listen.port))),
            None => self.line("bind", format!("every address, {}", listen_port(listen.port))),
        }
        if !listen.transport.is_unix() {
            self.line("families", family(listen.family));
            self.line("names", names(listen.numeric));
        }
        match (listen.keep_open, listen.max_conns) {
            (false, 0) => self.line("clients", "none: the first is refused"),
            (false, _) => self.line("clients", "one, then quit"),
            (true, max) => {
                self.line("clients", format!("any number, at most {max} at once"));
                self.line("slow clients", slow_reader(listen.slow_reader));
            }
        }
        self.access(&listen.access);
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

    fn transfer(&mut self, plan: &Plan) {
        let stages: Vec<String> = plan.stages.iter().map(stage).collect();
        let stages = if stages.is_empty() { "none".into() } else { stages.join(", ") };
        self.line("stages, wire first", stages);
        self.line("flow", flow(plan.flow));
        self.line("end", format!("{}: {}", plan.eof.name(), eof(plan.eof)));
        self.line("after the end of input", quit(plan.quit));
        let idle = plan.limits.idle_timeout.map_or("none".into(), time);
        self.line("idle timeout", idle);
        let (Mode::Connect(Connect { transport, .. })
        | Mode::Probe(Connect { transport, .. })
        | Mode::Listen(Listen { transport, .. })) = &plan.mode;
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

fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
        Transport::UnixStream => "unix stream",
        Transport::UnixDatagram => "unix datagram",
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
