//! When something is sent: from a start to a stop, all the time or in bursts.

/// Nanoseconds from the beginning of the scenario.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Its first moment.
    pub start_ns: u64,
    /// The first moment behind it.
    pub stop_ns: u64,
    /// How long a burst is, and how long it is from one to the next.
    pub bursts: Option<(f64, f64)>,
}

impl Span {
    /// The moment at which so many seconds were spent sending; `None`: the span is over by then.
    pub fn moment_ns(&self, active: f64) -> Option<u64> {
        let passed = match self.bursts {
            Some((on, every)) => (active / on).floor() * every + active % on,
            None => active,
        };
        let at_ns = self.start_ns + (passed * 1e9) as u64;
        (at_ns < self.stop_ns).then_some(at_ns)
    }
}
