//! `-z`: is anybody there?

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use conn::{Conn, Recv};
use endpoint::stdio::{self, Wanted};
use gate::Action;
use plan::Connect;
use tokio::time::{Instant, timeout_at};

use crate::connect;
use crate::exit::Exit;
use crate::run::Context;
use crate::talk::words;

/// How long a server that takes nothing keeps us.
const PARTING: Duration = Duration::from_millis(200);

/// How long a UDP peer has to answer when `-i` is not given.
const UDP_SILENCE: Duration = Duration::from_secs(2);

/// Connects and says nothing; by UDP, sends one zero byte and waits for what comes back.
pub(crate) async fn run(context: &Context, spec: &Connect) -> Exit {
    let opened = match connect::open(context, spec).await {
        Ok(opened) => opened,
        Err(error) => return context.open_failed(&error),
    };
    // DTLS needs no datagram of ours: the handshake has shown that somebody is there.
    if context.plan.tls.is_some() {
        part(opened.conn).await;
        return Exit::Done;
    }
    if !spec.transport.is_message() {
        return Exit::Done;
    }
    let peer = opened.conn.info.peer.clone();
    match udp(context, opened.conn).await {
        Ok(true) => {
            context.talk.verbose(|| format!("UDP port of {peer} is open: it answered."));
            Exit::Done
        }
        Ok(false) => {
            context.talk.verbose(|| {
                format!("UDP packet sent successfully to {peer}; no answer: open, or filtered.")
            });
            Exit::Done
        }
        Err(error) => {
            let more =
                [format!("udp {peer} is closed: its system says that nothing listens there")];
            context.talk.error(&format!("{}.", words(&error)), &more);
            Exit::Network
        }
    }
}

/// Ends a connection of TLS or DTLS in good order, which spares the server a complaint; it was there, whatever
/// comes of this.
async fn part(mut remote: Conn) {
    let told = std::future::poll_fn(|cx| remote.poll_finish(cx));
    let _ = timeout_at(Instant::now() + PARTING, told).await;
}

/// Whether anything came back before there was silence.
async fn udp(context: &Context, mut remote: Conn) -> std::io::Result<bool> {
    let silence = context.plan.limits.idle_timeout.unwrap_or(UDP_SILENCE);
    let mut queue = VecDeque::from([Bytes::from_static(&[0])]);
    std::future::poll_fn(|cx| remote.poll_send_all(cx, &mut queue)).await?;
    let mut answered = false;
    loop {
        let deadline = Instant::now() + silence;
        let next = std::future::poll_fn(|cx| remote.poll_recv(cx, conn::CHUNK_MAX, &mut queue));
        match timeout_at(deadline, next).await {
            Err(_) => return Ok(answered),
            Ok(received) => {
                if received? == Recv::End {
                    return Ok(answered);
                }
            }
        }
        answered = true;
        deliver(context, &mut queue).await?;
    }
}

/// What a peer answers is shown, as Ncat does.
async fn deliver(context: &Context, queue: &mut VecDeque<Bytes>) -> std::io::Result<()> {
    let permit = context.gate.decide(Action::Stdio).map_err(std::io::Error::other)?;
    let wanted = Wanted { input: false, output: true };
    let mut local = stdio::open(permit, wanted).map_err(std::io::Error::other)?;
    queue.retain(|piece| !piece.is_empty());
    std::future::poll_fn(|cx| local.poll_send_all(cx, queue)).await
}
