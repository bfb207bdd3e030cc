//! Linux has every option; what each failure means is known here.

use std::io;
use std::time::Duration;

use conn::Conn;
use socket2::{Domain, Protocol, Socket, Type};
use sys::option;

/// What the kernel makes of a buffer's size: it adds as much for its own overhead (socket(7)).
pub(super) const BUFFER_FACTOR: u64 = 2;
/// The bit of `net.ipv4.tcp_fastopen` that lets servers use it (tcp(7)).
const FASTOPEN_SERVER: u32 = 2;

pub(super) fn multipath(domain: Domain) -> io::Result<Socket> {
    Socket::new(domain, Type::STREAM, Some(Protocol::MPTCP))
}

pub(super) fn is_multipath(socket: &Socket) -> bool {
    option::is_multipath(socket)
}

pub(super) fn is_multipath_socket(socket: &Socket) -> bool {
    socket.protocol().is_ok_and(|protocol| protocol == Some(Protocol::MPTCP))
}

pub(super) fn fastopen_connect(socket: &Socket) -> io::Result<()> {
    option::set_fastopen_connect(socket)
}

/// The kernel accepts the option where its setting makes it useless: that is looked at here.
pub(super) fn fastopen_listen(socket: &Socket, queue: i32) -> io::Result<()> {
    option::set_fastopen_queue(socket, u32::try_from(queue).unwrap_or(1))?;
    match setting("ipv4/tcp_fastopen").and_then(|bits| bits.parse::<u32>().ok()) {
        Some(bits) if bits & FASTOPEN_SERVER == 0 => Err(io::Error::from_raw_os_error(EOPNOTSUPP)),
        _ => Ok(()),
    }
}

pub(super) fn start_connecting(conn: &Conn) -> io::Result<()> {
    match conn.plain().and_then(conn::Plain::output) {
        Some(port) => option::start_connecting(port),
        None => Ok(()),
    }
}

pub(super) fn backlog_max() -> Option<i32> {
    setting("core/somaxconn")?.parse().ok()
}

pub(super) fn bind_device(socket: &Socket, name: &str) -> io::Result<()> {
    option::bind_device(socket, name)
}

pub(super) fn mark(socket: &Socket, mark: u32) -> io::Result<()> {
    option::set_mark(socket, mark)
}

pub(super) fn buffer(socket: &Socket, is_send: bool, bytes: u32) -> io::Result<()> {
    option::set_buffer(socket, is_send, bytes)
}

pub(super) fn traffic_class_v6(socket: &Socket, class: u8) -> io::Result<()> {
    option::set_traffic_class_v6(socket, class)
}

pub(super) fn congestion(socket: &Socket, name: &str) -> io::Result<()> {
    option::set_congestion(socket, name)
}

pub(super) fn user_timeout(socket: &Socket, time: Duration) -> io::Result<()> {
    option::set_user_timeout(socket, u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
}

/// What to try when an option cannot be set.
pub(super) fn hint(option: &str, error: &io::Error) -> Option<String> {
    let code = error.raw_os_error();
    let text = match option {
        "--mptcp" if code == Some(ENOPROTOOPT) => {
            "it is turned off here: sysctl net.mptcp.enabled=1 turns it on".into()
        }
        "--mptcp" if code.is_none() => {
            "leave the option out, or have the socket made with it (SocketProtocol=mptcp)".into()
        }
        "--mptcp" => {
            "this kernel has no MPTCP: it needs Linux 5.6 with CONFIG_MPTCP, and net.mptcp.enabled=1"
                .into()
        }
        "--mark" => "marking packets needs CAP_NET_ADMIN (root)".into(),
        "--bind-device" if code == Some(ENODEV) => {
            "there is no interface of that name; ip link lists them".into()
        }
        "--bind-device" => "it needs CAP_NET_RAW (root) when the socket has a device already".into(),
        "--congestion" if code == Some(ENOENT) => {
            let known = setting("ipv4/tcp_available_congestion_control").unwrap_or_default();
            format!("available: {known} (others are kernel modules: modprobe tcp_NAME)")
        }
        "--congestion" => {
            let open = setting("ipv4/tcp_allowed_congestion_control").unwrap_or_default();
            format!("without CAP_NET_ADMIN: {open}")
        }
        "--fastopen" => {
            let now = setting("ipv4/tcp_fastopen").unwrap_or_default();
            format!(
                "net.ipv4.tcp_fastopen is {now}; clients need 1, servers 2, both 3 (sysctl -w)"
            )
        }
        _ => return None,
    };
    Some(text)
}

/// A setting of the network (`/proc/sys/net`).
fn setting(name: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/sys/net/{name}")).ok()?;
    Some(text.trim().to_owned())
}

const ENOENT: i32 = 2;
const ENODEV: i32 = 19;
const ENOPROTOOPT: i32 = 92;
const EOPNOTSUPP: i32 = 95;
