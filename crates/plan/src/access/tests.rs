//! The rules as a whole, and against a model that looks at every spec for every peer.

mod model;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{AccessError, AccessRules, AccessSpec, Spec, Verdict};

/// `--allow` and `--deny` values and files of these texts; `pc` resolves.
fn load(
    allow: Option<&[&str]>,
    deny: &[&str],
    files: (&[&str], &[&str]),
) -> Result<AccessRules, AccessError> {
    let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    let mut texts = HashMap::new();
    let mut paths = |name: &str, contents: &[&str]| -> Vec<PathBuf> {
        let name = |(at, text): (usize, &&str)| {
            let path = PathBuf::from(format!("{name}{at}"));
            texts.insert(path.clone(), (*text).to_owned());
            path
        };
        contents.iter().enumerate().map(name).collect()
    };
    let spec = AccessSpec {
        allow: allow.map(owned),
        deny: owned(deny),
        allow_files: paths("allow", files.0),
        deny_files: paths("deny", files.1),
    };
    let mut read =
        |path: &Path| texts.get(path).cloned().ok_or_else(|| io::Error::from_raw_os_error(2));
    AccessRules::load(&spec, &mut read, &mut resolve)
}

fn resolve(name: &str) -> Result<Vec<IpAddr>, String> {
    match name {
        "pc" => Ok(vec![addr("192.0.2.7"), addr("2001:db8::7")]),
        "six" => Ok(vec![addr("2001:db8::7")]),
        "empty" => Ok(vec![]),
        _ => Err("Name or service not known".into()),
    }
}

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Whether `spec`, as the only deny rule, catches the peer.
#[track_caller]
fn catches(spec: &str, peer: &str) -> bool {
    let rules = load(None, &[spec], (&[], &[])).unwrap();
    !rules.check(Some(addr(peer))).is_allowed()
}

fn error(spec: &str) -> (String, Option<String>) {
    let error = load(Some(&[spec]), &[], (&[], &[])).unwrap_err();
    (error.to_string(), error.hint().map(str::to_owned))
}

#[test]
fn forms() {
    for (spec, inside, outside) in [
        ("192.0.2.7", &["192.0.2.7", "::ffff:192.0.2.7"][..], &["192.0.2.8", "::192.0.2.7"][..]),
        ("192.0.2.7/24", &["192.0.2.0", "192.0.2.255"], &["192.0.3.0", "192.0.1.255"]),
        ("192.0.2.7/0024", &["192.0.2.0"], &["192.0.3.0"]),
        ("1.2.3.4/0", &["0.0.0.0", "255.255.255.255", "::ffff:9.9.9.9"], &["::1"]),
        ("::/0", &["::", "::1", "fe80::1", "ffff::"], &["0.0.0.0", "1.2.3.4", "::ffff:1.2.3.4"]),
        ("::ffff:0:0/96", &["0.0.0.0", "1.2.3.4", "::ffff:1.2.3.4"], &["::1", "::fffe:0:1"]),
        ("::ffff:10.9.8.7/104", &["10.0.0.1", "::ffff:10.0.0.1"], &["11.0.0.1"]),
        ("::ffff:0:0/95", &["::fffe:0:1"], &["1.2.3.4"]),
        ("2001:DB8::7/33", &["2001:db8:7fff::"], &["2001:db8:8000::"]),
        ("fe80::1%eth0", &["fe80::1"], &["fe80::2"]),
        ("fe80::1%eth0/64", &["fe80::2"], &["fe80:0:0:1::1"]),
        ("10.0-3.*.1,5,250-", &["10.0.9.5", "10.3.0.255"], &["10.4.0.1", "10.0.0.2", "11.0.0.1"]),
        ("-.-.-.-3", &["0.0.0.3", "::ffff:255.0.9.0"], &["0.0.0.4", "::3"]),
        ("10.0.0.1,9/29", &["10.0.0.0", "10.0.0.15"], &["10.0.0.16"]),
        ("10.0.0.1,2", &["10.0.0.1", "10.0.0.2"], &["0.0.0.2", "10.0.0.3"]),
        ("10.0.0.1,2,::1,7.7.7.7", &["10.0.0.2", "::1", "7.7.7.7"], &["10.0.0.7"]),
        ("pc", &["192.0.2.7", "2001:db8::7"], &["192.0.2.8"]),
        ("pc/16", &["192.0.9.9", "2001::1"], &["192.1.0.0", "2002::"]),
        ("six/64", &["2001:db8::ffff"], &["2001:db8:0:1::"]),
    ] {
        for peer in inside {
            assert!(catches(spec, peer), "{spec} covers {peer}");
        }
        for peer in outside {
            assert!(!catches(spec, peer), "{spec} does not cover {peer}");
        }
    }
}

