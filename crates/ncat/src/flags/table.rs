//! Every option there is (spec section 1.1), by theme.

mod broker;
mod bytes;
mod exec;
mod ktls;
mod lua;
mod options;
mod proxy;
mod proxy_server;
mod safe;
mod sockets;
mod starttls;
mod talk;
mod tls;
mod transports;

use super::item::Item;

/// Every option, in no order that matters except within a heading of the help text.
pub fn items() -> impl Iterator<Item = &'static Item> {
    let themes = [
        sockets::ITEMS,
        transports::ITEMS,
        options::ITEMS,
        broker::ITEMS,
        bytes::ITEMS,
        talk::ITEMS,
        exec::ITEMS,
        proxy::ITEMS,
        lua::ITEMS,
        safe::ITEMS,
        tls::ITEMS,
        starttls::ITEMS,
        ktls::ITEMS,
        proxy_server::ITEMS,
    ];
    themes.into_iter().flatten()
}

/// The order in which Ncat knows its long names: an ambiguous abbreviation lists them so, and of
/// names that come to the same the first one counts. Taken from `ncat --=`, whose empty abbreviation
/// stands for everything.
const NCAT_ORDER: [&str; 53] = [
    "4",
    "6",
    "unixsock",
    "vsock",
    "crlf",
    "g",
    "G",
    "exec",
    "sh-exec",
    "lua-exec",
    "lua-exec-internal",
    "max-conns",
    "help",
    "delay",
    "listen",
    "output",
    "hex-dump",
    "append-output",
    "idle-timeout",
    "keep-open",
    "recv-only",
    "source-port",
    "source",
    "send-only",
    "no-shutdown",
    "broker",
    "chat",
    "talk",
    "deny",
    "denyfile",
    "allow",
    "allowfile",
    "telnet",
    "udp",
    "sctp",
    "version",
    "verbose",
    "wait",
    "nodns",
    "proxy",
    "proxy-type",
    "proxy-auth",
    "proxy-dns",
    "nsock-engine",
    "test",
    "ssl",
    "ssl-cert",
    "ssl-key",
    "ssl-verify",
    "ssl-trustfile",
    "ssl-ciphers",
    "ssl-servername",
    "ssl-alpn",
];

/// The place of a long name in getopt's table; ours come last, in the order of [`items`].
pub(super) fn place(item: &Item) -> usize {
    NCAT_ORDER.iter().position(|name| Some(*name) == item.long).unwrap_or(NCAT_ORDER.len())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::item::Origin;
    use super::*;

    #[test]
    fn names_are_unique_and_every_ncat_name_has_a_place() {
        let mut seen = HashSet::new();
        for item in items() {
            assert!(item.short.is_some() || item.long.is_some());
            assert!(!item.canonical().is_empty(), "{item:?}");
            for name in
                item.short.map(String::from).into_iter().chain(item.long.map(|n| format!("--{n}")))
            {
                assert!(seen.insert(name.clone()), "{name} twice");
            }
            let listed = item.long.is_some_and(|long| NCAT_ORDER.contains(&long));
            assert_eq!(listed, item.origin == Origin::Ncat && item.long.is_some(), "{item:?}");
        }
        for name in NCAT_ORDER {
            assert!(seen.contains(&format!("--{name}")), "--{name} is not in the table");
        }
    }

    #[test]
    fn every_option_is_documented_and_names_its_test() {
        for item in items() {
            let name = item.canonical();
            assert!(!item.doc.is_empty() && item.doc.len() <= 50, "{name}: {:?}", item.doc);
            assert!(!item.doc.ends_with('.'), "{name}");
            assert!(!item.test.is_empty() || item.is_absent(), "{name} names no test");
        }
    }
}
