//! Ranges that mean something by themselves: the IANA special-purpose address registries for IPv4 and IPv6, multicast,
//! and what is reserved.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// One row: a range, what its addresses are, and the document that says so.
#[derive(Debug)]
pub struct Special {
    /// The range.
    pub net: IpNet,
    /// What its addresses are.
    pub kind: Kind,
    /// The document.
    pub source: &'static str,
}

/// What the addresses of a special range are.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Not on the public Internet; the name of their kind.
    Local(&'static str),
    /// Reachable from everywhere, so that databases may know them.
    Public,
    /// They stand for the IPv4 address inside them.
    Embedded(fn(IpAddr) -> Ipv4Addr),
}

use Kind::{Embedded, Local, Public};

/// The row of an address, if it is special. IPv4-mapped addresses are to be given as IPv4.
pub fn find(ip: IpAddr) -> Option<&'static Special> {
    find_until(ip).0
}

/// The same, and the last address up to which that row holds, or none does.
pub fn find_until(ip: IpAddr) -> (Option<&'static Special>, IpAddr) {
    let (bits, table, last) = match ip {
        IpAddr::V4(v4) => (v4.to_bits().into(), &STARTS[0], u32::MAX.into()),
        IpAddr::V6(v6) => (v6.to_bits(), &STARTS[1], u128::MAX),
    };
    let after = table.partition_point(|(start, _)| *start <= bits);
    let special = after.checked_sub(1).and_then(|at| table.get(at)).and_then(|(_, special)| *special);
    let last = table.get(after).map_or(last, |(next, _)| next - 1);
    let last = if ip.is_ipv4() { Ipv4Addr::from_bits(last as u32).into() } else { Ipv6Addr::from_bits(last).into() };
    (special, last)
}

/// An address, and the row that holds from there on.
type Start = (u128, Option<&'static Special>);

/// For each table the addresses where another row begins to hold, in order, and that row: a search in these is quicker
/// than one through all rows.
static STARTS: LazyLock<[Vec<Start>; 2]> = LazyLock::new(|| {
    [V4, V6].map(|table| {
        let mut starts: Vec<IpAddr> =
            table.iter().flat_map(|special| [special.net.network(), after(&special.net)]).collect();
        starts.sort_unstable();
        starts.dedup();
        starts.into_iter().map(|ip| (bits(ip), table.iter().find(|special| special.net.contains(&ip)))).collect()
    })
});

/// The first address after a range; that of the whole family where there is none.
fn after(net: &IpNet) -> IpAddr {
    match net {
        IpNet::V4(net) => Ipv4Addr::from_bits(net.broadcast().to_bits().wrapping_add(1)).into(),
        IpNet::V6(net) => Ipv6Addr::from_bits(net.broadcast().to_bits().wrapping_add(1)).into(),
    }
}

const fn v4(net: [u8; 4], length: u8, kind: Kind, source: &'static str) -> Special {
    let [a, b, c, d] = net;
    Special { net: IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)), kind, source }
}

const fn v6(net: [u16; 8], length: u8, kind: Kind, source: &'static str) -> Special {
    let [a, b, c, d, e, f, g, h] = net;
    Special { net: IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length)), kind, source }
}

