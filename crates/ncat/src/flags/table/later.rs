//! Options of capabilities this build does not have. They are understood, so that a command line
//! that is wrong in any build is told so, and then answered with a line of their own.

use plan::{RawFamily, RawTransport};

use super::super::item::{Group, Item, Update};

/// The options of this theme.
pub(super) const ITEMS: &[Item] = &[
    Item {
        update: Update::Later(|raw| raw.family = Some(RawFamily::Vsock)),
        ..Item::later(2, None)
    }
    .long("vsock")
    .doc(Group::Addresses, "Use vsock sockets only"),
    Item {
        update: Update::Later(|raw| raw.transport = Some(RawTransport::Sctp)),
        ..Item::later(2, None)
    }
    .long("sctp")
    .doc(Group::Addresses, "Use SCTP instead of default TCP"),
    Item::later(2, Some("hops"))
        .short('g')
        .long("g")
        .doc(Group::Addresses, "Loose source routing hop points (8 max)"),
    Item::later(2, Some("n"))
        .short('G')
        .long("G")
        .doc(Group::Addresses, "Loose source routing hop pointer (4, 8, 12, ...)"),
    Item::later(2, Some("command"))
        .short('e')
        .long("exec")
        .doc(Group::Programs, "Executes the given command"),
    Item::later(2, Some("command"))
        .short('c')
        .long("sh-exec")
        .doc(Group::Programs, "Executes the given command via /bin/sh"),
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
