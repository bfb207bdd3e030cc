//! A listener behind a screen: what is let through, answered, or begins anew.

#![cfg(any(target_os = "linux", target_os = "android"))]
#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "the test is the other side of the socket")]

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::Bytes;
use conn::{Conn, Look, Mark, Screen};
use endpoint::options::Setup;
use endpoint::udp::{Accepted, listen};
use gate::{Address, Gatekeeper};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// `?` is answered, `+` and a letter begins, everything else is for who has begun.
struct Script;

impl Screen for Script {
    fn look(&mut self, _from: SocketAddr, datagram: &[u8], current: Option<&Mark>) -> Look {
        match datagram {
            [b'?', ..] => Look::Answer(Bytes::from_static(b"!")),
            [b'+', letter] if current != Some(&Mark([*letter; 32])) => {
                Look::Begin(Mark([*letter; 32]))
            }
            [b'-', ..] => Look::Drop,
            _ => Look::Pass,
        }
    }
}

fn start(single: bool) -> (SocketAddr, mpsc::UnboundedReceiver<Accepted>) {
    let (sender, arrivals) = mpsc::unbounded_channel();
    let gate = Gatekeeper::open();
    let at = "127.0.0.1:0".parse().unwrap();
    let listener = listen(&gate, at, single, sender, &Setup::default()).unwrap();
    let Address::Inet(at) = listener.at else { panic!("no address") };
    let listener = listener.behind(Some(Box::new(Script)));
    tokio::spawn(listener.run(Box::new(|_, _| true)));
    (at, arrivals)
}

async fn client(at: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(at).await.unwrap();
    socket
}

async fn next(conn: &mut Conn, queue: &mut VecDeque<Bytes>) -> Result<Bytes, String> {
    while queue.is_empty() {
        let received = poll_fn(|cx| conn.poll_recv(cx, usize::MAX, queue)).await;
        received.map_err(|error| error.to_string())?;
    }
    Ok(queue.pop_front().unwrap())
}

#[tokio::test]
async fn only_what_begins_makes_a_conn() {
    let (at, mut arrivals) = start(false);
    let socket = client(at).await;
    for data in ["x", "-", "?who"] {
        socket.send(data.as_bytes()).await.unwrap();
    }
    let mut answer = [0; 9];
    assert_eq!(socket.recv(&mut answer).await.unwrap(), 1);
    assert!(arrivals.try_recv().is_err());
    for data in ["+a", "+a", "-", "data"] {
        socket.send(data.as_bytes()).await.unwrap();
    }
    let (mut conn, mut queue) = (arrivals.recv().await.unwrap().conn, VecDeque::new());
    for data in ["+a", "+a", "data"] {
        assert_eq!(next(&mut conn, &mut queue).await.unwrap(), data);
    }
    assert!(arrivals.try_recv().is_err());
}

#[tokio::test]
async fn a_new_beginning_takes_the_place_of_the_old_one() {
    let (at, mut arrivals) = start(false);
    let socket = client(at).await;
    socket.send(b"+a").await.unwrap();
    let (mut old, mut queue) = (arrivals.recv().await.unwrap().conn, VecDeque::new());
    socket.send(b"+b").await.unwrap();
    let mut new = arrivals.recv().await.unwrap().conn;
    assert_eq!(next(&mut old, &mut queue).await.unwrap(), "+a");
    let why = next(&mut old, &mut queue).await.unwrap_err();
    assert!(why.contains("begun a new connection"), "{why}");
    // The old one's end does not take the new one's place with it.
    drop(old);
    socket.send(b"data").await.unwrap();
    for data in ["+b", "data"] {
        assert_eq!(next(&mut new, &mut queue).await.unwrap(), data);
    }
    assert!(arrivals.try_recv().is_err());
}

#[tokio::test]
async fn strangers_do_not_take_the_only_place() {
    let (at, mut arrivals) = start(true);
    let (stranger, socket) = (client(at).await, client(at).await);
    stranger.send(b"x").await.unwrap();
    stranger.send(b"?who").await.unwrap();
    stranger.recv(&mut [0; 9]).await.unwrap();
    socket.send(b"+a").await.unwrap();
    let (mut conn, mut queue) = (arrivals.recv().await.unwrap().conn, VecDeque::new());
    assert_eq!(next(&mut conn, &mut queue).await.unwrap(), "+a");
    socket.send(b"+b").await.unwrap();
    assert!(next(&mut conn, &mut queue).await.is_err());
}
