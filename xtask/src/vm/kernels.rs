//! Debian's kernels, from the package archive that apt is configured with.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::process;

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
/// Modules the tests need.
const MODULES: [&str; 2] = ["veth", "tun"];

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
    let unpacked = folder.join("kernel");
    if !unpacked.exists() {
        let apt = Apt::new(&folder.join("apt"), release)?;
        let packages = apt.kernel_packages()?;
        println!("fetching {}", packages.join(" "));
        let half = folder.join("half");
        fs::create_dir_all(&half)?;
        apt.run("apt-get", &["download"], &packages, &half)?;
        for package in files(&half)?.iter().filter(|file| file.extension().is_some_and(|end| end == "deb")) {
            process::run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(half.join("root")))?;
        }
        fs::rename(half.join("root"), &unpacked).context("no package was unpacked")?;
        fs::remove_dir_all(&half)?;
        fs::remove_dir_all(folder.join("apt"))?;
    }
    let files = files(&unpacked)?;
    let named = |wanted: &str| {
        let is_it = |file: &&PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(wanted));
        files.iter().find(is_it).cloned().ok_or_else(|| anyhow!("there is no {wanted} in {}", unpacked.display()))
    };
    let modules = MODULES.iter().map(|module| named(&format!("{module}.ko"))).collect::<Result<_>>()?;
    Ok(Fetched { kernel: named("vmlinuz")?, modules })
}

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => found.extend(files(&entry.path())?),
            false => found.push(entry.path()),
        }
    }
    Ok(found)
}

/// apt with lists of its own, so that a release can be looked at without being added to the host's.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// Fetches the list of packages.
    fn new(folder: &Path, release: &str) -> Result<Self> {
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part)).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let sources = folder.join("sources.list");
        let keys = Path::new("/usr/share/keyrings/debian-archive-keyring.gpg");
        let signed = if keys.exists() { format!("[signed-by={}] ", keys.display()) } else { String::new() };
        fs::write(&sources, format!("deb {signed}{} {release} main\n", archive()?))?;
        let folder = folder.display();
        let options = [
            format!("Dir::Etc::SourceList={}", sources.display()),
            "Dir::Etc::SourceParts=/dev/null".into(),
            format!("Dir::State::Lists={folder}/lists"),
            format!("Dir::Cache={folder}/cache"),
            "APT::Architecture=amd64".into(),
            "APT::Sandbox::User=root".into(),
            "Acquire::Languages=none".into(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".into(),
            // Of releases that are no longer maintained.
            "Acquire::Check-Valid-Until=false".into(),
        ];
        let apt = Self { options: options.into_iter().flat_map(|option| ["-o".into(), option]).collect() };
        apt.run("apt-get", &["-qq", "update", "--error-on=any"], &[], Path::new("/"))?;
        Ok(apt)
    }

    /// The packages of the newest kernel.
    fn kernel_packages(&self) -> Result<Vec<String>> {
        let told = self.run("apt-cache", &["depends", "--important", "--recurse", META], &[], Path::new("/"))?;
        let has_version = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
        let is_part = |name: &&str| PARTS.iter().any(|part| name.strip_prefix(part).is_some_and(has_version));
        let packages: Vec<_> = told.lines().filter(is_part).map(str::to_string).collect();
        if packages.is_empty() {
            bail!("{META} depends on no kernel: {}", told.lines().take(3).collect::<Vec<_>>().join("; "));
        }
        Ok(packages)
    }

    fn run(&self, program: &str, arguments: &[&str], more: &[String], folder: &Path) -> Result<String> {
        process::read(Command::new(program).args(&self.options).args(arguments).args(more).current_dir(folder))
    }
}

/// The package archive of the host's own release.
fn archive() -> Result<String> {
    let format = ["indextargets", "--format", "$(COMPONENT) $(CODENAME) $(REPO_URI)", "Created-By: Packages"];
    let told = process::read(Command::new("apt-get").args(format))?;
    let targets = told.lines().filter_map(|line| line.strip_prefix("main ")?.split_once(' '));
    // Updates and backports have a hyphen in their name.
    let found = targets.into_iter().find(|(release, _)| !release.contains('-')).map(|(_, archive)| archive.to_string());
    found.ok_or_else(|| anyhow!("apt is configured with no package archive"))
}
