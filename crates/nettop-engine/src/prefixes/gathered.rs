//! What a reading has on prefixes, sorted and added up.

use std::iter;

use nettop_common::PacketsBytes;
use nettop_model::radix;

use super::table::{PrefixBits, PrefixEntry};

/// What came from a source, or that one is new or forgotten; small, since a flood brings a hundred thousand of them at once.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    key: PrefixBits,
    packets: u32,
    /// [`NEW`] and [`FORGOTTEN`] tell of a source, not of bytes.
    bytes: u32,
}

/// `bytes` of a record about a source itself.
const FORGOTTEN: u32 = u32::MAX - 1;
const NEW: u32 = u32::MAX;

/// Records until they are entered.
#[derive(Debug, Default)]
pub struct Gathered {
    records: Vec<Record>,
    /// Room to sort in.
    spare: Vec<Record>,
    /// Whether there is a record that should stand before the one before it.
    is_mixed: bool,
    /// The key of the newest one.
    newest: PrefixBits,
}

impl Gathered {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Gives memory back that was taken for a flood.
    pub fn shrink(&mut self) {
        *self = Self::default();
    }

    /// Adds what came.
    #[inline]
    pub fn push(&mut self, key: PrefixBits, PacketsBytes { packets, bytes }: PacketsBytes) {
        match (u32::try_from(packets), u32::try_from(bytes)) {
            (Ok(packets), Ok(bytes)) if bytes < FORGOTTEN => self.put(Record { key, packets, bytes }),
            _ => {
                let half = PacketsBytes { packets: packets / 2, bytes: bytes / 2 };
                self.push(key, half);
                self.push(key, PacketsBytes { packets: packets - half.packets, bytes: bytes - half.bytes });
            }
        }
    }

    /// Adds that a source is new, or forgotten.
    #[inline]
    pub fn push_source(&mut self, key: PrefixBits, new: bool) {
        self.put(Record { key, packets: 0, bytes: if new { NEW } else { FORGOTTEN } });
    }

    #[inline]
    fn put(&mut self, record: Record) {
        self.is_mixed |= record.key < self.newest;
        self.newest = record.key;
        self.records.push(record);
    }

    /// Sorts by key, of which only the lowest `bits` may be set.
    pub fn sort(&mut self, bits: u32) {
        if !self.is_mixed {
            // A flood comes in order.
            return;
        }
        radix::sort_by_key(&mut self.records, &mut self.spare, bits, |record| record.key);
    }

    /// Sums over neighbours of which the keys agree in all but the lowest `shift` bits.
    pub fn sums(&self, shift: u32) -> impl Iterator<Item = PrefixEntry> {
        let mut records = self.records.iter().peekable();
        iter::from_fn(move || {
            let first = records.next()?;
            let key = first.key >> shift;
            let mut sum = PrefixEntry { key, tally: PacketsBytes::default(), sources: 0 };
            first.add_to(&mut sum);
            while let Some(record) = records.next_if(|record| record.key >> shift == key) {
                record.add_to(&mut sum);
            }
            Some(sum)
        })
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.records.clear();
        (self.is_mixed, self.newest) = (false, 0);
    }
}

impl Record {
    #[inline]
    fn add_to(&self, PrefixEntry { tally, sources, .. }: &mut PrefixEntry) {
        match self.bytes {
            NEW => *sources += 1,
            FORGOTTEN => *sources -= 1,
            bytes => tally.add(PacketsBytes { packets: self.packets.into(), bytes: bytes.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_by_key_whatever_the_order_and_the_size() {
        let mut gathered = Gathered::default();
        let huge = PacketsBytes { packets: 7, bytes: 1 << 40 };
        for (key, tally) in
            [(0xfedc_ba98_7654, huge), (3, PacketsBytes { packets: 1, bytes: 60 }), (0xfedc_ba98_7654, huge)]
        {
            gathered.push(key, tally);
        }
        gathered.push_source(3, true);
        gathered.push_source(2, false);
        gathered.sort(48);
        let sums = |shift| {
            let entries = gathered.sums(shift);
            entries.map(|entry| (entry.key, entry.tally.packets, entry.tally.bytes, entry.sources)).collect::<Vec<_>>()
        };
        assert_eq!(sums(0), [(2, 0, 0, -1), (3, 1, 60, 1), (0xfedc_ba98_7654, 14, 1 << 41, 0)]);
        assert_eq!(sums(16), [(0, 1, 60, 0), (0xfedc_ba98, 14, 1 << 41, 0)]);
    }
}
