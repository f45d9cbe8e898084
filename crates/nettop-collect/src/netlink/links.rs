//! Interfaces.

use std::io;

use netlink_sys::protocols::NETLINK_ROUTE;
use nettop_common::LinkLayer;

use super::{
    attributes::{attribute, attributes, number, number_at, text},
    exchange::{ask, dump},
};
use crate::kernel::names;

/// `struct ifinfomsg` (linux/rtnetlink.h): family, kind of link, index, flags, change.
const HEADER: usize = 16;
/// linux/if_link.h: the longest other name of an interface, with the zero that ends it.
const ALTIFNAMSIZ: usize = 128;
/// linux/if_link.h: the programs of an interface, whichever way they are attached.
const IFLA_XDP_PROG_IDS: [u16; 4] = [4, 5, 6, 7];
/// linux/if_arp.h.
const ARPHRD_RAWIP: u16 = 519;
const ARPHRD_PHONET_PIPE: u16 = 821;
const ARPHRD_IP6GRE: u16 = 823;

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its index.
    pub index: u32,
    /// Its name; where that is not UTF-8, in the form of [`names::shown`].
    pub name: String,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether what is below it is up, too: a cable, a peer.
    pub has_carrier: bool,
    /// Whether it is a loopback.
    pub loopback: bool,
    /// Maximum transmission unit, bytes.
    pub mtu: u32,
    /// What its frames begin with; `None`: nothing the parser knows.
    pub link: Option<LinkLayer>,
    /// The ids of the XDP programs attached to it.
    pub xdp_programs: Vec<u32>,
    /// What it counts itself; `None`: it does not say.
    pub stats: Option<Stats>,
    /// What its driver calls its kind: `vrf`, `ifb`, `veth`; empty for most hardware.
    pub kind: String,
    /// The index of the interface that it is a port of.
    pub master: Option<u32>,
    /// The index of the interface of this network namespace that it is on top of.
    pub lower: Option<u32>,
}

/// What an interface counts itself, of `struct rtnl_link_stats64` (linux/if_link.h), cumulative since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets received with an error.
    pub rx_errors: u64,
    /// Packets that could not be sent because of an error.
    pub tx_errors: u64,
    /// Packets received, and dropped though nothing was wrong with them.
    pub rx_dropped: u64,
    /// Packets dropped instead of being sent.
    pub tx_dropped: u64,
    /// Collisions.
    pub collisions: u64,
    /// Packets for which the device had no buffer.
    pub rx_missed_errors: u64,
}

impl Interface {
    /// Packets it has received, as it counts them itself; `None`: it does not say.
    pub fn received(&self) -> Option<u64> {
        self.stats.map(|stats| stats.rx_packets)
    }
}

impl Stats {
    /// From the structure; `None`: it is too short. Kernels append to it.
    fn read(value: &[u8]) -> Option<Self> {
        let (fields, _) = value.as_chunks::<8>();
        let field = |at: usize| fields.get(at).copied().map(u64::from_ne_bytes);
        Some(Self {
            rx_packets: field(0)?,
            tx_packets: field(1)?,
            rx_bytes: field(2)?,
            tx_bytes: field(3)?,
            rx_errors: field(4)?,
            tx_errors: field(5)?,
            rx_dropped: field(6)?,
            tx_dropped: field(7)?,
            collisions: field(9)?,
            rx_missed_errors: field(15)?,
        })
    }
}

/// Every interface of this network namespace.
///
/// # Errors
/// What the kernel says.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let answers = dump(NETLINK_ROUTE, libc::RTM_GETLINK, &[0; HEADER])?;
    Ok(answers.iter().filter_map(|answer| interface(answer)).collect())
}

/// The interface with this index.
///
/// # Errors
/// What the kernel says, other than that there is none.
pub fn interface_by_index(index: u32) -> io::Result<Option<Interface>> {
    let mut request = vec![0; HEADER];
    request[4..8].copy_from_slice(&index.to_ne_bytes());
    one_link(request)
}

/// The interface with this name, which may be another one than its first: `ip link property add … altname`.
///
/// # Errors
/// What the kernel says, other than that there is none.
pub fn interface_by_name(name: &[u8]) -> io::Result<Option<Interface>> {
    // The kernel knows none of these, and says so with other errors.
    if name.is_empty() || name.len() >= ALTIFNAMSIZ || name.contains(&0) {
        return Ok(None);
    }
    let kind = if name.len() < libc::IFNAMSIZ { libc::IFLA_IFNAME } else { libc::IFLA_ALT_IFNAME };
    let mut request = vec![0; HEADER];
    attribute(&mut request, kind, &[name, b"\0"].concat());
    one_link(request)
}

/// The interface with a name as people write it, and that name as it is shown: see [`names`].
///
/// # Errors
/// As for [`interface_by_name`].
pub fn by_written_name(name: &str) -> io::Result<Option<(Interface, String)>> {
    for bytes in names::bytes(name) {
        if let Some(interface) = interface_by_name(&bytes)? {
            return Ok(Some((interface, names::shown(&bytes))));
        }
    }
    Ok(None)
}

