//! Which way the kernel would send what goes to public addresses. The kernel itself looks it up, so that rules, tables, metrics
//! and what is dead count as they do for packets.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use netlink_sys::protocols::NETLINK_ROUTE;

use super::{
    attributes::{address, attribute, attributes, number, number_at},
    exchange::{ask, dump},
};

/// `struct rtmsg`: family, lengths of destination and source, TOS, table, protocol, scope, type, flags.
const ROUTE: usize = 12;
/// `struct nhmsg`: family, scope, protocol, reserved, flags.
const NEXTHOP: usize = 8;
/// `struct fib_rule_hdr`: family, lengths of destination and source, TOS, table, reserved, action, flags.
const RULE: usize = 12;
/// `struct ifaddrmsg`: family, length, flags, scope, index.
const ADDRESS: usize = 8;
/// `struct rtnexthop`: length, flags, hops, index; attributes follow.
const HOP: usize = 8;
/// `struct nexthop_grp`: id, weight, reserved.
const GROUP_MEMBER: usize = 8;
/// linux/rtnetlink.h, linux/nexthop.h, linux/fib_rules.h.
const RTM_GETNEXTHOP: u16 = 106;
const RTA_NH_ID: u16 = 30;
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;
/// An address of another family than the route's, after two bytes that say of which.
const RTA_VIA: u16 = 18;
const FRA_SRC: u16 = 2;

/// Public addresses, in both halves of each family: some tunnels take the place of the default route with a route for each half.
/// None at which others look whether a line works, for hosts with several lines have routes of their own to those.
const PUBLIC: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(20, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(150, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0x500, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2a00, 0, 0, 0, 0, 0, 0, 1)),
];
/// Own addresses that are asked for, where rules go by them: a host may have thousands.
const MOST_SOURCES: usize = 32;
/// Next hops that are looked up; groups may be in groups, some day.
const MOST_NEXTHOPS: usize = 256;

/// Which way the kernel would send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// The interfaces, in order of their indexes.
    pub interfaces: Vec<u32>,
    /// Why there is no way, in the words of each family, where there is none.
    pub obstacles: Vec<String>,
}

/// Asks for them.
///
/// # Errors
/// The kernel does not answer.
pub fn ways() -> io::Result<Ways> {
    let mut interfaces = BTreeSet::new();
    let mut obstacles = Vec::new();
    let sources = sources()?;
    for to in PUBLIC {
        let of_family = sources.iter().filter(|source| source.is_ipv4() == to.is_ipv4()).map(|source| Some(*source));
        for from in [None].into_iter().chain(of_family) {
            match way(to, from)? {
                Ok(found) => interfaces.extend(found),
                Err(obstacle) if from.is_none() => {
                    let family = if to.is_ipv4() { "IPv4" } else { "IPv6" };
                    obstacles.push(format!("{family}: {obstacle}"));
                }
                Err(_) => {}
            }
        }
    }
    obstacles.dedup();
    Ok(Ways { interfaces: interfaces.into_iter().collect(), obstacles })
}

/// The gateways on the way to public addresses.
///
/// # Errors
/// The kernel does not answer.
pub fn gateways() -> io::Result<BTreeSet<IpAddr>> {
    let mut gateways = BTreeSet::new();
    let sources = sources()?;
    for to in PUBLIC {
        let of_family = sources.iter().filter(|source| source.is_ipv4() == to.is_ipv4()).map(|source| Some(*source));
        for from in [None].into_iter().chain(of_family) {
            let Ok(route) = route(to, from)? else { continue };
            gateways.extend(route.gateways);
            if let Some(id) = route.nexthop {
                gateways.extend(nexthops(id, nexthop)?.iter().filter_map(|nexthop| nexthop.gateway));
            }
        }
    }
    Ok(gateways)
}

/// All addresses of this host.
///
/// # Errors
/// The kernel does not answer.
pub fn own_addresses() -> io::Result<BTreeSet<IpAddr>> {
    let mut own = BTreeSet::new();
    for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
        let mut request = [0; ADDRESS];
        request[0] = family;
        let addresses = optional(dump(NETLINK_ROUTE, libc::RTM_GETADDR, &request))?;
        own.extend(addresses.iter().filter_map(|message| address_of(message)).map(|(address, _)| address));
    }
    Ok(own)
}

