//! Serving as a proxy.

use super::super::item::{Group, Item};

/// The options of this theme.
pub(super) const ITEMS: &[Item] = &[
    Item::with_value("destination", |raw, given| {
        raw.proxy_server.allow.push(given.text()?.to_owned());
        Ok(())
    })
    .long("proxy-allow")
    .doc(Group::Proxies, "Connect a proxy's clients to these places only")
    .more(
        "With -l --proxy-type. A network, an address or a name, and perhaps ports: 10.0.0.0/8, \
         *.example.com:443, :25, [::1]:80-90. May be given more than once. Networks are compared with the \
         address that is dialled.",
    )
    .ours("only_what_is_allowed_is_connected_to"),
    Item::with_value("destination", |raw, given| {
        raw.proxy_server.deny.push(given.text()?.to_owned());
        Ok(())
    })
    .long("proxy-deny")
    .doc(Group::Proxies, "Never connect a proxy's clients to these places")
    .more("As --proxy-allow, which it outranks.")
    .ours("what_is_denied_is_never_connected_to"),
];
