//! Capabilities, and the ways to get them back.

use anyhow::{Context as _, Result, bail};
use aya::util::KernelVersion;
use caps::{CapSet, Capability, CapsHashSet};
use nettop_model::snapshot::SandboxLayer;

use super::{holds, refused};

const PART: &str = "capabilities";

/// Whether this kernel wants CAP_BPF for every bpf(2) call where `unprivileged_bpf_disabled` is set: before 5.19.
pub(super) fn must_keep_bpf() -> bool {
    KernelVersion::current().is_ok_and(|version| version < KernelVersion::new(5, 19, 0))
}

/// Has no program that is executed later gain any, not even root's: a second lock, behind no_new_privs, for whom the kernel
/// lets turn it.
///
/// # Errors
/// When the kernel refuses to whom it should not.
pub(super) fn empty_bounding_set() -> Result<()> {
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false) {
        caps::clear(None, CapSet::Bounding).context("emptying the bounding set of capabilities")?;
    }
    Ok(())
}

/// What a monitor keeps, and why.
pub(super) fn bpf() -> Option<(Capability, &'static str)> {
    must_keep_bpf()
        .then_some((Capability::CAP_BPF, "CAP_BPF is kept: before Linux 5.19 the counters cannot be read without it"))
}

/// Gives up every capability but the one to keep, which has its reason. Open descriptors keep working: maps are read and the
/// loaded program is attached to further interfaces without any.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn drop_all(keep: Option<(Capability, &str)>) -> Result<SandboxLayer> {
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        let kept: CapsHashSet = match (set, keep) {
            (CapSet::Effective | CapSet::Permitted, Some((keep, _))) => {
                // What is permitted only, after a change of user, is what is wanted.
                caps::read(None, CapSet::Permitted)?.into_iter().filter(|capability| *capability == keep).collect()
            }
            _ => CapsHashSet::new(),
        };
        caps::set(None, set, &kept).context("giving up capabilities")?;
    }
    let left = caps::read(None, CapSet::Permitted).context("reading capabilities")?;
    match keep {
        _ if left.is_empty() => Ok(holds(PART, "none is left")),
        Some((kept, why)) if left.iter().all(|capability| *capability == kept) => Ok(refused(PART, why)),
        _ => bail!("capabilities cannot be given up: {left:?} are left"),
    }
}

/// From now on no program that is executed can gain any.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn gain_none() -> Result<SandboxLayer> {
    rustix::thread::set_no_new_privs(true).context("setting no_new_privs")?;
    Ok(holds("no_new_privs", "no program gives any back"))
}