/// The route to an address, or why there is none.
fn route(to: IpAddr, from: Option<IpAddr>) -> io::Result<Result<Route, String>> {
    let mut request = vec![0; ROUTE];
    request[0] = family(to);
    request[1] = bits(to);
    request[8..].copy_from_slice(&libc::RTM_F_FIB_MATCH.to_ne_bytes());
    attribute(&mut request, libc::RTA_DST, &octets(to));
    if let Some(from) = from {
        request[2] = bits(from);
        attribute(&mut request, libc::RTA_SRC, &octets(from));
    }
    match ask(NETLINK_ROUTE, libc::RTM_GETROUTE, request) {
        Ok(answer) => Ok(Route::read(&answer).ok_or_else(|| "the kernel's answer is none".into())),
        Err(error) => error.raw_os_error().and_then(obstacle).map(|why| Err(why.into())).ok_or(error),
    }
}

/// The interfaces that packets to an address may leave by, or why there are none.
fn way(to: IpAddr, from: Option<IpAddr>) -> io::Result<Result<BTreeSet<u32>, String>> {
    let route = match route(to, from)? {
        Ok(route) => route,
        Err(obstacle) => return Ok(Err(obstacle)),
    };
    let mut interfaces = route.interfaces;
    if let Some(id) = route.nexthop.filter(|_| interfaces.is_empty()) {
        interfaces = nexthop_interfaces(id, nexthop)?;
    }
    Ok(match (route.kind, interfaces.is_empty()) {
        (libc::RTN_UNICAST, false) => Ok(interfaces),
        (libc::RTN_UNICAST, true) => Err("the route leads to no interface".into()),
        (kind, _) => Err(format!("the route is {}", kind_name(kind))),
    })
}

/// What an error says about the way; `None`: it is about something else.
fn obstacle(error: i32) -> Option<&'static str> {
    Some(match error {
        libc::ENETUNREACH | libc::ESRCH | libc::ENOENT | libc::EAGAIN => "there is no route",
        libc::EHOSTUNREACH => "the route is unreachable",
        libc::EACCES => "the route is prohibit",
        libc::EINVAL => "the route is blackhole",
        libc::ENETDOWN | libc::ENODEV => "the route's interface is down",
        libc::EAFNOSUPPORT | libc::EPFNOSUPPORT | libc::EOPNOTSUPP => "the kernel does not speak it",
        _ => return None,
    })
}

fn kind_name(kind: u8) -> String {
    match kind {
        libc::RTN_LOCAL => "local".into(),
        libc::RTN_BLACKHOLE => "blackhole".into(),
        libc::RTN_UNREACHABLE => "unreachable".into(),
        libc::RTN_PROHIBIT => "prohibit".into(),
        other => format!("of type {other}"),
    }
}

/// What is used of a route.
#[derive(Debug, Default, PartialEq, Eq)]
struct Route {
    kind: u8,
    interfaces: BTreeSet<u32>,
    gateways: BTreeSet<IpAddr>,
    /// The id of its next hop, or group of them.
    nexthop: Option<u32>,
}

impl Route {
    fn read(message: &[u8]) -> Option<Self> {
        let (head, rest) = message.split_at_checked(ROUTE)?;
        let mut route = Self { kind: head[7], ..Self::default() };
        for (kind, value) in attributes(rest) {
            match kind {
                libc::RTA_OIF => route.interfaces.extend(number(value)),
                libc::RTA_MULTIPATH => hops(value, |index, rest| {
                    route.interfaces.insert(index);
                    route.gateways.extend(attributes(rest).filter_map(gateway));
                }),
                libc::RTA_GATEWAY | RTA_VIA => route.gateways.extend(gateway((kind, value))),
                RTA_NH_ID => route.nexthop = number(value),
                _ => {}
            }
        }
        route.interfaces.remove(&0);
        Some(route)
    }
}

