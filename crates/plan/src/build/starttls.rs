//! Rules about `--starttls`.

use super::rules::{Facts, Rule, rule};
use crate::StartTls;

fn is_wanted(facts: &Facts<'_>) -> bool {
    facts.raw.tls.starttls.is_some()
}

/// XMPP names the server before anything else.
fn names_no_server(facts: &Facts<'_>) -> bool {
    let tls = &facts.raw.tls;
    let has_no_host = facts.unix || facts.vsock;
    tls.starttls == Some(StartTls::Xmpp) && has_no_host && tls.server_name.is_none()
}

/// In the order in which they are looked for, before those about TLS.
pub(super) const RULES: &[Rule] = &[
    rule(
        "--starttls with -l",
        |f| is_wanted(f) && f.listen,
        "Invalid option combination: --starttls with -l. QUITTING.\n  it is the client who asks for \
         TLS\n  hint: -l --ssl begins with TLS",
    ),
    rule(
        "--starttls with -u",
        |f| is_wanted(f) && f.keeps_datagrams(),
        "Invalid option combination: --starttls with -u. QUITTING.\n  its dialogue is a stream's",
    ),
    rule(
        "--starttls xmpp with -U or --vsock, without --ssl-servername",
        names_no_server,
        "Invalid option combination: --starttls xmpp without a name of the server. QUITTING.\n  -U \
         and --vsock have none, and XMPP begins with it\n  hint: --ssl-servername names the server",
    ),
];
