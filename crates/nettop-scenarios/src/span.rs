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
    /// For how many seconds it grows, evenly.
    pub ramp: f64,
}

impl Span {
    /// The moment at which as much was sent as is in so many seconds at the full rate; `None`: the span is over by then.
    pub fn moment_ns(&self, full: f64) -> Option<u64> {
        let active = if full < self.ramp / 2.0 { (2.0 * full * self.ramp).sqrt() } else { full + self.ramp / 2.0 };
        let passed = match self.bursts {
            Some((on, every)) => (active / on).floor() * every + active % on,
            None => active,
        };
        let at_ns = self.start_ns + (passed * 1e9) as u64;
        (at_ns < self.stop_ns).then_some(at_ns)
    }
}
