//! What is particular to SCTP, vsock and source routes: opening them, and why they may fail.

use std::io;

use endpoint::resolve::{Family, resolve};
use endpoint::{OpenError, Route};
use gate::Address;
use plan::Connect;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod machine {
    use conn::Conn;
    use endpoint::listen::StreamListener;
    use endpoint::{OpenError, vsock};
    use plan::{Connect, Listen, VSOCK_ANY};
    use tokio::time::Instant;

    use crate::run::Context;

    /// Connects to a port of a machine, and says so.
    pub(crate) async fn vsock(
        context: &Context,
        spec: &Connect,
        started: Instant,
    ) -> Result<Conn, OpenError> {
        let Some(at) = spec.vsock else { return Err(super::no_vsock_datagrams(&spec.host)) };
        let to = vsock::At { cid: at.cid, port: at.port };
        let is_bound = at.source_cid.is_some() || at.source_port.is_some();
        let source = is_bound.then_some(vsock::At {
            cid: at.source_cid.unwrap_or(VSOCK_ANY),
            port: at.source_port.unwrap_or(VSOCK_ANY),
        });
        let limit = context.plan.limits.connect_timeout;
        let conn = vsock::connect(&context.gate, to, source, started, limit).await?;
        context.talk.connected(&conn.info.peer, &conn.info.local, "vsock", &[]);
        Ok(conn)
    }

    /// Listens on a port of this machine, and says so.
    pub(crate) fn vsock_listener(
        context: &Context,
        spec: &Listen,
    ) -> Result<StreamListener, OpenError> {
        let at = spec.vsock.map_or((VSOCK_ANY, 0), |at| (at.cid, at.port));
        let at = vsock::At { cid: at.0, port: at.1 };
        let listener = vsock::listen(&context.gate, at, &context.setup)?;
        context.talk.listening(&listener.at, "vsock");
        Ok(listener)
    }

    /// Why datagrams cannot be sent.
    pub(crate) fn no_vsock_datagrams(target: &str) -> OpenError {
        let last = vsock::no_datagrams();
        OpenError::Connect { target: target.into(), attempts: Vec::new(), last }
    }

    /// Why datagrams cannot be listened for.
    pub(crate) fn no_vsock_datagram_listener(spec: &Listen) -> OpenError {
        let (cid, port) = spec.vsock.map_or((VSOCK_ANY, 0), |at| (at.cid, at.port));
        OpenError::Bind { at: gate::Address::Vsock { cid, port }, error: vsock::no_datagrams() }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod machine {
    use conn::Conn;
    use endpoint::OpenError;
    use endpoint::listen::StreamListener;
    use plan::{Connect, Listen};
    use tokio::time::Instant;

    use crate::connect::unsupported;
    use crate::run::Context;

    pub(crate) async fn vsock(
        _context: &Context,
        spec: &Connect,
        _started: Instant,
    ) -> Result<Conn, OpenError> {
        Err(unsupported(&spec.host, "--vsock"))
    }

    pub(crate) fn vsock_listener(
        _context: &Context,
        _spec: &Listen,
    ) -> Result<StreamListener, OpenError> {
        Err(unsupported("listener", "--vsock"))
    }

    pub(crate) fn no_vsock_datagrams(target: &str) -> OpenError {
        unsupported(target, "--vsock")
    }

    pub(crate) fn no_vsock_datagram_listener(_spec: &Listen) -> OpenError {
        unsupported("listener", "--vsock")
    }
}

pub(crate) use machine::{no_vsock_datagram_listener, no_vsock_datagrams, vsock, vsock_listener};

/// The hosts to pass on the way, each by its first address.
pub(crate) async fn route(spec: &Connect) -> Result<Option<Route>, OpenError> {
    let Some(wanted) = &spec.route else { return Ok(None) };
    let mut hops = Vec::new();
    for hop in &wanted.hops {
        for addr in resolve(hop, 0, Family::V4, spec.numeric).await?.iter().take(1) {
            if let std::net::IpAddr::V4(ip) = addr.ip() {
                hops.push(ip);
            }
        }
    }
    Ok(Some(Route { hops, pointer: wanted.pointer }))
}

/// What the system lacks, for errors that say so in words nobody understands. `at` is where to.
pub(crate) fn hint(error: &io::Error, at: Option<&Address>) -> Option<String> {
    let code = error.raw_os_error()?;
    let text = match (code, at) {
        (EPROTONOSUPPORT, Some(Address::Inet(_))) => {
            "this kernel has no SCTP; as root: modprobe sctp (the kernel needs CONFIG_IP_SCTP)"
                .into()
        }
        (EAFNOSUPPORT, Some(Address::Vsock { .. })) => {
            "this kernel has no vsock; as root: modprobe vsock (the kernel needs CONFIG_VSOCKETS)"
                .into()
        }
        (ENODEV | ENETUNREACH | EHOSTUNREACH, Some(Address::Vsock { cid, .. })) => transport(*cid),
        (ETIMEDOUT, Some(Address::Vsock { cid, .. })) => {
            format!("machine {cid} does not answer; {}", transport(*cid))
        }
        (ECONNRESET, Some(Address::Vsock { cid, port })) => {
            format!("nothing listens on port {port} of machine {cid}")
        }
        (EADDRNOTAVAIL, Some(Address::Vsock { .. })) => {
            "this machine does not have that number (CID); any is right for every machine".into()
        }
        _ => return None,
    };
    Some(format!("hint: {text}"))
}

/// What silence means between machines.
pub(crate) fn silence_hint(at: Option<&Address>) -> Option<String> {
    match at {
        Some(Address::Vsock { cid, .. }) => Some(format!("hint: {}", transport(*cid))),
        _ => None,
    }
}

fn transport(cid: u32) -> String {
    match cid {
        1 => "for this machine itself: modprobe vsock_loopback".into(),
        2 => "for the host, in a virtual machine: modprobe vmw_vsock_virtio_transport".into(),
        _ => format!("for machine {cid}, on its host: modprobe vhost_vsock"),
    }
}

#[cfg(target_os = "linux")]
mod errno {
    pub(super) const ENODEV: i32 = 19;
    pub(super) const EPROTONOSUPPORT: i32 = 93;
    pub(super) const EAFNOSUPPORT: i32 = 97;
    pub(super) const EADDRNOTAVAIL: i32 = 99;
    pub(super) const ENETUNREACH: i32 = 101;
    pub(super) const ECONNRESET: i32 = 104;
    pub(super) const ETIMEDOUT: i32 = 110;
    pub(super) const EHOSTUNREACH: i32 = 113;
}

/// Other systems have neither; no number of theirs is these.
#[cfg(not(target_os = "linux"))]
mod errno {
    pub(super) const ENODEV: i32 = -1;
    pub(super) const EPROTONOSUPPORT: i32 = -2;
    pub(super) const EAFNOSUPPORT: i32 = -3;
    pub(super) const EADDRNOTAVAIL: i32 = -4;
    pub(super) const ENETUNREACH: i32 = -5;
    pub(super) const ECONNRESET: i32 = -6;
    pub(super) const ETIMEDOUT: i32 = -7;
    pub(super) const EHOSTUNREACH: i32 = -8;
}

use errno::{
    EADDRNOTAVAIL, EAFNOSUPPORT, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENODEV, EPROTONOSUPPORT,
    ETIMEDOUT,
};
