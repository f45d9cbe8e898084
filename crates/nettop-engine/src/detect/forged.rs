//! Whether sources are forged, as far as their number and their packets tell.

use super::DetectInput;

/// The most packets per source, on average, of sources that send nothing else: a client that opens a connection sends at least three.
pub const HOLDS: f64 = 2.0;
/// In an ordinary second fewer packets than these are of new sources.
const FORGED_SHARE: f64 = 0.5;

/// Whether most packets are of sources that nobody has seen before and that send nothing else, in whatever number.
pub fn is_forged(scene: &DetectInput) -> bool {
    let most = scene.counts.all().packets as f64 * FORGED_SHARE;
    !scene.first && scene.strangers.count as f64 >= most && packets_each(scene) <= HOLDS
}

/// Packets of each source without a past, on average.
pub fn packets_each(scene: &DetectInput) -> f64 {
    scene.strangers.packets as f64 / scene.strangers.count.max(1) as f64
}
