//! Whether sampled packets were left out: of a source that lacks some, detail is an estimate.

use super::Known;

/// An event may come so much earlier than its source is in the aggregates, nanoseconds.
const AHEAD_NS: u64 = 100_000_000;
/// Sampling concerns what is in the aggregates a reading later, so it is heeded for one second more.
const SECONDS: u8 = 2;

/// What was left out.
#[derive(Debug, Default)]
pub struct Gaps {
    /// When something was left out last; `None`: never.
    newest_ns: Option<u64>,
    /// The newest time heard of.
    now_ns: u64,
    /// For how many more seconds sources that send lack some.
    thinned: u8,
}

impl Gaps {
    /// Something was left out.
    pub fn note(&mut self, at_ns: u64) {
        self.now_ns = self.now_ns.max(at_ns);
        self.newest_ns = Some(self.now_ns);
    }

    /// Something was left out of a source that is known by then.
    pub fn note_of_known(&mut self) {
        self.newest_ns.get_or_insert_default();
    }

    /// The same as [`note`](Self::note), just now.
    pub fn note_now(&mut self) {
        self.note(self.now_ns);
    }

    /// Not every packet is sampled.
    pub fn thin(&mut self, at_ns: u64) {
        self.note(at_ns);
        self.thinned = SECONDS;
    }

    /// Whether anything of a source may have been left out before its event at `at_ns`.
    pub fn before(&mut self, at_ns: u64, known: Option<Known>) -> bool {
        self.now_ns = self.now_ns.max(at_ns);
        let Some(newest_ns) = self.newest_ns else { return false };
        match known {
            Some(Known { first_ns, .. }) if first_ns < at_ns => true,
            // It is new: only what came with it can be missing ...
            Some(_) => at_ns <= newest_ns,
            // ... or since it is not entered yet.
            None => at_ns.saturating_sub(newest_ns) < AHEAD_NS,
        }
    }

    /// A second is over. Returns whether packets were sampled in it, or just before.
    pub fn close(&mut self) -> bool {
        let thinned = self.thinned > 0;
        self.thinned = self.thinned.saturating_sub(1);
        thinned
    }
}
