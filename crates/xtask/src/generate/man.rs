//! The manual page, in roff with the man macros.
//!
//! Written here and not by clap_mangen, which knows no headings among the options and would need
//! every other section by hand all the same.

use std::fmt::Write;

use ncat_cli::flags::{Group, Item, items};

/// ncat(1).
pub(crate) fn page() -> String {
    let mut page = format!(
        ".\\\" Written by cargo xtask gen.\n.TH NCAT 1 \"\" \"ncat {}\" \"User Commands\"\n",
        env!("CARGO_PKG_VERSION")
    );
    page.push_str(OPENING);
    page.push_str(".SH OPTIONS\n");
    page.push_str(
        "Long names may be shortened as long as they stay unambiguous. Options and operands may be \
         mixed; \\fB\\-\\-\\fR ends the options, and so does the first operand when \
         \\fBPOSIXLY_CORRECT\\fR is set.\n",
    );
    for group in Group::ALL {
        let shown = items().filter(|item| item.group == group && !item.is_absent());
        let options: String = shown.filter(|item| !item.hidden).map(option).collect();
        if !options.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(page, ".SS {}\n{options}", roff(group.title()));
        }
    }
    let absent: Vec<String> = items()
        .filter(|item| item.is_absent() && !item.hidden)
        .map(|item| bold(item.spellings().trim_start()))
        .collect();
    if !absent.is_empty() {
        let list = absent.join("; ");
        let _ = writeln!(page, ".SS Not in this build\nRefused with exit status 2: {list}.");
    }
    page.push_str(CLOSING);
    page
}

fn option(item: &Item) -> String {
    let value = item.value.map(|value| format!(" \\fI{}\\fR", roff(value))).unwrap_or_default();
    let names = bold(item.spellings().trim_start());
    let more = if item.more.is_empty() { String::new() } else { format!("\n{}", roff(item.more)) };
    let words = match item.words {
        [] => String::new(),
        words => format!("\nOne of {}.", roff(&words.join(", "))),
    };
    // The long text of an option with words names each of them already.
    let words = if item.more.is_empty() { words } else { String::new() };
    format!(".TP\n{names}{value}\n{}.{more}{words}\n", roff(item.doc))
}

fn bold(names: &str) -> String {
    let each: Vec<String> =
        names.split(", ").map(|name| format!("\\fB{}\\fR", roff(name))).collect();
    each.join(", ")
}

/// Text that means nothing to roff: no escapes, ASCII hyphens that can be copied, no request at the
/// start of a line.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    if escaped.starts_with(['.', '\'']) { format!("\\&{escaped}") } else { escaped }
}

const OPENING: &str = r#".SH NAME
ncat \- concatenate and redirect sockets
.SH SYNOPSIS
.B ncat
[\fIoptions\fR] [\fIhostname\fR] [\fIport\fR]
.SH DESCRIPTION
.B ncat
joins standard input and output with a network connection. Without \fB\-l\fR it connects to
\fIhostname\fR and \fIport\fR; with it, it waits for a client. The port is 31337 when none is given.
.PP
What was read is delivered, or the exit status is not 0.
.PP
When listening, operands are: none, for every address; a \fIport\fR of at most five digits; a
\fIhostname\fR; or both. With \fB\-U\fR the one operand is the path of a socket.
.PP
Options taking a time assume seconds. Append 'ms' for milliseconds, 's' for seconds, 'm' for minutes, or
\&'h' for hours. A number of 100 or more needs a unit, because it was milliseconds once.
"#;

const CLOSING: &str = r#".SH EXIT STATUS
.TP
0
Done.
.TP
1
A network error: refused, reset, timed out.
.TP
2
Anything else: a command line that is refused, a name that does not resolve, a file that cannot be
opened.
.SH EXAMPLES
.TP
.B ncat db.example 5432
Connect.
.TP
.B ncat \-l 8080 > copy; ncat \-\-send\-only host.example 8080 < file
Copy a file: the first on one machine, the second on the other.
.TP
.B ncat \-lk \-\-allow 10.0.0.0/8 8080
Serve many clients, but only near ones.
.TP
.B ncat \-zv \-w 2 host.example 22
Is the port open?
.TP
.B ncat \-\-explain \-lku 5353
What would this do?
"#;
