//! The limits of control groups, as their files say. See the kernel's documentation, `admin-guide/cgroup-v2.rst` and
//! `admin-guide/cgroup-v1/memory.rst`.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt as _,
    path::{Component, Path, PathBuf},
};

use super::Limit;

/// What the files of a version of control groups are called.
struct Version {
    /// The files with a limit, and whether it kills.
    limits: &'static [(&'static str, bool)],
    usage: &'static str,
    /// The lines of `memory.stat` that tell what can be taken back: pages of files, and caches of the kernel.
    reclaimable: &'static [&'static str],
    /// The line that tells the smallest limit of this group and all above it, also of those that cannot be seen from here.
    hierarchical: Option<&'static str>,
}

const V2: Version = Version {
    limits: &[("memory.max", true), ("memory.high", false)],
    usage: "memory.current",
    reclaimable: &["inactive_file", "active_file", "slab_reclaimable"],
    hierarchical: None,
};
const V1: Version = Version {
    limits: &[("memory.limit_in_bytes", true)],
    usage: "memory.usage_in_bytes",
    reclaimable: &["total_inactive_file", "total_active_file"],
    hierarchical: Some("hierarchical_memory_limit"),
};
/// Version 1 writes "no limit" as the largest number of whole pages; nobody has so much memory.
const UNLIMITED: u64 = 1 << 60;

/// Every limit over this process.
pub(super) fn limits() -> Vec<Limit> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let groups = read("/proc/self/cgroup");
    let own = limits_in(&groups, &read("/proc/self/mountinfo"), Path::new("/"));
    // A mount namespace may be without control groups, such as that of `ip netns exec`: whoever started this process shows them.
    let of_others = || {
        ancestors().find_map(|pid| {
            let root = PathBuf::from(format!("/proc/{pid}/root"));
            // Others may not let us look.
            root.metadata().ok().and_then(|_| limits_in(&groups, &read(&format!("/proc/{pid}/mountinfo")), &root))
        })
    };
    own.or_else(of_others).unwrap_or_default()
}

/// The parent of this process, its parent, and so on to the first one.
fn ancestors() -> impl Iterator<Item = u32> {
    const MOST: usize = 64;
    std::iter::successors(Some(std::os::unix::process::parent_id()), |pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        parent_in(&stat)
    })
    .take_while(|pid| *pid > 0)
    .take(MOST)
}

