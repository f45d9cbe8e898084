//! The newer format: pcapng (draft-ietf-opsawg-pcapng), a sequence of blocks.

use super::{
    input::{Fill, Input},
    record::{Damage, Found, MOST_CAPTURED, Next, Order},
};

/// Type of the block that begins a section; the same in both byte orders.
pub const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// What a section header says about the byte order.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Codes of an interface's options.
const TIME_RESOLUTION: u16 = 9;
const TIME_OFFSET: u16 = 14;

/// Type and length, and the length again at the end.
const FRAMING: u32 = 12;
/// Blocks of the types above that are longer are a sign of damage: a packet, and its options.
const MOST_BLOCK: u32 = MOST_CAPTURED * 2;
/// More interfaces in one section than this are one too.
const MOST_INTERFACES: usize = 65_536;
/// The latest stamp, Unix nanoseconds: in the year 2262. Later ones are taken for it.
const LATEST_NS: u64 = i64::MAX as u64;

/// The section being read.
#[derive(Debug, Default)]
pub struct Section {
    order: Order,
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interface {
    link: u32,
    /// Bytes captured of a packet at most; 0: all.
    snap_length: u32,
    /// Units of time per second.
    units: u128,
    /// To be added to each stamp.
    offset_seconds: i64,
}

impl Section {
    /// The byte order of its numbers.
    pub fn order(&self) -> Order {
        self.order
    }

    /// The next packet, in this section or one that follows.
    ///
    /// # Errors
    /// Why there is none, although the file does not end.
    pub fn next_packet(&mut self, input: &mut Input) -> Result<Next, Damage> {
        loop {
            match input.need(FRAMING as usize)? {
                Fill::Ready => {}
                Fill::Pending => return Ok(Next::Pending),
                Fill::End if input.is_at_end() => return Ok(Next::End),
                Fill::End => return Err(Damage::CutShort("a block")),
            }
            let bytes = input.bytes();
            let kind = self.order.u32(bytes, 0);
            if kind == SECTION_HEADER {
                // Before the length can be read.
                self.order = byte_order(bytes)?;
            }
            let whole = self.order.u32(bytes, 4);
            if whole < FRAMING || !whole.is_multiple_of(4) {
                return Err(Damage::Corrupt(format!("a block of {whole} bytes")));
            }
            if !matches!(kind, SECTION_HEADER | INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET) {
                input.skip(whole.into());
                continue;
            }
            if whole > MOST_BLOCK {
                return Err(Damage::Corrupt(format!("a block of type {kind} of {whole} bytes")));
            }
            match input.need(whole as usize)? {
                Fill::Ready => {}
                Fill::Pending => return Ok(Next::Pending),
                Fill::End => return Err(Damage::CutShort("a block")),
            }
            let block = input.bytes().get(..whole as usize).unwrap_or_default();
            if self.order.u32(block, block.len().saturating_sub(4)) != whole {
                return Err(Damage::Corrupt("the two lengths of a block differ".into()));
            }
            let found = match kind {
                SECTION_HEADER => {
                    let version = (self.order.u16(block, 12), self.order.u16(block, 14));
                    // 1.2 was written by mistake, and is the same.
                    if !matches!(version, (1, 0 | 2)) {
                        let (major, minor) = version;
                        return Err(Damage::NotCapture(format!(
                            "version {major}.{minor} of the pcapng format is not known"
                        )));
                    }
                    self.interfaces.clear();
                    None
                }
                INTERFACE => {
                    self.add_interface(block)?;
                    None
                }
                _ => Some(self.packet(kind, block)?),
            };
            match found {
                Some(found) => return Ok(Next::Packet(found)),
                None => input.skip(whole.into()),
            }
        }
    }