fn one_link(request: Vec<u8>) -> io::Result<Option<Interface>> {
    match ask(NETLINK_ROUTE, libc::RTM_GETLINK, request) {
        Ok(answer) => Ok(interface(&answer)),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a message says of an interface.
fn interface(message: &[u8]) -> Option<Interface> {
    let (head, rest) = message.split_at_checked(HEADER)?;
    let kind = u16::from_ne_bytes(head[2..4].try_into().ok()?);
    let flags = number_at(head, 8)?;
    let has = |flag: i32| flags & flag as u32 != 0;
    let mut interface = Interface {
        index: number_at(head, 4)?,
        up: has(libc::IFF_UP),
        has_carrier: has(libc::IFF_LOWER_UP),
        loopback: has(libc::IFF_LOOPBACK),
        link: link(kind),
        ..Interface::default()
    };
    let mut is_lower_elsewhere = false;
    for (kind, value) in attributes(rest) {
        match kind {
            libc::IFLA_IFNAME => interface.name = names::shown(text(value)),
            libc::IFLA_MTU => interface.mtu = number(value).unwrap_or_default(),
            libc::IFLA_XDP => {
                let programs = attributes(value).filter(|(kind, _)| IFLA_XDP_PROG_IDS.contains(kind));
                interface.xdp_programs = programs.filter_map(|(_, id)| number(id)).collect();
                interface.xdp_programs.sort_unstable();
                interface.xdp_programs.dedup();
            }
            libc::IFLA_STATS64 => interface.stats = Stats::read(value),
            libc::IFLA_LINKINFO => {
                let kind = attributes(value).find(|(kind, _)| *kind == libc::IFLA_INFO_KIND);
                interface.kind = kind.map_or(String::new(), |(_, kind)| String::from_utf8_lossy(text(kind)).into());
            }
            libc::IFLA_MASTER => interface.master = number(value),
            libc::IFLA_LINK => interface.lower = number(value),
            libc::IFLA_LINK_NETNSID => is_lower_elsewhere = true,
            _ => {}
        }
    }
    // Some kinds say 0, or themselves, where there is none.
    let (index, here) = (interface.index, !is_lower_elsewhere);
    interface.lower = interface.lower.filter(|lower| here && *lower != 0 && *lower != index);
    Some(interface)
}

/// What the frames of a kind of interface begin with, as XDP sees them: most serial lines and tunnels take their own header off
/// before that. `ARPHRD_RAWHDLC` is left out: it is bare IP or PPP, and the number does not tell which.
fn link(kind: u16) -> Option<LinkLayer> {
    match kind {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Some(LinkLayer::Ethernet),
        // TUN, WireGuard, XFRM, GTP, mobile modems.
        libc::ARPHRD_NONE
        | ARPHRD_RAWIP
        | ARPHRD_PHONET_PIPE
        | libc::ARPHRD_PPP
        | libc::ARPHRD_SLIP
        | libc::ARPHRD_CSLIP
        | libc::ARPHRD_SLIP6
        | libc::ARPHRD_CSLIP6
        | libc::ARPHRD_ADAPT
        | libc::ARPHRD_TUNNEL
        | libc::ARPHRD_TUNNEL6
        | libc::ARPHRD_SIT
        | libc::ARPHRD_IPGRE
        | ARPHRD_IP6GRE => Some(LinkLayer::RawIp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message about an interface of this kind of link, with these flags and attributes.
    fn message(kind: u16, flags: i32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let head = [0u16.to_ne_bytes(), kind.to_ne_bytes()].concat();
        let mut message = [&head[..], &7u32.to_ne_bytes(), &(flags as u32).to_ne_bytes(), &0u32.to_ne_bytes()].concat();
        attributes.iter().for_each(|(kind, value)| attribute(&mut message, *kind, value));
        message
    }

    #[test]
    fn what_is_not_used_cannot_hide_what_is() {
        let (name, mtu) = ((libc::IFLA_IFNAME, &b"eth0\0"[..]), 1500u32.to_ne_bytes());
        let expected = Interface {
            index: 7,
            name: "eth0".into(),
            up: true,
            mtu: 1500,
            link: Some(LinkLayer::Ethernet),
            ..Interface::default()
        };
        for (what, strange) in [
            ("an alias in Latin-1", (libc::IFLA_IFALIAS, &b"si\xe8ge\0"[..])),
            ("an altname in Latin-1", (libc::IFLA_PROP_LIST, &[9, 0, 53, 0, b'd', 0xe9, b'p', b'o', 0, 0, 0, 0])),
            ("a queueing discipline in Latin-1", (libc::IFLA_QDISC, b"\xff\xfe\0")),
            ("an alias without an end", (libc::IFLA_IFALIAS, b"uplink")),
            ("an unknown kind", (30_000, &[1])),
            ("an MTU of another length", (libc::IFLA_LINKMODE, &[])),
            ("programs that are none", (libc::IFLA_XDP, &[1, 2])),
            ("statistics that are short", (libc::IFLA_STATS64, &[1, 2, 3])),
            ("a kind that is none", (libc::IFLA_LINKINFO, &[255; 5])),
        ] {
            let message = message(libc::ARPHRD_ETHER, libc::IFF_UP, &[strange, name, (libc::IFLA_MTU, &mtu)]);
            assert_eq!(interface(&message).as_ref(), Some(&expected), "{what}");
        }
        for short in [&[][..], &[0; 15]] {
            assert_eq!(interface(short), None);
        }
    }

    #[test]
    fn names_in_any_encoding_are_shown() {
        for (name, shown) in [
            (&b"eth0\0"[..], "eth0"),
            ("ëth0\0".as_bytes(), "ëth0"),
            (b"si\xe8ge\0", r"si\xe8ge"),
            (b"\xff\0", r"\xff"),
            (b"a,b\0", "a,b"),
            (b"eth0", "eth0"),
            (b"\0", ""),
        ] {
            let message = message(libc::ARPHRD_ETHER, 0, &[(libc::IFLA_IFNAME, name)]);
            assert_eq!(interface(&message).map(|interface| interface.name), Some(shown.into()));
        }
    }

    #[test]
    fn what_is_used_is_found() {
        let number = |number: u32| number.to_ne_bytes().to_vec();
        let nested = |kind, value: &[u8]| {
            let mut nested = Vec::new();
            attribute(&mut nested, kind, value);
            nested
        };
        let programs = [nested(1, &[2]), nested(6, &number(9)), nested(4, &number(9)), nested(5, &number(3))].concat();
        let statistics: Vec<u8> = (12..36u64).flat_map(u64::to_ne_bytes).collect();
        let kind = [nested(3, b"x"), nested(libc::IFLA_INFO_KIND, b"vrf\0")].concat();
        let (two, seven, zero) = (number(2), number(7), number(0));
        let attributes: [(u16, &[u8]); 6] = [
            (libc::IFLA_XDP, &programs),
            (libc::IFLA_STATS64, &statistics),
            (libc::IFLA_LINKINFO, &kind),
            (libc::IFLA_MASTER, &two),
            (libc::IFLA_LINK, &two),
            (libc::IFLA_IFNAME, b"vr0\0"),
        ];
        let found = interface(&message(libc::ARPHRD_NONE, libc::IFF_LOOPBACK | libc::IFF_LOWER_UP, &attributes));
        let expected = Interface {
            index: 7,
            name: "vr0".into(),
            has_carrier: true,
            loopback: true,
            link: Some(LinkLayer::RawIp),
            xdp_programs: vec![3, 9],
            stats: Some(Stats {
                rx_packets: 12,
                tx_packets: 13,
                rx_bytes: 14,
                tx_bytes: 15,
                rx_errors: 16,
                tx_errors: 17,
                rx_dropped: 18,
                tx_dropped: 19,
                collisions: 21,
                rx_missed_errors: 27,
            }),
            kind: "vrf".into(),
            master: Some(2),
            lower: Some(2),
            ..Interface::default()
        };
        assert_eq!(found, Some(expected));
        // On top of nothing, of itself, or of what is in another network namespace.
        for attributes in [
            &[(libc::IFLA_LINK, &zero[..])][..],
            &[(libc::IFLA_LINK, &seven)],
            &[(libc::IFLA_LINK, &two), (libc::IFLA_LINK_NETNSID, &zero)],
        ] {
            assert_eq!(interface(&message(1, 0, attributes)).and_then(|interface| interface.lower), None);
        }
        assert_eq!(interface(&message(280, 0, &[])).and_then(|interface| interface.link), None);
    }

    #[test]
    fn kinds_of_interface_are_told_by_what_their_frames_begin_with() {
        // ARPHRD_… (linux/if_arp.h).
        for (number, expected) in [
            (1, Some(LinkLayer::Ethernet)),
            (772, Some(LinkLayer::Ethernet)),
            (65_534, Some(LinkLayer::RawIp)),
            (256, Some(LinkLayer::RawIp)),
            (257, Some(LinkLayer::RawIp)),
            (258, Some(LinkLayer::RawIp)),
            (259, Some(LinkLayer::RawIp)),
            (264, Some(LinkLayer::RawIp)),
            (512, Some(LinkLayer::RawIp)),
            (519, Some(LinkLayer::RawIp)),
            (768, Some(LinkLayer::RawIp)),
            (769, Some(LinkLayer::RawIp)),
            (776, Some(LinkLayer::RawIp)),
            (778, Some(LinkLayer::RawIp)),
            (821, Some(LinkLayer::RawIp)),
            (823, Some(LinkLayer::RawIp)),
            // InfiniBand, Cisco HDLC, raw HDLC, Wi-Fi in monitor mode, Netlink, one without any.
            (32, None),
            (513, None),
            (518, None),
            (803, None),
            (824, None),
            (65_535, None),
        ] {
            assert_eq!(link(number), expected, "ARPHRD {number}");
        }
    }
}
