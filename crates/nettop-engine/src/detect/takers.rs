//! Which socket of this host takes a packet, as the newest census has it.

use std::net::IpAddr;

use nettop_collect::sockets::{Census, SocketProtocol, SocketRow};
use nettop_common::{Address, Event};
use nettop_model::order;

use super::mix::{Flow, flow};

/// The state of a TCP socket that waits for connections (include/net/tcp_states.h).
const LISTEN: u8 = 10;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The sockets of a census, in order, so that one is found among 65,536 in sixteen steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Takers {
    /// Sockets with another end: their protocol, and the flow of what comes to them.
    connected: Vec<(u8, Flow)>,
    /// Those that take what anybody sends.
    open: Vec<Open>,
    /// Addresses that some socket has at this end.
    own: Vec<Address>,
    /// Whether these are all the sockets there were.
    is_whole: bool,
}

/// A socket that takes what anybody sends: datagrams, or the SYNs of connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Open {
    protocol: u8,
    port: u16,
    address: IpAddr,
    v6_only: bool,
    /// Name and number of its process, where they are known.
    process: Option<(String, u32)>,
}

/// Who takes what is sent to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taker<'a> {
    /// A socket; name and number of its process, where they are known.
    Socket(Option<&'a (String, u32)>),
    /// No socket of this host.
    Nobody,
}

/// Whether a socket that is bound to an address takes what is sent to another one.
pub fn takes(bound: IpAddr, v6_only: bool, address: IpAddr) -> bool {
    let is_any = bound.is_unspecified();
    bound == address || is_any && (bound.is_ipv4() == address.is_ipv4() || bound.is_ipv6() && !v6_only)
}

impl Takers {
    /// Those of a census.
    pub fn of(census: &Census) -> Self {
        let mut takers = Self { is_whole: census.is_whole(), ..Self::default() };
        for row in &census.sockets {
            let Some(protocol) = number(row.protocol) else { continue };
            if !row.local.is_unspecified() {
                takers.own.push(row.local.into());
            }
            let SocketRow { local, local_port, remote, remote_port, v6_only, .. } = *row;
            if remote_port != 0 {
                takers.connected.push((protocol, (remote.into(), local.into(), remote_port, local_port)));
            } else if protocol == UDP || row.state == LISTEN {
                let owner = row.owner.and_then(|owner| census.processes.get(owner as usize));
                let process = owner.map(|process| (process.name.clone(), process.pid));
                takers.open.push(Open { protocol, port: local_port, address: local, v6_only, process });
            }
        }
        takers.connected.sort_unstable();
        takers.open.sort_unstable();
        // Thousands may share one port (SO_REUSEPORT).
        takers.open.dedup_by(|a, b| (a.protocol, a.port, a.address) == (b.protocol, b.port, b.address));
        takers.own.sort_unstable();
        takers.own.dedup();
        takers
    }

    /// Whether a packet is of a connection, or comes to a socket of UDP that is connected to its sender.
    pub fn is_connected(&self, event: &Event) -> bool {
        self.connected.binary_search(&(event.protocol, flow(event))).is_ok()
    }

    /// Who takes SYNs (`is_udp`: datagrams) to this address and port; `None`: that is not known. An address that no socket has may be
    /// that of another host, or another namespace.
    pub fn taker(&self, is_udp: bool, address: &Address, port: u16) -> Option<Taker<'_>> {
        let (protocol, ip) = (if is_udp { UDP } else { TCP }, address.to_ip());
        let first = self.open.partition_point(|open| (open.protocol, open.port) < (protocol, port));
        let at_port = self.open[first..].iter().take_while(|open| (open.protocol, open.port) == (protocol, port));
        let takes = |open: &&Open| takes(open.address, open.v6_only, ip);
        // The kernel prefers the one that names the address; those of one port are mostly of one process.
        let mut found = at_port.filter(takes).collect::<Vec<_>>();
        order::sort_by_key(&mut found, |open| open.address.is_unspecified());
        match found.first() {
            Some(open) => Some(Taker::Socket(open.process.as_ref())),
            None if self.is_whole && self.own.binary_search(address).is_ok() => Some(Taker::Nobody),
            None => None,
        }
    }
}

