//! `-t`: telnet commands taken out of what is received, options refused, data bytes 255 doubled.
//!
//! We are the plainest network virtual terminal there is: no option is ever on. So `WILL` is answered
//! with `DONT` and `DO` with `WONT`, and `DONT` and `WONT` with nothing, because they ask for the
//! state we are in; answering them is how two ends refuse each other for ever (RFC 1143).
//! Line ends are not touched, as in Ncat: CR NUL stays CR NUL.
//!
//! Sources: RFC 854 (commands), RFC 855 (subnegotiation), RFC 1143 (loops).

use bytes::BytesMut;
use memchr::{memchr, memchr_iter};

/// Interpret as command.
pub const IAC: u8 = 255;
/// Asks the other end to stop using an option, or refuses its wish to use it.
pub const DONT: u8 = 254;
/// Asks the other end to use an option.
pub const DO: u8 = 253;
/// Refuses to use an option, or stops using it.
pub const WONT: u8 = 252;
/// Offers to use an option.
pub const WILL: u8 = 251;
/// Begins a subnegotiation.
pub const SB: u8 = 250;
/// Ends a subnegotiation, after IAC.
pub const SE: u8 = 240;

/// Where in the received stream we are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum At {
    #[default]
    Data,
    /// After IAC.
    Command,
    /// After IAC and a negotiation verb; the option follows.
    Verb(u8),
    /// Inside a subnegotiation, whose bytes are dropped.
    Sub,
    /// After IAC inside a subnegotiation.
    SubCommand,
}

/// The receiving half of one connection's telnet.
///
/// ```
/// use bytes::BytesMut;
/// use proto::telnet::{DO, IAC, Telnet, WONT};
///
/// let mut telnet = Telnet::default();
/// let (mut data, mut reply) = (BytesMut::new(), BytesMut::new());
/// telnet.recv(&[b'h', b'i', IAC, DO], &mut data, &mut reply);
/// telnet.recv(&[24, b'!'], &mut data, &mut reply); // the option, cut off its command
/// assert_eq!(&data[..], b"hi!");
/// assert_eq!(&reply[..], [IAC, WONT, 24]);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Telnet {
    at: At,
}

impl Telnet {
    /// Takes the next bytes from the wire: appends what is data to `data`, and to `reply` what must be
    /// sent back to the peer, ready for the wire (it must not go through [`Telnet::send`]).
    ///
    /// Neither grows by more than `input.len()` plus two bytes. A subnegotiation is dropped however long
    /// it is. One that another negotiation interrupts has lost its end and ends there, as BSD telnet
    /// has it, so that a peer that forgets `SE` does not silence the rest of the session.
    pub fn recv(&mut self, input: &[u8], data: &mut BytesMut, reply: &mut BytesMut) {
        let mut rest = input;
        while let Some(&byte) = rest.first() {
            self.at = match self.at {
                At::Data | At::Sub => {
                    let plain = memchr(IAC, rest).unwrap_or(rest.len());
                    if self.at == At::Data {
                        data.extend_from_slice(&rest[..plain]);
                    }
                    let Some(after) = rest.get(plain + 1..) else { return };
                    rest = after;
                    if self.at == At::Data { At::Command } else { At::SubCommand }
                }
                other => {
                    rest = &rest[1..];
                    other.step(byte, data, reply)
                }
            };
        }
    }

    /// Says whether the stream may end here, and starts over.
    ///
    /// `false` means that the peer's last bytes were the beginning of a command or an unfinished
    /// subnegotiation; they held no data that could be delivered.
    pub fn finish(&mut self) -> bool {
        std::mem::take(self).at == At::Data
    }

    /// Appends `input` to `out` with every byte 255 doubled, so that no data reads as a command.
    ///
    /// Keeps no state: it works for any split.
    ///
    /// ```
    /// let mut out = bytes::BytesMut::new();
    /// proto::telnet::Telnet::send(&[1, 255, 2], &mut out);
    /// assert_eq!(&out[..], [1, 255, 255, 2]);
    /// ```
    pub fn send(input: &[u8], out: &mut BytesMut) {
        out.reserve(input.len());
        let mut copied = 0;
        for at in memchr_iter(IAC, input) {
            // Up to and with this byte; the next copy begins with it once more.
            out.extend_from_slice(&input[copied..=at]);
            copied = at;
        }
        out.extend_from_slice(&input[copied..]);
    }
}

