//! The classic format: libpcap's savefile (draft-ietf-opsawg-pcap).

use super::{
    input::{Fill, Input},
    record::{Damage, Found, MOST_CAPTURED, Next, Order},
};

/// What the file's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Savefile {
    /// Link type of all packets.
    pub link: u32,
    order: Order,
    /// A unit of the second part of a stamp, nanoseconds.
    unit_ns: u32,
    /// Length of a record's header.
    record: u32,
    first: First,
}

/// Which length stands first in a record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Captured,
    /// Before version 2.3.
    Original,
    /// Version 2.3 was written either way; what was captured is the smaller one.
    Smaller,
}

/// Magic numbers: seconds and microseconds, seconds and nanoseconds, and Kuznetzov's, with eight bytes more per record.
const MAGICS: [(u32, u32, u32); 3] = [(0xa1b2_c3d4, 1000, 16), (0xa1b2_3c4d, 1, 16), (0xa1b2_cd34, 1000, 24)];

impl Savefile {
    /// Length of the file's header.
    pub const HEADER: usize = 24;

    /// The byte order of its numbers.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Whether a savefile begins with these bytes.
    pub fn is_magic(bytes: [u8; 4]) -> bool {
        MAGICS.iter().any(|(magic, ..)| bytes == magic.to_be_bytes() || bytes == magic.to_le_bytes())
    }

    /// Reads the file's header.
    ///
    /// # Errors
    /// It is of another version.
    pub fn parse(bytes: &[u8]) -> Result<Self, Damage> {
        let kinds = MAGICS.iter().flat_map(|kind| [false, true].map(|big_endian| (kind, Order { big_endian })));
        let mut kinds = kinds.filter(|((magic, ..), order)| order.u32(bytes, 0) == *magic);
        let Some(((_, unit_ns, record), order)) = kinds.next() else {
            return Err(Damage::NotCapture("no pcap file begins so".into()));
        };
        let (major, minor) = (order.u16(bytes, 4), order.u16(bytes, 6));
        if major != 2 {
            return Err(Damage::NotCapture(format!("version {major}.{minor} of the pcap format is not known")));
        }
        let first = match minor {
            0..3 => First::Original,
            3 => First::Smaller,
            _ => First::Captured,
        };
        // The upper bits tell of the frame check sequence.
        let link = order.u32(bytes, 20) & 0x03ff_ffff;
        Ok(Self { link, order, unit_ns: *unit_ns, record: *record, first })
    }

    /// The next packet.
    ///
    /// # Errors
    /// Why there is none, although the file does not end.
    pub fn next_packet(&mut self, input: &mut Input) -> Result<Next, Damage> {
        match input.need(self.record as usize)? {
            Fill::Ready => {}
            Fill::Pending => return Ok(Next::Pending),
            Fill::End if input.is_at_end() => return Ok(Next::End),
            Fill::End => return Err(Damage::CutShort("the header of a packet")),
        }
        let header = input.bytes();
        let [seconds, fraction, one, other] = [0, 4, 8, 12].map(|at| self.order.u32(header, at));
        let swap = match self.first {
            First::Captured => false,
            First::Original => true,
            First::Smaller => one > other,
        };
        let (captured, length) = if swap { (other, one) } else { (one, other) };
        if captured > MOST_CAPTURED {
            return Err(Damage::Corrupt(format!("a packet of {captured} captured bytes")));
        }
        let whole = self.record + captured;
        match input.need(whole as usize)? {
            Fill::Ready => {}
            Fill::Pending => return Ok(Next::Pending),
            Fill::End => return Err(Damage::CutShort("a packet")),
        }
        let at_ns = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * u64::from(self.unit_ns);
        Ok(Next::Packet(Found { link: self.link, at_ns: Some(at_ns), length, captured, skip: self.record, whole }))
    }
}
