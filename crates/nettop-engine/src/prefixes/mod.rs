//! Sources by prefix: /24 and /16 of IPv4, /48 and /32 of IPv6, so that a botnet of a few networks shows as these networks.
//!
//! What a reading has is gathered first, then sorted and added up by prefix: of a flood many packets share one, and rows that
//! lie in the same order are found in the cache.

mod gathered;
mod table;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use foldhash::{HashMap, HashMapExt as _};
use nettop_common::{Address, PacketsBytes, SourceCounters};
use nettop_model::{
    order,
    snapshot::{Others, Prefix, PrefixRest, PrefixRow, Sums},
};

use self::{
    gathered::Gathered,
    table::{PrefixBits, PrefixTable, TrackedPrefix},
};
use crate::rates::TimeBuckets;

/// Rows of the longer prefixes: twice the /24 of a /8. Each costs about a hundred bytes.
const MOST_LONG: usize = 1 << 17;
/// Rows of the shorter ones: every /16 there is, so that these are exact whatever comes.
const MOST_SHORT: usize = 1 << 16;
/// So many sources are entered at once, or what is gathered would be large in a flood.
const AT_ONCE: usize = 65_536;
/// Prefixes that are named as the most telling.
const TOP: usize = 20;

/// Sources by prefix.
pub struct PrefixSums {
    v4: Family,
    v6: Family,
}

/// The prefixes of one version of IP.
struct Family {
    lengths: Lengths,
    /// Of the part of a reading that is being entered: by the longer prefix.
    gathered: Gathered,
    /// Packets of that.
    packets: u64,
    /// Sources that are new or forgotten, apart, since they are in no order.
    changed: Gathered,
    long: PrefixTable,
    short: PrefixTable,
}

/// Rows of each length, and what they leave out.
pub type PublishedPrefixes = (Vec<(u8, Vec<PrefixRow>)>, Vec<(u8, PrefixRest)>);

impl PrefixSums {
    /// None yet.
    pub fn new() -> Self {
        Self { v4: Family::new(V4), v6: Family::new(V6) }
    }

    /// Gathers that a source is new.
    #[inline]
    pub fn join(&mut self, source: &Address) {
        let (family, key) = self.place(source);
        family.changed.push_source(key, true);
    }

    /// Gathers that a source is forgotten.
    #[inline]
    pub fn leave(&mut self, source: &Address) {
        let (family, key) = self.place(source);
        family.changed.push_source(key, false);
    }

    /// Where a source belongs, and its longer prefix.
    fn place(&mut self, source: &Address) -> (&mut Family, PrefixBits) {
        let [high, low] = source.0.map(u64::from_be);
        let (family, bits) = if source.is_v4() { (&mut self.v4, low << 32) } else { (&mut self.v6, high) };
        let key = bits >> (64 - family.lengths.long);
        (family, key)
    }

    /// Enters what came from sources, after it was told which of them are new or forgotten.
    pub fn enter(&mut self, sources: &[(Address, SourceCounters)], buckets: &TimeBuckets) {
        for some in sources.chunks(AT_ONCE) {
            for (source, counted) in some {
                let (family, key) = self.place(source);
                family.gather(key, counted.tally());
            }
            let share = some.len() as f64 / sources.len() as f64;
            self.families().for_each(|family| family.enter(share, buckets));
        }
        self.families().for_each(|family| family.enter_changed(buckets));
    }

    fn families(&mut self) -> impl Iterator<Item = &mut Family> {
        [&mut self.v4, &mut self.v6].into_iter()
    }

    /// Gives memory back that was taken for a flood.
    pub fn shrink(&mut self) {
        self.families()
            .for_each(|family| [&mut family.gathered, &mut family.changed].into_iter().for_each(Gathered::shrink));
    }

    /// The `limit` (0: all) prefixes of each length with the most packets, most first; and what is left out.
    pub fn rows(&self, limit: usize, buckets: &TimeBuckets, elapsed: f64) -> PublishedPrefixes {
        let tables = [&self.v4, &self.v6].into_iter().flat_map(Family::tables);
        tables
            .map(|(length, table, lengths)| {
                let (rows, others, PacketsBytes { packets, bytes }) = table.top(limit);
                let rows = rows.into_iter().map(|row| lengths.row(length, row, buckets, elapsed)).collect();
                let others = Others { rows: others, packets, bytes: Some(bytes) };
                ((length, rows), (length, PrefixRest { others, evicted: table.evicted().into() }))
            })
            .unzip()
    }