impl At {
    /// One byte of a command.
    fn step(self, byte: u8, data: &mut BytesMut, reply: &mut BytesMut) -> Self {
        match (self, byte) {
            (Self::Command, IAC) => data.extend_from_slice(&[IAC]),
            (Self::Command | Self::SubCommand, SB) => return Self::Sub,
            (Self::Command | Self::SubCommand, WILL..=DONT) => return Self::Verb(byte),
            // The end of a subnegotiation; or a command of two bytes, which none of us needs.
            (Self::Command, _) | (Self::SubCommand, SE) => {}
            // A doubled IAC, a two-byte command, or an IAC somebody forgot to double: all are dropped.
            (Self::SubCommand | Self::Sub, _) => return Self::Sub,
            (Self::Verb(WILL), option) => reply.extend_from_slice(&[IAC, DONT, option]),
            (Self::Verb(DO), option) => reply.extend_from_slice(&[IAC, WONT, option]),
            (Self::Verb(_) | Self::Data, _) => {}
        }
        Self::Data
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::split::{cuts, pieces, spiked};

    const NOP: u8 = 241;
    const SPECIAL: &[u8] = &[IAC, DONT, DO, WONT, WILL, SB, SE, NOP, 24, b'a'];

    fn recv(pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>, bool) {
        let mut telnet = Telnet::default();
        let (mut data, mut reply) = (BytesMut::new(), BytesMut::new());
        for piece in pieces {
            telnet.recv(piece, &mut data, &mut reply);
        }
        (data.to_vec(), reply.to_vec(), telnet.finish())
    }

    #[track_caller]
    fn check(input: &[u8], data: &[u8], reply: &[u8]) {
        assert_eq!(recv(&[input]), (data.to_vec(), reply.to_vec(), true), "{input:?}");
    }

    #[test]
    fn data_passes() {
        check(b"", b"", b"");
        check(b"login: \r\n\0", b"login: \r\n\0", b"");
        check(&[b'a', IAC, IAC, b'b'], &[b'a', IAC, b'b'], b"");
    }

    #[test]
    fn wishes_are_refused() {
        check(&[b'a', IAC, WILL, 1, b'b', IAC, DO, 24], b"ab", &[IAC, DONT, 1, IAC, WONT, 24]);
        check(&[IAC, DO, IAC], b"", &[IAC, WONT, IAC]);
    }

    #[test]
    fn refusals_are_not_answered() {
        check(&[IAC, WONT, 1, b'x', IAC, DONT, 24, b'y'], b"xy", b"");
    }

    #[test]
    fn commands_go() {
        check(&[b'a', IAC, NOP, b'b', IAC, 0, IAC, SE, b'c'], b"abc", b"");
    }

    #[test]
    fn subnegotiations_go() {
        check(&[b'a', IAC, SB, 24, 1, IAC, IAC, 2, SE, IAC, SE, b'b'], b"ab", b"");
        check(&[IAC, SB, 31, 0, IAC, 0, 24, IAC, NOP, 9, IAC, SE, b'b'], b"b", b"");
    }

    #[test]
    fn a_negotiation_ends_a_subnegotiation() {
        check(&[IAC, SB, 24, 1, IAC, DO, 3, b'a'], b"a", &[IAC, WONT, 3]);
        check(&[IAC, SB, 24, 1, IAC, SB, 3, IAC, SE, b'a'], b"a", b"");
    }

    #[test]
    fn an_unfinished_end_is_told() {
        for input in [&[IAC][..], &[IAC, DO], &[IAC, SB], &[IAC, SB, 1, IAC]] {
            assert_eq!(recv(&[input]), (vec![], vec![], false), "{input:?}");
        }
        assert!(recv(&[&[IAC, WONT, 1]]).2);
    }

    #[test]
    fn a_long_subnegotiation_keeps_nothing() {
        let mut telnet = Telnet::default();
        let (mut data, mut reply) = (BytesMut::new(), BytesMut::new());
        telnet.recv(&[IAC, SB, 24], &mut data, &mut reply);
        for _ in 0..1000 {
            telnet.recv(&[7; 4096], &mut data, &mut reply);
        }
        assert_eq!((data.capacity(), reply.capacity()), (0, 0));
    }

    #[test]
    fn two_of_us_do_not_loop() {
        let (_, reply, _) = recv(&[&[IAC, WILL, 1, IAC, DO, 3]]);
        let (data, again, _) = recv(&[&reply]);
        assert_eq!((data, again), (vec![], vec![]));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(input in spiked(SPECIAL), cuts in cuts()) {
            prop_assert_eq!(recv(&pieces(&input, &cuts)), recv(&[&input]));
        }

        #[test]
        fn output_is_bounded(input in spiked(SPECIAL)) {
            let (data, reply, _) = recv(&[&input]);
            prop_assert!(data.len() + reply.len() <= input.len());
        }

        #[test]
        fn what_is_sent_is_received(input in spiked(SPECIAL), cuts in cuts()) {
            let mut wire = BytesMut::new();
            for piece in pieces(&input, &cuts) {
                Telnet::send(piece, &mut wire);
            }
            prop_assert_eq!(recv(&[&wire]), (input, vec![], true));
        }
    }
}
