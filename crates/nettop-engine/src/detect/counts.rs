//! What one second counted, exactly.

use nettop_collect::reading::{Tables, since};
use nettop_common::{Outcome, PacketsBytes, Protocol, Totals};

use super::{ports::REFLECTORS, tcp};

/// Them. What comes from cumulative tables may be of a second a little later than what comes from the totals.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// The totals.
    pub totals: Totals,
    /// TCP segments that ask for a connection.
    pub syn: u64,
    /// TCP segments of whoever has got an answer to that.
    pub ack: u64,
    /// Packets by source port, of any protocol, as in [`REFLECTORS`].
    pub from_reflectors: [u64; REFLECTORS.len()],
    /// The destination port with the most packets, of any protocol; 0: none.
    pub busiest_port: u16,
}

impl Counts {
    /// Counted packets and bytes.
    pub fn all(&self) -> PacketsBytes {
        self.totals.outcome(Outcome::Counted)
    }

    /// Packets and bytes of a protocol.
    pub fn of(&self, protocol: Protocol) -> PacketsBytes {
        self.totals.protocol(protocol)
    }
}

/// What cumulative tables said a second ago; nothing at first.
#[derive(Debug)]
pub struct Marks {
    tcp_flags: Vec<u64>,
    dst_ports: Vec<u64>,
    reflectors: [u64; REFLECTORS.len()],
}

impl Default for Marks {
    fn default() -> Self {
        let Tables { tcp_flags, dst_ports, .. } = Tables::default();
        Self { tcp_flags, dst_ports, reflectors: [0; _] }
    }
}

impl Marks {
    /// What they said now.
    pub fn set(&mut self, tables: &Tables) {
        self.tcp_flags.clone_from(&tables.tcp_flags);
        self.dst_ports.clone_from(&tables.dst_ports);
        self.reflectors = from_reflectors(tables);
    }

    /// What one second counted: its totals, and what the tables have now that they had not at its beginning.
    pub fn counts(&self, totals: &Totals, tables: &Tables) -> Counts {
        let mut counts = Counts { totals: *totals, from_reflectors: from_reflectors(tables), ..Counts::default() };
        for (flags, count) in since(&tables.tcp_flags, &self.tcp_flags).enumerate() {
            let flags = flags as u8;
            if tcp::opens(flags) {
                counts.syn += count;
            } else if tcp::goes_on(flags) {
                counts.ack += count;
            }
        }
        for (count, mark) in counts.from_reflectors.iter_mut().zip(&self.reflectors) {
            *count = count.saturating_sub(*mark);
        }
        let ports = since(&tables.dst_ports, &self.dst_ports).enumerate().skip(1);
        let busiest = ports.max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 0);
        counts.busiest_port = busiest.map_or(0, |(port, _)| port as u16);
        counts
    }
}

fn from_reflectors(tables: &Tables) -> [u64; REFLECTORS.len()] {
    REFLECTORS.map(|reflector| tables.src_ports.get(usize::from(reflector.port)).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_as_what_came_since() {
        let (mut tables, mut marks) = (Tables::default(), Marks::default());
        for (flags, packets) in [(0x02, 7), (0xc2, 1), (0x12, 50), (0x10, 20), (0x18, 3), (0x06, 9), (0x11, 2)] {
            tables.tcp_flags[flags] = packets;
        }
        (tables.src_ports[53], tables.dst_ports[443], tables.dst_ports[0]) = (5, 6, 100);
        let counts = marks.counts(&Totals::default(), &tables);
        assert_eq!((counts.syn, counts.ack, counts.busiest_port), (8, 25, 443));
        assert_eq!(counts.from_reflectors.iter().sum::<u64>(), 5);

        marks.set(&tables);
        let counts = marks.counts(&Totals::default(), &tables);
        assert_eq!((counts.syn, counts.ack, counts.busiest_port), (0, 0, 0));
        (tables.tcp_flags[2], tables.src_ports[53]) = (107, 6);
        let counts = marks.counts(&Totals::default(), &tables);
        assert_eq!((counts.syn, counts.from_reflectors.iter().sum::<u64>()), (100, 1));
    }
}
