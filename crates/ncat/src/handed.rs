//! Listening on sockets that were handed over (`LISTEN_FDS`) instead of binding.

use endpoint::handed::{self, Handed};
use endpoint::listen::StreamListener;
use endpoint::resolve::resolve;
use endpoint::{OpenError, udp};
use gate::{Address, Protocol};
use plan::{Listen, Transport};

use crate::connect::family;
use crate::datagrams::Datagrams;
use crate::listen::Listeners;
use crate::run::Context;

/// Listens on every socket that was handed over.
pub(crate) async fn open(context: &Context, spec: &Listen) -> Result<Listeners, OpenError> {
    let handed = context.readiness.handed();
    match spec.transport {
        Transport::Tcp => streams(context, spec, handed, Protocol::Tcp).await,
        Transport::Udp => datagrams(context, spec, handed, Protocol::Udp).await,
        Transport::UnixStream => streams(context, spec, handed, Protocol::UnixStream).await,
        Transport::UnixDatagram => datagrams(context, spec, handed, Protocol::UnixDatagram).await,
        Transport::Sctp | Transport::Vsock | Transport::VsockDatagram => Err(OpenError::Handed {
            socket: handed.first().map(|one| one.label.clone()).unwrap_or_default(),
            is: "handed over".into(),
            wanted: "a socket of our own: --sctp and --vsock take none from outside".into(),
        }),
    }
}

async fn streams(
    context: &Context,
    spec: &Listen,
    handed: Vec<Handed>,
    protocol: Protocol,
) -> Result<Listeners, OpenError> {
    let mut listeners: Vec<StreamListener> = Vec::new();
    for one in handed {
        let label = one.label.clone();
        let listener = handed::streams(&context.gate, one, protocol, &context.setup)?;
        check(context, spec, &label, &listener.at).await?;
        listeners.push(listener);
    }
    for listener in &listeners {
        context.talk.listening(&listener.at, protocol.name());
    }
    Ok(Listeners::Streams { listeners, protocol, _path: None })
}

async fn datagrams(
    context: &Context,
    spec: &Listen,
    handed: Vec<Handed>,
    protocol: Protocol,
) -> Result<Listeners, OpenError> {
    let (sender, arrivals) = tokio::sync::mpsc::unbounded_channel();
    let mut listeners: Vec<udp::Listener> = Vec::new();
    for one in handed {
        let label = one.label.clone();
        let (single, sender) = (!spec.keep_open, sender.clone());
        let listener =
            handed::datagrams(&context.gate, one, protocol, single, sender, &context.setup)?;
        check(context, spec, &label, &listener.at).await?;
        listeners.push(listener);
    }
    for listener in &listeners {
        context.talk.listening(&listener.at, protocol.name());
    }
    Ok(Listeners::Datagrams(Datagrams { listeners, arrivals, protocol }))
}

/// Operands that say something else than the socket are refused: one of the two is a mistake.
async fn check(
    context: &Context,
    spec: &Listen,
    label: &str,
    at: &Address,
) -> Result<(), OpenError> {
    let refuse = |wanted: String| OpenError::Handed {
        socket: label.into(),
        is: format!("bound to {at}"),
        wanted,
    };
    match at {
        Address::Inet(addr) => {
            let names_port = context.plan.ready.names_port;
            if names_port && spec.port != 0 && spec.port != addr.port() {
                return Err(refuse(format!("port {}", spec.port)));
            }
            if let Some(host) = &spec.host {
                let found = resolve(host, spec.port, family(spec.family), spec.numeric).await?;
                if !found.iter().any(|found| found.ip() == addr.ip()) {
                    return Err(refuse(host.clone()));
                }
            }
        }
        Address::Vsock { .. } => {}
        Address::Unix(path) => {
            let path = path.as_deref();
            if let Some(host) = &spec.host
                && path != Some(std::path::Path::new(host))
            {
                return Err(refuse(host.clone()));
            }
        }
    }
    Ok(())
}
