use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn what_is_meant() {
    for (spelled, meant, form) in [
        ("10.1.2.3", "10.1.2.3", Form::Plain),
        ("::ffff:169.254.169.254", "169.254.169.254", Form::Mapped),
        ("::ffff:a9fe:a9fe", "169.254.169.254", Form::Mapped),
        ("::127.0.0.1", "127.0.0.1", Form::Compatible),
        ("::1", "::1", Form::Plain),
        ("::", "::", Form::Plain),
        ("64:ff9b::a9fe:a9fe", "169.254.169.254", Form::Nat64),
        ("2002:7f00:1::1", "127.0.0.1", Form::SixToFour),
        ("2001:0:53aa:64c::5601:5601", "169.254.169.254", Form::Teredo),
        ("2001:db8::1", "2001:db8::1", Form::Plain),
        ("fd00:ec2::254", "fd00:ec2::254", Form::Plain),
    ] {
        assert_eq!(normal(ip(spelled)), (ip(meant), form), "{spelled}");
    }
}

#[test]
fn hosts() {
    assert_eq!(host("10.1.2.3"), Ok(Host::Addr(ip("10.1.2.3"))));
    assert_eq!(host("[fe80::1%eth0]"), Ok(Host::Addr(ip("fe80::1"))));
    assert_eq!(host("fe80::1%25"), Ok(Host::Addr(ip("fe80::1"))));
    assert_eq!(host("DB.Example."), Ok(Host::Name("db.example".into())));
    assert_eq!(host("_srv.4you.example"), Ok(Host::Name("_srv.4you.example".into())));
    let long = "a.".repeat(150);
    for wrong in [
        "0x7f000001",
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f.1",
        "1.2.3.0x",
        "127.0.0.1.",
        "010.0.0.1",
        "1.2.3.4.5",
        "",
        ".",
        "a..b",
        "-x",
        "a-.b",
        "a b",
        "a\nb",
        "a\0b",
        "--",
        "bücher.example",
        "[10.1.2.3]",
        "[x]",
        &long,
    ] {
        assert!(host(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn ports() {
    assert_eq!(host_port("a:22"), Ok(("a", 22)));
    assert_eq!(host_port("[::1]:65535"), Ok(("[::1]", 65_535)));
    for wrong in ["a", "a:", "a:0", "a:65536", "a:-1", "a:http", "a:+1", "::1:22", "a:2 "] {
        assert!(host_port(wrong).is_err(), "{wrong}");
    }
}

proptest::proptest! {
    #[test]
    fn normal_is_idempotent(value: u128) {
        let (once, _) = normal(Ipv6Addr::from_bits(value).into());
        let (twice, form) = normal(once);
        proptest::prop_assert_eq!((once, Form::Plain), (twice, form));
    }

    /// Whatever the C library would read as an IPv4 address is an address here too, or refused.
    #[test]
    fn no_number_is_a_name(text in "(0[xX][0-9a-fA-F]{1,8}|0[0-7]{1,9}|[0-9]{1,10})(\\.(0x[0-9a-f]{1,3}|[0-9]{1,3})){0,3}") {
        let read = host(&text);
        proptest::prop_assert!(!matches!(read, Ok(Host::Name(_))), "{:?}", read);
    }

    #[test]
    fn any_text(text: String) {
        let _ = host(&text);
        let _ = host_port(&text);
    }
}
