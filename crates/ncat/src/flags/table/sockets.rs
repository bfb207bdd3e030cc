//! Where to connect, where to listen, and for whom.

use plan::{RawFamily, RawTransport};

use super::super::item::{Group, Item};
use super::super::values;

/// The options of this theme.
pub(super) static ITEMS: &[Item] = &[
    Item::flag(|raw| raw.family = Some(RawFamily::V4))
        .short('4')
        .long("4")
        .doc(Group::Addresses, "Use IPv4 only")
        .more("The last of -4, -6, -U and --vsock counts.")
        .same("four_or_six_choose_the_address_of_a_name"),
    Item::flag(|raw| raw.family = Some(RawFamily::V6))
        .short('6')
        .long("6")
        .doc(Group::Addresses, "Use IPv6 only")
        .same("four_or_six_choose_the_address_of_a_name"),
    Item::flag(|raw| raw.family = Some(RawFamily::Unix))
        .short('U')
        .long("unixsock")
        .doc(Group::Addresses, "Use Unix domain sockets only")
        .more("The one operand is a path of at most 107 bytes. With -u, datagrams.")
        .unix_only()
        .better(
            "a path that is too long is refused, not cut; a socket file that ncat made is removed",
            "our_path_is_removed_at_every_end",
        ),
    Item::flag(|raw| raw.transport = Some(RawTransport::Udp))
        .short('u')
        .long("udp")
        .doc(Group::Addresses, "Use UDP instead of default TCP")
        .better("datagrams of up to 65507 bytes are kept whole", "the_longest_datagram_passes_through_the_client_both_ways"),
    Item::flag(|raw| raw.nodns = true)
        .short('n')
        .long("nodns")
        .doc(Group::Addresses, "Do not resolve hostnames via DNS")
        .same("numeric_only_never_looks_a_name_up"),
    Item::with_value("port", |raw, given| {
        raw.source_port = Some(values::source_port(given)?);
        Ok(())
    })
    .short('p')
    .long("source-port")
    .doc(Group::Addresses, "Specify source port to use")
    .more("When listening, the port to listen on: -l -p N is -l N.")
    .better(
        "4294967297 and the like are out of range, not port 1",
        "a_source_port_follows_the_family_that_answers",
    ),
    Item::with_value("addr", |raw, given| {
        raw.source = Some(given.text()?.to_owned());
        Ok(())
    })
    .short('s')
    .long("source")
    .doc(Group::Addresses, "Specify source address to use (not with -l)")
    .same("the_source_address_is_seen_by_the_server"),
    Item::flag(|raw| raw.zero_io = true)
        .short('z')
        .doc(Group::Addresses, "Zero-I/O mode, report connection status only")
        .better("for UDP it tells open, closed and no answer apart", "udp_silence_is_two_seconds_by_default"),
    Item::flag(|raw| raw.listen = true)
        .short('l')
        .long("listen")
        .doc(Group::Listening, "Bind and listen for incoming connections")
        .more(
            "Operands: none for every address and port 31337; a port; a host; or a host and a port.",
        )
        .same("host_and_port_in_every_arrangement"),
    Item::flag(|raw| raw.keep_open = true)
        .short('k')
        .long("keep-open")
        .doc(Group::Listening, "Accept multiple connections in listen mode")
        .more(
            "When connecting: go on sending after the peer has ended, until the end of input. TCP and \
             Unix stream sockets only.",
        )
        .better("UDP peers expire, and are told apart", "one_client_after_another_and_all_at_once"),
    Item::with_value("n", |raw, given| {
        raw.max_conns = Some(values::number(given, 0, "0 to 4294967295")?);
        Ok(())
    })
    .short('m')
    .long("max-conns")
    .doc(Group::Listening, "Maximum <n> simultaneous connections")
    .more("Default 100, on Windows 60. Without -k only 0 makes a difference: nobody is served.")
    .better(
        "words and negative numbers are refused, where Ncat takes abc for 0 and crashes at -5; the \
         warning without -k is true",
        "the_limit_fills_rejects_frees_and_accepts",
    ),
    Item::with_value("hosts", |raw, given| values::hosts(&mut raw.allow, given))
        .long("allow")
        .doc(Group::Listening, "Allow only given hosts to connect to Ncat")
        .more("A list with commas: addresses, networks, octet ranges, names. Repeats accumulate.")
        .better(
            "octet lists keep their commas, numbers that may mean several things are refused, IPv6 networks \
             cover what they say",
            "one_address_a_range_a_prefix",
        ),
    Item::with_value("file", |raw, given| {
        raw.allow_files.push(given.path());
        Ok(())
    })
    .long("allowfile")
    .doc(Group::Listening, "A file of hosts allowed to connect to Ncat")
    .better("comments from # to the end of the line; several files", "files_may_have_comments_and_octet_lists"),
    Item::with_value("hosts", |raw, given| values::hosts(&mut raw.deny, given))
        .long("deny")
        .doc(Group::Listening, "Deny given hosts from connecting to Ncat")
        .more("Wins over --allow.")
        .better(
            "refused when connecting, as --allow is, where Ncat forgets it",
            "options_add_up_and_deny_wins",
        ),
    Item::with_value("file", |raw, given| {
        raw.deny_files.push(given.path());
        Ok(())
    })
    .long("denyfile")
    .doc(Group::Listening, "A file of hosts denied from connecting to Ncat")
    .better(
        "refused when connecting, as --allowfile is, where Ncat forgets it; comments",
        "files_may_have_comments_and_octet_lists",
    ),
    Item::with_value("what", |raw, given| {
        raw.slow_reader = Some(values::slow_reader(given)?);
        Ok(())
    })
    .long("slow-reader")
    .words(values::SLOW_READER_WORDS)
    .doc(Group::Listening, "What to do with a client that takes nothing")
    .more(
        "With -l -k or --broker. wait: every client gets every byte, at the pace of the slowest. drop: skip what \
         does not fit its queue of 1 MiB. disconnect[,TIME], the default: disconnect it once it has \
         taken nothing for this time (5s) while bytes wait.",
    )
    .ours("a_stalled_client_is_cut_and_the_other_gets_every_byte"),
];
