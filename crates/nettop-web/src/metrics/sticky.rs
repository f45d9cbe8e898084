//! Which rows of a list that comes and goes are series. Membership sticks, so that a flood of rotating sources does not make a series of each.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

/// A row leaves after so many seconds outside of the first 2N; no more than N newcomers come in so many.
const PATIENCE: f64 = 300.0;

/// At most N rows of a list.
#[derive(Debug)]
pub struct Sticky<K> {
    most: usize,
    /// When each was last among the first 2N.
    members: HashMap<K, f64>,
    /// When the newest N came.
    newcomers: VecDeque<f64>,
}

impl<K: Clone + Eq + Hash> Sticky<K> {
    /// Of so many.
    pub fn new(most: usize) -> Self {
        Self { most, members: HashMap::new(), newcomers: VecDeque::new() }
    }

    /// The rows that are series at a time, seconds, of all in their order; and what all the others sum up to.
    pub fn choose(&mut self, now: f64, ranked: &[(K, f64)]) -> (Vec<(K, f64)>, f64) {
        let near: HashSet<&K> = ranked.iter().take(2 * self.most).map(|(key, _)| key).collect();
        for (key, seen) in &mut self.members {
            if near.contains(key) {
                *seen = now;
            }
        }
        self.members.retain(|_, seen| now - *seen <= PATIENCE);
        while self.newcomers.front().is_some_and(|came| now - came > PATIENCE) {
            self.newcomers.pop_front();
        }
        for (key, _) in ranked.iter().take(self.most) {
            let has_room = self.members.len() < self.most && self.newcomers.len() < self.most;
            if has_room && !self.members.contains_key(key) {
                self.members.insert(key.clone(), now);
                self.newcomers.push_back(now);
            }
        }
        let mut chosen: HashMap<K, f64> = self.members.keys().map(|key| (key.clone(), 0.0)).collect();
        let mut others = 0.0;
        for (key, value) in ranked {
            match chosen.get_mut(key) {
                Some(place) => *place = *value,
                None => others += value,
            }
        }
        (chosen.into_iter().collect(), others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_and_other_are_all_and_newcomers_are_few() {
        let (mut sticky, mut ever) = (Sticky::new(5), HashSet::new());
        // A thousand seconds, in each of which a hundred others are busiest.
        for second in 0..1000_u32 {
            let ranked: Vec<_> = (0..100).map(|at| (second * 100 + at, f64::from(100 - at))).collect();
            let (chosen, others) = sticky.choose(f64::from(second), &ranked);
            assert!(chosen.len() <= 5);
            let listed: f64 = chosen.iter().map(|(_, value)| value).sum();
            assert_eq!(listed + others, 5050.0);
            ever.extend(chosen.into_iter().map(|(key, _)| key));
        }
        assert!(ever.len() <= 5 * 4, "{}", ever.len());
    }

    #[test]
    fn who_stays_busy_stays_and_who_pauses_shortly_too() {
        let mut sticky = Sticky::new(2);
        let of = |keys: &[u32]| keys.iter().map(|key| (*key, 1.0)).collect::<Vec<_>>();
        let mut chosen = |now: f64, keys: &[u32]| {
            let mut keys: Vec<_> = sticky.choose(now, &of(keys)).0.into_iter().map(|(key, _)| key).collect();
            keys.sort_unstable();
            keys
        };
        assert_eq!(chosen(0.0, &[1, 2, 3]), [1, 2]);
        assert_eq!(chosen(10.0, &[3, 4]), [1, 2], "nobody has left yet");
        assert_eq!(chosen(200.0, &[5, 6, 1]), [1, 2], "1 is near the head");
        assert_eq!(chosen(320.0, &[5, 6, 7, 8]), [1, 5], "2 has left");
        assert_eq!(chosen(330.0, &[]), [1, 5]);
    }
}
