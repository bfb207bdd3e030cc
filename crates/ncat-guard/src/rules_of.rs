//! The policy that the configuration and the files beside it make.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use config::Config;
use policy::{Bundle, Case, Engine, Exec, NamedNet, Networks, RuleFile, Security};

use crate::exit::{Done, Failure};
use crate::site::Site;
use crate::store::{Store, Version};

/// Rules are at most this long, in bytes.
const RULES_BYTES_MAX: u64 = 4 << 20;

/// A policy that decides.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) version: i64,
    pub(crate) engine: Engine,
}

/// Hand-written rules and cases in a directory; none if it is not there.
pub(crate) fn files(dir: &Path) -> Done<(Vec<RuleFile>, Vec<Case>)> {
    let (mut rules, mut cases) = (Vec::new(), Vec::new());
    let mut names = match fs::read_dir(dir) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<_>>(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((rules, cases)),
        Err(error) => return Err(Failure::file(dir, error)),
    };
    names.sort();
    for path in names {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match path.extension().and_then(|end| end.to_str()) {
            Some("cedar") => rules.push(RuleFile { name, text: text(&path)? }),
            Some("cases") => {
                let more = Case::parse_all(&text(&path)?);
                let wrong = |lines| Failure { lines, ..Failure::usage(format!("{name}: cases")) };
                cases.extend(more.map_err(wrong)?);
            }
            _ => {}
        }
    }
    Ok((rules, cases))
}

fn text(path: &Path) -> Done<String> {
    let file = fs::File::open(path).map_err(|error| Failure::file(path, error))?;
    if let Err(distrust) =
        config::trusted(&file, false).map_err(|error| Failure::file(path, error))?
    {
        return Err(Failure::file(path, distrust));
    }
    std::io::read_to_string(file.take(RULES_BYTES_MAX)).map_err(|error| Failure::file(path, error))
}

/// The policy that would be in force after `policy activate`.
pub(crate) fn draft(site: &Site) -> Done<Bundle> {
    let (rules, cases) = files(&site.rules_dir())?;
    Ok(Bundle { rules, cases, ..settings(&site.config) })
}

/// The simple settings.
pub(crate) fn settings(config: &Config) -> Bundle {
    let flag = |key: &str| config.flag(&format!("security_policies.{key}"));
    let security = Security {
        encryption_required: flag("encryption_required"),
        verify_certificates: flag("verify_certificates"),
        authorization_required: flag("authorization_required"),
        network_isolation: flag("network_isolation"),
        exec: match config.text("security_policies.exec") {
            Some("allow") => Exec::Allow,
            Some("granted") => Exec::Granted,
            _ => Exec::Deny,
        },
        purpose_required: flag("purpose_required"),
        ticket_pattern: config.text("security_policies.ticket_pattern").map(str::to_owned),
        simulate: config.text("security_policies.mode") == Some("simulate"),
        strict_errors: flag("strict_errors"),
    };
    let named = config.below("network_policies.named_networks").into_iter().map(|name| {
        let key = format!("network_policies.named_networks.{name}");
        let cidrs = config.nets(&format!("{key}.cidrs")).to_vec();
        let zone = config.text(&format!("{key}.zone")).map(str::to_owned);
        (name.to_owned(), NamedNet { cidrs, zone })
    });
    let protected = config.texts("network_policies.protected_networks").iter();
    let own = ["server.listen", "server.metrics_listen"];
    let networks = Networks {
        allowed: config.nets("network_policies.allowed_networks").to_vec(),
        loopback: config.flag("network_policies.allow_loopback"),
        ula: config.flag("network_policies.allow_ipv6_ula"),
        blocked_ports: config.ports("network_policies.blocked_ports").to_vec(),
        // `auto` is what is always protected.
        protected: protected.filter_map(|text| config::value::network(text).ok()).collect(),
        named: named.collect(),
        own: own.iter().filter_map(|key| config.text(key)?.parse().ok()).collect(),
    };
    Bundle { security, networks, ..Bundle::default() }
}

/// Compiles a bundle; its mistakes are a failure.
pub(crate) fn compiled(bundle: Bundle) -> Done<Engine> {
    Engine::new(bundle).map_err(|mistakes| {
        let what = match mistakes.len() {
            1 => "the policy has 1 mistake".to_owned(),
            count => format!("the policy has {count} mistakes"),
        };
        Failure { lines: mistakes, ..Failure::usage(what) }
    })
}

/// The stored policy that is in force.
pub(crate) fn active(store: &Store) -> Done<Version> {
    store
        .active_policy()?
        .ok_or_else(|| Failure::usage("no policy is active").hint("ncat-guard policy activate"))
}

/// The same, ready to decide.
pub(crate) fn in_force(store: &Store) -> Done<InForce> {
    let Version { version, bundle, .. } = active(store)?;
    Ok(InForce { version, engine: compiled(bundle)? })
}

/// By number, `active` or `draft`.
pub(crate) fn named(site: &Site, store: &Store, name: &str) -> Done<Bundle> {
    match name {
        "draft" => draft(site),
        "active" => Ok(active(store)?.bundle),
        number => {
            let version: i64 = number.parse().map_err(|_| {
                Failure::usage(format!("{number:?} is not a policy: a number, active or draft"))
            })?;
            let found = store.policy(version)?;
            Ok(found.ok_or_else(|| Failure::usage(format!("there is no policy {version}")))?.bundle)
        }
    }
}
