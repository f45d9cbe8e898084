//! Asks the linker of a release to fold functions whose code is the same into one (identical code folding), if it can: lld,
//! which is rustc's own on x86-64, mold and gold can, GNU ld cannot.

use std::{env, fs, path::PathBuf, process::Command};

/// Nothing here depends on the addresses of two functions being different, and Rust never promises it.
const FOLD: &str = "-Wl,--icf=all";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PATH");
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") && links(FOLD).unwrap_or(false) {
        println!("cargo::rustc-link-arg-bins={FOLD}");
    }
}

/// Whether a program can be linked with this argument, by the same compiler and linker as nettop. `None`: that could not be tried.
fn links(argument: &str) -> Option<bool> {
    let folder = PathBuf::from(env::var_os("OUT_DIR")?);
    let source = folder.join("links.rs");
    fs::write(&source, "fn main() {}\n").ok()?;
    let mut rustc = Command::new(env::var_os("RUSTC")?);
    rustc.arg(source).arg("-o").arg(folder.join("links")).args(["--target", &env::var("TARGET").ok()?]);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    rustc.args(flags.split('\x1f').filter(|flag| !flag.is_empty())).arg(format!("-Clink-arg={argument}"));
    // What a linker has to say that cannot is none of a build's business.
    Some(rustc.output().ok()?.status.success())
}
