//! Debian's kernels, from the package archive that apt is configured with.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};

use super::apt::{self, Apt};

/// A release of Debian, whose newest kernel for virtual machines is used.
#[derive(Debug)]
pub struct Kernel {
    /// Its code name.
    pub release: &'static str,
    /// Whether nettop works there; else it must say what it needs.
    pub works: bool,
}

/// One row for each, oldest first.
pub const KERNELS: &[Kernel] = &[
    Kernel { release: "bullseye", works: false },
    Kernel { release: "bookworm", works: true },
    Kernel { release: "trixie", works: true },
    Kernel { release: "sid", works: true },
];
/// The release that most hosts run.
pub const DEFAULT: &Kernel = &KERNELS[1];
/// What nettop says where a kernel is too old.
pub const NEEDED: &str = "needs Linux 5.18";

/// Depends on the newest kernel that has what virtual machines need.
const META: &str = "linux-image-cloud-amd64";
/// What holds a kernel and its modules.
const PARTS: [&str; 3] = ["linux-image-", "linux-binary-", "linux-modules-"];
/// Modules the tests need, each behind those that it needs itself.
const MODULES: [&str; 7] = ["veth", "tun", "inet_diag", "tcp_diag", "udp_diag", "raw_diag", "af_packet_diag"];

/// A kernel and its modules, as files.
pub struct Fetched {
    /// What boots.
    pub kernel: PathBuf,
    /// Modules to load, compressed or not.
    pub modules: Vec<PathBuf>,
}

/// The kernel of a release, for the command line.
pub fn by_name(name: &str) -> Result<&'static Kernel, String> {
    KERNELS.iter().find(|kernel| kernel.release == name).ok_or_else(|| {
        let names: Vec<_> = KERNELS.iter().map(|kernel| kernel.release).collect();
        format!("there are {}", names.join(", "))
    })
}

/// Fetches the newest kernel of a release into `folder`, once: to have it fetched again, remove the folder.
///
/// # Errors
/// What apt says, or what is not in the packages.
pub fn fetch(folder: &Path, release: &str) -> Result<Fetched> {
    let unpacked = apt::unpack(folder, release, packages)?;
    let files = apt::files(&unpacked)?;
    let named = |wanted: &str| {
        let is_it = |file: &&PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(wanted));
        files.iter().find(is_it).cloned().ok_or_else(|| anyhow!("there is no {wanted} in {}", unpacked.display()))
    };
    let modules = MODULES.iter().map(|module| named(&format!("{module}.ko"))).collect::<Result<_>>()?;
    Ok(Fetched { kernel: named("vmlinuz")?, modules })
}

/// The packages of the newest kernel.
fn packages(apt: &Apt) -> Result<Vec<String>> {
    let told = apt.ask(&["depends", "--important", "--recurse", META])?;
    let has_version = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    let is_part = |name: &&str| PARTS.iter().any(|part| name.strip_prefix(part).is_some_and(has_version));
    let packages: Vec<_> = told.lines().filter(is_part).map(str::to_string).collect();
    if packages.is_empty() {
        bail!("{META} depends on no kernel: {}", told.lines().take(3).collect::<Vec<_>>().join("; "));
    }
    Ok(packages)
}
