//! What is written besides the data.

use super::super::item::{Group, Item, Update};
use super::super::values;

/// The options of this theme.
pub(super) static ITEMS: &[Item] = &[
    Item::with_value("file", |raw, given| {
        raw.output = Some(given.path());
        Ok(())
    })
    .short('o')
    .long("output")
    .doc(Group::Output, "Dump session data to a file")
    .better(
        "opened only when the command line is accepted",
        "both_directions_in_order_in_both_roles_and_both_forms_at_once",
    ),
    Item::with_value("file", |raw, given| {
        raw.hex_dump = Some(given.path());
        Ok(())
    })
    .short('x')
    .long("hex-dump")
    .doc(Group::Output, "Dump session data as hex to a file")
    .better("opened only when the command line is accepted", "as_debians_ncat_writes_them"),
    Item::flag(|raw| raw.append_output = true)
        .long("append-output")
        .doc(Group::Output, "Append rather than clobber specified output files")
        .same("append_adds_and_its_absence_replaces"),
    Item::flag(|raw| raw.verbosity = raw.verbosity.saturating_add(1))
        .short('v')
        .long("verbose")
        .doc(Group::Output, "Set verbosity level (can be used several times)")
        .same("row_44_every_end_has_its_summary"),
    Item::flag(|raw| raw.progress = true)
        .long("progress")
        .doc(Group::Output, "Show bytes, rate and time left on a terminal")
        .ours("progress_is_drawn_on_a_terminal_with_the_size_of_a_file"),
    Item::flag(|raw| raw.json = true)
        .long("json")
        .doc(Group::Output, "Write events as JSON lines on standard error")
        .ours("events_of_a_client"),
    Item::with_value("fd", |raw, given| {
        raw.json_fd = Some(values::number(given, 1, "1 to 4294967295")?);
        Ok(())
    })
    .long("json-fd")
    .doc(Group::Output, "Write events to this descriptor; implies --json")
    .ours("events_go_where_they_are_sent"),
    Item::flag(|raw| raw.explain = true)
        .long("explain")
        .doc(Group::Output, "Print what would be done, and stop")
        .more("Checks the command line and touches nothing: no name is looked up, no file opened.")
        .ours("explain_says_what_would_be_done_and_does_nothing"),
    Item::with_value("engine", |_, given| values::engine(given))
        .long("nsock-engine")
        .words(values::ENGINES)
        .doc(Group::Output, "Accepted and without effect")
        .hidden()
        .differs(
            "the names Ncat knows are accepted; there is one engine, which needs no choosing",
            "engines_are_known_names",
        ),
    Item::flag(|raw| raw.test_marks = true)
        .long("test")
        .doc(Group::Output, "Say NCAT TEST: LISTEN when listening")
        .hidden()
        .same("test_marks_say_when_it_listens"),
    Item::new(None, Update::Help)
        .short('h')
        .long("help")
        .doc(Group::Help, "Display this help screen")
        .same("help_and_version_act_when_reached"),
    Item::new(None, Update::Version)
        .long("version")
        .doc(Group::Help, "Display Ncat's version information and exit")
        .better("on standard output, where --help is too", "help_and_version_act_when_reached"),
];
