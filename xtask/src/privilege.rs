//! What this process and a program file may do.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::process;

/// Where programs for administrators lie; an ordinary user's PATH often leaves these folders out.
pub const ADMINISTRATION: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Whether this process runs as root.
pub fn is_root() -> Result<bool> {
    // The kernel gives a process's folder to its effective user.
    let myself = std::fs::metadata("/proc/self").context("cannot find out who we are: /proc is not mounted")?;
    Ok(myself.uid() == 0)
}

/// Whether a program gets all of these capabilities when it starts. "No" also when `getcap` is not there to tell.
pub fn has_capabilities(program: &Path, wanted: &[&str]) -> bool {
    let Some(getcap) = process::find("getcap", &ADMINISTRATION) else { return false };
    let told = process::read(Command::new(getcap).arg(program)).unwrap_or_default();
    grants(&told, wanted)
}

/// Reads what `getcap` printed: the file, then names with their sets, such as "cap_net_admin,cap_bpf=ep".
fn grants(told: &str, wanted: &[&str]) -> bool {
    let Some((names, sets)) = told.trim().rsplit(' ').next().and_then(|word| word.split_once(['=', '+'])) else {
        return false;
    };
    let names: Vec<&str> = names.split(',').collect();
    ['e', 'p'].iter().all(|set| sets.contains(*set)) && wanted.iter().all(|name| names.contains(name))
}

/// The program that sets capabilities of files.
pub fn setcap() -> Option<PathBuf> {
    process::find("setcap", &ADMINISTRATION)
}

#[cfg(test)]
mod tests {
    use super::grants;

    const WANTED: [&str; 2] = ["cap_bpf", "cap_net_admin"];

    #[test]
    fn all_capabilities_must_be_granted_and_effective() {
        assert!(grants("/a b/nettop cap_net_admin,cap_perfmon,cap_bpf=ep\n", &WANTED));
        assert!(grants("nettop = cap_net_admin,cap_bpf+eip", &WANTED));
        assert!(!grants("nettop cap_net_admin=ep", &WANTED));
        assert!(!grants("nettop cap_net_admin,cap_bpf=p", &WANTED));
        assert!(!grants("", &WANTED));
    }
}
