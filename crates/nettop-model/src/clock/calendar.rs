//! What the clock on the wall showed at an earlier time, also where it was set since.

use super::Moment;

/// Settings of the clock that are remembered.
const MOST: usize = 64;

/// The times at which the clock on the wall was found to be set, and how far it was from the monotonic one from then on.
/// So a time that was told once never changes: it is what the clock showed then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// From which monotonic time on, and what to add to it; in order of time.
    eras: Vec<(u64, u64)>,
}

impl Calendar {
    /// One that has seen this moment.
    pub fn new(at: Moment) -> Self {
        Self { eras: vec![(at.monotonic_ns, at.unix_offset_ns())] }
    }

    /// Is told of both clocks; moments come in order of time.
    pub fn note(&mut self, at: Moment) {
        let offset_ns = at.unix_offset_ns();
        if self.eras.last().is_some_and(|(_, newest)| *newest == offset_ns) {
            return;
        }
        self.eras.push((at.monotonic_ns, offset_ns));
        if self.eras.len() > MOST {
            // Of a clock that is being slewed there are many: the smallest step is missed least.
            let step_ns = |at: &usize| {
                let step = self.eras[*at].1.wrapping_sub(self.eras[at - 1].1).cast_signed();
                step.unsigned_abs()
            };
            if let Some(smallest) = (1..self.eras.len() - 1).min_by_key(step_ns) {
                self.eras.remove(smallest);
            }
        }
    }

    /// What the clock showed at a monotonic time, in Unix nanoseconds.
    pub fn unix_ns(&self, monotonic_ns: u64) -> u64 {
        monotonic_ns.wrapping_add(self.offset_ns(monotonic_ns))
    }

    /// What to add to a monotonic time to get that.
    pub fn offset_ns(&self, monotonic_ns: u64) -> u64 {
        let next = self.eras.partition_point(|(from_ns, _)| *from_ns <= monotonic_ns);
        // Before the first moment there is nothing better than it.
        self.eras.get(next.saturating_sub(1)).map_or(0, |(_, offset_ns)| *offset_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(monotonic_ns: u64, unix_ns: u64) -> Moment {
        Moment { monotonic_ns, unix_ns }
    }

    #[test]
    fn a_time_stays_what_the_clock_showed() {
        for (name, steps) in [
            ("to the next day", &[86_400_i64][..]),
            ("to years ago", &[-500_000_000]),
            ("there and back", &[-3_600, 3_600]),
            ("often", &[1, -2, 3, -4, 5, 86_400, -7]),
        ] {
            let second = |seconds: i64| (seconds * 1_000_000_000) as u64;
            let (mut offset, mut calendar) = (1_700_000_000, Calendar::new(moment(second(5), second(1_700_000_005))));
            let mut shown = vec![(3, 1_700_000_003), (7, 1_700_000_007)];
            for (at, step) in (1..).zip(steps) {
                offset += step;
                calendar.note(moment(second(at * 10), second(at * 10 + offset)));
                shown.push((at * 10, at * 10 + offset));
                shown.push((at * 10 + 9, at * 10 + 9 + offset));
            }
            for (then, unix) in shown {
                assert_eq!(calendar.unix_ns(second(then)), second(unix), "{name}: at {then}");
            }
        }
        assert_eq!(Calendar::default().unix_ns(7), 7, "a capture has but one clock");
    }

    #[test]
    fn a_clock_that_is_slewed_pushes_out_no_step() {
        let mut calendar = Calendar::new(moment(0, 1_000));
        calendar.note(moment(10, 1_000_000));
        for at in 11..2_000 {
            calendar.note(moment(at, 1_000_000 + 3 * at));
        }
        assert!(calendar.eras.len() <= MOST);
        assert_eq!(calendar.unix_ns(5), 1_005);
        assert_eq!(calendar.unix_ns(1_999), 1_000_000 + 3 * 1_999);
    }
}
