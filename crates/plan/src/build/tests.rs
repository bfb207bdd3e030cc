//! Rows of spec sections 1.5, 1.7 and 1.8, and what becomes of accepted options.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::{AbsentOption, SlowReader};

mod refused;

/// Arguments with these operands, changed by `set`.
fn args(operands: &str, set: impl FnOnce(&mut RawArgs)) -> RawArgs {
    let words = operands.split_whitespace().map(|word| word.replace("''", ""));
    let mut raw = RawArgs { operands: words.collect(), ..RawArgs::default() };
    set(&mut raw);
    raw
}

/// An option that this build lacks.
fn absent(raw: &mut RawArgs, name: &'static str, value: Option<&str>) {
    let written = if name.len() == 1 { format!("-{name}") } else { format!("--{name}") };
    raw.absent.push(AbsentOption { name, written, value: value.map(str::to_owned) });
}

fn refusal(raw: &RawArgs) -> String {
    build(raw).expect_err("must be refused").to_string()
}

fn first_line(raw: &RawArgs) -> String {
    refusal(raw).lines().next().unwrap_or_default().to_owned()
}

fn plan(operands: &str, set: impl FnOnce(&mut RawArgs)) -> Plan {
    build(&args(operands, set)).expect("must be accepted")
}

#[test]
fn operands_are_checked_between_the_two_tables() {
    let raw = args("", |raw| raw.max_conns = Some(5));
    assert_eq!(first_line(&raw), "You must specify a host to connect to. QUITTING.");
    let raw = args("h 99999", |raw| raw.zero_io = true);
    assert_eq!(first_line(&raw), "Invalid port number \"99999\". QUITTING.");
    let raw = args("h 99999", |raw| {
        raw.zero_io = true;
        raw.telnet = true;
    });
    assert_eq!(first_line(&raw), "Invalid option combination: -z and -t. QUITTING.");
}

type ConnectRow<'a> = (&'a str, Result<(&'a str, u16), &'a str>);

#[test]
fn operands_are_read_as_ncat_reads_them() {
    let no_host = "You must specify a host to connect to. QUITTING.";
    let connect: &[ConnectRow<'_>] = &[
        ("h", Ok(("h", 31337))),
        ("h 80", Ok(("h", 80))),
        ("h ''", Ok(("h", 0))),
        ("h 0", Ok(("h", 0))),
        ("h +5", Ok(("h", 5))),
        ("h 0000080", Ok(("h", 80))),
        ("", Err(no_host)),
        ("''", Err(no_host)),
        ("'' 1", Err(no_host)),
        ("h 65536", Err("Invalid port number \"65536\". QUITTING.")),
        ("h 99999999999999999999", Err("Invalid port number \"99999999999999999999\". QUITTING.")),
        ("h -1", Err("Invalid port number \"-1\". QUITTING.")),
        ("h http", Err("Invalid port number \"http\". QUITTING.")),
        ("h 8x", Err("Invalid port number \"8x\". QUITTING.")),
        ("h +", Err("Invalid port number \"+\". QUITTING.")),
        ("h 1 2", Err("Got more than one port specification: 1 2. QUITTING.")),
        ("h 1 2 x", Err("Got more than one port specification: 1 2 x. QUITTING.")),
    ];
    for (words, expected) in connect {
        let raw = args(words, |_| {});
        match (build(&raw).map(|plan| plan.mode), expected) {
            (Ok(Mode::Connect(to)), Ok(want)) => assert_eq!((to.host.as_str(), to.port), *want),
            (Err(error), Err(want)) => assert_eq!(error.to_string().lines().next(), Some(*want)),
            (got, want) => panic!("{words:?}: {got:?}, not {want:?}"),
        }
    }
    assert_eq!(super::operands::number(" \t80"), Some(80));
    assert_eq!(super::operands::number("80 "), None);
}

type ListenRow<'a> = (Option<u64>, &'a str, Result<(Option<&'a str>, u16), &'a str>);

