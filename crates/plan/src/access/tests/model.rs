//! Rules generated with their meaning, and the plain answer to compare with.

use std::net::IpAddr;

use proptest::prelude::*;

use super::{Verdict, load};

/// One spec and what it should cover.
#[derive(Clone, Debug)]
enum Known {
    V4(u32, u8),
    V6(u128, u8),
    Octets([Vec<(u8, u8)>; 4], u8),
}

impl Known {
    fn text(&self) -> String {
        match self {
            Self::V4(addr, 32) => IpAddr::from(addr.to_be_bytes()).to_string(),
            Self::V4(addr, bits) => format!("{}/{bits}", IpAddr::from(addr.to_be_bytes())),
            Self::V6(addr, bits) => format!("{}/{bits}", IpAddr::from(addr.to_be_bytes())),
            Self::Octets(octets, bits) => {
                let item = |(first, last): &(u8, u8)| match (first, last) {
                    (0, 255) => "*".to_owned(),
                    (0, last) => format!("-{last}"),
                    (first, 255) => format!("{first}-"),
                    (first, last) if first == last => first.to_string(),
                    (first, last) => format!("{first}-{last}"),
                };
                let octet = |items: &Vec<_>| items.iter().map(item).collect::<Vec<_>>().join(",");
                let octets: Vec<String> = octets.iter().map(octet).collect();
                format!("{}/{bits}", octets.join("."))
            }
        }
    }

    fn covers(&self, peer: IpAddr) -> bool {
        match (self, peer) {
            (Self::V4(addr, bits), IpAddr::V4(peer)) => agree(*addr, peer.to_bits(), *bits),
            (Self::V6(addr, bits), IpAddr::V6(peer)) => {
                let differ = addr ^ peer.to_bits();
                *bits == 0 || differ >> (128 - bits) == 0
            }
            // Some combination is in the peer's network: octet for octet, some member agrees in the
            // bits that count.
            (Self::Octets(octets, bits), IpAddr::V4(peer)) => {
                let values = peer.octets();
                (0..4_u8).all(|at| {
                    let kept = bits.saturating_sub(8 * at).min(8);
                    let value = u32::from(values[usize::from(at)]);
                    octets[usize::from(at)]
                        .iter()
                        .flat_map(|(first, last)| *first..=*last)
                        .any(|member| agree(u32::from(member) << 24, value << 24, kept))
                })
            }
            _ => false,
        }
    }
}

fn agree(one: u32, two: u32, bits: u8) -> bool {
    bits == 0 || (one ^ two) >> (32 - bits) == 0
}

/// Few distinct values, so that rules and peers meet.
fn octet() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), Just(1), Just(10), Just(127), Just(128), Just(254), Just(255), any::<u8>()]
}

fn v4() -> impl Strategy<Value = u32> {
    prop::array::uniform4(octet()).prop_map(u32::from_be_bytes)
}

fn v6() -> impl Strategy<Value = u128> {
    // Never inside ::ffff:0:0/96, whose meaning is IPv4 and tested by example.
    (prop::array::uniform4(octet()), prop::array::uniform4(octet())).prop_map(|(head, tail)| {
        u128::from(u32::from_be_bytes(head)) << 96 | 1 << 80 | u128::from(u32::from_be_bytes(tail))
    })
}

fn known() -> impl Strategy<Value = Known> {
    let range = (octet(), octet()).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let octets = prop::array::uniform4(prop::collection::vec(range, 1..4));
    prop_oneof![
        (v4(), 0..=32_u8).prop_map(|(addr, bits)| Known::V4(addr, bits)),
        (v6(), 0..=128_u8).prop_map(|(addr, bits)| Known::V6(addr, bits)),
        (octets, 0..=32_u8).prop_map(|(octets, bits)| Known::Octets(octets, bits)),
    ]
}

fn peer() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        v4().prop_map(|a| a.to_be_bytes().into()),
        v6().prop_map(|a| a.to_be_bytes().into())
    ]
}

proptest! {
    #[test]
    fn as_looking_through_all(
        allow in prop::option::of(prop::collection::vec(known(), 0..6)),
        deny in prop::collection::vec(known(), 0..6),
        peers in prop::collection::vec(peer(), 1..20),
    ) {
        let file = |known: &[Known]| known.iter().map(Known::text).collect::<Vec<_>>().join("\n");
        let allow_text = allow.as_deref().map(file);
        let allow_files: Vec<&str> = allow_text.as_deref().into_iter().collect();
        let rules = load(None, &[], (&allow_files, &[&file(&deny)])).unwrap();
        for peer in peers {
            let first = |known: &[Known]| known.iter().find(|one| one.covers(peer)).map(Known::text);
            let verdict = rules.check(Some(peer));
            let text = |rule: &crate::access::Rule| Some(rule.text.clone());
            match (first(&deny), allow.as_deref().map(first)) {
                (Some(denied), _) => {
                    prop_assert!(matches!(verdict, Verdict::DeniedBy(rule) if rule.text == denied));
                }
                (None, None) => prop_assert_eq!(verdict, Verdict::Allowed),
                (None, Some(None)) => prop_assert_eq!(verdict, Verdict::NotAllowed),
                (None, Some(Some(allowed))) => match verdict {
                    Verdict::AllowedBy(rule) => prop_assert_eq!(text(rule), Some(allowed)),
                    other => prop_assert!(false, "{other:?}"),
                },
            }
            // A mapped peer is the same peer.
            if let IpAddr::V4(v4) = peer {
                prop_assert_eq!(rules.check(Some(v4.to_ipv6_mapped().into())), verdict);
            }
        }
    }

    #[test]
    fn any_text_is_judged(text in "[0-9a-fx.,:/*%# \\n-]{0,40}|\\PC{0,20}") {
        // Neither panics; what is accepted on the command line ends up as rules.
        drop(load(Some(&[&text]), &[], (&[], &[])));
        drop(load(None, &[], (&[], &[&text])));
    }
}