/// The number of a protocol whose sockets are told apart by ports; `None`: of another one.
fn number(protocol: SocketProtocol) -> Option<u8> {
    match protocol {
        SocketProtocol::Tcp => Some(TCP),
        SocketProtocol::Udp => Some(UDP),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use nettop_collect::sockets::Process;
    use nettop_common::Packet;

    use super::*;

    fn socket(protocol: SocketProtocol, local: (&str, u16), remote: (&str, u16)) -> SocketRow {
        let address = |text: &str| text.parse().expect("an address");
        let state = if protocol == SocketProtocol::Tcp && remote.1 == 0 { LISTEN } else { 1 };
        let (local, local_port, remote, remote_port) = (address(local.0), local.1, address(remote.0), remote.1);
        SocketRow { protocol, state, local, local_port, remote, remote_port, ..SocketRow::default() }
    }

    fn census() -> Census {
        use SocketProtocol::{Tcp, Udp};
        let none = ("0.0.0.0", 0);
        let named = SocketRow { owner: Some(0), ..socket(Udp, ("0.0.0.0", 53), none) };
        let processes = vec![Process { pid: 12, name: "named".into(), ..Process::default() }];
        let sockets = vec![
            named.clone(),
            named,
            socket(Udp, ("192.0.2.1", 53), none),
            socket(Udp, ("::", 443), none),
            SocketRow { v6_only: true, ..socket(Udp, ("::", 500), none) },
            socket(Udp, ("192.0.2.1", 40_000), ("198.51.100.7", 5060)),
            socket(Tcp, ("::", 80), none),
            socket(Tcp, ("192.0.2.1", 80), ("198.51.100.7", 50_000)),
            socket(Tcp, ("2001:db8::1", 80), ("2001:db8::7", 50_000)),
        ];
        Census { sockets, processes, ..Census::default() }
    }

    #[test]
    fn who_takes_what_is_sent_to_a_port() {
        let takers = Takers::of(&census());
        let (named, somebody) = (("named".to_string(), 12), Some(Taker::Socket(None)));
        for (name, is_udp, address, port, expected) in [
            ("of any address", true, "192.0.2.9", 53, Some(Taker::Socket(Some(&named)))),
            ("of this address, before that of any", true, "192.0.2.1", 53, somebody),
            ("of IPv4 alone", true, "2001:db8::1", 53, Some(Taker::Nobody)),
            ("of both families", true, "192.0.2.1", 443, somebody),
            ("of IPv6 alone", true, "192.0.2.1", 500, Some(Taker::Nobody)),
            ("of IPv6", true, "2001:db8::1", 500, somebody),
            ("nobody", true, "192.0.2.1", 9, Some(Taker::Nobody)),
            ("of a connected one, for another", true, "192.0.2.1", 40_000, Some(Taker::Nobody)),
            ("perhaps another host", true, "192.0.2.9", 9, None),
            ("listening", false, "192.0.2.9", 80, somebody),
            ("of the other protocol", false, "192.0.2.1", 53, Some(Taker::Nobody)),
        ] {
            let address = Address::from(address.parse::<IpAddr>().expect("an address"));
            assert_eq!(takers.taker(is_udp, &address, port), expected, "{name}");
        }
        let partial = Takers::of(&Census { left_out: 1, ..census() });
        let own = Address::from("192.0.2.1".parse::<IpAddr>().expect("an address"));
        assert_eq!(partial.taker(true, &own, 9), None, "where sockets are left out, nobody knows");
    }

    #[test]
    fn what_is_of_a_connection() {
        let takers = Takers::of(&census());
        for (name, protocol, (source, from), (destination, to), expected) in [
            ("UDP", UDP, ("198.51.100.7", 5060), ("192.0.2.1", 40_000), true),
            ("of another one", UDP, ("198.51.100.8", 5060), ("192.0.2.1", 40_000), false),
            ("of another port", UDP, ("198.51.100.7", 5061), ("192.0.2.1", 40_000), false),
            ("the other way", UDP, ("192.0.2.1", 40_000), ("198.51.100.7", 5060), false),
            ("TCP", TCP, ("198.51.100.7", 50_000), ("192.0.2.1", 80), true),
            ("of the other protocol", UDP, ("198.51.100.7", 50_000), ("192.0.2.1", 80), false),
            ("IPv6", TCP, ("2001:db8::7", 50_000), ("2001:db8::1", 80), true),
            ("to an open one", UDP, ("198.51.100.7", 9), ("192.0.2.1", 53), false),
        ] {
            let address = |text: &str| Address::from(text.parse::<IpAddr>().expect("an address"));
            let (source, destination) = (address(source), address(destination));
            let packet =
                Packet { source, destination, source_port: from, destination_port: to, protocol, ..Packet::default() };
            assert_eq!(takers.is_connected(&Event::new(&packet, 60, 0, 1)), expected, "{name}");
        }
    }
}
