//! The built programs: where they are, that they are up to date, and running them as another user.

use std::{
    env,
    ffi::OsStr,
    fs, io,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
    time::{Duration, Instant, SystemTime},
};

use serde_json::Value;
use tempfile::TempDir;

/// The user and group without any right.
pub const NOBODY: u32 = 65_534;
/// How long anything may take that should take a moment.
const DEADLINE: Duration = Duration::from_secs(20);
/// How many times that, on machines that are slow, as emulated ones are.
const PATIENCE: &str = "NETTOP_PATIENCE";

/// The path of `nettop` or `nettopctl`, built if it is missing or older than its sources.
pub fn path(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(up_to_date).join(name)
}

/// The directory of the programs: that of this program, or the one above that of the tests.
fn up_to_date() -> PathBuf {
    let test = env::current_exe().expect("the path of this program");
    let directory = test.parent().expect("a program lies in a directory");
    let directory = if directory.ends_with("deps") { directory.parent().unwrap_or(directory) } else { directory };
    let directory = directory.to_path_buf();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = ["nettop", "nettopctl"].iter().map(|name| modified(&directory.join(name))).min().flatten();
    let sources = ["nettop", "nettop-common", "crates", "data"].map(|part| newest(&workspace.join(part)));
    if built < sources.into_iter().max().flatten() {
        let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--package", "nettop", "--bins"]).current_dir(&workspace);
        build.arg("--target-dir").arg(directory.parent().expect("a target directory"));
        if directory.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status().expect("starting cargo");
        assert!(status.success(), "the programs cannot be built; try: cargo build --package nettop --bins");
    }
    directory
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// When the newest file below `path` was changed.
fn newest(path: &Path) -> Option<SystemTime> {
    match fs::read_dir(path) {
        Ok(entries) => entries.filter_map(|entry| newest(&entry.ok()?.path())).max(),
        Err(_) => modified(path),
    }
}

/// A copy of a program where every user can run it.
pub struct PublicCopy {
    directory: TempDir,
    name: String,
}

impl PublicCopy {
    /// Of `nettop` or `nettopctl`.
    pub fn of(name: &str) -> Self {
        let directory = public_directory();
        fs::copy(path(name), directory.path().join(name)).expect("copying the program");
        Self { directory, name: name.into() }
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }
}

/// A temporary directory that every user can write to.
pub fn public_directory() -> TempDir {
    let directory = TempDir::new().expect("making a temporary directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).expect("opening it to everybody");
    directory
}

/// Makes `command` run as nobody, without any capability, after everything that was asked for before this.
pub fn as_nobody(command: &mut Command) -> &mut Command {
    let become_nobody = || {
        // SAFETY: between fork and exec; plain system calls that allocate nothing.
        let failed = unsafe {
            libc::setgroups(0, std::ptr::null()) != 0 || libc::setgid(NOBODY) != 0 || libc::setuid(NOBODY) != 0
        };
        if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: as above.
    unsafe { command.pre_exec(become_nobody) }
}

/// A process that is killed when dropped.
#[derive(Debug)]
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a program left behind.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it printed on standard error.
    pub stderr: String,
}

impl Ended {
    /// Expects it to have failed with one line on standard error, which holds `part`.
    #[track_caller]
    pub fn expect_one_line(&self, part: &str) {
        let Self { status, stderr, .. } = self;
        assert!(status.code().is_some_and(|code| code != 0), "{status}, not an orderly failure: {self:?}");
        assert_eq!(stderr.lines().count(), 1, "one line on standard error: {stderr:?}");
        assert!(!stderr.contains("panicked"), "{stderr:?}");
        assert!(stderr.contains(part), "{part:?} in {stderr:?}");
    }
}

/// Runs a program to its end, which must come soon.
pub fn run(command: &mut Command) -> Ended {
    let outputs = TempDir::new().expect("making a temporary directory");
    let file = |name| fs::File::create(outputs.path().join(name)).expect("making a file for the output");
    let mut child = spawn(command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err")));
    let status = wait(&mut child).unwrap_or_else(|| {
        let _ = child.kill();
        let _ = child.wait();
        panic!("{command:?} does not end")
    });
    let read = |name| fs::read_to_string(outputs.path().join(name)).expect("reading the output");
    Ended { status, stdout: read("out"), stderr: read("err") }
}

/// Runs a program by name, with these arguments.
pub fn run_with(name: &str, arguments: &[&str]) -> Ended {
    run(Command::new(path(name)).args(arguments.iter().map(OsStr::new)))
}

/// Starts a program; nettop without the configuration of this machine, unless the command says something of that. A copy made for this test may still be open for writing in a child of another test, for the moment
/// between its fork and its exec.
pub fn spawn(command: &mut Command) -> Child {
    const NO_CONFIG: &str = "NETTOP_NO_CONFIG";
    if command.get_envs().all(|(name, _)| name != NO_CONFIG) {
        command.env(NO_CONFIG, "1");
    }
    let started = wait_for(|| match command.spawn() {
        Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => None,
        other => Some(other),
    });
    match started {
        Some(Ok(child)) => child,
        Some(Err(error)) => panic!("starting {command:?}: {error}"),
        None => panic!("starting {command:?}: its file stays open for writing"),
    }
}

/// Resident memory of a process, MiB: at the moment (`VmRSS`), or at most until now (`VmHWM`).
pub fn memory(process: u32, what: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).expect("a line of it");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}

/// How long anything may take here that should take a moment.
pub fn deadline() -> Duration {
    let times = env::var(PATIENCE).ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    DEADLINE * times
}

/// Waits for the end of a process, up to [`deadline`].
pub fn wait(child: &mut Child) -> Option<ExitStatus> {
    wait_for(|| child.try_wait().expect("asking about a child"))
}

/// The first of what `read` gives of which `condition` holds.
#[track_caller]
pub fn first(what: &str, mut read: impl FnMut() -> Value, condition: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let found = wait_for(|| {
        last = read();
        condition(&last).then(|| last.take())
    });
    found.unwrap_or_else(|| panic!("never {what}: {last}"))
}

/// Asks until there is an answer, up to [`deadline`].
pub fn wait_for<T>(mut question: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = question() {
            return Some(answer);
        }
        if started.elapsed() > deadline() {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
