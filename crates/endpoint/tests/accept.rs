//! The nth accept fails: the listener goes on and no client is lost.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::time::Duration;

use conn::Conn;
use endpoint::listen::{self, StreamListener, accept_any, is_passing};
use gate::{Address, Gatekeeper, Protocol};
use socket2::{Domain, Socket, Type};
use sys::fault::{self, Call};

fn listener() -> StreamListener {
    listen::inet(
        &Gatekeeper::open(),
        Protocol::Tcp,
        ([127, 0, 0, 1], 0).into(),
        &endpoint::options::Setup::default(),
    )
    .expect("a port")
}

fn client(listener: &StreamListener) -> Socket {
    let Address::Inet(addr) = listener.at.clone() else { panic!("an address") };
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.connect(&addr.into()).expect("to connect");
    socket
}

async fn accept(listener: &[StreamListener]) -> std::io::Result<Conn> {
    let accepted = tokio::time::timeout(Duration::from_secs(20), accept_any(listener));
    accepted.await.expect("a client waits").map(|accepted| accepted.conn)
}

/// Connects and accepts four clients, the nth accept failing; says whether it did.
async fn fail_nth(nth: u64, errno: i32) -> bool {
    let listeners = [listener()];
    let clients: Vec<Socket> = (0..4).map(|_| client(&listeners[0])).collect();
    fault::fail_nth(Call::Accept, nth, errno);
    let (mut conns, mut failures) = (Vec::new(), 0);
    while conns.len() < clients.len() {
        match accept(&listeners).await {
            Ok(conn) => conns.push(conn),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(errno));
                failures += 1;
            }
        }
    }
    let fired = fault::reset() > 0;
    // An interrupted accept is made again and never seen.
    assert_eq!(failures, usize::from(fired && errno != 4), "accept {nth} failing with {errno}");
    // Every client has a conn of its own, in the order they came.
    for (number, (conn, mut client)) in conns.into_iter().zip(clients).enumerate() {
        let number = [u8::try_from(number).expect("few")];
        client.write_all(&number).expect("room");
        let plain = conn.plain().expect("a socket");
        let port = plain.input().expect("a socket");
        let mut read = [0];
        let byte = std::future::poll_fn(|cx| {
            port.poll_read(cx, |fd| Ok(((&*socket2::SockRef::from(&fd)).read(&mut read)?, false)))
        });
        assert_eq!(byte.await.expect("a byte"), 1);
        assert_eq!(read, number);
    }
    fired
}

#[tokio::test]
async fn an_accept_that_fails_costs_no_client() {
    for errno in [4, 5, 24, 23, 103, 104, 105, 12, 22, 71, 113] {
        let mut fired = 0;
        while fail_nth(fired + 1, errno).await {
            fired += 1;
        }
        assert!(fired >= 4, "{fired} failures with {errno}");
    }
}

#[test]
fn failures_of_one_client_are_told_from_those_of_the_listener() {
    let passing = |errno| is_passing(&std::io::Error::from_raw_os_error(errno));
    for errno in [1, 4, 11, 71, 100, 103, 104, 113] {
        assert!(passing(errno), "{errno}");
    }
    for errno in [9, 12, 22, 23, 24, 105] {
        assert!(!passing(errno), "{errno}");
    }
}
