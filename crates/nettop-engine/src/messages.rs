//! Who asks for and tells the addresses of neighbours, by MAC, since the start or the last reset.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use nettop_collect::{
    host::HostReading,
    reading::{NeighbourMessages, Reading},
};
use nettop_common::neighbour::{Message, Messages, add};
use nettop_model::snapshot::{Mac, MessageAccounting};

/// MACs that are remembered.
const MOST: usize = 8192;

/// Both ways; `None`: not counted.
pub struct MessageBooks {
    /// What came.
    pub came: Option<MessageBook>,
    /// What was sent.
    pub sent: Option<MessageBook>,
}

impl MessageBooks {
    /// Empty ones, of what is counted.
    pub fn new(counts_came: bool, counts_sent: bool) -> Self {
        let book = |counts: bool| counts.then(MessageBook::default);
        Self { came: book(counts_came), sent: book(counts_sent) }
    }

    /// Enters what was counted since the reading before.
    pub fn enter(&mut self, reading: &Reading) {
        self.came.iter_mut().for_each(|book| book.enter(&reading.neighbours));
        self.sent.iter_mut().for_each(|book| book.enter(&reading.neighbours_sent));
    }

    /// Is told the host's neighbours.
    pub fn know(&mut self, reading: &HostReading) {
        self.each(|book| book.know(reading));
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        self.each(MessageBook::reset);
    }

    fn each(&mut self, act: impl FnMut(&mut MessageBook)) {
        self.came.iter_mut().chain(&mut self.sent).for_each(act);
    }
}

/// The counts of one way.
#[derive(Default)]
pub struct MessageBook {
    by_mac: HashMap<Mac, Messages, RandomState>,
    /// Those that the host's tables have: they stay, whoever else sends.
    known: HashSet<Mac, RandomState>,
    seen: Messages,
    groups: Messages,
    untracked: Messages,
    /// Of MACs that were forgotten.
    evicted: Messages,
}

impl MessageBook {
    fn enter(&mut self, reading: &NeighbourMessages) {
        let NeighbourMessages { seen, untracked, by_mac, groups, others } = reading;
        add(&mut self.seen, seen);
        add(&mut self.groups, groups);
        add(&mut self.untracked, untracked);
        add(&mut self.evicted, others);
        for (mac, messages) in by_mac {
            if self.by_mac.len() >= MOST && !self.by_mac.contains_key(mac) {
                self.make_room();
            }
            add(self.by_mac.entry(*mac).or_default(), messages);
        }
    }

    fn know(&mut self, reading: &HostReading) {
        self.known = reading.neighbours.iter().filter_map(|entry| entry.mac).collect();
    }

    fn reset(&mut self) {
        *self = Self { known: std::mem::take(&mut self.known), ..Self::default() };
    }

    /// What came from a MAC, or was sent to it.
    pub fn of(&self, mac: &Mac) -> Messages {
        self.by_mac.get(mac).copied().unwrap_or_default()
    }

    /// Where all of them went.
    pub fn accounting(&self) -> MessageAccounting {
        let mut macs = Messages::default();
        self.by_mac.values().for_each(|messages| add(&mut macs, messages));
        let mut sum = macs;
        [self.groups, self.evicted, self.untracked].iter().for_each(|part| add(&mut sum, part));
        let named =
            |messages: Messages| Message::ALL.iter().map(|message| message.label().into()).zip(messages).collect();
        MessageAccounting {
            seen: named(self.seen),
            macs: named(macs),
            groups: named(self.groups),
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
        let (seen, untracked) = ([3 * count + 7, 0, count + 2, 5], [0, 0, 2, 0]);
        NeighbourMessages { seen, untracked, by_mac, groups: [0, 0, 0, 5], others: [7, 0, 0, 0] }
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
