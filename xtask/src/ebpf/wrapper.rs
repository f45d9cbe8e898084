//! Stands between cargo and rustc while the eBPF object is built (`RUSTC_WRAPPER`).
//!
//! Cargo hands every crate a hash through `-C metadata`, which ends up in symbol names and in BTF. That hash differs
//! between versions of cargo, and changes with the version of any crate that merely helps to build (a JSON parser in a
//! build script, say). The crates that go into the object get their package's name instead, so that its bytes depend on
//! their sources and the compiler alone.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use super::TARGET;

/// Its presence makes xtask a wrapper around rustc.
const MARK: &str = "NETTOP_XTASK_WRAPS_RUSTC";

/// Has a cargo command call rustc through this program.
pub fn install(cargo: &mut Command) -> std::io::Result<()> {
    cargo.env("RUSTC_WRAPPER", env::current_exe()?).env(MARK, "1");
    Ok(())
}

/// If cargo calls us as its wrapper, becomes rustc; returns only if that fails. Otherwise does nothing.
pub fn intercept() -> Option<ExitCode> {
    env::var_os(MARK)?;
    let mut words = env::args_os().skip(1);
    let rustc = words.next()?;
    let package = env::var_os("CARGO_PKG_NAME");
    let error = Command::new(&rustc).args(steady(words.collect(), package.as_deref())).exec();
    eprintln!("error: cannot start {}: {error}", rustc.display());
    Some(ExitCode::FAILURE)
}

/// The arguments of rustc, with a steady hash if the crate is for the BPF target.
fn steady(mut arguments: Vec<OsString>, package: Option<&OsStr>) -> Vec<OsString> {
    let for_bpf = arguments.windows(2).any(|pair| pair[0] == "--target" && pair[1] == TARGET);
    if let Some(package) = package.filter(|_| for_bpf) {
        for argument in &mut arguments {
            if argument.as_encoded_bytes().starts_with(b"metadata=") {
                *argument = "metadata=".into();
                argument.push(package);
            }
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(line: &str) -> String {
        let words = line.split(' ').map(OsString::from).collect();
        steady(words, Some(OsStr::new("aya-ebpf"))).join(OsStr::new(" ")).to_string_lossy().into_owned()
    }

    #[test]
    fn crates_of_the_object_get_a_steady_hash() {
        assert_eq!(
            changed("--target bpfel-unknown-none -C metadata=0123 -C extra-filename=-4567"),
            "--target bpfel-unknown-none -C metadata=aya-ebpf -C extra-filename=-4567"
        );
    }

    #[test]
    fn crates_for_the_host_are_left_alone() {
        let line = "--crate-type proc-macro -C metadata=0123";
        assert_eq!(changed(line), line);
    }
}
