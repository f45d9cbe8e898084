//! Attaching the program to one interface.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::Arc,
};

use anyhow::{anyhow, bail};
use nettop_common::LinkLayer;
use nettop_model::snapshot::AttachMode;

use super::{
    bpf::{self, XdpFlags},
    places::{Held, Places},
    refusal,
};
use crate::{netlink::Interface, privilege};

/// The loaded programs, one per kind of link, and where they count what comes by each interface.
pub struct Programs {
    /// For frames that begin with an Ethernet header.
    pub ethernet: OwnedFd,
    /// For frames that begin with an IP header.
    pub raw_ip: OwnedFd,
    /// The kernel's ids of both.
    pub ids: [u32; 2],
    /// The places of interfaces.
    pub places: Arc<Places>,
    /// Those that count what is sent, for Ethernet and for links without a header; or why there are none. Nothing at all: nobody wants them.
    pub egress: Option<Result<[OwnedFd; 2], String>>,
}

/// One of them.
pub struct LoadedProgram {
    /// Keeps it loaded.
    pub fd: OwnedFd,
    /// The kernel's id of it.
    pub id: u32,
}

impl Programs {
    /// The one for Ethernet, and the one for links without a header.
    pub fn new(
        [ethernet, raw_ip]: [LoadedProgram; 2],
        places: Arc<Places>,
        egress: Option<Result<[OwnedFd; 2], String>>,
    ) -> Self {
        Self { ids: [ethernet.id, raw_ip.id], ethernet: ethernet.fd, raw_ip: raw_ip.fd, places, egress }
    }

    /// Whether one of them is attached to an interface.
    pub fn are_on(&self, interface: &Interface) -> bool {
        interface.xdp_programs.iter().any(|id| self.ids.contains(id))
    }

    fn for_link(&self, link: LinkLayer) -> BorrowedFd<'_> {
        match link {
            LinkLayer::Ethernet => self.ethernet.as_fd(),
            LinkLayer::RawIp => self.raw_ip.as_fd(),
        }
    }
}

/// What is held of an interface: dropping it detaches the programs.
pub struct Hooks {
    /// Of the program that counts what it receives.
    pub xdp: OwnedFd,
    /// Of the one that counts what it sends, where there is one.
    pub _egress: Option<OwnedFd>,
    /// Where is counted what comes by it.
    pub place: Held,
}

/// A program attached to an interface.
pub struct Attached {
    /// Keeps it so.
    pub hooks: Hooks,
    /// Why what it sends is not counted, where that was wanted.
    pub unsent: Option<String>,
    /// How it runs there.
    pub mode: AttachMode,
    /// Why not natively, where it does not.
    pub note: String,
}

/// Attaches in the driver, else in the network stack.
///
/// # Errors
/// Names the interface, the kernel's reason, and the remedy.
pub fn attach(programs: &Programs, interface: &Interface) -> anyhow::Result<Attached> {
    let Some(link) = interface.link else {
        bail!("interface {} has a kind of link that nettop cannot read; name another with --iface", interface.name)
    };
    // Before its packets come.
    let place = programs.places.hold(interface.index, &interface.name);
    let (xdp, mode, note) = attach_xdp(programs.for_link(link), interface)?;
    let (egress, unsent) = match programs.egress.as_ref().map(|egress| attach_egress(egress, link, interface)) {
        None => (None, None),
        Some(Ok(egress)) => (Some(egress), None),
        Some(Err(why)) => (None, Some(why)),
    };
    Ok(Attached { hooks: Hooks { xdp, _egress: egress, place }, unsent, mode, note })
}

fn attach_xdp(program: BorrowedFd<'_>, interface: &Interface) -> anyhow::Result<(OwnedFd, AttachMode, String)> {
    let create = |flags| bpf::link_create(program, interface.index, flags);
    let refused = match create(XdpFlags::Driver) {
        Ok(link) => return Ok((link, AttachMode::Native, String::new())),
        Err(refused) if refusal::is_about_the_driver(&refused, !interface.xdp_programs.is_empty()) => refused,
        Err(error) => return Err(explain(error, interface)),
    };
    match create(XdpFlags::Skb) {
        Ok(link) => Ok((link, AttachMode::Generic, refusal::native(&refused, &interface.name))),
        Err(error) => Err(explain(error, interface)),
    }
}

/// Attaches what counts what is sent; else says why not.
fn attach_egress(
    programs: &Result<[OwnedFd; 2], String>,
    link: LinkLayer,
    interface: &Interface,
) -> Result<OwnedFd, String> {
    let [ethernet, raw_ip] = programs.as_ref().map_err(String::clone)?;
    let program = match link {
        LinkLayer::Ethernet => ethernet,
        LinkLayer::RawIp => raw_ip,
    };
    bpf::tcx_create(program.as_fd(), interface.index).map_err(|error| match error.raw_os_error() {
        Some(libc::EINVAL) => "the kernel has no tcx, which Linux 6.6 brought".into(),
        _ => format!("the kernel does not attach a program to what it sends: {error}"),
    })
}

fn explain(error: io::Error, interface: &Interface) -> anyhow::Error {
    let name = &interface.name;
    match error.raw_os_error() {
        Some(libc::EBUSY | libc::EEXIST) => {
            let ids: Vec<_> = interface.xdp_programs.iter().map(|id| describe_program(*id)).collect();
            let who = if ids.is_empty() { "another XDP program".into() } else { ids.join(" and ") };
            anyhow!(
                "{name}: {who} is attached already, and an interface has room for one; end its owner (see `bpftool net` \
                 and `bpftool link`), or `ip link set dev {} xdp off` if nobody owns it",
                nettop_process::shell::word(name)
            )
        }
        Some(libc::EPERM | libc::EACCES) => anyhow!("{name}: {}", privilege::explain_refusal()),
        // The error stays: what is used up is told from it.
        Some(libc::ENOMEM | libc::EMFILE | libc::ENFILE) => {
            anyhow::Error::from(error).context(format!("{name}: the kernel does not attach an XDP program"))
        }
        _ => anyhow!("{name}: {}", refusal::generic(&error)),
    }
}

/// An XDP program by its id, with its name where we may read it.
pub fn describe_program(id: u32) -> String {
    let name = aya::programs::loaded_programs()
        .filter_map(Result::ok)
        .find(|program| program.id() == id)
        .and_then(|program| program.name_as_str().map(str::to_string));
    match name {
        Some(name) => format!("another XDP program (id {id}, {name:?})"),
        None => format!("another XDP program (id {id})"),
    }
}
