//! Who runs this, from the kernel; and who is a user of this host.

use std::fs;

/// A user of the host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct User {
    /// The name, or `uid:N` when the host has none for it.
    pub(crate) name: String,
    /// The number.
    pub(crate) uid: u32,
    /// How we know: `uid`, or `sudo` for what sudo told root.
    pub(crate) by: &'static str,
}

const PASSWD: &str = "/etc/passwd";

/// Who runs this. Root that came by sudo is who called sudo: root could say anything, so believing it costs
/// nothing, and two people on one host stay two.
pub(crate) fn current() -> User {
    let uid = effective();
    let sudo = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
    let (uid, by) = match sudo {
        Some(caller) if uid == 0 => (caller, "sudo"),
        _ => (uid, "uid"),
    };
    let name = name_of(uid).unwrap_or_else(|| format!("uid:{uid}"));
    User { name, uid, by }
}

#[cfg(unix)]
fn effective() -> u32 {
    rustix::process::getuid().as_raw()
}

#[cfg(not(unix))]
fn effective() -> u32 {
    u32::MAX
}

/// Whether the host has a user of this name.
pub(crate) fn is_known(name: &str) -> bool {
    let uid = name.strip_prefix("uid:").and_then(|uid| uid.parse().ok());
    passwd(|known, number| known == name || Some(number) == uid).is_some()
}

fn name_of(uid: u32) -> Option<String> {
    passwd(|_, number| number == uid)
}

/// The name of the first entry that fits.
fn passwd(fits: impl Fn(&str, u32) -> bool) -> Option<String> {
    let text = fs::read(PASSWD).ok()?;
    let text = String::from_utf8_lossy(&text);
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, uid) = (fields.next()?, fields.nth(1)?.parse().ok()?);
        fits(name, uid).then(|| name.to_owned())
    })
}
