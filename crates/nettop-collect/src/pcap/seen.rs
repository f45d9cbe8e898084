//! The link types that occurred in a capture, and what was found in their packets.

use nettop_common::{NotCounted, Packet};
use nettop_model::snapshot::LinkRow;

use super::{
    capture::Order,
    link::{LinkType, link_type},
    remedy::remedy,
};

/// Bytes of a packet that are kept, to be looked at.
const KEPT: usize = 128;
/// Of those, told.
const TOLD: usize = 16;

/// A link type that occurred.
pub struct Seen {
    /// Its number.
    pub number: u32,
    kind: Option<&'static LinkType>,
    packets: u64,
    not_ip: u64,
    /// The first packet that was not IP.
    first: Option<Sample>,
}

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

impl Seen {
    /// None of it has been seen so far.
    pub fn new(number: u32) -> Self {
        Self { number, kind: link_type(number), packets: 0, not_ip: 0, first: None }
    }

    /// Whether it can be looked into.
    pub fn is_supported(&self) -> bool {
        self.kind.is_some_and(|kind| kind.parse.is_some())
    }

    /// Finds the packet in a frame of it.
    pub fn parse(&mut self, frame: &[u8], length: u32, order: Order) -> Result<Packet, NotCounted> {
        self.packets += 1;
        let parsed = match self.kind.and_then(|kind| kind.parse) {
            Some(parse) => parse(frame, order),
            None => Err(NotCounted::OtherProtocol),
        };
        if parsed.is_err() {
            self.not_ip += 1;
            self.first.get_or_insert_with(|| Sample::new(frame, length, order));
        }
        parsed
    }

    /// As it is told.
    pub fn row(&self) -> LinkRow {
        // Where there is IP too, the others are what every network has.
        let first = self.first.as_ref().filter(|_| self.not_ip == self.packets);
        LinkRow {
            number: self.number,
            name: self.kind.map_or(String::new(), |kind| kind.name.into()),
            supported: self.is_supported(),
            packets: self.packets,
            not_ip: self.not_ip,
            first_bytes: first.map_or(String::new(), Sample::first_bytes),
            remedy: first.map_or(String::new(), |first| remedy(self.number, first)),
        }
    }
}
