//! Neighbours, as `ip neigh` lists them: whoever is on a link of this host, and the MAC address that ARP and ND found for it.

use std::{io, net::IpAddr};

use netlink_sys::protocols::NETLINK_ROUTE;
use nettop_model::snapshot::Mac;

use super::{
    attributes::{self, attributes, number_at},
    kept::Kept,
};

/// Bytes of `struct ndmsg` (linux/neighbour.h), which precedes the attributes.
const MESSAGE: usize = 12;
/// Attributes.
const ADDRESS: u16 = 1;
const MAC: u16 = 2;
const CACHE: u16 = 3;
/// A state of addresses that need no neighbour, such as multicast: `ip neigh` leaves them out, too.
const NOARP: u16 = 0x40;
/// A flag: it is a router, as ND tells.
const ROUTER: u8 = 0x80;
/// The kernel tells times in ticks of so many a second (`USER_HZ`).
const TICKS: u32 = 100;

/// A neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// Its MAC address; `None`: it is not known, or is none of Ethernet.
    pub mac: Option<Mac>,
    /// The index of the interface that it is at.
    pub interface: u32,
    /// Its state, a bit of `NUD_*` (linux/neighbour.h).
    pub state: u16,
    /// Whether it says that it is a router.
    pub router: bool,
    /// Seconds since it was heard of last; `None`: the kernel does not tell.
    pub confirmed_s: Option<u32>,
}

/// A socket to ask over, which lists those of the network namespace that it was opened in.
pub struct Neighbours(Kept);

impl Neighbours {
    /// Opens a netlink socket, which needs no privilege.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        Kept::open(NETLINK_ROUTE).map(Self)
    }

    /// Hands over every neighbour of IPv4 and IPv6.
    ///
    /// # Errors
    /// What the kernel says. What was handed over by then is a part of the list.
    pub fn list(&mut self, each: &mut dyn FnMut(Neighbour)) -> io::Result<()> {
        self.0.dump(libc::RTM_GETNEIGH, &[0; MESSAGE], &mut |body| _ = neighbour(body).map(&mut *each))
    }
}

/// The neighbour that a message is about; `None`: it is too short, about none, or of another family.
pub fn neighbour(body: &[u8]) -> Option<Neighbour> {
    let (head, rest) = body.split_at_checked(MESSAGE)?;
    let state = u16::from_ne_bytes([head[8], head[9]]);
    let (mut address, mut mac, mut confirmed_s) = (None, None, None);
    for (kind, value) in attributes(rest) {
        match kind {
            ADDRESS => address = attributes::address(value).filter(|ip| is_of(*ip, head[0])),
            MAC => mac = <[u8; 6]>::try_from(value).ok().map(Mac),
            CACHE => confirmed_s = number_at(value, 0).map(|ticks| ticks / TICKS),
            _ => {}
        }
    }
    Some(Neighbour {
        address: address.filter(|_| state != 0 && state & NOARP == 0)?,
        mac,
        interface: number_at(head, 4)?,
        state,
        router: head[10] & ROUTER != 0,
        confirmed_s,
    })
}

fn is_of(address: IpAddr, family: u8) -> bool {
    i32::from(family) == if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;
    use crate::netlink::attributes::attribute;

    fn message(family: i32, state: u16, flags: u8, address: &[u8], mac: &[u8]) -> Vec<u8> {
        let mut message = vec![0; MESSAGE];
        (message[0], message[10]) = (family as u8, flags);
        message[4..8].copy_from_slice(&3u32.to_ne_bytes());
        message[8..10].copy_from_slice(&state.to_ne_bytes());
        attribute(&mut message, ADDRESS, address);
        attribute(&mut message, MAC, mac);
        attribute(&mut message, CACHE, &[1250u32, 7, 8, 9].map(u32::to_ne_bytes).concat());
        message
    }

    #[test]
    fn neighbours_have_an_address_and_those_that_need_none_are_left_out() {
        let (v4, mac) = ([192, 0, 2, 1], [2, 0, 0, 0, 0, 7]);
        let v6: Ipv6Addr = "fe80::1".parse().expect("an address");
        let (inet, inet6) = (libc::AF_INET, libc::AF_INET6);
        let known = Some(Mac(mac));
        for (name, message, expected) in [
            ("reachable", message(inet, 2, 0, &v4, &mac), Some((v4.into(), known, false))),
            ("a router", message(inet6, 4, ROUTER, &v6.octets(), &mac), Some((v6.into(), known, true))),
            ("asked for", message(inet, 1, 0, &v4, &[]), Some((v4.into(), None, false))),
            ("no Ethernet", message(inet, 2, 0, &v4, &[7; 20]), Some((v4.into(), None, false))),
            ("of a multicast group", message(inet, NOARP, 0, &[224, 0, 0, 1], &mac), None),
            ("of no state", message(inet, 0, 0, &v4, &mac), None),
            ("of a bridge", message(libc::AF_BRIDGE, 2, 0, &v4, &mac), None),
            ("an address of another length", message(inet, 2, 0, &[192, 0, 2], &mac), None),
            ("IPv4 as IPv6", message(inet6, 2, 0, &v4, &mac), None),
        ] {
            let found = neighbour(&message);
            let told = found.as_ref().map(|one| (one.address, one.mac, one.router));
            assert_eq!(told, expected, "{name}");
            assert!(found.is_none_or(|one| one.interface == 3 && one.confirmed_s == Some(12)), "{name}");
        }
    }

    #[test]
    fn a_message_cut_anywhere_is_no_neighbour_or_less_of_one() {
        let message = message(libc::AF_INET, 2, 0, &[192, 0, 2, 1], &[2, 0, 0, 0, 0, 7]);
        for length in 0..message.len() {
            assert_eq!(neighbour(&message[..length]).is_some(), length >= MESSAGE + 8, "{length} bytes");
        }
    }

    #[test]
    fn the_kernel_lists_them_again_and_again() {
        let mut neighbours = Neighbours::open().expect("a socket");
        for _ in 0..2 {
            neighbours.list(&mut |one| assert!(one.interface > 0, "{one:?}")).expect("a list");
        }
    }
}
