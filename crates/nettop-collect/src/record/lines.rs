//! Readings as lines: only what is not zero, addresses as text.

use std::{net::IpAddr, sync::Arc};

use nettop_common::{
    Address, ClassTally, MacPair, PacketsBytes, SourceCounters, Totals, TrafficClass, egress::EgressTotals,
};
use nettop_model::clock::Moment;
use serde::{Deserialize, Serialize};

use crate::reading::{self, NeighbourMessages, Reading};

/// Packets and bytes.
type Pair = (u64, u64);

fn pair(counts: PacketsBytes) -> Pair {
    (counts.packets, counts.bytes)
}

fn counts((packets, bytes): Pair) -> PacketsBytes {
    PacketsBytes { packets, bytes }
}

/// What was counted for a source: packets, bytes, first and newest stamp (nanoseconds), SYNs, UDP, ICMP, fragments.
type SourceLine = (IpAddr, u64, u64, u64, u64, u32, u32, u32, u32);

/// A reading of packets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Until when.
    at: Moment,
    /// When counting began, where that is known only with this reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) beginning: Option<Moment>,
    seen: Pair,
    /// By number of the class.
    classes: Vec<(usize, u64, u64)>,
    /// By table.
    untracked: Vec<Pair>,
    events: Pair,
    sources: Vec<SourceLine>,
    /// The address, the number of the class, packets and bytes.
    destinations: Vec<(IpAddr, u8, u64, u64)>,
    /// The two words of a pair of MACs, then packets and bytes.
    macs: Vec<(u64, u64, u64, u64)>,
    /// The name of the interface, the number of the class, packets and bytes.
    #[serde(default)]
    interfaces: Vec<(String, u8, u64, u64)>,
    /// Messages of neighbours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    neighbours: Option<NeighbourMessages>,
    /// Those that were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    neighbours_sent: Option<NeighbourMessages>,
    /// What was sent.
    #[serde(default, skip_serializing_if = "Egress::is_none")]
    egress: Egress,
    /// Keys in the kernel's tables.
    pub(super) entries: Vec<u64>,
}

impl Traffic {
    /// Of a reading, for which the kernel's tables held so many keys.
    pub(super) fn of(reading: &Reading, beginning: Option<Moment>, entries: Vec<u64>) -> Self {
        // What blocks have dropped is of this run of the monitor: a replay has no blocks, only their sum.
        let Reading {
            at,
            totals,
            sources,
            destinations,
            macs,
            interfaces,
            neighbours,
            neighbours_sent,
            egress,
            remotes,
            dropped: _,
        } = reading;
        let unless_none =
            |all: &NeighbourMessages| Some(all).filter(|all| **all != NeighbourMessages::default()).cloned();
        let Totals { seen, classes, untracked, events, events_lost } = totals;
        let source = |(address, counters): &(Address, SourceCounters)| {
            let SourceCounters { packets, bytes, first_ns, last_ns, syn, udp, icmp, fragments } = *counters;
            (address.to_ip(), packets, bytes, first_ns, last_ns, syn, udp, icmp, fragments)
        };
        let destination = |(address, ClassTally { class, tally }): &(Address, ClassTally)| {
            (address.to_ip(), *class as u8, tally.packets, tally.bytes)
        };
        let interface = |(name, ClassTally { class, tally }): &(Arc<str>, ClassTally)| {
            (name.to_string(), *class as u8, tally.packets, tally.bytes)
        };
        let classes = classes.iter().enumerate().filter(|(_, counts)| counts.packets > 0);
        Self {
            at: *at,
            beginning,
            seen: pair(*seen),
            classes: classes.map(|(at, counts)| (at, counts.packets, counts.bytes)).collect(),
            untracked: untracked.iter().map(|counts| pair(*counts)).collect(),
            events: (*events, *events_lost),
            sources: sources.iter().map(source).collect(),
            destinations: destinations.iter().map(destination).collect(),
            macs: macs.iter().map(|(pair, sum)| (pair.0[0], pair.0[1], sum.packets, sum.bytes)).collect(),
            interfaces: interfaces.iter().map(interface).collect(),
            neighbours: unless_none(neighbours),
            neighbours_sent: unless_none(neighbours_sent),
            egress: Egress::of(egress, remotes),
            entries,
        }
    }

    /// When it was read.
    pub fn at(&self) -> Moment {
        self.at
    }

    /// How many packets it has.
    pub fn packets(&self) -> u64 {
        self.seen.0
    }

