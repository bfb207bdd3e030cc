use super::*;

fn raw(proxies: &[&str]) -> RawProxy {
    RawProxy {
        proxies: proxies.iter().map(|text| Secret::new(*text)).collect(),
        ..Default::default()
    }
}

fn one(text: &str) -> Result<ProxyHop, String> {
    chain(&raw(&[text]), "target").map(|mut hops| hops.remove(0))
}

fn given(auth: &ProxyAuth) -> Option<&str> {
    match auth {
        ProxyAuth::Given(secret) => Some(secret.reveal()),
        _ => None,
    }
}

#[test]
fn ncats_way_to_name_a_proxy() {
    let place = |text| one(text).map(|hop| (hop.host, hop.port));
    for (text, host, port) in [
        ("h", "h", 3128),
        ("h:1", "h", 1),
        ("h:", "h", 0),
        ("[::1]:2", "::1", 2),
        ("[::1]", "::1", 3128),
        ("::1", "::1", 3128),
        ("1::2:3", "1::2:3", 3128),
    ] {
        assert_eq!(place(text), Ok((host.to_owned(), port)), "{text}");
    }
    for (text, error) in [
        ("[::1", "Invalid proxy IPv6 address \"[::1\". QUITTING."),
        ("[::1]x", "Invalid proxy IPv6 address \"[::1]x\". QUITTING."),
        ("h:99999", "Invalid proxy port number \"99999\". QUITTING."),
        ("h:abc", "Invalid proxy port number \"abc\". QUITTING."),
    ] {
        assert_eq!(place(text).unwrap_err().lines().next(), Some(error));
    }
    let socks = RawProxy { types: vec!["socks5".into()], ..raw(&["h"]) };
    let hop = chain(&socks, "t").unwrap().remove(0);
    assert_eq!((hop.kind, hop.port, hop.dns), (ProxyKind::Socks5, 1080, ProxyDns::Remote));
}

#[test]
fn urls_say_everything() {
    let hop = one("socks5h://us%65r:p%40ss%3Aword@[::1]:9/").unwrap();
    assert_eq!((hop.kind, hop.dns), (ProxyKind::Socks5, ProxyDns::Remote));
    assert_eq!(hop.place(), "[::1]:9");
    assert_eq!(given(&hop.auth), Some("user:p@ss:word"));
    for (scheme, kind, port, dns) in [
        ("http", ProxyKind::Http, 3128, ProxyDns::Remote),
        ("HTTPS", ProxyKind::Https, 443, ProxyDns::Remote),
        ("socks4", ProxyKind::Socks4, 1080, ProxyDns::Local),
        ("socks4a", ProxyKind::Socks4, 1080, ProxyDns::Remote),
        ("socks5", ProxyKind::Socks5, 1080, ProxyDns::Local),
    ] {
        let hop = one(&format!("{scheme}://h")).unwrap();
        assert_eq!((hop.kind, hop.port, hop.dns), (kind, port, dns));
    }
    for bad in [
        "ftp://h",
        "http://",
        "http://h/x",
        "http://h?x",
        "http://%4@h",
        "http://%ff@h",
        "http://a%3ab:c@h",
        "http://h:x",
    ] {
        assert!(one(bad).unwrap_err().contains("QUITTING."), "{bad}");
    }
}

#[test]
fn no_message_and_no_debug_has_the_password() {
    let bad = one("http://user:hunter2@h/x").unwrap_err();
    assert!(!bad.contains("hunter2"), "{bad}");
    let raw = RawProxy { auths: vec![Secret::new("u:hunter2")], ..raw(&["http://user:hunter2@h"]) };
    assert!(!format!("{raw:?}").contains("hunter2"));
    assert!(!format!("{:?}", one("http://user:hunter2@h")).contains("hunter2"));
    assert!(!chain(&raw, "t").unwrap_err().contains("hunter2"));
}

#[test]
fn a_password_given_once_is_for_one_proxy() {
    let mut raw = raw(&["http://a:b@h", "socks5://h", "http://h"]);
    raw.environment.auth = Some(Secret::new("c:d"));
    let auths = |raw: &RawProxy| {
        let hops = chain(raw, "t").unwrap();
        hops.iter().map(|hop| given(&hop.auth).map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(auths(&raw), [Some("a:b".into()), Some("c:d".into()), None]);
    raw.auths = vec![Secret::new("e:f")];
    assert_eq!(auths(&raw), [Some("a:b".into()), Some("e:f".into()), None]);
    raw.auth_file = Some("f".into());
    let hops = chain(&raw, "t").unwrap();
    assert_eq!(hops[2].auth, ProxyAuth::File("f".into(), 2));
}

#[test]
fn who_looks_names_up_can_be_said_for_each() {
    let dns = |list: &str| {
        let raw = RawProxy { dns: vec![list.into()], ..raw(&["http://h", "socks5://h"]) };
        chain(&raw, "t").map(|hops| hops.iter().map(|hop| hop.dns).collect::<Vec<_>>())
    };
    assert_eq!(dns("both"), Ok(vec![ProxyDns::Both; 2]));
    assert_eq!(dns("local,none"), Ok(vec![ProxyDns::Local, ProxyDns::None]));
    assert!(dns("local,none,both").is_err());
    assert!(chain(&raw(&["h", "http://h"]), "t").is_err());
    assert!(chain(&raw(&["http://h"; HOPS_IN_CHAIN_MAX + 1]), "t").is_err());
}

#[test]
fn the_environment_counts_when_it_is_asked() {
    let mut raw = raw(&[]);
    raw.environment.all_proxy = Some(Secret::new("socks5h://p:1"));
    raw.environment.no_proxy = Some("localhost, .example ,10.0.0.0/8,192.0.2.7".into());
    let hops = |raw: &RawProxy, host| chain(raw, host).unwrap().len();
    assert_eq!(hops(&raw, "elsewhere"), 0);
    raw.uses_environment = true;
    for (host, count) in [
        ("elsewhere", 1),
        ("localhost", 0),
        ("example", 0),
        ("db.EXAMPLE.", 0),
        ("notexample", 1),
        ("10.1.2.3", 0),
        ("11.1.2.3", 1),
        ("192.0.2.7", 0),
        ("::1", 1),
    ] {
        assert_eq!(hops(&raw, host), count, "{host}");
    }
    raw.environment.no_proxy = Some("*".into());
    assert_eq!(hops(&raw, "elsewhere"), 0);
    raw.environment.no_proxy = None;
    raw.environment.all_proxy = Some(Secret::new("p:1"));
    let hop = chain(&raw, "t").unwrap().remove(0);
    assert_eq!((hop.kind, hop.port), (ProxyKind::Http, 1));
    raw.environment.all_proxy = Some(Secret::new("ftp://p"));
    assert!(chain(&raw, "t").unwrap_err().contains("ALL_PROXY"));
}
