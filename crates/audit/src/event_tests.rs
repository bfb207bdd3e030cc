use super::*;

fn sample() -> (Leaf, Payload) {
    let payload = Payload {
        salt: *b"0123456789abcdef",
        json: Json::object([("dest", Json::from("10.1.2.3")), ("user", "alice".into())]).encode(),
    };
    let leaf = Leaf {
        id: "019abcde-0000-7000-8000-000000000001".into(),
        log: "example.org/audit".into(),
        src: "host-1".into(),
        seq: 1,
        prev: Hash::ZERO,
        at: 1_795_000_000_000_000,
        up_us: 123_456,
        boot: [0xab; 16],
        kind: "conn.open".into(),
        sev: 1,
        actor: Some([0x11; 16]),
        session: Some("019abcde-0000-7000-8000-000000000002".into()),
        parent: None,
        outcome: Some("permit".into()),
        code: None,
        payload: Some(payload.commitment()),
        x: vec![("proto".into(), "tcp".into()), ("port".into(), 443.into())],
    };
    (leaf, payload)
}

/// Golden: logs of years ago must hash to what they hashed to. Both hashes were also computed with
/// Python's json and hashlib, see `crates/audit/tests/independent`.
#[test]
fn version_1_never_changes() {
    let (leaf, payload) = sample();
    let expected = concat!(
        r#"{"actor":"11111111111111111111111111111111","at":1795000000000000,"#,
        r#""boot":"abababababababababababababababab","id":"019abcde-0000-7000-8000-000000000001","#,
        r#""log":"example.org/audit","outcome":"permit","#,
        r#""pay":"PAY","paylen":34,"#,
        r#""prev":"0000000000000000000000000000000000000000000000000000000000000000","seq":1,"#,
        r#""session":"019abcde-0000-7000-8000-000000000002","sev":1,"src":"host-1","#,
        r#""type":"conn.open","up_us":123456,"v":1,"x":{"port":443,"proto":"tcp"}}"#,
    );
    assert_eq!(payload.json, br#"{"dest":"10.1.2.3","user":"alice"}"#);
    let expected = expected.replace("PAY", &payload.commitment().0.to_string());
    assert_eq!(String::from_utf8(leaf.encode()).unwrap(), expected);
    assert_eq!(
        payload.commitment().0.to_string(),
        "1b77800a501dac24c5195b915bd12cde98305b777b863c858e74761a7bdf2342"
    );
    assert_eq!(
        Hash::of(&[&leaf.encode()]).to_string(),
        "9a7273e63ba9fbe6973097a6010e8a790c0567c5b72b3f2912d78d4020e6a451"
    );
    assert_eq!(
        Hash::leaf(&leaf.encode()).to_string(),
        "2834e5de1ed2a7ea53787024944f2107196b43918f646f2d6156385a191604da"
    );
    let mut read = Leaf::parse(&leaf.encode()).unwrap();
    read.x.reverse();
    assert_eq!(read, leaf);
}

#[test]
fn a_payload_must_be_the_one_committed_to() {
    let (leaf, payload) = sample();
    let entry = |payload| Entry { leaf: leaf.encode(), payload };
    assert!(entry(Some(payload.clone())).check().is_ok());
    assert!(entry(None).check().is_ok());
    let other = Payload { salt: [0; 16], ..payload.clone() };
    assert!(entry(Some(other)).check().is_err());
    let other = Payload { json: b"{}".to_vec(), ..payload };
    assert!(entry(Some(other)).check().is_err());
}

#[test]
fn every_member_is_needed_and_no_other_allowed() {
    let (leaf, _) = sample();
    let Ok(Json::Object(members)) = json::parse(&leaf.encode()) else { panic!("an object") };
    for (number, (key, _)) in members.iter().enumerate() {
        let mut fewer = members.clone();
        fewer.remove(number);
        let optional = ["actor", "session", "outcome", "x"].contains(&key.as_str());
        assert_eq!(Leaf::parse(&Json::Object(fewer).encode()).is_ok(), optional, "without {key}");
        let mut other = members.clone();
        other[number].1 = Json::List(vec![]);
        assert!(Leaf::parse(&Json::Object(other).encode()).is_err(), "{key} a list");
    }
    let mut more = members.clone();
    more.push(("extra".into(), Json::Null));
    assert!(Leaf::parse(&Json::Object(more).encode()).is_err());
    let mut newer = members;
    newer.iter_mut().filter(|(key, _)| key == "v").for_each(|(_, value)| *value = 2.into());
    assert!(Leaf::parse(&Json::Object(newer).encode()).is_err());
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        if let Ok(leaf) = Leaf::parse(&bytes) {
            assert_eq!(leaf.encode(), bytes);
        }
    }
}
