//! Commands run for a connection. In a build without them the options are known, and refused.

use super::super::exec_limit;
use super::super::item::{Group, Item, Update};
use super::super::values;

/// The option, or word of it, as the build has it.
const fn brought(item: Item) -> Item {
    if cfg!(feature = "exec") {
        return item;
    }
    Item { update: Update::Absent(|_| {}), ..item }
}

/// The options of this theme.
pub(super) static ITEMS: &[Item] = &[
    brought(Item::with_value("command", |raw, given| {
        raw.exec.exec.push(given.value.to_owned());
        Ok(())
    }))
    .short('e')
    .long("exec")
    .doc(Group::Programs, "Executes the given command")
    .more(
        "What is received is its standard input, its standard output is sent, its standard error is \
         ours. Blanks separate words; a backslash takes the next byte as it is, in double quotes too; \
         quotes keep words together, and one without its partner is an ordinary byte. No shell, no \
         search: give the whole path. Each connection of -k has a command of its own. The connection \
         ends when the command has exited and its output has ended, be it that of a process it left \
         behind. The environment tells NCAT_REMOTE_ADDR, NCAT_REMOTE_PORT, NCAT_LOCAL_ADDR, \
         NCAT_LOCAL_PORT, NCAT_PROTO and, when connecting, NCAT_TARGET_ADDR and NCAT_TARGET_PORT. A \
         command is stopped (SIGTERM, two seconds later SIGKILL) with its process group when we end: by \
         a signal, -i, -q or --exec-timeout. With -u each write of its output is a datagram.",
    )
    .better(
        "output is delivered to its end, both directions are independent, nothing but 0, 1 and 2 is \
         open in the command, quotes work and words are never joined, the reason of a failure has a hint",
        "one_command_for_each_connection_in_every_mode",
    ),
    brought(Item::with_value("command", |raw, given| {
        raw.exec.sh_exec.push(given.value.to_owned());
        Ok(())
    }))
    .short('c')
    .long("sh-exec")
    .doc(Group::Programs, "Executes the given command via /bin/sh")
    .more("As -e with /bin/sh -c.")
    .better("as -e", "one_command_for_each_connection_in_every_mode"),
    brought(Item::flag(|raw| raw.exec.exit = true))
        .long("exec-exit")
        .doc(Group::Programs, "Exit with the status of the command")
        .more(
            "128 + n when signal n ended it, 127 when it is not there, 126 when it cannot be run. \
             Without it a connection that went well is 0 whatever the command's status. Not with -l -k.",
        )
        .ours("exec_exit_passes_on_the_status"),
    brought(Item::with_value("time", |raw, given| {
        raw.exec.timeout = Some(values::time("--exec-timeout time", given)?);
        Ok(())
    }))
    .long("exec-timeout")
    .doc(Group::Programs, "Stop the command after this time")
    .more("What it has said is still delivered; the exit code is 1.")
    .ours("exec_timeout_stops_the_command_and_delivers_what_it_said"),
    brought(Item::with_value("list", |raw, given| exec_limit::add(&mut raw.exec.limits, given)))
        .long("exec-limit")
        .doc(Group::Programs, "What the command may use: mem, cpu, files")
        .more(
            "A list with commas of mem=SIZE (bytes, or with K, M, G; address space), cpu=TIME (whole \
             seconds are counted) and files=N (open descriptors, at least 3), for each process of it.",
        )
        .ours("exec_limits_hold_in_the_command_and_not_for_us"),
    brought(Item::flag(|raw| raw.exec.pty = true))
        .long("pty")
        .doc(Group::Programs, "Give the command a terminal of its own")
        .more(
            "Descriptors 0, 1 and 2 are a new terminal of 80 by 24 characters, which controls the \
             command: job control, line editing and password prompts work. When the peer ends its \
             direction the end-of-file character is typed.",
        )
        .ours("pty_is_a_controlling_terminal"),
    brought(Item::flag(|raw| raw.exec.handover = true))
        .long("exec-handover")
        .doc(Group::Programs, "Give the command the socket itself")
        .more(
            "Streams only, and with no option that needs the bytes. Faster, and different: the command \
             can ask the socket who the peer is, closing descriptor 1 tells the peer nothing, no bytes \
             are counted, and the connection ends with the command whoever it left behind.",
        )
        .ours("handover_gives_the_socket_itself"),
];
