//! What `ncat` is asked to do, as plain data.
//!
//! [`RawArgs`] is what the command line said, value by value. [`build`] turns it into a [`Plan`],
//! applying every rule that spans options. A plan can be printed ([`explain`]) and run; nothing here
//! opens a socket, reads a file or looks up a name.

#![forbid(unsafe_code)]

pub mod access;
mod broker;
mod build;
mod capability;
mod destinations;
pub mod exec;
mod explain;
pub mod lua;
mod proxy;
mod proxy_server;
mod raw;
mod route;
mod socket;
mod starttls;
mod tls;
mod vsock;

use std::path::PathBuf;
use std::time::Duration;

pub use access::AccessSpec;
pub use broker::{Broker, RawBroker};
pub use build::{PlanError, build, refused_combinations};
pub use capability::Capability;
pub use destinations::{BadDestination, Destination, Destinations};
pub use exec::{ExecLimits, ExecSpec, RawExec};
pub use explain::explain;
pub use lua::{FilterSpec, Filters, RawLua};
pub use proxy::{
    HOPS_IN_CHAIN_MAX, HTTP_PROXY_PORT, ProxyAuth, ProxyDns, ProxyEnvironment, ProxyHop, ProxyKind,
    ProxyProtocol, RawProxy, SOCKS_PORT, Secret,
};
pub use proxy_server::{ProxyServer, RawProxyServer, ServerKind};
pub use raw::{AbsentOption, RawArgs, RawFamily, RawTransport};
pub use route::{HOPS_MAX, RawRoute, SourceRoute};
pub use socket::{Keepalive, Rates, RawSockets, Ready, SocketOptions};
pub use starttls::StartTls;
pub use tls::{DTLS_DATAGRAM_MAX, KernelTls, KeyType, PeerRule, Pin, RawTls, TlsSpec, TlsVersion};
pub use vsock::{VSOCK_ANY, VsockSpec};

/// Ncat's port when none is given.
pub const DEFAULT_PORT: u16 = 31337;
/// Time to connect, over all addresses, when `-w` is not given.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Clients served at once when `-m` is not given.
pub const DEFAULT_MAX_CONNS: u32 = if cfg!(windows) { 60 } else { 100 };
/// Bytes of a stream that make one datagram. Ncat reads 8,192 at a time and its receivers truncate
/// what is longer.
pub const DEFAULT_DATAGRAM_SIZE: usize = 8192;
/// The largest payload of a UDP datagram over IPv4, in bytes.
pub const MAX_DATAGRAM_SIZE: usize = 65_507;
/// How long a client may take nothing while bytes wait for it.
pub const DEFAULT_SLOW_READER: Duration = Duration::from_secs(5);

/// One run of `ncat`, decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Whom to talk to, or what to wait for.
    pub mode: Mode,
    /// What is asked of the sockets.
    pub sockets: SocketOptions,
    /// Whom to tell that a listener is bound, and whether it was handed over.
    pub ready: Ready,
    /// The command that takes the place of standard input and output.
    pub exec: Option<ExecSpec>,
    /// Filters in Lua, around the connection; `None` without one.
    pub filters: Option<Filters>,
    /// How connections are secured, below every stage.
    pub tls: Option<TlsSpec>,
    /// How connections to https proxies are secured: always verified.
    pub proxy_tls: Option<TlsSpec>,
    /// `--proxy-protocol-from`: whose PROXY header is believed; `None` when none is wanted.
    pub header_from: Option<access::AccessSpec>,
    /// `--proxy-protocol`: the header at the start of each connection.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Changes made to the bytes, wire side first.
    pub stages: Vec<StageSpec>,
    /// Which directions carry data.
    pub flow: Flow,
    /// What the end of one direction means for the other.
    pub eof: EofPolicy,
    /// `-q`: how long to go on after the end of standard input.
    pub quit: Quit,
    /// Times and sizes.
    pub limits: Limits,
    /// Transcripts to write.
    pub logs: Vec<LogSpec>,
    /// What to say, and where.
    pub talk: TalkSpec,
    /// Things the user should know although the plan can be carried out; each becomes a line after
    /// `Ncat: Warning: `.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Whether many clients are served.
    pub fn keeps_open(&self) -> bool {
        matches!(&self.mode, Mode::Listen(listen) if listen.keep_open)
    }

    /// The kind of socket.
    pub fn transport(&self) -> Transport {
        match &self.mode {
            Mode::Connect(spec) | Mode::Probe(spec) => spec.transport,
            Mode::Listen(spec) => spec.transport,
        }
    }

    /// Whether datagrams are secured.
    pub fn is_dtls(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.datagrams)
    }

    /// Whether one direction can end while the other goes on. TLS has an end of its own for each; one
    /// that receives the end of DTLS 1.2 answers it and sends no more (RFC 5246, section 7.2.1).
    pub fn half_closes(&self) -> bool {
        match self.tls {
            Some(_) => !self.is_dtls(),
            None => self.transport().half_closes(),
        }
    }
}

/// The three things `ncat` can do.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// Connect and join the connection with standard input and output.
    Connect(Connect),
    /// `-z`: find out whether a connection is possible, without sending data.
    Probe(Connect),
    /// Wait for clients.
    Listen(Listen),
}

/// A socket family and type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP, one-to-one style.
    Sctp,
    /// Unix stream socket.
    UnixStream,
    /// Unix datagram socket.
    UnixDatagram,
    /// vsock stream socket.
    Vsock,
    /// vsock datagram socket.
    VsockDatagram,
}

impl Transport {
    /// Whether message boundaries are kept.
    pub fn is_message(self) -> bool {
        matches!(self, Self::Udp | Self::UnixDatagram | Self::VsockDatagram)
    }