    /// Puts it into a reading.
    pub(super) fn fill(self, reading: &mut Reading) {
        reading.clear();
        reading.at = self.at;
        let totals = &mut reading.totals;
        totals.seen = counts(self.seen);
        for (at, packets, bytes) in self.classes {
            // A class that this version does not know is in what was seen, and nowhere else: then the sums do not hold, and that is
            // said.
            if let Some(class) = totals.classes.get_mut(at) {
                *class = PacketsBytes { packets, bytes };
            }
        }
        totals.untracked.iter_mut().zip(self.untracked).for_each(|(table, sum)| *table = counts(sum));
        (totals.events, totals.events_lost) = self.events;
        reading.sources.extend(self.sources.into_iter().map(
            |(ip, packets, bytes, first_ns, last_ns, syn, udp, icmp, fragments)| {
                (ip.into(), SourceCounters { packets, bytes, first_ns, last_ns, syn, udp, icmp, fragments })
            },
        ));
        let of_class = |class: u8, packets, bytes| {
            let class = TrafficClass::from_number(class.into());
            ClassTally { class, tally: counts((packets, bytes)) }
        };
        let destination = |(ip, class, packets, bytes): (IpAddr, _, _, _)| (ip.into(), of_class(class, packets, bytes));
        reading.destinations.extend(self.destinations.into_iter().map(destination));
        let interface =
            |(name, class, packets, bytes): (String, _, _, _)| (name.into(), of_class(class, packets, bytes));
        reading.interfaces.extend(self.interfaces.into_iter().map(interface));
        reading.neighbours = self.neighbours.unwrap_or_default();
        reading.neighbours_sent = self.neighbours_sent.unwrap_or_default();
        self.egress.fill(reading);
        reading
            .macs
            .extend(self.macs.into_iter().map(|(a, b, packets, bytes)| (MacPair([a, b]), counts((packets, bytes)))));
    }
}

/// What was sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Egress {
    seen: Pair,
    not_ip: Pair,
    /// By number of the class of traffic.
    classes: Vec<Pair>,
    untracked: Pair,
    /// The remote address, packets and bytes.
    remotes: Vec<(IpAddr, u64, u64)>,
}

impl Egress {
    fn of(totals: &EgressTotals, remotes: &[(Address, PacketsBytes)]) -> Self {
        let EgressTotals { seen, not_ip, classes, untracked } = totals;
        Self {
            seen: pair(*seen),
            not_ip: pair(*not_ip),
            classes: classes.iter().map(|counts| pair(*counts)).collect(),
            untracked: pair(*untracked),
            remotes: remotes.iter().map(|(address, sum)| (address.to_ip(), sum.packets, sum.bytes)).collect(),
        }
    }

    fn is_none(&self) -> bool {
        self.seen.0 == 0
    }

    fn fill(self, reading: &mut Reading) {
        let EgressTotals { seen, not_ip, classes, untracked } = &mut reading.egress;
        (*seen, *not_ip, *untracked) = (counts(self.seen), counts(self.not_ip), counts(self.untracked));
        classes.iter_mut().zip(self.classes).for_each(|(class, sum)| *class = counts(sum));
        let remotes = self.remotes.into_iter();
        reading.remotes.extend(remotes.map(|(ip, packets, bytes)| (ip.into(), counts((packets, bytes)))));
    }
}

/// What changed in the cumulative tables: places and their new values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tables {
    tcp_flags: Vec<(usize, u64)>,
    dst_ports: Vec<(usize, u64)>,
    src_ports: Vec<(usize, u64)>,
    /// Registers of distinct sources.
    unique: Vec<(usize, u8)>,
}

impl Tables {
    /// What is in `now` and was not in `then`; nothing where they are the same.
    pub(super) fn since(then: &reading::Tables, now: &reading::Tables) -> Option<Self> {
        let changed = Self {
            tcp_flags: changed(&then.tcp_flags, &now.tcp_flags),
            dst_ports: changed(&then.dst_ports, &now.dst_ports),
            src_ports: changed(&then.src_ports, &now.src_ports),
            unique: changed(&then.unique.0, &now.unique.0),
        };
        (changed != Self::default()).then_some(changed)
    }

    /// Puts the new values into tables.
    pub(super) fn apply(&self, tables: &mut reading::Tables) {
        set(&mut tables.tcp_flags, &self.tcp_flags);
        set(&mut tables.dst_ports, &self.dst_ports);
        set(&mut tables.src_ports, &self.src_ports);
        set(&mut tables.unique.0, &self.unique);
    }
}

fn changed<T: Copy + PartialEq>(then: &[T], now: &[T]) -> Vec<(usize, T)> {
    let pairs = then.iter().zip(now).enumerate();
    pairs.filter(|(_, (then, now))| then != now).map(|(at, (_, now))| (at, *now)).collect()
}

fn set<T: Copy>(table: &mut [T], values: &[(usize, T)]) {
    for (at, value) in values {
        if let Some(place) = table.get_mut(*at) {
            *place = *value;
        }
    }
}

/// A sampled packet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    at_ns: u64,
    src: IpAddr,
    dst: IpAddr,
    macs: [u64; 2],
    length: u32,
    weight: u32,
    sport: u16,
    dport: u16,
    flags: u16,
    proto: u8,
    class: u8,
}

impl From<&nettop_common::Event> for Event {
    fn from(event: &nettop_common::Event) -> Self {
        Self {
            at_ns: event.at_ns,
            src: event.source.to_ip(),
            dst: event.destination.to_ip(),
            macs: event.macs.0,
            length: event.length,
            weight: event.weight,
            sport: event.source_port,
            dport: event.destination_port,
            flags: event.tcp_flags,
            proto: event.protocol,
            class: event.class,
        }
    }
}

impl From<&Event> for nettop_common::Event {
    fn from(event: &Event) -> Self {
        Self {
            at_ns: event.at_ns,
            source: event.src.into(),
            destination: event.dst.into(),
            macs: MacPair(event.macs),
            length: event.length,
            weight: event.weight,
            source_port: event.sport,
            destination_port: event.dport,
            tcp_flags: event.flags,
            protocol: event.proto,
            class: event.class,
        }
    }
}
