//! How the stamps of a pipe keep pace with the real time: so that time goes on where nothing comes any more.

use nettop_model::clock::Moment;

const SECOND_NS: u64 = 1_000_000_000;
/// What is known of the delay counts for this stretch of time in which packets came, and for the one before.
const STRETCH_NS: u64 = 30 * SECOND_NS;
/// Packets may be delayed by so much more than any was lately, before they are missed.
const SPARE_NS: i128 = 2 * SECOND_NS as i128;
/// Stamps not farther from the real time than this are of now: what was written before it was read is caught up with.
const PRESENT_NS: u64 = 10 * SECOND_NS;

/// What arrived at which real time.
///
/// A packet read now may be followed by an earlier one: what captures gathers packets before it writes them. By how much it is late
/// shows by how far the stamps fell behind the real time lately. What is earlier than that, and has not come, will not come. Of a
/// replay that is read as fast as possible it is the first packet that is farthest behind, so its time never goes on by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct PipePace {
    /// When the newest packet came; else since when one is waited for.
    since: Option<Moment>,
    /// When the newer stretch began.
    began_ns: u64,
    /// By how much the real time was ahead of a stamp, at most, in each stretch; the newer first.
    behind: [Option<i128>; 2],
    /// Whether a stamp was of now.
    is_present: bool,
}

impl PipePace {
    /// A packet with this stamp has come.
    pub fn came(&mut self, wall: Moment, at_ns: u64) {
        self.since = Some(wall);
        let behind = i128::from(wall.monotonic_ns) - i128::from(at_ns);
        if !self.is_present && wall.unix_ns.abs_diff(at_ns) <= PRESENT_NS {
            self.is_present = true;
            self.behind = [None, None];
        }
        if wall.monotonic_ns.saturating_sub(self.began_ns) >= STRETCH_NS {
            self.began_ns = wall.monotonic_ns;
            self.behind = [None, self.behind[0]];
        }
        self.behind[0] = self.behind[0].max(Some(behind));
    }

    /// None is waited for: nothing is missed either.
    pub fn rest(&mut self, wall: Moment) {
        self.since = Some(wall);
    }

    /// Nanoseconds for which nothing came.
    pub fn silent_ns(&mut self, wall: Moment) -> u64 {
        let since = self.since.get_or_insert(wall);
        wall.monotonic_ns.saturating_sub(since.monotonic_ns)
    }

    /// Until when, by the clock of the stamps, everything has come.
    pub fn reached_ns(&self, wall: Moment) -> Option<u64> {
        let behind = self.behind.into_iter().flatten().max()?;
        u64::try_from(i128::from(wall.monotonic_ns) - behind - SPARE_NS).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN_NS: u64 = 1_700_000_000 * SECOND_NS;

    /// So many milliseconds after the start of the machine, which was at this time of day.
    fn wall(ms: u64, unix_ns: u64) -> Moment {
        Moment { monotonic_ns: ms * 1_000_000, unix_ns: unix_ns + ms * 1_000_000 }
    }

    /// Until when time goes on by itself, milliseconds from the first stamp, `silent` seconds after the last of some packets: real
    /// time and stamp, milliseconds.
    fn reached(unix_ns: u64, packets: impl IntoIterator<Item = (u64, u64)>, silent: u64) -> i64 {
        let (mut pace, mut last) = (PipePace::default(), 0);
        for (ms, stamp) in packets {
            pace.came(wall(ms, unix_ns), BEGIN_NS + stamp * 1_000_000);
            last = ms;
        }
        let reached = pace.reached_ns(wall(last + silent * 1000, unix_ns)).unwrap();
        (i128::from(reached) - i128::from(BEGIN_NS)) as i64 / 1_000_000
    }

    #[test]
    fn time_goes_on_behind_what_is_live_and_not_behind_what_is_replayed() {
        let seconds = |count: u64| 0..count * 10;
        for (name, unix_ns, packets, silent, expected) in [
            ("live", BEGIN_NS, seconds(10).map(|n| (n * 100, n * 100)).collect::<Vec<_>>(), 10, 9900 + 8000),
            ("live, half a second late", BEGIN_NS, seconds(10).map(|n| (n * 100 + 500, n * 100)).collect(), 10, 17_900),
            ("another clock", 0, seconds(10).map(|n| (n * 100 + 777, n * 100)).collect(), 10, 17_900),
            // Each five seconds at once, with stamps of the five before.
            ("gathered", BEGIN_NS, seconds(20).map(|n| ((n / 50 + 1) * 5000, n * 100)).collect(), 3, 16_000),
            (
                "gathered, then missed",
                BEGIN_NS,
                seconds(20).map(|n| ((n / 50 + 1) * 5000, n * 100)).collect(),
                10,
                23_000,
            ),
            ("an hour in a second", 0, (0..3600).map(|n| (n / 4, n * 1000)).collect(), 60, 58_899),
            // Read an hour at once, and then live.
            (
                "caught up",
                BEGIN_NS + 3600 * SECOND_NS,
                (0..3600).map(|n| (0, n * 1000)).chain((0..50).map(|n| (n * 100, 3_600_000 + n * 100))).collect(),
                10,
                3_604_900 + 8000 - 10_000,
            ),
            (
                "caught up, by another clock",
                0,
                (0..3600).map(|n| (0, n * 1000)).chain((0..900).map(|n| (n * 100, 3_600_000 + n * 100))).collect(),
                10,
                3_689_900 + 8000,
            ),
        ] {
            assert_eq!(reached(unix_ns, packets, silent), expected, "{name}");
        }
        assert_eq!(PipePace::default().reached_ns(wall(1, 0)), None, "nothing came yet");
    }

    #[test]
    fn silence_begins_with_the_last_packet_or_the_start_and_not_in_a_pause() {
        let mut pace = PipePace::default();
        assert_eq!(pace.silent_ns(wall(1000, 0)), 0);
        assert_eq!(pace.silent_ns(wall(4000, 0)), 3 * SECOND_NS);
        pace.came(wall(4500, 0), 1);
        assert_eq!(pace.silent_ns(wall(5000, 0)), SECOND_NS / 2);
        pace.rest(wall(9000, 0));
        assert_eq!(pace.silent_ns(wall(9500, 0)), SECOND_NS / 2);
    }
}
