//! seccomp: the system calls that a running monitor makes, and no others; of some only with certain arguments.
//!
//! Any other is answered with `ENOSYS`, and the monitor goes on. Not by killing: a call that a library makes once in a year
//! would then end the monitor under attack, when it is needed; and every row of this list would be a way to do so. Not with
//! `EPERM` either: to a C library a call that the kernel does not have is one to do without (`clone3`, `statx`, `faccessat2`
//! and whatever comes next), one that is not permitted is an error to pass on. What an attacker gets is the same: nothing.

use std::{collections::BTreeMap, env};

use Argument::{OneOf, With, Without};
use aya_obj::generated::bpf_cmd;
use libc::c_long;
use nettop_model::snapshot::SandboxLayer;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

use super::{holds, refused};

pub(super) const PART: &str = "system calls";

/// Those that are made with any arguments.
const ANY: &[c_long] = &[
    // Open files and sockets.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    // Files by name: Landlock says which.
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_readlinkat,
    // Names in folders of logs.
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    // The control socket and rtnetlink; there are no sockets of another kind to connect.
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    // Time, memory and itself.
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_geteuid,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getpgid,
    libc::SYS_sched_getaffinity,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Threads and signals.
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Older forms of them, by architecture.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] =
    &[libc::SYS_poll, libc::SYS_epoll_wait, libc::SYS_unlink, libc::SYS_rename, libc::SYS_readlink, libc::SYS_getpgrp];
#[cfg(target_arch = "aarch64")]
const OLDER: &[c_long] = &[SYS_RENAMEAT];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const OLDER: &[c_long] = &[];

/// asm-generic/unistd.h; the libc crate does not name it there.
#[cfg(target_arch = "aarch64")]
const SYS_RENAMEAT: c_long = 38;

/// A condition on an argument.
#[derive(Clone, Copy)]
pub(super) enum Argument {
    /// It is one of these numbers.
    OneOf(u8, &'static [u64]),
    /// None of these bits is set in it.
    Without(u8, u64),
    /// All of these bits are set in it.
    With(u8, u64),
}

/// Those that are made only so.
const CERTAIN: &[(c_long, Argument)] = &[
    // Threads, and no processes. glibc tries clone3 first, whose flags lie where no filter can look.
    (libc::SYS_clone, With(0, libc::CLONE_THREAD as u64)),
    // Never memory that can be executed.
    (libc::SYS_mmap, Without(2, libc::PROT_EXEC as u64)),
    (libc::SYS_mprotect, Without(1, libc::PROT_EXEC as u64)),
    // How signals reach the runtime.
    (libc::SYS_socketpair, OneOf(0, &[libc::AF_UNIX as u64])),
    // Attach what is loaded, run it over open files, ask about it, read maps that are not mapped, change and empty them: nothing is loaded any more.
    (
        libc::SYS_bpf,
        OneOf(
            0,
            &[
                bpf_cmd::BPF_LINK_CREATE as u64,
                bpf_cmd::BPF_ITER_CREATE as u64,
                bpf_cmd::BPF_OBJ_GET_INFO_BY_FD as u64,
                bpf_cmd::BPF_MAP_LOOKUP_ELEM as u64,
                bpf_cmd::BPF_MAP_UPDATE_ELEM as u64,
                bpf_cmd::BPF_MAP_DELETE_ELEM as u64,
                bpf_cmd::BPF_MAP_LOOKUP_BATCH as u64,
                bpf_cmd::BPF_MAP_LOOKUP_AND_DELETE_BATCH as u64,
            ],
        ),
    ),
    // The terminal's size and settings, whose turn it is to use it, throwing away what it has not read, never input in its user's name (TIOCSTI); and
    // whether a descriptor blocks.
    (
        libc::SYS_ioctl,
        OneOf(
            1,
            &[
                libc::TCGETS,
                libc::TCGETS2,
                libc::TCSETS,
                libc::TCSETSW,
                libc::TCSETSF,
                libc::TCSETS2,
                libc::TCSETSW2,
                libc::TCSETSF2,
                libc::TIOCGWINSZ,
                libc::TIOCGPGRP,
                libc::TCFLSH,
                libc::FIONBIO,
            ],
        ),
    ),
    // Until no CPU counts any more in what is to be read.
    (libc::SYS_membarrier, OneOf(0, &[libc::MEMBARRIER_CMD_GLOBAL as u64])),
    // The names of threads.
    (libc::SYS_prctl, OneOf(0, &[libc::PR_SET_NAME as u64])),
    // abort(3), and to stop as the shell's user wants it: signals to others are Landlock's matter.
    (
        libc::SYS_tgkill,
        OneOf(2, &[libc::SIGABRT as u64, libc::SIGTSTP as u64, libc::SIGTTIN as u64, libc::SIGTTOU as u64]),
    ),
];

impl Argument {
    /// As rules, of which any is enough.
    fn rules(self) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
        let rule = |at, operator, value| SeccompRule::new(vec![SeccompCondition::new(at, Dword, operator, value)?]);
        match self {
            OneOf(at, values) => values.iter().map(|value| rule(at, SeccompCmpOp::Eq, *value)).collect(),
            Without(at, bits) => Ok(vec![rule(at, SeccompCmpOp::MaskedEq(bits), 0)?]),
            With(at, bits) => Ok(vec![rule(at, SeccompCmpOp::MaskedEq(bits), bits)?]),
        }
    }
}

