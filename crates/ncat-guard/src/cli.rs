//! The command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::exit::{Done, Failure};
use crate::grants::Verb;
use crate::out::Out;
use crate::site::Site;
use crate::{
    audit_read, audit_verify, config_show, doctor, grants, init, policy_bench, policy_explain,
    policy_replay, policy_show, status, users,
};

/// All commands and options.
pub(crate) fn command() -> Command {
    Command::new("ncat-guard")
        .about("Allows ncat: who may connect, listen or run programs, where, when and why; with a record that anybody can verify")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(path("config", "FILE", "The configuration; conf.d is looked for beside it").global(true))
        .arg(many("set", "KEY=VALUE", "A value over those of files and environment").global(true))
        .arg(flag("json", "One JSON document on standard output (one a line for audit tail and search)").global(true))
        .arg(flag("quiet", "No talk on standard error but failures").short('q').global(true))
        .subcommand(init_command())
        .subcommand(Command::new("status").about("What is in force here"))
        .subcommand(Command::new("doctor").about("Look at everything this installation stands on"))
        .subcommand(config_command())
        .subcommand(policy_command())
        .subcommand(grant_command())
        .subcommand(user_command())
        .subcommand(audit_command())
        .subcommand(bench_command())
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
}

fn text(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

fn many(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    text(name, value, help).action(ArgAction::Append)
}

fn path(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    text(name, value, help).value_parser(value_parser!(PathBuf))
}

fn word(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).help(help)
}

fn init_command() -> Command {
    Command::new("init")
        .about("Make configuration, key, database and log")
        .arg(path("state", "DIR", "Where database, journal and log go [/var/lib/ncat-guard]"))
        .arg(text("organisation", "NAME", "Whose it is"))
        .arg(text("origin", "NAME", "The log's name, for ever"))
}

fn config_command() -> Command {
    Command::new("config")
        .about("The configuration")
        .subcommand_required(true)
        .subcommand(Command::new("check").about("Every mistake and warning"))
        .subcommand(
            Command::new("show")
                .about("Values and where they are from")
                .arg(flag("effective", "Also those that are as by default")),
        )
}

fn policy_command() -> Command {
    let explain = Command::new("explain")
        .about("What the policy says to a question: ACTION USER TARGET, or to a recorded DECISION")
        .arg(
            word("question", "As connect alice 10.1.2.3:22, or D-...")
                .num_args(1..=3)
                .required(true),
        )
        .arg(flag("tls", "Encrypted, and the peer verified"))
        .arg(flag("no-tls", "Clear text, which is the default").conflicts_with("tls"))
        .arg(flag("unverified", "Encrypted, and the peer not verified").conflicts_with("no-tls"))
        .arg(text("protocol", "WORD", "tcp, udp, sctp, unix, vsock"))
        .arg(many("group", "NAME", "A group the user is in"))
        .arg(text("purpose", "TEXT", "Why"))
        .arg(text("ticket", "ID", "Under which ticket"))
        .arg(text("at", "TIME", "When, as 2026-11-23T08:00:00Z"))
        .arg(flag("routed", "With a chosen way or source address"))
        .arg(flag("no-lookup", "Take a name as a name that a proxy looks up"))
        .arg(flag("record", "Write the decision to the log"));
    Command::new("policy")
        .about("The policy")
        .subcommand_required(true)
        .subcommand(Command::new("check").about("Compile, validate, try the cases").arg(word(
            "where",
            "A directory of *.cedar and *.cases, a version, active or draft [draft]",
        )))
        .subcommand(explain)
        .subcommand(
            Command::new("show")
                .about("The rules of a policy")
                .arg(word("version", "A version, active or draft [active]"))
                .arg(flag("cedar", "As Cedar")),
        )
        .subcommand(Command::new("schema").about("The vocabulary of hand-written rules"))
        .subcommand(Command::new("activate").about("Put the configuration's policy in force"))
        .subcommand(
            Command::new("diff")
                .about("What differs between two policies")
                .arg(word("from", "A version, active or draft").required(true))
                .arg(word("to", "The same").required(true)),
        )
        .subcommand(
            Command::new("simulate")
                .about("Record denials without enforcing them")
                .arg(word("state", "on or off").value_parser(["on", "off"]).required(true)),
        )
        .subcommand(
            Command::new("replay")
                .about("Decide recorded questions again by another policy")
                .arg(text("bundle", "POLICY", "A version, active or draft [draft]"))
                .arg(text("since", "AGE", "How far back [30d]")),
        )
}

