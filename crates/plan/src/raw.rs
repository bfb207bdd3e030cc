//! The command line, value by value, before any rule that spans options.

use std::path::PathBuf;
use std::time::Duration;

use crate::{
    EofPolicy, RawBroker, RawExec, RawLua, RawProxy, RawProxyServer, RawRoute, RawSockets, RawTls,
    SlowReader,
};

/// What the options said. Filled by the option table; each field is one option of `ncat --help`.
///
/// Single values are already checked (times, ports, words from a list); combinations are not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawArgs {
    /// Operands, in order.
    pub operands: Vec<String>,
    /// The last of `-4`, `-6`, `-U` and `--vsock`.
    pub family: Option<RawFamily>,
    /// The last of `-u` and `--sctp`.
    pub transport: Option<RawTransport>,
    /// `-l`.
    pub listen: bool,
    /// `-k`.
    pub keep_open: bool,
    /// `-m`.
    pub max_conns: Option<u32>,
    /// `-p`, unbounded as the reference parses it; bounded in [`crate::build`].
    pub source_port: Option<u64>,
    /// `-s`.
    pub source: Option<String>,
    /// `-w`.
    pub wait: Option<Duration>,
    /// `-i`.
    pub idle: Option<Duration>,
    /// `-q`: `Some(None)` = never.
    pub quit: Option<Option<Duration>>,
    /// `-d`.
    pub delay: Option<Duration>,
    /// `-z`.
    pub zero_io: bool,
    /// `-C`.
    pub crlf: bool,
    /// `-t`.
    pub telnet: bool,
    /// `-n`.
    pub nodns: bool,
    /// `-o`.
    pub output: Option<PathBuf>,
    /// `-x`.
    pub hex_dump: Option<PathBuf>,
    /// `--append-output`.
    pub append_output: bool,
    /// `--send-only`.
    pub send_only: bool,
    /// `--recv-only`.
    pub recv_only: bool,
    /// `--no-shutdown`.
    pub no_shutdown: bool,
    /// `-v`, counted.
    pub verbosity: u8,
    /// `--allow` values.
    pub allow: Vec<String>,
    /// `--allowfile` values.
    pub allow_files: Vec<PathBuf>,
    /// `--deny` values.
    pub deny: Vec<String>,
    /// `--denyfile` values.
    pub deny_files: Vec<PathBuf>,
    /// `--test`.
    pub test_marks: bool,
    /// `--eof`.
    pub eof: Option<EofPolicy>,
    /// `--broker`, `--chat` and what belongs to them.
    pub broker: RawBroker,
    /// `--slow-reader`.
    pub slow_reader: Option<SlowReader>,
    /// `--datagram-size`.
    pub datagram_size: Option<usize>,
    /// `--json`.
    pub json: bool,
    /// `--json-fd`.
    pub json_fd: Option<u32>,
    /// `--progress`.
    pub progress: bool,
    /// `--safe`.
    pub safe: bool,
    /// `--explain`.
    pub explain: bool,
    /// Socket options, `--rate`, `--ready-fd`, sockets handed over.
    pub sockets: RawSockets,
    /// `-g` and `-G`.
    pub route: RawRoute,
    /// `-e`, `-c` and what goes with them.
    pub exec: RawExec,
    /// `--lua-exec`.
    pub lua: RawLua,
    /// `--ssl` and what goes with it.
    pub tls: RawTls,
    /// `--proxy` and what goes with it.
    pub proxy: RawProxy,
    /// `--proxy-allow`, `--proxy-deny`.
    pub proxy_server: RawProxyServer,
    /// Options of capabilities this build does not have, as the user wrote them (`--ssl`, `-e`), in
    /// order. Combination rules that involve them still apply and win over "not in this build".
    pub absent: Vec<AbsentOption>,
}

/// An option whose capability this build does not have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AbsentOption {
    /// Canonical long name, without dashes (`ssl-cert`), or the short letter where there is none.
    pub name: &'static str,
    /// As the user wrote it, with dashes.
    pub written: String,
    /// Its value, where it takes one.
    pub value: Option<String>,
}

/// Family options.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RawFamily {
    /// `-4`.
    V4,
    /// `-6`.
    V6,
    /// `-U`.
    Unix,
    /// `--vsock`.
    Vsock,
}

/// Transport options other than the default TCP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RawTransport {
    /// `-u`.
    Udp,
    /// `--sctp`.
    Sctp,
}
