//! Every message cut at every byte, the longest and the shortest of each, and garbage.

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use proptest::prelude::*;

use super::client::{Client, Failure, Step};
use super::{Command, Error, Parsed, udp, v4, v5};
use crate::secret::Credentials;
use crate::target::{Host, Target};

/// Reads `wire` with more behind it, and every beginning of it, which must ask for more.
fn whole_and_cut<T: Debug + PartialEq>(
    wire: &[u8],
    parse: impl Fn(&[u8]) -> Parsed<T>,
    expected: &T,
) {
    for n in 0..wire.len() {
        assert_eq!(parse(&wire[..n]), Ok(None), "cut at {n} of {wire:02x?}");
    }
    let longer = [wire, b"early"].concat();
    let (message, used) = parse(&longer).unwrap().unwrap();
    assert_eq!((&message, used), (expected, wire.len()));
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| Host::Ip(octets.into())),
        any::<[u8; 16]>().prop_map(|octets| Host::Ip(octets.into())),
        "[a-z][a-z0-9.-]{0,254}".prop_map(|name| Host::new(&name).unwrap()),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    (host(), any::<u16>()).prop_map(|(host, port)| Target { host, port })
}

fn named(name: &str) -> Target {
    Target { host: Host::new(name).unwrap(), port: 0x0102 }
}

proptest! {
    #[test]
    fn requests_of_5_and_replies_come_back(target in target(), code in any::<u8>()) {
        let request = v5::Request { command: Command::new(code), target: target.clone() };
        let mut wire = Vec::new();
        request.write(&mut wire);
        whole_and_cut(&wire, v5::Request::parse, &request);

        let mut wire = Vec::new();
        v5::Reply::Succeeded.write(&target, &mut wire);
        whole_and_cut(&wire, v5::Reply::parse, &(v5::Reply::Succeeded, target));
    }

    #[test]
    fn greetings_and_passwords_come_back(
        methods in prop::collection::vec(any::<u8>(), 1..256),
        user in prop::collection::vec(any::<u8>(), 0..256),
        password in prop::collection::vec(any::<u8>(), 0..256),
    ) {
        let mut wire = Vec::new();
        v5::write_greeting(&methods, &mut wire);
        whole_and_cut(&wire, |input| Ok(v5::parse_greeting(input)?.map(|(m, n)| (m.to_vec(), n))), &methods);
        let mut wire = Vec::new();
        v5::write_password(&user, &password, &mut wire).unwrap();
        let owned = |input: &[u8]| {
            Ok(v5::parse_password(input)?.map(|((user, word), n)| ((user.to_vec(), word.to_vec()), n)))
        };
        whole_and_cut(&wire, owned, &(user, password));
    }

    #[test]
    fn requests_of_4_come_back(
        target in target(),
        user in prop::collection::vec(1_u8.., 0..=v4::USER_MAX),
    ) {
        let request = v4::Request { command: Command::Connect, target, user };
        let mut wire = Vec::new();
        match request.target.host {
            Host::Ip(IpAddr::V6(_)) => {
                prop_assert_eq!(request.write(&mut wire), Err(Error::NoIpv6));
            }
            // 0.0.0.x says in 4a that a name follows, so it cannot be asked for.
            Host::Ip(IpAddr::V4(ip)) if ip.octets()[..3] == [0; 3] => {}
            _ => {
                request.write(&mut wire).unwrap();
                whole_and_cut(&wire, v4::Request::parse, &request);
            }
        }
    }

    #[test]
    fn datagrams_come_back(target in target(), payload in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut wire = Vec::new();
        udp::write_header(&target, &mut wire);
        prop_assert!(wire.len() <= udp::HEADER_MAX);
        for n in 0..wire.len() {
            prop_assert_eq!(udp::parse(&wire[..n]), Err(Error::Short));
        }
        wire.extend(&payload);
        let expected = udp::Datagram { fragment: 0, target, payload: &payload };
        prop_assert_eq!(udp::parse(&wire), Ok(expected));
    }

    #[test]
    fn garbage_is_an_answer_too(input in crate::split::spiked(&[0, 1, 3, 4, 5, 0x5a, 255])) {
        let _ = (v4::Request::parse(&input), v4::Reply::parse(&input), udp::parse(&input));
        let _ = (v5::parse_greeting(&input), v5::parse_method(&input), v5::parse_password(&input));
        let _ = (v5::Request::parse(&input), v5::Reply::parse(&input));
        let _ = v5::parse_password_verdict(&input);
    }

    #[test]
    fn a_client_gets_there_however_its_answers_are_cut(
        target in target(),
        bound in target(),
        asks in any::<bool>(),
        cuts in crate::split::cuts(),
    ) {
        let mut wire = Vec::new();
        v5::write_method(if asks { v5::METHOD_PASSWORD } else { v5::METHOD_NONE }, &mut wire);
        if asks {
            v5::write_password_verdict(true, &mut wire);
        }
        v5::Reply::Succeeded.write(&bound, &mut wire);
        wire.extend(b"early");
        let request = v5::Request { command: Command::Connect, target };
        let known = Some(Credentials::new(b"user:word"));
        let (mut client, _) = Client::v5(request, known).unwrap();
        let (mut held, mut done) = (Vec::new(), None);
        for piece in crate::split::pieces(&wire, &cuts) {
            held.extend(piece);
            while done.is_none() {
                let (step, used) = client.step(&held).unwrap();
                held.drain(..used);
                match step {
                    Step::More => break,
                    Step::Send(_) => {}
                    Step::Done { bound } => done = Some(bound),
                }
            }
        }
        prop_assert_eq!(done, Some(bound));
        prop_assert_eq!(&held[..], b"early");
    }
}