    /// Whether one direction can end while the other goes on.
    pub fn half_closes(self) -> bool {
        self != Self::Sctp
    }

    /// Whether addresses are paths.
    pub fn is_unix(self) -> bool {
        matches!(self, Self::UnixStream | Self::UnixDatagram)
    }
}

/// Which address families may be used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Family {
    /// IPv4 and IPv6.
    #[default]
    Any,
    /// `-4`.
    V4,
    /// `-6`.
    V6,
}

/// How and where to connect.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect {
    /// The socket's kind.
    pub transport: Transport,
    /// Host name, literal address, or path for Unix sockets.
    pub host: String,
    /// Port; 0 and unused for Unix sockets.
    pub port: u16,
    /// Families to try.
    pub family: Family,
    /// `-n`: literals only.
    pub numeric: bool,
    /// `-s`: local address (or path), by name or literal.
    pub source_host: Option<String>,
    /// `-p`: local port.
    pub source_port: Option<u16>,
    /// Where to, for vsock sockets, whose `host` is the machine's number in words.
    pub vsock: Option<VsockSpec>,
    /// `-g`, `-G`: hosts to pass on the way.
    pub route: Option<SourceRoute>,
    /// `--proxy`: proxies to pass on the way, nearest first.
    pub proxies: Vec<ProxyHop>,
}

/// Where to listen and for whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// The socket's kind.
    pub transport: Transport,
    /// Host or path to bind; `None` = every address of the allowed families.
    pub host: Option<String>,
    /// Without a host only the loopback addresses (`--safe`).
    pub loopback: bool,
    /// Port; 0 = one chosen by the system.
    pub port: u16,
    /// Families to bind.
    pub family: Family,
    /// `-n`: literals only.
    pub numeric: bool,
    /// `-k`, `--broker`: many clients, one after another and at once.
    pub keep_open: bool,
    /// `-m`: clients served at once.
    pub max_conns: u32,
    /// `--allow`, `--deny` and their files.
    pub access: access::AccessSpec,
    /// What to do with a client that takes nothing.
    pub slow_reader: SlowReader,
    /// Where, for vsock sockets.
    pub vsock: Option<VsockSpec>,
    /// `--broker`, `--chat`: the clients speak to each other.
    pub broker: Option<Broker>,
    /// `--proxy-type`: clients are connected to where they ask to be.
    pub proxy: Option<Box<ProxyServer>>,
}

/// A change to the bytes between the user and the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StageSpec {
    /// `--rate`: no more than this in a second.
    Rate(Rates),
    /// `-t`: refuse telnet options and strip commands.
    Telnet,
    /// `-o`/`-x`: write transcripts (see [`Plan::logs`]).
    Tap,
    /// `-C`: LF becomes CRLF on data from the user.
    Crlf,
    /// `-d`: wait after each read.
    Delay(Duration),
}

/// Which directions carry data.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Flow {
    /// Both.
    #[default]
    Both,
    /// `--send-only`: what is received is discarded.
    SendOnly,
    /// `--recv-only`: standard input is not read and nothing is sent.
    RecvOnly,
}

/// `--eof`: what happens when one side ends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EofPolicy {
    /// End our direction at the end of input (FIN), go on receiving; when the peer ends first, send
    /// what is ready and quit. The default.
    #[default]
    HalfClose,
    /// At the end of input end our direction, see that it arrived, and quit. `--send-only`.
    Quit,
    /// At the end of input tell the peer nothing, go on receiving. `--no-shutdown`.
    Wait,
    /// As `HalfClose`, but go on sending after the peer has ended, until the end of input:
    /// Ncat up to 7.95, and `-k` when connecting.
    Ncat795,
}

impl EofPolicy {
    /// The word used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::HalfClose => "half-close",
            Self::Quit => "quit",
            Self::Wait => "wait",
            Self::Ncat795 => "ncat-7.95",
        }
    }
}

/// `-q`: when to quit after the end of standard input.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Quit {
    /// Not given: the transport and the [`EofPolicy`] decide.
    #[default]
    Default,
    /// After this time.
    After(Duration),
    /// `-q -1`: never because of the end of input.
    Never,
}

/// What to do with a client that does not take what waits for it (`-k`, `--broker`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SlowReader {
    /// Wait for it, for ever: every client gets every byte at the pace of the slowest.
    Wait,
    /// Skip what does not fit its queue, and say how much at its end.
    Drop,
    /// Disconnect it once it has taken nothing for this long while bytes wait.
    Disconnect(Duration),
}

impl Default for SlowReader {
    fn default() -> Self {
        Self::Disconnect(DEFAULT_SLOW_READER)
    }
}

/// Times and sizes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// `-w`: name look-up and connecting together.
    pub connect_timeout: Duration,
    /// `-i`: end a connection when neither direction moved a byte for this long.
    pub idle_timeout: Option<Duration>,
    /// `--datagram-size`: bytes of a stream that make one datagram.
    pub datagram_size: usize,
}

/// A transcript.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogSpec {
    /// Where.
    pub path: PathBuf,
    /// Hex dump (`-x`) or raw bytes (`-o`).
    pub hex: bool,
    /// `--append-output`.
    pub append: bool,
}

/// What to say, and where.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TalkSpec {
    /// How often `-v` was given.
    pub verbosity: u8,
    /// Descriptor for `--json` events; standard error is 2.
    pub json_fd: Option<u32>,
    /// `--progress`.
    pub progress: bool,
    /// `--test`: `NCAT TEST:` lines.
    pub test_marks: bool,
    /// Say where we listen even without `-v`: the port was left to the system.
    pub tells_port: bool,
}
