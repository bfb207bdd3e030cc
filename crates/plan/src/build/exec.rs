//! Rules about commands.

use super::rules::{Facts, Rule, rule, rule_with};

/// What `--exec-handover` cannot be had with: everything that needs the bytes.
fn handover_conflict(facts: &Facts<'_>) -> Option<&'static str> {
    let raw = facts.raw;
    if !raw.exec.handover {
        return None;
    }
    let needs = [
        (raw.crlf, "-C"),
        (raw.telnet, "-t"),
        (raw.delay.is_some(), "-d"),
        (raw.output.is_some(), "-o"),
        (raw.hex_dump.is_some(), "-x"),
        (raw.idle.is_some(), "-i"),
        (raw.quit.is_some(), "-q"),
        (raw.send_only, "--send-only"),
        (raw.recv_only, "--recv-only"),
        (raw.no_shutdown, "--no-shutdown"),
        (raw.eof.is_some(), "--eof"),
        (raw.progress, "--progress"),
        (raw.sockets.rate.is_some(), "--rate"),
        (raw.exec.pty, "--pty"),
        (facts.keeps_datagrams(), "-u"),
        (raw.tls.is_wanted(), "--ssl"),
    ];
    needs.into_iter().find_map(|(given, name)| given.then_some(name))
}

/// In the order in which they are looked for, after Ncat's.
pub(super) const RULES: &[Rule] = &[
    rule(
        "-e without a program",
        |f| f.raw.exec.is_empty_command(),
        "The command of -e is empty. QUITTING.\n  hint: -e /path/of/program arguments",
    ),
    rule_with(
        "--exec-exit, --exec-timeout, --exec-limit, --exec-handover or --pty without -e, -c or --lua-exec",
        |f| f.raw.exec.modifier().is_some() && f.execs() == 0,
        |f| {
            let name = f.raw.exec.modifier().unwrap_or_default();
            format!(
                "Invalid option combination: {name} without -e, -c or --lua-exec. QUITTING.\n  it is \
                 about the command that is run"
            )
        },
    ),
    rule(
        "--exec-exit with -l -k",
        |f| f.raw.exec.exit && f.listen && f.raw.keep_open,
        "Invalid option combination: --exec-exit and -k. QUITTING.\n  many commands have no one \
         status\n  hint: --json tells the status of each",
    ),
    rule(
        "--pty with --send-only or --recv-only",
        |f| f.raw.exec.pty && (f.raw.send_only || f.raw.recv_only),
        "Invalid option combination: --pty with one direction only. QUITTING.\n  a terminal needs \
         both directions\n  hint: leave out --send-only, --recv-only or --pty",
    ),
    rule_with(
        "--exec-handover with what needs the bytes (-C, -t, -d, -o, -x, -i, -q, --eof, --send-only, \
         --recv-only, --no-shutdown, --progress, --rate, --pty, -u, --ssl)",
        |f| handover_conflict(f).is_some(),
        |f| {
            let name = handover_conflict(f).unwrap_or_default();
            format!(
                "Invalid option combination: --exec-handover and {name}. QUITTING.\n  the command \
                 gets the socket itself, so no byte passes through here\n  hint: leave out \
                 --exec-handover"
            )
        },
    ),
];