/// The parent's number in `/proc/PID/stat`, where the name of the process may hold blanks and brackets.
fn parent_in(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Those over a process with this `/proc/PID/cgroup`, where this `/proc/PID/mountinfo` says what is mounted below `root`. `None`: no
/// control groups are.
fn limits_in(groups: &str, mounts: &str, root: &Path) -> Option<Vec<Limit>> {
    let mut found = None;
    for Mount { version, shown, point } in mounts.lines().filter_map(Mount::read) {
        let limits: &mut Vec<_> = found.get_or_insert_default();
        let Some(group) = groups.lines().find_map(|line| group_of(line, version)) else { continue };
        let below = below(&group, &shown);
        // From the process's own group up to the one that is mounted.
        for folder in below.ancestors() {
            limits.extend(version.limits_of(root, &point.join(folder)));
        }
    }
    found
}

/// The path of the group that a line of `/proc/PID/cgroup` names, if it is of this version, and of memory.
fn group_of(line: &str, version: &Version) -> Option<PathBuf> {
    let mut fields = line.splitn(3, ':');
    let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let is_it = match version.hierarchical {
        None => number == "0" && controllers.is_empty(),
        Some(_) => controllers.split(',').any(|controller| controller == "memory"),
    };
    is_it.then(|| path.strip_suffix(" (deleted)").unwrap_or(path).into())
}

/// The part of a group's path that is below the one that is mounted. Where it is elsewhere, as for a process that was moved out of
/// what its namespace shows, that one is all there is to see.
fn below(group: &Path, shown: &Path) -> PathBuf {
    let below = group.strip_prefix(shown).unwrap_or(Path::new(""));
    match below.components().all(|part| matches!(part, Component::Normal(_))) {
        true => below.into(),
        false => PathBuf::new(),
    }
}

/// Where groups are mounted.
struct Mount {
    version: &'static Version,
    /// Which group is.
    shown: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// From a line of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).
    fn read(line: &str) -> Option<Self> {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (shown, point) = (unescaped(fields.next()?), unescaped(fields.next()?));
        let mut kind = kind.split(' ');
        let version = match (kind.next()?, kind.nth(1)?) {
            ("cgroup2", _) => &V2,
            ("cgroup", options) if options.split(',').any(|option| option == "memory") => &V1,
            _ => return None,
        };
        Some(Self { version, shown, point })
    }
}

/// A path whose blanks and line breaks are written as `\040`.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

impl Version {
    /// The limits of one group, whose folder is at `folder` below `root`.
    fn limits_of(&self, root: &Path, folder: &Path) -> Vec<Limit> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(root.join(path.strip_prefix("/").unwrap_or(&path))).ok()
        };
        let number = |text: String| text.trim().parse::<u64>().ok().filter(|bytes| *bytes < UNLIMITED);
        let stat = read("memory.stat").unwrap_or_default();
        let of_stat = |name: &str| {
            let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
            lines.find(|(key, _)| *key == name).and_then(|(_, value)| number(value.into()))
        };
        let reclaimable: u64 = self.reclaimable.iter().filter_map(|name| of_stat(name)).sum();
        let used = read(self.usage).and_then(number).unwrap_or(0).saturating_sub(reclaimable);
        let limit = |file: PathBuf, bytes, kills| Limit { file, bytes, used, kills };
        let own = self
            .limits
            .iter()
            .filter_map(|(name, kills)| Some(limit(folder.join(name), read(name).and_then(number)?, *kills)));
        let above = self.hierarchical.and_then(of_stat).map(|bytes| limit(folder.join("memory.stat"), bytes, true));
        own.chain(above).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const MOUNT_V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const MOUNT_V1: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n";

    /// A made-up `/sys/fs/cgroup`: files by path, and what is in them.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join("sys/fs/cgroup").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    /// As `[(file below /sys/fs/cgroup, MiB, MiB in use, kills)]`.
    fn found(files: &[(&str, &str)], groups: &str, mounts: &str) -> Option<Vec<(String, u64, u64, bool)>> {
        let root = tree(files);
        let short = |Limit { file, bytes, used, kills }: Limit| {
            let file = file.strip_prefix("/sys/fs/cgroup").unwrap().display().to_string();
            (file, bytes / MIB, used / MIB, kills)
        };
        limits_in(groups, mounts, root.path()).map(|limits| limits.into_iter().map(short).collect())
    }

    fn limit(file: &str, bytes: u64, used: u64, kills: bool) -> (String, u64, u64, bool) {
        (file.into(), bytes, used, kills)
    }

    #[test]
    fn version_2_from_the_own_group_to_the_root() {
        let files = [
            ("a/b/memory.max", "50331648\n"),
            ("a/b/memory.high", "max\n"),
            ("a/b/memory.current", "20971520\n"),
            ("a/b/memory.stat", "anon 1\nactive_file 1048576\ninactive_file 3145728\nslab_reclaimable 1048576\n"),
            ("a/memory.max", "max\n"),
            ("a/memory.high", "33554432\n"),
            ("a/memory.current", "31457280\n"),
            ("memory.stat", "anon 5\n"),
            ("other/memory.max", "1\n"),
        ];
        let limits = found(&files, "0::/a/b\n", MOUNT_V2).unwrap();
        assert_eq!(limits, [limit("a/b/memory.max", 48, 15, true), limit("a/memory.high", 32, 30, false)]);
    }

    #[test]
    fn version_1_with_a_limit_that_cannot_be_seen() {
        let files = [
            ("memory/x/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/x/memory.usage_in_bytes", "10485760\n"),
            ("memory/x/memory.stat", "cache 5\nhierarchical_memory_limit 67108864\ntotal_inactive_file 2097152\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        let groups = "9:name=systemd:/x\n4:cpu,memory:/x\n0::/elsewhere\n";
        assert_eq!(found(&files, groups, MOUNT_V1).unwrap(), [limit("memory/x/memory.stat", 64, 8, true)]);
    }

    #[test]
    fn both_versions_at_once_and_neither() {
        let files = [("memory/x/memory.limit_in_bytes", "33554432\n"), ("unified/y/memory.max", "16777216\n")];
        let unified = MOUNT_V2.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified");
        let limits = found(&files, "4:memory:/x\n0::/y\n", &format!("{MOUNT_V1}{unified}")).unwrap();
        assert_eq!(
            limits,
            [limit("memory/x/memory.limit_in_bytes", 32, 0, true), limit("unified/y/memory.max", 16, 0, true)]
        );
        // Hybrid, as systemd mounts it: version 2 without controllers.
        let limits = found(&files[..1], "4:memory:/x\n0::/x\n", &format!("{unified}{MOUNT_V1}")).unwrap();
        assert_eq!(limits.len(), 1);
        for mounts in ["", "24 1 0:22 / /sys rw - sysfs sysfs rw\n", "garbage\n\n - \n"] {
            assert_eq!(found(&files, "4:memory:/x\n", mounts), None, "{mounts:?}");
        }
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let files = [("memory.max", "41943040"), ("sub/memory.max", "20971520"), ("memory.current", "1048576")];
        let mount = |shown: &str| MOUNT_V2.replace("0:26 /", &format!("0:26 {shown}"));
        for (groups, shown, expected) in [
            // With a namespace of control groups, and without.
            ("0::/\n", "/", &["memory.max"][..]),
            ("0::/docker/1\n", "/docker/1", &["memory.max"]),
            ("0::/docker/1/sub\n", "/docker/1", &["sub/memory.max", "memory.max"]),
            // A process from outside of the namespace, or moved there.
            ("0::/../2\n", "/", &["memory.max"]),
            ("0::/docker/2\n", "/docker/1", &["memory.max"]),
            ("0::/sub (deleted)\n", "/", &["sub/memory.max", "memory.max"]),
            // Names that begin alike.
            ("0::/docker/11/sub\n", "/docker/1", &["memory.max"]),
        ] {
            let limits = found(&files, groups, &mount(shown)).unwrap();
            assert_eq!(limits.iter().map(|(file, ..)| file.as_str()).collect::<Vec<_>>(), expected, "{groups}");
        }
    }

    #[test]
    fn parents_are_found_whatever_processes_are_called() {
        for (stat, parent) in [
            ("12 (bash) S 34 12 12 0", Some(34)),
            ("12 (a) b) R) S 5 1 1", Some(5)),
            ("1 (init) S 0 1", Some(0)),
            ("garbage", None),
            ("", None),
        ] {
            assert_eq!(parent_in(stat), parent, "{stat}");
        }
    }

    #[test]
    fn what_cannot_be_read_limits_nothing() {
        for text in ["", "max", "many", "-5", "99999999999999999999999", "9223372036854771712"] {
            assert_eq!(found(&[("memory.max", text)], "0::/\n", MOUNT_V2), Some(vec![]), "{text:?}");
        }
        // More in use than is allowed: nothing is left.
        let files = [("memory.max", "1048576"), ("memory.current", "5242880")];
        let root = tree(&files);
        assert_eq!(limits_in("0::/\n", MOUNT_V2, root.path()).unwrap()[0].left(), 0);
        assert_eq!(unescaped(r"/a\040b\\134\0x"), Path::new(r"/a b\\\0x"));
    }
}
