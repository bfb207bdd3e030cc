//! Names to addresses by the system's own resolver: hosts file, NSS, IDN and scope ids included.

use std::net::IpAddr;
use std::net::SocketAddr;

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Family {
    /// Both.
    #[default]
    Any,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Whether an address belongs to it.
    pub fn admits(self, ip: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => ip.is_ipv4(),
            Self::V6 => ip.is_ipv6(),
        }
    }
}

/// Every address of `host` in the resolver's order, each with `port`. Blocks while names are looked
/// up; with `numeric` only literals are taken (also the old forms of inet_aton(3)) and it does not.
///
/// # Errors
/// The resolver's own words, as gai_strerror(3) has them.
#[cfg(unix)]
pub fn resolve(
    host: &str,
    port: u16,
    family: Family,
    numeric: bool,
) -> Result<Vec<SocketAddr>, String> {
    use std::ffi::{CStr, CString};
    let name = CString::new(host).map_err(|_| "the name holds a NUL byte".to_string())?;
    // SAFETY: all-zero is a valid set of hints.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    // A datagram hint makes the resolver list each address once.
    hints.ai_socktype = libc::SOCK_DGRAM;
    hints.ai_family = match family {
        Family::Any => libc::AF_UNSPEC,
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    if numeric {
        hints.ai_flags |= libc::AI_NUMERICHOST;
    }
    let mut list: *mut libc::addrinfo = std::ptr::null_mut();
    // SAFETY: `name` and `hints` live through the call; `list` receives an owned list on success.
    let rc = unsafe {
        libc::getaddrinfo(name.as_ptr(), std::ptr::null(), &raw const hints, &raw mut list)
    };
    if rc != 0 {
        if rc == libc::EAI_SYSTEM {
            return Err(strerror(&std::io::Error::last_os_error()));
        }
        // SAFETY: gai_strerror returns a static string for any code.
        let text = unsafe { CStr::from_ptr(libc::gai_strerror(rc)) };
        return Err(text.to_string_lossy().into_owned());
    }
    let mut found = Vec::new();
    let mut at = list;
    while !at.is_null() {
        // SAFETY: getaddrinfo gave a well-formed list that we have not freed yet.
        let entry = unsafe { &*at };
        // SAFETY: the entry's address is valid for its stated length.
        if let Some(mut addr) = unsafe { socket_addr(entry) } {
            addr.set_port(port);
            if !found.contains(&addr) {
                found.push(addr);
            }
        }
        at = entry.ai_next;
    }
    // SAFETY: the list came from getaddrinfo and is freed once.
    unsafe { libc::freeaddrinfo(list) };
    Ok(found)
}

/// # Safety
/// `entry.ai_addr` must be valid for `entry.ai_addrlen` bytes.
#[cfg(unix)]
unsafe fn socket_addr(entry: &libc::addrinfo) -> Option<SocketAddr> {
    let len = entry.ai_addrlen;
    // SAFETY: by the caller's promise the source holds `len` bytes; the storage is larger than any
    // address, and its length is set to what was copied.
    let ((), addr) = unsafe {
        socket2::SockAddr::try_init(|storage, storage_len| {
            let copy = (len as usize).min(*storage_len as usize);
            std::ptr::copy_nonoverlapping(entry.ai_addr.cast::<u8>(), storage.cast::<u8>(), copy);
            *storage_len = len;
            Ok(())
        })
    }
    .ok()?;
    addr.as_socket()
}

/// Every address of `host`; see the Unix form.
///
/// # Errors
/// The resolver's own words.
#[cfg(not(unix))]
pub fn resolve(
    host: &str,
    port: u16,
    family: Family,
    numeric: bool,
) -> Result<Vec<SocketAddr>, String> {
    use std::net::ToSocketAddrs;
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok([SocketAddr::new(ip, port)]
            .into_iter()
            .filter(|a| family.admits(a.ip()))
            .collect());
    }
    if numeric {
        return Err("Name or service not known".into());
    }
    let found = (host, port).to_socket_addrs().map_err(|e| strerror(&e))?;
    Ok(found.filter(|addr| family.admits(addr.ip())).collect())
}

/// An error as strerror(3) words it, without Rust's "(os error n)".
pub fn strerror(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) => text[..at].to_string(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_old_forms() {
        let one = |h: &str| resolve(h, 80, Family::Any, true).map(|v| v[0].to_string());
        assert_eq!(one("127.0.0.1").unwrap(), "127.0.0.1:80");
        assert_eq!(one("::1").unwrap(), "[::1]:80");
        #[cfg(unix)]
        assert_eq!(one("123456").unwrap(), "0.1.226.64:80");
        assert!(one("localhost").is_err());
    }

    #[test]
    fn names_come_once_each() {
        let found = resolve("localhost", 1, Family::V4, false).unwrap();
        assert_eq!(found, ["127.0.0.1:1".parse().unwrap()]);
    }
}
