//! What raw and packet sockets take.

use std::borrow::Cow;

use nettop_collect::sockets::{SocketProtocol, SocketRow};

use crate::ip_protocol;

/// The IP protocol of a raw socket, the EtherType of a packet socket; `None`: of the others the port says that.
pub fn takes(socket: &SocketRow) -> Option<Cow<'static, str>> {
    let number = socket.local_port;
    match socket.protocol {
        SocketProtocol::Raw => Some(match u8::try_from(number).ok().and_then(ip_protocol::name) {
            Some(name) => name.into(),
            None => format!("protocol {number}").into(),
        }),
        packet if packet.is_packet() => Some(ether_type(number)),
        _ => None,
    }
}

/// What an EtherType is called, or what Linux means by it (linux/if_ether.h).
fn ether_type(number: u16) -> Cow<'static, str> {
    let name = match number {
        0x0000 => "nothing",
        0x0001 => "802.3",
        0x0003 => "all",
        0x0004 => "802.2",
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x8100 => "VLAN",
        0x86dd => "IPv6",
        0x8863 => "PPPoE discovery",
        0x8864 => "PPPoE",
        0x888e => "EAPOL",
        0x88cc => "LLDP",
        0x88f7 => "PTP",
        _ => return format!("{number:#06x}").into(),
    };
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_named_or_numbered() {
        use SocketProtocol::{Icmp, PacketDatagram, PacketRaw, Raw, Tcp, Udp};
        for (protocol, local_port, expected) in [
            (Raw, 1, Some("ICMP")),
            (Raw, 58, Some("ICMPv6")),
            (Raw, 89, Some("OSPF")),
            (Raw, 255, Some("protocol 255")),
            (Raw, 262, Some("protocol 262")),
            (PacketRaw, 3, Some("all")),
            (PacketRaw, 0, Some("nothing")),
            (PacketDatagram, 0x0806, Some("ARP")),
            (PacketDatagram, 0x22f0, Some("0x22f0")),
            (Icmp, 8, None),
            (Tcp, 89, None),
            (Udp, 3, None),
        ] {
            let socket = SocketRow { protocol, local_port, ..SocketRow::default() };
            assert_eq!(takes(&socket).as_deref(), expected, "{protocol:?} {local_port}");
        }
    }
}
