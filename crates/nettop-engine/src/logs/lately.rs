//! Requests and newcomers per second.

/// So many seconds.
const SECONDS: u64 = 10;
const SECOND_NS: u64 = 1_000_000_000;

/// How many there were in each of the last seconds.
#[derive(Debug, Default)]
pub struct PerSecond {
    /// The newest second.
    head: u64,
    /// When the first was counted.
    since: Option<u64>,
    slots: [[u64; 2]; SECONDS as usize],
}

impl PerSecond {
    /// So many requests and newcomers came at this time.
    pub fn add(&mut self, at_ns: u64, counts: [u64; 2]) {
        let second = at_ns / SECOND_NS;
        // A clock that was set back begins anew.
        if second < self.head {
            *self = Self::default();
        }
        self.since.get_or_insert(second);
        for gone in (self.head.max(second.saturating_sub(SECONDS)) + 1)..=second {
            self.slots[(gone % SECONDS) as usize] = [0; 2];
        }
        self.head = second;
        let slot = &mut self.slots[(second % SECONDS) as usize];
        (slot[0], slot[1]) = (slot[0] + counts[0], slot[1] + counts[1]);
    }

    /// Per second, over the last ten; of a shorter time, over that.
    pub fn rates(&self, now_ns: u64) -> [f64; 2] {
        let now = now_ns / SECOND_NS;
        let seconds = (self.head.saturating_sub(SECONDS - 1)..=self.head).filter(|second| second + SECONDS > now);
        let slots = seconds.map(|second| self.slots[(second % SECONDS) as usize]);
        let sums = slots.fold([0, 0], |sums, slot| [sums[0] + slot[0], sums[1] + slot[1]]);
        let counted = self.since.map_or(SECONDS, |since| (now.saturating_sub(since) + 1).min(SECONDS));
        sums.map(|sum| sum as f64 / counted as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_in_the_last_ten_seconds_is_told_per_second() {
        let at = |second: u64| (1_000_000 + second) * SECOND_NS;
        let mut lately = PerSecond::default();
        assert_eq!(lately.rates(at(0)), [0.0, 0.0]);
        for second in 0..20 {
            lately.add(at(second), [30, 1]);
            lately.add(at(second), [20, 0]);
            assert_eq!(lately.rates(at(second)), [50.0, 1.0], "{second}");
        }
        for (second, expected) in [(19, 50.0), (24, 25.0), (28, 5.0), (29, 0.0), (500, 0.0)] {
            assert_eq!(lately.rates(at(second))[0], expected, "{second}");
        }
        lately.add(at(500), [10, 0]);
        assert_eq!(lately.rates(at(500)), [1.0, 0.0]);
        lately.add(at(3), [10, 0]);
        assert_eq!(lately.rates(at(3)), [10.0, 0.0], "the clock was set back");
    }
}
