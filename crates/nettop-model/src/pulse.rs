//! The pulse: what was counted in all, ten times a second, whatever the interval of snapshots is.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::snapshot::Amount;

/// Tenths of a second that are kept: the last 30 seconds.
const TENTHS: usize = 300;
/// Seconds that are kept: the last hour.
const SECONDS: usize = 3600;
/// The least time between two that are kept, seconds; less than the step, for timers come early and late.
const TENTH: f64 = 0.09;
const SECOND: f64 = 0.95;

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
}

impl Pulses {
    /// Enters the next one.
    pub fn push(&mut self, pulse: Pulse) {
        if pulse.seconds < self.newest.seconds {
            // Counting began anew.
            self.tenths.clear();
            self.seconds.clear();
        }
        self.newest = pulse;
        self.count += 1;
        keep(&mut self.tenths, pulse, TENTH, TENTHS);
        keep(&mut self.seconds, pulse, SECOND, SECONDS);
    }
}

fn keep(pulses: &mut VecDeque<Pulse>, pulse: Pulse, step: f64, most: usize) {
    if pulses.back().is_some_and(|last| pulse.seconds - last.seconds < step) {
        return;
    }
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
