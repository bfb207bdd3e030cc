//! What happens to the bytes, and when it is over.

use super::super::item::{Group, Item};
use super::super::values;

/// The options of this theme.
pub(super) const ITEMS: &[Item] = &[
    Item::flag(|raw| raw.crlf = true)
        .short('C')
        .long("crlf")
        .doc(Group::Data, "Use CRLF for EOL sequence")
        .more("LF becomes CRLF in what is sent; what is received is not changed.")
        .same("any_split_is_the_model"),
    Item::flag(|raw| raw.telnet = true)
        .short('t')
        .long("telnet")
        .doc(Group::Data, "Answer Telnet negotiations")
        .more("Refuses every option and takes telnet commands out of what is received.")
        .better(
            "commands are understood when split between reads, and inside TLS",
            "any_split_gives_the_same",
        ),
    Item::flag(|raw| raw.send_only = true)
        .long("send-only")
        .doc(Group::Data, "Only send data, ignoring received; quit on EOF")
        .better(
            "waits until the peer has taken everything; refused with --recv-only",
            "eof_policies_come_from_old_flags",
        ),
    Item::flag(|raw| raw.recv_only = true)
        .long("recv-only")
        .doc(Group::Data, "Only receive data, never send anything")
        .better(
            "a listener on one address waits for its client; refused with --send-only",
            "flow_follows_the_flags",
        ),
    Item::flag(|raw| raw.no_shutdown = true)
        .long("no-shutdown")
        .doc(Group::Data, "Continue half-duplex when receiving EOF on stdin")
        .same("eof_policies_come_from_old_flags"),
    Item::with_value("policy", |raw, given| {
        raw.eof = Some(values::eof(given)?);
        Ok(())
    })
    .long("eof")
    .words(values::EOF_WORDS)
    .doc(Group::Data, "What the end of one direction means")
    .more(
        "half-close, the default: at the end of input tell the peer and go on receiving; when the peer \
         ends, send what is ready and quit. quit: at the end of input tell the peer, see that all \
         arrived, and quit (as --send-only). wait: at the end of input tell the peer nothing (as \
         --no-shutdown). ncat-7.95: as half-close, but go on sending after the peer has ended (as Ncat \
         up to 7.95, and -k when connecting).",
    )
    .ours("every_value_sets_its_field"),
    Item::with_value("bytes", |raw, given| {
        raw.datagram_size = Some(values::datagram_size(given)?);
        Ok(())
    })
    .long("datagram-size")
    .doc(Group::Data, "Bytes of input that make one datagram")
    .more("With -u; 1 to 65507, default 8192. Datagrams received are always kept whole.")
    .ours("datagram_sizes_have_a_range"),
    Item::with_value("time", |raw, given| {
        raw.wait = Some(values::time("-w timeout", given)?);
        Ok(())
    })
    .short('w')
    .long("wait")
    .doc(Group::Time, "Connect timeout")
    .more("Default 10s.")
    .better(
        "one deadline over name look-up and all addresses, not a timeout for each",
        "time_values_reach_their_fields",
    ),
    Item::with_value("time", |raw, given| {
        raw.idle = Some(values::time("-i timeout", given)?);
        Ok(())
    })
    .short('i')
    .long("idle-timeout")
    .doc(Group::Time, "Idle read/write timeout")
    .better(
        "of each connection, where Ncat's listener has one for all; exit code 1 in every mode",
        "time_values_reach_their_fields",
    ),
    Item::with_value("time", |raw, given| {
        raw.quit = Some(values::quit_time(given)?);
        Ok(())
    })
    .short('q')
    .doc(Group::Time, "After EOF on stdin, quit after this time")
    .more("A time with - before it means never: -q -1.")
    .better("its end is no error: exit code 0, and no talk of idle timeouts", "quit_times_may_be_never"),
    Item::with_value("time", |raw, given| {
        raw.delay = Some(values::time("-d delay", given)?);
        Ok(())
    })
    .short('d')
    .long("delay")
    .doc(Group::Time, "Wait between read/writes")
    .same("time_values_reach_their_fields"),
];
