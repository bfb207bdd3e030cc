//! The examples of the RFCs, both ends against each other, and garbage.

use proptest::prelude::*;

use super::digest::{Algorithm, Answer, Challenge, Client, Hash, Unusable};
use super::{Auth, BadAuth, basic, parse_challenges, parse_credentials, quoted};
use crate::secret::Credentials;

fn one(text: &str) -> Auth {
    parse_credentials(text.as_bytes()).unwrap()
}

/// RFC 7616, 3.9.1: both answers to the two challenges.
#[test]
fn the_first_example_of_the_rfc() {
    for (algorithm, response) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let answer = one(&format!(
            r#"Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html",
 algorithm={algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001,
 cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="{response}",
 opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#
        )
        .replace('\n', ""));
        let answer = Answer::new(&answer).unwrap();
        let right = Credentials::new(b"Mufasa:Circle of Life");
        assert!(answer.is_right(&right, b"GET"), "{algorithm}");
        assert!(!answer.is_right(&right, b"PUT"));
        assert!(!answer.is_right(&Credentials::new(b"Mufasa:Circle of life"), b"GET"));
        assert!(!answer.is_right(&Credentials::new(b"mufasa:Circle of Life"), b"GET"));
        assert!(!answer.is_right(&Credentials::new(b"Mufasa"), b"GET"));
    }
}

/// RFC 7616, 3.9.2, with the values of erratum 4897: those printed are not of SHA-512/256.
#[test]
fn the_second_example_of_the_rfc() {
    let answer = one(
        r#"Digest username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b", realm="api@example.org", uri="/doe.json", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", nc=00000001, cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", qop=auth, response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", userhash=true"#,
    );
    let answer = Answer::new(&answer).unwrap();
    assert!(answer.hashes_user);
    assert!(
        answer
            .is_right(&Credentials::new("J\u{e4}s\u{f8}n Doe:Secret, or not?".as_bytes()), b"GET")
    );
}