fn grant_command() -> Command {
    let decide = |name: &'static str, about: &'static str| {
        Command::new(name)
            .about(about)
            .arg(word("id", "The grant").required(true))
            .arg(text("reason", "TEXT", "Why"))
    };
    let request = Command::new("request")
        .about("Ask for an exception")
        .arg(many("action", "WORD", "connect, listen, exec, relay ...").required(true))
        .arg(
            many(
                "to",
                "PLACE:PORTS",
                "As 10.1.2.0/24:22, db.example:*, [2001:db8::]/32:443, /run/x.sock",
            )
            .required(true),
        )
        .arg(text("for", "TIME", "How long, as 2h").required(true))
        .arg(text("from", "TIME", "From when [now]"))
        .arg(text("purpose", "TEXT", "Why").required(true))
        .arg(text("ticket", "ID", "Under which ticket"))
        .arg(text("user", "NAME", "For whom [you]"))
        .arg(text("group", "NAME", "For which group").conflicts_with("user"))
        .arg(many("protocol", "WORD", "tcp, udp, sctp, unix, vsock [all]"))
        .arg(
            text("uses", "N", "How often [any number]").value_parser(value_parser!(u32).range(1..)),
        )
        .arg(flag("cleartext", "Also in clear text"))
        .arg(flag("unverified", "Also when the peer is not verified"))
        .arg(flag("exec", "Also running programs"));
    Command::new("grant")
        .about("Exceptions: asked for by one, approved by another")
        .subcommand_required(true)
        .subcommand(request)
        .subcommand(decide("approve", "Approve what somebody else asked for"))
        .subcommand(decide("reject", "Refuse it"))
        .subcommand(decide("revoke", "Take an active grant back"))
        .subcommand(
            Command::new("list")
                .about("The grants")
                .arg(flag("mine", "Asked for by you or for you"))
                .arg(text(
                    "status",
                    "WORD",
                    "requested, active, rejected, expired, revoked, exhausted",
                )),
        )
}

fn user_command() -> Command {
    let one = |name: &'static str, about: &'static str| {
        Command::new(name).about(about).arg(word("name", "The name").required(true))
    };
    Command::new("user")
        .about("Who is known, besides the users of this host")
        .subcommand_required(true)
        .subcommand(one("add", "Make somebody known"))
        .subcommand(one("disable", "Deny everything to somebody"))
        .subcommand(one("enable", "Undo that"))
        .subcommand(Command::new("list").about("Those known"))
}

fn audit_command() -> Command {
    let keys = || path("keys", "FILE", "The public keys you kept");
    Command::new("audit")
        .about("The audit log")
        .subcommand_required(true)
        .subcommand(
            Command::new("verify")
                .about("Check the log, or an export of it")
                .arg(flag("full", "Also what needs more than the log"))
                .arg(text("range", "A..B", "Only these records").conflicts_with("since"))
                .arg(text("since", "TIME", "Only records from then on: a time, or an age as 7d"))
                .arg(path("offline", "DIR", "An export; needs no configuration"))
                .arg(path("against", "FILE", "A checkpoint kept outside").action(ArgAction::Append))
                .arg(keys()),
        )
        .subcommand(Command::new("checkpoint").about("The newest checkpoint").arg(path(
            "save",
            "FILE",
            "Write it there",
        )))
        .subcommand(
            Command::new("prove")
                .about("A proof that an event is in the log, on standard output")
                .arg(word("id", "The event").required(true))
                .arg(path("event", "FILE", "Write the event itself there")),
        )
        .subcommand(
            Command::new("check-proof")
                .about("Check such a proof; needs no configuration")
                .arg(word("proof", "The proof").required(true).value_parser(value_parser!(PathBuf)))
                .arg(path("event", "FILE", "The event").required(true))
                .arg(keys()),
        )
        .subcommand(
            Command::new("tail")
                .about("The newest records")
                .arg(flag("follow", "Go on as they come").short('f'))
                .arg(
                    text("lines", "N", "How many [20]").short('n').value_parser(value_parser!(u32)),
                )
                .arg(text("type", "TYPE", "Of this type, or group.*"))
                .arg(text("user", "NAME", "By this user")),
        )
        .subcommand(
            Command::new("search")
                .about("Records that fit: type:conn.open dest:10.1.0.0/16 user:alice since:7d")
                .arg(word("filter", "KEY:VALUE").num_args(1..).required(true))
                .arg(flag("csv", "As CSV").conflicts_with("json")),
        )
        .subcommand(
            Command::new("export")
                .about("Files that anybody can verify")
                .arg(text("range", "A..B", "Only these records"))
                .arg(path("out", "DIR", "Where to").required(true)),
        )
}

