//! The machine itself: QEMU, the host's, or a newer one of its release's backports.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::apt;
use crate::{privilege, process};

/// What it is called.
const NAME: &str = "qemu-system-x86_64";
/// Under 7.2, Linux 6.12 ends in a double fault before its first process; under 10.0 it runs, as 5.10 to 7.2 do.
const TRIED: u32 = 10;
/// What a newer one consists of. Its libraries are those of the older one, which is installed.
const PACKAGES: [&str; 3] = ["qemu-system-x86", "qemu-system-common", "qemu-system-data"];
/// Where the firmware may be.
const FIRMWARE: [&str; 2] = ["/usr/share/seabios", "/usr/share/qemu"];

/// A QEMU.
pub struct Emulator {
    program: PathBuf,
    /// Where it finds its firmware, if not by itself.
    data: Vec<PathBuf>,
}

impl Emulator {
    /// The host's own, where that is new enough; else one of the backports, fetched into `folder`; where there is none, the
    /// host's all the same.
    ///
    /// # Errors
    /// The host has none.
    pub fn find(folder: &Path) -> Result<Self> {
        let program = process::find(NAME, &privilege::ADMINISTRATION).with_context(|| format!("there is no {NAME}"))?;
        let own = Self { program, data: Vec::new() };
        if own.major()? >= TRIED {
            return Ok(own);
        }
        match Self::fetch(folder) {
            Ok(newer) => Ok(newer),
            Err(error) => {
                println!(
                    "QEMU is older than {TRIED}, and no newer one can be had ({error:#}): Linux 6.12 may not start"
                );
                Ok(own)
            }
        }
    }

    fn fetch(folder: &Path) -> Result<Self> {
        let (release, _) = apt::host()?;
        let packages = |_: &apt::Apt| Ok(PACKAGES.map(str::to_string).to_vec());
        let unpacked = apt::unpack(folder, &format!("{release}-backports"), packages)?;
        let data = [unpacked.join("usr/share/qemu")].into_iter().chain(FIRMWARE.map(PathBuf::from)).collect();
        let newer = Self { program: unpacked.join("usr/bin").join(NAME), data };
        match newer.major()? {
            TRIED.. => Ok(newer),
            older => bail!("the backports have {older}"),
        }
    }

    /// The first number of its version.
    fn major(&self) -> Result<u32> {
        let told = process::read(Command::new(&self.program).arg("--version"))?;
        major(&told).with_context(|| format!("{} does not tell its version: {told}", self.program.display()))
    }

    /// Runs it, as a command line begins.
    pub fn command(&self) -> (&Path, Vec<&Path>) {
        (&self.program, self.data.iter().flat_map(|folder| [Path::new("-L"), folder]).collect())
    }
}

/// "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)"
fn major(told: &str) -> Option<u32> {
    told.split_once("version ")?.1.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright"), Some(10));
        assert_eq!(major("QEMU emulator version 7.2.22"), Some(7));
        assert_eq!(major("qemu: no such option"), None);
    }
}
