//! Keeps the number of sampled packets within a budget, by choosing one packet in how many is sampled.

use std::collections::VecDeque;

use nettop_model::clock::Moment;

/// The budget is one of a second, so that a short burst is still sampled whole.
const WINDOW_SECONDS: f64 = 1.0;

/// A rate is not taken over less: readings of a moment bring what came since the one before.
const LEAST_SECONDS: f64 = 0.1;

/// Chooses the sampling: from the packets, not from the events, which still come by the former choice when there is a new one.
#[derive(Debug)]
pub struct Sampler {
    budget: u32,
    every: u32,
    /// When, and how many packets there had been.
    marks: VecDeque<(Moment, u64)>,
}

impl Sampler {
    /// At most about `budget` events per second; 0: none.
    pub fn new(budget: u32) -> Self {
        Self { budget, every: 1, marks: VecDeque::new() }
    }

    /// One packet in this many is sampled; 0: none.
    pub fn every(&self) -> u32 {
        if self.budget == 0 { 0 } else { self.every }
    }

    /// Told that there have been `packets`, answers with a new choice, if there is one.
    pub fn adapt(&mut self, now: Moment, packets: u64) -> Option<u32> {
        let before = self.every();
        self.marks.push_back((now, packets));
        while self.marks.len() > 2 && self.marks.get(1).is_some_and(|(at, _)| now.seconds_since(at) >= WINDOW_SECONDS) {
            self.marks.pop_front();
        }
        let (since, at_start) = self.marks.front().copied()?;
        let came = packets.saturating_sub(at_start) as f64;
        let seconds = now.seconds_since(&since);
        let wanted = match came / f64::from(self.budget.max(1)) {
            ..=1.0 => 1,
            budgets => (budgets / seconds.clamp(LEAST_SECONDS, WINDOW_SECONDS)).ceil().min(f64::from(1 << 30)) as u32,
        };
        let wanted = wanted.next_power_of_two();
        // Less only after a while, and not for a little.
        if wanted > self.every || seconds >= WINDOW_SECONDS && (wanted == 1 || wanted <= self.every / 4) {
            self.every = wanted;
        }
        (self.every() != before).then(|| self.every())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drains every 100 ms while `pps(second)` packets per second come; returns the choice at the end.
    fn run(budget: u32, seconds: u64, pps: impl Fn(u64) -> f64) -> u32 {
        let mut sampler = Sampler::new(budget);
        let mut packets = 0.0;
        for tenth in 0..seconds * 10 {
            let now = Moment { monotonic_ns: tenth * 100_000_000, unix_ns: 0 };
            sampler.adapt(now, packets as u64);
            packets += pps(tenth / 10) / 10.0;
        }
        sampler.every()
    }

    #[test]
    fn below_the_budget_every_packet_is_sampled() {
        assert_eq!(run(10_000, 10, |_| 9_000.0), 1);
    }

    #[test]
    fn a_burst_within_the_budget_of_a_second_is_sampled_whole() {
        assert_eq!(run(10_000, 5, |second| if second == 2 { 9_900.0 } else { 0.0 }), 1);
    }

    #[test]
    fn a_flood_is_thinned_to_the_budget() {
        let every = run(10_000, 5, |_| 3_000_000.0);
        assert!((300..=1024).contains(&every), "{every}");
    }

    #[test]
    fn after_the_flood_every_packet_is_sampled_again() {
        assert_eq!(run(10_000, 30, |second| if second < 3 { 3_000_000.0 } else { 100.0 }), 1);
    }

    #[test]
    fn two_readings_in_a_moment_do_not_make_a_flood() {
        let mut sampler = Sampler::new(10_000);
        for (at_ms, packets) in [(0, 0), (100, 250_000), (110, 500_000), (120, 525_000), (220, 775_000)] {
            sampler.adapt(Moment { monotonic_ns: at_ms * 1_000_000, unix_ns: 0 }, packets);
        }
        assert!(sampler.every() <= 512, "{}", sampler.every());
    }

    #[test]
    fn no_budget_is_no_events() {
        assert_eq!(Sampler::new(0).every(), 0);
    }
}
