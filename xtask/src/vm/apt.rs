//! Packages of any release of Debian, fetched and unpacked into a folder: the host stays as it is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, anyhow};

use crate::process;

/// Fetches the packages that `choose` names, of a release, into `folder`, and returns where they are unpacked. Once: to have
/// them fetched again, remove the folder.
///
/// # Errors
/// What apt says.
pub fn unpack(folder: &Path, release: &str, choose: impl FnOnce(&Apt) -> Result<Vec<String>>) -> Result<PathBuf> {
    let unpacked = folder.join("unpacked");
    if !unpacked.exists() {
        let apt = Apt::new(&folder.join("apt"), release)?;
        let packages = choose(&apt)?;
        println!("fetching {} of {release}", packages.join(" "));
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
    Ok(unpacked)
}

/// Every file below a folder.
///
/// # Errors
/// One that cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
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
pub struct Apt {
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
        fs::write(&sources, format!("deb {signed}{} {release} main\n", host()?.1))?;
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

    /// What apt-cache says.
    ///
    /// # Errors
    /// What it complains of.
    pub fn ask(&self, question: &[&str]) -> Result<String> {
        self.run("apt-cache", question, &[], Path::new("/"))
    }

    fn run(&self, program: &str, arguments: &[&str], more: &[String], folder: &Path) -> Result<String> {
        process::read(Command::new(program).args(&self.options).args(arguments).args(more).current_dir(folder))
    }
}

/// The host's own release, and its package archive.
///
/// # Errors
/// apt knows none.
pub fn host() -> Result<(String, String)> {
    let format = ["indextargets", "--format", "$(COMPONENT) $(CODENAME) $(REPO_URI)", "Created-By: Packages"];
    let told = process::read(Command::new("apt-get").args(format))?;
    let targets = told.lines().filter_map(|line| line.strip_prefix("main ")?.split_once(' '));
    // Updates and backports have a hyphen in their name.
    let mut releases = targets.filter(|(release, _)| !release.contains('-'));
    let found = releases.next().map(|(release, archive)| (release.to_string(), archive.to_string()));
    found.ok_or_else(|| anyhow!("apt is configured with no package archive"))
}