/// The interface and the attributes of each of a list of next hops.
fn hops(list: &[u8], mut each: impl FnMut(u32, &[u8])) {
    let mut rest = list;
    while let (Some(length), Some(index)) = (rest.first_chunk().copied().map(u16::from_ne_bytes), number_at(rest, 4)) {
        // Its header at least, so that this comes to an end.
        let length = usize::from(length).max(HOP);
        each(index, rest.get(HOP..length).unwrap_or_default());
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

/// The gateway that an attribute of a route or of a next hop names.
fn gateway((kind, value): (u16, &[u8])) -> Option<IpAddr> {
    match kind {
        libc::RTA_GATEWAY => address(value),
        RTA_VIA => address(value.get(2..)?),
        _ => None,
    }
}

/// A next hop, or a group of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Nexthop {
    interface: Option<u32>,
    gateway: Option<IpAddr>,
    members: Vec<u32>,
}

impl Nexthop {
    fn read(message: &[u8]) -> Self {
        let mut nexthop = Self::default();
        for (kind, value) in attributes(message.get(NEXTHOP..).unwrap_or_default()) {
            match kind {
                NHA_OIF => nexthop.interface = number(value),
                NHA_GATEWAY => nexthop.gateway = address(value),
                NHA_GROUP => {
                    nexthop.members = value.chunks(GROUP_MEMBER).filter_map(|member| number_at(member, 0)).collect();
                }
                _ => {}
            }
        }
        nexthop
    }
}

fn nexthop(id: u32) -> io::Result<Nexthop> {
    let mut request = vec![0; NEXTHOP];
    attribute(&mut request, NHA_ID, &id.to_ne_bytes());
    match ask(NETLINK_ROUTE, RTM_GETNEXTHOP, request) {
        Ok(answer) => Ok(Nexthop::read(&answer)),
        // It has just gone.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Nexthop::default()),
        Err(error) => Err(error),
    }
}

/// The interfaces of a next hop and, where it is a group, of its members. A blackhole has none.
fn nexthop_interfaces(id: u32, ask: impl Fn(u32) -> io::Result<Nexthop>) -> io::Result<BTreeSet<u32>> {
    Ok(nexthops(id, ask)?.iter().filter_map(|nexthop| nexthop.interface).collect())
}

/// A next hop and, where it is a group, its members.
fn nexthops(id: u32, ask: impl Fn(u32) -> io::Result<Nexthop>) -> io::Result<Vec<Nexthop>> {
    let mut all = Vec::new();
    let (mut seen, mut waiting) = (BTreeSet::from([id]), vec![id]);
    while let Some(id) = waiting.pop() {
        let nexthop = ask(id)?;
        for member in &nexthop.members {
            if seen.len() < MOST_NEXTHOPS && seen.insert(*member) {
                waiting.push(*member);
            }
        }
        all.push(nexthop);
    }
    Ok(all)
}

/// The host's own addresses that rules go by: what is sent from them may go another way. Where there are no such rules, as
/// nearly everywhere, there is nothing to ask for.
fn sources() -> io::Result<Vec<IpAddr>> {
    let mut sources = Vec::new();
    for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
        let mut request = [0; RULE];
        request[0] = family;
        let rules = optional(dump(NETLINK_ROUTE, libc::RTM_GETRULE, &request))?;
        let prefixes: Vec<_> = rules.iter().filter_map(|rule| rule_source(rule)).collect();
        if prefixes.is_empty() {
            continue;
        }
        let mut request = [0; ADDRESS];
        request[0] = family;
        let addresses = optional(dump(NETLINK_ROUTE, libc::RTM_GETADDR, &request))?;
        let own = addresses.iter().filter_map(|address| own_address(address));
        let meant = own.filter(|address| prefixes.iter().any(|prefix| prefix.contains(address)));
        sources.extend(meant.take(MOST_SOURCES));
    }
    Ok(sources)
}

/// What the kernel has to say, or nothing where it does not know what was asked for.
fn optional(answer: io::Result<Vec<Vec<u8>>>) -> io::Result<Vec<Vec<u8>>> {
    match answer {
        Err(error) if error.raw_os_error().is_some() => Ok(Vec::new()),
        other => other,
    }
}

/// The prefix of sources of a rule, if it has one.
fn rule_source(message: &[u8]) -> Option<IpNet> {
    let (head, rest) = message.split_at_checked(RULE)?;
    let (_, source) = attributes(rest).find(|(kind, _)| *kind == FRA_SRC)?;
    IpNet::new(address(source)?, head[2]).ok()
}

