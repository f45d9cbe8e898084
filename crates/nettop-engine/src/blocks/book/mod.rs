//! The blocks in force, and what they have dropped.

mod entry;

use std::collections::{BTreeMap, HashMap};

use nettop_collect::blocker::Blocker;
use nettop_common::blocks::OF_NONE;
use nettop_model::{
    clock::Moment,
    net::Net,
    snapshot::{BlockRow, With},
};

pub use self::entry::{Ended, Entry};
use super::{extend::Span, guards::Refusal};
use crate::heaviest::heaviest;

/// All of them. What was dropped is counted here by block, and in the totals of all packets: `holds` of the group is that both agree.
#[derive(Debug, Default)]
pub struct Book {
    entries: BTreeMap<Net, Entry>,
    by_number: HashMap<u32, Net>,
    /// Blocks that have ended since the newest reading, by number.
    leaving: HashMap<u32, Ended>,
    /// By blocks that have ended.
    pub ended: u64,
    /// By no block that is known.
    pub untracked: u64,
    /// By all, since the start ...
    pub dropped: u64,
    /// ... and since the last reset.
    pub since_reset: u64,
}

impl Book {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn get(&self, net: &Net) -> Option<&Entry> {
        self.entries.get(net)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Net, &Entry)> {
        self.entries.iter()
    }

    /// The prefixes that the XDP program blocks.
    pub fn prefixes(&self) -> impl Iterator<Item = &Net> {
        self.entries.iter().filter(|(net, entry)| entry.number.is_some() && !net.is_address()).map(|(net, _)| net)
    }

    /// Whether a block and this have an address in common.
    pub fn overlaps(&self, net: &Net) -> bool {
        net.supernets().any(|wider| self.entries.contains_key(&wider))
            || self.entries.range(*net..=net.last().into()).next().is_some()
    }

    /// Blocks what `row` says, or renews that, for so many nanoseconds from `now` on.
    ///
    /// # Errors
    /// As for [`Blocker::block`].
    pub fn put(
        &mut self,
        blocker: &mut dyn Blocker,
        row: BlockRow,
        now: Moment,
        lasting_ns: u64,
    ) -> anyhow::Result<()> {
        let until_ns = now.monotonic_ns.saturating_add(lasting_ns);
        let number = blocker.block(row.net.key(), until_ns)?;
        let net = row.net;
        self.by_number.insert(number, net);
        let entry = match self.entries.remove(&net) {
            Some(before) => before.renewed(row, now, lasting_ns),
            None => {
                let carried = row.packets.unwrap_or_default();
                let entry = Entry::new(&row, now, lasting_ns);
                Entry { with: With::Xdp, number: Some(number), is_counted: true, carried, ..entry }
            }
        };
        self.entries.insert(net, entry);
        Ok(())
    }

    /// Notes that a firewall blocks what `row` says, for so many nanoseconds from `now` on.
    pub fn put_elsewhere(&mut self, row: BlockRow, now: Moment, lasting_ns: u64) {
        let net = row.net;
        let entry = match self.entries.remove(&net) {
            Some(before) => before.renewed(row, now, lasting_ns),
            None => Entry::new(&row, now, lasting_ns),
        };
        self.entries.insert(net, entry);
    }

    /// Notes what a firewall says that it has dropped.
    pub fn note_packets(&mut self, net: &Net, packets: Option<u64>) {
        if let (Some(entry), Some(packets)) = (self.entries.get_mut(net), packets) {
            // When it is made anew, a firewall begins anew.
            (entry.packets, entry.is_counted) = (packets.max(entry.packets), true);
        }
    }

    /// Forgets what a firewall blocks no more. `by` and `refusal` say what ended it.
    pub fn end_elsewhere(&mut self, net: &Net, by: &str, refusal: Option<&Refusal>) -> Option<(Entry, Ended)> {
        self.entries.get(net).filter(|entry| entry.number.is_none())?;
        let entry = self.entries.remove(net)?;
        let ended = Ended::of(net, &entry, by, refusal);
        Some((entry, ended))
    }

    /// Ending it did not do well: it lasts so many seconds longer.
    pub fn postpone(&mut self, net: &Net, now: Moment, seconds: u64) {
        if let Some(entry) = self.entries.get_mut(net) {
            entry.until_ns = entry.until_ns.max(now.monotonic_ns.saturating_add(seconds * 1_000_000_000));
        }
    }

    /// What a firewall should block and, by `is_there`, does not, with the seconds that are left, if these are more than `least`.
    pub fn missing(
        &self,
        with: With,
        now: Moment,
        least: u64,
        is_there: impl Fn(&Net) -> bool,
    ) -> Vec<(BlockRow, u64)> {
        let all = self.entries.iter().filter(|(net, entry)| entry.with == with && !is_there(net));
        let row = |(net, entry): (&Net, &Entry)| {
            let left = entry.until_ns.saturating_sub(now.monotonic_ns) / 1_000_000_000;
            (left > least).then(|| (Self::row(net, entry, now), left))
        };
        all.filter_map(row).collect()
    }