#[test]
fn listen_operands_are_read_as_ncat_reads_them() {
    let rows: &[ListenRow<'_>] = &[
        (None, "", Ok((None, 31337))),
        (None, "80", Ok((None, 80))),
        (None, "0", Ok((None, 0))),
        (None, "''", Ok((None, 0))),
        (None, "99999", Err("Invalid port number \"99999\". QUITTING.")),
        (None, "123456", Ok((Some("123456"), 31337))),
        (None, "h", Ok((Some("h"), 31337))),
        (None, "h 80", Ok((Some("h"), 80))),
        (None, "12a45", Ok((Some("12a45"), 31337))),
        (Some(80), "", Ok((None, 80))),
        (Some(0), "", Ok((None, 0))),
        (Some(80), "45002", Ok((Some("45002"), 80))),
        (Some(80), "h 81", Err("Got more than one port specification: 80 81. QUITTING.")),
        (Some(80), "''", Err("Got more than one port specification: 80 . QUITTING.")),
        (None, "1 2 3", Err("Got more than one port specification: 1 2 3. QUITTING.")),
        (None, "80 h", Err("Got more than one port specification: 80 h. QUITTING.")),
        (None, "h 4 x", Err("Got more than one port specification: 4 x. QUITTING.")),
        (None, "h x", Err("Invalid port number \"x\". QUITTING.")),
    ];
    for (port, words, expected) in rows {
        let raw = args(words, |raw| {
            raw.listen = true;
            raw.source_port = *port;
        });
        match (build(&raw).map(|plan| plan.mode), expected) {
            (Ok(Mode::Listen(on)), Ok(want)) => {
                assert_eq!((on.host.as_deref(), on.port), *want, "{port:?} {words:?}");
            }
            (Err(error), Err(want)) => assert_eq!(error.to_string().lines().next(), Some(*want)),
            (got, want) => panic!("{port:?} {words:?}: {got:?}, not {want:?}"),
        }
    }
}

#[test]
fn unix_sockets_take_one_path() {
    let unix = |words: &str, listen: bool| {
        args(words, |raw| {
            raw.family = Some(RawFamily::Unix);
            raw.listen = listen;
        })
    };
    let no_path = "You have to specify path to a socket to connect to. QUITTING.";
    assert_eq!(refusal(&unix("", false)), no_path);
    assert_eq!(refusal(&unix("''", false)), no_path);
    assert_eq!(
        refusal(&unix("", true)),
        "You have to specify path to a socket to listen on. QUITTING."
    );
    assert_eq!(
        refusal(&unix("a 5", false)),
        "Unix domain sockets take one operand, a path; got 2: a 5. QUITTING."
    );
    assert!(build(&unix(&"x".repeat(107), true)).is_ok());
    assert!(first_line(&unix(&"x".repeat(108), true)).ends_with("is too long. QUITTING."));
    let mut raw = unix("a", false);
    raw.source = Some("x".repeat(108));
    assert!(first_line(&raw).starts_with("Source socket path"));
}

#[test]
fn options_that_this_build_lacks_are_refused_last() {
    let raw = args("h", |raw| absent(raw, "lua-filter", Some("a")));
    assert_eq!(first_line(&raw), "--lua-filter is not in this build. QUITTING.");
    assert!(refusal(&raw).contains("\n  hint: "));
}

#[test]
fn eof_policies_come_from_old_flags() {
    let eof = |set: fn(&mut RawArgs)| plan("h", set).eof;
    assert_eq!(eof(|_| {}), EofPolicy::HalfClose);
    assert_eq!(eof(|raw| raw.send_only = true), EofPolicy::Quit);
    assert_eq!(eof(|raw| raw.no_shutdown = true), EofPolicy::Wait);
    assert_eq!(eof(|raw| raw.keep_open = true), EofPolicy::Ncat795);
    assert_eq!(eof(|raw| raw.eof = Some(EofPolicy::Wait)), EofPolicy::Wait);
    // What agrees is not refused.
    let both = plan("h", |raw| {
        raw.eof = Some(EofPolicy::Quit);
        raw.send_only = true;
    });
    assert_eq!(both.eof, EofPolicy::Quit);
    let quits = plan("h", |raw| {
        raw.send_only = true;
        raw.no_shutdown = true;
    });
    assert_eq!(quits.eof, EofPolicy::Quit);
    // When listening, -k is about clients and says nothing about ends.
    let listener = plan("", |raw| {
        raw.listen = true;
        raw.keep_open = true;
        raw.eof = Some(EofPolicy::Quit);
    });
    assert_eq!(listener.eof, EofPolicy::Quit);
}

#[test]
fn flow_follows_the_flags() {
    assert_eq!(plan("h", |_| {}).flow, Flow::Both);
    assert_eq!(plan("h", |raw| raw.send_only = true).flow, Flow::SendOnly);
    assert_eq!(plan("h", |raw| raw.recv_only = true).flow, Flow::RecvOnly);
}

#[test]
fn stages_stand_wire_side_first() {
    let all = plan("h", |raw| {
        raw.delay = Some(Duration::from_millis(5));
        raw.crlf = true;
        raw.hex_dump = Some("x".into());
        raw.telnet = true;
    });
    let delay = StageSpec::Delay(Duration::from_millis(5));
    assert_eq!(all.stages, [StageSpec::Telnet, StageSpec::Tap, StageSpec::Crlf, delay]);
    assert_eq!(plan("h", |_| {}).stages, []);
}

