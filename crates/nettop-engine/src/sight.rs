//! Which interfaces have a program that never runs: they receive packets, and none of them is seen. The kernel attaches it
//! anywhere, but some interfaces (VRF, ifb, …) get their packets behind the place where it would run.
//!
//! The program counts what it sees on all interfaces together. In the driver it sees every frame that the interface counts, so
//! what was seen in the network stack is the rest; there, packets may have been merged before, so that *fewer* proves nothing,
//! but *none* does.

use nettop_model::clock::Moment;

/// So few packets may be something of the driver's that is never passed on, such as frames to others.
const LEAST: u64 = 10;
/// Likewise what comes more slowly, per second.
const LEAST_RATE: f64 = 1.0;
/// Seconds after which a trial without an outcome begins anew.
const LONGEST: f64 = 300.0;
/// Seconds after a packet was seen in which what an interface counts proves nothing: some drivers count late.
const LATE: f64 = 5.0;
/// So many packets at most are merged into one before a program in the network stack runs.
const MERGED: u64 = 64;

/// What an interface has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its index.
    pub index: u32,
    /// Whether the program runs in its driver.
    pub native: bool,
    /// Packets since some time.
    pub packets: u64,
}

/// Which interfaces see nothing.
#[derive(Debug, Default)]
pub struct Sight {
    trials: Vec<Trial>,
}

/// What one interface has counted since a while, beside what was seen.
#[derive(Clone, Copy, Debug)]
struct Trial {
    index: u32,
    native: bool,
    since: Moment,
    /// Until when nothing that it counts is evidence.
    held: Option<Moment>,
    at_start: Counts,
    /// What had come in the look before the start; `None`: nobody had looked before.
    before_start: Option<Counts>,
    /// At the newest look.
    newest: Counts,
    /// At the look before there was already enough to judge by, so that what was seen has been read meanwhile.
    ripe: bool,
    /// What it had counted when it was found to see nothing.
    blind_at: Option<u64>,
    /// What of that had come unseen.
    unseen: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    own: u64,
    /// Of the other interfaces whose every frame is seen.
    exact: u64,
    /// Of all other interfaces.
    others: u64,
    seen: u64,
}

impl Counts {
    fn since(&self, start: &Self) -> Self {
        // An interface may begin to count anew.
        Self {
            own: self.own.saturating_sub(start.own),
            exact: self.exact.saturating_sub(start.exact),
            others: self.others.saturating_sub(start.others),
            seen: self.seen.saturating_sub(start.seen),
        }
    }
}

impl Sight {
    /// Told what every attached interface has received and how many packets were seen, once for each look, returns those that
    /// see nothing, with how many packets they have received since it began.
    pub fn judge(&mut self, now: Moment, received: &[Received], seen: u64) -> Vec<(u32, u64)> {
        let kept: Vec<_> = received.iter().map(|one| (one.index, one.native)).collect();
        let known: Vec<_> = self.trials.iter().map(|trial| (trial.index, trial.native)).collect();
        if kept != known {
            // What others have counted is not comparable any more.
            let old = std::mem::take(&mut self.trials);
            self.trials.extend(received.iter().map(|one| {
                let blind = old.iter().find(|trial| trial.index == one.index && trial.native == one.native);
                let new = Trial::new(one, now, counts(received, one, seen));
                blind.map_or(new, |old| Trial { blind_at: old.blind_at, unseen: old.unseen, ..new })
            }));
            return self.blind(received);
        }
        for (trial, one) in self.trials.iter_mut().zip(received) {
            trial.look(now, counts(received, one, seen));
        }
        self.blind(received)
    }

    fn blind(&self, received: &[Received]) -> Vec<(u32, u64)> {
        let blind = self.trials.iter().zip(received).filter_map(|(trial, one)| {
            let since = one.packets.saturating_sub(trial.blind_at?);
            Some((trial.index, trial.unseen + since))
        });
        blind.collect()
    }
}

fn counts(received: &[Received], own: &Received, seen: u64) -> Counts {
    let others = || received.iter().filter(|other| other.index != own.index);
    let exact = others().filter(|other| other.native).map(|other| other.packets).sum();
    Counts { own: own.packets, exact, others: others().map(|other| other.packets).sum(), seen }
}

impl Trial {
    fn new(one: &Received, now: Moment, counts: Counts) -> Self {
        Self {
            index: one.index,
            native: one.native,
            since: now,
            held: None,
            at_start: counts,
            before_start: None,
            newest: counts,
            ripe: false,
            blind_at: None,
            unseen: 0,
        }
    }

