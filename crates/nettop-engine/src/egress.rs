//! What this host sends: sums, and by remote address.

use nettop_collect::reading::Reading;
use nettop_common::{Address, PacketsBytes, egress::EgressTotals};
use nettop_model::snapshot::{Egress, EgressAccounting, History, Others, RemoteRow, Sent};

use crate::{
    detect::Sent as Notes,
    ledger::{Account, Ledger, Watch},
    publish::lists::amounts,
    rates::{self, TimeBuckets},
};

/// Remote addresses that are remembered. A flood that is answered has as many of them as it has sources.
const MOST: usize = 65_536;

/// The sums since the start or the last reset.
pub struct EgressSums {
    totals: EgressTotals,
    remotes: Ledger<Address, PacketsBytes>,
    packets: rates::History,
    bytes: rates::History,
}

impl Default for EgressSums {
    fn default() -> Self {
        Self {
            totals: EgressTotals::default(),
            remotes: Ledger::new(MOST),
            packets: rates::History::default(),
            bytes: rates::History::default(),
        }
    }
}

impl EgressSums {
    /// Enters a reading, and notes what the rules want to know of it.
    pub fn enter(&mut self, reading: &Reading, buckets: &TimeBuckets, notes: &mut Notes) {
        self.totals.add(&reading.egress);
        let PacketsBytes { packets, bytes } = reading.egress.sent();
        self.packets.add(buckets, packets);
        self.bytes.add(buckets, bytes);
        notes.add(&reading.egress.classes);
        self.remotes.enter_watched(&reading.remotes, buckets, &mut RemoteWatch { notes });
    }

    /// Starts anew.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Gives memory back after a flood.
    pub fn shrink(&mut self) {
        self.remotes.shrink();
    }

    /// IP packets.
    pub fn sent(&self) -> PacketsBytes {
        self.totals.sent()
    }

    /// What an address was sent. `elapsed`: seconds since the start.
    pub fn to(&self, address: &Address, buckets: &TimeBuckets, elapsed: f64) -> Sent {
        self.remotes.get(address).map_or_else(Sent::default, |account| sent(account, buckets, elapsed))
    }

    /// Everything that an address was sent since it is remembered.
    pub fn tally(&self, address: &Address) -> PacketsBytes {
        self.remotes.get(address).map(Account::tally).unwrap_or_default()
    }

    /// Packets that an address was sent, second by second; `None`: it is not remembered.
    pub fn history(&self, address: &Address) -> Option<&rates::History> {
        self.remotes.get(address).map(|account| &account.history)
    }

    /// Where all of it went, in packets and in bytes.
    fn accounting(&self) -> EgressAccounting {
        let EgressTotals { seen, not_ip, untracked, .. } = self.totals;
        let sent = self.totals.sent();
        let equal = |parts: [PacketsBytes; 2], sum| {
            let [mut all, other] = parts;
            all.add(other);
            all == sum
        };
        EgressAccounting {
            seen: seen.into(),
            not_ip: not_ip.into(),
            remotes: self.remotes.entered().since(self.remotes.evicted()).into(),
            evicted: self.remotes.evicted().into(),
            untracked: untracked.into(),
            holds: equal([not_ip, sent], seen) && equal([self.remotes.entered(), untracked], sent),
        }
    }

    /// Everything as it is now, with at most `limit` (0: all) remote addresses.
    pub fn publish(&self, limit: usize, buckets: &TimeBuckets, elapsed: f64, history: History) -> Egress {
        let (addresses, rows, PacketsBytes { packets, bytes }) = self.remotes.top(limit);
        let rest = Others { rows, packets, bytes: Some(bytes) };
        let remote = |address: &Address| {
            let account = self.remotes.get(address)?;
            Some(RemoteRow { ip: address.to_ip(), sent: sent(account, buckets, elapsed) })
        };
        let all = self.sent();
        Egress {
            packets: all.packets,
            bytes: all.bytes,
            pps: self.packets.rates(buckets, elapsed).current,
            bps: self.bytes.rates(buckets, elapsed).current,
            classes: amounts(self.totals.classes),
            accounting: self.accounting(),
            remotes: addresses.iter().filter_map(remote).collect(),
            rest,
            history,
        }
    }
}

/// What becomes of remote addresses.
struct RemoteWatch<'a> {
    notes: &'a mut Notes,
}

