//! Which process has which socket open, as the kernel tells it: a program that it runs for each open file of each process, whenever
//! somebody reads. The link is made while there are privileges; reading takes none.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    ops::ControlFlow,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt as _,
    },
};

use nettop_common::sockets::OpenSocket;

use super::bpf;

/// Bytes read at once: as many as the kernel gathers (kernel/bpf/bpf_iter.c).
const AT_ONCE: usize = 32 << 10;

/// The inode of the network namespace of this thread; 0: not known.
pub fn network_namespace() -> u32 {
    fs::metadata("/proc/thread-self/ns/net").map_or(0, |file| file.ino() as u32)
}

/// The program, linked to the open files of all processes.
pub struct OpenFiles {
    link: OwnedFd,
}

impl OpenFiles {
    /// Links the loaded program.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new(program: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self { link: bpf::iterator_link(program)? })
    }

    /// Hands over each socket that some process has open, until `each` breaks off. One is told once for each descriptor.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn read(&self, each: impl FnMut(OpenSocket) -> ControlFlow<()>) -> io::Result<()> {
        let mut records = Records { each, rest: Vec::new() };
        let (mut file, mut buffer) = (File::from(bpf::iterator(self.link.as_fd())?), vec![0; AT_ONCE]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) if records.take(&buffer[..length]).is_break() => return Ok(()),
                Ok(_) => {}
                // The kernel has looked at a million files without a socket, and wants to be asked again.
                Err(error) if [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted].contains(&error.kind()) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Records out of bytes that are cut anywhere.
struct Records<F> {
    each: F,
    /// The beginning of a record whose end has not come yet.
    rest: Vec<u8>,
}

impl<F: FnMut(OpenSocket) -> ControlFlow<()>> Records<F> {
    fn take(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        self.rest.extend_from_slice(bytes);
        let mut records = self.rest.chunks_exact(size_of::<OpenSocket>());
        for record in &mut records {
            (self.each)(bytemuck::pod_read_unaligned(record))?;
        }
        self.rest = records.remainder().to_vec();
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_whole_wherever_they_are_cut() {
        let all: Vec<_> = (1..=5).map(|cookie| OpenSocket { cookie, process: 7, ..OpenSocket::default() }).collect();
        let bytes: &[u8] = bytemuck::cast_slice(&all);
        for size in [1, 7, 47, 48, 49, 96, 200] {
            let mut found = Vec::new();
            let each = |one| {
                found.push(one);
                ControlFlow::Continue(())
            };
            let mut records = Records { each, rest: Vec::new() };
            for part in bytes.chunks(size) {
                assert!(records.take(part).is_continue(), "{size}");
            }
            assert_eq!(found, all, "{size}");
        }
        let mut found = 0;
        let two = |_| {
            found += 1;
            if found == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        assert!(Records { each: two, rest: Vec::new() }.take(bytes).is_break());
        assert_eq!(found, 2);
    }
}
