//! A capture file of either format, packet by packet.
//!
//! Both formats are a few numbers at fixed places, read here and not by a library: pcap-parser (0.17) refuses time stamps in
//! powers of two, and reads the offset of stamps in big-endian files in the wrong byte order.

use std::{fmt, fs::File, io};

use super::{
    input::{Fill, Input},
    pcapng::{self, Section},
    savefile::Savefile,
};

/// More bytes of one packet than this (`MAXIMUM_SNAPLEN` of libpcap) are a sign that the file is damaged.
pub const MOST_CAPTURED: u32 = 262_144;

/// A capture being read.
#[derive(Debug)]
pub struct Capture {
    input: Input,
    format: Option<Format>,
}

#[derive(Debug)]
enum Format {
    Savefile(Savefile),
    Pcapng(Section),
}

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
    /// A packet; it stays the next one until [`Capture::pass`].
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

impl Capture {
    /// Over an open file.
    pub fn new(file: File) -> Self {
        Self { input: Input::new(file), format: None }
    }

    /// Bytes read.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// The file's length; `None`: it is not known.
    pub fn size(&self) -> Option<u64> {
        self.input.size()
    }

    /// The byte order of the numbers around the newest packet, and of those in the headers of some links.
    pub fn order(&self) -> Order {
        match &self.format {
            Some(Format::Savefile(savefile)) => savefile.order(),
            Some(Format::Pcapng(section)) => section.order(),
            None => Order::default(),
        }
    }

    /// The link type of all its packets, when the format and the file's header tell.
    pub fn only_link(&self) -> Option<u32> {
        match &self.format {
            Some(Format::Savefile(savefile)) => Some(savefile.link),
            _ => None,
        }
    }

    /// Reads the file's header, if that has not been done. False: it has not come yet.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(&mut self) -> Result<bool, Damage> {
        if self.format.is_some() {
            return Ok(true);
        }
        match self.input.need(4)? {
            Fill::Ready => {}
            Fill::Pending => return Ok(false),
            Fill::End if self.input.is_at_end() => return Err(Damage::NotCapture("it is empty".into())),
            Fill::End => return Err(not_capture(self.input.bytes())),
        }
        let Some(magic) = self.input.bytes().first_chunk::<4>() else { return Ok(false) };
        self.format = if *magic == pcapng::SECTION_HEADER.to_be_bytes() {
            Some(Format::Pcapng(Section::default()))
        } else if Savefile::is_magic(*magic) {
            match self.input.need(Savefile::HEADER)? {
                Fill::Ready => {}
                Fill::Pending => return Ok(false),
                Fill::End => return Err(Damage::CutShort("its header")),
            }
            let savefile = Savefile::parse(self.input.bytes())?;
            self.input.skip(Savefile::HEADER as u64);
            Some(Format::Savefile(savefile))
        } else {
            return Err(not_capture(self.input.bytes()));
        };
        Ok(true)
    }

    /// The next packet.
    ///
    /// # Errors
    /// Why there is none, although the file does not end.
    pub fn next_packet(&mut self) -> Result<Next, Damage> {
        if !self.open()? {
            return Ok(Next::Pending);
        }
        match &mut self.format {
            Some(Format::Savefile(savefile)) => savefile.next_packet(&mut self.input),
            Some(Format::Pcapng(section)) => section.next_packet(&mut self.input),
            None => Ok(Next::Pending),
        }
    }

    /// What was captured of it.
    pub fn packet(&self, found: &Found) -> &[u8] {
        let from = found.skip as usize;
        self.input.bytes().get(from..from + found.captured as usize).unwrap_or_default()
    }

    /// Goes on behind it.
    pub fn pass(&mut self, found: &Found) {
        self.input.skip(found.whole.into());
    }
}

/// How compressed files begin, and what makes captures of them.
const COMPRESSED: &[(&[u8], &str, &str)] = &[
    (&[0x1f, 0x8b], "gzip", "gunzip"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "Zstandard", "unzstd"),
    (&[0xfd, b'7', b'z', b'X'], "xz", "unxz"),
    (b"BZh", "bzip2", "bunzip2"),
    (&[0x04, 0x22, 0x4d, 0x18], "LZ4", "unlz4"),
    (b"PK\x03\x04", "zip", "unzip"),
];

fn not_capture(bytes: &[u8]) -> Damage {
    let compressed = COMPRESSED.iter().find(|(magic, ..)| bytes.starts_with(magic));
    Damage::NotCapture(match compressed {
        Some((_, name, remedy)) => format!("it is compressed with {name}; {remedy} it first"),
        None => {
            let first: Vec<_> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            format!("neither pcap nor pcapng (first bytes {})", first.join(" "))
        }
    })
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
