//! A whole systemd, booted by `systemd-nspawn` over the files of this machine: for what units as they are packaged do.
//!
//! What it writes stays in memory, in a mount namespace that ends with it. Its network is a namespace of the test's.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    net::Namespace,
    program::{self, Ended, run},
    skip,
};

/// Two at once would meet in the control groups.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Puts the files of `$1` over those of this machine, and boots that in the network namespace `$2`.
///
/// Nothing of the machine's own state is taken along: not its logs, and no unit starts but systemd's own and those of the test.
const BOOT: &str = r#"set -e
work=$(mktemp -d)
mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root"
cp -a "$1/." "$work/upper"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$work/root"
rm -rf "$work/root/var/log" "$work/root/etc/machine-id" "$work/root/etc/systemd/system/multi-user.target.wants"
mkdir -m 755 "$work/root/var/log"
exec systemd-nspawn --quiet --directory="$work/root" --boot --register=no --keep-unit --link-journal=no --console=pipe \
    --capability=all --system-call-filter='bpf perf_event_open' --network-namespace-path="$2" \
    systemd.unit=basic.target systemd.mask=systemd-firstboot.service
"#;

/// A running systemd. Killed when dropped, with all that it started.
pub struct Machine {
    nspawn: Child,
    /// The process id of its systemd, as this machine counts.
    leader: u32,
    output: TempDir,
    _alone: MutexGuard<'static, ()>,
}

/// What is put over the files of this machine.
pub struct Files(TempDir);

impl Files {
    /// nettop as its package installs it.
    pub fn of_the_package() -> Self {
        let files = Self(TempDir::new().expect("a folder"));
        fs::set_permissions(files.0.path(), fs::Permissions::from_mode(0o755)).expect("as / is");
        for name in ["nettop", "nettopctl"] {
            fs::copy(program::path(name), files.path(&format!("usr/bin/{name}"))).expect("a copy of the program");
        }
        let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
        for unit in fs::read_dir(packaging.join("systemd")).expect("the units") {
            let unit = unit.expect("a unit");
            let path = files.path(&format!("etc/systemd/system/{}", unit.file_name().display()));
            fs::copy(unit.path(), path).expect("a copy of a unit");
        }
        fs::copy(packaging.join("nettop.default"), files.path("etc/default/nettop")).expect("the environment file");
        files
    }

    /// With a further file, or another text in one that is there.
    pub fn with(self, path: &str, text: &str) -> Self {
        fs::write(self.path(path), text).expect("a file");
        self
    }

    /// Where the file is that will be at this path, below a folder that is there.
    fn path(&self, path: &str) -> PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        path
    }
}

impl Machine {
    /// Boots it. `None`: it cannot be had here, which is said as a skip.
    pub fn boot(files: &Files, network: &Namespace) -> Option<Self> {
        if !skip::privileged() {
            return None;
        }
        if Command::new("systemd-nspawn").arg("--version").output().is_err() {
            skip::report("there is no `systemd-nspawn`; on Debian: apt-get install systemd-container");
            return None;
        }
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let output = TempDir::new().expect("a folder");
        let file = fs::File::create(output.path().join("out")).expect("a file for what it prints");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", BOOT, "boot"]);
        command.arg(files.0.path()).arg(network.path());
        command.stdin(Stdio::null()).stderr(file.try_clone().expect("the same file")).stdout(file);
        let nspawn = program::spawn(&mut command);
        let mut machine = Self { nspawn, leader: 0, output, _alone: alone };
        let mut ended = false;
        let leader = program::wait_for(|| {
            ended = machine.nspawn.try_wait().expect("asking about a child").is_some();
            if ended { Some(None) } else { only_child(machine.nspawn.id()).map(Some) }
        });
        machine.leader = match leader.flatten() {
            Some(leader) => leader,
            None if ended => {
                skip::report(&format!("systemd cannot be booted here: {}", machine.printed().trim()));
                return None;
            }
            None => panic!("systemd does not boot: {}", machine.printed()),
        };
        let running = || ["running", "degraded"].contains(&machine.run("systemctl is-system-running").stdout.trim());
        let booted = program::wait_for(|| running().then_some(()));
        assert!(booted.is_some(), "systemd does not come up: {}", machine.printed());
        Some(machine)
    }

    fn printed(&self) -> String {
        fs::read_to_string(self.output.path().join("out")).expect("what it prints")
    }

    /// A command in it, as root.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--target", &self.leader.to_string(), program]);
        command
    }

    /// Runs a command in it, its words separated by spaces.
    pub fn run(&self, words: &str) -> Ended {
        let mut words = words.split_whitespace();
        run(self.command(words.next().expect("a program")).args(words))
    }

    /// Runs a command in it that has to succeed, and returns what it prints.
    #[track_caller]
    pub fn ok(&self, words: &str) -> String {
        let ended = self.run(words);
        assert!(ended.status.success(), "{words}: {ended:?} {}", self.journal());
        ended.stdout
    }

    /// The same, of a command that prints JSON.
    #[track_caller]
    pub fn json(&self, words: &str) -> Value {
        let text = self.ok(words);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words}: {error} in {text}"))
    }

    /// Starts a unit, or several, and waits until nettop answers.
    #[track_caller]
    pub fn start(&self, units: &str) {
        self.ok(&format!("systemctl start {units}"));
        let answers = program::wait_for(|| self.run("nettopctl status").status.success().then_some(()));
        assert!(answers.is_some(), "nettop does not answer: {}", self.journal());
    }

    /// What the units of nettop have said.
    pub fn journal(&self) -> String {
        self.run("journalctl --no-pager --output=cat --unit=nettop*").stdout
    }

    /// One property of a unit.
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.ok(&format!("systemctl show --value --property={name} {unit}")).trim().into()
    }

    /// Where a path of its own is, seen from this machine.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.leader))
    }
}

/// The process that this one has started, if it is one alone and has called systemd.
fn only_child(process: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    let child: u32 = children.trim().parse().ok()?;
    (fs::read_to_string(format!("/proc/{child}/comm")).ok()?.trim() == "systemd").then_some(child)
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.leader != 0 {
            // The first process of a namespace of process ids takes all others along.
            let _ = Command::new("kill").args(["-KILL", &self.leader.to_string()]).status();
        }
        if program::wait(&mut self.nspawn).is_none() {
            let _ = self.nspawn.kill();
            let _ = self.nspawn.wait();
        }
    }
}
