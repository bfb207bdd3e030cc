//! Clients that speak to each other.

use super::super::item::{Group, Item};
use super::super::values;

/// The options of this theme.
pub(super) static ITEMS: &[Item] = &[
    Item::flag(|raw| raw.broker.broker = true)
        .long("broker")
        .doc(Group::Listening, "Enable Ncat's connection brokering mode")
        .more(
            "What a client sends goes to all other clients, and standard input to all; nothing is \
             written to standard output. Implies -l and -k.",
        )
        .better(
            "a slow client does not stop the others, and one that has ended its direction still \
             receives",
            "a_client_that_has_ended_still_hears",
        ),
    Item::flag(|raw| raw.broker.chat = true)
        .long("chat")
        .doc(Group::Listening, "Start a simple Ncat chat server")
        .more(
            "With -l: a broker that marks every line with who says it, announces who comes and goes, and \
             shows control characters as escapes.",
        )
        .better(
            "a prefix for each line, not for each read; users are counted from 1, not numbered by \
             descriptors; UTF-8 passes",
            "lines_are_whole_whatever_the_packets",
        ),
    Item::flag(|raw| raw.broker.chat = true)
        .long("talk")
        .alias_of("chat")
        .doc(Group::Listening, "Another name for --chat")
        .same("talk_is_another_name_for_chat"),
    Item::flag(|raw| raw.broker.passes_end = true)
        .long("broker-eof")
        .doc(Group::Listening, "Tell receivers when the sender is done")
        .more(
            "With --broker. When the only client that has sent something ends, or one of two, the others \
             see the end of the stream, so that a file sent through the broker ends by itself.",
        )
        .ours("a_file_goes_through_and_everybody_ends"),
    Item::with_value("size", |raw, given| {
        raw.broker.history_bytes = Some(values::size(given)?);
        Ok(())
    })
    .long("history")
    .doc(Group::Listening, "Give late clients the last SIZE bytes said")
    .more("With --broker. Bytes, or with K or M behind it; default 0. A chat keeps whole lines, -u whole datagrams.")
    .ours("who_comes_late_is_told_the_last_of_it"),
    Item::with_value("what", |raw, given| {
        raw.broker.as_ncat = values::compat(given)?;
        Ok(())
    })
    .long("compat")
    .words(values::COMPAT_WORDS)
    .doc(Group::Listening, "ncat: a chat's bytes exactly as Ncat's")
    .more("With --broker or --chat: users numbered by descriptors, a prefix for each read, no UTF-8; a client that ends its direction is disconnected.")
    .ours("a_chat_as_debians_ncat_to_the_byte"),
];
