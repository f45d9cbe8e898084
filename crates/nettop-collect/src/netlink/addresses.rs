//! The addresses of this host.

use std::{io, net::IpAddr};

use netlink_sys::protocols::NETLINK_ROUTE;

use super::{
    attributes::{address, attributes},
    exchange::dump,
};

/// `struct ifaddrmsg` (linux/if_addr.h): family, length of the prefix, flags, scope, index of the interface.
const HEADER: usize = 8;
/// linux/if_addr.h. The first is the other end's where an interface has one, and else this end's.
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;

/// The addresses that this network namespace answers at, those of its broadcasts included.
///
/// # Errors
/// What the kernel says.
pub fn own_addresses() -> io::Result<Vec<IpAddr>> {
    let answers = dump(NETLINK_ROUTE, libc::RTM_GETADDR, &[0; HEADER])?;
    Ok(answers.iter().flat_map(|answer| addresses(answer)).collect())
}

fn addresses(message: &[u8]) -> Vec<IpAddr> {
    let Some((_, rest)) = message.split_at_checked(HEADER) else { return Vec::new() };
    let find = |wanted: u16| attributes(rest).find(|(kind, _)| *kind == wanted).and_then(|(_, value)| address(value));
    [find(IFA_LOCAL).or_else(|| find(IFA_ADDRESS)), find(IFA_BROADCAST)].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;
    use crate::netlink::attributes::attribute;

    #[test]
    fn this_end_is_taken_and_what_is_broken_is_not() {
        let message = |attributes: &[(u16, &[u8])]| {
            let mut message = vec![0; HEADER];
            attributes.iter().for_each(|(kind, value)| attribute(&mut message, *kind, value));
            message
        };
        let six = "2001:db8::7".parse::<Ipv6Addr>().unwrap().octets();
        for (name, message, expected) in [
            (
                "of Ethernet",
                message(&[(1, &[10, 0, 0, 1]), (2, &[10, 0, 0, 1]), (4, &[10, 0, 0, 255])]),
                "10.0.0.1 10.0.0.255",
            ),
            ("of a tunnel, with its other end", message(&[(1, &[10, 0, 0, 9]), (2, &[10, 0, 0, 1])]), "10.0.0.1"),
            ("of IPv6", message(&[(1, &six)]), "2001:db8::7"),
            ("of another length", message(&[(2, &[1, 2, 3])]), ""),
            ("none", message(&[]), ""),
            ("cut off", vec![0; HEADER - 1], ""),
        ] {
            let found: Vec<_> = addresses(&message).iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected, "{name}");
        }
    }

    #[test]
    fn this_host_has_the_loopback() {
        let own = own_addresses().expect("addresses");
        assert!(own.iter().any(IpAddr::is_loopback), "{own:?}");
    }
}
