//! `bench policy`: how long a decision takes, with as many rules and list entries as are promised for.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use clap::ArgMatches;
use decision::{Act, Question, Target, Tls, Who};
use ipnet::IpNet;
use policy::{Bundle, Engine, Live, NamedNet, RuleFile};
use serde_json::json;

use crate::exit::{Done, Exit, Failure};
use crate::out::Out;

/// The promise, for one decision in process.
const P99_MAX: Duration = Duration::from_millis(1);

pub(crate) fn run(args: &ArgMatches, out: &Out) -> Done {
    let number = |name: &str| args.get_one::<u32>(name).copied().unwrap_or(1);
    let (rules, entries, count) = (number("rules"), number("entries"), number("count").max(100));
    let begun = Instant::now();
    let engine = Engine::new(bundle(rules, entries)).map_err(|mistakes| Failure {
        lines: mistakes,
        ..Failure::new(Exit::Internal, "the bench's policy")
    })?;
    let compiled = begun.elapsed();
    let rules = engine.rules().count();
    let mut times = Vec::with_capacity(count as usize);
    let mut permits = 0;
    for number in 0..count {
        let question = question(number);
        let begun = Instant::now();
        let answer = engine.ask(&question, &[], &Live::default());
        times.push(begun.elapsed());
        permits += u32::from(answer.permit);
    }
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let (p50, p99, most) = (at(50), at(99), at(100));
    let held = p99 <= P99_MAX;
    out.line(format!("{rules} rules, {entries} list entries, compiled in {compiled:.1?}"));
    out.line(format!(
        "{count} decisions, {permits} permitted: p50 {p50:.1?}, p99 {p99:.1?}, longest {most:.1?}"
    ));
    out.line(format!("p99 at most {P99_MAX:?}: {}", if held { "yes" } else { "NO" }));
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    out.document(
        "bench-policy",
        json!({
            "rules": rules,
            "entries": entries,
            "decisions": count,
            "compile_us": micros(compiled),
            "p50_us": micros(p50),
            "p99_us": micros(p99),
            "max_us": micros(most),
            "held": held,
        }),
    );
    Ok(if held { Exit::Done } else { Exit::Unmet })
}

/// A long list that rules are about, and rules of which all have to be looked at.
fn bundle(rules: u32, entries: u32) -> Bundle {
    let mut bundle = Bundle::default();
    let base = u32::from(Ipv4Addr::new(11, 0, 0, 0));
    let net = |number: u32| IpNet::from(IpAddr::from(Ipv4Addr::from(base + number * 3)));
    let cidrs = (0..entries).map(net).collect();
    bundle.networks.named.insert("long".into(), NamedNet { cidrs, zone: None });
    let rule = |number: u32| {
        let (id, code) = (format!("bench.{number}"), format!("RULE:bench.{number}"));
        format!(
            "@id(\"{id}\") @reason(\"bench\") @code(\"{code}\")
             forbid (principal in Group::\"group-{number}\", action == Action::\"connect\", resource in Network::\"long\")
             when {{ resource has port && resource.port > {number} && context.minute >= 0 }};\n"
        )
    };
    // The compiled rules are a part of the number.
    let text: String = (0..rules.saturating_sub(14)).map(rule).collect();
    bundle.rules.push(RuleFile { name: "bench.cedar".into(), text });
    bundle
}

/// Listed and unlisted, permitted and denied.
fn question(number: u32) -> Question {
    let addr = match number % 3 {
        0 => {
            Ipv4Addr::from(u32::from(Ipv4Addr::new(11, 0, 0, 0)) + number.wrapping_mul(7) % 300_000)
        }
        1 => Ipv4Addr::new(10, 1, (number >> 8) as u8, number as u8),
        _ => Ipv4Addr::new(203, 0, 113, number as u8),
    };
    let target = Target::Inet { addr: addr.into(), port: 443, name: None };
    let mut who = Who::named("alice");
    who.groups = vec![format!("group-{}", number % 200)];
    let mut question = Question::new(who, Act::Connect, target, 1_795_000_000_000_000);
    question.tls = Tls::Verified;
    question
}
