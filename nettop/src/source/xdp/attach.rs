//! Attaching the program to interfaces, and keeping it attached when they go and come back.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use anyhow::{Context as _, Result, anyhow, bail};
use nettop_common::Link;

use super::{
    bpf::{self, XdpFlags},
    netlink::{self, Interface},
    refusal,
};
use crate::{
    cause, privilege,
    reading::{AttachMode, InterfaceRow, InterfaceState},
};

/// The loaded programs, one per kind of link.
pub struct Programs {
    /// For frames that begin with an Ethernet header.
    pub ethernet: OwnedFd,
    /// For frames that begin with an IP header.
    pub raw_ip: OwnedFd,
    /// The kernel's ids of both.
    pub ids: [u32; 2],
}

impl Programs {
    fn for_link(&self, link: Link) -> BorrowedFd<'_> {
        match link {
            Link::Ethernet => self.ethernet.as_fd(),
            Link::RawIp => self.raw_ip.as_fd(),
        }
    }
}

/// Every interface that is to be watched.
pub struct Attachments {
    programs: Programs,
    list: Vec<Attachment>,
}

struct Attachment {
    /// The name asked for, under which the interface is looked for when it is gone.
    wanted: String,
    /// Detaches when closed. `None` while the interface is gone.
    link: Option<OwnedFd>,
    row: InterfaceRow,
}

impl Attachments {
    /// Attaches to the named interfaces, or to the default one if there is no name.
    ///
    /// # Errors
    /// Names the interface, the kernel's reason, and the remedy.
    pub fn new(programs: Programs, names: &[String]) -> Result<Self> {
        let mut attachments = Self { programs, list: Vec::new() };
        attachments.set(names)?;
        Ok(attachments)
    }

    /// Watches these interfaces instead. Those watched already stay attached without a gap; when one cannot be attached,
    /// everything stays as it was.
    ///
    /// # Errors
    /// As for [`Attachments::new`].
    pub fn set(&mut self, names: &[String]) -> Result<()> {
        let mut wanted = match names {
            [] => vec![default_interface()?.name],
            names => names.to_vec(),
        };
        wanted.sort();
        wanted.dedup();
        let mut added = Vec::new();
        for name in &wanted {
            if !self.list.iter().any(|attachment| attachment.is_called(name)) {
                added.push(self.attach_by_name(name)?);
            }
        }
        self.list.retain(|attachment| wanted.iter().any(|name| attachment.is_called(name)));
        self.list.extend(added);
        self.list.sort_by(|one, other| one.wanted.cmp(&other.wanted));
        Ok(())
    }

