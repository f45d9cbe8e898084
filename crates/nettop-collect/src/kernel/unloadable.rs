//! Why the kernel does not load a program, in words, and what to do.

use std::{fs, io};

use anyhow::anyhow;
use aya::{maps::MapError, programs::ProgramError, util::KernelVersion};
use nettop_process::{cause, memory};

use super::LEAST_KERNEL;
use crate::privilege;

/// Turns an error of loading into one that says why and what to do.
pub fn explain(error: anyhow::Error) -> anyhow::Error {
    let code = || error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).find_map(io::Error::raw_os_error);
    let refused = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(privilege::is_refusal);
    if refused && privilege::hindrance().is_some() {
        return anyhow!("the kernel does not load the program: {}", privilege::explain_refusal());
    }
    if KernelVersion::current().is_ok_and(|version| version < LEAST_KERNEL) {
        return anyhow!("this kernel ({}) is too old: nettop needs Linux 5.18 or newer; start a newer one", release());
    }
    // None is about the program: no memory for the verifier, no descriptor for what it made, or arrays are larger than the kernel can make them.
    match code() {
        Some(libc::ENOMEM) => return error.context("loading the program into the kernel"),
        Some(code @ (libc::EMFILE | libc::ENFILE)) => {
            return anyhow::Error::new(io::Error::from_raw_os_error(code))
                .context("loading the program into the kernel");
        }
        Some(libc::E2BIG) if error.chain().any(|cause| cause.is::<MapError>()) => {
            let what = cause::told(&error.context("loading the program into the kernel"));
            return anyhow!("{what}; {}", memory::remedy());
        }
        _ => {}
    }
    if let Some(ProgramError::LoadError { io_error, verifier_log }) = error.downcast_ref() {
        let verifier_log = verifier_log.to_string();
        log::error!("the verifier's log:\n{verifier_log}");
        let statistics = ["processed ", "verification time ", "stack depth "];
        let verdict = verifier_log
            .lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty() && !statistics.iter().any(|start| line.starts_with(start)));
        if let (None, true) = (verdict, refused) {
            return anyhow!("the kernel does not load the program: {}", privilege::explain_refusal());
        }
        return anyhow!(
            "the verifier of this kernel ({}) refuses the program: {io_error}: {}; please report it, with what --log FILE then \
             holds",
            release(),
            verdict.unwrap_or("no reason given")
        );
    }
    match refused {
        true => anyhow!(
            "{}; {}",
            cause::told(&error.context("loading the program into the kernel")),
            privilege::explain_refusal()
        ),
        false => error.context("loading the program into the kernel"),
    }
}

/// The running kernel's release, as `uname -r` prints it.
fn release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").map_or("unknown".into(), |release| release.trim().to_string())
}