#[test]
fn errors_read_as_those_of_ncat() {
    let long = "a".repeat(1024);
    for (spec, expected) in [
        (
            "1.2.3.4/77",
            r#"Illegal netmask in "1.2.3.4/77". Must be smaller than address bit length."#,
        ),
        (
            "1.2.3.4/9999999999",
            r#"Illegal netmask in "1.2.3.4/9999999999". Must be smaller than address bit length."#,
        ),
        ("::1/129", r#"Illegal netmask in "::1/129". Must be smaller than address bit length."#),
        ("1.2.3.*/33", r#"Illegal netmask in "1.2.3.*/33". Must be between 0 and 32."#),
        ("pc/33", r#"Illegal netmask in "pc/33". Must be between 0 and 32."#),
        ("six/129", r#"Illegal netmask in "six/129". Must be between 0 and 128."#),
        ("1.2.3.4/", r#"Error parsing netmask in "1.2.3.4/"."#),
        ("1.2.3.4/+8", r#"Error parsing netmask in "1.2.3.4/+8"."#),
        ("1.2.3.4/8/8", r#"Error parsing netmask in "1.2.3.4/8/8"."#),
        ("fe80::1/64%lo", r#"Error parsing netmask in "fe80::1/64%lo"."#),
        ("nobody", r#"Error resolving name "nobody": Name or service not known"#),
        ("nobody/3", r#"Error resolving name "nobody": Name or service not known"#),
        ("empty", r#"Error resolving name "empty": the name has no address"#),
        (&long, r#"Host specification starting with "aaaaaaaaaaa" is too long."#),
    ] {
        assert_eq!(error(spec), (expected.to_owned(), None), "{spec}");
    }
}

#[test]
fn what_is_unclear_is_refused_with_a_hint() {
    for (spec, hint) in [
        (
            "2",
            Some("write 0.0.0.2 for that address; a list of last octets is written 10.0.0.1,2,7-9"),
        ),
        ("127.1", Some("write 127.0.0.1 for that address, 127.1.*.* for the network")),
        ("10.1-3", Some("write 10.1-3.*.*")),
        ("0x7f000001", Some("write 127.0.0.1")),
        ("0x7f.1.0x2.3", Some("write 127.1.2.3")),
        ("010.0.0.1", Some("write 8.0.0.1 if it is octal, 10.0.0.1 if it is decimal")),
        ("01.2.3.4", Some("write 1.2.3.4")),
        ("08.2.3.4", Some("write 8.2.3.4")),
        ("1.2.3.300", None),
        ("1.2.3.9-3", None),
        ("1.2.3.4.5", None),
        ("256.1", None),
        (
            "10.0.0.0/8,2",
            Some("write 0.0.0.2 for that address; a list of last octets is written 10.0.0.1,2,7-9"),
        ),
        ("[::1]", Some("write ::1: without brackets")),
        ("[::1]:80", Some("write ::1: rules have no port")),
        ("1.2.3.4:80", Some("write 1.2.3.4: rules have no port")),
        ("::zz", None),
        ("*", Some("write *.*.*.*")),
        ("*.example", Some("* stands for an octet, as in 192.0.2.*; names are written out")),
        ("1.2.3.4%lo", None),
        ("1.2.3.4 ", None),
        ("/8", None),
    ] {
        let (text, hinted) = error(spec);
        assert!(text.starts_with("Error resolving name \""), "{spec}: {text}");
        assert_eq!(hinted.as_deref(), hint, "{spec}");
    }
}

#[test]
fn the_subject_names_the_place() {
    let error = load(Some(&["1.2.3.4,5.6.7.8/99"]), &[], (&[], &[])).unwrap_err();
    let expected = r#"error in host specification "5.6.7.8/99" of --allow. QUITTING."#;
    assert_eq!(error.subject().as_deref(), Some(expected));

    let error = load(None, &[], (&[], &["a1.example # fine?", "\n\n::1\n ::1/200"])).unwrap_err();
    assert_eq!(error.subject().as_deref(), Some("error in hosts file deny0, line 1. QUITTING."));
    let error = load(None, &[], (&[], &["", "\n\n::1\n ::1/200"])).unwrap_err();
    assert_eq!(error.subject().as_deref(), Some("error in hosts file deny1, line 4. QUITTING."));
}

#[test]
fn commas_between_specs_in_a_file_are_refused() {
    for text in ["1.2.3.4,5.6.7.8", "pc,six", "::1,::2", "fe80::1%eth0,::2", "::1,10.0.0.1"] {
        let error = load(None, &[], (&[], &[text])).unwrap_err();
        assert_eq!(error.hint(), Some("in a file put blanks or line ends between specs"));
    }
}

#[test]
fn an_unreadable_file_is_told() {
    let spec = AccessSpec { deny_files: vec!["/nope".into()], ..AccessSpec::default() };
    let mut read = |_: &Path| Err(io::Error::from_raw_os_error(2));
    let error = AccessRules::load(&spec, &mut read, &mut resolve).unwrap_err();
    #[cfg(unix)]
    assert_eq!(error.to_string(), "can't open /nope: No such file or directory. QUITTING.");
    assert_eq!((error.subject(), error.hint()), (None, None));
}

#[test]
fn verdicts() {
    let peer = Some(addr("192.0.2.7"));
    let open = load(None, &[], (&[], &[])).unwrap();
    assert!(open.is_open() && open.check(peer).is_allowed() && open.check(None).is_allowed());

    // An empty allow list lets nobody in; an empty deny list keeps nobody out.
    for nobody in [load(Some(&[""]), &[], (&[], &[])), load(None, &[], (&["# none"], &[]))] {
        let nobody = nobody.unwrap();
        assert!(!nobody.is_open());
        assert_eq!(nobody.check(peer), Verdict::NotAllowed);
    }
    assert!(load(None, &[""], (&[], &["\n"])).unwrap().is_open());

    let rules =
        load(Some(&["pc", "10.0.0.0/8"]), &["192.0.2.*"], (&["::1"], &["10.9.9.9"])).unwrap();
    let text = |peer: Option<&str>| rules.check(peer.map(addr)).to_string();
    assert_eq!(text(Some("192.0.2.7")), r#"matches deny rule "192.0.2.*" (--deny)"#);
    assert_eq!(text(Some("10.9.9.9")), r#"matches deny rule "10.9.9.9" (deny0:1)"#);
    assert_eq!(text(Some("10.1.1.1")), r#"matches allow rule "10.0.0.0/8" (--allow)"#);
    assert_eq!(text(Some("::1")), r#"matches allow rule "::1" (allow0:1)"#);
    assert_eq!(text(Some("::2")), "matches no allow rule");
    assert_eq!(text(None), "matches no allow rule");
    assert_eq!(load(None, &["*.*.*.*"], (&[], &[])).unwrap().check(None), Verdict::Allowed);
}

#[test]
fn the_first_matching_rule_is_named() {
    // The first is kept as octets, the second as ranges, and they overlap.
    let rules = load(None, &["1-200.*.5-90.1", "9.0.0.0/8", "9.*.6.-"], (&[], &[])).unwrap();
    for (peer, rule) in [("9.1.6.1", "1-200.*.5-90.1"), ("9.1.6.2", "9.0.0.0/8")] {
        let Verdict::DeniedBy(found) = rules.check(Some(addr(peer))) else { panic!("{peer}") };
        assert_eq!(found.text, rule);
    }
}

#[test]
fn ten_thousand_specs_are_fast() {
    let mut text = String::new();
    for number in 0..10_000 {
        let (a, b) = (number / 100, number % 100);
        text += &format!("10.{a}.{b}.0/25 2001:db8:{a}:{b}::/64\n");
    }
    let rules = load(None, &[], (&[], &[&text])).unwrap();
    let start = Instant::now();
    for round in 0..100_000_u32 {
        let peer = IpAddr::from((0x0a00_0000 + round * 97).to_be_bytes());
        std::hint::black_box(rules.check(Some(peer)));
    }
    // 15 ms unoptimised on a two-core machine; looking through all specs would take a minute.
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    assert!(!rules.check(Some(addr("10.99.99.127"))).is_allowed());
    assert!(rules.check(Some(addr("10.99.99.128"))).is_allowed());
}

#[test]
fn specs_as_parsed() {
    assert!(matches!(Spec::parse("a-b.example"), Ok(Spec::Name { bits: None, .. })));
    assert!(matches!(Spec::parse("10-0-0-5"), Ok(Spec::Name { .. })));
    assert!(matches!(Spec::parse("münchen.example/8"), Ok(Spec::Name { bits: Some(8), .. })));
    assert!(matches!(Spec::parse("1.2.3.-"), Ok(Spec::Octets(_))));
    assert!(matches!(Spec::parse("::ffff:1.2.3.4"), Ok(Spec::Net(net)) if net.addr().is_ipv4()));
}