    /// The loaded programs.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The names asked for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|attachment| attachment.wanted.as_str())
    }

    /// Looks at every interface again, attaches to those that have come back, and says how they are.
    pub fn refresh(&mut self) -> Vec<InterfaceRow> {
        for index in 0..self.list.len() {
            let change = self.look_at(&self.list[index]);
            let attachment = &mut self.list[index];
            match change {
                Ok(Change::None(row)) => attachment.row = row,
                Ok(Change::Gone) => attachment.gone(),
                Ok(Change::Back(mut back)) => {
                    back.row.note = join_notes("it came back and was attached again", &back.row.note);
                    *attachment = back;
                }
                Err(error) => attachment.row.note = cause::told(&error),
            }
        }
        self.list.iter().map(|attachment| attachment.row.clone()).collect()
    }

    fn look_at(&self, attachment: &Attachment) -> Result<Change> {
        let Some(link) = &attachment.link else {
            let Some(interface) = netlink::interface_by_name(&attachment.wanted)? else { return Ok(Change::Gone) };
            return Ok(match self.attach(&attachment.wanted, &interface) {
                Ok(back) => Change::Back(back),
                Err(error) => Change::None(InterfaceRow {
                    state: InterfaceState::Detached,
                    mtu: interface.mtu,
                    note: cause::told(&error),
                    ..attachment.row.clone()
                }),
            });
        };
        let index = bpf::link_interface(link.as_fd())?;
        if index == 0 {
            return Ok(Change::Gone);
        }
        let mut row = attachment.row.clone();
        // An index alone does not prove it: another namespace numbers its interfaces anew.
        let ours = |interface: &Interface| interface.xdp_programs.iter().any(|id| self.programs.ids.contains(id));
        match netlink::interface_by_index(index)?.filter(ours) {
            Some(interface) => {
                row.state = state(&interface);
                row.mtu = interface.mtu;
                if interface.name != row.name {
                    row.note = format!("renamed from {}", row.name);
                    row.name = interface.name;
                }
            }
            None => row.state = InterfaceState::Moved,
        }
        Ok(Change::None(row))
    }

    fn attach_by_name(&self, name: &str) -> Result<Attachment> {
        match netlink::interface_by_name(name).with_context(|| format!("looking for interface {name:?}"))? {
            Some(interface) => self.attach(name, &interface),
            None => {
                let names: Vec<_> = netlink::interfaces()?.into_iter().map(|interface| interface.name).collect();
                bail!("no such interface {name:?}; there are {}", names.join(", "))
            }
        }
    }

    /// Attaches in the driver, else in the network stack.
    fn attach(&self, wanted: &str, interface: &Interface) -> Result<Attachment> {
        let name = &interface.name;
        let Some(link) = interface.link else {
            bail!("interface {name} has a kind of link that nettop cannot read; name another with --iface")
        };
        let program = self.programs.for_link(link);
        let create = |flags| bpf::link_create(program, interface.index, flags);
        let (link, mode, note) = match create(XdpFlags::Driver) {
            Ok(link) => (link, AttachMode::Native, String::new()),
            Err(refused) if refusal::is_about_the_driver(&refused, !interface.xdp_programs.is_empty()) => {
                match create(XdpFlags::Skb) {
                    Ok(link) => (link, AttachMode::Generic, refusal::native(&refused, name)),
                    Err(error) => return Err(explain(error, interface)),
                }
            }
            Err(error) => return Err(explain(error, interface)),
        };
        let row =
            InterfaceRow { name: name.clone(), mode: Some(mode), state: state(interface), mtu: interface.mtu, note };
        Ok(Attachment { wanted: wanted.to_string(), link: Some(link), row })
    }
}

enum Change {
    None(InterfaceRow),
    Gone,
    Back(Attachment),
}

impl Attachment {
    fn is_called(&self, name: &str) -> bool {
        self.wanted == name || self.row.name == name
    }

    fn gone(&mut self) {
        self.link = None;
        self.row = InterfaceRow {
            name: self.wanted.clone(),
            mode: None,
            state: InterfaceState::Gone,
            mtu: 0,
            note: "deleted or detached; it is attached again when it comes back".into(),
        };
    }
}

fn state(interface: &Interface) -> InterfaceState {
    if interface.up { InterfaceState::Up } else { InterfaceState::Down }
}

fn join_notes(first: &str, second: &str) -> String {
    if second.is_empty() { first.into() } else { format!("{first}; {second}") }
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
                crate::shell::word(name)
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

/// The interface of the default route, else the first one that is up and not a loopback.
///
/// # Errors
/// There is none, or the kernel does not say.
pub fn default_interface() -> Result<Interface> {
    let interfaces = netlink::interfaces().context("listing the interfaces")?;
    let default = netlink::default_route().context("reading the default route")?;
    let by_route = interfaces.iter().find(|interface| Some(interface.index) == default);
    let by_state =
        || interfaces.iter().find(|interface| interface.up && !interface.loopback && interface.link.is_some());
    if let Some(interface) = by_route.or_else(by_state) {
        return Ok(interface.clone());
    }
    let names: Vec<_> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
    bail!("no interface is up but loopback; name one with --iface: {}", names.join(", "))
}
