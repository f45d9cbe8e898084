//! One process, as `/proc/PID` tells of it.

use std::{fs, path::Path};

use super::reading::Process;

/// Nanoseconds of a tick of the clock that starts of processes are told by.
pub const TICK_NS: u64 = 10_000_000;
/// Hexadecimal digits of the id of a container.
const CONTAINER: usize = 64;

/// Reads what is known of it; `None`: it is gone, or hidden.
pub fn read(proc: &Path, pid: u32) -> Option<Process> {
    let folder = proc.join(pid.to_string());
    let text = |name: &str| Some(String::from_utf8_lossy(&fs::read(folder.join(name)).ok()?).into_owned());
    let Stat { name, parent, started } = stat(&text("stat")?)?;
    let (unit, container) = text("cgroup").map(|text| unit_and_container(&text)).unwrap_or_default();
    let executable = fs::read_link(folder.join("exe")).ok().map(|path| path.to_string_lossy().into_owned());
    Some(Process {
        pid,
        parent,
        started,
        name,
        uid: text("status").and_then(|text| effective_uid(&text))?,
        unit,
        container,
        executable,
    })
}

/// One that the kernel told of: as `/proc` has it, if it is there and this one still; else as it was told.
pub fn told(proc: &Path, pid: u32, began_ns: u64, comm: &[u8], uid: u32) -> Process {
    let started = began_ns / TICK_NS;
    read(proc, pid).filter(|found| found.started == started).unwrap_or_else(|| {
        let name = comm.split(|byte| *byte == 0).next().unwrap_or_default();
        Process { pid, started, name: String::from_utf8_lossy(name).into_owned(), uid, ..Process::default() }
    })
}

/// A unit of systemd, and a container.
pub type Place = (Option<String>, Option<String>);

/// In which of both it is by the unified hierarchy of control groups, which is the one that the kernel's programs are told of: of a host with
/// several hierarchies all may be in its root. `None`: the process is gone, or hidden.
pub fn unified_place(proc: &Path, process: &Process) -> Option<Place> {
    let folder = proc.join(process.pid.to_string());
    let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let groups = text("cgroup")?;
    // After that, so that it is not of another process that has its number now.
    stat(&text("stat")?).filter(|stat| stat.started == process.started)?;
    Some(groups.lines().find(|line| line.starts_with("0::")).map(unit_and_container).unwrap_or_default())
}

/// What is read of `/proc/PID/stat` (proc_pid_stat(5)).
#[derive(Debug, PartialEq)]
struct Stat {
    name: String,
    parent: u32,
    started: u64,
}

/// `7 (name) S 1 …`: a name may have blanks and parentheses itself. The parent is the 4th field, the time of start the 22nd.
fn stat(text: &str) -> Option<Stat> {
    let (head, rest) = text.rsplit_once(") ")?;
    let (_, name) = head.split_once(" (")?;
    let field = |number: usize| rest.split(' ').nth(number - 3).map(str::trim);
    Some(Stat { name: name.into(), parent: field(4)?.parse().ok()?, started: field(22)?.parse().ok()? })
}

/// `Uid:` and the real, the effective, the saved and the file system's user.
fn effective_uid(status: &str) -> Option<u32> {
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    users.split_whitespace().nth(1)?.parse().ok()
}

