//! Proxies on the way, and the PROXY protocol.

use plan::{ProxyProtocol, Secret};

use super::super::item::{Given, Group, Item};
use super::super::usage::UsageError;

const PROTOCOL_WORDS: &[&str] = &["send1", "send2", "accept", "require"];

fn protocol(given: &Given<'_>) -> Result<ProxyProtocol, UsageError> {
    let word = given.text()?;
    let found = ProxyProtocol::WORDS.iter().find(|(name, _)| *name == word);
    found.map(|(_, protocol)| *protocol).ok_or_else(|| UsageError::Word {
        option: given.written.to_owned(),
        value: word.to_owned(),
        words: "one of send1, send2, accept, require",
    })
}

/// The options of this theme.
pub(super) const ITEMS: &[Item] = &[
    Item::with_value("addr[:port]", |raw, given| {
        raw.proxy.proxies.push(Secret::new(given.text()?));
        Ok(())
    })
    .long("proxy")
    .doc(Group::Proxies, "Specify address of host to proxy through")
    .more(
        "Or a URL: http, https (TLS to the proxy), socks4, socks4a, socks5 or socks5h, then ://, perhaps \
         USER:PASSWORD@ (percent-encoded), HOST and perhaps :PORT. Given several times, URLs are a chain, \
         nearest proxy first. All of it has the time of -w; -s and -p are for the connection to the first. \
         With --ssl, TLS is spoken to the target, inside. -u goes through one SOCKS5 proxy. Commands \
         find the target in NCAT_TARGET_ADDR and NCAT_TARGET_PORT.",
    )
    .better(
        "chains, TLS to a proxy, one deadline for the whole dialogue, every address of the proxy's name, \
         any 2xx is success, early bytes take the usual way, errors say what the proxy answered",
        "a_chain_of_three_kinds_carries_every_byte",
    ),
    Item::with_value("type", |raw, given| {
        raw.proxy.types.push(given.text()?.to_owned());
        Ok(())
    })
    .long("proxy-type")
    .words(&["http", "socks4", "socks5", "socks", "any"])
    .doc(Group::Proxies, "Specify proxy type (http, socks4, socks5)")
    .more(
        "With -l, be a proxy server of that type: also socks (4, 4a and 5) and any (HTTP too, told apart by a \
         client's first byte). Many clients are served, with or without -k.",
    )
    .better(
        "the short words 4 and 5 mean what they say; a server speaks HTTP/1.1 and SOCKS, honours its bind \
         address, -m, -i and -w, keeps connections, and cuts no slow reader short",
        "the_dialogues_are_ncats_to_the_byte",
    ),
    Item::with_value("auth", |raw, given| {
        raw.proxy.auths.push(Secret::new(given.text()?));
        Ok(())
    })
    .long("proxy-auth")
    .doc(Group::Proxies, "Authenticate with HTTP or SOCKS proxy server")
    .more(
        "USER:PASSWORD, or USER for SOCKS4. Everybody on this machine can read it: NCAT_PROXY_AUTH in the \
         environment, and --proxy-auth-file, are not shown. In a chain it is for the first proxy whose URL \
         has none. HTTP proxies get Digest when they offer it, else Basic. With -l --proxy-type, what clients must say.",
    )
    .better(
        "Digest with SHA-256 and SHA-512-256, correct quoting, and the connection is kept where the proxy \
         keeps it",
        "squid_takes_digest_and_basic",
    ),
    Item::with_value("file", |raw, given| {
        raw.proxy.auth_file = Some(given.path());
        Ok(())
    })
    .long("proxy-auth-file")
    .doc(Group::Proxies, "Read USER:PASSWORD from a file")
    .more("Line n is for proxy n of a chain; an empty line is none. With -l --proxy-type, each line is a user.")
    .ours("secrets_are_never_shown"),
    Item::with_value("file", |raw, given| {
        raw.proxy.trust_file = Some(given.path());
        Ok(())
    })
    .long("proxy-trustfile")
    .doc(Group::Proxies, "Certificates to trust for https proxies (PEM)")
    .more("A file or a directory, in place of the system's. An https proxy is always verified.")
    .ours("an_https_proxy_is_verified"),
    Item::with_value("type", |raw, given| {
        raw.proxy.dns.push(given.text()?.to_owned());
        Ok(())
    })
    .long("proxy-dns")
    .words(&["local", "remote", "both", "none"])
    .doc(Group::Proxies, "Specify where to resolve proxy destination")
    .more(
        "In a chain also a list with commas, one word for each proxy. Without it socks4:// and socks5:// \
         are local, everything else is remote.",
    )
    .better("a list for chains; a look-up has the time of -w", "who_looks_the_name_up"),
    Item::flag(|raw| raw.proxy.uses_environment = true)
        .long("proxy-env")
        .doc(Group::Proxies, "Use ALL_PROXY and NO_PROXY")
        .more("Without --proxy. ALL_PROXY is a URL, or HOST:PORT of an HTTP proxy; NO_PROXY a list of names, domains, addresses and networks.")
        .ours("the_environment_counts_only_when_asked"),
    Item::with_value("what", |raw, given| {
        raw.proxy.protocol = Some(protocol(given)?);
        Ok(())
    })
    .long("proxy-protocol")
    .words(PROTOCOL_WORDS)
    .doc(Group::Proxies, "PROXY protocol: send1, send2, accept, require")
    .more(
        "A header with the addresses of a connection before its first byte, as HAProxy has it. Connecting: \
         send1 (text) or send2 (binary). Listening: accept takes one where there is one, require refuses \
         clients without, both from --proxy-protocol-from only. --allow and --deny look at the connection \
         first and then at the address in the header; commands find that in NCAT_REMOTE_ADDR.",
    )
    .ours("a_header_goes_from_one_of_us_to_another"),
    Item::with_value("hosts", |raw, given| {
        raw.proxy.protocol_from.push(given.text()?.to_owned());
        Ok(())
    })
    .long("proxy-protocol-from")
    .doc(Group::Proxies, "Hosts whose PROXY header is believed")
    .more("A list as for --allow. From others a header is data (accept), or they are refused (require).")
    .ours("a_header_is_believed_from_whom_it_should_be"),
];
