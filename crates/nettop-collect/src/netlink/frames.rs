//! The messages of a netlink datagram, each where it lies.

use std::io;

use super::attributes::number_at;

/// Bytes of the header of a message.
pub const HEADER: usize = 16;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is about.
    pub kind: u16,
    /// Its flags.
    pub flags: u16,
    /// The number of the question that it answers; of an event whatever its cause has said.
    pub sequence: u32,
    /// What follows its header.
    pub body: &'a [u8],
}

/// The messages, up to the first whose length is wrong: longer than the datagram, or shorter than its header.
pub fn frames(datagram: &[u8]) -> impl Iterator<Item = io::Result<Frame<'_>>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let frame = frame(rest).map(|(frame, length)| {
            // The last one may lack the padding.
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            frame
        });
        if frame.is_none() {
            rest = &[];
        }
        Some(
            frame.ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "a message of the kernel has a wrong length")
            }),
        )
    })
}

fn frame(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let length = number_at(bytes, 0)? as usize;
    let (head, body) = bytes.get(..length)?.split_at_checked(HEADER)?;
    let half = |at: usize| u16::from_ne_bytes([head[at], head[at + 1]]);
    Some((Frame { kind: half(4), flags: half(6), sequence: number_at(head, 8)?, body }, length))
}
