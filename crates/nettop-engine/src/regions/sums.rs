//! Sums by one kind of place.

use std::{cmp::Reverse, hash::Hash};

use foldhash::HashMap;
use nettop_common::PacketsBytes;
use nettop_model::snapshot::{Others, Sums};

use crate::rates::{TimeBuckets, recent::Recent};

/// Sums by country, or by network: in a flood from everywhere there are 80,000 of these, all active, so that each has a fixed size.
#[derive(Debug)]
pub struct SumsBy<K>(HashMap<K, Sum>);

/// One place.
#[derive(Debug, Default)]
struct Sum {
    name: Box<str>,
    tally: PacketsBytes,
    recent: Recent,
}

impl<K: Copy + Eq + Hash + Ord> SumsBy<K> {
    /// Names a place, from which something is about to come.
    pub fn name(&mut self, place: K, name: &str) {
        self.0.entry(place).or_default().name = name.into();
    }

    /// Adds what came from a place.
    pub fn add(&mut self, place: K, tally: PacketsBytes, buckets: &TimeBuckets) {
        let sum = self.0.entry(place).or_default();
        sum.tally.add(tally);
        sum.recent.add(buckets, tally.packets);
    }

    /// Keeps the sums, but not when they came.
    pub fn forget_rates(&mut self) {
        self.0.values_mut().for_each(|sum| sum.recent = Recent::default());
    }

    /// Keeps the names.
    pub fn forget_sums(&mut self) {
        self.0.values_mut().for_each(|sum| sum.tally = PacketsBytes::default());
        self.forget_rates();
    }

    /// The `limit` (0: all) places with the most packets, most first, with their names; and sums over the others. `sources`: how
    /// many are in each.
    pub fn top(
        &self,
        limit: usize,
        buckets: &TimeBuckets,
        elapsed: f64,
        sources: &HashMap<K, u64>,
    ) -> (Vec<(K, String, Sums)>, Others) {
        let mut rows: Vec<_> = self.0.iter().filter(|(_, sum)| sum.tally.packets > 0).collect();
        let rank = |(place, sum): &(&K, &Sum)| (Reverse(sum.tally.packets), **place);
        let (mut others, mut rest) = (0, PacketsBytes::default());
        if limit > 0 && limit < rows.len() {
            rows.select_nth_unstable_by_key(limit, rank);
            others = (rows.len() - limit) as u64;
            rows.drain(limit..).for_each(|(_, sum)| rest.add(sum.tally));
        }
        rows.sort_unstable_by_key(rank);
        let row = |(place, Sum { name, tally, recent }): (&K, &Sum)| {
            let PacketsBytes { packets, bytes } = *tally;
            let (pps, pps_60s) = recent.rates(buckets, elapsed);
            let ips = sources.get(place).copied().unwrap_or(0);
            (*place, name.to_string(), Sums { ips, packets, bytes, pps, pps_60s })
        };
        let PacketsBytes { packets, bytes } = rest;
        (rows.into_iter().map(row).collect(), Others { rows: others, packets, bytes: Some(bytes) })
    }
}

impl<K> Default for SumsBy<K> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}
