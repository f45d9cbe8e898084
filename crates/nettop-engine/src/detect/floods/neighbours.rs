//! IPv6 neighbour discovery in such number that neighbour tables suffer: solicitations go to a multicast group for each address.

use nettop_common::{Address, Event, TrafficClass};

use super::{Flood, Judged, Look, nothing};
use crate::detect::rule::{Finds, Rule};

pub const RULE: Rule = Rule {
    kind: "nd-flood",
    title: "neighbour discovery flood",
    about: "ICMPv6 messages per second to solicited-node multicast groups (IPv6's ARP)",
    threshold: Some(("messages per second", 2000)),
    evidence: "their number; that they go to solicited-node groups",
    advice: "find the switch port by the MAC addresses (view MACs); if it comes through a router, limit what may reach unused addresses of the prefix",
    finds: Finds::Flood(Flood {
        class: TrafficClass::Icmp,
        part: Some(is_solicitation),
        excused: false,
        judge,
        of: nothing,
    }),
};

/// Solicited-node multicast addresses: ff02::1:ff00:0/104 (RFC 4291, section 2.7.1).
const GROUP: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000;
const BELOW: u32 = 24;

fn is_solicitation(event: &Event) -> bool {
    is_group(&event.destination)
}

fn is_group(address: &Address) -> bool {
    match address.to_ip() {
        std::net::IpAddr::V6(ip) => ip.to_bits() >> BELOW == GROUP >> BELOW,
        std::net::IpAddr::V4(_) => false,
    }
}

fn judge(look: &Look) -> Judged {
    Judged::attack(look.pps, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solicitations_are_told_by_their_group() {
        for (address, expected) in [
            ("ff02::1:ff00:1", true),
            ("ff02::1:ffff:ffff", true),
            ("ff02::1", false),
            ("ff02::1:fe00:1", false),
            ("2001:db8::1:ff00:1", false),
            ("224.0.0.1", false),
        ] {
            let address: std::net::IpAddr = address.parse().unwrap();
            assert_eq!(is_group(&address.into()), expected, "{address}");
        }
    }
}
