use proptest::prelude::*;

use super::*;

fn spelled(value: &Json) -> String {
    String::from_utf8(value.encode()).unwrap()
}

/// The sorting example of RFC 8785 section 3.2.3, and the escapes of 3.2.2.2.
#[test]
fn published_vectors() {
    let keys = ["\u{20ac}", "\r", "\u{fb33}", "1", "\u{1f600}", "\u{80}", "\u{f6}"];
    let object = Json::object(keys.map(|key| (key, Json::Null)));
    let sorted = ["\\r", "1", "\u{80}", "\u{f6}", "\u{20ac}", "\u{1f600}", "\u{fb33}"];
    let expected: Vec<String> = sorted.iter().map(|key| format!("\"{key}\":null")).collect();
    assert_eq!(spelled(&object), format!("{{{}}}", expected.join(",")));
    let text = Json::from("\u{20ac}$\u{f}\nA'B\"\\\\\"/");
    assert_eq!(spelled(&text), r#""€$\u000f\nA'B\"\\\\\"/""#);
}

#[test]
fn other_spellings_are_refused() {
    let wrong = [
        "",
        " 1",
        "1 ",
        "01",
        "-0",
        "+1",
        "1.0",
        "1e3",
        "9007199254740992",
        "nul",
        "[1,]",
        "[,1]",
        "{\"b\":1,\"a\":1}",
        "{\"a\":1,\"a\":1}",
        "{\"a\": 1}",
        "\"\\u0041\"",
        "\"\\u000A\"",
        "\"\\u001F\"",
        "\"\\/\"",
        "\"\t\"",
        "\"a",
        "{",
        "[",
        "\"\\u12\"",
        "\"\\ud83d\"",
        "1]",
    ];
    for text in wrong {
        assert!(parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(parse(b"\"\xff\"").is_err());
    assert!(parse(&[b"[".repeat(5000), b"]".repeat(5000)].concat()).is_err());
    assert!(parse(&[b"[".repeat(DEPTH_MAX), b"]".repeat(DEPTH_MAX)].concat()).is_ok());
}

fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        (-INTEGER_MAX..=INTEGER_MAX).prop_map(Json::Int),
        any::<String>().prop_map(Json::Text),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::List),
            prop::collection::vec((any::<String>(), inner), 0..6).prop_map(Json::Object),
        ]
    })
}

proptest! {
    #[test]
    fn encoding_is_read_back_to_the_same_bytes(value in value()) {
        let bytes = value.encode();
        assert_eq!(parse(&bytes).unwrap().encode(), bytes);
    }

    #[test]
    fn what_is_accepted_is_canonical(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(value) = parse(&bytes) {
            assert_eq!(value.encode(), bytes);
        }
    }

    #[test]
    fn what_is_accepted_is_canonical_near_json(text in r#"[\[\]{},:"\\u0-9a-f\-ntr]{0,24}"#) {
        if let Ok(value) = parse(text.as_bytes()) {
            assert_eq!(value.encode(), text.as_bytes());
        }
    }
}
