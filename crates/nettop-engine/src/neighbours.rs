//! The neighbours of this host, as they are listed.

use nettop_collect::host::{HostReading, NeighbourEntry};
use nettop_common::neighbour::Message;
use nettop_model::snapshot::{Name, NeighbourRow, Neighbours};

use crate::messages::{MessageBook, MessageBooks};

/// Bits of states (linux/neighbour.h), as ip-neighbour(8) names them.
const STATES: [(u16, &str); 7] = [
    (0x01, "INCOMPLETE"),
    (0x02, "REACHABLE"),
    (0x04, "STALE"),
    (0x08, "DELAY"),
    (0x10, "PROBE"),
    (0x20, "FAILED"),
    (0x80, "PERMANENT"),
];

/// Those of a reading, at most `limit` (0: all) of them; `messages`: what came from each MAC and was sent to it, where that is counted.
pub fn neighbours(reading: &HostReading, messages: &MessageBooks, limit: usize) -> Neighbours {
    let mut entries: Vec<_> = reading.neighbours.iter().collect();
    entries.sort_unstable_by_key(|entry| (&entry.interface, entry.address));
    let states = STATES.iter().map(|(bit, name)| {
        let count = entries.iter().filter(|entry| state(entry) == *name && entry.state & bit != 0).count();
        (Name::from(*name), count as u64)
    });
    let states = states.filter(|(_, count)| *count > 0).collect();
    let listed = if limit == 0 { entries.len() } else { limit.min(entries.len()) };
    let rows = entries[..listed].iter().map(|entry| {
        let of = |book: &Option<MessageBook>| {
            let messages = book.as_ref()?.of(entry.mac.as_ref()?);
            let of = |arp: Message, nd: Message| messages[if entry.address.is_ipv4() { arp } else { nd } as usize];
            Some((of(Message::ArpRequest, Message::Solicitation), of(Message::ArpAnswer, Message::Advertisement)))
        };
        let (requests, answers) = of(&messages.came).unzip();
        let (requests_sent, answers_sent) = of(&messages.sent).unzip();
        NeighbourRow {
            ip: entry.address,
            mac: entry.mac,
            interface: entry.interface.clone(),
            state: state(entry).into(),
            router: entry.router,
            gateway: reading.gateways.contains(&entry.address),
            requests,
            answers,
            requests_sent,
            answers_sent,
            confirmed: entry.confirmed_s.map(f64::from),
        }
    });
    Neighbours {
        at_ns: reading.at.unix_ns,
        gateways: reading.gateways.clone(),
        rows: rows.collect(),
        left_out: reading.neighbours_left_out + (entries.len() - listed) as u64,
        states,
        messages: messages.came.as_ref().map(MessageBook::accounting),
        messages_sent: messages.sent.as_ref().map(MessageBook::accounting),
    }
}

/// The name of its state: of several bits, which the kernel never sets, the first.
fn state(entry: &NeighbourEntry) -> &'static str {
    STATES.iter().find(|(bit, _)| entry.state & bit != 0).map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_in_order_named_and_cut() {
        let entry = |interface: &str, last: u8, state| NeighbourEntry {
            address: [192, 0, 2, last].into(),
            mac: None,
            interface: interface.into(),
            state,
            router: false,
            confirmed_s: Some(3),
        };
        let entries =
            vec![entry("eth1", 1, 0x20), entry("eth0", 9, 0x04), entry("eth0", 7, 0x02), entry("eth0", 8, 0x100)];
        let reading = HostReading { neighbours: entries, neighbours_left_out: 5, ..HostReading::default() };
        let told = |limit| {
            let Neighbours { rows, left_out, states, .. } =
                neighbours(&reading, &MessageBooks::new(false, false), limit);
            let row = |row: &NeighbourRow| format!("{} {} {}", row.ip, row.interface, row.state);
            let states: Vec<_> = states.iter().map(|(name, count)| format!("{name} {count}")).collect();
            (rows.iter().map(row).collect::<Vec<_>>(), left_out, states.join(", "))
        };
        let all = ["192.0.2.7 eth0 REACHABLE", "192.0.2.8 eth0 ", "192.0.2.9 eth0 STALE", "192.0.2.1 eth1 FAILED"];
        let states = "REACHABLE 1, STALE 1, FAILED 1";
        assert_eq!(told(0), (all.map(String::from).to_vec(), 5, states.into()));
        assert_eq!(told(2), (all[..2].iter().copied().map(String::from).collect(), 7, states.into()));
    }
}
