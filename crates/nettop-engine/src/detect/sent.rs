//! What this host sent in one second: exact, from the readings.

use foldhash::{HashMap, HashMapExt as _};
use nettop_common::{
    Address, PacketsBytes, TrafficClass,
    counters::{ByClass, Counters},
};

/// Remote addresses of a second that are told apart; of more, only the sums are known.
pub const MOST: usize = 16_384;
/// New remote addresses of a second that are looked at one by one.
const SAMPLED: usize = 256;

/// Packets from and to an address within the last ten seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conversation {
    /// Sent to it.
    pub sent: f64,
    /// That it sent, but for ICMP: that of it as large a share as of all that it ever sent. Estimated.
    pub received: f64,
}

/// What was sent in the second that is being counted.
#[derive(Debug, Default)]
pub struct Sent {
    classes: ByClass,
    remotes: HashMap<Address, PacketsBytes>,
    new: u64,
    sampled: Vec<Address>,
}

impl Sent {
    /// So much was sent, by class.
    pub fn add(&mut self, classes: &ByClass) {
        Counters::add(&mut self.classes, classes);
    }

    /// So much was sent to an address. `new`: it was not sent anything before, as far as that is remembered.
    pub fn remote(&mut self, address: &Address, tally: PacketsBytes, new: bool) {
        let room = self.remotes.len() < MOST;
        match self.remotes.get_mut(address) {
            Some(sum) => sum.add(tally),
            None if room => _ = self.remotes.insert(*address, tally),
            None => {}
        }
        self.new += u64::from(new);
        // The first ones of a second: they have had time to answer.
        if new && self.sampled.len() < SAMPLED {
            self.sampled.push(*address);
        }
    }

    /// Packets of a class.
    pub fn of_class(&self, class: TrafficClass) -> u64 {
        self.classes[class as usize].packets
    }

    /// Packets per second of each class.
    pub fn rates(&self, seconds: f64) -> ByClass<f64> {
        self.classes.map(|tally| tally.packets as f64 / seconds)
    }

    /// Everything.
    pub fn tally(&self) -> PacketsBytes {
        self.classes.tally()
    }

    /// Each remote address that is told apart.
    pub fn remotes(&self) -> impl Iterator<Item = (&Address, PacketsBytes)> {
        self.remotes.iter().map(|(address, tally)| (address, *tally))
    }

    /// How many addresses were not sent anything before, and some of them.
    pub fn new_remotes(&self) -> (u64, &[Address]) {
        (self.new, &self.sampled)
    }

    /// The next second begins.
    pub fn next_second(&mut self) {
        // What answers a flood is not the usual size.
        if self.remotes.capacity() > 4 * self.remotes.len().max(1024) {
            self.remotes = HashMap::with_capacity(self.remotes.len());
        }
        self.remotes.clear();
        self.classes = ByClass::default();
        self.new = 0;
        self.sampled.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(packets: u64) -> PacketsBytes {
        PacketsBytes { packets, bytes: packets * 60 }
    }

    #[test]
    fn memory_is_bounded_and_sums_are_exact() {
        let mut sent = Sent::default();
        for number in 0..100_000_u32 {
            sent.remote(&Address::from_v4_word(number), tally(2), number % 2 == 0);
        }
        let mut classes = ByClass::default();
        classes[TrafficClass::Udp as usize] = tally(200_000);
        sent.add(&classes);
        sent.remote(&Address::from_v4_word(0), tally(5), false);
        assert_eq!(
            (sent.tally(), sent.of_class(TrafficClass::Udp), sent.remotes().count()),
            (tally(200_000), 200_000, MOST)
        );
        assert!(sent.remotes().any(|(address, tally)| *address == Address::from_v4_word(0) && tally.packets == 7));
        let (new, sampled) = sent.new_remotes();
        assert_eq!((new, sampled.len()), (50_000, SAMPLED));
        (0..2).for_each(|_| sent.next_second());
        assert!(sent.remotes.capacity() <= 4096, "a flood leaves {} behind", sent.remotes.capacity());
        assert_eq!((sent.tally(), sent.remotes().count(), sent.new_remotes().0), (tally(0), 0, 0));
    }
}
