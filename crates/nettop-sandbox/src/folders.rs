//! Landlock: of the file system only what was asked for, and neither TCP connections nor signals to others.

use std::{
    env, fs,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, NetPort,
    PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, Scope,
    make_bitflags,
};
use nettop_model::snapshot::SandboxLayer;

use super::{holds, refused};

/// What was tried: newer rights are not denied, because they were not tried.
const TRIED: ABI = ABI::V6;
const FILES: &str = "files";
const TCP: &str = "TCP";
const SCOPES: &str = "signals";
pub(super) const PARTS: [&str; 3] = [FILES, TCP, SCOPES];

/// What of the file system is still needed.
#[derive(Clone, Debug, Default)]
pub struct Folders {
    rules: Vec<(PathBuf, BitFlags<AccessFs>)>,
    /// Groups that may read what others may not.
    groups: Vec<u32>,
}

impl Folders {
    /// Files in this folder are read, also those that replace others.
    pub fn read(&mut self, folder: &Path) {
        self.add(folder, AccessFs::ReadFile.into());
    }

    /// Files in this folder and those below are listed and read, also those that come later.
    pub fn list(&mut self, folder: &Path) {
        self.add(folder, make_bitflags!(AccessFs::{ReadFile | ReadDir}));
    }

    /// What is read may be of this group, and closed to others: the process is to be a member, whoever it becomes.
    pub fn join(&mut self, group: u32) {
        self.groups.push(group);
    }

    /// The groups to be a member of.
    pub(super) fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// Files in this folder are made, written and replaced.
    pub fn write(&mut self, folder: &Path) {
        self.add(folder, make_bitflags!(AccessFs::{ReadFile | WriteFile | Truncate | MakeReg | RemoveFile}));
    }

    /// The current folder is one of those, for what is written by keys of the screen. But whoever starts in the root folder does not mean
    /// everything there is.
    pub fn write_here(&mut self) {
        let here = env::current_dir().ok().filter(|here| here.parent().is_some());
        here.iter().for_each(|here| self.write(here));
    }

    /// This file is written, and made anew under its name; where it is a pipe or a device, no other in its folder is touched.
    pub fn output(&mut self, path: &Path) {
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => {
                self.add(path, make_bitflags!(AccessFs::{ReadFile | WriteFile}));
            }
            _ => {
                // /dev/stdout, where that is a file.
                if !path.starts_with("/dev") {
                    self.write(parent(path));
                }
                // A link to elsewhere.
                if let Ok(target) = fs::canonicalize(path) {
                    self.write(parent(&target));
                }
            }
        }
    }

    /// This file, or socket, is removed at the end.
    pub fn remove(&mut self, path: &Path) {
        self.add(parent(path), AccessFs::RemoveFile.into());
    }

    fn add(&mut self, path: &Path, access: BitFlags<AccessFs>) {
        self.rules.push((path.into(), access));
    }

    /// Opens them, with the rights of the moment. What is not there, or not to be opened, stays closed.
    pub(super) fn open(&self) -> Fence {
        let mut folders = self.clone();
        // To see whether the terminal is still there, and how large it is.
        folders.add(Path::new("/dev/tty"), make_bitflags!(AccessFs::{ReadFile | WriteFile | IoctlDev}));
        let open = |(path, access): &(PathBuf, BitFlags<AccessFs>)| {
            let folder = PathFd::new(path).ok()?;
            let is_folder = rustix::fs::fstat(folder.as_fd())
                .is_ok_and(|facts| rustix::fs::FileType::from_raw_mode(facts.st_mode).is_dir());
            let access = if is_folder { *access } else { *access & AccessFs::from_file(TRIED) };
            Some((folder, access))
        };
        Fence { rules: folders.rules.iter().filter_map(open).collect(), port: None }
    }
}

/// The folder that a file is in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What stays open once it is closed.
pub(super) struct Fence {
    rules: Vec<(PathFd, BitFlags<AccessFs>)>,
    port: Option<u16>,
}

impl Fence {
    /// Leaves the way to one port by TCP.
    pub(super) fn connect(&mut self, port: Option<u16>) {
        self.port = port;
    }

