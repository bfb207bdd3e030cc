//! Telling a service manager how we are (sd_notify(3)): one datagram to the socket it named.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use gate::{Action, Address, Gatekeeper, Permit, Protocol};
use socket2::{Domain, SockAddr, Socket, Type};

/// How long a manager that does not read is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends `state`, lines of `NAME=value`, to `target`: a path, or `@` and an abstract name.
///
/// # Errors
/// When the gate says no, the address is none of these, or nobody takes it there.
pub fn notify(gate: &Gatekeeper, target: &OsStr, state: &str) -> io::Result<()> {
    let to = Address::Unix(Some(PathBuf::from(target)));
    let permit = gate
        .decide(Action::Connect { protocol: Protocol::UnixDatagram, to })
        .map_err(io::Error::other)?;
    send(permit, target, state)
}

fn send(_permit: Permit, target: &OsStr, state: &str) -> io::Result<()> {
    let mut name = target.as_bytes().to_vec();
    match name.first() {
        Some(b'/') => {}
        Some(b'@') => name[0] = 0,
        _ => {
            let words = "neither a path nor @ and a name";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
        }
    }
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let to = SockAddr::unix(OsStr::from_bytes(&name))?;
    socket.send_to(state.as_bytes(), &to)?;
    Ok(())
}
