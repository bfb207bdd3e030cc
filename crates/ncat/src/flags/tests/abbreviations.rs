//! What short forms of long names stand for.

use super::*;

/// What Ncat 7.93 says to each abbreviation: the possibilities, or the one option it is.
#[test]
fn abbreviations_of_ncat_stand_for_what_they_do_there() {
    let ambiguous = [
        (
            "--s",
            "--sh-exec --source-port --source --send-only --sctp --ssl --ssl-cert --ssl-key \
                 --ssl-verify --ssl-trustfile --ssl-ciphers --ssl-servername --ssl-alpn",
        ),
        ("--ver", "--version --verbose"),
        ("--de", "--delay --deny --denyfile"),
        ("--a", "--append-output --allow --allowfile"),
        ("--h", "--help --hex-dump"),
        ("--n", "--no-shutdown --nodns --nsock-engine"),
        ("--v", "--vsock --verbose"),
        ("--t", "--talk --telnet"),
        ("--c", "--crlf --chat"),
        ("--l", "--lua-exec --listen"),
    ];
    for (word, names) in ambiguous {
        let quoted: Vec<String> =
            names.split_whitespace().map(|name| format!("'{name}'")).collect();
        assert_eq!(
            first_line(word),
            format!("ncat: option '{word}' is ambiguous; possibilities: {}", quoted.join(" "))
        );
    }
    for (word, name) in [
        ("--pro", "proxy"),
        ("--p", "proxy"),
        ("--allo", "allow"),
        ("--ex", "exec"),
        ("--e", "exec"),
        ("--i", "idle-timeout"),
        ("--lu", "lua-exec"),
        ("--g", "g"),
        ("--G", "G"),
        ("--m", "max-conns"),
        ("--w", "wait"),
        ("--d=x --den", "deny"),
    ] {
        let missing = first_line(word.rsplit(' ').next().unwrap_or_default());
        assert_eq!(missing, format!("ncat: option '--{name}' requires an argument"), "{word}");
    }
    assert!(raw("--k").keep_open);
    assert!(raw("--ta").broker.chat);
    assert!(raw("--bro").broker.broker);
    let options = raw("--ssl-tr=x");
    if cfg!(feature = "tls-options") {
        assert_eq!(options.tls.trust_files, [std::path::PathBuf::from("x")]);
    } else {
        assert_eq!(options.absent[0].name, "ssl-trustfile");
    }
}

#[test]
fn talk_is_another_name_for_chat() {
    for word in ["--talk", "--chat", "--ch"] {
        assert!(raw(word).broker.chat && !raw(word).broker.broker, "{word}");
    }
}

#[test]
fn an_empty_abbreviation_lists_everything_of_ncats() {
    let line = first_line("--=x");
    assert!(line.starts_with("ncat: option '--=x' is ambiguous; possibilities: '--4' '--6'"));
    assert!(line.ends_with("'--ssl-servername' '--ssl-alpn'"));
    assert_eq!(line.matches(" '--").count(), 1 + 53);
    assert!(!line.contains("progress"));
}

#[test]
fn ours_are_abbreviated_only_where_no_name_of_ncats_fits() {
    assert!(raw("--prog").progress);
    assert!(raw("--exp").explain);
    assert_eq!(raw("--eo=quit").eof, Some(plan::EofPolicy::Quit));
    assert_eq!(raw("--sl=wait").slow_reader, Some(plan::SlowReader::Wait));
    assert_eq!(raw("--da=5").datagram_size, Some(5));
    assert!(raw("--json").json);
    assert_eq!(
        first_line("--js"),
        "ncat: option '--js' is ambiguous; possibilities: '--json' '--json-fd'"
    );
}
