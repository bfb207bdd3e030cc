//! Systems other than Linux: the options that all have; each of the others says that it is missing.

use std::io;
use std::time::Duration;

use conn::Conn;
use socket2::{Domain, Socket};

/// The number is taken as it is.
pub(super) const BUFFER_FACTOR: u64 = 1;

fn missing<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "not available on this system yet"))
}

pub(super) fn multipath(_domain: Domain) -> io::Result<Socket> {
    missing()
}

pub(super) fn is_multipath(_socket: &Socket) -> bool {
    false
}

pub(super) fn fastopen_connect(_socket: &Socket) -> io::Result<()> {
    missing()
}

pub(super) fn fastopen_listen(_socket: &Socket, _queue: i32) -> io::Result<()> {
    missing()
}

pub(super) fn start_connecting(_conn: &Conn) -> io::Result<()> {
    Ok(())
}

pub(super) fn backlog_max() -> Option<i32> {
    None
}

pub(super) fn bind_device(_socket: &Socket, _name: &str) -> io::Result<()> {
    missing()
}

pub(super) fn mark(_socket: &Socket, _mark: u32) -> io::Result<()> {
    missing()
}

pub(super) fn buffer(socket: &Socket, is_send: bool, bytes: u32) -> io::Result<()> {
    let bytes = bytes as usize;
    if is_send { socket.set_send_buffer_size(bytes) } else { socket.set_recv_buffer_size(bytes) }
}

pub(super) fn traffic_class_v6(_socket: &Socket, _class: u8) -> io::Result<()> {
    missing()
}

pub(super) fn congestion(_socket: &Socket, _name: &str) -> io::Result<()> {
    missing()
}

pub(super) fn user_timeout(_socket: &Socket, _time: Duration) -> io::Result<()> {
    missing()
}

pub(super) fn hint(_option: &str, _error: &io::Error) -> Option<String> {
    None
}
