//! What a script says about a connection it wants, read.

use std::path::PathBuf;
use std::time::Duration;

use mlua::{Table, Value};
use plan::{Pin, TlsSpec, TlsVersion, Transport};

use super::code::Failure;
use super::link::Target;
use super::native::{lost, misuse};
use super::network::Order;

/// The words of `proto`.
const TRANSPORTS: [(&str, Transport); 4] = [
    ("tcp", Transport::Tcp),
    ("ssl", Transport::Tcp),
    ("udp", Transport::Udp),
    ("unix", Transport::UnixStream),
];

/// Reads the arguments of `ncat.connect`; `patience` holds where no `timeout` is given.
pub(super) fn read(
    host: &Value,
    port: &Value,
    options: &Table,
    patience: Option<Duration>,
) -> mlua::Result<Result<Order, Failure>> {
    let Value::String(host) = host else { return Err(misuse("connect", host)) };
    let words: Option<String> = options.raw_get("proto")?;
    let words = words.as_deref().unwrap_or("tcp");
    let Some((_, transport)) = TRANSPORTS.iter().find(|(word, _)| *word == words) else {
        return Err(lost(&format!("connect: there is no proto \"{words}\"")));
    };
    let port = match (transport.is_unix(), port.as_integer().map(u16::try_from)) {
        (true, _) => 0,
        (false, Some(Ok(port))) if port > 0 => port,
        _ => return Err(lost("connect was given no port")),
    };
    let tls = match options.raw_get("tls")? {
        Value::Nil | Value::Boolean(false) if words != "ssl" => None,
        Value::Table(table) => Some(tls(&table)?),
        _ => Some(TlsSpec::default()),
    };
    if tls.is_some() && transport.is_message() {
        return Ok(Err(Failure::new("TLS", "there is no TLS over datagrams for filters")));
    }
    let limit = match options.raw_get::<Option<f64>>("timeout")? {
        None => patience,
        Some(seconds) => Some(
            Duration::try_from_secs_f64(seconds)
                .map_err(|_| lost("connect was given a timeout that is none"))?,
        ),
    };
    let inherits_proxy = match options.raw_get::<Option<String>>("proxy")?.as_deref() {
        None => false,
        Some("inherit") => true,
        Some(other) => return Err(lost(&format!("connect: there is no proxy \"{other}\""))),
    };
    let bind = options.raw_get::<Option<String>>("bind")?.map(|text| place(&text));
    let host = host.to_string_lossy();
    Ok(Ok(Order { transport: *transport, host, port, tls, limit, bind, inherits_proxy }))
}

/// `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`.
fn place(text: &str) -> Target {
    let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (bare(host), port.parse().ok())
        }
        _ => (bare(text), None),
    }
}

/// Reads options of TLS: Ncat's, without `--ssl-`.
pub(super) fn tls(table: &Table) -> mlua::Result<TlsSpec> {
    let mut spec = TlsSpec::default();
    for pair in table.pairs::<String, Value>() {
        let (key, value) = pair?;
        let wrong = || lost(&format!("TLS option \"{key}\": that is no value for it"));
        let text = || value.as_string().map(|text| text.to_string_lossy()).ok_or_else(wrong);
        let flag = || value.as_boolean().ok_or_else(wrong);
        let version = || {
            let text = text()?;
            let found = TlsVersion::WORDS.iter().find(|(word, _)| *word == text);
            found.map(|(_, version)| *version).ok_or_else(wrong)
        };
        match &key[..] {
            "verify" => spec.verify = flag()?,
            "servername" => spec.server_name = Some(text()?),
            "trustfile" => (spec.trust_file, spec.verify) = (Some(PathBuf::from(text()?)), true),
            "cert" => spec.certificate = Some(PathBuf::from(text()?)),
            "key" => spec.key = Some(PathBuf::from(text()?)),
            "ciphers" => spec.ciphers = Some(text()?),
            "ciphersuites" => spec.ciphersuites = Some(text()?),
            "groups" => spec.groups = Some(text()?),
            "alpn" => spec.alpn = list(&value).ok_or_else(wrong)?,
            "min" => spec.min = Some(version()?),
            "max" => spec.max = Some(version()?),
            "strict-eof" => spec.strict_end = flag()?,
            "pin" => {
                let pins = list(&value).ok_or_else(wrong)?;
                let pins: Result<Vec<Pin>, ()> = pins.iter().map(|pin| pin.parse()).collect();
                spec.pins = pins.map_err(|()| wrong())?;
            }
            _ => return Err(lost(&format!("there is no TLS option \"{key}\""))),
        }
    }
    Ok(spec)
}

/// Words in a list, or with commas between.
fn list(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(text.to_string_lossy().split(',').map(str::to_owned).collect()),
        Value::Table(words) => words.sequence_values().collect::<mlua::Result<_>>().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_come_from() {
        for (text, host, port) in [
            ("127.0.0.1", "127.0.0.1", None),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("::1", "::1", None),
            ("[::1]", "::1", None),
            ("[::1]:80", "::1", Some(80)),
        ] {
            assert_eq!(place(text), (host.to_owned(), port), "{text}");
        }
    }
}
