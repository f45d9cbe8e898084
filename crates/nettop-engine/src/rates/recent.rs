//! Rates in a fixed size, for keys of which many are active in every second: there, a number per bucket of time and key
//! would be most of the memory.

use super::{MINUTE_NS, SECOND_NS, TimeBuckets};

/// A minute is kept in steps of this length.
const STEP_NS: u64 = 10 * SECOND_NS;
/// So many steps can overlap with a minute.
const STEPS: usize = 7;

/// What was counted in the open bucket, in the one before it, and in the last minute.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recent {
    /// The bucket that anything was counted in last.
    bucket: u32,
    /// What it counted.
    in_slot: u32,
    /// What the bucket before it counted.
    before: u32,
    /// The step that anything was counted in last.
    step: u32,
    steps: [u32; STEPS],
}

impl Recent {
    /// Adds what a reading counted.
    pub fn add(&mut self, buckets: &TimeBuckets, count: u64) {
        if count == 0 {
            return;
        }
        let open = buckets.open.id;
        if self.bucket != open {
            self.before = self.counted_in(open.wrapping_sub(1));
            (self.bucket, self.in_slot) = (open, 0);
        }
        let (start_ns, end_ns) = (buckets.open.start_ns, buckets.open.end_ns);
        let step = (end_ns / STEP_NS) as u32;
        let passed = step.wrapping_sub(self.step).min(STEPS as u32);
        (0..passed).for_each(|back| self.steps[index(step.wrapping_sub(back))] = 0);
        self.step = step;
        let saturated = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        self.in_slot = self.in_slot.saturating_add(saturated(count));
        let length_ns = end_ns - start_ns;
        if length_ns <= STEP_NS {
            let counter = &mut self.steps[index(step)];
            *counter = counter.saturating_add(saturated(count));
            return;
        }
        // Nothing was read for so long: it came at some time of that.
        for back in 0..(STEPS as u32).min(step + 1) {
            let begins_ns = u64::from(step - back) * STEP_NS;
            let overlap_ns = (begins_ns + STEP_NS).min(end_ns).saturating_sub(begins_ns.max(start_ns));
            let share = (count as f64 * overlap_ns as f64 / length_ns as f64).round() as u64;
            let counter = &mut self.steps[index(step - back)];
            *counter = counter.saturating_add(saturated(share));
        }
    }

    /// Packets in the newest whole second, and of the last 60 s over 60 or `age`, which is how many seconds ago counting
    /// began. What came within ten seconds of the far end of the minute counts as if it had come evenly.
    pub fn rates(&self, buckets: &TimeBuckets, age: f64) -> (f64, f64) {
        let (newest, open) = match buckets.closed.back() {
            Some(newest) => (*newest, self.counted_in(buckets.open.id)),
            // Before a bucket has closed, the open one stands for it.
            None => (buckets.open, 0),
        };
        let current = newest.rate(self.counted_in(newest.id).into());
        let minute = (self.since(newest.end_ns.saturating_sub(MINUTE_NS)) - f64::from(open)).max(0.0);
        (current, minute / buckets.span(60.0, age))
    }

    /// What came in the last minute.
    pub fn last_minute(&self, buckets: &TimeBuckets) -> f64 {
        self.since(buckets.open.end_ns.saturating_sub(MINUTE_NS))
    }

    /// What came since this time, at most a minute ago.
    fn since(&self, from_ns: u64) -> f64 {
        let share = |back: u32| {
            let Some(step) = self.step.checked_sub(back) else { return 0.0 };
            let end_ns = (u64::from(step) + 1) * STEP_NS;
            let overlap = end_ns.saturating_sub(from_ns).min(STEP_NS) as f64 / STEP_NS as f64;
            f64::from(self.steps[index(step)]) * overlap
        };
        (0..STEPS as u32).map(share).sum()
    }

    fn counted_in(&self, bucket: u32) -> u32 {
        match self.bucket.wrapping_sub(bucket) {
            0 => self.in_slot,
            1 => self.before,
            _ => 0,
        }
    }
}

fn index(step: u32) -> usize {
    step as usize % STEPS
}

#[cfg(test)]
mod tests {
    use super::{super::History, *};

    /// Ticks every `interval` seconds; the rates of a history in full beside these.
    fn run(interval: f64, ticks: u64, count: impl Fn(u64) -> u64) -> [(f64, f64); 2] {
        let start = 1_003 * SECOND_NS;
        let (mut buckets, mut recent, mut history) = (TimeBuckets::new(start), Recent::default(), History::default());
        for tick in 1..=ticks {
            buckets.reach(start + (tick as f64 * interval * SECOND_NS as f64) as u64);
            recent.add(&buckets, count(tick));
            history.add(&buckets, count(tick));
            buckets.close_if_due();
        }
        let elapsed = interval * ticks as f64;
        let exact = history.rates(&buckets, elapsed);
        [recent.rates(&buckets, elapsed), (exact.current, exact.minute)]
    }

    #[test]
    fn a_steady_stream_has_the_rates_of_a_full_history() {
        for (interval, ticks) in [(0.1, 1003), (0.25, 1), (0.25, 400), (1.0, 7), (1.0, 100), (2.5, 40)] {
            let [(current, minute), exact] = run(interval, ticks, |_| (interval * 1000.0) as u64);
            assert!((current - exact.0).abs() < 1.0, "{interval}: {current}, {exact:?}");
            assert!((minute - exact.1).abs() < 40.0, "{interval}: {minute}, {exact:?}");
        }
    }

    #[test]
    fn a_burst_fades_within_its_minute_and_ten_seconds() {
        for ticks in 5..90 {
            let [rates, exact] = run(1.0, ticks, |tick| if tick == 5 { 600 } else { 0 });
            assert_eq!(rates.0, exact.0, "{ticks}");
            if !(55..=75).contains(&ticks) {
                assert_eq!(rates.1, exact.1, "{ticks}");
            }
        }
    }

    #[test]
    fn what_came_in_a_long_slot_is_spread_over_it() {
        for stall in [12, 25, 59, 61, 300, 86_400] {
            let (mut buckets, mut recent) = (TimeBuckets::new(7 * SECOND_NS), Recent::default());
            let mut now = 7;
            for seconds in (0..70).map(|_| 1).chain([stall]).chain([1; 3]) {
                now += seconds;
                buckets.reach(now * SECOND_NS);
                recent.add(&buckets, seconds * 100);
                buckets.close_if_due();
                let (_, minute) = recent.rates(&buckets, (now - 7) as f64);
                assert!((minute - 100.0).abs() < 20.0 || now < 20, "stall of {stall} s, at {now}: {minute}");
            }
        }
    }

    #[test]
    fn a_key_that_comes_back_after_hours_begins_anew() {
        let [rates, _] = run(1.0, 9_000, |tick| if tick == 5 || tick == 9_000 { 60 } else { 0 });
        assert_eq!(rates, (60.0, 1.0));
    }
}