/// Sockets of a monitor: questions about interfaces, and no way to the network.
pub(super) const MONITOR: Argument = OneOf(0, &[libc::AF_NETLINK as u64]);
/// Sockets of who looks at a monitor.
pub(super) const UNIX_CLIENT: Argument = OneOf(0, &[libc::AF_UNIX as u64]);
pub(super) const TCP_CLIENT: Argument = OneOf(0, &[libc::AF_INET as u64, libc::AF_INET6 as u64]);

/// From now on, in this thread and those that it starts; `sockets` says which sockets are made.
pub(super) fn allow_only_what_is_needed(sockets: Argument) -> SandboxLayer {
    let applied = filter(sockets).map_err(seccompiler::Error::from).and_then(|filter| apply_filter(&filter));
    match applied {
        Ok(()) => holds(PART, format!("{} of them, no other is made", ANY.len() + OLDER.len() + CERTAIN.len() + 1)),
        Err(error) => refused(PART, format!("seccomp: {error}")),
    }
}

fn filter(sockets: Argument) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules = BTreeMap::<c_long, Vec<SeccompRule>>::new();
    rules.extend(ANY.iter().chain(OLDER).map(|call| (*call, Vec::new())));
    for (call, argument) in CERTAIN.iter().chain(&[(libc::SYS_socket, sockets)]) {
        rules.insert(*call, argument.rules()?);
    }
    let unknown = SeccompAction::Errno(libc::ENOSYS as u32);
    let here = TargetArch::try_from(env::consts::ARCH)?;
    SeccompFilter::new(rules, unknown, SeccompAction::Allow, here)?.try_into()
}

/// What no firewall tool and no script of an operator's needs, and what changes the kernel, another process, or who is seen by whom.
const NOBODYS: &[c_long] = &[
    libc::SYS_bpf,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_mount,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_reboot,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_umount2,
    libc::SYS_userfaultfd,
];

/// From now on these are refused, in this thread and in every process that it starts.
pub(super) fn deny_what_nobody_needs() -> SandboxLayer {
    let made = || -> Result<BpfProgram, seccompiler::BackendError> {
        let rules = NOBODYS.iter().map(|call| (*call, Vec::new())).collect();
        let refusal = SeccompAction::Errno(libc::EPERM as u32);
        SeccompFilter::new(rules, SeccompAction::Allow, refusal, TargetArch::try_from(env::consts::ARCH)?)?.try_into()
    };
    match made().map_err(seccompiler::Error::from).and_then(|filter| apply_filter(&filter)) {
        Ok(()) => holds(PART, format!("{} of them are refused", NOBODYS.len())),
        Err(error) => refused(PART, format!("seccomp: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, io, net::UdpSocket, process::Command, thread};

    use super::*;

    #[test]
    fn no_call_stands_twice() {
        let all: Vec<_> = ANY.iter().chain(OLDER).copied().chain(CERTAIN.iter().map(|(call, _)| *call)).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn what_is_needed_works_and_nothing_else_does() {
        let confined = thread::spawn(|| {
            assert!(allow_only_what_is_needed(MONITOR).holds);
            let kind = |error: io::Error| error.raw_os_error();
            assert!(thread::spawn(|| fs::read("/proc/self/statm").is_ok()).join().unwrap());
            assert_eq!(Command::new("true").spawn().map(drop).map_err(kind), Err(Some(libc::ENOSYS)), "no processes");
            assert_eq!(UdpSocket::bind("127.0.0.1:0").map(drop).map_err(kind), Err(Some(libc::ENOSYS)), "no network");
            // SAFETY: a new mapping, which is never touched.
            let code = unsafe {
                let (read, execute) = (libc::PROT_READ, libc::PROT_EXEC);
                let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
                libc::mmap(std::ptr::null_mut(), 4096, read | execute, private, -1, 0)
            };
            assert_eq!(code, libc::MAP_FAILED, "no code");
            // Errors are told from inside, too.
            for code in [libc::EMFILE, libc::ENFILE, libc::ENOMEM] {
                assert!(nettop_process::cause::told(&io::Error::from_raw_os_error(code).into()).contains("; "));
            }
        });
        confined.join().unwrap();
    }
}
