//! A capture file of either format, packet by packet.
//!
//! Both formats are a few numbers at fixed places, read here and not by a library: pcap-parser (0.17) refuses time stamps in
//! powers of two, and reads the offset of stamps in big-endian files in the wrong byte order.

use std::fs::File;

use super::{
    input::{Fill, Input},
    pcapng::{self, Section},
    record::{Damage, Found, Next, Order},
    savefile::Savefile,
};

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
