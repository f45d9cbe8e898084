//! What is this host's own: flows that begin or end here, and are not translated, are its connections.

use std::{
    collections::HashSet,
    io,
    net::{IpAddr, Ipv4Addr},
};

use foldhash::fast::RandomState;

use super::reading::FlowRow;
use crate::netlink::addresses::own_addresses;

/// The addresses of this host.
#[derive(Debug, Default)]
pub struct Own(HashSet<IpAddr, RandomState>);

impl Own {
    /// Asks the kernel for them.
    ///
    /// # Errors
    /// What the kernel says; then they stay what they were.
    pub fn look(&mut self) -> io::Result<()> {
        self.0 = own_addresses()?.into_iter().collect();
        Ok(())
    }

    /// Whether a flow is forwarded or translated by this host, or an exchange of ICMP.
    pub fn lists(&self, row: &FlowRow) -> bool {
        let key = &row.key;
        let here = [key.original.source, key.original.destination].iter().any(|address| self.has(*address));
        key.is_icmp() || key.translated() != [false; 2] || !here
    }

    /// Whether what is sent there comes to this host, or was sent by it.
    fn has(&self, address: IpAddr) -> bool {
        let is_here = address.is_loopback() || address.is_multicast() || address.is_unspecified();
        is_here || address == IpAddr::V4(Ipv4Addr::BROADCAST) || self.0.contains(&address)
    }
}

impl FromIterator<IpAddr> for Own {
    fn from_iter<T: IntoIterator<Item = IpAddr>>(addresses: T) -> Self {
        Self(addresses.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flows::reading::{FlowKey, Tuple};

    #[test]
    fn what_is_forwarded_translated_or_icmp_is_listed() {
        let own: Own = ["192.0.2.1", "2001:db8::1", "10.0.0.255"].map(|ip| ip.parse().unwrap()).into_iter().collect();
        for (name, protocol, ends, expected) in [
            ("forwarded", 6, ["10.0.0.2", "8.8.8.8", "8.8.8.8", "10.0.0.2"], true),
            ("from here", 6, ["192.0.2.1", "8.8.8.8", "8.8.8.8", "192.0.2.1"], false),
            ("to here", 6, ["8.8.8.8", "192.0.2.1", "192.0.2.1", "8.8.8.8"], false),
            ("with itself", 17, ["127.0.0.1", "127.0.0.53", "127.0.0.53", "127.0.0.1"], false),
            ("its source translated", 6, ["10.0.0.2", "8.8.8.8", "8.8.8.8", "192.0.2.1"], true),
            ("its destination translated", 6, ["8.8.8.8", "192.0.2.1", "10.0.0.2", "8.8.8.8"], true),
            ("to here, and redirected", 6, ["8.8.8.8", "192.0.2.1", "127.0.0.1", "8.8.8.8"], true),
            ("to a group", 17, ["10.0.0.2", "224.0.0.251", "224.0.0.251", "10.0.0.2"], false),
            ("to everybody", 17, ["0.0.0.0", "255.255.255.255", "255.255.255.255", "0.0.0.0"], false),
            ("to a network", 17, ["10.0.0.2", "10.0.0.255", "10.0.0.255", "10.0.0.2"], false),
            ("IPv6 to here", 6, ["2001:db8::2", "2001:db8::1", "2001:db8::1", "2001:db8::2"], false),
            ("IPv6 forwarded", 6, ["2001:db8::2", "2001:db8::3", "2001:db8::3", "2001:db8::2"], true),
            ("ICMP from here", 1, ["192.0.2.1", "8.8.8.8", "8.8.8.8", "192.0.2.1"], true),
        ] {
            let [source, destination, back, to] = ends.map(|ip| ip.parse().unwrap());
            let key = FlowKey {
                protocol,
                original: Tuple { source, destination, ports: [1, 2] },
                reply: Tuple { source: back, destination: to, ports: if protocol == 1 { [1, 0] } else { [2, 1] } },
                ..FlowKey::default()
            };
            assert_eq!(own.lists(&FlowRow { key, ..FlowRow::default() }), expected, "{name}");
        }
    }

    #[test]
    fn a_translated_port_or_identifier_is_a_translation() {
        for (name, protocol, ports, expected) in [
            ("nothing", 6, [[1, 2], [2, 1]], [false, false]),
            ("the source's port", 6, [[1, 2], [2, 9]], [true, false]),
            ("the destination's", 17, [[1, 2], [9, 1]], [false, true]),
            ("both", 17, [[1, 2], [8, 9]], [true, true]),
            ("an echo", 1, [[7, 0x800], [7, 0]], [false, false]),
            ("its identifier", 1, [[7, 0x800], [8, 0]], [true, false]),
            ("of ICMPv6", 58, [[7, 0x8000], [7, 0x8100]], [false, false]),
        ] {
            let [original, reply] = ports.map(|ports| Tuple { ports, ..Tuple::default() });
            assert_eq!(FlowKey { protocol, original, reply, ..FlowKey::default() }.translated(), expected, "{name}");
        }
    }
}
