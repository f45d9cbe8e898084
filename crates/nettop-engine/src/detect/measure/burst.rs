//! What comes faster for a moment than on average of its second.

use nettop_common::TrafficClass;

use crate::detect::DetectInput;

/// How much faster than on average something came for a moment, and the share of it that came in this moment.
#[derive(Clone, Copy)]
pub struct Burst {
    /// How many times faster; 1: it came evenly.
    pub times: f64,
    share: f64,
}

impl Burst {
    /// None.
    pub const NONE: Self = Self { times: 1.0, share: 1.0 };
    /// What came in a moment has to be this part of what a second has to bring.
    const ENOUGH: f64 = 0.6;

    /// That of a class.
    pub fn of(scene: &DetectInput, class: TrafficClass) -> Self {
        let (times, packets) = scene.targets.burst(class, scene.seconds);
        Self { times, share: packets as f64 / scene.targets.all()[class as usize].packets.max(1) as f64 }
    }

    /// How many times faster so many packets in a second came, where that tells anything beside this threshold.
    pub fn times(self, packets: f64, threshold: f64) -> f64 {
        if packets * self.share >= threshold * Self::ENOUGH { self.times } else { 1.0 }
    }
}
