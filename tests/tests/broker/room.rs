//! A broker, and clients that are in it.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use testkit::script::Peer as Client;

use super::serve_support::{Process, Program, Watch, ncat};

/// How long a silence proves something.
pub(crate) const SILENCE: Duration = Duration::from_millis(150);

/// A broker on IPv4, not yet started.
pub(crate) fn broker(args: &[&str]) -> Program {
    ncat(["-v", "--broker"]).args(args).args(["127.0.0.1", "0"]).held()
}

/// A chat on IPv4, not yet started.
pub(crate) fn chat(args: &[&str]) -> Program {
    ncat(["-v", "-l", "--chat"]).args(args).args(["127.0.0.1", "0"]).held()
}

/// A client that has been let in.
pub(crate) fn join(server: &Process) -> Client {
    let client = Client::connect(server.listening());
    server.said(&format!("Connection from {}.\n", name(&client)));
    client
}

/// As [`join`], by IPv6 to a server that listens on every address.
pub(crate) fn join_v6(server: &Process) -> Client {
    let port = server.listening().port();
    let client = Client::connect((Ipv6Addr::LOCALHOST, port).into());
    server.said(&format!("Connection from {}.\n", name(&client)));
    client
}

/// Its address, as messages have it.
pub(crate) fn name(client: &Client) -> String {
    let addr: SocketAddr = client.socket().local_addr().unwrap().as_socket().unwrap();
    addr.to_string()
}

/// Asserts that this, and so far nothing else, comes.
#[track_caller]
pub(crate) fn hears(client: &mut Client, text: &str) {
    let got = client.take(text.len());
    assert_eq!(String::from_utf8_lossy(&got), text);
}
