//! How many destination ports a source has tried lately, from sampled packets.
//!
//! Two generations of pairs of source and port: the newer one takes what comes, and replaces the older one when half a
//! minute is over, or when it is full. So a scan is seen over half a minute to a minute, and a flood of sources, of
//! which each brings a pair, shortens that but can take neither memory nor attention.

use std::{hash::BuildHasher as _, mem};

use foldhash::{HashMap, HashSet, fast::RandomState};
use hashbrown::HashTable;
use nettop_common::{Address, Event, Protocol, event::NO_TCP_FLAGS};

use nettop_model::order;

use super::{floods::services, tcp};

/// Pairs of a generation: seven eighths of a power of two, which a hash table fills before it doubles.
const MOST: usize = 28_672;
/// How long a generation takes what comes.
const GENERATION_NS: u64 = 30_000_000_000;
/// UDP ports of traceroute, which tries many without wanting any.
const TRACEROUTE: std::ops::RangeInclusive<u16> = 33_434..=33_534;

/// Sources that may be scanning.
#[derive(Debug)]
pub struct Probes {
    newer: Generation,
    older: Generation,
    /// From how many ports on a source has to be looked at; `None`: never.
    notable: Option<u32>,
    /// Those of this second, and where each of them tried last.
    notables: HashMap<Address, Address>,
    hasher: RandomState,
}

/// The pairs of a while; a pair is in one generation only. Of pairs and sources there are hashes: that two of so few have
/// the same will not happen, and they take a fraction of the memory.
#[derive(Debug, Default)]
struct Generation {
    since_ns: u64,
    pairs: HashSet<u64>,
    ports: Ports,
}

/// Ports tried, by source: 48 bits of its hash above 16 of a number that is at most [`MOST`].
#[derive(Debug, Default)]
struct Ports(HashTable<u64>);

impl Ports {
    const COUNT: u64 = 0xffff;

    fn of(&self, source: u64) -> u32 {
        self.0.find(Self::hash(source), Self::is(source)).map_or(0, |entry| (entry & Self::COUNT) as u32)
    }

    fn add(&mut self, source: u64) {
        let entry = self.0.entry(Self::hash(source), Self::is(source), |entry| Self::hash(*entry));
        *entry.or_insert(source & !Self::COUNT).get_mut() += 1;
    }

    fn remove(&mut self, source: u64) {
        if let Some(entry) = self.0.find_mut(Self::hash(source), Self::is(source)) {
            *entry -= 1;
        }
    }

    fn is(source: u64) -> impl Fn(&u64) -> bool {
        move |entry| (entry ^ source) & !Self::COUNT == 0
    }

    /// The table looks at both ends of a hash: the bits of the number, which are not of it, lie in the middle.
    fn hash(entry: u64) -> u64 {
        (entry & !Self::COUNT).rotate_left(u32::BITS)
    }
}

/// What a source has tried.
#[derive(Clone, Copy, Debug)]
pub struct Probed {
    /// How many ports.
    pub ports: u32,
    /// Where, the last time.
    pub target: Address,
}

impl Probes {
    /// Notes sources that have tried at least `notable` ports.
    pub fn new(notable: Option<u32>) -> Self {
        Self {
            newer: Generation::default(),
            older: Generation::default(),
            notable,
            notables: HashMap::default(),
            hasher: RandomState::default(),
        }
    }

    /// Looks at a sampled packet.
    pub fn add(&mut self, event: &Event) {
        let Some(notable) = self.notable.filter(|_| is_probe(event)) else { return };
        let Self { newer, older, notables, hasher, .. } = self;
        if newer.pairs.len() >= MOST || event.at_ns.saturating_sub(newer.since_ns) >= GENERATION_NS {
            *older = mem::replace(newer, Generation { since_ns: event.at_ns, ..Generation::default() });
        }
        let source = hasher.hash_one(event.source);
        let pair = hasher.hash_one((event.source, event.destination_port));
        if newer.pairs.insert(pair) {
            newer.ports.add(source);
            if older.pairs.remove(&pair) {
                older.ports.remove(source);
            }
        }
        if newer.ports.of(source) + older.ports.of(source) >= notable {
            notables.insert(event.source, event.destination);
        }
    }

