//! What is spoken with proxies: SOCKS, HTTP authentication, the PROXY protocol.

use std::fmt::Debug;

use proto::auth::{self, digest};
use proto::proxy_protocol;
use proto::secret::Credentials;
use proto::socks::{self, udp, v4, v5};

/// A message is the same whatever follows it, and no beginning of it is one.
fn framed<'a, T: Debug + PartialEq, E: Debug + PartialEq>(
    input: &'a [u8],
    parse: impl Fn(&'a [u8]) -> Result<Option<(T, usize)>, E>,
) -> Option<T> {
    let (message, used) = parse(input).ok()??;
    assert!(used <= input.len());
    assert_eq!(parse(&input[..used]), Ok(Some((message, used))));
    for n in 0..used.min(300) {
        assert_eq!(parse(&input[..n]), Ok(None), "cut at {n}");
    }
    parse(input).ok()?.map(|(message, _)| message)
}

/// SOCKS 4 and 5: what is read can be written, and read again.
pub fn socks(data: &[u8]) {
    let Some((_, input)) = data.split_first() else { return };
    if let Some(request) = framed(input, v4::Request::parse) {
        let mut wire = Vec::new();
        if request.write(&mut wire).is_ok() {
            // 0.0.0.x stands for a name, and then the name is what is left of it.
            let again = v4::Request::parse(&wire).expect("what we write can be read");
            assert!(again.is_none_or(|(again, _)| again == request));
        }
    }
    framed(input, v4::Reply::parse);
    let owned =
        |input: &[u8]| Ok(v5::parse_greeting(input)?.map(|(methods, n)| (methods.to_vec(), n)));
    framed(input, owned as fn(&[u8]) -> socks::Parsed<Vec<u8>>);
    framed(input, v5::parse_method);
    let owned = |input: &[u8]| {
        let parsed = v5::parse_password(input)?;
        Ok(parsed.map(|((user, word), n)| ((user.to_vec(), word.to_vec()), n)))
    };
    framed(input, owned as fn(&[u8]) -> socks::Parsed<(Vec<u8>, Vec<u8>)>);
    framed(input, v5::parse_password_verdict);
    if let Some(request) = framed(input, v5::Request::parse) {
        let mut wire = Vec::new();
        request.write(&mut wire);
        assert_eq!(v5::Request::parse(&wire), Ok(Some((request, wire.len()))));
    }
    // A refusal may be cut anywhere, so only what is granted is framed.
    if let Ok(Some(((v5::Reply::Succeeded, _), _))) = v5::Reply::parse(input) {
        framed(input, v5::Reply::parse);
    }
    if let Ok(parsed) = udp::parse(data) {
        let mut wire = Vec::new();
        udp::write_header(&parsed.target, &mut wire);
        wire.extend(parsed.payload);
        let again = udp::parse(&wire).expect("what we write can be read");
        assert_eq!((again.target, again.payload), (parsed.target, parsed.payload));
    }
}

/// Challenges and credentials: whatever is understood can be answered, and its answer is believed.
pub fn auth(data: &[u8]) {
    let known = Credentials::new(b"user:word");
    for one in auth::parse_challenges(data).unwrap_or_default() {
        let _ = auth::basic::is_right(&one, &known);
        if let Ok(answer) = digest::Answer::new(&one) {
            let _ = answer.is_right(&known, b"CONNECT");
        }
        let Ok(challenge) = digest::Challenge::new(&one) else { continue };
        let mut client = digest::Client::new(challenge, [1; 16]);
        // What has control characters is not answered.
        let Ok(text) = client.answer(&known, b"CONNECT", b"host:1") else { continue };
        assert!(!text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        let answer = auth::parse_credentials(&text).expect("what we write can be read");
        let answer = digest::Answer::new(&answer).expect("what we write can be understood");
        assert!(answer.is_right(&known, b"CONNECT"));
    }
}

/// The PROXY protocol: nothing is read beyond a header, and what it says can be written.
pub fn proxy_protocol(data: &[u8]) {
    let Some((_, input)) = data.split_first() else { return };
    let Some(header) = framed(input, proxy_protocol::parse) else { return };
    let mut read = 0;
    while let Ok(None) = proxy_protocol::parse(&input[..read]) {
        read += proxy_protocol::wanted(&input[..read]);
    }
    assert!(matches!(proxy_protocol::parse(&input[..read]), Ok(Some((_, used))) if used == read));
    let mut wire = Vec::new();
    match header.version {
        1 => proxy_protocol::write_v1(header.addresses, &mut wire),
        _ => proxy_protocol::write_v2(header.addresses, &mut wire),
    }
    let again = proxy_protocol::parse(&wire).expect("what we write can be read");
    assert_eq!(again.map(|(again, _)| again.addresses), Some(header.addresses));
}
