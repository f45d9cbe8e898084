//! Compiles the eBPF program so that its bytes depend on its sources and the toolchain alone: not on the user, the
//! folder of the checkout, cargo's home, the host name of a registry, or the version of cargo.

use std::{collections::BTreeSet, ffi::OsString, fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use super::{
    BINARY, FLAGS, PACKAGE, PROFILE, TARGET, btf,
    packages::{self, Package},
    sources::ObjectSources,
    toolchain::{Compiler, Toolchain},
    wrapper,
};
use crate::{process, workspace::Workspace};

/// What a compilation yields.
pub struct Compiled {
    /// The object, stripped.
    pub object: Vec<u8>,
    /// What it was made from.
    pub sources: ObjectSources,
}

/// Environment variables that could change what cargo or rustc do. Cargo's home, network and registries are not among
/// them: these say where from, not what.
const INTERFERING: [&str; 10] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "CARGO_INCREMENTAL",
    "CARGO_UNSTABLE_",
    "RUSTC",
    "RUSTUP_TOOLCHAIN",
    "LD_LIBRARY_PATH",
];

/// Compiles into `folder`, which is only this build's.
pub fn compile(workspace: &Workspace, toolchain: &Toolchain, folder: &Path, strict: bool) -> Result<Compiled> {
    let packages = packages::of_the_object(&mut cargo(workspace, &toolchain.compiler))?;
    let names: Vec<String> = packages.iter().map(|Package { name, version, .. }| format!("{name} {version}")).collect();
    let read = || ObjectSources::read(&workspace.root, names.iter().map(String::as_str));
    let sources = read()?;

    let mut build = cargo(workspace, &toolchain.compiler);
    build.args(["build", "--locked", "--package", PACKAGE, "--bin", BINARY, "--profile", PROFILE, "--target", TARGET]);
    if toolchain.compiler.build_std {
        build.args(["-Z", "build-std=core"]);
    }
    build.arg("--target-dir").arg(folder);
    build.env("CARGO_ENCODED_RUSTFLAGS", flags(workspace, toolchain, &packages, strict).join("\x1f".as_ref()));
    wrapper::install(&mut build).context("cannot find out which program this is")?;
    process::run(&mut build).context("cannot compile the eBPF program")?;

    let linked = folder.join(TARGET).join(PROFILE).join(BINARY);
    let stripped = folder.join("stripped.o");
    let mut strip = Command::new(&toolchain.strip);
    process::run(strip.arg("--strip-debug").arg("-o").arg(&stripped).arg(&linked))?;
    let mut object = fs::read(&stripped).with_context(|| format!("cannot read {}", stripped.display()))?;
    btf::order_declarations(&mut object)?;
    if let Some(file) = file_it_names(&object) {
        bail!(
            "the eBPF object names {file}, which exists on this machine: the code generator puts lines of such files into \
             the object, so that it would differ from machine to machine. If it belongs to the package rust-web-src, \
             remove that: sudo apt-get remove rust-web-src"
        );
    }
    if read()? != sources {
        bail!("the sources of the eBPF program were changed while it was compiled; run this again");
    }
    Ok(Compiled { object, sources })
}

/// A cargo that listens to nothing but what we tell it.
fn cargo(workspace: &Workspace, compiler: &Compiler) -> Command {
    let mut cargo = match &compiler.cargo {
        Some(cargo) => Command::new(cargo),
        None => workspace.cargo(),
    };
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| INTERFERING.iter().any(|start| name.starts_with(start))) {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(&workspace.root).env("RUSTC", &compiler.rustc);
    // Debian's compiler is a stable one; the program needs features that are not.
    cargo.env("RUSTC_BOOTSTRAP", "1");
    // aya-ebpf would take the host's architecture, which an XDP program has no use for.
    cargo.env("AYA_BPF_TARGET_ARCH", "x86_64");
    cargo
}

/// The compiler's flags: those that matter, then those that take this machine's paths out of the object. The folders they
/// are replaced with exist nowhere, or else the code generator would put lines of files in them into BTF.
fn flags(workspace: &Workspace, toolchain: &Toolchain, packages: &BTreeSet<Package>, strict: bool) -> Vec<OsString> {
    let mut flags: Vec<OsString> = FLAGS.iter().map(OsString::from).collect();
    let mut linker = OsString::from("-Clinker=");
    linker.push(&toolchain.linker);
    flags.push(linker);
    if strict {
        flags.push("-Dwarnings".into());
    }
    let mut remap = |from: &Path, to: &str| {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push("=");
        flag.push(to);
        flags.push(flag);
    };
    // The last one that fits counts: a folder of vendored packages may lie inside the workspace.
    remap(&toolchain.compiler.sysroot.join("lib/rustlib/src/rust"), "/rust.src");
    remap(&workspace.root, "/nettop.src");
    for Package { name, version, folder } in packages {
        remap(folder, &format!("/registry.src/{name}-{version}"));
    }
    flags
}

/// A source file that an object names by a path which leads to a file here.
fn file_it_names(object: &[u8]) -> Option<&str> {
    let words = object.split(|byte| *byte == 0).filter(|word| word.starts_with(b"/") && word.ends_with(b".rs"));
    words.filter_map(|word| std::str::from_utf8(word).ok()).find(|path| Path::new(path).exists())
}
