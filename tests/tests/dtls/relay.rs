//! A link between one client and a server, with a script for what becomes of the datagrams.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Datagrams that come closer together than this are a burst.
const GAP: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

pub(crate) type Burst = Vec<Vec<u8>>;

/// Ends with this value.
pub(crate) struct Relay {
    pub(crate) port: u16,
    stopped: Arc<AtomicBool>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

fn burst(socket: &UdpSocket) -> Option<(Burst, SocketAddr)> {
    let mut buf = vec![0; 70_000];
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let (n, from) = socket.recv_from(&mut buf).ok()?;
    let mut burst = vec![buf[..n].to_vec()];
    socket.set_read_timeout(Some(GAP)).unwrap();
    while let Ok(n) = socket.recv(&mut buf) {
        burst.push(buf[..n].to_vec());
    }
    Some((burst, from))
}

impl Relay {
    /// `script` makes of each burst what arrives.
    pub(crate) fn start(
        server: u16,
        script: impl FnMut(Way, Burst) -> Burst + Send + 'static,
    ) -> Self {
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let back = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        back.connect(("127.0.0.1", server)).unwrap();
        let port = front.local_addr().unwrap().port();
        let stopped = Arc::new(AtomicBool::new(false));
        let client: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let script = Arc::new(Mutex::new(script));
        for way in [Way::ToServer, Way::ToClient] {
            let (front, back, client) = (front.clone(), back.clone(), client.clone());
            let (script, stopped) = (script.clone(), stopped.clone());
            std::thread::spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    let from = if way == Way::ToServer { &front } else { &back };
                    let Some((burst, peer)) = burst(from) else { continue };
                    if way == Way::ToServer {
                        *client.lock().unwrap() = Some(peer);
                    }
                    for datagram in script.lock().unwrap()(way, burst) {
                        // A server that is gone is what the test is about, if anything.
                        let _ = match (way, *client.lock().unwrap()) {
                            (Way::ToServer, _) => back.send(&datagram),
                            (Way::ToClient, Some(to)) => front.send_to(&datagram, to),
                            (Way::ToClient, None) => Ok(0),
                        };
                    }
                }
            });
        }
        Self { port, stopped }
    }
}
