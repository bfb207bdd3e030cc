//! What the values of options may be.

use std::time::Duration;

use plan::{EofPolicy, SlowReader};

use super::*;

#[test]
fn every_value_sets_its_field() {
    assert_eq!(raw("-s host").source.as_deref(), Some("host"));
    assert_eq!(raw("--source=host").source.as_deref(), Some("host"));
    // The last one counts.
    assert_eq!(raw("-o a --output b").output, Some("b".into()));
    assert_eq!(raw("-x a --hex-dump b").hex_dump, Some("b".into()));
    for policy in [EofPolicy::HalfClose, EofPolicy::Quit, EofPolicy::Wait, EofPolicy::Ncat795] {
        assert_eq!(raw(&format!("--eof={}", policy.name())).eof, Some(policy));
    }
    for (word, what) in [
        ("wait", SlowReader::Wait),
        ("drop", SlowReader::Drop),
        ("disconnect", SlowReader::Disconnect(Duration::from_secs(5))),
        ("disconnect,500ms", SlowReader::Disconnect(Duration::from_millis(500))),
    ] {
        assert_eq!(raw(&format!("--slow-reader {word}")).slow_reader, Some(what));
    }
    assert_eq!(first_line("--eof=never"), "Ncat: Invalid --eof value \"never\". QUITTING.");
    assert_eq!(first_line("--slow-reader=x"), "Ncat: Invalid --slow-reader value \"x\". QUITTING.");
    assert!(
        first_line("--slow-reader=disconnect,0")
            .starts_with("Ncat: Invalid --slow-reader time \"0\"")
    );
    assert!(error("--eof=x").ends_with("\n  hint: one of half-close, quit, wait, ncat-7.95\n"));
}

#[test]
fn values_of_a_broker() {
    for (word, bytes) in [("0", 0), ("100", 100), ("2K", 2048), ("3m", 3 * 1024 * 1024)] {
        assert_eq!(raw(&format!("--history={word}")).broker.history_bytes, Some(bytes));
    }
    for word in ["", "K", "-1", "1G", "1KK", "1025M", "99999999999999999999", " 1"] {
        let argv = ["ncat", "--history", word].map(OsString::from);
        let error = parse(argv.into_iter(), false).expect_err(word).to_string();
        assert!(error.starts_with("Ncat: "), "{error}");
    }
    assert!(raw("--compat=ncat").broker.as_ncat);
    assert!(error("--compat=nc").ends_with("\n  hint: ncat\n"));
    assert!(raw("--broker-eof").broker.passes_end);
}

#[test]
fn time_values_reach_their_fields() {
    assert_eq!(raw("-w 1.5").wait, Some(Duration::from_millis(1500)));
    assert_eq!(raw("--wait 5ms").wait, Some(Duration::from_millis(5)));
    assert_eq!(raw("-i 2h").idle, Some(Duration::from_secs(7200)));
    assert_eq!(raw("--idle-timeout=2m").idle, Some(Duration::from_secs(120)));
    assert_eq!(raw("-d .5").delay, Some(Duration::from_millis(500)));
    assert_eq!(raw("--delay=0x10").delay, Some(Duration::from_secs(16)));
    assert_eq!(raw("-q 3").quit, Some(Some(Duration::from_secs(3))));
}

#[test]
fn bad_times_get_ncats_lines() {
    let bound = "(must be greater than 0 and less than 2147483s). QUITTING.";
    for word in ["0", "abc", "5d", "-1", "", "inf", "5ss", "2147483648ms"] {
        for (option, what) in [("-w", "-w timeout"), ("-i", "-i timeout"), ("-d", "-d delay")] {
            let argv = ["ncat", option, word].map(OsString::from);
            let error = parse(argv.into_iter(), false).expect_err(word).to_string();
            assert!(
                error.starts_with(&format!("Ncat: Invalid {what} \"{word}\" {bound}\n")),
                "{error}"
            );
        }
    }
    assert_eq!(
        first_line("--wait 100"),
        "Ncat: Since April 2010, the default unit for -w timeout is seconds, so your time of \"100\" is \
         1.7 minutes. Use \"100ms\" for 100 milliseconds. QUITTING."
    );
    assert!(
        first_line("-d 0xff")
            .contains("for -d delay is seconds, so your time of \"0xff\" is 4.2 minutes")
    );
    assert!(
        first_line("-i 1e5").contains("for -i timeout")
            && first_line("-q 100").contains("for -q time")
    );
}

