//! The fewest prefixes that carry most of what comes, and whom a block of them would hit beside.
//!
//! Sources with an established connection are left out: they are whom the operator wants to keep. What is left is grouped by ever shorter
//! prefixes until few enough carry the share that is wanted; each of these is then made as long as its own sources allow.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    time::Duration,
};

use foldhash::fast::RandomState;
use nettop_common::blocks::MOST_LENGTHS;
use nettop_model::{
    answer::{Answer, Reply},
    net::Net,
    order,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{asked::field, guards, visitors::visitors};
use crate::Engine;

/// Prefixes, at most.
const MOST: usize = 64;
/// The share that they have to carry.
const SHARE: f64 = 0.9;
/// Of the sources, those are looked at that send this share: a prefix is not widened for one that sends next to nothing.
const HEAVY: f64 = 0.97;
/// Sources that are looked at, the busiest.
const MOST_SOURCES: usize = 100_000;
/// The lengths of prefixes that are tried, of IPv4 and of IPv6. Wider ones are guarded.
const LADDER: [[u8; 2]; 9] =
    [[32, 128], [30, 112], [28, 96], [26, 80], [24, 64], [22, 60], [20, 56], [18, 48], [16, 32]];
/// An answer is given again for so long: it is a pass over all sources.
const KEPT: Duration = Duration::from_secs(1);

/// A prefix, what its sources send, packets per second, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    net: Net,
    pps: f64,
    sources: u64,
}

/// 0: IPv4, 1: IPv6.
fn family(net: &Net) -> usize {
    usize::from(!net.first().is_ipv4())
}

/// The answer of a moment ago.
pub type Newest = Option<(Instant, Value)>;

/// The fewest prefixes that carry enough of `total` packets per second; `None`: more than there may be would have to. `in_force` has the
/// lengths of prefixes, of IPv4 and of IPv6, that are blocked already.
fn cover(mut sources: Vec<(IpAddr, f64)>, total: f64, in_force: &[BTreeSet<u8>; 2]) -> Option<Vec<Part>> {
    sources.retain(|(_, pps)| *pps > 0.0);
    let busiest = |one: &(IpAddr, f64), other: &(IpAddr, f64)| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0));
    if sources.len() > MOST_SOURCES {
        sources.select_nth_unstable_by(MOST_SOURCES, busiest);
        sources.truncate(MOST_SOURCES);
    }
    sources.sort_unstable_by(busiest);
    let all: f64 = sources.iter().map(|(_, pps)| pps).sum();
    let wanted = total * SHARE;
    if total <= 0.0 || all < wanted {
        return None;
    }
    let heavy = up_to(&sources, |(_, pps)| *pps, wanted.max(all * HEAVY));
    let mut parts: Vec<_> =
        sources[..heavy].iter().map(|(ip, pps)| Part { net: (*ip).into(), pps: *pps, sources: 1 }).collect();
    let heavy = parts.clone();
    for (rung, lengths) in LADDER.iter().enumerate() {
        if rung > 0 {
            parts = grouped(&parts, lengths);
        }
        let few = up_to(&parts, |part| part.pps, wanted);
        let has_room = |part: &Part| {
            let in_force = &in_force[family(&part.net)];
            rung == 0 || in_force.contains(&part.net.length()) || in_force.len() < MOST_LENGTHS
        };
        if few <= MOST && parts[..few].iter().all(has_room) {
            parts.truncate(few);
            let parts = merged(parts, &LADDER[rung + 1..], in_force);
            return Some(tightened(&parts, &heavy, in_force));
        }
    }
    None
}

/// How many of the first make up so much.
fn up_to<T>(all: &[T], of: impl Fn(&T) -> f64, wanted: f64) -> usize {
    let mut sum = 0.0;
    // Sums of the same numbers in another order may differ in the last bits.
    all.iter()
        .take_while(|one| {
            sum < wanted * (1.0 - 1e-9) && {
                sum += of(one);
                true
            }
        })
        .count()
}