/// The IPv4 rows, the smallest ranges first: the first one that contains an address is its row.
pub const V4: &[Special] = &[
    v4([0, 0, 0, 0], 32, Local("Unspecified"), "RFC 1122, section 3.2.1.3"),
    v4([192, 0, 0, 8], 32, Local("Reserved"), "RFC 7600"),
    v4([192, 0, 0, 9], 32, Public, "RFC 7723: anycast for port control"),
    v4([192, 0, 0, 10], 32, Public, "RFC 8155: anycast for TURN"),
    v4([192, 0, 0, 170], 32, Local("Reserved"), "RFC 7050: discovery of NAT64"),
    v4([192, 0, 0, 171], 32, Local("Reserved"), "RFC 7050: discovery of NAT64"),
    v4([192, 88, 99, 2], 32, Local("Reserved"), "RFC 6751: 6a44 relay"),
    v4([255, 255, 255, 255], 32, Local("Broadcast"), "RFC 8190"),
    v4([192, 0, 0, 0], 29, Local("Reserved"), "RFC 7335: IPv4 service continuity"),
    v4([192, 0, 0, 0], 24, Local("Reserved"), "RFC 6890, section 2.1"),
    v4([192, 0, 2, 0], 24, Local("Documentation"), "RFC 5737"),
    v4([192, 31, 196, 0], 24, Public, "RFC 7535: AS112"),
    v4([192, 52, 193, 0], 24, Public, "RFC 7450: automatic multicast tunneling"),
    v4([192, 88, 99, 0], 24, Local("Reserved"), "RFC 7526: 6to4 relay anycast, deprecated"),
    v4([192, 175, 48, 0], 24, Public, "RFC 7534: AS112"),
    v4([198, 51, 100, 0], 24, Local("Documentation"), "RFC 5737"),
    v4([203, 0, 113, 0], 24, Local("Documentation"), "RFC 5737"),
    v4([169, 254, 0, 0], 16, Local("Link-local"), "RFC 3927"),
    v4([192, 168, 0, 0], 16, Local("Private"), "RFC 1918"),
    v4([198, 18, 0, 0], 15, Local("Benchmarking"), "RFC 2544"),
    v4([172, 16, 0, 0], 12, Local("Private"), "RFC 1918"),
    v4([100, 64, 0, 0], 10, Local("Shared (CGNAT)"), "RFC 6598"),
    v4([0, 0, 0, 0], 8, Local("This network"), "RFC 791, section 3.2"),
    v4([10, 0, 0, 0], 8, Local("Private"), "RFC 1918"),
    v4([127, 0, 0, 0], 8, Local("Loopback"), "RFC 1122, section 3.2.1.3"),
    v4([224, 0, 0, 0], 4, Local("Multicast"), "RFC 5771"),
    v4([240, 0, 0, 0], 4, Local("Reserved"), "RFC 1112, section 4"),
];

/// The IPv6 rows, as [`V4`].
pub const V6: &[Special] = &[
    v6([0, 0, 0, 0, 0, 0, 0, 0], 128, Local("Unspecified"), "RFC 4291, section 2.5.2"),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128, Local("Loopback"), "RFC 4291, section 2.5.3"),
    v6([0x2001, 1, 0, 0, 0, 0, 0, 1], 128, Public, "RFC 7723: anycast for port control"),
    v6([0x2001, 1, 0, 0, 0, 0, 0, 2], 128, Public, "RFC 8155: anycast for TURN"),
    v6([0x2001, 1, 0, 0, 0, 0, 0, 3], 128, Public, "RFC 9665: anycast for service registration"),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, Embedded(last_bits), "RFC 6052: NAT64"),
    v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64, Local("Discard-only"), "RFC 6666"),
    v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64, Local("Reserved"), "RFC 9780: dummy prefix"),
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, Local("Private"), "RFC 8215: NAT64 for local use"),
    v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, Local("Benchmarking"), "RFC 5180"),
    v6([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48, Public, "RFC 7535: AS112"),
    v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, Public, "RFC 7534: AS112"),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, Embedded(teredo_client), "RFC 4380: Teredo"),
    v6([0x2001, 3, 0, 0, 0, 0, 0, 0], 32, Public, "RFC 7450: automatic multicast tunneling"),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, Local("Documentation"), "RFC 3849"),
    v6([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28, Local("Reserved"), "RFC 4843: ORCHID, deprecated"),
    v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28, Local("ORCHID"), "RFC 7343: names of hosts, never on the wire"),
    v6([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28, Local("Drone ID"), "RFC 9374: names of drones, never on the wire"),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, Local("Reserved"), "RFC 2928: for protocols"),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, Local("Documentation"), "RFC 9637"),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, Embedded(bits_16_to_48), "RFC 3056: 6to4"),
    v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, Local("Segment routing"), "RFC 9602"),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, Local("Link-local"), "RFC 4291, section 2.5.6"),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, Local("Site-local"), "RFC 3879: deprecated"),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Local("Multicast"), "RFC 4291, section 2.7"),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, Local("Unique local"), "RFC 4193"),
    v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3, Public, "RFC 4291, section 2.4: global unicast"),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 0, Local("Reserved"), "RFC 4291, section 2.4: not assigned"),
];

