//! The access rules of `plan`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use plan::access::{AccessRules, AccessSpec, Spec};

/// One value of `--allow`, and a file of the same text: neither panics, and what is accepted judges a
/// mapped peer as the IPv4 peer it is.
pub fn access(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let option = AccessSpec { allow: Some(vec![text.clone()]), ..AccessSpec::default() };
    let file = AccessSpec { allow_files: vec!["file".into()], ..AccessSpec::default() };
    for spec in [option, file] {
        let peers = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let loaded =
            AccessRules::load(&spec, &mut |_| Ok(text.clone()), &mut |_| Ok(Vec::from(peers)));
        match loaded {
            Ok(rules) => check(&rules, &text),
            Err(error) => {
                let told = format!("{error}{:?}{:?}", error.subject(), error.hint());
                assert!(!told.is_empty());
            }
        }
    }
}

fn check(rules: &AccessRules, text: &str) {
    assert!(!rules.check(None).is_allowed(), "an allow option refuses peers without address");
    let bytes = text.as_bytes();
    for window in bytes.windows(4).take(64) {
        let v4 = Ipv4Addr::new(window[0], window[1], window[2], window[3]);
        let plain = rules.check(Some(v4.into()));
        assert_eq!(plain, rules.check(Some(v4.to_ipv6_mapped().into())));
    }
    // Any address named alone is allowed, whatever is named beside it.
    for item in text.split([',', ' ', '\n']) {
        if let (Ok(addr), Ok(Spec::Net(_))) = (item.parse::<IpAddr>(), Spec::parse(item)) {
            // In a file it may stand in a comment; then the rules are others.
            if !text.contains('#') {
                assert!(rules.check(Some(addr)).is_allowed(), "{item}");
            }
        }
    }
}
