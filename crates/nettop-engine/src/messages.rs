//! Who asks for and tells the addresses of neighbours, by MAC, since the start or the last reset.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use nettop_collect::{host::HostReading, reading::NeighbourMessages};
use nettop_common::neighbour::{Message, Messages, add};
use nettop_model::snapshot::{Mac, MessageAccounting};

/// MACs that are remembered.
const MOST: usize = 8192;

/// The counts.
#[derive(Default)]
pub struct MessageBook {
    by_mac: HashMap<Mac, Messages, RandomState>,
    /// Those that the host's tables have: they stay, whoever else sends.
    known: HashSet<Mac, RandomState>,
    seen: Messages,
    untracked: Messages,
    /// Of MACs that were forgotten.
    evicted: Messages,
}

impl MessageBook {
    /// Enters what came since the reading before.
    pub fn enter(&mut self, reading: &NeighbourMessages) {
        let NeighbourMessages { seen, untracked, by_mac, others } = reading;
        add(&mut self.seen, seen);
        add(&mut self.untracked, untracked);
        add(&mut self.evicted, others);
        for (mac, messages) in by_mac {
            if self.by_mac.len() >= MOST && !self.by_mac.contains_key(mac) {
                self.make_room();
            }
            add(self.by_mac.entry(*mac).or_default(), messages);
        }
    }

    /// Is told the host's neighbours.
    pub fn know(&mut self, reading: &HostReading) {
        self.known = reading.neighbours.iter().filter_map(|entry| entry.mac).collect();
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        *self = Self { known: std::mem::take(&mut self.known), ..Self::default() };
    }

    /// What came from a MAC.
    pub fn of(&self, mac: &Mac) -> Messages {
        self.by_mac.get(mac).copied().unwrap_or_default()
    }

    /// Where all of them went.
    pub fn accounting(&self) -> MessageAccounting {
        let mut macs = Messages::default();
        self.by_mac.values().for_each(|messages| add(&mut macs, messages));
        let mut sum = macs;
        add(&mut sum, &self.evicted);
        add(&mut sum, &self.untracked);
        let named =
            |messages: Messages| Message::ALL.iter().map(|message| message.label().into()).zip(messages).collect();
        MessageAccounting {
            seen: named(self.seen),
            macs: named(macs),
            evicted: named(self.evicted),
            untracked: named(self.untracked),
            holds: sum == self.seen,
        }
    }

    /// Forgets all that are no neighbours: the host's tables have room for fewer.
    fn make_room(&mut self) {
        let Self { by_mac, known, evicted, .. } = self;
        by_mac.retain(|mac, messages| {
            let stays = known.contains(mac);
            if !stays {
                add(evicted, messages);
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use nettop_collect::host::NeighbourEntry;

    use super::*;

    fn mac(number: u32) -> Mac {
        let [a, b, c, d] = number.to_be_bytes();
        Mac([2, 0, a, b, c, d])
    }

    fn reading(macs: impl Iterator<Item = u32>) -> NeighbourMessages {
        let by_mac: Vec<_> = macs.map(|number| (mac(number), [3, 0, 1, 0])).collect();
        let count = by_mac.len() as u64;
        let (seen, untracked) = ([3 * count + 7, 0, count + 2, 0], [0, 0, 2, 0]);
        NeighbourMessages { seen, untracked, by_mac, others: [7, 0, 0, 0] }
    }

    #[test]
    fn memory_is_bounded_neighbours_stay_and_everything_is_in_the_sums() {
        let mut book = MessageBook::default();
        let neighbour = NeighbourEntry {
            address: [192, 0, 2, 1].into(),
            mac: Some(mac(1)),
            interface: "eth0".into(),
            state: 2,
            router: false,
            confirmed_s: None,
        };
        book.know(&HostReading { neighbours: vec![neighbour], ..HostReading::default() });
        for (name, from, to, expected) in
            [("one", 1, 2, [3, 0, 1, 0]), ("another", 2, 3, [3, 0, 1, 0]), ("a flood", 100, 40_000, [3, 0, 1, 0])]
        {
            book.enter(&reading(from..to));
            assert_eq!(book.of(&mac(1)), expected, "{name}");
            assert!(book.by_mac.len() <= MOST && book.accounting().holds, "{name}: {:?}", book.accounting());
        }
        assert_eq!(book.of(&mac(2)), Messages::default(), "it is no neighbour");
        book.seen[0] += 1;
        assert!(!book.accounting().holds, "a message that nobody has sent");
        book.reset();
        assert!(book.accounting().holds && book.of(&mac(1)) == Messages::default());
    }
}