fn last_bits(ip: IpAddr) -> Ipv4Addr {
    Ipv4Addr::from_bits(bits(ip) as u32)
}

fn bits_16_to_48(ip: IpAddr) -> Ipv4Addr {
    Ipv4Addr::from_bits((bits(ip) >> 80) as u32)
}

/// RFC 4380, section 4: the client's address stands inverted at the end.
fn teredo_client(ip: IpAddr) -> Ipv4Addr {
    Ipv4Addr::from_bits(!(bits(ip) as u32))
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_ranges_come_first_and_none_stands_twice() {
        for table in [V4, V6] {
            assert!(table.is_sorted_by_key(|special| std::cmp::Reverse(special.net.prefix_len())));
            for (at, special) in table.iter().enumerate() {
                assert_eq!(special.net, special.net.trunc(), "{}", special.net);
                assert!(table.iter().skip(at + 1).all(|other| other.net != special.net), "{}", special.net);
            }
        }
    }

    #[test]
    fn addresses_have_the_kind_of_their_smallest_range() {
        for (ip, expected) in [
            ("0.0.0.0", "Unspecified"),
            ("0.1.2.3", "This network"),
            ("9.255.255.255", "-"),
            ("10.0.0.0", "Private"),
            ("10.255.255.255", "Private"),
            ("11.0.0.0", "-"),
            ("100.63.255.255", "-"),
            ("100.64.0.0", "Shared (CGNAT)"),
            ("100.127.255.255", "Shared (CGNAT)"),
            ("100.128.0.0", "-"),
            ("127.0.0.1", "Loopback"),
            ("169.254.1.1", "Link-local"),
            ("172.15.255.255", "-"),
            ("172.16.0.0", "Private"),
            ("172.31.255.255", "Private"),
            ("172.32.0.0", "-"),
            ("192.0.0.1", "Reserved"),
            ("192.0.0.9", "public"),
            ("192.0.2.1", "Documentation"),
            ("192.88.99.1", "Reserved"),
            ("192.168.1.1", "Private"),
            ("192.175.48.1", "public"),
            ("198.17.255.255", "-"),
            ("198.19.255.255", "Benchmarking"),
            ("198.51.100.7", "Documentation"),
            ("203.0.113.7", "Documentation"),
            ("223.255.255.255", "-"),
            ("224.0.0.1", "Multicast"),
            ("239.255.255.255", "Multicast"),
            ("240.0.0.0", "Reserved"),
            ("255.255.255.255", "Broadcast"),
            ("::", "Unspecified"),
            ("::1", "Loopback"),
            ("::2", "Reserved"),
            ("64:ff9b::808:808", "8.8.8.8"),
            ("64:ff9b:1::1", "Private"),
            ("100::1", "Discard-only"),
            ("100:0:0:1::1", "Reserved"),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45"),
            ("2001:1::1", "public"),
            ("2001:1::4", "Reserved"),
            ("2001:2::1", "Benchmarking"),
            ("2001:3::1", "public"),
            ("2001:4:112::1", "public"),
            ("2001:20::1", "ORCHID"),
            ("2001:1ff::1", "Reserved"),
            ("2001:200::1", "public"),
            ("2001:db8::1", "Documentation"),
            ("2002:808:808::1", "8.8.8.8"),
            ("2606:4700::1", "public"),
            ("3fff:fff::1", "Documentation"),
            ("4000::1", "Reserved"),
            ("5f00::1", "Segment routing"),
            ("fc00::1", "Unique local"),
            ("fdff::1", "Unique local"),
            ("fe80::1", "Link-local"),
            ("fec0::1", "Site-local"),
            ("ff02::1", "Multicast"),
        ] {
            let ip: IpAddr = ip.parse().unwrap();
            let found = match find(ip).map(|special| special.kind) {
                None => "-".into(),
                Some(Public) => "public".into(),
                Some(Local(name)) => name.to_owned(),
                Some(Embedded(inner)) => inner(ip).to_string(),
            };
            assert_eq!(found, expected, "{ip}");
        }
    }
}