    /// Blocks of the XDP program that are to last longer, because they drop something, and until when. Prefixes only if they were confirmed.
    pub fn extended(&self, now: Moment) -> impl Iterator<Item = (Net, u64)> {
        let may = |(net, entry): &(&Net, &Entry)| entry.number.is_some() && (net.is_address() || entry.confirmed);
        self.entries.iter().filter(may).filter_map(move |(net, entry)| {
            let Entry { began_ns, lasting_ns, until_ns, pps, .. } = *entry;
            Some((*net, Span { began_ns, lasting_ns, until_ns, pps }.extended(now)?))
        })
    }

    /// Lets a block last until then.
    ///
    /// # Errors
    /// As for [`Blocker::block`].
    pub fn extend(&mut self, blocker: &mut dyn Blocker, net: &Net, until_ns: u64) -> anyhow::Result<()> {
        if let Some(entry) = self.entries.get_mut(net) {
            blocker.block(net.key(), until_ns)?;
            entry.until_ns = until_ns;
        }
        Ok(())
    }

    /// Ends a block, and returns it; `None`: there is none. `by` and `refusal` say what ends it.
    ///
    /// # Errors
    /// As for [`Blocker::unblock`].
    pub fn end(
        &mut self,
        blocker: &mut dyn Blocker,
        net: &Net,
        by: &str,
        refusal: Option<&Refusal>,
    ) -> anyhow::Result<Option<Entry>> {
        let Some(number) = self.entries.get(net).and_then(|entry| entry.number) else { return Ok(None) };
        blocker.unblock(&net.key())?;
        let Some(entry) = self.entries.remove(net) else { return Ok(None) };
        self.by_number.remove(&number);
        self.leaving.insert(number, Ended::of(net, &entry, by, refusal));
        self.ended += entry.packets - entry.carried;
        Ok(Some(entry))
    }

    /// Those whose time is over.
    pub fn over(&self, now: Moment) -> Vec<Net> {
        let over = self.entries.iter().filter(|(_, entry)| entry.until_ns <= now.monotonic_ns);
        over.map(|(net, _)| *net).collect()
    }

    /// Those of the XDP program that last, as if they ended now.
    pub fn lasting(&self, by: &str) -> Vec<Ended> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.number.is_some())
            .map(|(net, entry)| Ended::of(net, entry, by, None))
            .collect()
    }

    /// Enters what was dropped. Returns the blocks of which by now it is known what they have dropped in all.
    pub fn enter(&mut self, dropped: &[(u32, u64)]) -> Vec<Ended> {
        for (number, packets) in dropped {
            self.dropped += packets;
            self.since_reset += packets;
            let entry = self.by_number.get(number).and_then(|net| self.entries.get_mut(net));
            match entry {
                Some(entry) => {
                    entry.packets += packets;
                    entry.open += packets;
                }
                None => match self.leaving.get_mut(number).filter(|_| *number != OF_NONE) {
                    Some(ended) => {
                        ended.packets = ended.packets.map(|before| before + packets);
                        self.ended += packets;
                    }
                    None => self.untracked += packets,
                },
            }
        }
        self.leaving.drain().map(|(_, ended)| ended).collect()
    }

    /// So many seconds are over.
    pub fn close(&mut self, seconds: f64) {
        for entry in self.entries.values_mut() {
            entry.pps = std::mem::take(&mut entry.open) as f64 / seconds;
        }
    }

    /// When the next one ends, as a clock on the wall will show it.
    pub fn next_end_ns(&self, now: Moment) -> Option<u64> {
        let next = self.entries.values().map(|entry| entry.until_ns).min()?;
        Some(next.saturating_add(now.unix_offset_ns()))
    }

    /// Packets dropped in the newest second.
    pub fn pps(&self) -> f64 {
        self.entries.values().fold(0.0, |sum, entry| sum + entry.pps)
    }

    /// Whether the sums over blocks, and what all packets' totals say was blocked since the last reset, agree.
    pub fn holds(&self, blocked: u64) -> bool {
        let counted = self.entries.values().filter(|entry| entry.number.is_some());
        let by_block: u64 = counted.map(|entry| entry.packets - entry.carried).sum();
        by_block + self.ended + self.untracked == self.dropped && self.since_reset == blocked
    }

    /// One row.
    pub fn row(net: &Net, entry: &Entry, now: Moment) -> BlockRow {
        let Entry { with, number, why, by, confirmed, since_ns, until_ns, packets, is_counted, pps, .. } = entry;
        BlockRow {
            net: *net,
            with: *with,
            why: why.clone(),
            by: by.clone(),
            confirmed: *confirmed,
            since_ns: *since_ns,
            // What a clock on the wall will show then, as it goes now.
            until_ns: until_ns.saturating_add(now.unix_offset_ns()),
            packets: is_counted.then_some(*packets),
            pps: number.map(|_| *pps),
            dry: false,
            unmanaged: false,
        }
    }

    /// The `limit` (0: all) that drop most, and how many that leaves out.
    pub fn rows(&self, limit: usize, now: Moment) -> (Vec<BlockRow>, u64) {
        let mut left_out = 0;
        let all: Vec<_> = self.entries.iter().collect();
        let listed = heaviest(all, limit, &mut left_out, |(net, one), (other_net, other)| {
            other.pps.total_cmp(&one.pps).then(other.packets.cmp(&one.packets)).then(net.cmp(other_net))
        });
        (listed.into_iter().map(|(net, entry)| Self::row(net, entry, now)).collect(), left_out)
    }
}

#[cfg(test)]
mod tests;
