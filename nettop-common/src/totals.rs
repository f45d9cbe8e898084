//! What is counted of all packets.

use bytemuck::{Pod, Zeroable};

use crate::{Class, Outcome, PacketsBytes, Protocol, SizeBucket, counters::Table};

/// What one CPU counted of all packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Totals {
    /// Every packet the program saw, counted on entry.
    pub seen: PacketsBytes,
    /// By [`Class`], counted at the one exit.
    pub classes: [PacketsBytes; Class::COUNT],
    /// Counted packets for whose key there was no slot, by [`Table`].
    pub untracked: [PacketsBytes; Table::COUNT],
    /// Packets chosen as events.
    pub events: u64,
    /// Of those, the ones the ring buffer had no room for.
    pub events_lost: u64,
}

impl Default for Totals {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl Totals {
    /// Adds the totals of another CPU.
    pub fn add(&mut self, other: &Self) {
        let Self { seen, classes, untracked, events, events_lost } = other;
        self.seen.add(*seen);
        add_all(&mut self.classes, classes);
        add_all(&mut self.untracked, untracked);
        self.events += events;
        self.events_lost += events_lost;
    }

    /// What was counted since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut delta = *self;
        let Self { seen, classes, untracked, events, events_lost } = earlier;
        delta.seen = self.seen.since(*seen);
        since_all(&mut delta.classes, classes);
        since_all(&mut delta.untracked, untracked);
        delta.events = self.events.wrapping_sub(*events);
        delta.events_lost = self.events_lost.wrapping_sub(*events_lost);
        delta
    }

    /// The tally of a class, to count in.
    #[inline(always)]
    pub fn class(&mut self, class: Class) -> &mut PacketsBytes {
        &mut self.classes[class.index()]
    }

    /// What had that outcome.
    pub fn outcome(&self, outcome: Outcome) -> PacketsBytes {
        self.of(|class| class.outcome() == outcome)
    }

    /// What was counted of a protocol.
    pub fn protocol(&self, protocol: Protocol) -> PacketsBytes {
        self.of(|class| class.protocol() == Some(protocol))
    }

    /// What was counted of that size.
    pub fn size(&self, size: SizeBucket) -> PacketsBytes {
        self.of(|class| class.size() == Some(size))
    }

    /// What was counted of fragments, the first ones included.
    pub fn fragments(&self) -> PacketsBytes {
        self.of(Class::is_fragment)
    }

    /// What there was no slot for in one of the tables.
    pub fn untracked(&self, table: Table) -> PacketsBytes {
        self.untracked[table as usize]
    }

    fn of(&self, included: impl Fn(Class) -> bool) -> PacketsBytes {
        let mut sum = PacketsBytes::default();
        Class::all().filter(|class| included(*class)).for_each(|class| sum.add(self.classes[class.index()]));
        sum
    }
}

fn add_all(sums: &mut [PacketsBytes], others: &[PacketsBytes]) {
    for (sum, other) in sums.iter_mut().zip(others) {
        sum.add(*other);
    }
}

fn since_all(nows: &mut [PacketsBytes], thens: &[PacketsBytes]) {
    for (now, then) in nows.iter_mut().zip(thens) {
        *now = now.since(*then);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_and_since_are_inverse() {
        let mut one = Totals::default();
        one.seen.count(60);
        one.class(Class::counted(Protocol::Udp, SizeBucket::Small, false)).count(60);
        one.untracked[Table::Macs as usize].count(60);
        one.events = 1;
        let mut two = one;
        two.add(&one);
        assert_eq!(two.since(&one), one);
    }
}