/// A global address of the host's own.
fn own_address(message: &[u8]) -> Option<IpAddr> {
    address_of(message).filter(|(_, scope)| *scope == libc::RT_SCOPE_UNIVERSE).map(|(address, _)| address)
}

/// An address of the host's own, and its scope.
fn address_of(message: &[u8]) -> Option<(IpAddr, u8)> {
    let (head, rest) = message.split_at_checked(ADDRESS)?;
    let of = |wanted| attributes(rest).find(|(kind, _)| *kind == wanted);
    // On a line between two the other one is that of the peer.
    let (_, own) = of(libc::IFA_LOCAL).or_else(|| of(libc::IFA_ADDRESS))?;
    Some((address(own)?, head[3]))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn family(address: IpAddr) -> u8 {
    (if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }) as u8
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(kind: u8, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut message = vec![0; ROUTE];
        message[7] = kind;
        attributes.iter().for_each(|(kind, value)| attribute(&mut message, *kind, value));
        message
    }

    fn number(number: u32) -> Vec<u8> {
        number.to_ne_bytes().to_vec()
    }

    /// A next hop with so many bytes of attributes.
    fn hop(index: u32, attributes: usize) -> Vec<u8> {
        let length = ((HOP + attributes) as u16).to_ne_bytes();
        [&length[..], &[0, 0], &index.to_ne_bytes(), &vec![0; attributes]].concat()
    }

    #[test]
    fn every_next_hop_of_a_route_is_found() {
        let several = |hops: &[Vec<u8>]| (libc::RTA_MULTIPATH, hops.concat());
        for (name, attributes, interfaces, nexthop) in [
            ("one", vec![(libc::RTA_OIF, number(3))], &[3][..], None),
            ("two", vec![several(&[hop(3, 8), hop(4, 8)])], &[3, 4], None),
            ("three, twice the same", vec![several(&[hop(5, 0), hop(4, 20), hop(5, 8)])], &[4, 5], None),
            ("a next hop of its own", vec![(RTA_NH_ID, number(7))], &[], Some(7)),
            ("both", vec![(RTA_NH_ID, number(7)), several(&[hop(3, 8)])], &[3], Some(7)),
            ("no interface", vec![(libc::RTA_OIF, number(0))], &[], None),
            ("something else", vec![(libc::RTA_GATEWAY, number(9))], &[], None),
            ("a hop without a length", vec![(libc::RTA_MULTIPATH, vec![0; 6])], &[], None),
            (
                "a hop of no length",
                vec![(libc::RTA_MULTIPATH, [vec![0; 4], number(6), hop(7, 0)].concat())],
                &[6, 7],
                None,
            ),
        ] {
            let found = Route::read(&route(libc::RTN_UNICAST, &attributes)).expect("a route");
            assert_eq!(found.interfaces.into_iter().collect::<Vec<_>>(), interfaces, "{name}");
            assert_eq!((found.kind, found.nexthop), (libc::RTN_UNICAST, nexthop), "{name}");
        }
        let via = |address: &[u8]| (RTA_VIA, [&[10, 0][..], address].concat());
        let hop_by = |gateway: [u8; 4]| {
            let mut hop = hop(3, 8);
            hop.truncate(HOP);
            attribute(&mut hop, libc::RTA_GATEWAY, &gateway);
            hop
        };
        for (name, attributes, expected) in [
            ("one", vec![(libc::RTA_GATEWAY, vec![192, 0, 2, 1])], &["192.0.2.1"][..]),
            ("of the other family", vec![via(&[0xfe; 16])], &["fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe"]),
            ("two", vec![several(&[hop_by([192, 0, 2, 1]), hop_by([192, 0, 2, 2])])], &["192.0.2.1", "192.0.2.2"]),
            ("none", vec![(libc::RTA_OIF, number(3))], &[]),
            ("a broken one", vec![(libc::RTA_GATEWAY, vec![192, 0]), (RTA_VIA, vec![1])], &[]),
        ] {
            let found = Route::read(&route(libc::RTN_UNICAST, &attributes)).expect("a route").gateways;
            assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{name}");
        }
        assert_eq!(Route::read(&[0; ROUTE - 1]), None);
    }

    #[test]
    fn groups_of_next_hops_are_followed_to_their_end() {
        let message = |attributes: &[(u16, Vec<u8>)]| {
            let mut message = vec![0; NEXTHOP];
            attributes.iter().for_each(|(kind, value)| attribute(&mut message, *kind, value));
            message
        };
        let group = |ids: &[u32]| {
            let members = ids.iter().flat_map(|id| [id.to_ne_bytes(), [1, 0, 0, 0]].concat()).collect();
            message(&[(NHA_GROUP, members)])
        };
        let single = |index| message(&[(NHA_ID, number(1)), (NHA_OIF, number(index))]);
        let blackhole = || message(&[(4, Vec::new())]);
        let all = |id| match id {
            1 => single(11),
            2 => single(12),
            3 => blackhole(),
            10 => group(&[1, 2]),
            20 => group(&[10, 3, 1]),
            // Each contains the other: the kernel does not allow it, and yet this has to come to an end.
            30 => group(&[31, 2]),
            31 => group(&[30]),
            40 => group(&(100..1_000).collect::<Vec<_>>()),
            id if id >= 100 => single(id),
            _ => Vec::new(),
        };
        for (id, interfaces) in
            [(1, &[11][..]), (3, &[]), (10, &[11, 12]), (20, &[11, 12]), (30, &[12]), (31, &[12]), (99, &[])]
        {
            let found = nexthop_interfaces(id, |id| Ok(Nexthop::read(&all(id)))).expect("nothing fails");
            assert_eq!(found.into_iter().collect::<Vec<_>>(), interfaces, "{id}");
        }
        let found = nexthop_interfaces(40, |id| Ok(Nexthop::read(&all(id)))).expect("nothing fails");
        assert_eq!(found.len(), MOST_NEXTHOPS - 1);
    }

    #[test]
    fn sources_are_those_that_rules_go_by() {
        let rule = |length: u8, source: Option<&[u8]>| {
            let mut message = vec![0; RULE];
            message[2] = length;
            source.into_iter().for_each(|source| attribute(&mut message, FRA_SRC, source));
            message
        };
        for (message, expected) in [
            (rule(24, Some(&[10, 1, 0, 0])), Some("10.1.0.0/24")),
            (rule(128, Some(&[0x20; 16])), Some("2020:2020:2020:2020:2020:2020:2020:2020/128")),
            (rule(0, None), None),
            (rule(33, Some(&[10, 1, 0, 0])), None),
            (rule(8, Some(&[10])), None),
            (vec![0; 3], None),
        ] {
            assert_eq!(rule_source(&message), expected.map(|text| text.parse().expect("a prefix")));
        }
        let own = |scope: u8, attributes: &[(u16, &[u8])]| {
            let mut message = vec![0; ADDRESS];
            message[3] = scope;
            attributes.iter().for_each(|(kind, value)| attribute(&mut message, *kind, value));
            message
        };
        let (mine, peer): (&[u8], &[u8]) = (&[10, 1, 0, 1], &[10, 1, 0, 2]);
        for (message, expected) in [
            (own(0, &[(libc::IFA_ADDRESS, mine)]), Some("10.1.0.1")),
            (own(0, &[(libc::IFA_ADDRESS, peer), (libc::IFA_LOCAL, mine)]), Some("10.1.0.1")),
            (own(libc::RT_SCOPE_LINK, &[(libc::IFA_ADDRESS, mine)]), None),
            (own(0, &[]), None),
        ] {
            assert_eq!(own_address(&message), expected.map(|text| text.parse().expect("an address")));
        }
    }

    #[test]
    fn what_the_kernel_refuses_for_other_reasons_stays_an_error() {
        for (error, says) in [
            (libc::ENETUNREACH, Some("no route")),
            (libc::EHOSTUNREACH, Some("unreachable")),
            (libc::EINVAL, Some("blackhole")),
            (libc::EACCES, Some("prohibit")),
            (libc::ENOMEM, None),
            (libc::EPERM, None),
        ] {
            match (obstacle(error), says) {
                (Some(text), Some(part)) => assert!(text.contains(part), "{text}"),
                (found, expected) => assert_eq!(found, expected, "{error}"),
            }
        }
    }
}
