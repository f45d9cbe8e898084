//! What the kernel drops: sums since the start or the last reset, and rates from two readings.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use nettop_collect::drops::DropReading;
use nettop_model::{
    order,
    snapshot::{Degraded, DropReason, Drops},
};

/// What reasons of subsystems are called together.
const OTHER: &str = "OTHER";

/// The newest reading, and what followed from it.
#[derive(Default)]
pub struct DropState {
    newest: Option<DropReading>,
    /// Where everything was counted anew.
    base: Option<DropReading>,
    drops: Option<Arc<Drops>>,
}

impl DropState {
    /// Enters a reading.
    pub fn enter(&mut self, reading: DropReading) {
        let before = self.newest.replace(reading);
        self.publish(before.as_ref());
    }

    /// Counts anew from the newest reading on.
    pub fn reset(&mut self) {
        self.base.clone_from(&self.newest);
        self.publish(None);
    }

    /// What is published; `None`: nothing was asked for, or read yet.
    pub fn drops(&self) -> Option<Arc<Drops>> {
        self.drops.clone()
    }

    /// Whether the reasons sum up to everything.
    pub fn holds(&self) -> bool {
        self.drops.as_deref().is_none_or(|drops| drops.holds)
    }

    /// That nothing is counted, where somebody wanted it.
    pub fn degraded(&self) -> Option<Degraded> {
        let reason = self.newest.as_ref()?.refused.clone()?;
        Some(Degraded {
            badge: "no drops".into(),
            what: "what the kernel drops is not counted".into(),
            reason,
            remedy: "packets are counted all the same; it takes a kernel with its types (CONFIG_DEBUG_INFO_BTF), CAP_BPF and \
                     CAP_PERFMON: see nettop doctor"
                .into(),
        })
    }

    fn publish(&mut self, before: Option<&DropReading>) {
        let (Some(newest), nothing) = (&self.newest, DropReading::default()) else { return };
        let base = self.base.as_ref().unwrap_or(&nothing);
        // Of the first reading nothing is known of how long it took.
        let seconds = before.map_or(0.0, |before| newest.at.seconds_since(&before.at));
        let before = before.unwrap_or(newest);
        let rate =
            |now: u64, before: u64| if seconds > 0.0 { now.saturating_sub(before) as f64 / seconds } else { 0.0 };
        let (earlier, first) = (by_reason(before), by_reason(base));
        let at = |of: &HashMap<&str, u64>, reason: &str| of.get(reason).copied().unwrap_or_default();
        let mut reasons: Vec<_> = rows(newest)
            .map(|(reason, packets)| DropReason {
                reason: reason.into(),
                packets: packets.saturating_sub(at(&first, reason)),
                pps: rate(packets, at(&earlier, reason)),
            })
            .filter(|row| row.packets > 0)
            .collect();
        order::sort_by_key(&mut reasons, |row| Reverse((row.pps as u64, row.packets)));
        let seen = newest.seen.saturating_sub(base.seen);
        self.drops = Some(Arc::new(Drops {
            at_ns: newest.at.unix_ns,
            seen,
            pps: rate(newest.seen, before.seen),
            missed: newest.missed.unwrap_or_default().saturating_sub(base.missed.unwrap_or_default()),
            holds: seen == reasons.iter().map(|row| row.packets).sum::<u64>(),
            reasons,
            refused: newest.refused.clone(),
        }));
    }
}

fn rows(reading: &DropReading) -> impl Iterator<Item = (&str, u64)> {
    let reasons = reading.reasons.iter().map(|(reason, packets)| (reason.as_str(), *packets));
    reasons.chain([(OTHER, reading.other)])
}

fn by_reason(reading: &DropReading) -> HashMap<&str, u64> {
    rows(reading).collect()
}

#[cfg(test)]
mod tests {
    use nettop_model::clock::Moment;

    use super::*;

    fn reading(second: u64, seen: u64, reasons: &[(&str, u64)], other: u64) -> DropReading {
        let ns = second * 1_000_000_000;
        DropReading {
            at: Moment { monotonic_ns: ns, unix_ns: ns },
            seen,
            reasons: reasons.iter().map(|(reason, packets)| ((*reason).into(), *packets)).collect(),
            other,
            missed: Some(seen / 10),
            refused: None,
        }
    }

    /// Everything, its rate, what was missed, and each reason with its packets and rate.
    fn told(state: &DropState) -> (u64, f64, u64, Vec<(String, u64, f64)>) {
        let drops = state.drops().expect("a reading");
        let rows = drops.reasons.iter().map(|row| (row.reason.clone(), row.packets, row.pps));
        (drops.seen, drops.pps, drops.missed, rows.collect())
    }

    #[test]
    fn rates_and_sums_follow_from_readings() {
        let mut state = DropState::default();
        assert!(state.drops().is_none() && state.holds() && state.degraded().is_none());
        let row = |reason: &str, packets, pps| (reason.to_string(), packets, pps);
        let first = reading(1, 30, &[("NO_SOCKET", 10), ("TCP_CSUM", 20)], 0);
        for (name, reading, expected) in [
            ("the first", first, (30, 0.0, 3, vec![row("TCP_CSUM", 20, 0.0), row("NO_SOCKET", 10, 0.0)])),
            (
                "two seconds later, with a new one and one of a subsystem",
                reading(3, 60, &[("NO_SOCKET", 14), ("TCP_CSUM", 20), ("NETFILTER_DROP", 20)], 6),
                (
                    60,
                    15.0,
                    6,
                    vec![
                        row("NETFILTER_DROP", 20, 10.0),
                        row(OTHER, 6, 3.0),
                        row("NO_SOCKET", 14, 2.0),
                        row("TCP_CSUM", 20, 0.0),
                    ],
                ),
            ),
        ] {
            state.enter(reading);
            assert_eq!(told(&state), expected, "{name}");
            assert!(state.holds(), "{name}");
        }
        state.reset();
        assert_eq!(told(&state), (0, 0.0, 0, vec![]), "counted anew");
        state.enter(reading(4, 61, &[("NO_SOCKET", 15), ("TCP_CSUM", 20), ("NETFILTER_DROP", 20)], 6));
        assert_eq!(told(&state), (1, 1.0, 0, vec![row("NO_SOCKET", 1, 1.0)]));
        state.enter(reading(5, 62, &[("NO_SOCKET", 15), ("TCP_CSUM", 20), ("NETFILTER_DROP", 20)], 6));
        assert!(!state.holds(), "one has no reason");
    }

    #[test]
    fn why_nothing_is_counted_is_told() {
        let mut state = DropState::default();
        state.enter(DropReading { refused: Some("no types".into()), ..DropReading::default() });
        assert_eq!(state.degraded().map(|row| (row.badge, row.reason)), Some(("no drops".into(), "no types".into())));
        assert_eq!(state.drops().and_then(|drops| drops.refused.clone()).as_deref(), Some("no types"));
    }
}
