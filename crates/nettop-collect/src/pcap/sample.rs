//! The beginning of a packet, kept to be looked at.

use super::record::Order;

/// Bytes of a packet that are kept, to be looked at.
const KEPT: usize = 128;
/// Of those, told.
const TOLD: usize = 16;

/// The beginning of a packet.
pub struct Sample {
    /// What was captured of it, at most [`KEPT`] bytes.
    pub bytes: Vec<u8>,
    /// Its length on the wire.
    pub length: u32,
    /// The byte order of its file.
    pub order: Order,
}

impl Sample {
    /// Of a packet that was `length` bytes long.
    pub fn new(captured: &[u8], length: u32, order: Order) -> Self {
        Self { bytes: captured.get(..KEPT).unwrap_or(captured).to_vec(), length, order }
    }

    /// Its first bytes in hexadecimal.
    pub fn first_bytes(&self) -> String {
        let bytes: Vec<_> = self.bytes.iter().take(TOLD).map(|byte| format!("{byte:02x}")).collect();
        bytes.join(" ")
    }
}
