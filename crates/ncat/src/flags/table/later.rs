//! Options of capabilities this build does not have. They are understood, so that a command line
//! that is wrong in any build is told so, and then answered with a line of their own.

use super::super::item::{Group, Item};

/// The options of this theme.
pub(super) static ITEMS: &[Item] = &[
    Item::later(5, Some("filename"))
        .long("lua-exec")
        .doc(Group::Programs, "Executes the given Lua script"),
    Item::later(5, Some("filename"))
        .long("lua-exec-internal")
        .doc(Group::Programs, "Runs a Lua script on standard input and output")
        .hidden(),
    Item::later(5, Some("script"))
        .short('L')
        .long("lua-filter")
        .doc(Group::Programs, "Pass the data through a Lua filter")
        .ours(""),
    Item::later(4, Some("addr[:port]"))
        .long("proxy")
        .doc(Group::Proxies, "Specify address of host to proxy through"),
    Item::later(4, Some("type"))
        .long("proxy-type")
        .words(&["http", "socks4", "socks5"])
        .doc(Group::Proxies, "Specify proxy type (http, socks4, socks5)"),
    Item::later(4, Some("auth"))
        .long("proxy-auth")
        .doc(Group::Proxies, "Authenticate with HTTP or SOCKS proxy server"),
    Item::later(4, Some("type"))
        .long("proxy-dns")
        .words(&["local", "remote", "both", "none"])
        .doc(Group::Proxies, "Specify where to resolve proxy destination"),
    Item::later(3, Some("protocol"))
        .long("starttls")
        .doc(Group::Tls, "Begin TLS as this protocol has it")
        .ours(""),
];
