//! Control groups with a limit of memory, of whichever version is mounted here. Removed when dropped.

use std::{
    fs, io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::program::wait_for;

/// A control group.
#[derive(Debug)]
pub struct Group(PathBuf);

impl Group {
    /// One whose processes may take so many MiB.
    ///
    /// # Errors
    /// Why there can be none here.
    pub fn with_memory(mebibytes: u64) -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let (version_1, version_2) = (Path::new("/sys/fs/cgroup/memory"), Path::new("/sys/fs/cgroup"));
        let (parent, limit) = match version_1.join("memory.limit_in_bytes").exists() {
            true => (version_1, "memory.limit_in_bytes"),
            false => (version_2, "memory.max"),
        };
        let name = format!("nettop-test-{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let folder = parent.join(name);
        fs::create_dir(&folder).map_err(|error| format!("no control group can be made: {error}"))?;
        let group = Self(folder);
        fs::write(group.0.join(limit), (mebibytes << 20).to_string())
            .map_err(|error| format!("a control group here has no limit of memory: {error}"))?;
        Ok(group)
    }

    /// Has the command start in it.
    pub fn hold<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let processes = fs::OpenOptions::new().write(true).open(self.0.join("cgroup.procs")).expect("its processes");
        // SAFETY: between fork and exec, one write to an open file; nothing is allocated.
        unsafe { command.pre_exec(move || io::Write::write_all(&mut &processes, b"0")) }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // As long as one of its processes ends, it cannot be removed.
        let _ = wait_for(|| fs::remove_dir(&self.0).ok());
    }
}
