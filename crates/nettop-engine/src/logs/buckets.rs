//! Leaky buckets by address: how much of something came lately. What comes fills one, and it leaks.

use std::net::IpAddr;

use foldhash::{HashMap, HashMapExt as _};

/// Addresses of one measure.
const MOST: usize = 8192;
/// Different things that are told apart in one bucket.
const MOST_DIFFERENT: usize = 128;

/// A bucket.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    level: f64,
    at_ns: u64,
    /// Hashes of what is in it, where only what differs counts.
    different: Vec<u32>,
}

/// All of a measure.
#[derive(Debug)]
pub struct Buckets {
    known: HashMap<IpAddr, Bucket>,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { known: HashMap::new() }
    }
}

impl Bucket {
    /// How full it is at a time, if so much leaks in a second.
    fn level(&self, at_ns: u64, leak: f64) -> f64 {
        let seconds = at_ns.saturating_sub(self.at_ns) as f64 / 1e9;
        // Else rounding makes of 20 times 0.5 a little less than 10.
        let level = self.level - seconds * leak;
        ((level * 1e6).round() / 1e6).max(0.0)
    }
}

impl Buckets {
    /// So much came; `different`: it counts only where it is not in the bucket already. Returns how full it is.
    pub fn add(&mut self, ip: IpAddr, at_ns: u64, leak: f64, times: f64, different: Option<u64>) -> f64 {
        if self.known.len() >= MOST && !self.known.contains_key(&ip) {
            self.make_room(at_ns, leak);
        }
        let bucket = self.known.entry(ip).or_default();
        let mut level = bucket.level(at_ns, leak);
        if level == 0.0 {
            bucket.different.clear();
        }
        match different.map(|hash| hash as u32) {
            Some(hash) if bucket.different.contains(&hash) => {}
            Some(hash) => {
                level += times;
                if bucket.different.len() < MOST_DIFFERENT {
                    bucket.different.push(hash);
                }
            }
            None => level += times,
        }
        // Lines of several files come in no order.
        (bucket.level, bucket.at_ns) = (level, bucket.at_ns.max(at_ns));
        level
    }

    /// How full it is.
    pub fn level(&self, ip: &IpAddr, now_ns: u64, leak: f64) -> f64 {
        self.known.get(ip).map_or(0.0, |bucket| bucket.level(now_ns, leak))
    }

    /// Lets those go that are empty; where none is, those below the average.
    fn make_room(&mut self, at_ns: u64, leak: f64) {
        let levels: f64 = self.known.values().map(|bucket| bucket.level(at_ns, leak)).sum();
        let average = levels / self.known.len().max(1) as f64;
        self.known.retain(|_, bucket| bucket.level(at_ns, leak) > 0.0);
        if self.known.len() >= MOST {
            self.known.retain(|_, bucket| bucket.level(at_ns, leak) > average);
        }
        if self.known.len() >= MOST || self.known.is_empty() {
            self.known.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn what_comes_fills_a_bucket_and_it_leaks() {
        let ip: IpAddr = [203, 0, 113, 7].into();
        for (name, leak, every_s, until, expected) in [
            ("at once", 0.1, 0, 6, 6.0),
            ("one in 10 s", 0.1, 10, 100, 1.0),
            ("one in 30 s", 1.0 / 60.0, 30, 19, 10.0),
            ("one more", 1.0 / 60.0, 30, 20, 10.5),
            ("one in 61 s", 1.0 / 60.0, 61, 60, 1.0),
        ] {
            let mut buckets = Buckets::default();
            let mut level = 0.0;
            for n in 0..until {
                level = buckets.add(ip, (1_000_000 + n * every_s) * SECOND, leak, 1.0, None);
            }
            assert_eq!(level, expected, "{name}");
        }
    }

    #[test]
    fn what_is_the_same_counts_once_and_room_is_bounded() {
        let mut buckets = Buckets::default();
        let ip: IpAddr = [203, 0, 113, 7].into();
        for n in 0..100 {
            buckets.add(ip, SECOND, 0.1, 1.0, Some(n % 7));
        }
        assert_eq!(buckets.level(&ip, SECOND, 0.1), 7.0);
        for n in 0..3 * MOST as u32 {
            buckets.add(IpAddr::from(n.to_be_bytes()), 2 * SECOND, 0.1, 1.0, None);
            assert!(buckets.known.len() <= MOST);
        }
    }
}
