//! The simple settings as Cedar rules with ids that do not change.

use std::fmt::Write as _;

use crate::{Bundle, Exec};

/// Networks that the settings make; rules are about them, lists of any length are in them.
pub(crate) const RFC1918: &str = "nw.allow.rfc1918";
pub(crate) const LISTED: &str = "nw.allow.listed";
pub(crate) const ULA: &str = "nw.allow.ula";
pub(crate) const LOOPBACK: &str = "nw.allow.loopback";

/// What goes to or comes from somewhere.
const TRAFFIC: &[&str] = &["connect", "accept", "proxy", "broker", "test", "scan", "capture"];
/// What dials a port.
const DIALS: &[&str] = &["connect", "proxy", "test", "scan"];
/// What carries a user's bytes and so can be clear text.
const CARRIES: &[&str] = &["connect", "listen", "accept", "proxy", "test"];
/// What verifies a peer.
const VERIFIES: &[&str] = &["connect", "proxy", "test"];
/// What somebody decides to do; an accept is decided by whoever came.
const CHOSEN: &[&str] =
    &["connect", "listen", "proxy", "broker", "relay", "test", "scan", "capture", "exec"];

/// The compiled rules, in the order they are explained in the guide.
pub(crate) fn rules(bundle: &Bundle) -> String {
    let mut out = String::new();
    permits(bundle, &mut out);
    forbids(bundle, &mut out);
    out
}

fn permits(bundle: &Bundle, out: &mut String) {
    let isolated = bundle.security.network_isolation;
    let with_listen = [TRAFFIC, &["listen"]].concat();
    let open = if isolated { TRAFFIC } else { &with_listen };
    let mut network = |id: &str, reason: &str, actions: &[&str]| {
        rule(
            out,
            id,
            reason,
            None,
            "permit",
            actions,
            &format!("resource in Network::\"{id}\""),
            "",
        );
    };
    network(RFC1918, "in network_policies.allowed_networks, a private network of RFC 1918", open);
    network(LISTED, "in network_policies.allowed_networks", open);
    if bundle.networks.ula {
        network(ULA, "network_policies.allow_ipv6_ula", open);
    }
    if bundle.networks.loopback {
        network(LOOPBACK, "network_policies.allow_loopback", &with_listen);
    }
    let local = "when { resource.transport == \"unix\" }";
    rule(
        out,
        "nw.allow.unix",
        "a Unix socket of this host",
        None,
        "permit",
        &with_listen,
        "resource",
        local,
    );
    if !isolated {
        let when = "when { context.wildcard }";
        let reason = "security_policies.network_isolation is off";
        rule(out, "nw.allow.wildcard", reason, None, "permit", &["listen"], "resource", when);
    }
    if bundle.security.exec == Exec::Allow {
        rule(
            out,
            "sec.exec.allow",
            "security_policies.exec is allow",
            None,
            "permit",
            &["exec"],
            "resource",
            "",
        );
    }
    let when = "when { context.grant.covers }";
    rule(out, "grant.cover", "a grant covers it", None, "permit", &[], "resource", when);
}

fn forbids(bundle: &Bundle, out: &mut String) {
    let security = &bundle.security;
    let mut forbid = |id: &str, code: &str, reason: &str, actions: &[&str], when: &str| {
        rule(out, id, reason, Some(code), "forbid", actions, "resource", when);
    };
    if !bundle.networks.blocked_ports.is_empty() {
        let when = "when { context.port_blocked } unless { context.grant.port }";
        forbid("nw.block.port", "PORT_BLOCKED", "network_policies.blocked_ports", DIALS, when);
    }
    if security.encryption_required {
        let when = "when { !context.encrypted && !resource.loopback && !resource.local } unless { context.grant.cleartext }";
        forbid(
            "sec.tls.required",
            "TLS_REQUIRED",
            "security_policies.encryption_required",
            CARRIES,
            when,
        );
    }
    if security.verify_certificates {
        let when = "when { context.encrypted && !context.authenticated && !resource.loopback && !resource.local } unless { context.grant.unverified }";
        forbid(
            "sec.tls.verify",
            "TLS_VERIFY_REQUIRED",
            "security_policies.verify_certificates",
            VERIFIES,
            when,
        );
    }
    if security.network_isolation {
        let when = "when { !resource.loopback && !resource.local } unless { context.grant.covers }";
        forbid(
            "sec.listen.exposed",
            "LISTEN_EXPOSED",
            "security_policies.network_isolation",
            &["listen"],
            when,
        );
        let when = "when { context.zones_joined } unless { context.grant.relay }";
        let all = [TRAFFIC, &["listen", "relay"]].concat();
        forbid("sec.zone.bridge", "ZONE_BRIDGE", "security_policies.network_isolation", &all, when);
    }
    let when = "when { context.routed } unless { context.grant.relay }";
    forbid(
        "sec.route",
        "APPROVAL_REQUIRED",
        "choosing a packet's way or source needs the relay action",
        DIALS,
        when,
    );
    match security.exec {
        Exec::Allow => {}
        Exec::Granted => {
            let when = "unless { context.grant.exec }";
            forbid(
                "sec.exec.granted",
                "EXEC_FORBIDDEN",
                "security_policies.exec is granted",
                &["exec"],
                when,
            );
        }
        Exec::Deny => {
            forbid(
                "sec.exec.deny",
                "EXEC_FORBIDDEN",
                "security_policies.exec is deny",
                &["exec"],
                "",
            );
        }
    }
    if security.purpose_required {
        let when = "when { !context.purpose_stated }";
        forbid(
            "sec.purpose",
            "PURPOSE_REQUIRED",
            "security_policies.purpose_required",
            CHOSEN,
            when,
        );
    }
    if security.ticket_pattern.is_some() {
        let when = "when { !context.ticket_valid }";
        forbid("sec.ticket", "TICKET_REQUIRED", "security_policies.ticket_pattern", CHOSEN, when);
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one rule, in its order")]
fn rule(
    out: &mut String,
    id: &str,
    reason: &str,
    code: Option<&str>,
    effect: &str,
    actions: &[&str],
    resource: &str,
    condition: &str,
) {
    let code = code.map(|code| format!("@code(\"{code}\")\n")).unwrap_or_default();
    let actions: Vec<String> =
        actions.iter().map(|action| format!("Action::\"{action}\"")).collect();
    let action = match &actions[..] {
        [] => "action".to_owned(),
        [one] => format!("action == {one}"),
        many => format!("action in [{}]", many.join(", ")),
    };
    let condition = if condition.is_empty() { String::new() } else { format!("\n{condition}") };
    // Writing to a String does not fail.
    let _ = write!(
        out,
        "@id(\"{id}\")\n@reason(\"{reason}\")\n{code}{effect} (\n  principal,\n  {action},\n  {resource}\n){condition};\n\n"
    );
}