fn bench_command() -> Command {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        text(name, "N", help)
            .default_value(default)
            .value_parser(value_parser!(u32).range(1..=10_000_000))
    };
    Command::new("bench").about("Measure what is promised").subcommand_required(true).subcommand(
        Command::new("policy")
            .about("Policy decisions")
            .arg(number("rules", "200", "Rules"))
            .arg(number("entries", "100000", "Entries of a list"))
            .arg(number("count", "20000", "Decisions")),
    )
}

/// Runs what was asked for.
pub(crate) fn run(matches: &ArgMatches, out: &Out) -> Done {
    let site = || Site::load(matches);
    match path_of(matches) {
        (["init", ""], args) => init::run(matches, args, out),
        (["status", ""], _) => status::run(&site()?, out),
        (["doctor", ""], _) => doctor::run(&site()?, out),
        (["config", "check"], _) => config_show::check(matches, out),
        (["config", "show"], args) => config_show::show(&site()?, args, out),
        (["policy", "check"], args) => policy_show::check(&site()?, args, out),
        (["policy", "explain"], args) => policy_explain::run(&site()?, args, out),
        (["policy", "show"], args) => policy_show::show(&site()?, args, out),
        (["policy", "schema"], _) => policy_show::schema(out),
        (["policy", "activate"], _) => policy_show::activate(&site()?, out),
        (["policy", "diff"], args) => policy_show::compare(&site()?, args, out),
        (["policy", "simulate"], args) => policy_show::simulate(&site()?, args, out),
        (["policy", "replay"], args) => policy_replay::run(&site()?, args, out),
        (["grant", "request"], args) => grants::request(&site()?, args, out),
        (["grant", "approve"], args) => grants::decide(&site()?, args, Verb::Approve, out),
        (["grant", "reject"], args) => grants::decide(&site()?, args, Verb::Reject, out),
        (["grant", "revoke"], args) => grants::decide(&site()?, args, Verb::Revoke, out),
        (["grant", "list"], args) => grants::list(&site()?, args, out),
        (["user", "add"], args) => users::add(&site()?, args, out),
        (["user", "disable"], args) => users::set_disabled(&site()?, args, true, out),
        (["user", "enable"], args) => users::set_disabled(&site()?, args, false, out),
        (["user", "list"], _) => users::list(&site()?, out),
        (["audit", "verify"], args) => audit_verify::run(matches, args, out),
        (["audit", "checkpoint"], args) => audit_read::checkpoint(&site()?, args, out),
        (["audit", "prove"], args) => audit_read::prove(&site()?, args, out),
        (["audit", "check-proof"], args) => audit_read::check_proof(matches, args, out),
        (["audit", "tail"], args) => audit_read::tail(&site()?, args, out),
        (["audit", "search"], args) => audit_read::search(&site()?, args, out),
        (["audit", "export"], args) => audit_read::export(&site()?, args, out),
        (["bench", "policy"], args) => policy_bench::run(args, out),
        ([first, second], _) => Err(Failure::usage(format!("no such command: {first} {second}"))),
    }
}

/// Command, command below it, and the arguments of the innermost.
fn path_of(matches: &ArgMatches) -> ([&str; 2], &ArgMatches) {
    match matches.subcommand() {
        None => (["", ""], matches),
        Some((first, args)) => match args.subcommand() {
            None => ([first, ""], args),
            Some((second, args)) => ([first, second], args),
        },
    }
}