    /// Closes it, for good.
    pub(super) fn close(self) -> Vec<SandboxLayer> {
        match self.restrict() {
            Ok(status) => report(status),
            Err(error) => PARTS.map(|part| refused(part, format!("Landlock: {error}"))).into(),
        }
    }

    fn restrict(self) -> Result<LandlockStatus, RulesetError> {
        let mut ruleset: RulesetCreated = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(TRIED))?
            .handle_access(AccessNet::from_all(TRIED))?
            .scope(Scope::from_all(TRIED))?
            .create()?;
        for (folder, access) in self.rules {
            ruleset = ruleset.add_rule(PathBeneath::new(folder, access))?;
        }
        if let Some(port) = self.port {
            ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
        }
        Ok(ruleset.restrict_self()?.landlock)
    }
}

/// What holds, by what the kernel knows of Landlock.
fn report(status: LandlockStatus) -> Vec<SandboxLayer> {
    let version = match status {
        LandlockStatus::Available { effective_abi, .. } => effective_abi,
        LandlockStatus::NotEnabled => {
            return PARTS.map(|part| refused(part, "Landlock is not among the kernel's lsm=")).into();
        }
        LandlockStatus::NotImplemented => {
            return PARTS.map(|part| refused(part, "this kernel was built without Landlock (Linux 5.13)")).into();
        }
    };
    let since = |part, least: ABI, linux: &str, held: &str| match version >= least {
        true => holds(part, held),
        false => refused(part, format!("Landlock {version} of this kernel cannot: Linux {linux} could")),
    };
    vec![
        match version {
            _ if version >= ABI::V5 => holds(FILES, "only what was asked for is read or written"),
            _ if version >= ABI::V3 => refused(FILES, "read and written as asked for; but devices can be controlled"),
            _ => {
                refused(FILES, "read and written as asked for; but files can be truncated (Linux 6.2 could forbid it)")
            }
        },
        since(TCP, ABI::V4, "6.7", "no port is bound, no connection made"),
        since(SCOPES, ABI::V6, "6.12", "none to other processes, and no abstract sockets"),
    ]
}

#[cfg(test)]
mod tests {
    use std::{io, net::TcpStream};

    use super::*;

    #[test]
    fn an_older_landlock_is_told_part_by_part() {
        let holding = |abi| -> Vec<bool> {
            let guards = report(LandlockStatus::Available { effective_abi: abi, kernel_abi: None });
            assert_eq!(guards.iter().map(|guard| &*guard.part).collect::<Vec<_>>(), PARTS);
            guards.iter().map(|guard| guard.holds).collect()
        };
        assert_eq!(holding(ABI::V1), [false, false, false]);
        assert_eq!(holding(ABI::V4), [false, true, false]);
        assert_eq!(holding(ABI::V5), [true, true, false]);
        assert_eq!(holding(TRIED), [true, true, true]);
        assert!(report(LandlockStatus::NotEnabled).iter().all(|guard| !guard.holds && !guard.detail.is_empty()));
    }

    #[test]
    fn what_was_asked_for_works_and_the_rest_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let [inside, outside] = ["inside", "outside"].map(|name| folder.path().join(name));
        for folder in [&inside, &outside] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("old"), "old").unwrap();
        }
        let confined = std::thread::spawn(move || {
            let mut folders = Folders::default();
            folders.output(&inside.join("rows"));
            folders.output(Path::new("/dev/null"));
            let guards = folders.open().close();
            if !guards[0].holds {
                return;
            }
            assert_eq!(fs::write(inside.join("rows"), "new").map_err(|error| error.kind()), Ok(()));
            fs::rename(inside.join("rows"), inside.join("old")).unwrap();
            fs::remove_file(inside.join("old")).unwrap();
            fs::write("/dev/null", "x").unwrap();
            let denied = |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::PermissionDenied;
            assert!(denied(fs::read(outside.join("old")).map(drop)));
            assert!(denied(fs::write(outside.join("old"), "x")) && denied(fs::write(outside.join("new"), "x")));
            assert!(denied(fs::read("/dev/zero").map(drop)));
            if guards[1].holds {
                assert!(denied(TcpStream::connect("127.0.0.1:9").map(drop)));
            }
        });
        confined.join().unwrap();
    }
}