/// By prefixes of these lengths, the heaviest first.
fn grouped(parts: &[Part], lengths: &[u8; 2]) -> Vec<Part> {
    let mut groups: HashMap<Net, (f64, u64), RandomState> = HashMap::default();
    for Part { net, pps, sources } in parts {
        let group = groups.entry(Net::around(net.first(), lengths[family(net)])).or_default();
        group.0 += pps;
        group.1 += sources;
    }
    let mut parts: Vec<_> = groups.into_iter().map(|(net, (pps, sources))| Part { net, pps, sources }).collect();
    order::sort_by(&mut parts, |one, other| other.pps.total_cmp(&one.pps).then(one.net.cmp(&other.net)));
    parts
}

/// With a wider prefix instead of those in it where they fill three quarters of that, as far as its length can be in force.
fn merged(mut parts: Vec<Part>, wider: &[[u8; 2]], in_force: &[BTreeSet<u8>; 2]) -> Vec<Part> {
    // Of all addresses there are, so many are in it.
    let size = |net: &Net| 0.5_f64.powi(i32::from(net.length()));
    for lengths in wider {
        let parents = grouped(&parts, lengths);
        let is_full = |parent: &Part| {
            let inside = parts.iter().filter(|part| parent.net.contains(part.net.first()));
            let (count, filled) = inside.fold((0, 0.0), |(count, sum), part| (count + 1, sum + size(&part.net)));
            count > 1 && filled >= 0.75 * size(&parent.net)
        };
        let full: Vec<_> = parents.into_iter().filter(is_full).collect();
        let mut next: Vec<_> = parts
            .iter()
            .filter(|part| !full.iter().any(|parent| parent.net.contains(part.net.first())))
            .copied()
            .collect();
        next.extend(full);
        let fits = |family: usize| {
            let prefixes = next.iter().filter(|part| self::family(&part.net) == family && !part.net.is_address());
            let lengths: BTreeSet<_> = prefixes.map(|part| part.net.length()).chain(in_force[family].clone()).collect();
            lengths.len() <= MOST_LENGTHS
        };
        if next.len() < parts.len() && fits(0) && fits(1) {
            parts = next;
        }
    }
    order::sort_by(&mut parts, |one, other| other.pps.total_cmp(&one.pps).then(one.net.cmp(&other.net)));
    parts
}

/// Each as long as its sources allow, and as lengths can be in force.
fn tightened(parts: &[Part], heavy: &[Part], in_force: &[BTreeSet<u8>; 2]) -> Vec<Part> {
    let mut sources: Vec<_> = heavy.iter().map(|part| part.net).collect();
    sources.sort_unstable();
    // What the sources of a prefix have in common.
    let common = |net: &Net| {
        let from = sources.partition_point(|source| source.first() < net.first());
        let until = sources.partition_point(|source| source.first() <= net.last());
        let both = sources.get(from).zip(until.checked_sub(1).and_then(|last| sources.get(last)));
        let (first, last) = both.filter(|_| from < until)?;
        let common = first.supernets().find(|wider| wider.contains(last.first()))?;
        Some(common.length().max(net.length()))
    };
    let common: Vec<_> = parts.iter().map(|part| common(&part.net).unwrap_or(part.net.length())).collect();
    let longest = |family: usize, at_most: u8, may: &dyn Fn(u8) -> bool| {
        LADDER.iter().map(|rung| rung[family]).find(|length| *length <= at_most && may(*length))
    };
    // The lengths that are wanted most, beside the one that all of them fit in.
    let mut chosen = in_force.clone();
    for family in 0..2 {
        let of_family =
            |(part, common): (&Part, &u8)| (self::family(&part.net) == family).then_some((part.net.length(), *common));
        let of: Vec<_> = parts.iter().zip(&common).filter_map(of_family).collect();
        chosen[family].extend(of.iter().map(|(length, _)| *length).filter(|length| *length != LADDER[0][family]));
        let mut wanted: BTreeMap<u8, usize> = BTreeMap::new();
        for (_, common) in &of {
            longest(family, *common, &|_| true).into_iter().for_each(|length| *wanted.entry(length).or_default() += 1);
        }
        let mut wanted: Vec<_> = wanted.into_iter().map(|(length, count)| (count, length)).collect();
        wanted.sort_unstable();
        for (_, length) in wanted.into_iter().rev() {
            // Whole addresses need no length.
            if length == LADDER[0][family] || chosen[family].len() < MOST_LENGTHS {
                chosen[family].insert(length);
            }
        }
    }
    let tight = |(part, common): (&Part, &u8)| {
        let family = family(&part.net);
        let length = longest(family, *common, &|length| chosen[family].contains(&length)).unwrap_or(part.net.length());
        let within = sources.get(sources.partition_point(|source| source.first() < part.net.first()));
        let first = within.map_or(part.net.first(), Net::first);
        Part { net: Net::around(first, length.max(part.net.length())), ..*part }
    };
    parts.iter().zip(&common).map(tight).collect()
}

