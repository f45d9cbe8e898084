//! Capture files, written byte by byte from the formats' specifications.

/// The byte order of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Order {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Little, Self::Big];

    fn u16(self, value: u16) -> [u8; 2] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn u64(self, value: u64) -> [u8; 8] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

/// A packet as it is captured.
#[derive(Clone, Debug)]
pub struct Captured {
    /// When, Unix nanoseconds.
    pub at_ns: u64,
    /// The bytes captured.
    pub bytes: Vec<u8>,
    /// How long it was on the wire.
    pub length: u32,
}

impl Captured {
    /// The whole of a packet.
    pub fn whole(at_ns: u64, bytes: Vec<u8>) -> Self {
        Self { at_ns, length: bytes.len() as u32, bytes }
    }
}

/// The classic format, with stamps in microseconds or nanoseconds.
pub fn savefile(order: Order, nanoseconds: bool, link: u32, packets: &[Captured]) -> Vec<u8> {
    let magic = if nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    let mut file = order.u32(magic).to_vec();
    file.extend([order.u16(2), order.u16(4)].concat());
    file.extend([0, 0, 262_144, link].map(|number| order.u32(number)).concat());
    for Captured { at_ns, bytes, length } in packets {
        let fraction = at_ns % 1_000_000_000 / if nanoseconds { 1 } else { 1000 };
        let header = [(at_ns / 1_000_000_000) as u32, fraction as u32, bytes.len() as u32, *length];
        file.extend(header.map(|number| order.u32(number)).concat());
        file.extend(bytes);
    }
    file
}

/// A pcapng file, block by block.
#[derive(Clone, Debug)]
pub struct Pcapng {
    order: Order,
    /// What was written.
    pub file: Vec<u8>,
}

impl Pcapng {
    /// With the header of a first section.
    pub fn new(order: Order) -> Self {
        let mut new = Self { order, file: Vec::new() };
        new.section(order);
        new
    }

    /// Begins another section.
    pub fn section(&mut self, order: Order) -> &mut Self {
        self.order = order;
        let version = [order.u16(1), order.u16(0)].concat();
        self.block(0x0a0d_0d0a, &[&order.u32(0x1a2b_3c4d)[..], &version, &order.u64(u64::MAX)].concat())
    }

    /// Describes an interface, with options: code and value.
    pub fn interface(&mut self, link: u16, snap_length: u32, options: &[(u16, Vec<u8>)]) -> &mut Self {
        let order = self.order;
        let mut body = [&order.u16(link)[..], &[0, 0], &order.u32(snap_length)].concat();
        for (code, value) in options {
            body.extend([order.u16(*code), order.u16(value.len() as u16)].concat());
            body.extend(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        if !options.is_empty() {
            body.extend([0; 4]);
        }
        self.block(1, &body)
    }

    /// The options for stamps in such units (as the option `if_tsresol` has it), from such a second.
    pub fn clock(&self, resolution: u8, offset_seconds: i64) -> Vec<(u16, Vec<u8>)> {
        vec![(9, vec![resolution]), (14, self.order.u64(offset_seconds.cast_unsigned()).to_vec())]
    }

    /// A packet of an interface, as an Enhanced Packet Block.
    pub fn packet(&mut self, interface: u32, ticks: u64, bytes: &[u8], length: u32) -> &mut Self {
        let numbers = [interface, (ticks >> 32) as u32, ticks as u32, bytes.len() as u32, length];
        let mut body = numbers.map(|number| self.order.u32(number)).concat();
        body.extend(bytes);
        self.block(6, &body)
    }

    /// A packet as a Simple Packet Block: of interface 0, without a stamp.
    pub fn simple(&mut self, bytes: &[u8], length: u32) -> &mut Self {
        let body = [&self.order.u32(length)[..], bytes].concat();
        self.block(3, &body)
    }

    /// Any block.
    pub fn block(&mut self, kind: u32, body: &[u8]) -> &mut Self {
        let length = self.order.u32(12 + body.len().next_multiple_of(4) as u32);
        self.file.extend([self.order.u32(kind), length].concat());
        self.file.extend(body);
        self.file.resize(self.file.len().next_multiple_of(4), 0);
        self.file.extend(length);
        self
    }
}
