//! What this process may do, what it lacks, and giving up what it no longer needs.

use std::{env, io};

use aya::util::KernelVersion;
use caps::{CapSet, Capability};

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
    let path = env::current_exe().map_or_else(|_| "nettop".into(), |path| path.display().to_string());
    format!(
        "not permitted: missing {}; run with sudo, or once: sudo setcap cap_bpf,cap_net_admin,cap_perfmon=ep {path}",
        names.join(", ")
    )
}

/// Whether an error means that a privilege is missing.
pub fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES))
}

/// Gives up every capability, for this thread and all it starts from now on, and the way back. Open descriptors keep
/// working: maps are read and the loaded program is attached to further interfaces without any capability.
///
/// # Errors
/// When the kernel refuses.
pub fn drop_all() -> Result<(), caps::errors::CapsError> {
    // Before 5.19 every bpf(2) call needs CAP_BPF where unprivileged_bpf_disabled is set.
    let keep_bpf = KernelVersion::current().is_ok_and(|version| version < KernelVersion::new(5, 19, 0));
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        let kept = match set {
            CapSet::Effective | CapSet::Permitted if keep_bpf => {
                caps::read(None, set)?.into_iter().filter(|capability| *capability == Capability::CAP_BPF).collect()
            }
            _ => caps::CapsHashSet::new(),
        };
        caps::set(None, set, &kept)?;
    }
    // SAFETY: prctl with plain integers.
    unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    Ok(())
}