    /// Everything that came from a prefix since it has a row; `None`: it has none.
    pub fn total(&self, prefix: Prefix) -> Option<PacketsBytes> {
        let (family, bits) = match prefix.ip {
            IpAddr::V4(ip) => (&self.v4, u64::from(ip.to_bits()) << 32),
            IpAddr::V6(ip) => (&self.v6, (ip.to_bits() >> 64) as u64),
        };
        let (length, table, _) = family.tables().into_iter().find(|(length, ..)| *length == prefix.length)?;
        table.total(bits >> (64 - length))
    }

    /// The most telling prefixes, most packets first: the longer ones, but the shorter one in their place where no longer one
    /// has half of its packets. None of a single source, which tells for itself.
    pub fn top(&self, buckets: &TimeBuckets, elapsed: f64) -> Vec<PrefixRow> {
        let mut rows: Vec<_> =
            [&self.v4, &self.v6].into_iter().flat_map(|family| family.top(buckets, elapsed)).collect();
        rows.retain(|row| row.sums.ips != 1);
        order::sort_by_key(&mut rows, |row| std::cmp::Reverse(row.sums.packets));
        rows.truncate(TOP);
        rows
    }

    /// Starts anew.
    pub fn reset(&mut self) {
        *self = Self::new();
    }
}

impl Family {
    fn new(lengths: Lengths) -> Self {
        let every = 1 << lengths.short == MOST_SHORT;
        Self {
            lengths,
            gathered: Gathered::default(),
            packets: 0,
            changed: Gathered::default(),
            long: PrefixTable::new(MOST_LONG, false),
            short: PrefixTable::new(MOST_SHORT, every),
        }
    }

    #[inline]
    fn gather(&mut self, key: PrefixBits, tally: PacketsBytes) {
        self.gathered.push(key, tally);
        self.packets += tally.packets;
    }

    /// Enters what is gathered, which is this share of a reading.
    fn enter(&mut self, share: f64, buckets: &TimeBuckets) {
        let Self { lengths, gathered, packets, long, short, .. } = self;
        if gathered.is_empty() {
            return;
        }
        gathered.sort(lengths.long.into());
        let chance = |table: &PrefixTable| table.newcomers() * share / *packets as f64;
        let chances = [chance(long), chance(short)];
        long.enter(gathered.sums(0), chances[0], buckets);
        short.enter(gathered.sums((lengths.long - lengths.short).into()), chances[1], buckets);
        gathered.clear();
        *packets = 0;
    }

    /// Enters which sources are new or forgotten, once their prefixes have rows.
    fn enter_changed(&mut self, buckets: &TimeBuckets) {
        let Self { lengths, changed, long, short, .. } = self;
        changed.sort(lengths.long.into());
        long.enter(changed.sums(0), 0.0, buckets);
        short.enter(changed.sums((lengths.long - lengths.short).into()), 0.0, buckets);
        changed.clear();
    }

    /// Both, with their lengths.
    fn tables(&self) -> [(u8, &PrefixTable, Lengths); 2] {
        let Self { lengths, long, short, .. } = self;
        [(lengths.long, long, *lengths), (lengths.short, short, *lengths)]
    }

    fn top(&self, buckets: &TimeBuckets, elapsed: f64) -> Vec<PrefixRow> {
        let Self { lengths, long, short, .. } = self;
        let (long, ..) = long.top(TOP);
        let (short, ..) = short.top(TOP);
        let within = |row: &TrackedPrefix| row.key >> (lengths.long - lengths.short);
        // The first one in a shorter prefix is its busiest.
        let mut busiest: HashMap<PrefixBits, u64> = HashMap::new();
        long.iter().for_each(|row| _ = busiest.entry(within(row)).or_insert(row.total.packets));
        let spread = |row: &&&TrackedPrefix| {
            busiest.get(&row.key).is_none_or(|packets| packets.saturating_mul(2) < row.total.packets)
        };
        let short: Vec<_> = short.iter().filter(spread).collect();
        let long = long.iter().filter(|row| short.iter().all(|other| other.key != within(row)));
        let long = long.map(|row| lengths.row(lengths.long, row, buckets, elapsed));
        long.chain(short.iter().map(|row| lengths.row(lengths.short, row, buckets, elapsed))).collect()
    }
}

/// Bits of the prefixes of one version of IP.
#[derive(Clone, Copy)]
struct Lengths {
    long: u8,
    short: u8,
    /// From the leading 64 bits to the address.
    address: fn(u64) -> IpAddr,
}