/// RFC 2617, 3.5 (qop) and the same without, as RFC 2069 has it.
#[test]
fn a_client_answers_as_in_the_older_rfc() {
    let challenge = |qop: &str| {
        let auth = one(&format!(
            r#"Digest realm="testrealm@host.com"{qop}, nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#
        ));
        Challenge::new(&auth).unwrap()
    };
    let known = Credentials::new(b"Mufasa:Circle Of Life");
    let mut old = Client::new(challenge(""), [0; 16]);
    let answer = old.answer(&known, b"GET", b"/dir/index.html").unwrap();
    assert_eq!(
        String::from_utf8(answer).unwrap(),
        r#"Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", response="670fd8c2df070c60b045671b8b24ff02", opaque="5ccc069c403ebaf9f0171e9517f40e41""#
    );
    let mut new = Client::new(challenge(r#", qop="auth,auth-int""#), [0xab; 16]);
    for count in 1..=2 {
        let text = new.answer(&known, b"GET", b"/dir/index.html").unwrap();
        let answer = Answer::new(&parse_credentials(&text).unwrap()).unwrap();
        assert_eq!(answer.count, Some(count));
        assert!(answer.is_right(&known, b"GET"));
    }
}

#[test]
fn challenges_are_understood_or_refused_for_a_reason() {
    let new = |rest: &str| Challenge::new(&one(&format!("Digest {rest}")));
    assert_eq!(new(r#"realm="r""#), Err(Unusable::Bad));
    assert_eq!(new(r#"realm="r", nonce="n", nonce="m""#), Err(Unusable::Bad));
    assert_eq!(new(r#"realm="r", nonce="n", opaque=a, opaque=a"#), Err(Unusable::Bad));
    assert_eq!(new(r#"realm="r", nonce="n", algorithm=SHA-1"#), Err(Unusable::Algorithm));
    assert_eq!(new(r#"realm="r", nonce="n", qop=auth-int"#), Err(Unusable::Quality));
    let good =
        new(r#"realm="r", nonce="n", qop="auth-int , AUTH", algorithm="sha-256-SESS", stale=TRUE"#);
    let good = good.unwrap();
    assert!(good.has_qop && good.is_stale && !good.hashes_user);
    assert_eq!(good.algorithm, Some(Algorithm { hash: Hash::Sha256, is_session: true }));
    let mut client = Client::new(good, [1; 16]);
    let answer = |client: &mut Client, user: &[u8]| {
        client.answer(&Credentials::new(user), b"CONNECT", b"h:1")
    };
    assert_eq!(answer(&mut client, b"no password"), Err(Unusable::Credentials));
    assert_eq!(answer(&mut client, b"a\r\nb:c"), Err(Unusable::Credentials));
}

#[test]
fn lists_of_challenges_come_apart() {
    let all = |text: &str| parse_challenges(text.as_bytes());
    let schemes = |text: &str| {
        let all = all(text).unwrap();
        all.into_iter().map(|auth| auth.scheme).collect::<Vec<_>>()
    };
    assert_eq!(
        schemes(r#"Basic realm="a, b", Digest realm="c", nonce=d,Negotiate"#),
        ["Basic", "Digest", "Negotiate"]
    );
    assert_eq!(schemes("Negotiate, NTLM"), ["Negotiate", "NTLM"]);
    assert_eq!(schemes(" , ,Basic , realm = x ,, "), ["Basic"]);
    assert_eq!(schemes(""), [""; 0]);
    let token = &all("Negotiate TlRM/+==, Basic realm=x").unwrap()[0];
    assert_eq!(token.token68.as_deref(), Some(&b"TlRM/+=="[..]));
    let escaped = &all(r#"Basic realm="a\"b\\c", charset="UTF-8""#).unwrap()[0];
    assert_eq!(escaped.param("realm"), Ok(Some(&br#"a"b\c"#[..])));
    assert_eq!(escaped.param("charset"), Ok(Some(&b"UTF-8"[..])));
    for bad in [
        "=",
        "\"a\"",
        "Basic realm=\"a",
        "Basic realm=\"a\\",
        "Basic a b",
        "Basic realm=x y",
        "Basic\x01",
        "Basic realm=\"a\nb\"",
        "Basic realm=\"a\"b",
        "Basic \u{e9}",
        "Basic/x",
    ] {
        assert_eq!(all(bad), Err(BadAuth), "{bad:?}");
    }
    for bad in ["", "Basic eA==, Basic eA==", "Basic"] {
        let read = parse_credentials(bad.as_bytes());
        let right = read.and_then(|auth| basic::is_right(&auth, &Credentials::default()));
        assert_eq!(right, Err(BadAuth), "{bad:?}");
    }
}

#[test]
fn basic_is_the_text_that_was_given() {
    for (text, header) in [
        ("Aladdin:open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("test:123\u{a3}", "Basic dGVzdDoxMjPCow=="),
        ("user", "Basic dXNlcg=="),
        (":", "Basic Og=="),
    ] {
        let known = Credentials::new(text.as_bytes());
        assert_eq!(basic::answer(&known), header.as_bytes());
        assert_eq!(basic::is_right(&one(header), &known), Ok(true));
        assert_eq!(basic::is_right(&one("Basic eHg6eQ=="), &known), Ok(false));
    }
    assert_eq!(basic::challenge(b"N\"c"), br#"Basic realm="N\"c", charset="UTF-8""#);
}

fn printable() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(
        prop_oneof![Just(b'"'), Just(b'\\'), Just(b','), 0x20_u8..0x7f, 0x80_u8..],
        0..30,
    )
}

proptest! {
    #[test]
    fn a_server_believes_its_client(
        user in printable(),
        password in printable(),
        realm in printable(),
        nonce in printable(),
        uri in printable(),
        n in 0..7_usize,
        has_qop in any::<bool>(),
        hashes_user in any::<bool>(),
        wrong in printable(),
    ) {
        prop_assume!(!user.contains(&b':'));
        let names = ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"];
        let algorithm = names.get(n).map(|name| {
            let auth = one(&format!("Digest realm=r, nonce=n, algorithm={name}"));
            Challenge::new(&auth).unwrap().algorithm.unwrap()
        });
        let opaque = Some(nonce.clone());
        let sent = Challenge { realm, nonce, opaque, algorithm, has_qop, is_stale: false, hashes_user };
        let read = Challenge::new(&parse_credentials(&sent.write()).unwrap()).unwrap();
        prop_assert_eq!(&read, &sent);
        let known = Credentials { user, password: Some(password.clone()) };
        let text = Client::new(read, [9; 16]).answer(&known, b"CONNECT", &uri).unwrap();
        let answer = Answer::new(&parse_credentials(&text).unwrap()).unwrap();
        prop_assert_eq!(&answer.uri, &uri);
        prop_assert!(answer.is_right(&known, b"CONNECT"));
        let other = Credentials { password: Some(wrong.clone()), ..known };
        prop_assert_eq!(answer.is_right(&other, b"CONNECT"), wrong == password);
    }

    #[test]
    fn quotes_come_off_again(text in printable()) {
        let header = [b"X a=".as_slice(), &quoted(&text).unwrap()].concat();
        let auth = parse_credentials(&header).unwrap();
        prop_assert_eq!(auth.param("a"), Ok(Some(&text[..])));
    }

    #[test]
    fn garbage_is_an_error_or_something(input in crate::split::spiked(b"Digest realm=\"\\,= \t")) {
        for auth in parse_challenges(&input).unwrap_or_default() {
            let _ = (Challenge::new(&auth), Answer::new(&auth));
            let _ = basic::is_right(&auth, &Credentials::default());
        }
    }
}
