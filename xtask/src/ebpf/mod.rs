//! `cargo xtask ebpf`: builds `data/nettop.bpf.o` and the manifest beside it, or checks that they can be built again.

mod btf;
mod compile;
mod manifest;
mod packages;
mod sources;
mod toolchain;
pub mod wrapper;

use std::fs;

use anyhow::{Context as _, Result, bail};

pub use self::sources::sha256;
use self::toolchain::Toolchain;
pub use self::{
    manifest::{Manifest, freshness},
    sources::ObjectSources,
    toolchain::Identity,
};
use crate::workspace::Workspace;

/// The committed object, from the workspace's root.
pub const OBJECT: &str = "data/nettop.bpf.o";

/// The committed manifest, from the workspace's root.
pub const MANIFEST: &str = "data/nettop.bpf.json";

const PACKAGE: &str = "nettop-ebpf";
const BINARY: &str = "nettop";
const PROFILE: &str = "ebpf";
const TARGET: &str = "bpfel-unknown-none";

/// The compiler's flags that shape the object, beside the profile's.
// The last is LLVM's own default, which bpf-linker changes: zeroing a new slot would be a loop over its bytes.
const FLAGS: [&str; 2] = ["-Clink-arg=--btf", "-Clink-arg=--llvm-args=--bpf-expand-memcpy-in-order=false"];

/// Build the kernel program into data/nettop.bpf.o, byte for byte the same everywhere
#[derive(clap::Args)]
pub struct Args {
    /// Write nothing: build elsewhere and fail unless the committed object comes out
    #[arg(long)]
    pub check: bool,
}

/// Builds or checks the object.
pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if args.check { check(workspace) } else { build(workspace) }
}

fn build(workspace: &Workspace) -> Result<()> {
    let before = Manifest::read(&workspace.root).ok();
    let toolchain = Toolchain::find(before.as_ref().map(|manifest| &manifest.toolchain))?;
    println!("compiling with {}", toolchain.identity);

    let compiled = compile::compile(workspace, &toolchain, &workspace.target.join("ebpf"), false)?;
    let manifest = Manifest::new(&compiled.object, toolchain.identity, compiled.sources);

    let path = workspace.root.join(OBJECT);
    fs::write(&path, &compiled.object).with_context(|| format!("cannot write {}", path.display()))?;
    manifest.write(&workspace.root)?;
    let same = before.is_some_and(|before| before.object_sha256 == manifest.object_sha256);
    let news = if same { "as before" } else { "new" };
    println!("{OBJECT}: {} bytes, sha256 {}, {news}", compiled.object.len(), manifest.object_sha256);
    Ok(())
}

fn check(workspace: &Workspace) -> Result<()> {
    freshness(&workspace.root)?;
    let manifest = Manifest::read(&workspace.root)?;
    let toolchain = Toolchain::find(Some(&manifest.toolchain))?;
    if toolchain.identity != manifest.toolchain {
        bail!(
            "{OBJECT} cannot be checked with another toolchain than the one it was made with.\n  \
             demanded: {}\n  found:    {}\n\
             Install the one demanded, or make the object anew with `cargo xtask ebpf` and commit it",
            manifest.toolchain,
            toolchain.identity
        );
    }
    // Nothing of an earlier build may help.
    let parent = &workspace.target;
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let folder = tempfile::Builder::new()
        .prefix("ebpf-check-")
        .tempdir_in(parent)
        .with_context(|| format!("cannot make a folder in {}", parent.display()))?;
    let compiled = compile::compile(workspace, &toolchain, folder.path(), true)?;
    let (wanted, found) = (&manifest.object_sha256, sha256(&compiled.object));
    if found != *wanted {
        let kept = parent.join("nettop.bpf.o.differs");
        fs::write(&kept, &compiled.object).with_context(|| format!("cannot write {}", kept.display()))?;
        bail!(
            "the same sources and toolchain gave another object: sha256 {found} instead of {wanted}; \
             it is kept as {}",
            kept.display()
        );
    }
    println!("{OBJECT}: {} bytes, built again and found the same, sha256 {wanted}", compiled.object.len());
    Ok(())
}
