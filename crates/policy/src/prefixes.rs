//! Networks with labels, and the question which of them contain an address.
//!
//! Prefixes either contain each other or have nothing in common, so they are a forest. It is kept as one array in
//! the order of addresses, each with its nearest container: the last prefix that begins at or before an
//! address, or one of its containers, is the longest match, and the containers of that are all others.

use std::net::IpAddr;

use decision::address;
use ipnet::IpNet;

/// A set of networks of both families. IPv4 lives at `::ffff:0:0/96`.
#[derive(Clone, Debug)]
pub struct Prefixes<T> {
    nodes: Vec<Node<T>>,
}

#[derive(Clone, Debug)]
struct Node<T> {
    first: u128,
    last: u128,
    /// The nearest that contains this one; itself if none.
    within: u32,
    net: IpNet,
    label: T,
}

impl<T> Prefixes<T> {
    /// The set of these networks. The same network may come with several labels.
    pub fn new(nets: impl IntoIterator<Item = (IpNet, T)>) -> Self {
        let node = |(net, label): (IpNet, T)| {
            let net = net.trunc();
            let last = u128::MAX.checked_shr(length(net)).unwrap_or(0);
            let first = address::bits(net.network());
            Node { first, last: first | last, within: 0, net, label }
        };
        let mut nodes: Vec<Node<T>> = nets.into_iter().map(node).collect();
        nodes.sort_by(|a, b| (a.first, b.last).cmp(&(b.first, a.last)));
        let mut open: Vec<usize> = Vec::new();
        for place in 0..nodes.len() {
            let first = nodes[place].first;
            while open.last().is_some_and(|above| nodes[*above].last < first) {
                open.pop();
            }
            nodes[place].within = open.last().copied().unwrap_or(place) as u32;
            open.push(place);
        }
        Self { nodes }
    }

    /// The networks of its family that contain an address, longest prefix first: `::/0` is not about IPv4.
    pub fn containing(&self, addr: IpAddr) -> impl Iterator<Item = (IpNet, &T)> {
        let bits = address::bits(addr);
        let after = self.nodes.partition_point(|node| node.first <= bits);
        let mut next = after.checked_sub(1);
        std::iter::from_fn(move || {
            loop {
                let place = next?;
                let node = &self.nodes[place];
                next = Some(node.within as usize).filter(|within| *within != place);
                if node.last >= bits && node.net.addr().is_ipv4() == addr.is_ipv4() {
                    return Some((node.net, &node.label));
                }
            }
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

/// Of the prefix, in the space of both families.
fn length(net: IpNet) -> u32 {
    match net {
        IpNet::V4(net) => 96 + u32::from(net.prefix_len()),
        IpNet::V6(net) => net.prefix_len().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(nets: &[&str], addr: &str) -> Vec<String> {
        let set = Prefixes::new(nets.iter().map(|net| (net.parse().unwrap(), ())));
        set.containing(addr.parse().unwrap()).map(|(net, ())| net.to_string()).collect()
    }

    #[test]
    fn longest_first() {
        let nets = [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.1.0.0/16",
            "10.1.2.3/32",
            "10.2.0.0/16",
            "::/0",
            "2001:db8::/32",
        ];
        assert_eq!(
            found(&nets, "10.1.2.3"),
            ["10.1.2.3/32", "10.1.0.0/16", "10.0.0.0/8", "0.0.0.0/0"]
        );
        assert_eq!(found(&nets, "10.3.0.0"), ["10.0.0.0/8", "0.0.0.0/0"]);
        assert_eq!(found(&nets, "2001:db8::9"), ["2001:db8::/32", "::/0"]);
        assert_eq!(found(&[], "::"), Vec::<String>::new());
        assert_eq!(found(&["255.255.255.255/32"], "255.255.255.255"), ["255.255.255.255/32"]);
        assert_eq!(found(&["10.0.0.0/8", "10.0.0.0/8"], "10.0.0.1").len(), 2);
    }

    proptest::proptest! {
        /// As a look at every network says.
        #[test]
        fn as_every_one_looked_at(
            nets in proptest::collection::vec((0u32..16, 26u8..=32), 0..24),
            addr in 0u32..64,
        ) {
            let net = |(bits, length): &(u32, u8)| {
                let addr = std::net::Ipv4Addr::from(0x0a00_0000 | bits << 2);
                IpNet::new(addr.into(), *length).unwrap().trunc()
            };
            let nets: Vec<IpNet> = nets.iter().map(net).collect();
            let addr = IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 | addr));
            let mut expected: Vec<u8> = nets.iter().filter(|net| net.contains(&addr)).map(IpNet::prefix_len).collect();
            expected.sort_unstable_by(|a, b| b.cmp(a));
            let set = Prefixes::new(nets.iter().map(|net| (*net, ())));
            let found: Vec<u8> = set.containing(addr).map(|(net, ())| net.prefix_len()).collect();
            proptest::prop_assert_eq!(found, expected);
        }
    }
}
