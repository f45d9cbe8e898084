//! Times in which nothing was read, and samples that were lost: the monitor was stopped, the machine suspended or too busy. What
//! was counted meanwhile is complete, but nobody knows when it came; that is told for as long as the last minute has some of it.

use nettop_model::{clock::Moment, snapshot::Degraded};

/// Seconds without a reading from which on it is told. Readings come ten times a second; one that is merely late is a matter of
/// `tick.late`.
pub const STALL: f64 = 3.0;
/// For how many seconds it is told.
const TOLD: f64 = 60.0;

/// What was missed lately.
#[derive(Debug, Default)]
pub struct Missed {
    /// The newest time without a reading: its length in seconds, and its end.
    stall: Option<(f64, Moment)>,
    /// Samples lost in the last minute, each with those before it, and when that was noticed.
    lost: Option<(u64, Moment)>,
}

impl Missed {
    /// A reading at `at` came after one at `before`. Returns how many seconds lie between them where these are too many.
    pub fn read(&mut self, before: Moment, at: Moment) -> Option<f64> {
        let seconds = at.seconds_since(&before);
        (seconds >= STALL).then(|| {
            self.stall = Some((seconds, at));
            seconds
        })
    }

    /// So many samples were lost, as is found at `at`.
    pub fn lose(&mut self, samples: u64, at: Moment) {
        if samples > 0 {
            let before = self.lost.filter(|lost| is_new(lost, at)).map_or(0, |(samples, _)| samples);
            self.lost = Some((before + samples, at));
        }
    }

    /// What there is to tell at `at`.
    pub fn degraded(&self, at: Moment) -> impl Iterator<Item = Degraded> {
        let stall = self.stall.filter(|stall| is_new(stall, at)).map(|(seconds, _)| Degraded {
            badge: format!("stalled {seconds:.0} s"),
            what: format!("nothing was read for {seconds:.0} s"),
            reason: "the monitor was stopped, or the machine was suspended or too busy; all of that time is counted, but rates, \
                     history and alerts have the average over it"
                .into(),
            remedy: "none if it was stopped; else leave it more of a CPU: see self".into(),
        });
        let lost = self.lost.filter(|lost| is_new(lost, at)).map(|(samples, _)| Degraded {
            badge: "samples lost".into(),
            what: format!("{samples} sampled packets were lost"),
            reason:
                "they came faster than they were read; ports, flags and MACs of sources lack them and are marked as \
                     estimated, all other counts are exact"
                    .into(),
            remedy: "none after a stall; else a lower --event-rate, or more of a CPU".into(),
        });
        stall.into_iter().chain(lost)
    }
}

/// Whether the last minute, as it is at `at`, has some of it.
fn is_new<T>((_, ended): &(T, Moment), at: Moment) -> bool {
    at.seconds_since(ended) < TOLD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: f64) -> Moment {
        Moment { monotonic_ns: (seconds * 1e9) as u64, unix_ns: 0 }
    }

    fn badges(missed: &Missed, at: f64) -> Vec<String> {
        missed.degraded(moment(at)).map(|row| row.badge).collect()
    }

    #[test]
    fn a_time_without_readings_is_told_for_a_minute() {
        for (length, told) in [(0.1, None), (2.9, None), (3.0, Some("stalled 3 s")), (30.4, Some("stalled 30 s"))] {
            let mut missed = Missed::default();
            let ended = 100.0 + length;
            assert_eq!(missed.read(moment(100.0), moment(ended)).is_some(), told.is_some(), "{length}");
            assert_eq!(missed.read(moment(ended), moment(ended + 0.1)), None);
            assert_eq!(badges(&missed, ended + 59.0), Vec::from_iter(told), "{length}");
            assert!(badges(&missed, ended + 61.0).is_empty(), "{length}");
        }
        assert_eq!(Missed::default().read(moment(9.0), moment(2.0)), None, "no time goes back");
    }

    #[test]
    fn lost_samples_are_told_and_added_up_within_a_minute() {
        let mut missed = Missed::default();
        missed.lose(0, moment(1.0));
        assert!(badges(&missed, 1.0).is_empty());
        for (at, samples, sum) in [(1.0, 5, 5), (40.0, 7, 12), (90.0, 1, 13), (151.0, 2, 2)] {
            missed.lose(samples, moment(at));
            let what: Vec<_> = missed.degraded(moment(at + 1.0)).map(|row| row.what).collect();
            assert_eq!(what, [format!("{sum} sampled packets were lost")], "at {at}");
        }
        assert!(badges(&missed, 212.0).is_empty());
    }
}