    fn look(&mut self, now: Moment, counts: Counts) {
        let came = counts.since(&self.at_start);
        let lately = counts.since(&self.newest);
        self.newest = counts;
        let first = *self.before_start.get_or_insert(lately);
        let exact = came.exact..=came.exact + slack(first.exact, lately.exact);
        let others = came.others + slack(first.others, lately.others);
        let seconds = now.seconds_since(&self.since);
        if came.seen > others {
            // The others cannot have had all of it.
            self.blind_at = None;
            self.begin_late(now, lately);
        } else if came.seen > *exact.end() {
            // It may have been this one.
            self.begin_late(now, lately);
        } else if came.seen + (exact.end() - exact.start()) < *exact.start() || self.is_held(now) {
            self.begin(now, lately);
        } else if came.own >= LEAST + MERGED * (exact.end() - exact.start()) {
            // Had it seen any of that, more would have been seen than the others account for.
            if self.ripe && self.blind_at.is_none() {
                (self.blind_at, self.unseen) = (Some(counts.own), came.own);
            }
            self.ripe = true;
        } else if seconds > LONGEST || seconds * LEAST_RATE > LEAST as f64 && (came.own as f64) < seconds * LEAST_RATE {
            self.begin(now, lately);
        }
    }

    fn is_held(&self, now: Moment) -> bool {
        self.held.is_some_and(|since| now.seconds_since(&since) < LATE)
    }

    fn begin_late(&mut self, now: Moment, lately: Counts) {
        self.held = Some(now);
        self.begin(now, lately);
    }

    fn begin(&mut self, now: Moment, lately: Counts) {
        (self.since, self.at_start, self.before_start, self.ripe) = (now, self.newest, Some(lately), false);
    }
}

