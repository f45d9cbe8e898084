//! What the kernel is, and how it is set.

use std::{fs, path::Path};

use aya::util::KernelVersion;
use nettop_collect::kernel::LEAST_KERNEL;

use super::Finding;

/// Access to maps through open descriptors, without CAP_BPF.
const WITHOUT_CAPABILITIES: KernelVersion = KernelVersion::new(5, 19, 0);

/// The release.
pub fn version() -> Finding {
    let Some(release) = read("/proc/sys/kernel/osrelease") else { return unreadable("/proc/sys/kernel/osrelease") };
    match KernelVersion::current() {
        Ok(version) if version < LEAST_KERNEL => {
            Finding::missing(format!("Linux {release} is older than 5.18"), "start a newer kernel")
        }
        Ok(version) if version < WITHOUT_CAPABILITIES => {
            Finding::good(format!("Linux {release}; before 5.19 CAP_BPF has to be kept while running"))
        }
        Ok(_) => Finding::good(format!("Linux {release}")),
        Err(error) => Finding::Unknown(format!("Linux {release}: {error}")),
    }
}

/// The kernel's own types.
pub fn btf() -> Finding {
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    if Path::new(PATH).exists() {
        Finding::good(PATH)
    } else if Path::new("/sys/kernel").exists() {
        Finding::missing(
            format!("no {PATH}: packets are counted, but not what processes move, nor what the kernel drops"),
            "start a kernel with CONFIG_DEBUG_INFO_BTF",
        )
    } else {
        Finding::Unknown("/sys is not mounted".into())
    }
}

/// Whether programs are compiled.
pub fn jit() -> Finding {
    const PATH: &str = "/proc/sys/net/core/bpf_jit_enable";
    match read(PATH).as_deref() {
        Some("0") => Finding::missing(
            "off: the program costs several times as much per packet",
            "sudo sysctl net.core.bpf_jit_enable=1",
        ),
        Some("1" | "2") => Finding::good("on"),
        // Network namespaces of their own do not have it.
        _ => unreadable(PATH),
    }
}

/// Who may use bpf(2).
pub fn unprivileged() -> Finding {
    const PATH: &str = "/proc/sys/kernel/unprivileged_bpf_disabled";
    match read(PATH).as_deref() {
        Some("0") => Finding::good("allowed to everybody; nettop's program needs capabilities all the same"),
        Some("1") => Finding::good("off until the next start; nettop has CAP_BPF when it needs it"),
        Some("2") => Finding::good("off; nettop has CAP_BPF when it needs it"),
        _ => unreadable(PATH),
    }
}

/// Whether programs are timed.
pub fn statistics() -> Finding {
    const PATH: &str = "/proc/sys/kernel/bpf_stats_enabled";
    match read(PATH).as_deref() {
        // As it should be: measuring has its price, too.
        Some("0") => Finding::good("off: what a packet costs is shown after sudo sysctl kernel.bpf_stats_enabled=1"),
        Some("1") => Finding::good("on: what a packet costs is shown"),
        _ => unreadable(PATH),
    }
}

/// The kernel's lockdown mode.
pub fn lockdown() -> Finding {
    const PATH: &str = "/sys/kernel/security/lockdown";
    let Some(modes) = read(PATH) else {
        return Finding::Unknown(format!("{PATH} cannot be read: not compiled in, or securityfs is not mounted"));
    };
    // The one in force stands in brackets.
    match modes.split(['[', ']']).nth(1) {
        Some("none") => Finding::good("none"),
        Some(mode) => Finding::good(format!("{mode}: XDP is not concerned")),
        None => Finding::Unknown(format!("{PATH} says {modes:?}")),
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_string())
}

fn unreadable(path: &str) -> Finding {
    Finding::Unknown(format!("{path} cannot be read from here"))
}
