//! The sandbox of whoever looks at a monitor: the same layers, around a way to its socket.

use anyhow::Result;
use caps::Capability;
use nettop_model::snapshot::SandboxLayer;
use rustix::process::geteuid;

use super::{Folders, Invoker, calls, capabilities, user};

/// Why root keeps a capability.
const OTHERS_SOCKET: &str =
    "CAP_DAC_OVERRIDE is kept: without it root cannot connect again to a socket of somebody else's";

/// Enters it, for good, as far as this kernel offers it. There is a way to Unix sockets, or to one port by TCP; `owner` is
/// whose the Unix socket is.
///
/// # Errors
/// Capabilities cannot be given up, or the user who called sudo cannot be become.
pub fn enter_client(
    invoker: Option<&Invoker>,
    folders: &Folders,
    port: Option<u16>,
    owner: Option<u32>,
) -> Result<Vec<SandboxLayer>> {
    capabilities::empty_bounding_set()?;
    let mut fence = folders.open();
    fence.connect(port);
    let must_override = geteuid().is_root() && invoker.is_none() && owner.is_some_and(|owner| owner != 0);
    let kept = must_override.then_some((Capability::CAP_DAC_OVERRIDE, OTHERS_SOCKET));
    let mut guards =
        vec![user::become_invoker(invoker, &[])?, capabilities::drop_all(kept)?, capabilities::gain_none()?];
    guards.extend(fence.close());
    let families = if port.is_some() { calls::TCP_CLIENT } else { calls::UNIX_CLIENT };
    guards.push(calls::allow_only_what_is_needed(families));
    Ok(guards)
}
