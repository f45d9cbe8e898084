//! Dropping packets: what the engine asks of a collector that can.

use anyhow::Result;
use nettop_common::blocks::BlockKey;

/// Drops packets by the address or prefix that they come from.
pub trait Blocker {
    /// How many blocks there can be at once.
    fn room(&self) -> usize;

    /// Drops what comes from there, until that time of a [`Moment`](nettop_model::clock::Moment); a block that there is already is renewed.
    /// Returns the number under which readings have what it drops.
    ///
    /// # Errors
    /// There are too many blocks, or prefixes of too many lengths; the kernel refuses. Everything then stays as it was.
    fn block(&mut self, key: BlockKey, until_ns: u64) -> Result<u32>;

    /// Drops it no more. What it had dropped comes with the next reading.
    ///
    /// # Errors
    /// The kernel refuses: then it goes on dropping until its time is over.
    fn unblock(&mut self, key: &BlockKey) -> Result<()>;
}
