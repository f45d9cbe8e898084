//! The sandbox of an actor: a process that runs the programs of others, so that it cannot be told which system calls these make.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use caps::{CapSet, Capability, CapsHashSet};
use nettop_model::snapshot::SandboxLayer;
use rustix::process::geteuid;

use super::{Folders, Invoker, calls, capabilities, holds, user};

/// Enters it, for good: nobody who is executed later has more than `keep`, which is handed on to them, as far as this process has it.
///
/// # Errors
/// The user who called sudo cannot be become, or capabilities cannot be given up.
pub fn enter_actor(invoker: Option<&Invoker>, keep: &[Capability]) -> Result<Vec<SandboxLayer>> {
    let permitted = caps::read(None, CapSet::Permitted).context("reading capabilities")?;
    let kept: CapsHashSet = permitted.into_iter().filter(|capability| keep.contains(capability)).collect();
    let set = |set, to: &CapsHashSet| caps::set(None, set, to).context("giving up capabilities");
    set(CapSet::Ambient, &CapsHashSet::new())?;
    // While the bounding set still holds them.
    set(CapSet::Inheritable, &kept)?;
    if !kept.is_empty() {
        capabilities::empty_bounding_set()?;
    }
    // Else no_new_privs alone has to do: with an empty one, programs whose file has capabilities, such as ping, would not be executed at all.
    let user = user::become_invoker_keeping(invoker, &[], !kept.is_empty())?;
    set(CapSet::Effective, &kept)?;
    set(CapSet::Permitted, &kept)?;
    // Handed on to whoever is executed: they are permitted and inheritable, whatever the bounding set says.
    set(CapSet::Ambient, &kept)?;
    let left = match kept.len() {
        0 => "none is left".into(),
        _ => kept.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let uid = geteuid().as_raw();
    log::debug!("the actor is user {uid}; capabilities: {left}");
    Ok(vec![user, holds("capabilities", left), capabilities::gain_none()?, calls::deny_what_nobody_needs()])
}

/// Enters that of an actor that only opens files below these folders: it runs nothing, so that it can be told which system calls it makes.
///
/// # Errors
/// As for [`enter_actor`].
pub fn enter_opener(invoker: Option<&Invoker>, keep: &[Capability], folders: &[PathBuf]) -> Result<Vec<SandboxLayer>> {
    let mut below = Folders::default();
    folders.iter().filter(|folder| folder.is_absolute()).for_each(|folder| below.list(folder));
    let fence = below.open();
    let mut guards = enter_actor(invoker, keep)?;
    guards.extend(fence.close());
    guards.push(calls::allow_only_what_is_needed(calls::MONITOR));
    Ok(guards)
}
