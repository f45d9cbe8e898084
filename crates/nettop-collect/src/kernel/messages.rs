//! Messages of ARP and of neighbour discovery, by MAC: those that came, as the logs have them, and those that were sent.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use nettop_common::neighbour::{Message, Messages, Place, SentNeighbours, add};
use nettop_model::snapshot::Mac;

use crate::reading::NeighbourMessages;

/// MACs that a reading tells apart: in a flood there are as many as somebody likes.
const MOST: usize = 16_384;

/// What one reading has of them.
#[derive(Debug, Default)]
pub struct NotedMessages {
    by_sender: HashMap<u64, Messages, RandomState>,
    others: Messages,
}

impl NotedMessages {
    /// Notes one.
    pub fn note(&mut self, message: Message, sender: u64) {
        let has_room = self.by_sender.len() < MOST || self.by_sender.contains_key(&sender);
        let sums = if has_room { self.by_sender.entry(sender).or_default() } else { &mut self.others };
        sums[message as usize] += 1;
    }

    /// Moves all of it into a reading.
    pub fn add_to(&mut self, reading: &mut NeighbourMessages) {
        reading.by_mac.extend(self.by_sender.drain().map(|(sender, messages)| (mac(sender), messages)));
        add(&mut reading.others, &std::mem::take(&mut self.others));
        self.by_sender.shrink_to(64);
    }
}

/// Adds what a CPU has sent to a reading.
pub fn add_sent(sent: &SentNeighbours, reading: &mut NeighbourMessages) {
    add(&mut reading.seen, &sent.seen);
    add(&mut reading.groups, &sent.groups);
    add(&mut reading.untracked, &sent.untracked);
    let places = sent.places.iter().filter_map(Place::taken);
    reading.by_mac.extend(places.map(|(receiver, messages)| (mac(receiver), *messages)));
}

/// The MAC that is in a word as it lies in memory.
fn mac(word: u64) -> Mac {
    let [mac @ .., _, _] = word.to_ne_bytes();
    Mac(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mac_is_told_once_and_what_has_no_room_is_counted() {
        let (mut noted, mut reading) = (NotedMessages::default(), NeighbourMessages::default());
        let sender = |number: u16| {
            let [high, low] = number.to_be_bytes();
            u64::from_ne_bytes([2, 0, 0, 0, high, low, 0, 0])
        };
        let mut truth = Messages::default();
        for number in (0..20_000).chain(0..3) {
            let message = Message::ALL[usize::from(number) % Message::COUNT];
            noted.note(message, sender(number));
            truth[message as usize] += 1;
        }
        noted.add_to(&mut reading);
        assert_eq!(reading.by_mac.len(), MOST);
        assert_eq!(reading.others.iter().sum::<u64>(), 20_000 - MOST as u64);
        let first = reading.by_mac.iter().find(|(mac, _)| *mac == Mac([2, 0, 0, 0, 0, 1])).map(|(_, sums)| *sums);
        assert_eq!(first, Some([0, 2, 0, 0]));
        let mut sum = reading.others;
        reading.by_mac.iter().for_each(|(_, messages)| add(&mut sum, messages));
        assert_eq!(sum, truth);
        noted.add_to(&mut reading);
        assert_eq!(reading.by_mac.len(), MOST, "nothing twice");
    }
}
