//! What both formats of captures say of a packet, and how what they say is read.

use std::{fmt, io};

/// More bytes of one packet than this (`MAXIMUM_SNAPLEN` of libpcap) are a sign that the file is damaged.
pub const MOST_CAPTURED: u32 = 262_144;

/// Where the next packet is, and what the file says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Link type, as numbered by tcpdump.org.
    pub link: u32,
    /// Its stamp, Unix nanoseconds; `None`: it has none.
    pub at_ns: Option<u64>,
    /// Its length on the wire.
    pub length: u32,
    /// How much of it was captured.
    pub captured: u32,
    /// Where it begins, bytes from here.
    pub skip: u32,
    /// Where the next record begins, bytes from here.
    pub whole: u32,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A packet; it stays the next one until [`Capture::pass`](super::capture::Capture::pass).
    Packet(Found),
    /// Nothing yet.
    Pending,
    /// The end.
    End,
}

/// Why a capture cannot be read on.
#[derive(Debug)]
pub enum Damage {
    /// The file ends in the middle of something.
    CutShort(&'static str),
    /// It contradicts itself.
    Corrupt(String),
    /// It is something else.
    NotCapture(String),
    /// The file system says so.
    Io(io::Error),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutShort(what) => write!(f, "the file is cut short in the middle of {what}"),
            Self::Corrupt(what) => write!(f, "the file is damaged: {what}"),
            Self::NotCapture(what) => write!(f, "not a capture file: {what}"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads numbers in the byte order of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Most significant byte first.
    pub big_endian: bool,
}

impl Order {
    /// The number of two bytes at `at`; 0 where there are none.
    pub fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let two = bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        if self.big_endian { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) }
    }

    /// The number of four bytes at `at`; 0 where there are none.
    pub fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let four = bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        if self.big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    }

    /// The number of eight bytes at `at`; 0 where there are none.
    pub fn u64(self, bytes: &[u8], at: usize) -> u64 {
        let eight = bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        if self.big_endian { u64::from_be_bytes(eight) } else { u64::from_le_bytes(eight) }
    }
}
