//! Names to addresses, without blocking the runtime.

use std::net::{IpAddr, SocketAddr};

pub use sys::resolve::Family;

use crate::OpenError;

/// Every address of `host`, in the resolver's order, at least one.
///
/// Literals are answered at once; names are looked up on a thread of their own, which is left to
/// itself when the caller stops waiting.
///
/// # Errors
/// [`OpenError::Resolve`] with the resolver's words.
pub async fn resolve(
    host: &str,
    port: u16,
    family: Family,
    numeric: bool,
) -> Result<Vec<SocketAddr>, OpenError> {
    if let Ok(ip) = host.parse::<IpAddr>()
        && family.admits(ip)
    {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let name = host.to_string();
    let looked_up = if numeric {
        sys::resolve::resolve(&name, port, family, true)
    } else {
        tokio::task::spawn_blocking(move || sys::resolve::resolve(&name, port, family, false))
            .await
            .unwrap_or_else(|_| Err("the look-up was interrupted".into()))
    };
    let fail = |reason: String| OpenError::Resolve { host: host.to_string(), reason };
    let found = looked_up.map_err(fail)?;
    if found.is_empty() {
        return Err(fail("No address associated with hostname".into()));
    }
    Ok(found)
}
