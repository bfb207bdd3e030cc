//! Decisions: the golden table, grants, hand-written rules, advice, errors.
#![allow(clippy::unwrap_used, reason = "a test")]

use decision::{Act, Answer, Code, Question};
use policy::{Bundle, Case, Engine, Exec, Grant, Live, NamedNet, RuleFile, Status, ask};

fn engine(bundle: Bundle) -> Engine {
    Engine::new(bundle).unwrap()
}

fn with_rules(text: &str) -> Result<Engine, Vec<String>> {
    let mut bundle = Bundle::default();
    bundle.rules.push(RuleFile { name: "x.cedar".into(), text: text.into() });
    Engine::new(bundle)
}

fn answer(engine: &Engine, text: &str, grants: &[Grant]) -> Answer {
    engine.ask(&ask(text).unwrap(), grants, &Live::default())
}

/// `PERMIT`, or the codes that deny.
fn word(answer: &Answer) -> String {
    let codes = answer
        .reasons
        .iter()
        .filter(|reason| !reason.simulated)
        .map(|reason| reason.code.to_string());
    if answer.permit { "PERMIT".into() } else { codes.collect::<Vec<_>>().join(" ") }
}

fn says(engine: &Engine, text: &str) -> String {
    word(&answer(engine, text, &[]))
}

fn grant(place: &str, ports: &[u16]) -> Grant {
    Grant {
        id: "G-1".into(),
        subject: "alice".parse().unwrap(),
        actions: vec![Act::Connect],
        places: vec![place.parse().unwrap()],
        ports: ports.iter().map(|port| (*port, *port)).collect(),
        transports: Vec::new(),
        allow_cleartext: false,
        allow_unverified: false,
        allow_exec: false,
        max_uses: None,
        used: 0,
        purpose: "test".into(),
        ticket: None,
        requested_by: "alice".into(),
        approved_by: Some("bob".into()),
        not_before: -1000,
        not_after: 1000,
        status: Status::Active,
    }
}

#[test]
fn golden_table() {
    let cases = Case::parse_all(include_str!("golden.cases")).unwrap();
    assert!(cases.len() > 60);
    let engine = engine(Bundle { cases, ..Bundle::default() });
    assert_eq!(engine.failing(), Vec::new());
}