    /// What the notable sources of this second have tried, most ports first.
    pub fn notables(&self) -> Vec<(Address, Probed)> {
        let Self { newer, older, notables, hasher, .. } = self;
        let probed = |(source, target): (&Address, &Address)| {
            let hash = hasher.hash_one(source);
            (*source, Probed { ports: newer.ports.of(hash) + older.ports.of(hash), target: *target })
        };
        let mut found: Vec<_> = notables.iter().map(probed).collect();
        order::sort_by_key(&mut found, |(source, probed)| (std::cmp::Reverse(probed.ports), *source));
        found
    }

    /// A second is over.
    pub fn next_second(&mut self) {
        self.notables.clear();
    }
}

/// Whether a packet may be there to find out if a port is open, and not because of a connection or an answer.
fn is_probe(event: &Event) -> bool {
    if event.destination_port == 0 {
        return false;
    }
    if event.tcp_flags != NO_TCP_FLAGS {
        return u8::try_from(event.tcp_flags).is_ok_and(tcp::probes);
    }
    services::is(event, Protocol::Udp) && !services::is_answer(event) && !TRACEROUTE.contains(&event.destination_port)
}

#[cfg(test)]
mod tests {
    use nettop_common::{Packet, packet::Flags};

    use super::*;
    use crate::detect::testing::syn;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn what_may_be_a_probe() {
        let packet = |protocol, source_port, destination_port, flags: Option<u8>| {
            let tcp_flags = flags.map_or_else(Flags::default, Flags::from);
            let packet = Packet { protocol, source_port, destination_port, tcp_flags, ..Packet::default() };
            is_probe(&Event::new(&packet, 60, 0, 1))
        };
        for (name, found, expected) in [
            ("SYN", packet(6, 40_000, 22, Some(0x02)), true),
            ("null", packet(6, 40_000, 22, Some(0x00)), true),
            ("FIN", packet(6, 40_000, 22, Some(0x01)), true),
            ("Xmas", packet(6, 40_000, 22, Some(0x29)), true),
            ("ACK", packet(6, 40_000, 22, Some(0x10)), false),
            ("SYN and ACK", packet(6, 80, 40_000, Some(0x12)), false),
            ("RST", packet(6, 80, 40_000, Some(0x04)), false),
            ("UDP", packet(17, 40_000, 161, None), true),
            ("UDP between clients", packet(17, 40_000, 27_015, None), true),
            ("the answer of a resolver", packet(17, 53, 40_000, None), false),
            ("the answer of a QUIC server", packet(17, 443, 40_000, None), false),
            ("the answer of memcached", packet(17, 11_211, 40_000, None), false),
            ("DNS to DNS", packet(17, 53, 53, None), true),
            ("traceroute", packet(17, 40_000, 33_440, None), false),
            ("ICMP", packet(1, 0, 0, None), false),
            ("a fragment", packet(6, 0, 0, None), false),
        ] {
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_port_counts_once_in_both_generations() {
        let mut probes = Probes::new(Some(1));
        for (second, first) in [(0, 1), (29, 11), (31, 15), (59, 20)] {
            (first..first + 10).for_each(|port| probes.add(&syn(7, port, (100 + second) * SECOND, 1)));
        }
        assert_eq!(probes.notables()[0].1.ports, 29);
        // More than half a minute later the older generation is forgotten.
        probes.next_second();
        probes.add(&syn(7, 500, 165 * SECOND, 1));
        assert_eq!(probes.notables()[0].1.ports, 16);
    }

    #[test]
    fn a_flood_of_sources_takes_no_memory_and_hides_no_scan() {
        let mut probes = Probes::new(Some(50));
        for n in 0..200_000 {
            probes.add(&syn(1000 + n, 443, 0, 1));
            if n % 100 == 0 {
                probes.add(&syn(7, (n / 100) as u16 + 1, 0, 1));
            }
        }
        assert!(probes.newer.pairs.len() <= MOST && probes.older.pairs.len() <= MOST);
        let found = probes.notables();
        assert_eq!(found.len(), 1);
        assert!(found[0].1.ports as usize > MOST / 100, "{found:?}");
    }
}
