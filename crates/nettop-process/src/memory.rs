//! How much memory this process may use: what control groups allow, of both versions, and what of that is left.
//!
//! What the kernel's maps take counts for the group as well. Who exceeds a limit is killed, so that limits are looked at before
//! anything large is taken.

mod groups;

use std::{fmt, mem, path::PathBuf};

/// A limit of a control group that this process is in, or of one above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The file that sets it.
    pub file: PathBuf,
    /// Bytes.
    pub bytes: u64,
    /// Bytes that are in use by the group, and that the kernel cannot take back as it can pages of files.
    pub used: u64,
    /// Whether who exceeds it is killed, and not only slowed down (`memory.high`).
    pub kills: bool,
}

impl Limit {
    /// Bytes that are left.
    pub fn left(&self) -> u64 {
        self.bytes.saturating_sub(self.used)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, limit, left) = (self.file.display(), mebibytes(self.bytes), mebibytes(self.left()));
        write!(f, "{limit} by {file}, of which {left} are left")
    }
}

/// As `12 MiB`.
pub fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// Every limit over this process, as far as they can be seen from here.
pub fn limits() -> Vec<Limit> {
    groups::limits()
}

/// The limit that leaves the least.
pub fn tightest() -> Option<Limit> {
    limits().into_iter().min_by_key(Limit::left)
}

/// All memory of the host, bytes.
pub fn of_host() -> u64 {
    // SAFETY: plain integers, for which zero is valid; sysinfo fills them in.
    unsafe {
        let mut info: libc::sysinfo = mem::zeroed();
        libc::sysinfo(&raw mut info);
        info.totalram * u64::from(info.mem_unit)
    }
}

/// A limit of this process; `None`: there is none, or it cannot be told. Inside of the sandbox this call is not made, which rustix
/// takes for impossible.
pub fn limit_of_process(resource: libc::__rlimit_resource_t) -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: a buffer of the right type; where the call fails, it stays as it is.
    unsafe { libc::getrlimit(resource, &raw mut limit) };
    (limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// What to do where the kernel has given no memory.
pub fn remedy() -> String {
    let mut limits = Vec::new();
    limits.extend(tightest().map(|limit| limit.to_string()));
    limits.extend(
        limit_of_process(libc::RLIMIT_AS).map(|bytes| format!("{} by RLIMIT_AS (ulimit -v)", mebibytes(bytes))),
    );
    let allowed = match limits[..] {
        [] => String::new(),
        _ => format!(" (allowed are {})", limits.join(", and ")),
    };
    format!("the kernel gives no more memory{allowed}: have the maps take less with --map-memory 1, or raise the limit")
}
