//! What happens to the bytes, and when it is over.

use super::super::item::{Group, Item};
use super::super::values;

/// The options of this theme.
pub(super) static ITEMS: &[Item] = &[
    Item::flag(|raw| raw.crlf = true)
        .short('C')
        .long("crlf")
        .doc(Group::Data, "Use CRLF for EOL sequence")
        .more("LF becomes CRLF in what is sent; what is received is not changed.")
        .same("line_feeds_become_crlf_wherever_the_input_is_split"),
    Item::flag(|raw| raw.telnet = true)
        .short('t')
        .long("telnet")
        .doc(Group::Data, "Answer Telnet negotiations")
        .more("Refuses every option and takes telnet commands out of what is received.")
        .better(
            "commands are understood when split between reads, and replies take the way of all other bytes",
            "telnet_commands_are_answered_and_taken_out_however_they_are_split",
        ),
    Item::flag(|raw| raw.send_only = true)
        .long("send-only")
        .doc(Group::Data, "Only send data, ignoring received; quit on EOF")
        .better(
            "waits until the peer has taken everything; refused with --recv-only",
            "row_06_send_only_does_not_cut_its_own_tail",
        ),
    Item::flag(|raw| raw.recv_only = true)
        .long("recv-only")
        .doc(Group::Data, "Only receive data, never send anything")
        .better(
            "a listener on one address waits for its client; refused with --send-only",
            "row_01_recv_only_listener_with_one_socket_waits",
        ),
    Item::flag(|raw| raw.no_shutdown = true)
        .long("no-shutdown")
        .doc(Group::Data, "Continue half-duplex when receiving EOF on stdin")
        .same("no_shutdown_is_wait"),
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
    .ours("eof_ncat_7_95"),
    Item::with_value("bytes", |raw, given| {
        raw.datagram_size = Some(values::datagram_size(given)?);
        Ok(())
    })
    .long("datagram-size")
    .doc(Group::Data, "Bytes of input that make one datagram")
    .more("With -u; 1 to 65507, with --ssl 16384; default 8192. Datagrams received are always kept whole.")
    .ours("a_file_is_cut_into_datagrams_of_the_size_asked_for"),
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
        "the_deadline_is_one_for_all_addresses",
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
        "row_13_idle_is_per_client_and_exits_with_1",
    ),
    Item::with_value("time", |raw, given| {
        raw.quit = Some(values::quit_time(given)?);
        Ok(())
    })
    .short('q')
    .doc(Group::Time, "After EOF on stdin, quit after this time")
    .more("A time with - before it means never: -q -1.")
    .better("its end is no error: exit code 0, and no talk of idle timeouts", "row_14_quit_after_eof_is_no_idle_timeout_and_no_failure"),
    Item::with_value("time", |raw, given| {
        raw.delay = Some(values::time("-d delay", given)?);
        Ok(())
    })
    .short('d')
    .long("delay")
    .doc(Group::Time, "Wait between read/writes")
    .same("each_direction_waits_for_the_delay"),
];