#[test]
fn the_bytes_are_the_documents() {
    let mut wire = Vec::new();
    let known = Credentials::new(b"u:p");
    let (_, first) = Client::v4(named("127.0.0.1"), Some(&known)).unwrap();
    assert_eq!(first, b"\x04\x01\x01\x02\x7f\x00\x00\x01u:p\0");
    let (_, first) = Client::v4(named("h"), None).unwrap();
    assert_eq!(first, b"\x04\x01\x01\x02\x00\x00\x00\x01\0h\0");
    v4::Reply::Granted.write(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 258), &mut wire);
    assert_eq!(wire, b"\x00\x5a\x01\x02\x7f\x00\x00\x01");

    let request = v5::Request { command: Command::Connect, target: named("h") };
    let (mut client, first) = Client::v5(request, Some(known)).unwrap();
    assert_eq!(first, [5, 2, 0, 2]);
    assert_eq!(client.step(&[5, 2]), Ok((Step::Send(b"\x01\x01u\x01p".to_vec()), 2)));
    assert_eq!(client.step(&[1, 0]), Ok((Step::Send(b"\x05\x01\0\x03\x01h\x01\x02".to_vec()), 2)));
    let bound = Target { port: 9, ..named("::1") };
    let mut wire = Vec::new();
    v5::Reply::Succeeded.write(&bound, &mut wire);
    assert_eq!(client.step(&wire), Ok((Step::Done { bound }, wire.len())));
}

#[test]
fn refusals_have_words() {
    for code in 1..=255 {
        let request = v5::Request { command: Command::Connect, target: named("h") };
        let (mut client, _) = Client::v5(request, None).unwrap();
        client.step(&[5, 0]).unwrap();
        // Without an address behind it, as some servers refuse.
        let failure = client.step(&[5, code]).unwrap_err();
        assert_eq!(failure, Failure::Refused5(v5::Reply::new(code)));
        assert_eq!(v5::Reply::new(code).code(), code);
        assert_eq!(failure.to_string().contains("unassigned"), code > 8, "{failure}");

        let (mut client, _) = Client::v4(named("h"), None).unwrap();
        let step = client.step(&[0, code, 0, 0, 0, 0, 0, 0]);
        assert_eq!(step.is_err(), code != 0x5a, "{code}: {step:?}");
    }
}

#[test]
fn a_proxy_that_chooses_what_was_not_offered_is_not_followed() {
    let client = |known: Option<&[u8]>| {
        let request = v5::Request { command: Command::Connect, target: named("h") };
        Client::v5(request, known.map(Credentials::new)).unwrap().0
    };
    assert_eq!(client(None).step(&[5, 2]), Err(Failure::OtherMethod(2)));
    assert_eq!(client(Some(b"u:p")).step(&[5, 1]), Err(Failure::OtherMethod(1)));
    assert_eq!(client(Some(b"u:p")).step(&[5, 255]), Err(Failure::NoMethod));
    let version = Error::Version { found: b'H', expected: 5 };
    assert_eq!(client(None).step(b"H"), Err(Failure::Garbage(version)));
    let mut asked = client(Some(b"u:p"));
    asked.step(&[5, 2]).unwrap();
    assert_eq!(asked.step(&[1, 1]), Err(Failure::WrongPassword));
}

#[test]
fn nothing_is_sent_that_could_mean_something_else() {
    let refused = |text: &[u8]| Client::v4(named("h"), Some(&Credentials::new(text))).unwrap_err();
    assert_eq!(refused(b"u\0h"), Error::Credentials);
    assert_eq!(refused(&[b'u'; 256]), Error::Credentials);
    assert_eq!(Client::v4(named("::1"), None).unwrap_err(), Error::NoIpv6);
    let request = || v5::Request { command: Command::Connect, target: named("h") };
    let long = [b"u:".as_slice(), &[b'p'; 256]].concat();
    for bad in [b"no colon".as_slice(), &long] {
        let known = Some(Credentials::new(bad));
        assert_eq!(Client::v5(request(), known).unwrap_err(), Error::Credentials);
    }
}

#[test]
fn names_that_two_readers_could_read_differently_are_refused() {
    let five = |name: &[u8]| {
        let len = u8::try_from(name.len()).unwrap();
        v5::Request::parse(&[&[5, 1, 0, 3, len], name, &[0, 80]].concat())
    };
    for bad in [b"".as_slice(), b"a\0b", b"a\r\nb", b"a b", b"\xff"] {
        assert_eq!(five(bad), Err(Error::Name), "{bad:?}");
    }
    assert!(five(&[b'x'; 255]).unwrap().is_some());
    // What is an address is treated as one.
    let (request, _) = five(b"127.0.0.1").unwrap().unwrap();
    assert_eq!(request.target.host, Host::Ip(Ipv4Addr::LOCALHOST.into()));

    let four = |rest: &[u8]| v4::Request::parse(&[&[4, 1, 0, 80, 0, 0, 0, 1], rest].concat());
    assert_eq!(four(b"u\0\0"), Err(Error::Name));
    assert_eq!(four(&[b'u'; 300]), Err(Error::TooLong(255)));
    assert_eq!(four(&[b"u\0".as_slice(), &[b'h'; 256]].concat()), Err(Error::TooLong(255)));
    assert_eq!(four(&[b"u\0".as_slice(), &[b'h'; 255]].concat()), Ok(None));
    assert_eq!(v5::parse_greeting(&[5, 0]), Err(Error::NoMethods));
    assert_eq!(v5::Request::parse(&[5, 1, 0, 2]), Err(Error::AddressType(2)));
}
