//! What scripts may call, name by name: the page of the reference is made from this, and a test compares it
//! with what a state really holds.

use std::fmt::Write;

use plan::Filters;

use super::bundled::BUNDLED;
use super::find::SearchPath;
use super::help::help;

/// A call as it is written, and what it gives.
pub const LIBRARY: &[(&str, &str)] = &[
    ("ncat.buffer()", "a queue of bytes: `push`, `pull`, `peek`, `find`, `len`, `clear`"),
    (
        "ncat.connect(host, port[, options])",
        "a connection of the filter's own (`net`); options: `proto`, `tls`, `timeout`, `bind`, `proxy`",
    ),
    ("ncat.env(name)", "an environment variable (`env`)"),
    ("ncat.hexdump(data)", "the lines that `-x` writes"),
    (
        "ncat.log(level, format, ...)",
        "to standard error; `error` and `warn` always, `info` with -v, `debug` with -vv, `trace` with -vvv",
    ),
    ("ncat.new_socket()", "a connection of the filter's own, as in NSE (`net`)"),
    ("ncat.now()", "seconds, of a clock that never jumps"),
    (
        "ncat.open(path[, mode])",
        "a file, for reading (`read`), or `\"w\"`, `\"a\"` for writing (`write`): `read(n)`, `line()`, `write(data)`, `flush()`, `close()`; `\"-\"` for writing is standard error",
    ),
    ("ncat.queue([capacity])", "a queue between tasks: `push`, `try_push`, `pop`, `close`"),
    ("ncat.random(n)", "n bytes that nobody can guess, at most 1 MiB"),
    (
        "ncat.reader(sock)",
        "whole units of what comes: `exact`, `line`, `upto`, `some`, `peek`, `unread`, `buffered`",
    ),
    ("ncat.relay(a, b)", "copies both ways until both have ended; the bytes of each"),
    ("ncat.resolve(host)", "the addresses of a name (`net`)"),
    ("ncat.shared", "a table for all scripts"),
    ("ncat.sleep(seconds)", "waits; other connections go on"),
    ("ncat.spawn(f, ...)", "a task beside the others: `cancel()`, `done()`"),
    ("ncat.time()", "seconds since 1970"),
    ("ncat.version", "of ncat"),
    ("ncat.with_timeout(seconds, f, ...)", "what f gives, or `nil, \"TIMEOUT\"`"),
    ("bytes.adler32(s)", "the check sum of zlib"),
    ("bytes.base32(s)", "text, with padding"),
    (
        "bytes.base64(s[, {url=, pad=}])",
        "text; the letters that addresses may have, padding or not",
    ),
    ("bytes.count(s, byte)", "how often"),
    ("bytes.crc32(s)", "the check sum of gzip"),
    ("bytes.equal(a, b)", "whether they are, in a time that depends on the lengths alone"),
    ("bytes.escape(s)", "what can be shown on any terminal"),
    ("bytes.hex(s)", "two digits for each byte"),
    ("bytes.replace(s, plain, with)", "with each `plain` replaced"),
    ("bytes.reverse(s)", "the last byte first"),
    ("bytes.rot13(s)", "each letter 13 further"),
    ("bytes.split(s, sep)", "a list"),
    ("bytes.translate(s, map)", "each byte replaced by that of a string of 256"),
    ("bytes.unbase32(s)", "bytes; white space is passed over"),
    ("bytes.unbase64(s)", "bytes, of both alphabets; white space is passed over"),
    ("bytes.unhex(s)", "bytes; white space is passed over"),
    ("bytes.xor(s, key[, offset])", "each byte with that of the key, over and over"),
    ("codec.base64_decoder()", "units back to back"),
    ("codec.deflate([{level=, raw=}])", "zlib's format, or none around it"),
    ("codec.gunzip([{max=, ratio=}])", "members one after another"),
    ("codec.gzip([{level=}])", "levels 0 to 9, 6 if none is named"),
    ("codec.hex_decoder()", "digits, white space passed over"),
    ("codec.inflate([{max=, ratio=, raw=}])", "zlib's format, or none around it"),
    ("codec.replacer(plain, with)", "search and replace over the borders of pieces"),
    ("codec.unzstd([{max=, ratio=, window=}])", "frames one after another"),
    ("codec.zstd([{level=}])", "levels 1 to 19, 3 if none is named"),
    (
        "crypto.aead(name, key)",
        "`chacha20-poly1305` or `aes-256-gcm`: `seal(nonce, text[, also])`, `open(nonce, sealed[, also])`; not without TLS in the build",
    ),
    ("crypto.hash(name, s)", "bytes; `md5`, `sha1`, `sha256` or `sha512`"),
    ("crypto.hasher(name)", "likewise piece by piece: `update(s)`, `finish()`"),
    ("crypto.hmac(name, key, s)", "bytes"),
    ("json.decode(text)", "a value"),
    (
        "json.encode(value[, {binary=\"hex\"}])",
        "text, keys in order; what is no UTF-8 in hexadecimal if so wanted",
    ),
    ("json.null", "what `null` becomes"),
];

const INTRODUCTION: &str = "# What Lua filters may call

Written by `cargo xtask gen` from the table in `crates/lua/src/filter/reference.rs`, which a test compares with what
scripts really find. How filters are written is in [the guide](../guide/filters.md); [waiting](../guide/filters-waiting.md) and
[the network](../guide/filters-network.md) have pages of their own.

Wrong types are errors of Lua. What comes from outside and is wrong gives `nil, CODE, words`. A word in brackets is the
capability that a call wants (`--lua-allow`).

A codec has `update(data)`, `flush()` and `finish()`, which give bytes. A decoder gives at most `max` bytes (1 GiB) in all, and
in a call at most `ratio` (1024) for each byte beside 1 MiB; 0 is no bound; beyond it, `nil, \"LIMIT\"`.

Beside these there are of Lua 5.4 the basic functions, `coroutine`, `math`, `string` (without `dump`), `table`, `utf8`, of `os`
`time`, `date`, `clock` and `difftime`, `debug.traceback`, and `collectgarbage(\"count\")`; `args`, `connections`, `require`.
";

/// The page.
///
/// # Errors
/// A bundled filter cannot be loaded.
pub fn page() -> Result<String, String> {
    let mut text = INTRODUCTION.to_owned();
    let mut library = "";
    for (call, gives) in LIBRARY {
        let of = call.split('.').next().unwrap_or_default();
        if of != library {
            library = of;
            let _ = write!(text, "\n## {of}\n\n| call | gives |\n|---|---|\n");
        }
        let _ = writeln!(text, "| `{call}` | {gives} |");
    }
    text.push_str("\n## Bundled filters\n\nAs `-L NAME:help` tells it.\n");
    for (name, _) in BUNDLED {
        let told =
            help(name, &Filters::default(), &SearchPath::default(), Box::new(|_, _, _, _| {}))?;
        let _ = write!(text, "\n```\n{told}```\n");
    }
    Ok(text)
}
