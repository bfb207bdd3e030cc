//! Targets as they are given on a command line.

use std::net::ToSocketAddrs as _;

use decision::address::{self, Host};
use decision::{Act, Target};
use policy::Place;

use crate::exit::{Done, Failure};

/// Reads a target; a name is looked up once, and every address of it is a target.
pub(crate) fn targets(text: &str, act: Act, look_up: bool) -> Done<Vec<Target>> {
    if text.starts_with('/') {
        // A path is what it leads to, if it leads anywhere yet.
        let path = std::fs::canonicalize(text).unwrap_or_else(|_| text.into());
        let target =
            if act == Act::Exec { Target::Program { path } } else { Target::Unix { path } };
        return Ok(vec![target]);
    }
    if let Some((cid, port)) = text.strip_prefix("vsock:").and_then(|rest| rest.split_once(':')) {
        let number = |text: &str| {
            text.parse().map_err(|_| Failure::usage(format!("{text:?} is not a number")))
        };
        return Ok(vec![Target::Vsock { cid: number(cid)?, port: number(port)? }]);
    }
    let (host, port) = address::host_port(text).map_err(Failure::usage)?;
    let name = match address::host(host) {
        Ok(Host::Addr(addr)) => return Ok(vec![Target::Inet { addr, port, name: None }]),
        Ok(Host::Name(name)) => name,
        // An odd spelling is for the policy to refuse.
        Err(_) => return Ok(vec![Target::Name { name: host.to_owned(), port }]),
    };
    if !look_up {
        return Ok(vec![Target::Name { name, port }]);
    }
    let found = (&name[..], port).to_socket_addrs();
    let found = found.map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let mut targets: Vec<Target> = Vec::new();
    for addr in found {
        let target = Target::Inet { addr: addr.ip(), port, name: Some(name.clone()) };
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(targets)
}

/// Where a grant reaches: `PLACE:PORTS` with `*` for any port that is not blocked, or a path.
pub(crate) fn grant_place(text: &str) -> Result<(Place, Vec<(u16, u16)>), String> {
    if text.starts_with('/') {
        return Ok((text.parse()?, Vec::new()));
    }
    let (place, ports) =
        text.rsplit_once(':').ok_or("no ports: PLACE:PORTS, as 10.1.2.0/24:22 or db.example:*")?;
    if place.contains(':') && !place.starts_with('[') {
        return Err("IPv6 goes in brackets: [2001:db8::]/32:443".into());
    }
    let ports = if ports == "*" { Vec::new() } else { config::authorized::ports_of(ports)? };
    Ok((place.parse()?, ports))
}
