//! The blocks in force, and what they have dropped.

use std::collections::{BTreeMap, HashMap, HashSet};

use nettop_collect::blocker::Blocker;
use nettop_common::blocks::OF_NONE;
use nettop_model::{clock::Moment, net::Net, order, snapshot::BlockRow};

/// One of them.
#[derive(Clone, Debug)]
pub struct Entry {
    number: u32,
    pub why: String,
    pub by: String,
    pub confirmed: bool,
    since_ns: u64,
    /// On the monotonic clock.
    until_ns: u64,
    packets: u64,
    /// Of these, in an earlier run of the monitor.
    carried: u64,
    /// Since the newest second was over, and in it.
    open: u64,
    pps: f64,
}

/// All of them. What was dropped is counted here by block, and in the totals of all packets: `holds` of the group is that both agree.
#[derive(Debug, Default)]
pub struct Book {
    entries: BTreeMap<Net, Entry>,
    by_number: HashMap<u32, Net>,
    /// Numbers of blocks that have ended since the newest reading.
    leaving: HashSet<u32>,
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
        let BlockRow { net, why, by, confirmed, since_ns, packets, .. } = row;
        let before = self.entries.remove(&net);
        self.by_number.insert(number, net);
        let entry = match before {
            Some(before) => Entry { why, by, confirmed, until_ns, ..before },
            None => {
                let carried = packets;
                Entry { number, why, by, confirmed, since_ns, until_ns, packets, carried, open: 0, pps: 0.0 }
            }
        };
        self.entries.insert(net, entry);
        Ok(())
    }

    /// Ends a block, and returns it; `None`: there is none.
    ///
    /// # Errors
    /// As for [`Blocker::unblock`].
    pub fn end(&mut self, blocker: &mut dyn Blocker, net: &Net) -> anyhow::Result<Option<Entry>> {
        if !self.entries.contains_key(net) {
            return Ok(None);
        }
        blocker.unblock(&net.key())?;
        let Some(entry) = self.entries.remove(net) else { return Ok(None) };
        self.by_number.remove(&entry.number);
        self.leaving.insert(entry.number);
        self.ended += entry.packets - entry.carried;
        Ok(Some(entry))
    }

    /// Those whose time is over.
    pub fn over(&self, now: Moment) -> Vec<Net> {
        let over = self.entries.iter().filter(|(_, entry)| entry.until_ns <= now.monotonic_ns);
        over.map(|(net, _)| *net).collect()
    }

    /// Enters what was dropped.
    pub fn enter(&mut self, dropped: &[(u32, u64)]) {
        for (number, packets) in dropped {
            self.dropped += packets;
            self.since_reset += packets;
            let entry = self.by_number.get(number).and_then(|net| self.entries.get_mut(net));
            match entry {
                Some(entry) => {
                    entry.packets += packets;
                    entry.open += packets;
                }
                None if *number != OF_NONE && self.leaving.contains(number) => self.ended += packets,
                None => self.untracked += packets,
            }
        }
        self.leaving.clear();
    }

    /// So many seconds are over.
    pub fn close(&mut self, seconds: f64) {
        for entry in self.entries.values_mut() {
            entry.pps = std::mem::take(&mut entry.open) as f64 / seconds;
        }
    }

    /// Packets dropped in the newest second.
    pub fn pps(&self) -> f64 {
        self.entries.values().map(|entry| entry.pps).sum()
    }

    /// Whether the sums over blocks, and what all packets' totals say was blocked since the last reset, agree.
    pub fn holds(&self, blocked: u64) -> bool {
        let by_block: u64 = self.entries.values().map(|entry| entry.packets - entry.carried).sum();
        by_block + self.ended + self.untracked == self.dropped && self.since_reset == blocked
    }

    /// One row.
    pub fn row(net: &Net, entry: &Entry, now: Moment) -> BlockRow {
        let Entry { why, by, confirmed, since_ns, until_ns, packets, pps, .. } = entry;
        BlockRow {
            net: *net,
            why: why.clone(),
            by: by.clone(),
            confirmed: *confirmed,
            since_ns: *since_ns,
            // What a clock on the wall will show then, as it goes now.
            until_ns: until_ns.saturating_add(now.unix_offset_ns()),
            packets: *packets,
            pps: *pps,
        }
    }

    /// The `limit` (0: all) that drop most, and how many that leaves out.
    pub fn rows(&self, limit: usize, now: Moment) -> (Vec<BlockRow>, u64) {
        let mut rows: Vec<_> = self.entries.iter().map(|(net, entry)| Self::row(net, entry, now)).collect();
        order::sort_by(&mut rows, |one, other| {
            other.pps.total_cmp(&one.pps).then(other.packets.cmp(&one.packets)).then(one.net.cmp(&other.net))
        });
        let left_out = if limit == 0 { 0 } else { rows.len().saturating_sub(limit) };
        rows.truncate(rows.len() - left_out);
        (rows, left_out as u64)
    }
}
