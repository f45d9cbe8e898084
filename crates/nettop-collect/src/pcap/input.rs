//! The bytes of a capture, through one buffer of fixed size. Never waits for a pipe for long.

use std::{
    fs::File,
    io::{self, Read as _},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The buffer, bytes: nothing that is needed whole is longer.
pub const CAPACITY: usize = 1 << 20;

/// How long a pipe may take for more: so short that whoever asks something meanwhile does not notice, but long enough for
/// a program that writes more slowly than this reads.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// A file or a pipe.
#[derive(Debug)]
pub struct Input {
    file: File,
    /// A pipe, socket or terminal may have nothing to read yet.
    waits: bool,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Where in the file the buffer's `start` is.
    offset: u64,
    /// Bytes still to be passed over.
    skipping: u64,
    at_end: bool,
}

/// Whether the bytes asked for are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// They are.
    Ready,
    /// Not yet.
    Pending,
    /// They never will be: the file ends before.
    End,
}

impl Input {
    /// Over an open file.
    pub fn new(file: File) -> Self {
        let waits = !file.metadata().is_ok_and(|metadata| metadata.is_file());
        Self { file, waits, buffer: vec![0; CAPACITY].into(), start: 0, end: 0, offset: 0, skipping: 0, at_end: false }
    }

    /// The file's length; `None`: it is not a regular file.
    pub fn size(&self) -> Option<u64> {
        self.file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len())
    }

    /// Where in the file the next byte is.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What is in the buffer: after [`need`](Self::need) was ready, at least so many bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether the file ends exactly here, when [`need`](Self::need) said that it ends.
    pub fn is_at_end(&self) -> bool {
        self.skipping == 0 && self.start == self.end
    }

    /// Gets the next `count` bytes, at most [`CAPACITY`], into the buffer.
    ///
    /// # Errors
    /// What the file system says.
    pub fn need(&mut self, count: usize) -> io::Result<Fill> {
        loop {
            self.pass_over();
            if self.skipping == 0 && self.end - self.start >= count {
                return Ok(Fill::Ready);
            }
            if self.at_end {
                return Ok(Fill::End);
            }
            if self.waits && !self.is_readable()? {
                return Ok(Fill::Pending);
            }
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            match self.file.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Passes over the next `count` bytes, whether they are in the buffer or not.
    pub fn skip(&mut self, count: u64) {
        self.skipping = self.skipping.saturating_add(count);
        self.pass_over();
    }

    fn pass_over(&mut self) {
        let there = usize::try_from(self.skipping).unwrap_or(usize::MAX).min(self.end - self.start);
        self.start += there;
        self.offset += there as u64;
        self.skipping -= there as u64;
    }

    fn is_readable(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
        match poll(&mut fds, Some(&PATIENCE)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
