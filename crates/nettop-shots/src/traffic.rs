//! A minute on a web server's interface, as a capture file: visitors, and then a SYN flood from forged addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fastrand::Rng;
use nettop_tests::{
    captures::{Captured, Order, savefile},
    frames::{Spec, Transport},
};

/// When the capture begins, Unix seconds: 2026-03-01 11:59:13 UTC.
const BEGIN: u64 = 1_772_366_353;
/// How long it is, seconds.
const SECONDS: u64 = 60;
/// When the flood begins.
const FLOOD: u64 = 48;
/// Its packets in a second.
const FLOOD_PACKETS: u64 = 9_000;
/// How many visitors there are.
const VISITORS: u32 = 40;
/// Packets that the busiest of them sends in a second; the next ones half, a third of that, and so on.
const BUSIEST: u64 = 420;

const SERVER_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
const ETHERNET: u32 = 1;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// The file; the same every time.
pub fn capture() -> Vec<u8> {
    let mut rng = Rng::with_seed(11);
    let visitors: Vec<IpAddr> = (0..VISITORS).map(|rank| visitor(rank, &mut rng)).collect();
    let mut packets = Vec::new();
    for second in 0..SECONDS {
        let mut send = |spec: &Spec, nanosecond: u64| {
            let at = (BEGIN + second) * 1_000_000_000 + nanosecond;
            packets.push(Captured::whole(at, spec.frame()));
        };
        for (rank, source) in (1..).zip(&visitors) {
            for _ in 0..rng.u64(BUSIEST / 2..BUSIEST) / rank + rng.u64(..2) {
                send(&visit(*source, rank, &mut rng), rng.u64(..1_000_000_000));
            }
        }
        for _ in 0..if second < FLOOD { 0 } else { FLOOD_PACKETS } {
            let transport = Transport::Tcp(rng.u16(1024..), 443, SYN);
            send(&Spec::between(forged(&mut rng).into(), SERVER_V4.into(), transport), rng.u64(..1_000_000_000));
        }
    }
    packets.sort_by_key(|packet| packet.at_ns);
    savefile(Order::Little, true, ETHERNET, &packets)
}

/// Whoever visits the server: a customer of a large access provider.
fn visitor(rank: u32, rng: &mut Rng) -> IpAddr {
    const V4: [[u8; 2]; 8] = [[73, 162], [91, 12], [86, 14], [126, 72], [90, 112], [177, 92], [49, 36], [79, 20]];
    const V6: [[u16; 2]; 3] = [[0x2601, 0x0280], [0x2a02, 0x8109], [0x2a01, 0xcb08]];
    if rank % 6 == 4 {
        let [first, second] = V6[rng.usize(..V6.len())];
        return Ipv6Addr::new(first, second, rng.u16(..), 0, 0, 0, 0, rng.u16(1..)).into();
    }
    let [first, second] = V4[rank as usize % V4.len()];
    Ipv4Addr::new(first, second, rng.u8(..), rng.u8(1..)).into()
}

/// A forged address, of anybody.
fn forged(rng: &mut Rng) -> Ipv4Addr {
    loop {
        let ip = Ipv4Addr::from_bits(rng.u32(0x1000_0000..0xe000_0000));
        if !ip.is_private() && !ip.is_loopback() && !ip.is_link_local() && !ip.is_documentation() {
            return ip;
        }
    }
}

/// A packet of a visit.
fn visit(source: IpAddr, rank: u64, rng: &mut Rng) -> Spec {
    let server = if source.is_ipv4() { SERVER_V4.into() } else { SERVER_V6.into() };
    let port = 32_768 + (rank * 97 % 20_000) as u16 + rng.u16(..3);
    let (transport, payload) = match rank % 8 {
        3 => (Transport::Udp(port, 443), 1_200),
        5 => (Transport::Udp(port, 53), 40),
        6 if source.is_ipv4() => (Transport::Icmp, 56),
        _ if rng.u8(..20) == 0 => (Transport::Tcp(port, 443, SYN), 0),
        7 => (Transport::Tcp(port, 22, ACK), 64),
        _ => (Transport::Tcp(port, [443, 443, 80][rng.usize(..3)], ACK), [0, 0, 120, 900][rng.usize(..4)]),
    };
    Spec::between(source, server, transport).payload(payload)
}
