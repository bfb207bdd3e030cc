//! The filters that are part of the program.

/// What needs a feature that this build has not: name and feature.
pub(super) const ABSENT: &[(&str, &str)] = &[
    #[cfg(not(feature = "gzip"))]
    ("gzip", "gzip"),
    #[cfg(not(feature = "zstd"))]
    ("zstd", "zstd"),
];

/// Name and text of each, sorted.
pub const BUNDLED: &[(&str, &str)] = &[
    ("base64", include_str!("../../../../scripts/lua/filters/base64.lua")),
    ("chat", include_str!("../../../../scripts/lua/filters/chat.lua")),
    ("crlf", include_str!("../../../../scripts/lua/filters/crlf.lua")),
    #[cfg(feature = "gzip")]
    ("gzip", include_str!("../../../../scripts/lua/filters/gzip.lua")),
    ("hex", include_str!("../../../../scripts/lua/filters/hex.lua")),
    ("hexdump", include_str!("../../../../scripts/lua/filters/hexdump.lua")),
    ("httpproxy", include_str!("../../../../scripts/lua/filters/httpproxy.lua")),
    ("jsonlog", include_str!("../../../../scripts/lua/filters/jsonlog.lua")),
    ("line", include_str!("../../../../scripts/lua/filters/line.lua")),
    ("lineedit", include_str!("../../../../scripts/lua/filters/lineedit.lua")),
    ("netstring", include_str!("../../../../scripts/lua/filters/netstring.lua")),
    ("null", include_str!("../../../../scripts/lua/filters/null.lua")),
    ("prefix", include_str!("../../../../scripts/lua/filters/prefix.lua")),
    ("replace", include_str!("../../../../scripts/lua/filters/replace.lua")),
    ("rot13", include_str!("../../../../scripts/lua/filters/rot13.lua")),
    ("socks5", include_str!("../../../../scripts/lua/filters/socks5.lua")),
    ("telnet", include_str!("../../../../scripts/lua/filters/telnet.lua")),
    ("throttle", include_str!("../../../../scripts/lua/filters/throttle.lua")),
    ("xor", include_str!("../../../../scripts/lua/filters/xor.lua")),
    #[cfg(feature = "zstd")]
    ("zstd", include_str!("../../../../scripts/lua/filters/zstd.lua")),
];
