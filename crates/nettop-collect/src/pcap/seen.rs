//! The link types that occurred in a capture, and what was found in their packets.

use nettop_common::{NotCounted, Packet};
use nettop_model::snapshot::LinkRow;

use super::{
    link::{LinkType, link_type},
    record::Order,
    remedy::remedy,
    sample::Sample,
};

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
