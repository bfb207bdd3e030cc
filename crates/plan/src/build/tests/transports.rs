//! SCTP, vsock and source routes.

use super::*;
use crate::{SourceRoute, VsockSpec};

fn vsock(words: &str, set: impl FnOnce(&mut RawArgs)) -> RawArgs {
    args(words, |raw| {
        raw.family = Some(RawFamily::Vsock);
        set(raw);
    })
}

#[test]
fn vsock_addresses_are_checked() {
    let rows = [
        ("", "You must specify a host to connect to. QUITTING."),
        ("abc", "Invalid CID \"abc\". QUITTING."),
        ("0", "Invalid CID \"0\". QUITTING."),
        ("4294967296", "Invalid CID \"4294967296\". QUITTING."),
        ("1 4294967296", "Invalid port number \"4294967296\". QUITTING."),
        ("1 2 3", "Got more than one port specification: 2 3. QUITTING."),
    ];
    for (words, line) in rows {
        assert_eq!(first_line(&vsock(words, |_| {})), line, "{words:?}");
    }
    let bad_source = vsock("1", |raw| raw.source = Some("::1".into()));
    assert_eq!(first_line(&bad_source), "Invalid CID \"::1\". QUITTING.");
}

#[test]
fn a_vsock_client_has_a_machine_and_a_port() {
    let spec = |words: &str, set: fn(&mut RawArgs)| match build(&vsock(words, set)).unwrap().mode {
        Mode::Connect(connect) => {
            assert_eq!(connect.transport, Transport::Vsock);
            connect.vsock.unwrap()
        }
        other => panic!("{other:?}"),
    };
    let plain = VsockSpec { cid: 3, port: 31337, source_cid: None, source_port: None };
    assert_eq!(spec("3", |_| {}), plain);
    assert_eq!(spec("local 4294967295", |_| {}), VsockSpec { cid: 1, port: u32::MAX, ..plain });
    let from = spec("host 70000", |raw| {
        raw.source = Some("5".into());
        raw.source_port = Some(70_001);
    });
    let source = VsockSpec { cid: 2, port: 70_000, source_cid: Some(5), source_port: Some(70_001) };
    assert_eq!(from, source);
}

#[test]
fn a_lone_vsock_listen_operand_is_a_port() {
    let any = u32::MAX;
    let rows = [
        ("", None, Ok((any, 31_337))),
        ("5000", None, Ok((any, 5000))),
        ("4000000000", None, Ok((any, 4_000_000_000))),
        ("local", None, Ok((1, 31337))),
        ("1 5000", None, Ok((1, 5000))),
        ("any 5000", None, Ok((any, 5000))),
        ("", Some(5000), Ok((any, 5000))),
        ("1", Some(5000), Ok((1, 5000))),
        ("1 6000", Some(5000), Err("Got more than one port specification: 5000 6000. QUITTING.")),
    ];
    for (words, port, expected) in rows {
        let raw = vsock(words, |raw| {
            raw.listen = true;
            raw.source_port = port;
        });
        match (build(&raw), expected) {
            (Ok(Plan { mode: Mode::Listen(listen), .. }), Ok(at)) => {
                let spec = listen.vsock.unwrap();
                assert_eq!((spec.cid, spec.port), at, "{words:?} {port:?}");
            }
            (Err(_), Err(line)) => assert_eq!(first_line(&raw), line),
            (built, _) => panic!("{words:?} {port:?}: {built:?}"),
        }
    }
}

#[test]
fn the_last_family_and_the_last_transport_count() {
    let transport = |family, transport| {
        let plan = plan("1", |raw| {
            raw.family = Some(family);
            raw.transport = transport;
        });
        match plan.mode {
            Mode::Connect(connect) => connect.transport,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(transport(RawFamily::V4, Some(RawTransport::Sctp)), Transport::Sctp);
    assert_eq!(transport(RawFamily::Vsock, None), Transport::Vsock);
    assert_eq!(transport(RawFamily::Vsock, Some(RawTransport::Udp)), Transport::VsockDatagram);
}

#[test]
fn a_source_route_is_planned_hop_by_hop() {
    let plan = plan("h", |raw| {
        raw.family = Some(RawFamily::V4);
        raw.route.hops = vec!["a,10.0.0.1,".into(), "b".into()];
        raw.route.pointers = vec!["4".into(), "8".into()];
    });
    let Mode::Connect(connect) = plan.mode else { panic!() };
    let hops = ["a", "10.0.0.1", "b"].map(String::from).to_vec();
    assert_eq!(connect.route, Some(SourceRoute { hops, pointer: 8 }));
}
