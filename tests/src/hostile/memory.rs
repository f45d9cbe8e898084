//! Files that are only memory, but have a path.

use std::{fs::File, io::Write as _, os::fd::AsRawFd as _, path::PathBuf};

use rustix::fs::{MemfdFlags, memfd_create};

/// A regular file with this content, and the path under which this process can open it as long as the file is kept.
pub fn file(content: &[u8]) -> (File, PathBuf) {
    let descriptor = memfd_create("hostile", MemfdFlags::CLOEXEC).expect("making a file in memory");
    let mut file = File::from(descriptor);
    file.write_all(content).expect("writing to memory");
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    (file, path)
}
