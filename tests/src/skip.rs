//! Tests that cannot run here say so, visibly, with the reason.

use std::{
    env,
    fs::{self, OpenOptions},
    io::Write as _,
    process::Command,
    thread,
};

use caps::{CapSet, Capability};

use crate::bpf;

/// Names a file to which every skip is appended as a line; `cargo xtask test` lists them at the end.
const SKIPS: &str = "NETTOP_SKIPS";
/// What the tests need: nettop's own three, and CAP_SYS_ADMIN for network namespaces.
const NEEDED: [Capability; 4] =
    [Capability::CAP_BPF, Capability::CAP_NET_ADMIN, Capability::CAP_PERFMON, Capability::CAP_SYS_ADMIN];

/// Whether this process may load programs and make network namespaces. If not, says that the test is skipped, and why.
pub fn privileged() -> bool {
    match hindrance() {
        None => true,
        Some(reason) => {
            report(&reason);
            false
        }
    }
}

/// Something of the kernel's that not every one has which nettop runs on, and a symbol by which it is known.
pub struct Part {
    symbol: &'static str,
    what: &'static str,
}

/// By which bytes of processes are counted.
pub const CALLS: Part =
    Part { symbol: "__traceiter_sock_send_length", what: "no tracepoints for what calls send (6.3)" };
/// By which is counted what is sent.
pub const TCX: Part = Part { symbol: "tcx_link_attach", what: "no links of programs at the egress (tcx, 6.6)" };

/// Whether the kernel has it. Only root may ask.
pub fn kernel_has(part: &Part) -> bool {
    let symbols = fs::read_to_string("/proc/kallsyms").expect("reading the kernel's symbols");
    symbols.lines().any(|line| line.split_whitespace().nth(2) == Some(part.symbol))
}

/// Whether a test may run here that needs this part of the kernel, too. If not, says that it is skipped, and why.
pub fn privileged_with(part: &Part) -> bool {
    if !privileged() {
        return false;
    }
    let has = kernel_has(part);
    if !has {
        report(&format!("the kernel has {}", part.what));
    }
    has
}

/// Says that the test is skipped, on standard error and in the file of skips. The test runner names the thread of each test for it.
pub fn report(reason: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    let line = format!("SKIPPED {test}: {reason}\n");
    // Not by eprint!, which the test runner captures.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = env::var_os(SKIPS) {
        let mut file = OpenOptions::new().create(true).append(true).open(&path).expect("opening the file of skips");
        file.write_all(line.as_bytes()).expect("writing to the file of skips");
    }
}

/// What keeps whatever needs the kernel from running here.
pub fn hindrance() -> Option<String> {
    // SAFETY: no arguments, no failure.
    if unsafe { libc::geteuid() } != 0 {
        return Some("not root; try sudo -E".into());
    }
    let lacks = |capability: &Capability| !caps::has_cap(None, CapSet::Effective, *capability).unwrap_or(false);
    let missing: Vec<_> = NEEDED.into_iter().filter(lacks).map(|capability| capability.to_string()).collect();
    if !missing.is_empty() {
        return Some(format!("missing {}", missing.join(", ")));
    }
    if Command::new("ip").arg("-V").output().is_err() {
        return Some("there is no `ip`; on Debian: apt-get install iproute2".into());
    }
    if let Err(error) = bpf::load_xdp(&[bpf::mov(0, 2), bpf::exit()]) {
        return Some(format!("the kernel does not load XDP programs: {error}"));
    }
    // In a thread of its own, which takes the new namespace with it.
    // SAFETY: plain integers.
    let unshared = thread::spawn(|| match unsafe { libc::unshare(libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    });
    match unshared.join().expect("unshare does not panic") {
        Ok(()) => None,
        Err(error) => Some(format!("the kernel makes no network namespaces: {error}")),
    }
}
