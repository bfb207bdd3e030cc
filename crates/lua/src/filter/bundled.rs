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
    ("hex", include_str!("../../../../scripts/lua/filters/hex.lua")),
    ("line", include_str!("../../../../scripts/lua/filters/line.lua")),
    ("netstring", include_str!("../../../../scripts/lua/filters/netstring.lua")),
    ("null", include_str!("../../../../scripts/lua/filters/null.lua")),
    ("prefix", include_str!("../../../../scripts/lua/filters/prefix.lua")),
    ("replace", include_str!("../../../../scripts/lua/filters/replace.lua")),
    ("rot13", include_str!("../../../../scripts/lua/filters/rot13.lua")),
    ("xor", include_str!("../../../../scripts/lua/filters/xor.lua")),
];
