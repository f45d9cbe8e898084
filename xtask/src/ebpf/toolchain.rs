//! Finds the compiler, the linker and the strip program that make the eBPF object, or says how to get them.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::TARGET;
use crate::process;

/// Where Debian's `rustc-web` lies; rustup's compiler usually hides it in PATH.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Where Debian's `llvm-22` keeps its programs, beside PATH.
const DEBIAN_LLVM: &str = "/usr/lib/llvm-22/bin";

/// How to get everything, for a message on stderr.
const HOW_TO_INSTALL: &str = "\
Nothing was installed. Either, on Debian (or Ubuntu, where these packages exist):
    sudo apt-get install rustc-web libstd-rust-web-dev-bpf llvm-22-dev libpolly-22-dev
    LLVM_PREFIX=/usr/lib/llvm-22 cargo install bpf-linker --version 0.13.0 --locked --no-default-features --features llvm-22
or, anywhere else, LLVM 22 with its headers from the system's packages, that same bpf-linker, and with rustup:
    rustup toolchain install nightly --component rust-src --component llvm-tools
and see that cargo's bin folder is in PATH. This is needed only to change nettop's kernel program: its compiled object
is committed.";

/// One way to compile for the BPF target.
#[derive(Debug)]
pub struct Compiler {
    /// The compiler.
    pub rustc: PathBuf,
    /// The cargo that belongs to it, if it must be that one.
    pub cargo: Option<PathBuf>,
    /// Whether `core` has to be compiled too.
    pub build_std: bool,
    /// Its folder of libraries and sources.
    pub sysroot: PathBuf,
    /// What it says of itself.
    pub version: String,
    /// The LLVM inside it.
    pub llvm: String,
}

/// All programs that make the object.
pub struct Toolchain {
    /// The compiler.
    pub compiler: Compiler,
    /// bpf-linker.
    pub linker: PathBuf,
    /// LLVM's strip.
    pub strip: PathBuf,
    /// Which versions these are.
    pub identity: Identity,
}

/// What the bytes of the object depend on, besides its sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// `rustc --version`.
    pub rustc: String,
    /// The LLVM that rustc makes its bitcode with.
    pub rustc_llvm: String,
    /// `bpf-linker --version`.
    pub linker: String,
    /// The LLVM that bpf-linker was built against: the one that generates the code.
    pub linker_llvm: String,
    /// The LLVM that strip comes from.
    pub strip_llvm: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rustc, rustc_llvm, linker, linker_llvm, strip_llvm } = self;
        write!(f, "{rustc} (LLVM {rustc_llvm}), {linker} (LLVM {linker_llvm}), llvm-strip {strip_llvm}")
    }
}

impl Toolchain {
    /// Finds everything. `wanted` is preferred where it is present; otherwise a rustup nightly with rust-src comes before
    /// Debian's compiler.
    pub fn find(wanted: Option<&Identity>) -> Result<Self> {
        let mut compilers: Vec<Compiler> = [nightly(), debian()].into_iter().flatten().collect();
        if let Some(wanted) = wanted {
            // A stable sort: among equals the order above stays.
            compilers.sort_by_key(|found| found.version != wanted.rustc);
        }
        let compiler = compilers.into_iter().next();
        let linker = process::find("bpf-linker", &[]);
        let strip = find_strip(compiler.as_ref());
        match (compiler, linker, strip) {
            (Some(compiler), Some(linker), Some(strip)) => {
                let identity = Identity {
                    rustc: compiler.version.clone(),
                    rustc_llvm: compiler.llvm.clone(),
                    linker: process::read(Command::new(&linker).arg("--version"))?.trim().to_owned(),
                    linker_llvm: linker_llvm(&linker)?,
                    strip_llvm: llvm_version(&process::read(Command::new(&strip).arg("--version"))?)?,
                };
                Ok(Self { compiler, linker, strip, identity })
            }
            (compiler, linker, strip) => {
                let missing = [
                    (compiler.is_none(), "a compiler for bpfel-unknown-none"),
                    (linker.is_none(), "bpf-linker"),
                    (strip.is_none(), "llvm-strip"),
                ];
                let missing: Vec<&str> = missing.iter().filter(|(gone, _)| *gone).map(|&(_, name)| name).collect();
                bail!("cannot build the eBPF object, not found: {}.\n{HOW_TO_INSTALL}", missing.join(", "));
            }
        }
    }
}

/// A rustup nightly that can compile `core` itself.
fn nightly() -> Option<Compiler> {
    let which = |program: &str| {
        let mut rustup = Command::new("rustup");
        rustup
            .args(["which", "--toolchain", "nightly", program])
            .env_remove("RUSTUP_TOOLCHAIN")
            .env("RUSTUP_AUTO_INSTALL", "0");
        process::read(&mut rustup).ok().map(|path| PathBuf::from(path.trim()))
    };
    let (rustc, cargo) = (which("rustc")?, which("cargo")?);
    let compiler = Compiler::ask(rustc, Some(cargo), true)?;
    compiler.sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file().then_some(compiler)
}

/// Debian's compiler, if the compiled `core` for BPF is there too.
fn debian() -> Option<Compiler> {
    let compiler = Compiler::ask(DEBIAN_RUSTC.into(), None, false)?;
    compiler.sysroot.join("lib/rustlib").join(TARGET).is_dir().then_some(compiler)
}

impl Compiler {
    fn ask(rustc: PathBuf, cargo: Option<PathBuf>, build_std: bool) -> Option<Self> {
        let ask =
            |argument: &[&str]| process::read(Command::new(&rustc).args(argument).env_remove("LD_LIBRARY_PATH")).ok();
        let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?.trim());
        let told = ask(&["--version", "--verbose"])?;
        let version = told.lines().next()?.trim().to_owned();
        let llvm = told.lines().find_map(|line| line.strip_prefix("LLVM version: "))?.trim().to_owned();
        Some(Self { rustc, cargo, build_std, sysroot, version, llvm })
    }
}

/// LLVM's strip: Debian's LLVM 22, one in PATH, or that of rustup's component llvm-tools.
fn find_strip(compiler: Option<&Compiler>) -> Option<PathBuf> {
    let debian = Path::new(DEBIAN_LLVM).join("llvm-strip");
    let rustup = compiler.and_then(|compiler| {
        let targets = compiler.sysroot.join("lib/rustlib").read_dir().ok()?;
        targets.flatten().map(|target| target.path().join("bin/llvm-strip")).find(|file| process::is_executable(file))
    });
    let debian = process::is_executable(&debian).then_some(debian);
    debian.or_else(|| process::find("llvm-strip-22", &[])).or_else(|| process::find("llvm-strip", &[])).or(rustup)
}

/// The LLVM inside bpf-linker, which tells it only when LLVM itself reads the arguments; nothing is linked.
fn linker_llvm(linker: &Path) -> Result<String> {
    let nowhere = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut ask = Command::new(linker);
    ask.args(["--llvm-args=--version", "-o"]).arg(nowhere.path().join("none")).arg("/dev/null");
    llvm_version(&process::read(&mut ask)?)
}

/// The number in "LLVM version 22.1.8".
fn llvm_version(text: &str) -> Result<String> {
    let after = text.split("LLVM version ").nth(1).and_then(|rest| rest.split_whitespace().next());
    after.map(str::to_owned).with_context(|| format!("no LLVM version in: {}", text.trim()))
}
