//! What this process may do, and what it lacks.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use caps::{CapSet, Capability};

use nettop_process::shell;

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

/// Why this process has not the privileges that are needed, as far as it can be told beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// It is in a user namespace: its capabilities, if it has any, are not those of the host.
    UserNamespace,
    /// It lacks these.
    Missing(Vec<Capability>),
}

/// What is in the way, if anything is.
pub fn hindrance() -> Option<Hindrance> {
    let missing = missing();
    match (in_user_namespace(), missing.is_empty()) {
        (true, _) => Some(Hindrance::UserNamespace),
        (false, false) => Some(Hindrance::Missing(missing)),
        (false, true) => None,
    }
}

/// Whether the user namespace of this process is another one than the host's, as in a rootless container. Where /proc does not
/// tell, it is the host's.
pub fn in_user_namespace() -> bool {
    // PROC_USER_INIT_INO (linux/proc_ns.h): this number is part of the kernel's interface.
    const INITIAL: &str = "user:[4026531837]";
    fs::read_link("/proc/self/ns/user").is_ok_and(|namespace| namespace != Path::new(INITIAL))
}

/// What is wrong in a user namespace, and the remedy.
pub const IN_USER_NAMESPACE: (&str, &str) = (
    "this process is in a user namespace (a rootless container, or unshare -U), whose root has no CAP_BPF, CAP_NET_ADMIN and \
     CAP_PERFMON on the host",
    "start nettop on the host with sudo, or in a container that is not rootless: sudo podman run --network host --cap-add \
     BPF,NET_ADMIN,PERFMON",
);

/// What to say when the kernel refused something with `EPERM` or `EACCES`: what is missing, and the remedy.
pub fn explain_refusal() -> String {
    explain(hindrance(), &Surroundings::look())
}

/// What can refuse bpf(2) to those who have the capabilities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Surroundings {
    /// A seccomp filter confines this process already, as container engines have it.
    seccomp: bool,
    /// The lockdown mode, if it is not `none`.
    lockdown: Option<String>,
    /// Security modules that have a say in bpf(2).
    modules: Vec<&'static str>,
}

impl Surroundings {
    fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self::of(&read("/proc/self/status"), &read("/sys/kernel/security/lockdown"), &read("/sys/kernel/security/lsm"))
    }

    /// From what these files hold.
    fn of(status: &str, lockdown: &str, lsm: &str) -> Self {
        const WITH_BPF: [&str; 5] = ["selinux", "apparmor", "smack", "bpf", "tomoyo"];
        let seccomp = status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(str::trim);
        // The mode in force stands in brackets.
        let lockdown = lockdown.split(['[', ']']).nth(1).filter(|mode| *mode != "none");
        Self {
            seccomp: seccomp.is_some_and(|mode| mode != "0"),
            lockdown: lockdown.map(Into::into),
            modules: WITH_BPF.into_iter().filter(|name| lsm.trim().split(',').any(|module| module == *name)).collect(),
        }
    }
}

fn explain(hindrance: Option<Hindrance>, surroundings: &Surroundings) -> String {
    match hindrance {
        Some(Hindrance::UserNamespace) => {
            let (what, remedy) = IN_USER_NAMESPACE;
            return format!("not permitted: {what}; {remedy}");
        }
        Some(Hindrance::Missing(missing)) => {
            let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
            return format!(
                "not permitted: missing {}; run with sudo, or once: {}",
                names.join(", "),
                setcap(program().as_deref())
            );
        }
        None => {}
    }
    let Surroundings { seccomp, lockdown, modules } = surroundings;
    let mut suspects = Vec::new();
    if *seccomp {
        suspects.push("a seccomp filter, as container engines have it".to_string());
    }
    if let Some(mode) = lockdown {
        suspects.push(format!("the kernel's lockdown ({mode})"));
    }
    if !modules.is_empty() {
        suspects.push(format!("a policy of the security modules {}", modules.join(", ")));
    }
    let suspects = match suspects[..] {
        [] => "a container or the kernel's lockdown".into(),
        _ => suspects.join(", or "),
    };
    format!(
        "not permitted although this process has the capabilities: what forbids it is {suspects}; run nettop on the host \
         itself, and see the kernel's and the audit log (dmesg, ausearch -m avc)"
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refuses_is_named() {
        let of = |status: &str, lockdown: &str, lsm: &str| explain(None, &Surroundings::of(status, lockdown, lsm));
        for (status, lockdown, lsm, parts) in [
            ("Seccomp:\t2\n", "", "", &["seccomp"][..]),
            ("Seccomp:\t0\n", "none integrity [confidentiality]\n", "", &["lockdown (confidentiality)"]),
            ("", "[none] integrity confidentiality", "lockdown,capability,yama,selinux,bpf\n", &["selinux, bpf"]),
            ("Name:\tx\nSeccomp:\t1\n", "", "capability,apparmor", &["seccomp", " or ", "apparmor"]),
            ("", "", "", &["container or the kernel's lockdown"]),
        ] {
            let text = of(status, lockdown, lsm);
            assert!(
                parts.iter().all(|part| text.contains(part)) && text.contains("; run nettop on the host"),
                "{text}"
            );
            assert!(!lockdown.contains("[none]") || !text.contains("lockdown ("), "{text}");
        }
    }

    #[test]
    fn a_user_namespace_is_named_before_capabilities_that_would_not_help() {
        let nothing = Surroundings::default();
        for (hindrance, part, remedy) in [
            (Hindrance::UserNamespace, "rootless container", "on the host with sudo"),
            (Hindrance::Missing(vec![Capability::CAP_BPF]), "missing CAP_BPF", "sudo setcap"),
        ] {
            let text = explain(Some(hindrance), &nothing);
            assert!(text.contains(part) && text.contains(remedy), "{text}");
        }
    }
}
