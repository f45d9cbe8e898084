//! Who began a connection, told from what listens.

use std::{collections::HashMap, net::IpAddr};

use foldhash::fast::RandomState;
use nettop_collect::sockets::{SocketProtocol, SocketRow};
use nettop_model::snapshot::Way;

use super::state::{Kind, SYN_SENT};
use crate::detect::takers::takes;

/// What listens, by port: addresses, and whether IPv6 alone. Few are at one port.
pub struct Listeners(HashMap<(SocketProtocol, u16), Vec<(IpAddr, bool)>, RandomState>);

impl Listeners {
    /// Those among these sockets.
    pub fn of(sockets: &[SocketRow]) -> Self {
        let mut found = Self(HashMap::default());
        for socket in sockets.iter().filter(|socket| Kind::of(socket) == Some(Kind::Listening)) {
            let at_port = found.0.entry((socket.protocol, socket.local_port)).or_default();
            let one = (socket.local, socket.v6_only);
            // With SO_REUSEPORT thousands may have the same.
            if !at_port.contains(&one) {
                at_port.push(one);
            }
        }
        found
    }

    /// Who began this connection: the other end, where something listens at this one; this host, where its port is one of those that the
    /// kernel chooses for who asks for none.
    pub fn way(&self, socket: &SocketRow, ephemeral: Option<(u16, u16)>) -> Way {
        let SocketRow { protocol, state, local, local_port, .. } = *socket;
        let at_port = self.0.get(&(protocol, local_port)).map(Vec::as_slice).unwrap_or_default();
        let takes = |(bound, v6_only): &(IpAddr, bool)| takes(*bound, *v6_only, local);
        let chosen = ephemeral.is_some_and(|(first, last)| (first..=last).contains(&local_port));
        match (protocol, state) {
            (SocketProtocol::Tcp, SYN_SENT) => Way::Out,
            // Nobody can connect to those.
            (SocketProtocol::Raw | SocketProtocol::Icmp, _) => Way::Out,
            _ if at_port.iter().any(takes) => Way::In,
            _ if chosen => Way::Out,
            _ => Way::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(state: u8, local: &str, local_port: u16, remote_port: u16) -> SocketRow {
        let (local, remote) = (local.parse().expect("an address"), [198, 51, 100, 7].into());
        SocketRow { state, local, local_port, remote, remote_port, ..SocketRow::default() }
    }

    #[test]
    fn who_began_follows_from_what_listens() {
        let listening = [
            socket(10, "0.0.0.0", 80, 0),
            socket(10, "192.0.2.1", 22, 0),
            socket(10, "::", 443, 0),
            SocketRow { v6_only: true, ..socket(10, "::", 8443, 0) },
            SocketRow { protocol: SocketProtocol::Udp, ..socket(7, "0.0.0.0", 40_000, 0) },
            SocketRow { protocol: SocketProtocol::Raw, remote: [0; 4].into(), ..socket(7, "0.0.0.0", 1, 0) },
        ];
        let listeners = Listeners::of(&listening);
        for (name, state, local, port, expected) in [
            ("of any address", 1, "192.0.2.9", 80, Way::In),
            ("of any address, but IPv4", 1, "2001:db8::1", 80, Way::Unknown),
            ("of this address", 1, "192.0.2.1", 22, Way::In),
            ("of another address", 1, "192.0.2.9", 22, Way::Unknown),
            ("of both families", 1, "192.0.2.9", 443, Way::In),
            ("of IPv6", 1, "2001:db8::1", 443, Way::In),
            ("of IPv6 alone", 1, "192.0.2.9", 8443, Way::Unknown),
            ("of IPv6 alone, by IPv6", 1, "2001:db8::1", 8443, Way::In),
            ("a port that the kernel chose", 1, "192.0.2.9", 40_000, Way::Out),
            ("asked for and not answered", 2, "192.0.2.9", 80, Way::Out),
            ("nothing listens any more", 1, "192.0.2.9", 25, Way::Unknown),
        ] {
            let found = listeners.way(&socket(state, local, port, 50_000), Some((32_768, 60_999)));
            assert_eq!(found, expected, "{name}");
        }
        let raw = SocketRow { protocol: SocketProtocol::Raw, ..socket(1, "192.0.2.9", 1, 0) };
        assert_eq!(listeners.way(&raw, None), Way::Out, "raw, connected, beside one that takes the same protocol");
        assert_eq!(listeners.way(&socket(1, "192.0.2.9", 40_000, 443), None), Way::Unknown, "the ports are not known");
    }
}
