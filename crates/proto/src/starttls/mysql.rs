//! MySQL and MariaDB: the SSLRequest packet in answer to the server's greeting
//! (their manuals, "Protocol::SSLRequest" and "Connection").

use super::refusal::Refusal;
use super::script::{LINE_MAX, Script, shown};
use super::{Family, Progress};

/// The protocol since 4.1.
const PROTOCOL_41: u32 = 0x0000_0200;
/// TLS after this packet.
const SSL: u32 = 0x0000_0800;
/// Authentication since 4.1, and by plug-ins: servers look at these together with the first.
const SECURE_CONNECTION: u32 = 0x0000_8000;
const PLUGIN_AUTH: u32 = 0x0008_0000;
/// Longest packet that may be sent to us, in bytes.
const PACKET_MAX: u32 = 1 << 24;
/// utf8mb4_general_ci, known to every server that is in use.
const CHARACTER_SET: u8 = 45;

#[derive(Default)]
pub(super) struct Mysql;

impl Family for Mysql {
    fn advance(&mut self, script: &mut Script) -> Result<Progress, Refusal> {
        // A packet: its length in three bytes, the lowest first, its number, and then itself.
        let Some(head) = script.peek(4) else { return Ok(Progress::More) };
        let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
        let number = head[3];
        if length > LINE_MAX {
            return Err(script.strange("a greeting of protocol 10"));
        }
        let Some(packet) = script.bytes(4 + length) else { return Ok(Progress::More) };
        let packet = &packet[4..];
        match packet.first() {
            Some(0x0a) => {
                let version = offers(packet)?;
                script.heard(format!("greeting of {}", shown(&version)));
            }
            Some(0xff) => {
                let message = packet.get(3..).unwrap_or_default();
                script.heard(format!("error: {}", shown(message)));
                return Err(Refusal::refused("the connection", message));
            }
            _ => return Err(Refusal::strange("a greeting of protocol 10", packet)),
        }
        script.send(&request(number.wrapping_add(1)), "SSLRequest");
        Ok(Progress::Ready)
    }
}

/// The server's version, if it can do TLS.
fn offers(greeting: &[u8]) -> Result<Vec<u8>, Refusal> {
    let strange = || Refusal::strange("a greeting of protocol 10", greeting);
    let end = memchr::memchr(0, &greeting[1..]).ok_or_else(strange)?;
    let version = greeting[1..=end].to_vec();
    // After the version: connection 4, salt 8, a zero; then the lower half of what it can.
    let at = end + 2 + 4 + 8 + 1;
    let lower = greeting.get(at..at + 2).ok_or_else(strange)?;
    let flags = u32::from(lower[0]) | u32::from(lower[1]) << 8;
    if flags & SSL == 0 {
        let answer = vec![format!("{}: without SSL", shown(&version))];
        return Err(Refusal::NotOffered { answer });
    }
    Ok(version)
}

/// The packet that says that TLS begins; nothing answers it.
fn request(number: u8) -> Vec<u8> {
    const LENGTH: u8 = 32;
    let flags = PROTOCOL_41 | SSL | SECURE_CONNECTION | PLUGIN_AUTH;
    let mut packet = vec![LENGTH, 0, 0, number];
    packet.extend(flags.to_le_bytes());
    packet.extend(PACKET_MAX.to_le_bytes());
    packet.push(CHARACTER_SET);
    packet.extend([0; 23]);
    packet
}
