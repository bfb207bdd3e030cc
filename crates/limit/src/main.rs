//! What this machine can do at best, for `cargo xtask bench` to measure real tools against.
//!
//! `send` and `recv` are the least program that carries bytes between stdio and a TCP socket with
//! sendfile and splice, blocking, one thread per direction, no options, no checks. `feed`, `sink`
//! and `udp-send` are the two ends every tool gets in the same form, so that a difference in the
//! table is a difference between tools. Nothing of the product depends on this crate.
#![expect(clippy::disallowed_methods, reason = "a yardstick stands outside the permit system")]
#![expect(clippy::print_stderr, reason = "a bench helper reports to whoever runs it")]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod carry;
#[cfg(target_os = "linux")]
mod clients;
#[cfg(target_os = "linux")]
mod datagrams;
#[cfg(target_os = "linux")]
mod dtls;
#[cfg(target_os = "linux")]
mod ends;
#[cfg(target_os = "linux")]
mod lua;
#[cfg(target_os = "linux")]
mod pattern;
#[cfg(target_os = "linux")]
mod proxy;
#[cfg(target_os = "linux")]
mod tls;

const USAGE: &str =
    "usage: limit send PORT | recv PORT | recv-live PORT | both-connect PORT | both-listen PORT
       limit feed BYTES|inf [--pattern | --chunk SIZE] | sink BYTES|inf [--pattern] [--on] | udp-send PORT
       limit tls-send PORT | tls-recv PORT CERT KEY | tls-identity CERT KEY
       limit tls-handshakes PORT COUNT | tls-resumed PORT COUNT | tls-idle PORT COUNT
       limit dtls-echo PORT SIZE SECONDS | dtls-echo-back PORT CERT KEY | echo-command SIZE
       limit flood PORT CLIENTS BYTES | connects PORT COUNT
       limit relay PORT | proxy-bulk PORT KIND BYTES [--pattern] | proxy-connects PORT KIND COUNT
       limit proxy-gets PORT COUNT | proxy-tunnels PORT KIND COUNT (KIND: direct, http, socks5)
       limit lua-pump NAME LAYERS SIZE COUNT | lua-natives SCRIPT";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("limit: {error}");
            ExitCode::from(1)
        }
    }
}

#[cfg(target_os = "linux")]
fn run(args: &[&str]) -> std::io::Result<()> {
    use proxy::Kind;
    match *args {
        ["send", port] => carry::send(number(port)?),
        ["recv", port] => carry::recv(number(port)?),
        ["recv-live", port] => carry::recv_live(number(port)?),
        ["both-connect", port] => carry::both_connect(number(port)?),
        ["both-listen", port] => carry::both_listen(number(port)?),
        ["feed", count] => ends::feed(bytes(count)?, ends::CHUNK, false),
        ["feed", count, "--pattern"] => ends::feed(bytes(count)?, ends::CHUNK, true),
        ["feed", count, "--chunk", size] => ends::feed(bytes(count)?, bytes(size)? as usize, false),
        ["sink", count] => ends::sink(bytes(count)?, false, false),
        ["sink", count, "--pattern"] => ends::sink(bytes(count)?, true, false),
        ["sink", count, "--on"] => ends::sink(bytes(count)?, false, true),
        ["sink", count, "--pattern", "--on"] => ends::sink(bytes(count)?, true, true),
        ["udp-send", port] => datagrams::serve(number(port)?),
        ["tls-send", port] => tls::send(number(port)?),
        ["tls-recv", port, certificate, key] => tls::recv(number(port)?, certificate, key),
        ["tls-handshakes", port, count] => tls::handshakes(number(port)?, bytes(count)? as u32),
        ["tls-resumed", port, count] => tls::resumed(number(port)?, bytes(count)? as u32),
        ["tls-idle", port, count] => tls::idle(number(port)?, bytes(count)?),
        ["tls-identity", certificate, key] => tls::identity(certificate, key),
        ["dtls-echo", port, size, seconds] => {
            dtls::echo(number(port)?, bytes(size)? as usize, bytes(seconds)?)
        }
        ["dtls-echo-back", port, certificate, key] => {
            dtls::echo_back(number(port)?, certificate, key)
        }
        ["flood", port, clients, count] => {
            clients::flood(number(port)?, bytes(clients)?, bytes(count)?)
        }
        ["connects", port, count] => clients::connects(number(port)?, bytes(count)?),
        ["relay", port] => proxy::relay(number(port)?),
        ["proxy-bulk", port, kind, count] => {
            proxy::bulk(number(port)?, Kind::parse(kind)?, bytes(count)?, false)
        }
        ["proxy-bulk", port, kind, count, "--pattern"] => {
            proxy::bulk(number(port)?, Kind::parse(kind)?, bytes(count)?, true)
        }
        ["proxy-connects", port, kind, count] => {
            proxy::connects(number(port)?, Kind::parse(kind)?, bytes(count)?)
        }
        ["proxy-gets", port, count] => proxy::gets(number(port)?, bytes(count)?),
        ["proxy-tunnels", port, kind, count] => {
            proxy::tunnels(number(port)?, Kind::parse(kind)?, bytes(count)?)
        }
        ["lua-pump", name, layers, size, count] => {
            lua::pump(name, bytes(layers)?, bytes(size)?, bytes(count)?)
        }
        ["lua-natives", script] => lua::natives(script),
        ["echo-command", size] => dtls::echo_command(bytes(size)? as usize),
        _ => Err(std::io::Error::other(USAGE)),
    }
}

#[cfg(not(target_os = "linux"))]
fn run(_args: &[&str]) -> std::io::Result<()> {
    Err(std::io::Error::other(format!("splice and sendfile are Linux's\n{USAGE}")))
}

#[cfg(target_os = "linux")]
fn number(text: &str) -> std::io::Result<u16> {
    text.parse().map_err(|_| std::io::Error::other(format!("not a port: {text}")))
}

/// A byte count; `inf` is as many as fit in 64 bits, which no run will reach.
#[cfg(target_os = "linux")]
fn bytes(text: &str) -> std::io::Result<u64> {
    if text == "inf" {
        return Ok(u64::MAX);
    }
    text.parse().map_err(|_| std::io::Error::other(format!("not a byte count: {text}")))
}