    fn add_interface(&mut self, block: &[u8]) -> Result<(), Damage> {
        if self.interfaces.len() >= MOST_INTERFACES {
            return Err(Damage::Corrupt(format!("more than {MOST_INTERFACES} interfaces")));
        }
        let order = self.order;
        let mut interface = Interface {
            link: order.u16(block, 8).into(),
            snap_length: order.u32(block, 12),
            units: 1_000_000,
            offset_seconds: 0,
        };
        // Options: code, length, value, padding; ended by code 0. What is behind a wrong length is not known.
        let mut options = block.get(16..block.len() - 4).unwrap_or_default();
        while options.len() >= 4 {
            let (code, length) = (order.u16(options, 0), usize::from(order.u16(options, 2)));
            let Some(value) = options.get(4..4 + length) else { break };
            match (code, length) {
                (0, _) => break,
                (TIME_RESOLUTION, 1..) => interface.units = units(value[0])?,
                (TIME_OFFSET, 8..) => interface.offset_seconds = order.u64(value, 0).cast_signed(),
                _ => {}
            }
            options = options.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn packet(&self, kind: u32, block: &[u8]) -> Result<Found, Damage> {
        let order = self.order;
        let whole = block.len() as u32;
        // Where the stamp is, and where the packet.
        let (interface, stamp, skip) = match kind {
            OBSOLETE_PACKET => (order.u16(block, 8).into(), Some(12), 28),
            SIMPLE_PACKET => (0, None, 12),
            _ => (order.u32(block, 8), Some(12), 28),
        };
        let Some(room) = whole.checked_sub(skip + 4) else {
            return Err(Damage::Corrupt(format!("a block of {whole} bytes, too few for a packet")));
        };
        let Some(Interface { link, snap_length, units, offset_seconds }) = self.interfaces.get(interface as usize)
        else {
            return Err(Damage::Corrupt(format!("a packet of interface {interface}, of which it does not tell")));
        };
        let (captured, length) = match stamp {
            Some(_) => (order.u32(block, 20), order.u32(block, 24)),
            None => {
                let length = order.u32(block, 8);
                let most = if *snap_length == 0 { u32::MAX } else { *snap_length };
                (length.min(most).min(room), length)
            }
        };
        if captured > room || captured > MOST_CAPTURED {
            return Err(Damage::Corrupt(format!("a packet of {captured} captured bytes in a block of {whole}")));
        }
        let at_ns = stamp.map(|at| {
            let ticks = u64::from(order.u32(block, at)) << 32 | u64::from(order.u32(block, at + 4));
            nanoseconds(ticks, *units, *offset_seconds)
        });
        Ok(Found { link: *link, at_ns, length, captured, skip, whole })
    }
}

fn byte_order(header: &[u8]) -> Result<Order, Damage> {
    let orders = [false, true].map(|big_endian| Order { big_endian });
    let order = orders.into_iter().find(|order| order.u32(header, 8) == BYTE_ORDER);
    order.ok_or_else(|| Damage::Corrupt("a section header without byte order".into()))
}

/// Units per second: a power of 10, or of 2 where the highest bit is set.
fn units(resolution: u8) -> Result<u128, Damage> {
    let exponent = u32::from(resolution & 0x7f);
    let units = if resolution & 0x80 == 0 { 10_u128.checked_pow(exponent) } else { 1_u128.checked_shl(exponent) };
    units.ok_or_else(|| Damage::Corrupt(format!("stamps in units of 10^-{exponent} seconds")))
}

fn nanoseconds(ticks: u64, units: u128, offset_seconds: i64) -> u64 {
    let since = match units {
        1_000_000 => ticks.saturating_mul(1000),
        1_000_000_000 => ticks,
        _ => u64::try_from(u128::from(ticks) * 1_000_000_000 / units).unwrap_or(u64::MAX),
    };
    let offset = offset_seconds.unsigned_abs().saturating_mul(1_000_000_000);
    let since = if offset_seconds < 0 { since.saturating_sub(offset) } else { since.saturating_add(offset) };
    since.min(LATEST_NS)
}
