//! Where to connect, where to listen, and for whom.

use plan::{RawFamily, RawTransport};

use super::super::item::{Group, Item};
use super::super::values;

/// The options of this theme.
pub(super) const ITEMS: &[Item] = &[
    Item::flag(|raw| raw.family = Some(RawFamily::V4))
        .short('4')
        .long("4")
        .doc(Group::Addresses, "Use IPv4 only")
        .more("The last of -4, -6, -U and --vsock counts.")
        .same("the_last_family_counts"),
    Item::flag(|raw| raw.family = Some(RawFamily::V6))
        .short('6')
        .long("6")
        .doc(Group::Addresses, "Use IPv6 only")
        .same("the_last_family_counts"),
    Item::flag(|raw| raw.family = Some(RawFamily::Unix))
        .short('U')
        .long("unixsock")
        .doc(Group::Addresses, "Use Unix domain sockets only")
        .more("The one operand is a path of at most 107 bytes. With -u, datagrams.")
        .unix_only()
        .better(
            "a path that is too long is refused, not cut; a socket file that ncat made is removed",
            "unix_sockets_take_one_path",
        ),
    Item::flag(|raw| raw.transport = Some(RawTransport::Udp))
        .short('u')
        .long("udp")
        .doc(Group::Addresses, "Use UDP instead of default TCP")
        .better("datagrams of up to 65507 bytes are kept whole", "udp_and_sctp_overwrite_each_other"),
    Item::flag(|raw| raw.nodns = true)
        .short('n')
        .long("nodns")
        .doc(Group::Addresses, "Do not resolve hostnames via DNS")
        .same("every_flag_sets_its_field"),
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
        "source_ports_are_read_as_ncat_reads_them",
    ),
    Item::with_value("addr", |raw, given| {
        raw.source = Some(given.text()?.to_owned());
        Ok(())
    })
    .short('s')
    .long("source")
    .doc(Group::Addresses, "Specify source address to use (not with -l)")
    .same("every_value_sets_its_field"),
    Item::flag(|raw| raw.zero_io = true)
        .short('z')
        .doc(Group::Addresses, "Zero-I/O mode, report connection status only")
        .better("for UDP it tells open, closed and no answer apart", "every_flag_sets_its_field"),
    Item::flag(|raw| raw.listen = true)
        .short('l')
        .long("listen")
        .doc(Group::Listening, "Bind and listen for incoming connections")
        .more(
            "Operands: none for every address and port 31337; a port; a host; or a host and a port.",
        )
        .same("listen_operands_are_read_as_ncat_reads_them"),
    Item::flag(|raw| raw.keep_open = true)
        .short('k')
        .long("keep-open")
        .doc(Group::Listening, "Accept multiple connections in listen mode")
        .more(
            "When connecting: go on sending after the peer has ended, until the end of input. TCP and \
             Unix stream sockets only.",
        )
        .better("UDP peers expire, and are told apart", "every_flag_sets_its_field"),
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
        "the_max_conns_warning_is_true",
    ),
    Item::with_value("hosts", |raw, given| values::hosts(&mut raw.allow, given))
        .long("allow")
        .doc(Group::Listening, "Allow only given hosts to connect to Ncat")
        .more("A list with commas: addresses, networks, octet ranges, names. Repeats accumulate.")
        .better(
            "octet lists keep their commas, numbers that may mean several things are refused, IPv6 networks \
             cover what they say",
            "what_is_unclear_is_refused_with_a_hint",
        ),
    Item::with_value("file", |raw, given| {
        raw.allow_files.push(given.path());
        Ok(())
    })
    .long("allowfile")
    .doc(Group::Listening, "A file of hosts allowed to connect to Ncat")
    .better("comments from # to the end of the line; several files", "files"),
    Item::with_value("hosts", |raw, given| values::hosts(&mut raw.deny, given))
        .long("deny")
        .doc(Group::Listening, "Deny given hosts from connecting to Ncat")
        .more("Wins over --allow.")
        .better(
            "refused when connecting, as --allow is, where Ncat forgets it",
            "every_refused_combination_says_its_line",
        ),
    Item::with_value("file", |raw, given| {
        raw.deny_files.push(given.path());
        Ok(())
    })
    .long("denyfile")
    .doc(Group::Listening, "A file of hosts denied from connecting to Ncat")
    .better(
        "refused when connecting, as --allowfile is, where Ncat forgets it; comments",
        "every_refused_combination_says_its_line",
    ),
    Item::with_value("what", |raw, given| {
        raw.slow_reader = Some(values::slow_reader(given)?);
        Ok(())
    })
    .long("slow-reader")
    .words(values::SLOW_READER_WORDS)
    .doc(Group::Listening, "What to do with a client that takes nothing")
    .more(
        "With -l -k. wait: every client gets every byte, at the pace of the slowest. drop: skip what \
         does not fit its queue of 1 MiB. disconnect[,TIME], the default: disconnect it once it has \
         taken nothing for this time (5s) while bytes wait.",
    )
    .ours("every_value_sets_its_field"),
];
