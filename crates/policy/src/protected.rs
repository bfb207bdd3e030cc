//! Networks that no rule can allow.

use ipnet::IpNet;

/// Network and what it is.
const BUILT_IN: &[(&str, &str)] = &[
    ("0.0.0.0/8", "this network"),
    ("169.254.0.0/16", "link-local and metadata services"),
    ("100.100.100.200/32", "a metadata service"),
    ("192.0.0.192/32", "a metadata service"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("::/128", "no address"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local, deprecated"),
    ("fd00:ec2::254/128", "a metadata service"),
    ("fd20:ce::254/128", "a metadata service"),
    ("ff00::/8", "multicast"),
];

/// What is always protected.
pub(crate) fn built_in() -> impl Iterator<Item = (IpNet, String)> {
    BUILT_IN.iter().filter_map(|(net, what)| Some((net.parse().ok()?, (*what).to_owned())))
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_are_read() {
        assert_eq!(super::built_in().count(), super::BUILT_IN.len());
    }
}
