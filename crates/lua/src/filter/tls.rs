//! TLS that begins in the middle of a connection, and what scripts can see of TLS.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use conn::{Conn, PeerCertificate, Recv, Secured, Shape};
use mlua::{AnyUserData, Lua, Table, Value};
use plan::TlsSpec;

use super::code::Failure;
use super::holder::{Holder, Loan};
use super::native::Shared;
use super::order;
use super::socket::one_of;
use super::wire::Wire;
use super::work::{self, Work};

/// What is received in the clear once TLS is to begin was put there to be taken for something else.
const BEYOND: &str = "plaintext was received beyond the point where TLS begins";

fn no(detail: &str) -> Failure {
    Failure::new("TLS", detail)
}

/// Whether TLS can begin here.
fn may_begin(wire: &Wire) -> Result<(), Failure> {
    match &wire.conn {
        _ if !wire.is_there() => Err(Failure::new("CLOSED", "")),
        None => Err(Failure::new("BUSY", "")),
        Some(conn) if conn.info.tls.is_some() => Err(no("this connection is secured already")),
        Some(conn) if conn.shape == Shape::Message => Err(no("TLS cannot begin among datagrams")),
        Some(_) if wire.received.iter().any(|piece| !piece.is_empty()) => Err(no(BEYOND)),
        Some(_) => Ok(()),
    }
}

/// A server says nothing before the handshake: what is here now is not TLS.
fn nothing_waits(conn: &mut Conn) -> Result<(), Failure> {
    let mut received = std::collections::VecDeque::<Bytes>::new();
    let mut cx = Context::from_waker(Waker::noop());
    match conn.poll_recv(&mut cx, 1, &mut received) {
        Poll::Pending => Ok(()),
        Poll::Ready(Ok(Recv::Data)) => Err(no(BEYOND)),
        Poll::Ready(Ok(Recv::End)) => Err(Failure::new("EOF", "")),
        Poll::Ready(Err(error)) => Err(Failure::from(&error)),
    }
}

/// Begins TLS, as work to wait for.
fn start(shared: &Shared, holder: Holder, spec: TlsSpec) -> Result<Work, Failure> {
    holder.with(|wire| may_begin(wire))?;
    let network = shared.network.get().map(Arc::clone);
    let network = network.ok_or_else(|| no("there is no TLS here"))?;
    let (listens, host) = match &holder {
        Holder::Root(link) => match &link.facts.target {
            Some((host, _)) => (false, Some(host.clone()).filter(|_| link.facts.proto != "unix")),
            None => (true, None),
        },
        Holder::Socket(socket) => (false, socket.host()),
    };
    Ok(Work::new(async move {
        let work = async {
            std::future::poll_fn(|cx| holder.poll_flushed(cx)).await?;
            holder.with(|wire| may_begin(wire))?;
            let (loan, mut conn) = Loan::take(holder.clone())?;
            if !listens {
                nothing_waits(&mut conn)?;
            }
            loan.give_back(network.secure(conn, spec, listens, host).await?);
            Ok(())
        };
        work::done(work.await)
    }))
}

/// What TLS agreed on, as a table.
fn table(lua: &Lua, facts: &Secured) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("version", &facts.version[..])?;
    table.raw_set("cipher", &facts.cipher[..])?;
    table.raw_set("alpn", facts.alpn.as_deref())?;
    table.raw_set("sni", facts.server_name.as_deref())?;
    table.raw_set("peer", facts.peer.as_ref().map(|peer| certificate(lua, peer)).transpose()?)?;
    Ok(table)
}

fn certificate(lua: &Lua, peer: &PeerCertificate) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, text) in [
        ("subject", &peer.subject),
        ("issuer", &peer.issuer),
        ("not_before", &peer.not_before),
        ("not_after", &peer.not_after),
        ("sha256", &peer.sha256),
        ("pem", &peer.pem),
    ] {
        table.raw_set(name, &text[..])?;
    }
    Ok(table)
}

/// Adds the functions of this module.
pub(super) fn add(lua: &Lua, native: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let own = Arc::clone(shared);
    let start_tls =
        lua.create_function(move |lua, (of, options): (AnyUserData, Option<Table>)| {
            let spec = options.as_ref().map(order::tls).transpose()?.unwrap_or_default();
            one_of(lua, start(&own, Holder::of(&of)?, spec))
        })?;
    native.raw_set("start_tls", start_tls)?;
    let sslinfo = lua.create_function(|lua, of: AnyUserData| {
        let facts =
            Holder::of(&of)?.with(|wire| wire.conn.as_ref().and_then(|conn| conn.info.tls.clone()));
        facts.map(|facts| table(lua, &facts)).transpose()
    })?;
    native.raw_set("sslinfo", sslinfo)?;
    // Before there is a connection the user's wish has to do.
    let is_secured = lua.create_function(|_, of: AnyUserData| {
        let holder = Holder::of(&of)?;
        let wished = matches!(&holder, Holder::Root(link) if link.facts.tls);
        let is_there = |wire: &mut Wire| wire.conn.as_ref().map(|conn| conn.info.tls.is_some());
        Ok(Value::Boolean(holder.with(is_there).unwrap_or(wished)))
    })?;
    native.raw_set("is_secured", is_secured)
}
