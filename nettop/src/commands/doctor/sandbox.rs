//! What can confine a running monitor.

use nettop_sandbox::{self as sandbox, LANDLOCK, SECCOMP};

use super::Finding;

const REMEDY: &str = "nettop runs without; a newer kernel, or landlock in its lsm=, has it";

/// Files, TCP connections, signals.
pub fn landlock() -> Finding {
    parts(&LANDLOCK)
}

/// System calls.
pub fn seccomp() -> Finding {
    parts(&[SECCOMP])
}

fn parts(names: &[&str]) -> Finding {
    let guards = match sandbox::offered() {
        Ok(guards) => guards,
        Err(error) => return Finding::failed(&error, REMEDY),
    };
    let of = |holds: bool| {
        let wanted = guards.iter().filter(|guard| names.contains(&&*guard.part) && guard.holds == holds);
        wanted.map(|guard| format!("{}: {}", guard.part, guard.detail)).collect::<Vec<_>>().join("; ")
    };
    match of(false) {
        missing if missing.is_empty() => Finding::good(of(true)),
        missing => Finding::missing(missing, REMEDY),
    }
}