#[test]
fn quit_times_may_be_never() {
    for word in ["-1", "-0.1", "-5ms", "-100", "-1h"] {
        assert_eq!(raw(&format!("-q {word}")).quit, Some(None), "{word}");
    }
    for word in ["0", "-0", "-", "--1", "-x", "-inf"] {
        assert!(first_line(&format!("-q {word}")).starts_with("Ncat: Invalid -q time"), "{word}");
    }
}

#[test]
fn source_ports_are_read_as_ncat_reads_them() {
    let port = |word: &str| {
        let argv = ["ncat", "-p", word].map(OsString::from);
        match parse(argv.into_iter(), false) {
            Ok(Parsed::Run(raw)) => Ok(raw.source_port),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    };
    for (word, number) in [
        ("80", 80),
        ("", 0),
        (" +5", 5),
        ("0080", 80),
        ("70000", 70_000),
        ("-1", 4_294_967_295),
        ("-0", 0),
        ("4294967297", 4_294_967_297),
    ] {
        assert_eq!(port(word), Ok(Some(number)), "{word:?}");
    }
    for word in ["abc", "5x", "5 ", "99999999999999999999999", "+", "-", "0x5", "http", "++5"] {
        assert_eq!(
            port(word),
            Err(format!("Ncat: Invalid source port number \"{word}\". QUITTING.\n"))
        );
    }
}

#[test]
fn max_conns_is_a_strict_number() {
    assert_eq!(raw("-m 0").max_conns, Some(0));
    assert_eq!(raw("--max-conns=12").max_conns, Some(12));
    for word in ["abc", "-1", "-5", "5x", "''", "+5", "4294967296"] {
        let shown = word.replace("''", "");
        assert_eq!(
            first_line(&format!("-m {word}")),
            format!("Ncat: Invalid -m number \"{shown}\" (must be 0 to 4294967295). QUITTING.")
        );
    }
}

#[test]
fn datagram_sizes_have_a_range() {
    assert_eq!(raw("--datagram-size 1").datagram_size, Some(1));
    assert_eq!(raw("--datagram-size 65507").datagram_size, Some(65_507));
    for word in ["0", "65508", "x", "-1"] {
        assert!(first_line(&format!("--datagram-size {word}")).contains("(must be 1 to 65507)"));
    }
}

#[test]
fn json_descriptors_are_numbers() {
    assert_eq!(raw("--json-fd 3").json_fd, Some(3));
    for word in ["0", "x", "-1"] {
        assert!(
            first_line(&format!("--json-fd {word}")).starts_with("Ncat: Invalid --json-fd number")
        );
    }
}

#[test]
fn engines_are_known_names() {
    for engine in super::super::values::ENGINES {
        assert_eq!(raw(&format!("--nsock-engine {engine}")), RawArgs::default());
    }
    assert_eq!(
        first_line("--nsock-engine foo"),
        "Ncat: Unknown or non-available engine: foo. QUITTING."
    );
}

#[test]
fn lists_accumulate() {
    let raw =
        raw("--allow a,b --deny c --allow d --allowfile e --denyfile f --allowfile g --deny ''");
    assert_eq!(raw.allow, ["a,b", "d"]);
    assert_eq!(raw.deny, ["c", ""]);
    assert_eq!(raw.allow_files, [std::path::PathBuf::from("e"), "g".into()]);
    assert_eq!(raw.deny_files, [std::path::PathBuf::from("f")]);
}