impl Watch<Address, PacketsBytes> for RemoteWatch<'_> {
    fn entered(&mut self, address: &Address, _: &mut Account<PacketsBytes>, counted: &PacketsBytes, new: bool) {
        self.notes.remote(address, *counted, new);
    }

    fn unadmitted(&mut self, address: &Address, counted: &PacketsBytes, new: bool) {
        self.notes.remote(address, *counted, new);
    }
}

fn sent(account: &Account<PacketsBytes>, buckets: &TimeBuckets, elapsed: f64) -> Sent {
    let PacketsBytes { packets, bytes } = account.tally();
    let pps = account.history.rates(buckets, elapsed).current;
    Sent { packets, bytes, pps, at_least: account.note.lacks() }
}

#[cfg(test)]
mod tests {
    use nettop_common::TrafficClass;
    use nettop_model::clock::Moment;

    use super::*;

    fn tally(packets: u64) -> PacketsBytes {
        PacketsBytes { packets, bytes: 100 * packets }
    }

    /// A reading of what was sent to each of these addresses by UDP, of ARP, and of what had no slot.
    fn reading(remotes: &[(u32, u64)], not_ip: u64, untracked: u64) -> Reading {
        let mut reading = Reading::new(Moment { monotonic_ns: 1_500_000_000, ..Moment::default() });
        reading.remotes =
            remotes.iter().map(|(last, packets)| (Address::from_v4_word(*last), tally(*packets))).collect();
        let sent = remotes.iter().map(|(_, packets)| packets).sum::<u64>() + untracked;
        reading.egress.classes[TrafficClass::Udp as usize] = tally(sent);
        reading.egress.seen = tally(sent + not_ip);
        (reading.egress.not_ip, reading.egress.untracked) = (tally(not_ip), tally(untracked));
        reading
    }

    #[test]
    fn what_is_sent_adds_up_by_remote_address_and_a_fault_is_told() {
        for (name, readings, expected, holds) in [
            ("nothing", vec![], vec![], true),
            (
                "two addresses, one of them twice",
                vec![reading(&[(1, 5), (2, 3)], 2, 0), reading(&[(1, 4)], 0, 0)],
                vec![9, 3],
                true,
            ),
            ("one without a slot", vec![reading(&[(1, 5)], 0, 7)], vec![5], true),
            (
                "a packet that went nowhere",
                vec![{
                    let mut reading = reading(&[(1, 5)], 0, 0);
                    reading.remotes[0].1 = tally(4);
                    reading
                }],
                vec![4],
                false,
            ),
        ] {
            let (mut sums, mut buckets) = (EgressSums::default(), TimeBuckets::new(0));
            for reading in readings {
                buckets.reach(reading.at.monotonic_ns);
                sums.enter(&reading, &buckets, &mut Notes::default());
            }
            let egress = sums.publish(0, &buckets, 1.5, History::default());
            assert_eq!(egress.remotes.iter().map(|row| row.sent.packets).collect::<Vec<_>>(), expected, "{name}");
            let EgressAccounting { seen, not_ip, remotes, evicted, untracked, .. } = egress.accounting;
            assert_eq!(egress.accounting.holds, holds, "{name}");
            let sum = not_ip.packets + remotes.packets + evicted.packets + untracked.packets;
            assert_eq!(sum == seen.packets, holds, "{name}");
        }
    }

    #[test]
    fn of_the_answers_to_a_flood_memory_is_bounded_and_nothing_is_lost() {
        let (mut sums, mut buckets) = (EgressSums::default(), TimeBuckets::new(0));
        for second in 0..10_u32 {
            let remotes: Vec<_> =
                (0..40_000).map(|number| (second * 40_000 + number, 1)).chain([(u32::MAX, 500)]).collect();
            let mut reading = reading(&remotes, 0, 0);
            reading.at.monotonic_ns = u64::from(second + 1) * 1_000_000_000;
            buckets.reach(reading.at.monotonic_ns);
            sums.enter(&reading, &buckets, &mut Notes::default());
            buckets.close_if_due();
        }
        assert!(sums.remotes.iter().count() <= MOST);
        let egress = sums.publish(10, &buckets, 10.0, History::default());
        assert!(egress.accounting.holds && egress.accounting.evicted.packets > 0);
        assert_eq!((egress.remotes[0].sent.packets, egress.remotes[0].sent.at_least), (5000, false));
    }
}
