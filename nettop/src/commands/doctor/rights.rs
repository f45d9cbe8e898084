//! What this process may do, and whether its file could give it more.

use std::{ffi::CString, fs, mem, os::unix::ffi::OsStrExt as _};

use caps::CapSet;
use nettop_collect::privilege;
use nettop_sandbox::Invoker;
use rustix::process::{Resource, geteuid, getrlimit};

use super::Finding;

const MATTERS_NOT: &str = "the capabilities are there already";

/// CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.
pub fn capabilities() -> Finding {
    let missing = privilege::missing();
    let user = geteuid().as_raw();
    if privilege::in_user_namespace() {
        let (what, remedy) = privilege::IN_USER_NAMESPACE;
        return Finding::missing(format!("user {user}: {what}"), remedy);
    }
    if missing.is_empty() {
        return Finding::good(format!("CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are effective (user {user})"));
    }
    let permitted = |capability| caps::has_cap(None, CapSet::Permitted, capability).unwrap_or(false);
    let names: Vec<_> = missing
        .iter()
        .map(|capability| match permitted(*capability) {
            true => format!("{capability} (permitted, but not effective)"),
            false => capability.to_string(),
        })
        .collect();
    let remedy = match privilege::program() {
        Some(path) => privilege::setcap(Some(&path)),
        None => "run with sudo".into(),
    };
    Finding::missing(format!("user {user} lacks {}", names.join(", ")), remedy)
}

/// As whom it runs once it is confined.
pub fn user() -> Finding {
    match Invoker::of_sudo() {
        Ok(Some(invoker)) => Finding::good(format!("{}, who called sudo", invoker.uid())),
        Ok(None) => Finding::good(format!("{}, as it is started", geteuid().as_raw())),
        Err(error) => Finding::failed(&error, "--no-sandbox lets it stay root"),
    }
}

/// Whether the program lies where files can have capabilities.
pub fn file_system() -> Finding {
    let Some(path) = privilege::program() else {
        return Finding::Unknown("the path of this program cannot be told".into());
    };
    let shown = path.display();
    let Ok(c_path) = CString::new(path.as_os_str().as_bytes()) else {
        return Finding::Unknown(format!("{shown} is no path for the kernel"));
    };
    // SAFETY: plain integers, for which zero is valid.
    let mut facts: libc::statvfs = unsafe { mem::zeroed() };
    // SAFETY: a path that ends with zero, and a buffer of the right type.
    if unsafe { libc::statvfs(c_path.as_ptr(), &raw mut facts) } != 0 {
        return Finding::Unknown(format!("{shown}: {}", std::io::Error::last_os_error()));
    }
    match facts.f_flag & libc::ST_NOSUID {
        0 => Finding::good(format!("{shown} can have capabilities")),
        _ if privilege::missing().is_empty() => Finding::good(format!("{shown} is mounted nosuid; {MATTERS_NOT}")),
        _ => Finding::missing(
            format!("{shown} is mounted nosuid, where capabilities of files do not count"),
            "install it elsewhere, or run with sudo",
        ),
    }
}

/// How much memory may be locked.
pub fn memlock() -> Finding {
    let limit = match getrlimit(Resource::Memlock).current {
        Some(bytes) => format!("{} KiB", bytes >> 10),
        None => "unlimited".into(),
    };
    // nettop needs a newer kernel anyhow.
    Finding::good(format!("{limit}; maps do not count since Linux 5.11, but as memory of the cgroup"))
}

/// Whether exec can add capabilities.
pub fn no_new_privs() -> Finding {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("NoNewPrivs:")).map(str::trim);
    match set {
        Some("0") => Finding::good("not set"),
        Some("1") if privilege::missing().is_empty() => Finding::good(format!("set; {MATTERS_NOT}")),
        Some("1") => Finding::missing(
            "set: neither sudo nor capabilities of files work here",
            "start nettop outside of this sandbox",
        ),
        _ => Finding::Unknown("/proc/self/status does not tell".into()),
    }
}
