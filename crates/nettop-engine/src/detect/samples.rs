//! The sampled packets of one second.

use nettop_common::Event;
use nettop_process::heap;

/// Packets kept of a second; of more, these are drawn at random.
const MOST: usize = 10_240;

/// Them.
#[derive(Debug, Default)]
pub struct Samples {
    kept: Vec<Event>,
    seen: usize,
}

impl Samples {
    /// Adds one.
    pub fn add(&mut self, event: &Event) {
        self.seen += 1;
        if self.kept.len() < MOST {
            heap::make_room(&mut self.kept);
            self.kept.push(*event);
        } else if let Some(place) = self.kept.get_mut(fastrand::usize(..self.seen)) {
            // Each has the same chance to stay (Vitter's algorithm R).
            *place = *event;
        }
    }

    /// The next second begins.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.seen = 0;
    }

    /// Those kept. How many packets each stands for is its weight, times [`dropped`](Self::dropped).
    pub fn kept(&self) -> &[Event] {
        &self.kept
    }

    /// For how many each of those kept stands.
    pub fn dropped(&self) -> f64 {
        self.seen as f64 / self.kept.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::syn;

    #[test]
    fn memory_is_bounded_and_the_draw_is_fair() {
        let mut samples = Samples::default();
        (0..100_000).for_each(|n| samples.add(&syn(n % 2, 1, 0, 1)));
        assert_eq!(samples.kept().len(), MOST);
        let odd = samples.kept().iter().filter(|event| **event == syn(1, 1, 0, 1)).count();
        assert!((0.45..0.55).contains(&(odd as f64 / MOST as f64)), "{odd}");
        assert!((samples.dropped() - 100_000.0 / MOST as f64).abs() < 0.01);
        samples.clear();
        assert!(samples.kept().is_empty());
    }
}
