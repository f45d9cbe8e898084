//! What this process may do, and what it lacks.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use caps::{CapSet, Capability};

use crate::shell;

/// What the live monitor needs, and why: CAP_BPF for maps and programs, CAP_NET_ADMIN for XDP, CAP_PERFMON because the
/// verifier otherwise refuses pointer arithmetic and slows the program with speculation barriers.
pub const NEEDED: [Capability; 3] = [Capability::CAP_BPF, Capability::CAP_NET_ADMIN, Capability::CAP_PERFMON];

/// Which of them this process lacks. CAP_SYS_ADMIN stands for all of them.
pub fn missing() -> Vec<Capability> {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    if has(Capability::CAP_SYS_ADMIN) {
        return Vec::new();
    }
    NEEDED.into_iter().filter(|capability| !has(*capability)).collect()
}

/// What to say when the kernel refused something with `EPERM` or `EACCES`: what is missing, and the remedy.
pub fn explain_refusal() -> String {
    let missing = missing();
    if missing.is_empty() {
        return "not permitted although this process has the capabilities: a container, user namespace or kernel \
                lockdown forbids it; run nettop on the host itself"
            .into();
    }
    let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
    format!("not permitted: missing {}; run with sudo, or once: {}", names.join(", "), setcap(program().as_deref()))
}

/// The command that gives a file the capabilities, once and for all.
pub fn setcap(program: Option<&Path>) -> String {
    let path = program.map_or_else(|| "nettop".into(), shell::word);
    format!("sudo setcap cap_bpf,cap_net_admin,cap_perfmon=ep {path}")
}

/// The file of this program, without symbolic links: capabilities belong to it, not to them.
pub fn program() -> Option<PathBuf> {
    env::current_exe().and_then(fs::canonicalize).ok()
}

/// Whether an error means that a privilege is missing.
pub fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES))
}
