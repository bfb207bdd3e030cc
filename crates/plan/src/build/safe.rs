//! `--safe`: what it refuses, and what it turns on.

use super::rules::{Facts, Rule, rule};
use crate::TlsSpec;

/// A list of whom to let in, or of whose certificates.
fn names_its_clients(facts: &Facts<'_>) -> bool {
    let raw = facts.raw;
    !raw.allow.is_empty() || !raw.allow_files.is_empty() || !raw.tls.allow.is_empty()
}

/// A command for a server that could be anybody.
fn runs_for_a_stranger(facts: &Facts<'_>) -> bool {
    facts.raw.safe && !facts.listen && facts.execs() > 0 && !facts.raw.tls.is_wanted()
}

fn runs_for_anybody(facts: &Facts<'_>) -> bool {
    facts.raw.safe && facts.listen && facts.execs() > 0 && !names_its_clients(facts)
}

/// Of vsock's addresses the one of this machine has to be named: it is no network.
fn listens_to_every_guest(facts: &Facts<'_>) -> bool {
    let names_one = facts.raw.operands.len() > 1;
    facts.raw.safe && facts.listen && facts.vsock && !names_one && !facts.raw.sockets.is_handed
}

/// In the order in which they are looked for, after all others.
pub(super) const RULES: &[Rule] = &[
    rule(
        "--safe with a command, in listen mode, without --allow, --allowfile or --ssl-allow",
        runs_for_anybody,
        "--safe: a command needs a list of who may use it. QUITTING.\n  anybody who can connect could \
         run it\n  hint: --allow or --allowfile names hosts, --ssl-allow names certificates",
    ),
    rule(
        "--safe with a command, in connect mode, without --ssl",
        runs_for_a_stranger,
        "--safe: a command for a server that is not verified. QUITTING.\n  whoever answers there could \
         use it\n  hint: with --ssl the server is verified; --ssl-pin names its key",
    ),
    rule(
        "--safe with --vsock and -l, without an address",
        listens_to_every_guest,
        "--safe: every guest and the host could connect. QUITTING.\n  hint: name the address to listen \
         on before the port; 1 is this machine",
    ),
];

/// Whether a listener that names no address stays on this machine.
pub(super) fn is_loopback(facts: &Facts<'_>) -> bool {
    facts.raw.safe
}

/// Servers are verified, unless their key is pinned. Clients are when `--ssl-verify`, `--ssl-client-ca`
/// or `--ssl-allow` says so, as without `--safe`: most have no certificate.
pub(super) fn verifies(facts: &Facts<'_>) -> bool {
    let tls = &facts.raw.tls;
    facts.raw.safe && !facts.listen && tls.is_wanted() && tls.pins.is_empty()
}

/// What `--ssl...` says, and what `--safe` adds.
pub(super) fn tls(facts: &Facts<'_>) -> Option<TlsSpec> {
    let spec = facts.raw.tls.spec(super::transport(facts.raw).is_message())?;
    Some(TlsSpec { verify: spec.verify || verifies(facts), ..spec })
}

#[cfg(test)]
mod tests {
    use crate::{Mode, PeerRule, RawArgs, RawFamily, RawTls, build};

    fn safe(operands: &[&str], listen: bool, change: impl Fn(&mut RawArgs)) -> RawArgs {
        let operands = operands.iter().map(|word| (*word).to_owned()).collect();
        let mut raw = RawArgs { operands, listen, safe: true, ..RawArgs::default() };
        change(&mut raw);
        raw
    }

    fn refusal(raw: &RawArgs) -> String {
        build(raw).expect_err("it is refused").0
    }

    #[test]
    fn a_listener_stays_here_unless_an_address_is_named() {
        for (safe, loopback) in [(true, true), (false, false)] {
            let raw = RawArgs { listen: true, safe, ..RawArgs::default() };
            let plan = build(&raw).expect("a plan");
            let Mode::Listen(listen) = plan.mode else { panic!("it listens") };
            assert_eq!(listen.loopback, loopback);
            assert_eq!(listen.host, None);
        }
    }

    #[test]
    fn commands_need_a_list_or_a_verified_server() {
        let exec = |raw: &mut RawArgs| raw.exec.exec.push("/bin/cat".into());
        assert!(refusal(&safe(&["9"], true, exec)).starts_with("--safe: a command needs a list"));
        assert!(refusal(&safe(&["h", "9"], false, exec)).contains("not verified"));
        let named = |raw: &mut RawArgs| {
            exec(raw);
            raw.allow.push("192.0.2.1".into());
        };
        assert!(build(&safe(&["9"], true, named)).is_ok());
        let by_key = |raw: &mut RawArgs| {
            exec(raw);
            let rule = format!("sha256/{}", "00".repeat(32)).parse::<PeerRule>();
            raw.tls.allow.push(rule.expect("a rule"));
        };
        assert!(build(&safe(&["9"], true, by_key)).is_ok());
        let secured = |raw: &mut RawArgs| {
            exec(raw);
            raw.tls.wanted = true;
        };
        assert!(build(&safe(&["h", "9"], false, secured)).is_ok());
    }

    #[test]
    fn servers_are_verified_or_pinned() {
        let tls = |tls: RawTls| {
            let raw = safe(&["h", "9"], false, |raw| raw.tls = tls.clone());
            build(&raw).expect("a plan").tls.expect("TLS").verify
        };
        assert!(tls(RawTls { wanted: true, ..RawTls::default() }));
        let pins = vec![crate::Pin([0; 32])];
        assert!(!tls(RawTls { pins, ..RawTls::default() }));
        let unix = safe(&["/x"], false, |raw| {
            raw.family = Some(RawFamily::Unix);
            raw.tls.wanted = true;
        });
        assert!(refusal(&unix).contains("without a name to expect"));
    }

    #[test]
    fn a_vsock_listener_names_its_address() {
        let vsock = |raw: &mut RawArgs| raw.family = Some(RawFamily::Vsock);
        assert!(refusal(&safe(&["9"], true, vsock)).contains("every guest"));
        assert!(build(&safe(&["1", "9"], true, vsock)).is_ok());
    }
}