#[test]
fn logs_keep_their_kind() {
    let logs = plan("h", |raw| {
        raw.output = Some("raw".into());
        raw.hex_dump = Some("hex".into());
        raw.append_output = true;
    })
    .logs;
    let log = |path: &str, hex| LogSpec { path: PathBuf::from(path), hex, append: true };
    assert_eq!(logs, [log("raw", false), log("hex", true)]);
}

#[test]
fn limits_have_ncats_defaults() {
    let limits = plan("h", |_| {}).limits;
    assert_eq!(limits.connect_timeout, Duration::from_secs(10));
    assert_eq!(limits.idle_timeout, None);
    assert_eq!(limits.datagram_size, 8192);
    assert_eq!(plan("h", |_| {}).quit, Quit::Default);
    assert_eq!(plan("h", |raw| raw.quit = Some(None)).quit, Quit::Never);
    let Mode::Listen(listen) = plan("", |raw| raw.listen = true).mode else { panic!() };
    assert_eq!((listen.max_conns, listen.keep_open), (DEFAULT_MAX_CONNS, false));
    assert_eq!(listen.access, AccessSpec::default());
}

#[test]
fn an_empty_allow_file_list_still_allows_nobody_else() {
    let Mode::Listen(listen) = plan("", |raw| {
        raw.listen = true;
        raw.allow_files.push("f".into());
    })
    .mode
    else {
        panic!()
    };
    assert_eq!(listen.access.allow, Some(Vec::new()));
}

#[test]
fn sources_of_a_connection() {
    let source = |set: fn(&mut RawArgs)| match plan("h 1", set).mode {
        Mode::Connect(to) | Mode::Probe(to) => (to.source_host, to.source_port),
        Mode::Listen(_) => panic!(),
    };
    assert_eq!(source(|raw| raw.source_port = Some(0)), (None, None));
    assert_eq!(source(|raw| raw.source_port = Some(5)), (None, Some(5)));
    assert_eq!(source(|raw| raw.source = Some("a".into())), (Some("a".into()), None));
}

#[test]
fn the_max_conns_warning_is_true() {
    let warnings = |max, keep_open| {
        plan("", |raw| {
            raw.listen = true;
            raw.keep_open = keep_open;
            raw.max_conns = max;
        })
        .warnings
    };
    assert_eq!(
        warnings(Some(5), false),
        ["Maximum connections ignored, since it does not take effect without -k or --broker."]
    );
    assert!(warnings(Some(0), false)[0].starts_with("-m 0 is enforced"));
    assert!(warnings(Some(5), true).is_empty());
    assert!(warnings(None, false).is_empty());
}

#[test]
fn other_warnings() {
    let k = plan("h", |raw| {
        raw.keep_open = true;
        raw.no_shutdown = true;
    });
    assert_eq!(k.warnings, ["-k has no effect when connecting with --no-shutdown."]);
    let unix = |verbosity| {
        let plan = plan("path", |raw| {
            raw.family = Some(RawFamily::Unix);
            raw.source = Some("s".into());
            raw.verbosity = verbosity;
        });
        let Mode::Connect(to) = plan.mode else { panic!() };
        (to.source_host, plan.warnings.len())
    };
    assert_eq!(unix(0), (None, 0));
    assert_eq!(unix(1), (None, 1));
}

#[test]
fn json_fd_alone_means_json() {
    assert_eq!(plan("h", |_| {}).talk.json_fd, None);
    assert_eq!(plan("h", |raw| raw.json = true).talk.json_fd, Some(2));
    assert_eq!(plan("h", |raw| raw.json_fd = Some(7)).talk.json_fd, Some(7));
}

mod transports;
#[test]
fn a_broker_listens_and_keeps_open_and_a_chat_does_not_listen() {
    let listen = |set: fn(&mut RawArgs)| match plan("", set).mode {
        Mode::Listen(listen) => listen,
        other => panic!("{other:?}"),
    };
    let broker = listen(|raw| raw.broker.broker = true);
    assert!(broker.keep_open && broker.broker.is_some_and(|broker| !broker.chat));
    assert!(listen(|raw| raw.listen = true).broker.is_none());
    let chat = listen(|raw| (raw.listen, raw.broker.chat) = (true, true));
    assert!(chat.keep_open && chat.broker.is_some_and(|broker| broker.chat));
    // What -k may have, a broker may have; and it serves on after the end of its input.
    let plan = plan("", |raw| {
        raw.broker.broker = true;
        raw.slow_reader = Some(SlowReader::Drop);
        raw.max_conns = Some(3);
        raw.send_only = true;
    });
    assert_eq!((plan.eof, plan.warnings.len()), (EofPolicy::HalfClose, 0));
}