/// From the paths of its control groups: the innermost unit of systemd, and the container.
fn unit_and_container(cgroups: &str) -> Place {
    let mut found = (None, None);
    for line in cgroups.lines() {
        let path = line.splitn(3, ':').nth(2).unwrap_or_default();
        for part in path.split('/') {
            if part.ends_with(".service") || part.ends_with(".scope") {
                found.0 = Some(part.to_string());
            }
            // `docker-ID.scope`, `cri-containerd-ID.scope`, `ID`.
            let ids = part.split(|character: char| !character.is_ascii_alphanumeric());
            let mut ids = ids.filter(|id| id.len() == CONTAINER && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
            found.1 = ids.next().map(String::from).or(found.1);
        }
        // Of several hierarchies each says the same.
        if found.0.is_some() {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_told_is_completed_only_by_the_same_process() {
        let proc = tempfile::tempdir().expect("a folder");
        let folder = proc.path().join("7");
        fs::create_dir(&folder).expect("a folder");
        let stat = format!("7 (nginx) S {} 500 0\n", "0 ".repeat(18).trim());
        fs::write(folder.join("stat"), stat).expect("a file");
        fs::write(folder.join("status"), "Uid:\t1\t33\t1\t1\n").expect("a file");
        for (name, pid, began_ns, expected) in [
            ("the same", 7, 5_000_000_000, ("nginx", 33, 500)),
            ("the same, within a tick", 7, 5_009_999_999, ("nginx", 33, 500)),
            ("one that had the number before", 7, 4_990_000_000, ("old", 1000, 499)),
            ("one that is gone, or hidden", 8, 5_000_000_000, ("old", 1000, 500)),
        ] {
            let told = told(proc.path(), pid, began_ns, b"old\0\0garbage", 1000);
            assert_eq!(
                (told.name.as_str(), told.uid, told.started, told.pid),
                (expected.0, expected.1, expected.2, pid),
                "{name}"
            );
        }
    }

    #[test]
    fn a_name_may_be_anything() {
        let rest = "S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        for (name, stat, expected) in [
            ("usual", format!("7 (nginx) {rest}"), Some(("nginx", 4242))),
            ("with blanks", format!("7 (tmux: server) {rest}"), Some(("tmux: server", 4242))),
            ("with parentheses", format!("7 (a) S 1 (b)) {rest}"), Some(("a) S 1 (b)", 4242))),
            ("empty", format!("7 () {rest}"), Some(("", 4242))),
            ("the last field", format!("7 (a) {}\n", &rest[..rest.len() - 4]), Some(("a", 4242))),
            ("too short", "7 (nginx) S 1 7".into(), None),
            ("no number", format!("7 (nginx) {}", rest.replace("4242", "x")), None),
            ("no parent", format!("7 (nginx) {}", rest.replace("S 1 ", "S x ")), None),
            ("no name", "7 nginx S".into(), None),
            ("nothing", String::new(), None),
        ] {
            let expected = expected.map(|(name, started)| Stat { name: name.to_string(), parent: 1, started });
            assert_eq!(super::stat(&stat), expected, "{name}");
        }
    }

    #[test]
    fn the_user_is_the_one_whose_rights_it_has() {
        for (status, expected) in [
            ("Name:\ta\nUid:\t1000\t33\t0\t1000\nGid:\t1\t1\t1\t1\n", Some(33)),
            ("Uid:\t1000\n", None),
            ("Uid:\tx\ty\n", None),
            ("", None),
        ] {
            assert_eq!(effective_uid(status), expected, "{status:?}");
        }
    }

    #[test]
    fn units_and_containers_are_found_in_paths() {
        let id = "0123456789abcdef".repeat(4);
        let (docker, pod) = (format!("docker-{id}.scope"), format!("cri-containerd-{id}.scope"));
        for (cgroups, unit, container) in [
            ("0::/system.slice/nginx.service\n".into(), Some("nginx.service"), None),
            ("0::/system.slice/a.service/b.service/payload".into(), Some("b.service"), None),
            ("0::/user.slice/user-1000.slice/session-3.scope".into(), Some("session-3.scope"), None),
            (format!("0::/system.slice/{docker}"), Some(&*docker), Some(&*id)),
            (format!("0::/kubepods.slice/kubepods-pod1.slice/{pod}"), Some(&*pod), Some(&*id)),
            (format!("12:pids:/docker/{id}\n1:name=systemd:/docker/{id}"), None, Some(&*id)),
            ("9:cpu:/\n1:name=systemd:/system.slice/a.service".into(), Some("a.service"), None),
            (format!("0::/docker/{}", &id[1..]), None, None),
            (format!("0::/docker/{}x", &id[1..]), None, None),
            ("0::/init.scope".into(), Some("init.scope"), None),
            ("0::/".into(), None, None),
            ("no colons".into(), None, None),
            (String::new(), None, None),
        ] {
            let found = unit_and_container(&cgroups);
            assert_eq!(found, (unit.map(String::from), container.map(String::from)), "{cgroups:?}");
        }
    }

    #[test]
    fn this_process_is_known() {
        let pid = std::process::id();
        let process = read(Path::new("/proc"), pid).expect("this process");
        assert!(process.pid == pid && process.started > 0 && !process.name.is_empty(), "{process:?}");
        assert_eq!(process.parent, std::os::unix::process::parent_id());
        assert_eq!(process.executable, std::env::current_exe().ok().map(|path| path.display().to_string()));
        assert_eq!(read(Path::new("/proc"), u32::MAX), None);
    }
}
