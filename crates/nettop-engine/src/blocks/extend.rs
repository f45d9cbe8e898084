//! `--block-extend`: a block is renewed shortly before its end for as long as it drops something.

use nettop_model::{clock::Moment, net::Net, snapshot::With};
use nettop_process::cause;
use nettop_requests::Caller;

use super::audit::{self, Denied, Verb};
use crate::Engine;

/// How long before its end that is decided, nanoseconds; of a shorter block in its second half.
const LAST_NS: u64 = 60_000_000_000;
/// How long a block lasts at most in all.
const MOST_NS: u64 = 86_400_000_000_000;
/// Packets dropped per second, at least.
const LEAST_PPS: f64 = 1.0;

/// Of a block: when it began, how long it was to last, until when it does, and packets dropped in the newest second.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// On the monotonic clock; before the start of the monitor for those of an earlier run.
    pub began_ns: i128,
    pub lasting_ns: u64,
    pub until_ns: u64,
    pub pps: f64,
}

impl Span {
    /// Until when it is to last from now on; `None`: as it does.
    pub fn extended(&self, now: Moment) -> Option<u64> {
        let Self { began_ns, lasting_ns, until_ns, pps } = *self;
        let left_ns = until_ns.saturating_sub(now.monotonic_ns);
        let is_due = left_ns > 0 && left_ns <= LAST_NS.min(lasting_ns / 2) && pps >= LEAST_PPS;
        let last_ns = u64::try_from(began_ns + i128::from(MOST_NS)).unwrap_or(0);
        let new_ns = now.monotonic_ns.saturating_add(lasting_ns).min(last_ns);
        (is_due && new_ns > until_ns).then_some(new_ns)
    }
}

impl Engine {
    /// At each tick: renews what drops something and would end soon.
    pub(super) fn extend_blocks(&mut self, now: Moment) {
        if !self.blocks.blocking.extend {
            return;
        }
        let due: Vec<_> = self.blocks.book.extended(now).collect();
        for (net, until_ns) in &due {
            let Some(blocker) = self.source.blocker() else { return };
            let extended = self.blocks.book.extend(blocker, net, *until_ns);
            let extended = extended.map_err(|error| Denied::from(cause::told(&error)));
            self.audit_extended(now, *net, *until_ns, &extended);
        }
        if !due.is_empty() {
            self.keep_blocks();
        }
    }

    fn audit_extended(&mut self, now: Moment, net: Net, until_ns: u64, extended: &Result<(), Denied>) {
        let caller = Caller::named("--block-extend");
        let row = audit::Row {
            seconds: Some(until_ns.saturating_sub(now.monotonic_ns) / 1_000_000_000),
            with: Some(With::Xdp),
            ..audit::Row::new(now, &caller, Verb::Extend, net)
        };
        self.sinks.audit(row.with_result(extended));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn what_drops_is_renewed_in_its_last_minute_for_a_day_at_most() {
        let day = 86_400;
        for (name, (began, lasting, until, pps), at, expected) in [
            ("its last minute", (0, 600, 600, 1.0), 540, Some(1_140)),
            ("before that", (0, 600, 600, 1.0), 539, None),
            ("it drops too little", (0, 600, 600, 0.9), 541, None),
            ("it is over", (0, 600, 600, 5.0), 600, None),
            ("a short one, its second half", (0, 10, 10, 5.0), 5, Some(15)),
            ("a short one, its first half", (0, 10, 10, 5.0), 4, None),
            ("renewed before", (0, 600, 9_000, 5.0), 8_950, Some(9_550)),
            ("what is left of a day", (0, 600, day - 100, 5.0), day - 130, Some(day)),
            ("a day is over", (0, 600, day, 5.0), day - 10, None),
            ("longer than a day, as somebody asked", (0, 2 * day, 2 * day, 5.0), 2 * day - 10, None),
            ("of an earlier run", (-(day as i64) + 700, 600, 650, 5.0), 600, Some(700)),
            ("older than this host's uptime", (-(day as i64), 600, 30, 5.0), 10, None),
        ] {
            let began_ns = i128::from(began) * i128::from(SECOND);
            let span = Span { began_ns, lasting_ns: lasting * SECOND, until_ns: until * SECOND, pps };
            let now = Moment { monotonic_ns: at * SECOND, unix_ns: 0 };
            assert_eq!(span.extended(now), expected.map(|seconds| seconds * SECOND), "{name}");
        }
    }

    #[test]
    fn a_clock_that_is_set_changes_nothing() {
        let span = Span { began_ns: 0, lasting_ns: 600 * SECOND, until_ns: 600 * SECOND, pps: 5.0 };
        for unix_ns in [0, 1, u64::MAX] {
            let now = Moment { monotonic_ns: 550 * SECOND, unix_ns };
            assert_eq!(span.extended(now), Some(1_150 * SECOND), "at {unix_ns}");
        }
    }
}
