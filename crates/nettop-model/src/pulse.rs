//! The pulse: what was counted in all, ten times a second, whatever the interval of snapshots is.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::snapshot::Amount;

/// Tenths of a second that are kept: the last 30 seconds.
const TENTHS: usize = 300;
/// Seconds that are kept: the last hour.
const SECONDS: usize = 3600;
/// The time between two that are kept, seconds.
const TENTH: f64 = 0.1;
const SECOND: f64 = 1.0;
/// How much earlier one may come, seconds, for timers come early and late.
const EARLY: f64 = 0.03;

/// Everything counted at one instant, since the start or the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pulse {
    /// When, Unix nanoseconds.
    pub at_ns: u64,
    /// Seconds since counting began, whatever the clock showed. After a reset, less than before.
    pub seconds: f64,
    /// Packets received and counted.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What was sent; `None`: it is not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<Amount>,
}

/// How much there was per second between two pulses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PulseRate {
    /// Packets received per second.
    pub pps: f64,
    /// Bytes received per second.
    pub bps: f64,
    /// Packets sent per second.
    pub sent_pps: f64,
    /// Bytes sent per second.
    pub sent_bps: f64,
}

impl Pulse {
    /// The rates since an earlier one; `None`: counting began anew meanwhile, or no time has passed.
    pub fn since(&self, earlier: &Self) -> Option<PulseRate> {
        let seconds = self.seconds - earlier.seconds;
        if seconds <= 0.0 || self.packets < earlier.packets || self.bytes < earlier.bytes {
            return None;
        }
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let (sent, before) = (self.sent.unwrap_or_default(), earlier.sent.unwrap_or_default());
        Some(PulseRate {
            pps: rate(self.packets, earlier.packets),
            bps: rate(self.bytes, earlier.bytes),
            sent_pps: rate(sent.packets, before.packets),
            sent_bps: rate(sent.bytes, before.bytes),
        })
    }
}

/// The newest pulse, and those of the last 30 seconds and of the last hour; oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pulses {
    /// The newest.
    pub newest: Pulse,
    /// How many there were: the number of the newest.
    pub count: u64,
    /// 300 of them, a tenth of a second apart.
    pub tenths: VecDeque<Pulse>,
    /// 3,600 of them, a second apart.
    pub seconds: VecDeque<Pulse>,
    /// When the next tenth and the next second are due, in seconds since counting began.
    #[serde(skip)]
    due: [f64; 2],
}

impl Pulses {
    /// Enters the next one.
    pub fn push(&mut self, pulse: Pulse) {
        if pulse.seconds < self.newest.seconds {
            // Counting began anew.
            self.tenths.clear();
            self.seconds.clear();
            self.due = [0.0; 2];
        }
        self.newest = pulse;
        self.count += 1;
        let [tenth, second] = &mut self.due;
        keep(&mut self.tenths, tenth, pulse, (TENTH, TENTHS));
        keep(&mut self.seconds, second, pulse, (SECOND, SECONDS));
    }
}

/// Keeps a pulse that is due: after one that was late the next may come sooner, though not before half a step, so that there are as many of
/// them.
fn keep(pulses: &mut VecDeque<Pulse>, due: &mut f64, pulse: Pulse, (step, most): (f64, usize)) {
    if pulse.seconds < *due - EARLY {
        return;
    }
    *due = (*due + step).max(pulse.seconds + step / 2.0 + EARLY);
    if pulses.len() >= most {
        pulses.pop_front();
    }
    pulses.push_back(pulse);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(seconds: f64, packets: u64) -> Pulse {
        Pulse { seconds, packets, bytes: packets * 60, ..Pulse::default() }
    }

    #[test]
    fn timers_that_are_early_and_late_lose_none() {
        let mut pulses = Pulses::default();
        // Tenths of a second, each up to 30 ms late.
        (0..300).for_each(|count| pulses.push(pulse(f64::from(count) * 0.1 + f64::from(count * 7 % 31) / 1000.0, 1)));
        assert_eq!(pulses.tenths.len(), 300);
        assert_eq!(pulses.seconds.len(), 30);
        // After a pause they are again as far apart as they were.
        (0..100).for_each(|count| pulses.push(pulse(60.0 + f64::from(count) * 0.02, 1)));
        let since: Vec<_> = pulses.tenths.iter().filter(|one| one.seconds >= 60.0).collect();
        assert!((20..=22).contains(&since.len()), "{}", since.len());
    }

    #[test]
    fn histories_are_bounded_and_their_steps_even() {
        for (name, step) in [("as it should be", 0.1), ("late", 0.103), ("in a flood, every 20 ms", 0.02)] {
            let mut pulses = Pulses::default();
            for count in 0..200_000_u64 {
                pulses.push(pulse(count as f64 * step, count));
            }
            assert_eq!((pulses.tenths.len(), pulses.seconds.len(), pulses.count), (300, 3600, 200_000), "{name}");
            for (kept, expected) in [(&pulses.tenths, 0.1), (&pulses.seconds, 1.0)] {
                let steps = kept.iter().zip(kept.iter().skip(1)).map(|(one, next)| next.seconds - one.seconds);
                assert!(steps.into_iter().all(|step| (step - expected).abs() < expected / 10.0), "{name}");
            }
        }
    }

    #[test]
    fn rates_are_over_the_time_that_passed_and_none_over_a_reset() {
        let rate = pulse(3.0, 500).since(&pulse(1.0, 100)).unwrap();
        assert_eq!((rate.pps, rate.bps, rate.sent_pps), (200.0, 12_000.0, 0.0));
        assert_eq!(pulse(1.0, 500).since(&pulse(3.0, 100)), None, "reset");
        assert_eq!(pulse(3.0, 50).since(&pulse(1.0, 100)), None, "reset, later");
        assert_eq!(pulse(3.0, 100).since(&pulse(3.0, 100)), None, "no time has passed");
        let mut pulses = Pulses::default();
        for (seconds, packets) in [(1.0, 1), (2.0, 5), (0.1, 0)] {
            pulses.push(pulse(seconds, packets));
        }
        assert_eq!(pulses.tenths, [pulse(0.1, 0)]);
    }
}
