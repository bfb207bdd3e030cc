//! Options of capabilities this build does not have. They are understood, so that a command line
//! that is wrong in any build is told so, and then answered with a line of their own.

use super::super::item::{Group, Item};

/// The options of this theme.
pub(super) const ITEMS: &[Item] = &[
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
    Item::later(3, None).long("ssl").doc(Group::Tls, "Connect or listen with SSL"),
    Item::later(3, Some("file"))
        .long("ssl-cert")
        .doc(Group::Tls, "Specify SSL certificate file (PEM) for listening"),
    Item::later(3, Some("file"))
        .long("ssl-key")
        .doc(Group::Tls, "Specify SSL private key (PEM) for listening"),
    Item::later(3, None)
        .long("ssl-verify")
        .doc(Group::Tls, "Verify trust and domain name of certificates"),
    Item::later(3, Some("file"))
        .long("ssl-trustfile")
        .doc(Group::Tls, "PEM file containing trusted SSL certificates"),
    Item::later(3, Some("list"))
        .long("ssl-ciphers")
        .doc(Group::Tls, "Cipherlist containing SSL ciphers to use"),
    Item::later(3, Some("name"))
        .long("ssl-servername")
        .doc(Group::Tls, "Request distinct server name (SNI)"),
    Item::later(3, Some("list")).long("ssl-alpn").doc(Group::Tls, "ALPN protocol list to use"),
];
