//! What goes on beside the connections with filters: the watchdog, loading scripts anew, and states of
//! their own.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, Duplex, Recv};
use lua::filter::{Engine, Facts, Reload};

use crate::talk;

/// Between two looks at the scripts.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tells when Lua does not come back; `hard`: and ends the process then.
pub(super) fn watch(engine: &Engine, hard: bool) {
    let Some(mut watch) = engine.watch() else { return };
    let watches = std::thread::Builder::new().name("lua-watch".into()).spawn(move || {
        loop {
            let line = watch.late();
            talk::put(&format!("Ncat: {line}.\n"));
            if hard {
                end();
            }
        }
    });
    if watches.is_err() {
        talk::put("Ncat: Nobody watches how long the filters run: there is no thread for it.\n");
    }
}

/// The thread with everything on it does not come back to end in good order.
#[expect(clippy::exit, reason = "nobody else can end the process")]
fn end() -> ! {
    std::process::exit(crate::exit::Exit::Network.code().into())
}

/// Loads scripts anew that have changed, and all on SIGHUP.
pub(super) fn reload(engine: &Arc<Engine>) {
    let mut reload = Reload::new(Arc::clone(engine));
    tokio::spawn(async move {
        #[cfg(unix)]
        let mut hangup =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok();
        loop {
            let pause = tokio::time::sleep(LOOK_EVERY);
            #[cfg(unix)]
            let all = match &mut hangup {
                Some(hangup) => tokio::select! {
                    () = pause => false,
                    _ = hangup.recv() => true,
                },
                None => {
                    pause.await;
                    false
                }
            };
            #[cfg(not(unix))]
            let all = {
                pause.await;
                false
            };
            for (name, loaded) in reload.look(all) {
                talk::put(&match loaded {
                    Ok(()) => format!("NCAT LUA {name}: loaded anew\n"),
                    Err(why) => format!("Ncat: {why}.\n  the filter of before stays in use\n"),
                });
            }
        }
    });
}

/// Puts filters in a state of their own around a client's connection.
pub(super) fn wrap(engine: &Arc<Engine>, facts: Facts, remote: Conn) -> Conn {
    let (info, shape) = (remote.info.clone(), remote.shape);
    match engine.isolated() {
        Ok(own) => {
            let (conn, driver) = own.wrap(remote, facts);
            let residents = own.residents();
            tokio::spawn(async move {
                tokio::select! {
                    () = driver => {}
                    _ = residents => {}
                }
            });
            conn
        }
        Err(why) => Conn::from_duplex(info, shape, Box::new(Failed(why))),
    }
}

/// A connection that its filters could not be made for.
struct Failed(String);

impl Duplex for Failed {
    fn poll_recv(
        &mut self,
        _cx: &mut Context<'_>,
        _max: usize,
        _out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        Poll::Ready(Err(io::Error::other(self.0.clone())))
    }

    fn poll_send(
        &mut self,
        _cx: &mut Context<'_>,
        _queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::Error::other(self.0.clone())))
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