#[test]
fn a_wrong_case_fails() {
    let case = Case::parse("connect alice 10.1.2.3:22 verified => PERMIT").unwrap();
    let engine = engine(Bundle { cases: vec![case], ..Bundle::default() });
    assert_eq!(engine.failing()[0].1, "PORT_BLOCKED");
    for wrong in [
        "connect alice 10.1.2.3:22",
        "fly alice 10.1.2.3:22 => PERMIT",
        "connect a b:1 => NONSENSE",
        "connect a b:1 =>",
    ] {
        assert!(Case::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn explain_names_values_rules_and_what_would_permit_it() {
    let answer = answer(&engine(Bundle::default()), "connect alice 10.1.2.3:22", &[]);
    let told: Vec<(String, &str, &str)> = answer
        .reasons
        .iter()
        .map(|reason| (reason.code.to_string(), &reason.text[..], reason.rule.as_deref().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "PORT_BLOCKED".into(),
                "port 22 is in network_policies.blocked_ports [22, 23, 3389]",
                "nw.block.port"
            ),
            ("TLS_REQUIRED".into(), "connection is clear text", "sec.tls.required"),
        ]
    );
    assert_eq!(answer.matched[0].rule, "nw.allow.rfc1918");
    assert_eq!(answer.matched[0].value.as_deref(), Some("10.0.0.0/8"));
    let advice: Vec<&str> = answer.advice.iter().map(|advice| &advice.text[..]).collect();
    assert_eq!(advice, ["a grant covering connect 10.1.2.3:22/tcp with cleartext"]);
    assert_eq!(
        answer.advice[0].command.as_deref(),
        Some(
            "ncat-guard grant request --action connect --to 10.1.2.3:22 --for 2h --purpose \"...\" --cleartext"
        )
    );
}

/// What advice says is tried: following it leads to a permit.
#[test]
fn advice_is_true() {
    let engine = engine(Bundle::default());
    for (text, better, expected) in [
        ("connect alice 10.1.2.3:443", "connect alice 10.1.2.3:443 verified", 2),
        ("connect alice 10.1.2.3:443 unverified", "connect alice 10.1.2.3:443 verified", 2),
        ("connect alice 203.0.113.9:443 verified", "", 1),
        ("listen alice 10.1.2.3:80 verified", "", 1),
        ("connect alice 10.1.2.3:443 verified routed", "", 1),
        ("connect alice db.example:443 verified", "", 1),
        ("exec alice /bin/cat", "", 0),
        ("connect alice 169.254.169.254:80", "", 0),
        ("connect alice 127.1:80", "", 0),
        ("connect - 10.1.2.3:443", "", 0),
    ] {
        let answer = answer(&engine, text, &[]);
        assert_eq!(answer.advice.len(), expected, "{text}: {:?}", answer.advice);
        if !better.is_empty() {
            assert_eq!(says(&engine, better), "PERMIT");
            assert!(answer.advice[0].text.contains("TLS"));
        }
        if let Some(command) = answer.advice.iter().find_map(|advice| advice.command.as_deref()) {
            let question = ask(text).unwrap();
            assert_eq!(
                word(&engine.ask(&question, &[from_command(command)], &Live::default())),
                "PERMIT",
                "{text}"
            );
        }
    }
}

/// The grant that a command of the advice asks for, approved.
fn from_command(command: &str) -> Grant {
    let words: Vec<&str> = command.split_whitespace().collect();
    let after = |option: &str| {
        words
            .iter()
            .zip(&words[1..])
            .filter(|(word, _)| **word == option)
            .map(|(_, value)| *value)
            .collect::<Vec<_>>()
    };
    let to = after("--to")[0];
    let (place, port) = to.rsplit_once(':').unwrap_or((to, "0"));
    let ports: Vec<u16> = port.parse().into_iter().filter(|port| *port > 0).collect();
    Grant {
        actions: after("--action").iter().map(|word| word.parse().unwrap()).collect(),
        allow_cleartext: words.contains(&"--cleartext"),
        allow_unverified: words.contains(&"--unverified"),
        allow_exec: words.contains(&"--exec"),
        ..grant(place, &ports)
    }
}

#[test]
fn grants_cover_what_they_name_and_no_more() {
    let engine = engine(Bundle::default());
    let asked =
        |text: &str, grant: &Grant| word(&answer(&engine, text, std::slice::from_ref(grant)));
    let ssh = grant("10.1.2.0/24", &[22]);
    assert_eq!(asked("connect alice 10.1.2.3:22 verified", &ssh), "PERMIT");
    assert_eq!(
        answer(&engine, "connect alice 10.1.2.3:22 verified", std::slice::from_ref(&ssh))
            .grant
            .as_deref(),
        Some("G-1")
    );
    assert_eq!(
        answer(&engine, "connect alice 10.1.2.3:443 verified", std::slice::from_ref(&ssh)).grant,
        None,
        "none was needed"
    );
    for (text, expected) in [
        ("connect alice 10.1.3.3:22 verified", "PORT_BLOCKED"),
        ("connect alice 10.1.2.3:23 verified", "PORT_BLOCKED"),
        ("connect bob 10.1.2.3:22 verified", "PORT_BLOCKED"),
        ("test alice 10.1.2.3:22 verified", "PORT_BLOCKED"),
        ("connect alice 10.1.2.3:22", "TLS_REQUIRED"),
        ("connect alice 10.1.2.3:22 verified at=1970-01-01T00:00:00.001Z", "PORT_BLOCKED"),
        ("connect mallory! 10.1.2.3:22 verified", "PRINCIPAL_DISABLED PORT_BLOCKED"),
    ] {
        assert_eq!(asked(text, &ssh), expected, "{text}");
    }
    let wide = grant("203.0.113.0/24", &[]);
    assert_eq!(asked("connect alice 203.0.113.1:443 verified", &wide), "PERMIT");
    assert_eq!(
        asked("connect alice 203.0.113.1:22 verified", &wide),
        "PORT_BLOCKED",
        "a blocked port has to be named"
    );
    let never = grant("169.254.0.0/16", &[80]);
    assert_eq!(asked("connect alice 169.254.169.254:80 verified", &never), "PROTECTED_NETWORK");
    for status in [Status::Requested, Status::Revoked, Status::Rejected, Status::Expired] {
        let grant = Grant { status, ..ssh.clone() };
        assert_eq!(
            asked("connect alice 10.1.2.3:22 verified", &grant),
            "PORT_BLOCKED",
            "{status:?}"
        );
    }
    let used = Grant { max_uses: Some(2), used: 2, ..ssh.clone() };
    assert_eq!(asked("connect alice 10.1.2.3:22 verified", &used), "PORT_BLOCKED GRANT_EXHAUSTED");
    let group = Grant { subject: "group:ops".parse().unwrap(), ..ssh.clone() };
    assert_eq!(asked("connect bob 10.1.2.3:22 verified group=ops", &group), "PERMIT");
    assert_eq!(asked("connect bob 10.1.2.3:22 verified", &group), "PORT_BLOCKED");
    let listen = Grant { actions: vec![Act::Listen], ..grant("10.1.2.0/24", &[8080]) };
    assert_eq!(
        asked("listen alice 10.1.2.3:8080 verified", &listen),
        "LISTEN_EXPOSED",
        "an address has to be named"
    );
    let listen = Grant { actions: vec![Act::Listen], ..grant("0.0.0.0", &[8080]) };
    assert_eq!(asked("listen alice 0.0.0.0:8080 verified", &listen), "PERMIT");
    let name = grant("db.example", &[5432]);
    assert_eq!(asked("connect alice DB.example:5432 verified", &name), "PERMIT");
    assert_eq!(asked("connect alice other.example:5432 verified", &name), "NAME_UNRESOLVED");
}

#[test]
fn running_programs() {
    let exec = |exec, grants: &[Grant]| {
        let mut bundle = Bundle::default();
        bundle.security.exec = exec;
        word(&answer(&engine(bundle), "exec alice /bin/cat", grants))
    };
    let grant = Grant { actions: vec![Act::Exec], allow_exec: true, ..grant("/bin/cat", &[]) };
    assert_eq!(exec(Exec::Deny, std::slice::from_ref(&grant)), "EXEC_FORBIDDEN");
    assert_eq!(exec(Exec::Granted, &[]), "EXEC_FORBIDDEN");
    assert_eq!(exec(Exec::Granted, std::slice::from_ref(&grant)), "PERMIT");
    assert_eq!(exec(Exec::Granted, &[Grant { allow_exec: false, ..grant }]), "EXEC_FORBIDDEN");
    assert_eq!(exec(Exec::Allow, &[]), "PERMIT");
}

#[test]
fn purpose_ticket_zones_and_the_platform_itself() {
    let mut bundle = Bundle::default();
    bundle.security.purpose_required = true;
    bundle.security.ticket_pattern = Some("^CHG[0-9]{6}$".into());
    for (name, net) in [("in", "10.0.0.0/8"), ("out", "192.168.0.0/16")] {
        let named = NamedNet { cidrs: vec![net.parse().unwrap()], zone: Some(name.into()) };
        bundle.networks.named.insert(name.into(), named);
    }
    bundle.networks.own.push("127.0.0.1:8443".parse().unwrap());
    let engine = engine(bundle);
    for (text, expected) in [
        ("connect alice 10.1.1.1:443 verified", "PURPOSE_REQUIRED TICKET_REQUIRED"),
        ("connect alice 10.1.1.1:443 verified purpose=x ticket=CHG12345", "TICKET_REQUIRED"),
        ("connect alice 10.1.1.1:443 verified purpose=x ticket=CHG123456", "PERMIT"),
        ("accept alice 10.1.1.1:443 verified", "PERMIT"),
        (
            "connect alice 10.1.1.1:443 verified purpose=x ticket=CHG123456 joined=192.168.1.1",
            "ZONE_BRIDGE",
        ),
        (
            "connect alice 10.1.1.1:443 verified purpose=x ticket=CHG123456 joined=10.2.2.2",
            "PERMIT",
        ),
        ("connect alice 127.0.0.1:8443 purpose=x ticket=CHG123456", "SELF_TARGET"),
        ("connect alice 127.0.0.1:8444 purpose=x ticket=CHG123456", "PERMIT"),
    ] {
        assert_eq!(says(&engine, text), expected, "{text}");
    }
    let answer = answer(&engine, "connect alice 10.1.1.1:443 verified", &[]);
    assert_eq!(
        answer.advice[0].text,
        "a stated purpose (--purpose), a ticket that matches ^CHG[0-9]{6}$ (--ticket)"
    );
}

#[test]
fn hand_written_rules() {
    let engine = with_rules(
        r#"
        @id("ops.night") @reason("no changes at night") @code("TIME_WINDOW")
        forbid (principal, action == Action::"connect", resource)
        when { context.minute < 360 } unless { principal in Group::"night" };

        @id("ops.db") @reason("the partner's database, by name")
        permit (principal, action == Action::"connect", resource)
        when { resource has name && resource.name == "db.partner.example" };

        @id("ops.trial") @reason("perhaps later") @code("RULE:ops.trial") @mode("simulate")
        forbid (principal, action, resource) when { principal.assurance < 2 };
        "#,
    )
    .unwrap();
    for (text, expected) in [
        ("connect alice 10.1.1.1:443 verified", "TIME_WINDOW"),
        ("connect alice 10.1.1.1:443 verified group=night", "PERMIT"),
        ("connect alice 10.1.1.1:443 verified at=2026-11-23T06:00:00Z", "PERMIT"),
        ("connect alice db.partner.example:443 verified at=2026-11-23T06:00:00Z", "PERMIT"),
        ("connect alice db.other.example:443 verified at=2026-11-23T06:00:00Z", "NAME_UNRESOLVED"),
    ] {
        assert_eq!(says(&engine, text), expected, "{text}");
    }
    let answer = answer(&engine, "connect alice 10.1.1.1:443 verified group=night", &[]);
    assert_eq!((answer.permit, answer.reasons.len(), answer.reasons[0].simulated), (true, 1, true));
    assert_eq!(answer.reasons[0].code, Code::Rule("ops.trial".into()));
}

/// Each has one mistake.
#[test]
fn rules_with_mistakes_are_refused() {
    let whole = r#"@id("a.b") @reason("r") @code("RULE:a.b") forbid (principal, action, resource) when { context.routed };"#;
    assert!(with_rules(whole).is_ok());
    for (from, to, part) in [
        (r#"@id("a.b") "#, "", "no @id"),
        (r#"@reason("r") "#, "", "no @reason"),
        (r#"@code("RULE:a.b") "#, "", "no @code"),
        ("RULE:a.b", "NONSENSE", "not a denial code"),
        ("RULE:a.b", "RULE:other", "not for a rule"),
        ("RULE:a.b", "RATE_LIMITED", "not for a rule"),
        ("a.b", "sec.tls.required", "compiled rules"),
        ("a.b", "a b", "other characters"),
        ("context.routed", "context.rooted", "rooted"),
        ("context.routed", "context.minute", ""),
        ("context.routed", "resource.port > 1", ""),
        ("context.routed", "principal in User::\"x\".y", ""),
        ("forbid", "permit", "no @code"),
        ("forbid (", "forbid ((", ""),
        ("principal,", "principal == ?principal,", "template"),
        ("@id", "@mode(\"maybe\") @id", "enforce or simulate"),
    ] {
        let text = whole.replace(from, to);
        assert_ne!(text, whole);
        let mistakes = with_rules(&text).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.contains(part)), "{text}: {mistakes:?}");
    }
    let twice = with_rules(&whole.repeat(2)).unwrap_err();
    assert!(twice[0].contains("another rule"), "{twice:?}");
}

/// An overflow: valid by its types, and not to be evaluated. Cedar alone would pass over it and permit.
#[test]
fn an_error_in_a_forbid_denies() {
    let forbid = r#"@id("x.f") @reason("r") @code("RULE:x.f") forbid (principal, action, resource)
        when { context.minute + 9223372036854775807 > 5 };"#;
    let engine = with_rules(forbid).unwrap();
    let answer =
        answer(&engine, "connect alice 10.1.1.1:443 verified at=1970-01-01T00:01:00Z", &[]);
    assert_eq!(word(&answer), "POLICY_ERROR");
    assert_eq!(answer.reasons[0].rule.as_deref(), Some("x.f"));
    assert!(answer.errors[0].contains("overflow"), "{:?}", answer.errors);
    assert_eq!(answer.advice, []);
}

#[test]
fn an_error_in_a_permit_denies_when_strict() {
    let permit = r#"@id("x.p") @reason("r") permit (principal, action, resource)
        when { context.minute + 9223372036854775807 > 5 };"#;
    let text = "connect alice 10.1.1.1:443 verified at=1970-01-01T00:01:00Z";
    assert_eq!(says(&with_rules(permit).unwrap(), text), "POLICY_ERROR");
    let mut bundle = with_rules(permit).unwrap().bundle().clone();
    bundle.security.strict_errors = false;
    let answer = answer(&engine(bundle), text, &[]);
    assert_eq!((word(&answer), answer.errors.len()), ("PERMIT".into(), 1));
}

#[test]
fn simulate_mode_denies_nothing_and_says_what_it_would() {
    let mut bundle = Bundle::default();
    bundle.security.simulate = true;
    let answer = answer(&engine(bundle), "connect alice 10.1.1.1:22 verified", &[]);
    assert_eq!((answer.permit, answer.enforced, answer.goes_on()), (false, false, true));
    assert_eq!(answer.code(), Some(&Code::PortBlocked));
}

#[test]
fn stages_are_reported_in_order() {
    let engine = engine(Bundle::default());
    let question: Question = ask("connect mallory! 169.254.169.254:22").unwrap();
    let reason =
        |code: Code| decision::Reason { code, rule: None, text: "x".into(), simulated: false };
    let live = Live {
        emergency: Some("stopped"),
        quota: Some(reason(Code::RateLimited)),
        record: Some(reason(Code::AuditUnavailable)),
    };
    let answer = engine.ask(&question, &[], &live);
    assert_eq!(
        word(&answer),
        "EMERGENCY_STOP PRINCIPAL_DISABLED PROTECTED_NETWORK NET_NOT_ALLOWED PORT_BLOCKED TLS_REQUIRED RATE_LIMITED AUDIT_UNAVAILABLE"
    );
    assert_eq!(answer.code(), Some(&Code::EmergencyStop));
}

#[test]
fn settings_turn_rules_off() {
    let mut bundle = Bundle::default();
    bundle.security.encryption_required = false;
    bundle.security.verify_certificates = false;
    bundle.security.authorization_required = false;
    bundle.security.network_isolation = false;
    bundle.networks.blocked_ports.clear();
    bundle.networks.loopback = false;
    bundle.networks.ula = true;
    let engine = engine(bundle);
    for (text, expected) in [
        ("connect - 10.1.2.3:22", "PERMIT"),
        ("connect alice 10.1.2.3:22 unverified", "PERMIT"),
        ("listen alice 0.0.0.0:80", "PERMIT"),
        ("listen alice 10.1.2.3:80", "PERMIT"),
        ("listen alice 203.0.113.1:80", "NET_NOT_ALLOWED"),
        ("connect alice 127.0.0.1:80", "NET_NOT_ALLOWED"),
        ("connect alice [fd12::1]:80", "PERMIT"),
    ] {
        assert_eq!(says(&engine, text), expected, "{text}");
    }
}

/// The whole question and answer survive their JSON form.
#[test]
fn questions_and_answers_are_data() {
    let question =
        ask("connect alice [::1]:22 unverified group=a purpose=p joined=10.0.0.1 routed").unwrap();
    let text = serde_json::to_string(&question).unwrap();
    assert_eq!(serde_json::from_str::<Question>(&text).unwrap(), question);
    let answer = engine(Bundle::default()).ask(&question, &[], &Live::default());
    let text = serde_json::to_string(&answer).unwrap();
    assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer);
}
