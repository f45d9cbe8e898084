//! What a virtual machine boots from: a file system in memory with nettop, its tests, and what these need.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::{guest::TESTS, kernels::Fetched};
use crate::{privilege, process, workspace::Workspace};

/// Where the tests look for nettop: beside themselves.
const PROGRAMS: &str = "tests";
/// The first process.
const INIT: &str = include_str!("init.sh");

/// A built program.
pub struct Program {
    path: PathBuf,
    /// Where it is in the machine.
    place: PathBuf,
}

impl Program {
    /// One that is beside the tests.
    fn beside_tests(path: PathBuf, name: &str) -> Self {
        Self { path, place: Path::new("/").join(PROGRAMS).join(name) }
    }
}

/// Builds nettop for release, and the tests with the programs that they start.
///
/// # Errors
/// What cargo says.
pub fn build(workspace: &Workspace) -> Result<Vec<Program>> {
    process::run(workspace.cargo().args(["build", "--locked", "--release", "--package", "nettop", "--bins"]))?;
    let released = |name: &str| Program::beside_tests(workspace.target.join("release").join(name), name);
    let mut programs: Vec<_> = ["nettop", "nettopctl"].map(released).into();

    let mut cargo = workspace.cargo();
    cargo.args([
        "test",
        "--locked",
        "--package",
        "nettop-tests",
        "--no-run",
        "--message-format=json-render-diagnostics",
    ]);
    for (test, _) in TESTS {
        cargo.args(["--test", test]);
    }
    let told = cargo.stdout(Stdio::piped()).stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    if !told.status.success() {
        bail!("the tests cannot be built; see above");
    }
    programs.extend(String::from_utf8_lossy(&told.stdout).lines().filter_map(built));
    if let Some((test, _)) =
        TESTS.iter().find(|(test, _)| !programs.iter().any(|program| program.place.ends_with(test)))
    {
        bail!("cargo does not say where the test {test} is");
    }
    Ok(programs)
}

/// What a line of `--message-format=json` says of the program of a test, or of one that tests start: from where it was built.
fn built(line: &str) -> Option<Program> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
        target: Target,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
        kind: Vec<String>,
    }
    let Message { executable, target } = serde_json::from_str(line).ok()?;
    let is = |wanted: &str| target.kind.iter().any(|kind| kind == wanted);
    match executable? {
        path if is("test") => Some(Program::beside_tests(path, &target.name)),
        path if is("bin") => Some(Program { place: path.clone(), path }),
        _ => None,
    }
}

/// Packs everything into an image, and returns where it is.
///
/// # Errors
/// What cannot be read, written or run.
pub fn pack(workspace: &Workspace, folder: &Path, programs: &[Program], fetched: &Fetched) -> Result<PathBuf> {
    let root = folder.join("root");
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    }
    for part in ["bin", "dev", "etc", "modules", "proc", "sys", "tmp", PROGRAMS] {
        fs::create_dir_all(root.join(part)).with_context(|| format!("cannot make {}", root.display()))?;
    }
    // Where a test was built is where it looks for the object. Before the programs, or these would be older than it.
    let data = Path::new("data/nettop.bpf.o");
    copy(&workspace.root.join(data), &inside(&root, &workspace.root.join(data)))?;
    for Program { path, place } in programs {
        let place = inside(&root, place);
        place
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .with_context(|| format!("cannot make {}", place.display()))?;
        process::run(Command::new("strip").arg("-o").arg(place).arg(path))?;
    }
    for name in ["busybox", "ip"] {
        let path = process::find(name, &privilege::ADMINISTRATION).with_context(|| format!("there is no {name}"))?;
        copy(&path, &root.join("bin").join(name))?;
    }
    for library in libraries(&root)? {
        copy(&library, &inside(&root, &library))?;
    }
    for module in &fetched.modules {
        let name = module.file_name().context("a module has a name")?;
        copy(module, &root.join("modules").join(name))?;
        if module.extension().is_some_and(|end| end == "xz") {
            process::run(Command::new("busybox").arg("unxz").arg(root.join("modules").join(name)))?;
        }
    }
    let init = root.join("init");
    fs::write(&init, INIT.replace("@TESTS@", &tests()))?;
    process::run(Command::new("chmod").arg("755").arg(&init))?;

    let image = folder.join("image.cpio");
    let list = "find . | cpio --create --format=newc --quiet";
    let output = File::create(&image).with_context(|| format!("cannot make {}", image.display()))?;
    process::run(Command::new("sh").args(["-c", list]).current_dir(&root).stdout(output))?;
    Ok(image)
}

/// The lines of the first process that run the tests.
fn tests() -> String {
    TESTS.iter().map(|(test, filters)| format!("test_with {test} {}\n", filters.join(" "))).collect()
}

/// The libraries of every program in the machine, the dynamic loader included.
fn libraries(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut libraries = BTreeSet::new();
    let tests = fs::read_dir(root.join(PROGRAMS))?.map(|entry| entry.map(|entry| entry.path()));
    for program in tests.chain([Ok(root.join("bin/ip"))]) {
        let told = process::read(Command::new("ldd").arg(program?))?;
        libraries.extend(told.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from));
    }
    Ok(libraries)
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::copy(from, to));
    copied.map(drop).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