const V4: Lengths = Lengths { long: 24, short: 16, address: |bits| Ipv4Addr::from_bits((bits >> 32) as u32).into() };
const V6: Lengths = Lengths { long: 48, short: 32, address: |bits| Ipv6Addr::from_bits(u128::from(bits) << 64).into() };

impl Lengths {
    fn row(&self, length: u8, row: &TrackedPrefix, buckets: &TimeBuckets, elapsed: f64) -> PrefixRow {
        let TrackedPrefix { key, note, recent, total } = row;
        let (pps, pps_60s) = recent.rates(buckets, elapsed);
        let prefix = Prefix { ip: (self.address)(key << (64 - length)), length };
        let sums = Sums { ips: note.number().into(), packets: total.packets, bytes: total.bytes, pps, pps_60s };
        PrefixRow { prefix, sums, at_least: note.lacks() }
    }
}

#[cfg(test)]
mod tests {
    use nettop_common::{Protocol, packet::Flags};

    use super::*;

    fn counters(packets: u64) -> SourceCounters {
        let mut counters = SourceCounters::default();
        (0..packets).for_each(|_| counters.count(Protocol::Other, Flags::default(), false, 100, 1));
        counters
    }

    fn address(text: &str) -> Address {
        text.parse::<IpAddr>().unwrap().into()
    }

    fn enter(prefixes: &mut PrefixSums, buckets: &TimeBuckets, sources: &[(&str, u64)]) {
        let parsed = sources.iter().map(|(source, packets)| (address(source), counters(*packets)));
        let sources: Vec<_> = parsed.collect();
        sources.iter().for_each(|(source, _)| prefixes.join(source));
        prefixes.enter(&sources, buckets);
    }

    /// Prefix, sources and packets of each row.
    fn listed(rows: &[PrefixRow]) -> Vec<(String, u64, u64)> {
        rows.iter().map(|row| (row.prefix.to_string(), row.sums.ips, row.sums.packets)).collect()
    }

    fn row(prefix: &str, ips: u64, packets: u64) -> (String, u64, u64) {
        (prefix.into(), ips, packets)
    }

    #[test]
    fn sources_are_summed_by_each_length() {
        let (mut prefixes, buckets) = (PrefixSums::new(), TimeBuckets::new(0));
        let sources =
            [("192.0.2.1", 5), ("192.0.2.254", 2), ("192.0.3.1", 1), ("2001:db8:1::1", 3), ("2001:db8:2:3::4", 1)];
        enter(&mut prefixes, &buckets, &sources);
        prefixes.leave(&address("192.0.2.254"));
        prefixes.enter(&[(address("192.0.3.1"), counters(0))], &buckets);
        let (rows, _) = prefixes.rows(0, &buckets, 1.0);
        let rows: Vec<_> = rows.iter().map(|(length, rows)| (*length, listed(rows))).collect();
        let expected = [
            (24, vec![row("192.0.2.0/24", 1, 7), row("192.0.3.0/24", 1, 1)]),
            (16, vec![row("192.0.0.0/16", 2, 8)]),
            (48, vec![row("2001:db8:1::/48", 1, 3), row("2001:db8:2::/48", 1, 1)]),
            (32, vec![row("2001:db8::/32", 2, 4)]),
        ];
        assert_eq!(rows, expected);
        let (rows, rest) = prefixes.rows(1, &buckets, 1.0);
        assert_eq!(listed(&rows[0].1), [row("192.0.2.0/24", 1, 7)]);
        assert_eq!(rest[0].1.others, Others { rows: 1, packets: 1, bytes: Some(100) });
    }

    #[test]
    fn the_shorter_prefix_tells_more_where_it_is_used_all_over() {
        let (mut prefixes, buckets) = (PrefixSums::new(), TimeBuckets::new(0));
        let spread: Vec<_> = (0..100).map(|at| format!("198.18.{at}.1")).collect();
        let sources: Vec<_> = spread.iter().map(|ip| (ip.as_str(), 2)).collect();
        enter(&mut prefixes, &buckets, &sources);
        let others = [("192.0.2.1", 60), ("192.0.2.2", 30), ("192.0.3.1", 10)];
        enter(&mut prefixes, &buckets, &others);
        enter(&mut prefixes, &buckets, &[("2001:db8:1::1", 59), ("2001:db8:1::2", 1)]);
        let telling = prefixes.top(&buckets, 1.0);
        let expected = [row("198.18.0.0/16", 100, 200), row("192.0.2.0/24", 2, 90), row("2001:db8:1::/48", 2, 60)];
        assert_eq!(listed(&telling), expected);
    }
}
