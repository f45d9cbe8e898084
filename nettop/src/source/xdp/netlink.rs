//! What the kernel says about interfaces and default routes, over rtnetlink: right in any network namespace, where
//! `/sys` may still show another one.

use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage, LinkXdp},
    route::{RouteAttribute, RouteMessage},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nettop_common::Link;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether it is a loopback.
    pub loopback: bool,
    /// Maximum transmission unit, bytes.
    pub mtu: u32,
    /// What its frames begin with; `None`: nothing the parser knows.
    pub link: Option<Link>,
    /// The ids of the XDP programs attached to it.
    pub xdp_programs: Vec<u32>,
}

/// Every interface of this network namespace.
///
/// # Errors
/// What the kernel says.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    Ok(links(request(RouteNetlinkMessage::GetLink(LinkMessage::default()), true)?).collect())
}

/// The interface with this index.
///
/// # Errors
/// What the kernel says, other than that there is none.
pub fn interface_by_index(index: u32) -> io::Result<Option<Interface>> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    one_link(message)
}

/// The interface with this name.
///
/// # Errors
/// What the kernel says, other than that there is none.
pub fn interface_by_name(name: &str) -> io::Result<Option<Interface>> {
    // IFNAMSIZ: the kernel knows no longer ones, and says so with another error.
    if name.is_empty() || name.len() >= libc::IFNAMSIZ {
        return Ok(None);
    }
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_string()));
    one_link(message)
}

fn one_link(message: LinkMessage) -> io::Result<Option<Interface>> {
    match request(RouteNetlinkMessage::GetLink(message), false) {
        Ok(answers) => Ok(links(answers).next()),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}

fn links(answers: Vec<RouteNetlinkMessage>) -> impl Iterator<Item = Interface> {
    answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewLink(link) => Some(interface(link)),
        _ => None,
    })
}

/// The index of the interface of the default route with the lowest metric: IPv4, else IPv6.
///
/// # Errors
/// What the kernel says.
pub fn default_route() -> io::Result<Option<u32>> {
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        let routes = request(RouteNetlinkMessage::GetRoute(message), true)?;
        let best = routes.into_iter().filter_map(default_interface).min();
        if let Some((_, index)) = best {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Metric and interface of a route, when it is a default route.
fn default_interface(answer: RouteNetlinkMessage) -> Option<(u32, u32)> {
    let RouteNetlinkMessage::NewRoute(route) = answer else { return None };
    if route.header.destination_prefix_length != 0 {
        return None;
    }
    let mut metric = 0;
    let mut interface = None;
    for attribute in route.attributes {
        match attribute {
            RouteAttribute::Priority(priority) => metric = priority,
            RouteAttribute::Oif(index) => interface = Some(index),
            _ => {}
        }
    }
    interface.map(|index| (metric, index))
}

fn interface(message: LinkMessage) -> Interface {
    let mut interface = Interface {
        index: message.header.index,
        name: String::new(),
        up: message.header.flags.contains(LinkFlags::Up),
        loopback: message.header.flags.contains(LinkFlags::Loopback),
        mtu: 0,
        link: link(message.header.link_layer_type),
        xdp_programs: Vec::new(),
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => interface.name = name,
            LinkAttribute::Mtu(mtu) => interface.mtu = mtu,
            LinkAttribute::Xdp(facts) => {
                interface.xdp_programs.extend(facts.into_iter().filter_map(|fact| match fact {
                    LinkXdp::ProgId(id) | LinkXdp::DrvProgId(id) | LinkXdp::SkbProgId(id) | LinkXdp::HwProgId(id) => {
                        Some(id)
                    }
                    _ => None,
                }));
                interface.xdp_programs.sort_unstable();
                interface.xdp_programs.dedup();
            }
            _ => {}
        }
    }
    interface
}

/// What the frames of a kind of interface begin with, as XDP sees them: most serial lines and tunnels take their own header off
/// before that. `ARPHRD_RAWHDLC` is left out: it is bare IP or PPP, and the number does not tell which.
fn link(kind: LinkLayerType) -> Option<Link> {
    match kind {
        LinkLayerType::Ether | LinkLayerType::Loopback => Some(Link::Ethernet),
        // TUN, WireGuard, XFRM, GTP, mobile modems.
        LinkLayerType::None
        | LinkLayerType::Rawip
        | LinkLayerType::PhonetPipe
        | LinkLayerType::Ppp
        | LinkLayerType::Slip
        | LinkLayerType::Cslip
        | LinkLayerType::Slip6
        | LinkLayerType::Cslip6
        | LinkLayerType::Adapt
        | LinkLayerType::Tunnel
        | LinkLayerType::Tunnel6
        | LinkLayerType::Sit
        | LinkLayerType::Ipgre
        | LinkLayerType::Ip6gre => Some(Link::RawIp),
        _ => None,
    }
}

/// Sends a request and collects the answers: all of them, or the one.
fn request(request: RouteNetlinkMessage, dump: bool) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;

    let mut header = NetlinkHeader::default();
    header.flags = if dump { NLM_F_REQUEST | NLM_F_DUMP } else { NLM_F_REQUEST };
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;

    let mut answers = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            match answer.payload {
                NetlinkPayload::Done(_) => return Ok(answers),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(inner) if dump => answers.push(inner),
                NetlinkPayload::InnerMessage(inner) => return Ok(vec![inner]),
                _ => {}
            }
            // Messages are aligned to four bytes; the last one may lack the padding.
            let length = (answer.header.length as usize).next_multiple_of(4).max(16);
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_interface_are_told_by_what_their_frames_begin_with() {
        // ARPHRD_… (linux/if_arp.h).
        for (number, expected) in [
            (1, Some(Link::Ethernet)),
            (772, Some(Link::Ethernet)),
            (65_534, Some(Link::RawIp)),
            (256, Some(Link::RawIp)),
            (257, Some(Link::RawIp)),
            (258, Some(Link::RawIp)),
            (259, Some(Link::RawIp)),
            (264, Some(Link::RawIp)),
            (512, Some(Link::RawIp)),
            (519, Some(Link::RawIp)),
            (768, Some(Link::RawIp)),
            (769, Some(Link::RawIp)),
            (776, Some(Link::RawIp)),
            (778, Some(Link::RawIp)),
            (821, Some(Link::RawIp)),
            (823, Some(Link::RawIp)),
            // InfiniBand, Cisco HDLC, raw HDLC, Wi-Fi in monitor mode, Netlink, one without any.
            (32, None),
            (513, None),
            (518, None),
            (803, None),
            (824, None),
            (65_535, None),
        ] {
            assert_eq!(link(LinkLayerType::from(number)), expected, "ARPHRD {number}");
        }
    }
}
