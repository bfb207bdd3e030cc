//! Ports, and how to see from outside that a tool is ready: /proc/net works alike for all tools,
//! whereas only some print that they listen.

use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use super::child::Child;
use super::report::Fault;

/// Which table of /proc/net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Net {
    Tcp,
    Udp,
}

/// State column of /proc/net/tcp: TCP_ESTABLISHED and TCP_LISTEN of the kernel.
pub(crate) const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";

/// A listener of the bench itself.
pub(crate) fn listen() -> io::Result<TcpListener> {
    #[expect(clippy::disallowed_methods, reason = "the bench is the peer, not an endpoint")]
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

/// A UDP socket of the bench itself.
pub(crate) fn datagram_socket() -> io::Result<UdpSocket> {
    #[expect(clippy::disallowed_methods, reason = "the bench is the peer, not an endpoint")]
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
}

/// A connection of the bench to the tool under test.
pub(crate) fn connect(port: u16) -> io::Result<std::net::TcpStream> {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    std::net::TcpStream::connect_timeout(&address, Duration::from_secs(10))
}

/// A port that was free a moment ago. Somebody else may take it; see [`start_listener`].
fn free_port(net: Net) -> io::Result<u16> {
    Ok(match net {
        Net::Tcp => listen()?.local_addr()?.port(),
        Net::Udp => datagram_socket()?.local_addr()?.port(),
    })
}

/// Starts a listening tool on a free port and waits until it listens; tries again with another
/// port when it ends at once, because then somebody may have taken the port.
pub(crate) fn start_listener(
    net: Net,
    mut start: impl FnMut(u16) -> Result<Child, Fault>,
) -> Result<(Child, u16), Fault> {
    let mut last = Fault::failed("never tried");
    for _ in 0..3 {
        let port = free_port(net)?;
        let mut child = start(port)?;
        match wait_ready(net, port, &mut child) {
            Ok(()) => return Ok((child, port)),
            Err(fault) => last = fault,
        }
    }
    Err(last)
}

fn wait_ready(net: Net, port: u16, child: &mut Child) -> Result<(), Fault> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        if is_ready(net, port)? {
            return Ok(());
        }
        if child.has_ended() {
            return Err(Fault::Failed(child.complaint()));
        }
        if Instant::now() > deadline {
            return Err(Fault::Hung(format!("{} does not listen", child.name)));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_ready(net: Net, port: u16) -> io::Result<bool> {
    let (table, state) = match net {
        Net::Tcp => ("/proc/net/tcp", Some(LISTEN)),
        Net::Udp => ("/proc/net/udp", None),
    };
    let text = std::fs::read_to_string(table)?;
    Ok(entries(&text).any(|e| e.local_port == port && state.is_none_or(|s| s == e.state)))
}

/// Whether the server's end of the connection from `client_port` is still established. Its own
/// socket cannot tell a stalled client that it was cut: the FIN waits behind the unread bytes.
pub(crate) fn is_established(server_port: u16, client_port: u16) -> io::Result<bool> {
    let text = std::fs::read_to_string("/proc/net/tcp")?;
    Ok(entries(&text).any(|e| {
        e.local_port == server_port && e.remote_port == client_port && e.state == ESTABLISHED
    }))
}

struct Entry<'t> {
    local_port: u16,
    remote_port: u16,
    state: &'t str,
}

/// Lines of proc_net_tcp: `sl local_address rem_address st …`, ports in hexadecimal.
fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let port = |word: Option<&str>| u16::from_str_radix(word?.rsplit_once(':')?.1, 16).ok();
        Some(Entry {
            local_port: port(words.next())?,
            remote_port: port(words.next())?,
            state: words.next()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_understood() {
        let text = "  sl  local_address rem_address   st tx_queue\n   \
                    0: 00000000:07E8 0100007F:0050 0A 00000000:00000000\n";
        let all: Vec<_> = entries(text).collect();
        assert_eq!(all.len(), 1, "the heading is no entry");
        assert_eq!((all[0].local_port, all[0].remote_port, all[0].state), (2024, 80, LISTEN));
    }

    #[test]
    fn sockets_of_this_process_are_seen() {
        let listener = listen().unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_ready(Net::Tcp, port).unwrap());
        let client = connect(port).unwrap();
        let from = client.local_addr().unwrap().port();
        let (server, _) = listener.accept().unwrap();
        assert!(is_established(port, from).unwrap());
        drop(server);
        assert!(!is_established(port, from).unwrap());
    }
}
