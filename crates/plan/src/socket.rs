//! What is asked of the sockets: options of the system's, a rate, and telling that they are ready.

use std::time::Duration;

/// Options set on every socket of the run: the connecting one, or the listening one and those it
/// accepts. `None` and `false` leave the system's own choice.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SocketOptions {
    /// `--mptcp`: Multipath TCP (RFC 8684).
    pub mptcp: bool,
    /// `--nodelay`: no waiting for more before a short segment is sent (`TCP_NODELAY`).
    pub nodelay: bool,
    /// `--keepalive`.
    pub keepalive: Option<Keepalive>,
    /// `--sndbuf`, in bytes as the user counts them; the system doubles the number for its overhead.
    pub send_buffer: Option<u32>,
    /// `--rcvbuf`, as [`SocketOptions::send_buffer`].
    pub receive_buffer: Option<u32>,
    /// `--tos`, or `--dscp` in its upper six bits: IPv4's type of service, IPv6's traffic class.
    pub traffic_class: Option<u8>,
    /// `--ttl`: IPv4's time to live, IPv6's hop limit.
    pub ttl: Option<u8>,
    /// `--bind-device`: the only interface used.
    pub device: Option<String>,
    /// `--mark`: the number that routing rules and packet filters see (`SO_MARK`).
    pub mark: Option<u32>,
    /// `--fastopen`: data in the first segment (RFC 7413).
    pub fastopen: bool,
    /// `--congestion`: the congestion control algorithm.
    pub congestion: Option<String>,
    /// `--backlog`: connections the system holds between two accepts.
    pub backlog: Option<u32>,
    /// `--user-timeout`: longest time that data may be without an acknowledgement.
    pub user_timeout: Option<Duration>,
}

/// When an idle connection is asked whether it is still there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Keepalive {
    /// Idle time before the first question, in whole seconds of 1 to 32,767.
    pub idle: Duration,
    /// Time between questions, likewise.
    pub interval: Option<Duration>,
    /// Questions without an answer before the connection is given up, 1 to 127.
    pub count: Option<u32>,
}

/// `--rate`: bytes a second in each direction of each connection; `None` is without limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rates {
    /// From the user to the wire.
    pub send: Option<u64>,
    /// From the wire to the user.
    pub recv: Option<u64>,
}

/// Whom to tell that every listener is bound, and where the listeners come from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ready {
    /// `--ready-fd`: a descriptor for one line per listener.
    pub fd: Option<u32>,
    /// Whoever started us hands sockets over (`LISTEN_FDS`): they are used instead of binding.
    pub is_handed: bool,
    /// The command line names a port, which a socket handed over must then have.
    pub names_port: bool,
}

/// The options of this theme as the command line said them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RawSockets {
    /// Those that need no rule to be read. `traffic_class` is not used here.
    pub options: SocketOptions,
    /// `--tos`.
    pub tos: Option<u8>,
    /// `--dscp`: six bits.
    pub dscp: Option<u8>,
    /// `--rate`.
    pub rate: Option<Rates>,
    /// `--ready-fd`.
    pub ready_fd: Option<u32>,
    /// The environment says that sockets are handed over to this process.
    pub is_handed: bool,
}

impl SocketOptions {
    /// Each option that is asked for, with its value, as the command line has it.
    pub fn asked(&self) -> Vec<(&'static str, String)> {
        let bytes = |bytes: u32| format!("{bytes} bytes");
        let time = |time: Duration| format!("{} ms", time.as_millis());
        let on = |is_on: bool| is_on.then(String::new);
        [
            ("--mptcp", on(self.mptcp)),
            ("--nodelay", on(self.nodelay)),
            ("--keepalive", self.keepalive.map(Keepalive::words)),
            ("--sndbuf", self.send_buffer.map(bytes)),
            ("--rcvbuf", self.receive_buffer.map(bytes)),
            ("--tos", self.traffic_class.map(|class| class.to_string())),
            ("--ttl", self.ttl.map(|ttl| ttl.to_string())),
            ("--bind-device", self.device.clone()),
            ("--mark", self.mark.map(|mark| format!("{mark:#x}"))),
            ("--fastopen", on(self.fastopen)),
            ("--congestion", self.congestion.clone()),
            ("--backlog", self.backlog.map(|backlog| backlog.to_string())),
            ("--user-timeout", self.user_timeout.map(time)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

impl Keepalive {
    fn words(self) -> String {
        let mut words = format!("{} s", self.idle.as_secs());
        if let Some(interval) = self.interval {
            words.push_str(&format!(", every {} s", interval.as_secs()));
        }
        if let Some(count) = self.count {
            words.push_str(&format!(", {count} times"));
        }
        words
    }
}

impl Rates {
    /// Both directions in words.
    pub fn words(self) -> String {
        let one = |rate: Option<u64>| {
            rate.map_or("without limit".into(), |rate| format!("{rate} bytes/s"))
        };
        format!("send {}, receive {}", one(self.send), one(self.recv))
    }
}
