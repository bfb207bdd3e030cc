//! Shell completions, by way of a `clap::Command` made from the option table.
//!
//! clap is used nowhere else: what it thinks of a command line does not matter here.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueHint};
use clap_complete::{Shell, generate};
use ncat_cli::flags::{Item, items};

/// The completion script of a shell.
pub(crate) fn completion(shell: Shell) -> Result<String, String> {
    let mut script = Vec::new();
    generate(shell, &mut command(), "ncat", &mut script);
    let script = String::from_utf8(script).map_err(|error| error.to_string())?;
    // Shells ignore blanks at the ends of lines; tidy does not.
    let lines: Vec<&str> = script.lines().map(str::trim_end).collect();
    Ok(lines.join("\n").trim_end().to_owned() + "\n")
}

/// What is offered: options of this build that help shows, and host and port.
fn command() -> Command {
    let shown = items().filter(|item| !item.is_absent() && !item.hidden);
    Command::new("ncat")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(shown.map(option))
        .arg(Arg::new("hostname").value_hint(ValueHint::Hostname))
        .arg(Arg::new("port"))
}

fn option(item: &Item) -> Arg {
    let mut arg = Arg::new(item.canonical()).help(item.doc);
    if let Some(letter) = item.short {
        arg = arg.short(letter);
    }
    // --4 and --6 exist for Ncat's sake; nobody has to be offered them.
    if let Some(name) = item.long.filter(|name| name.len() > 1) {
        arg = arg.long(name);
    }
    let Some(value) = item.value else {
        return arg.action(ArgAction::Count);
    };
    let arg = arg.value_name(value).action(ArgAction::Append);
    match value {
        "file" => arg.value_hint(ValueHint::FilePath),
        "addr" | "hosts" => arg.value_hint(ValueHint::Hostname),
        _ if !item.words.is_empty() => arg.value_parser(PossibleValuesParser::new(item.words)),
        _ => arg.value_hint(ValueHint::Other),
    }
}
