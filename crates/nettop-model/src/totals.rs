//! What accounts sum up: counters as wide as a monitor may live.

use std::fmt::Debug;

use nettop_common::{ClassTally, PacketsBytes, SourceCounters, TrafficClass, counters::ByClass};

/// Counters that are summed up by key.
pub trait Entry: Copy {
    /// Their sum.
    type Total: Clone + Debug + Default;

    /// Packets and bytes.
    fn tally(&self) -> PacketsBytes;
    /// Adds them to a sum. False: their parts may have wrapped before they were read, so that the sum is a lower bound.
    fn add_to(&self, total: &mut Self::Total) -> bool;
    /// Packets and bytes of a sum.
    fn of(total: &Self::Total) -> PacketsBytes;
}

impl Entry for PacketsBytes {
    type Total = PacketsBytes;

    fn tally(&self) -> PacketsBytes {
        *self
    }

    fn add_to(&self, total: &mut PacketsBytes) -> bool {
        total.add(*self);
        true
    }

    fn of(total: &PacketsBytes) -> PacketsBytes {
        *total
    }
}

/// Everything counted for one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceTotal {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// When the first packet came, nanoseconds of the monotonic clock; 0: none yet.
    pub first_ns: u64,
    /// When the newest packet came, on the same clock.
    pub last_ns: u64,
    /// TCP segments with SYN and without ACK.
    pub syn: Wide,
    /// UDP datagrams.
    pub udp: Wide,
    /// ICMP and ICMPv6 messages.
    pub icmp: Wide,
    /// Fragments, the first ones included.
    pub fragments: Wide,
}

const _: () = assert!(size_of::<SourceTotal>() == 56);

impl Entry for SourceCounters {
    type Total = SourceTotal;

    fn tally(&self) -> PacketsBytes {
        SourceCounters::tally(self)
    }

    fn add_to(&self, total: &mut SourceTotal) -> bool {
        let Self { packets, bytes, first_ns, last_ns, syn, udp, icmp, fragments } = *self;
        total.packets += packets;
        total.bytes += bytes;
        if first_ns != 0 && (total.first_ns == 0 || first_ns < total.first_ns) {
            total.first_ns = first_ns;
        }
        total.last_ns = total.last_ns.max(last_ns);
        total.syn.add(syn);
        total.udp.add(udp);
        total.icmp.add(icmp);
        total.fragments.add(fragments);
        // The kernel program counts the parts in 32 bits, which are read several times a second, but not while the monitor is stopped.
        packets <= u32::MAX.into()
    }

    fn of(total: &SourceTotal) -> PacketsBytes {
        PacketsBytes { packets: total.packets, bytes: total.bytes }
    }
}

/// Everything counted for one destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DestinationTotal {
    all: PacketsBytes,
    classes: Classes,
}

/// By class; most of the destinations of a flood get packets of one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Classes {
    /// All of it is of this one.
    One(TrafficClass),
    Several(Box<ByClass>),
}

impl Default for Classes {
    fn default() -> Self {
        Self::One(TrafficClass::Other)
    }
}

const _: () = assert!(size_of::<DestinationTotal>() == 32);

impl DestinationTotal {
    /// What came of each class.
    pub fn classes(&self) -> ByClass {
        match &self.classes {
            Classes::One(class) => {
                let mut classes = ByClass::default();
                classes[*class as usize] = self.all;
                classes
            }
            Classes::Several(classes) => **classes,
        }
    }
}

impl Entry for ClassTally {
    type Total = DestinationTotal;

    fn tally(&self) -> PacketsBytes {
        self.tally
    }

    fn add_to(&self, total: &mut DestinationTotal) -> bool {
        let Self { class, tally } = *self;
        match &mut total.classes {
            Classes::Several(classes) => classes[class as usize].add(tally),
            Classes::One(one) if *one == class => {}
            Classes::One(one) if total.all.packets == 0 => *one = class,
            Classes::One(_) => {
                let mut classes = Box::new(total.classes());
                classes[class as usize].add(tally);
                total.classes = Classes::Several(classes);
            }
        }
        total.all.add(tally);
        true
    }

    fn of(total: &DestinationTotal) -> PacketsBytes {
        total.all
    }
}

/// A count of 48 bits, since there is one for each source: a million packets per second fill it in nine years. Then it stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wide([u8; 6]);

impl Wide {
    /// The highest count.
    const MOST: u64 = (1 << 48) - 1;

    /// The count.
    pub fn get(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }

    fn add(&mut self, count: u32) {
        if count > 0 {
            *self = (self.get() + u64::from(count)).into();
        }
    }
}

impl From<u64> for Wide {
    fn from(count: u64) -> Self {
        let [a, b, c, d, e, f, ..] = count.min(Self::MOST).to_le_bytes();
        Self([a, b, c, d, e, f])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_pass_32_bits_and_stop_at_48() {
        let most = u64::from(u32::MAX);
        for (before, added, expected) in [
            (0, 0, 0),
            (0, u32::MAX, most),
            (most, 1, most + 1),
            (most, u32::MAX, 2 * most),
            (Wide::MOST - 1, 1, Wide::MOST),
            (Wide::MOST, u32::MAX, Wide::MOST),
        ] {
            let mut wide = Wide::from(before);
            wide.add(added);
            assert_eq!(wide.get(), expected, "{before} + {added}");
        }
    }

    #[test]
    fn every_part_of_a_source_passes_32_bits() {
        let counted = SourceCounters {
            packets: u32::MAX.into(),
            bytes: 1 << 40,
            first_ns: 5,
            last_ns: 9,
            syn: u32::MAX,
            udp: u32::MAX - 1,
            icmp: u32::MAX - 2,
            fragments: u32::MAX - 3,
        };
        let mut total = SourceTotal::default();
        assert!(counted.add_to(&mut total) && counted.add_to(&mut total));
        let SourceTotal { packets, bytes, first_ns, last_ns, syn, udp, icmp, fragments } = total;
        let most = 2 * u64::from(u32::MAX);
        assert_eq!((packets, bytes, first_ns, last_ns), (most, 1 << 41, 5, 9));
        assert_eq!([syn, udp, icmp, fragments].map(Wide::get), [most, most - 2, most - 4, most - 6]);
    }

    #[test]
    fn more_packets_than_the_parts_can_count_are_told() {
        let mut total = SourceTotal::default();
        assert!(!SourceCounters { packets: 1 << 32, udp: 0, ..SourceCounters::default() }.add_to(&mut total));
        assert_eq!((total.packets, total.udp.get()), (1 << 32, 0));
    }
}