/// By how much what was seen may differ from what was counted, since both are not read at once: a quarter of what came in the looks
/// at both ends.
fn slack(first: u64, last: u64) -> u64 {
    let both = first + last;
    if both == 0 { 0 } else { 2 + both / 4 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What came in a second: to each interface, and what of it was seen.
    type Second<'a> = (&'a [u64], u64);

    /// Looks once per second at interfaces (`n` native, `g` generic); returns in which seconds which of them see nothing.
    fn run(kinds: &str, seconds: &[Second]) -> Vec<Vec<u32>> {
        let mut sight = Sight::default();
        let mut received: Vec<_> = kinds
            .chars()
            .zip(1..)
            .map(|(kind, index)| Received { index, native: kind == 'n', packets: 1000 })
            .collect();
        let (mut seen, mut now) = (500, Moment::default());
        sight.judge(now, &received, seen);
        let mut blind = Vec::new();
        for (came, counted) in seconds {
            now.monotonic_ns += 1_000_000_000;
            seen += counted;
            received.iter_mut().zip(*came).for_each(|(one, came)| one.packets += came);
            blind.push(sight.judge(now, &received, seen).into_iter().map(|(index, _)| index).collect());
        }
        blind
    }

    #[test]
    fn what_receives_and_sees_nothing_is_told_within_a_few_seconds() {
        for (name, kinds, seconds, expected) in [
            ("a burst", "g", &[(&[50][..], 0), (&[0], 0), (&[0], 0)][..], 1),
            ("a burst over two looks", "g", &[(&[30], 0), (&[20], 0), (&[0], 0)], 1),
            ("five per second", "g", &[(&[5], 0), (&[5], 0), (&[5], 0), (&[5], 0)], 2),
            ("in the driver", "n", &[(&[1000], 0), (&[1000], 0)], 1),
            // All that was seen was the other one's, to the packet; that takes longer to be sure of.
            ("beside one that is seen", "gn", &[(&[500, 50][..], 50); 8], 4),
            ("on top of one that is seen", "gn", &[(&[300, 300][..], 300); 40], 33),
            ("on top of one that is seen, in a burst", "gn", &[(&[40, 40], 40), (&[900, 0], 0), (&[0, 0], 0)], 2),
            ("beside one that is quiet", "gg", &[(&[100, 0], 0), (&[100, 0], 0)], 1),
            // While the other one is busy nobody can tell; once it is quiet, after a while.
            (
                "beside another one in the stack",
                "gg",
                &[
                    (&[9, 5], 5),
                    (&[90, 0], 0),
                    (&[9, 0], 0),
                    (&[9, 0], 0),
                    (&[9, 0], 0),
                    (&[9, 0], 0),
                    (&[9, 0], 0),
                    (&[9, 0], 0),
                    (&[9, 0], 0),
                ],
                7,
            ),
        ] {
            let blind = run(kinds, seconds);
            let since = blind.iter().position(|blind| blind.contains(&1));
            assert_eq!(since, Some(expected), "{name}: {blind:?}");
            assert!(blind[expected..].iter().all(|blind| blind == &[1]), "{name}: {blind:?}");
        }
    }

    #[test]
    fn what_sees_anything_is_not_accused() {
        let merged: Vec<Second> = vec![(&[4000], 90); 10];
        let slow: Vec<Second> = (0..100).map(|second| (if second % 2 == 0 { &[1][..] } else { &[0] }, 0)).collect();
        for (name, kinds, seconds) in [
            ("all is seen", "n", &[(&[100][..], 100); 20][..]),
            ("nothing comes", "g", &[(&[0][..], 0); 20]),
            ("merged before the program", "g", &merged),
            ("a few frames to others", "n", &slow),
            ("read later than it came", "n", &[(&[100], 0), (&[100], 100), (&[100], 100), (&[0], 100), (&[0], 0)]),
            (
                "counted later than it came",
                "n",
                &[(&[0], 100), (&[0], 0), (&[100], 0), (&[0], 0), (&[0], 0), (&[0], 0)],
            ),
            ("a stall", "n", &[(&[900], 0), (&[30], 930), (&[30], 30), (&[0], 0)]),
            ("both of two", "nn", &[(&[50, 50][..], 100); 10]),
            ("both of two, one merged", "ng", &[(&[50, 500][..], 60); 10]),
            ("both of two, both merged by half", "gg", &[(&[100, 100][..], 100); 10]),
            ("a bridge over a port, merged by half", "gg", &[(&[200, 100][..], 200); 10]),
            ("beside one that counts more than comes", "ng", &[(&[100, 20][..], 80); 10]),
            ("beside a busy one", "ng", &[(&[100_000, 12][..], 100_012); 10]),
            ("reset", "n", &[(&[10], 10), (&[0], 0), (&[10], 10)]),
        ] {
            let blind = run(kinds, seconds);
            assert!(blind.iter().all(Vec::is_empty), "{name}: {blind:?}");
        }
    }

    #[test]
    fn whoever_sees_again_is_cleared_and_what_came_unseen_is_counted() {
        let mut sight = Sight::default();
        let mut look = |second: u64, packets: u64, seen: u64| {
            let now = Moment { monotonic_ns: second * 1_000_000_000, unix_ns: 0 };
            sight.judge(now, &[Received { index: 3, native: false, packets }], seen)
        };
        for (second, packets, seen, expected) in [
            (1, 100, 7, &[][..]),
            (2, 150, 7, &[]),
            (3, 150, 7, &[(3, 50)]),
            (4, 180, 7, &[(3, 80)]),
            (5, 181, 8, &[]),
            (6, 181, 8, &[]),
            // What is counted soon after may have been seen before.
            (7, 281, 8, &[]),
            (8, 281, 8, &[]),
            (9, 281, 8, &[]),
            (10, 281, 8, &[]),
            (11, 300, 8, &[]),
            (12, 300, 8, &[(3, 19)]),
            // The interface begins to count anew.
            (13, 5, 8, &[(3, 19)]),
        ] {
            assert_eq!(look(second, packets, seen), expected, "{second}");
        }
        assert_eq!(sight.judge(Moment::default(), &[], 8), []);
    }

    #[test]
    fn another_interface_makes_nobody_forget_who_sees_nothing() {
        let mut sight = Sight::default();
        let vrf = |packets| Received { index: 3, native: false, packets };
        let port = |packets| Received { index: 4, native: true, packets };
        let mut look = |second: u64, received: &[Received], seen| {
            let now = Moment { monotonic_ns: second * 1_000_000_000, unix_ns: 0 };
            sight.judge(now, received, seen)
        };
        look(0, &[vrf(0)], 0);
        look(1, &[vrf(20)], 0);
        assert_eq!(look(2, &[vrf(20)], 0), [(3, 20)]);
        assert_eq!(look(3, &[vrf(30), port(1000)], 0), [(3, 30)]);
        assert_eq!(look(4, &[vrf(40), port(1010)], 10), [(3, 40)]);
    }
}