impl Engine {
    /// Answers `cover`.
    pub(crate) fn cover(&mut self) -> Reply {
        if let Some((at, value)) = &self.blocks.cover
            && at.elapsed() < KEPT
        {
            return Ok(Answer::field("cover", value.clone()));
        }
        let value = self.find_cover();
        self.blocks.cover = Some((Instant::now(), value.clone()));
        Ok(Answer::field("cover", value))
    }

    fn find_cover(&self) -> Value {
        let started = Instant::now();
        let Self { aggregates, reading, sockets, .. } = self;
        let elapsed = reading.at.seconds_since(&aggregates.started);
        let connected = sockets.established();
        let mut total = aggregates.packets.rates(&aggregates.buckets, elapsed).current;
        let mut sources = Vec::new();
        for (address, account) in aggregates.sources.iter() {
            let (ip, pps) = (address.to_ip(), account.history.rates(&aggregates.buckets, elapsed).current);
            match connected.contains_key(&ip) {
                true => total -= pps,
                false => sources.push((ip, pps)),
            }
        }
        let mut in_force = <[BTreeSet<u8>; 2]>::default();
        self.blocks.book.prefixes().for_each(|net| _ = in_force[family(net)].insert(net.length()));
        let ordinary = self.logs.ordinary();
        let parts = cover(sources, total.max(0.0), &in_force);
        let rows = parts.iter().flatten().map(|Part { net, pps, sources }| {
            let inside = connected.iter().filter(|(ip, _)| net.contains(**ip));
            let (connections, bytes) = inside.fold((0, 0), |sum, (_, (count, bytes))| (sum.0 + count, sum.1 + bytes));
            let refusal = self.with_scene(|_, scene| guards::judge(scene, net, true)).flatten();
            let visitors = ordinary.as_deref().map(|all| visitors(all, net));
            json!({"net": net, "pps": pps, "sources": sources, "connections": connections, "bytes": bytes,
                "visitors": visitors, "refused": field(refusal.as_ref())})
        });
        let rows: Vec<_> = rows.collect();
        let covered = parts.iter().flatten().fold(0.0, |sum, part| sum + part.pps);
        json!({
            "pps": total,
            "share": if total > 0.0 { covered / total } else { 0.0 },
            "prefixes": rows,
            "found": parts.is_some(),
            "took_ms": started.elapsed().as_secs_f64() * 1e3,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn none() -> [BTreeSet<u8>; 2] {
        <[BTreeSet<u8>; 2]>::default()
    }

    fn ips(base: [u8; 4], count: u32, step: u32, pps: f64) -> Vec<(IpAddr, f64)> {
        let base = Ipv4Addr::from(base).to_bits();
        (0..count).map(|at| (Ipv4Addr::from_bits(base + at * step).into(), pps)).collect()
    }

    #[test]
    fn the_fewest_prefixes_are_found_that_carry_most() {
        let v6 = |count: u128| -> Vec<(IpAddr, f64)> {
            (0..count).map(|at| (IpAddr::V6((0x2001_0db8_u128 << 96 | at << 8).into()), 10.0)).collect()
        };
        let quiet = ips([8, 0, 0, 1], 1_000, 65_536, 0.1);
        let crowds = || (0..50).flat_map(|at| ips([20, at, 7, 0], 200, 1, 1.0)).collect::<Vec<_>>();
        let networks = [ips([203, 0, 113, 0], 256, 1, 10.0), ips([10, 1, 0, 0], 4_096, 16, 10.0)].concat();
        for (name, sources, extra, expected) in [
            ("nobody", vec![], 0.0, None),
            ("one", ips([203, 0, 113, 7], 1, 1, 1e6), 0.0, Some("203.0.113.7")),
            ("one among quiet ones", [ips([203, 0, 113, 7], 1, 1, 1e6), quiet].concat(), 0.0, Some("203.0.113.7")),
            ("a /24", ips([203, 0, 113, 0], 256, 1, 10.0), 0.0, Some("203.0.113.0/24")),
            ("half of a /24", ips([203, 0, 113, 128], 128, 1, 10.0), 0.0, Some("203.0.113.128/26 203.0.113.192/26")),
            ("some of a /24", ips([203, 0, 113, 0], 3, 64, 10.0), 0.0, Some("203.0.113.0 203.0.113.128 203.0.113.64")),
            ("two networks", networks, 0.0, Some("10.1.0.0/16 203.0.113.0/24")),
            ("from everywhere", ips([1, 0, 0, 0], 50_000, 65_536, 1.0), 0.0, None),
            ("most of it of nobody in the ledger", ips([203, 0, 113, 0], 256, 1, 10.0), 1e6, None),
            ("of IPv6", v6(200), 0.0, Some("2001:db8::/112")),
            ("crowds", crowds(), 0.0, Some("45 of /24")),
        ] {
            let total = sources.iter().map(|(_, pps)| pps).sum::<f64>() + extra;
            let found = cover(sources.clone(), total, &none());
            if let Some(parts) = &found {
                let inside = |ip: &IpAddr| parts.iter().any(|part| part.net.contains(*ip));
                let covered: f64 = sources.iter().filter(|(ip, _)| inside(ip)).map(|(_, pps)| pps).sum();
                assert!(covered >= total * SHARE * 0.999_999 && parts.len() <= MOST, "{name}: {covered} of {total}");
            }
            let told = found.map(|parts| {
                let mut nets: Vec<_> = parts.iter().map(|part| part.net.to_string()).collect();
                nets.sort_unstable();
                let is_of = |length: u8| parts.iter().all(|part| part.net.length() == length);
                if nets.len() > 4 && is_of(24) { format!("{} of /24", nets.len()) } else { nets.join(" ") }
            });
            assert_eq!(told.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn no_more_lengths_are_used_than_can_be_in_force() {
        // Clusters of several sizes, in networks of their own.
        let sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256];
        let cluster = |at: usize| ips([20, at as u8, 0, 0], sizes[at % sizes.len()], 1, 10.0);
        let sources: Vec<_> = (0..60).flat_map(cluster).collect();
        let total = sources.iter().map(|(_, pps)| pps).sum();
        for in_force in [&[][..], &[9, 10, 11], &[9, 10, 11, 12], &[24, 28, 16, 20]] {
            let before = [in_force.iter().copied().collect(), BTreeSet::new()];
            let found = cover(sources.clone(), total, &before);
            if in_force == [9, 10, 11, 12] {
                assert_eq!(found, None, "no length is left");
                continue;
            }
            let parts = found.unwrap_or_else(|| panic!("{in_force:?}"));
            let prefixes = parts.iter().filter(|part| !part.net.is_address()).map(|part| part.net.length());
            let all: BTreeSet<_> = prefixes.chain(in_force.iter().copied()).collect();
            assert!(all.len() <= MOST_LENGTHS, "{in_force:?}: {all:?}");
        }
    }
}
