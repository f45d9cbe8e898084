//! What this process gives up once everything is open, loaded and attached: whoever then takes it over, by a packet or a
//! file, gets as little as the kernel can arrange.
//!
//! Each file is one layer. Their order is that of [`enter`]: what a layer needs, only a later one takes away. All of them come
//! before the first thread, for a thread is confined as the one that started it was.

mod actor;
mod calls;
mod capabilities;
mod client;
mod folders;
mod user;

use anyhow::{Context as _, Result, bail};

pub use caps::Capability;

pub use self::{
    actor::{enter_actor, enter_opener},
    client::enter_client,
    folders::Folders,
    user::{Invoker, later_uid},
};
use nettop_model::snapshot::SandboxLayer;

/// The parts that Landlock is needed for.
pub const LANDLOCK: [&str; 3] = folders::PARTS;
/// The part that seccomp is needed for.
pub const SECCOMP: &str = calls::PART;

/// How much of it must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Whatever this kernel offers.
    #[default]
    BestEffort,
    /// All of it, or the monitor does not run.
    Strict,
    /// Capabilities are given up, and that is all.
    Off,
}

/// Enters the sandbox, for good. Returns what holds, and what does not, with the reason.
///
/// # Errors
/// Capabilities cannot be given up; the user who called sudo cannot be become; or something does not hold, and all of it must.
pub fn enter(mode: Mode, invoker: Option<&Invoker>, folders: &Folders) -> Result<Vec<SandboxLayer>> {
    capabilities::empty_bounding_set()?;
    // Needs CAP_SETGID.
    user::join(folders.groups());
    if mode == Mode::Off {
        let mut guards = vec![capabilities::drop_all(capabilities::bpf())?, capabilities::gain_none()?];
        guards.extend(
            [user::PART].into_iter().chain(folders::PARTS).chain([calls::PART]).map(|part| refused(part, OPTED_OUT)),
        );
        return Ok(guards);
    }
    // Folders are opened while nothing hinders; this confines nothing yet.
    let fence = folders.open();
    let mut guards = vec![
        // Needs CAP_SETUID.
        user::become_invoker(invoker, folders.groups())?,
        capabilities::drop_all(capabilities::bpf())?,
        // Without it neither of the next two is for the unprivileged.
        capabilities::gain_none()?,
    ];
    guards.extend(fence.close());
    // Last: the others are system calls that it does not allow.
    guards.push(calls::allow_only_what_is_needed(calls::MONITOR));
    if mode == Mode::Strict {
        demand_all(&guards)?;
    }
    Ok(guards)
}

const OPTED_OUT: &str = "--no-sandbox was asked for";

/// That all of them hold.
///
/// # Errors
/// Names those that do not, and why.
pub fn demand_all(guards: &[SandboxLayer]) -> Result<()> {
    let missing: Vec<_> = guards.iter().filter(|guard| !guard.holds).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let reasons: Vec<_> = missing.iter().map(|guard| format!("{}: {}", guard.part, guard.detail)).collect();
    bail!("--sandbox strict, but not all of it holds: {}; without that option the rest is used", reasons.join("; "))
}

fn holds(part: &'static str, detail: impl Into<String>) -> SandboxLayer {
    SandboxLayer { part: part.into(), holds: true, detail: detail.into() }
}

fn refused(part: &'static str, why: impl Into<String>) -> SandboxLayer {
    SandboxLayer { part: part.into(), holds: false, detail: why.into() }
}

/// What this kernel offers, found out by a thread that enters it and ends: `nettop doctor` asks.
///
/// # Errors
/// There can be no thread.
pub fn offered() -> Result<Vec<SandboxLayer>> {
    let try_it = || -> Result<Vec<SandboxLayer>> {
        let fence = Folders::default().open();
        let mut guards = vec![capabilities::gain_none()?];
        guards.extend(fence.close());
        guards.push(calls::allow_only_what_is_needed(calls::MONITOR));
        Ok(guards)
    };
    let thread = std::thread::Builder::new().spawn(try_it).context("starting a thread")?;
    thread.join().unwrap_or_else(|_| bail!("the thread that tries the sandbox has panicked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_names_everything_that_is_missing() {
        assert!(demand_all(&[holds("one", "fine")]).is_ok());
        let error = demand_all(&[holds("one", "fine"), refused("two", "too old"), refused("three", "off")]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("two: too old; three: off") && !error.contains("one"), "{error}");
    }

    #[test]
    fn a_thread_that_tries_it_confines_nobody_else() {
        let guards = offered().unwrap();
        assert!(guards.len() >= 5, "{guards:?}");
        assert!(std::fs::read("/proc/self/status").is_ok());
    }
}
