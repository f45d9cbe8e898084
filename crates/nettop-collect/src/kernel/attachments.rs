//! All interfaces that are watched: kept attached when they go and come back, and when the default route moves.

use std::{os::fd::AsFd as _, sync::Arc};

use anyhow::{Context as _, Result, bail};
use nettop_model::{
    order,
    snapshot::{InterfaceRow, InterfaceState},
};
use nettop_process::{cause, shell};

use super::{
    attach::{Attached, Hooks, Programs, attach},
    bpf,
    defaults::{self, Defaults},
    names,
};
use crate::{
    netlink::{self, Interface},
    reading::{Watched, WatchedInterface},
};

/// Every interface that is to be watched.
pub struct Attachments {
    programs: Arc<Programs>,
    list: Vec<Attachment>,
    /// No interface was named: those by which the kernel sends are watched, whichever they are.
    follows: bool,
    /// See [`Watched::doubt`].
    doubt: Option<String>,
    /// See [`Watched::change`].
    change: Option<String>,
    /// Indexes of the interfaces of which it is asked what is below them.
    explained: Vec<u32>,
}

struct Attachment {
    /// Detaches when closed, and where is counted what comes. `None` while the interface is gone or taken.
    hooks: Option<Hooks>,
    facts: WatchedInterface,
    /// What there is to note of it as long as the kernel says how it is.
    note: String,
}

impl Attachments {
    /// Attaches to the named interfaces, or to the default ones if there is no name.
    ///
    /// # Errors
    /// Names the interface, the kernel's reason, and the remedy.
    pub fn new(programs: Arc<Programs>, names: &[String]) -> Result<Self> {
        let (list, explained) = (Vec::new(), Vec::new());
        let mut attachments = Self { programs, list, follows: false, doubt: None, change: None, explained };
        attachments.set(names)?;
        Ok(attachments)
    }

    /// Watches these interfaces instead. Those watched already stay attached without a gap; when one cannot be attached,
    /// everything stays as it was.
    ///
    /// # Errors
    /// As for [`Attachments::new`].
    pub fn set(&mut self, names: &[String]) -> Result<()> {
        if names.is_empty() {
            let Defaults { interfaces, doubt } = defaults::defaults()?;
            self.replace(&interfaces)?;
            (self.follows, self.doubt, self.change) = (true, doubt, None);
            return Ok(());
        }
        // Two names may be those of one interface, and one that is gone is still wanted.
        let (mut kept, mut added) = (Vec::new(), Vec::<Attachment>::new());
        for name in self.named(names)? {
            let found = netlink::by_written_name(&name).with_context(|| format!("looking for interface {name:?}"))?;
            let watched = match &found {
                Some((interface, _)) => self.position(interface),
                None => self.list.iter().position(|attachment| attachment.is_called(&name)),
            };
            let is_added = |index| added.iter().any(|attachment| attachment.facts.index == index);
            match (watched, found) {
                (Some(at), _) if kept.iter().any(|(other, _)| *other == at) => {}
                (Some(at), Some((_, name))) => kept.push((at, name)),
                (Some(at), None) => kept.push((at, self.list[at].facts.wanted.clone())),
                (None, Some((interface, _))) if is_added(interface.index) => {}
                (None, Some((interface, name))) => added.push(Attachment::new(&self.programs, name, &interface)?),
                (None, None) => bail!("no such interface {name:?}; there are {}", every_name()?),
            }
        }
        self.keep(&kept, added);
        (self.follows, self.doubt, self.change) = (false, None, None);
        Ok(())
    }

    /// The names in what was asked for.
    fn named(&self, texts: &[String]) -> Result<Vec<String>> {
        let is = |name: &str| match self.list.iter().any(|attachment| attachment.is_called(name)) {
            true => Ok(true),
            false => Ok(netlink::by_written_name(name)?.is_some()),
        };
        let mut all = Vec::new();
        for text in texts {
            all.extend(names::split(text, is).with_context(|| format!("looking for interface {text:?}"))?);
        }
        if all.is_empty() {
            bail!("no interface is named; there are {}", every_name()?);
        }
        Ok(all)
    }

    /// Where in the list this interface is.
    fn position(&self, interface: &Interface) -> Option<usize> {
        self.list.iter().position(|attachment| attachment.is(interface, &self.programs))
    }

    /// Keeps those at these places, under these names, and has the others besides.
    fn keep(&mut self, kept: &[(usize, String)], added: Vec<Attachment>) {
        let old = std::mem::replace(&mut self.list, added);
        for (at, mut attachment) in old.into_iter().enumerate() {
            if let Some((_, name)) = kept.iter().find(|(kept, _)| *kept == at) {
                attachment.facts.wanted.clone_from(name);
                self.list.push(attachment);
            }
        }
        order::sort_by(&mut self.list, |one, other| one.facts.wanted.cmp(&other.facts.wanted));
    }

    /// Watches these interfaces, of which one at least has to take the program, and no others. Those that do not are noted,
    /// and tried again at each look.
    fn replace(&mut self, interfaces: &[Interface]) -> Result<()> {
        let (mut kept, mut added, mut first_error) = (Vec::new(), Vec::new(), None);
        for interface in interfaces {
            let name = interface.name.clone();
            if let Some(at) = self.position(interface) {
                kept.push((at, name));
                continue;
            }
            added.push(Attachment::new(&self.programs, name, interface).unwrap_or_else(|error| {
                let refused = Attachment::refused(interface, cause::told(&error));
                first_error.get_or_insert(error);
                refused
            }));
        }
        let is_attached = |attachment: &Attachment| attachment.hooks.is_some();
        let any = added.iter().any(is_attached) || kept.iter().any(|(at, _)| is_attached(&self.list[*at]));
        match first_error {
            Some(error) if !any => Err(error),
            _ => {
                self.keep(&kept, added);
                Ok(())
            }
        }
    }

    /// Looks at every interface again, attaches to those that have come back, and to those that the default route leads to
    /// now; says how they all are.
    pub fn look(&mut self) -> Watched {
        if self.follows {
            self.follow();
        }
        for attachment in &mut self.list {
            match attachment.look(&self.programs) {
                Ok(()) => attachment.facts.row.note.clone_from(&attachment.note),
                Err(error) => attachment.facts.is_unknown(&cause::told(&error)),
            }
        }
        self.explain();
        self.watched()
    }

    /// As it was at the newest look.
    pub fn watched(&self) -> Watched {
        Watched {
            interfaces: self.list.iter().map(|attachment| attachment.facts.clone()).collect(),
            doubt: self.doubt.clone(),
            change: self.change.clone(),
        }
    }

    /// From the next look on, says what is below the interfaces with these indexes.
    pub fn explain_below(&mut self, indexes: Vec<u32>) {
        self.explained = indexes;
    }

    fn explain(&mut self) {
        for attachment in &mut self.list {
            attachment.facts.below.clear();
        }
        if self.explained.is_empty() {
            return;
        }
        let Ok(all) = netlink::interfaces() else { return };
        for WatchedInterface { index, below, .. } in self.list.iter_mut().map(|attachment| &mut attachment.facts) {
            if self.explained.contains(index) {
                let names = all.iter().filter(|other| is_below(other, *index, &all)).map(|other| &other.name);
                below.extend(names.map(|name| shell::word(names::listed(name))));
            }
        }
    }

    /// Goes where the default route leads. While it leads nowhere, everything stays as it is.
    fn follow(&mut self) {
        let before = self.shown();
        let moved = match defaults::routed() {
            Err(error) => {
                self.doubt = Some(cause::told(&error));
                return;
            }
            Ok(routed) if routed.usable.is_empty() => {
                let gone = self.list.iter().all(|attachment| attachment.hooks.is_none());
                match defaults::by_state(&routed) {
                    // What would be chosen now, with what there is beside it.
                    Ok(Defaults { interfaces, doubt }) if gone || self.watches(&interfaces) => {
                        self.doubt = doubt;
                        self.replace(&interfaces)
                    }
                    _ => {
                        let why = routed.why().unwrap_or_default();
                        self.doubt = Some(format!("{why}; what was watched before still is"));
                        Ok(())
                    }
                }
            }
            Ok(routed) => {
                let Defaults { interfaces, doubt } = routed.into_defaults();
                self.doubt = doubt;
                self.replace(&interfaces)
            }
        };
        match moved {
            Err(error) => self.doubt = Some(format!("the default route leads elsewhere: {}", cause::told(&error))),
            Ok(()) if self.shown() != before => {
                let change = format!("the default route has moved from {before} to {}", self.shown());
                log::info!("{change}");
                self.change = Some(change);
            }
            Ok(()) => {}
        }
    }

    /// Whether these are the interfaces that are watched.
    fn watches(&self, interfaces: &[Interface]) -> bool {
        let watched = self.list.iter().map(|attachment| attachment.facts.index);
        watched.eq(interfaces.iter().map(|interface| interface.index))
    }

    fn shown(&self) -> String {
        self.list.iter().map(|attachment| attachment.facts.row.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

fn every_name() -> Result<String> {
    let names: Vec<_> = netlink::interfaces()?.into_iter().map(|interface| interface.name).collect();
    Ok(names.join(", "))
}

/// Whether an interface is directly below the one with this index: its port, or what it is on top of.
fn is_below(other: &Interface, index: u32, all: &[Interface]) -> bool {
    let on_top = || all.iter().any(|one| one.index == index && one.lower == Some(other.index));
    other.master == Some(index) || on_top()
}

impl Attachment {
    /// Attaches to an interface.
    ///
    /// # Errors
    /// As for [`attach`].
    fn new(programs: &Programs, wanted: String, interface: &Interface) -> Result<Self> {
        if programs.are_on(interface) {
            bail!("{} is watched already", interface.name);
        }
        let Attached { hooks, unsent, mode, note } = attach(programs, interface)?;
        let row = InterfaceRow { mode: Some(mode), note: note.clone(), ..row(interface) };
        Ok(Self { hooks: Some(hooks), facts: WatchedInterface { wanted, row, unsent, ..facts(interface) }, note })
    }

    /// One that cannot be attached, and why.
    fn refused(interface: &Interface, why: String) -> Self {
        let row = InterfaceRow { state: InterfaceState::Detached, note: why.clone(), ..row(interface) };
        Self { hooks: None, facts: WatchedInterface { row, ..facts(interface) }, note: why }
    }

    fn is_called(&self, name: &str) -> bool {
        let is = |own: &str| own == name || names::bytes(name).iter().any(|bytes| names::shown(bytes) == own);
        is(&self.facts.wanted) || is(&self.facts.row.name)
    }

    /// Whether it is that of this interface. An index alone does not prove it: another namespace numbers its interfaces
    /// anew.
    fn is(&self, interface: &Interface, programs: &Programs) -> bool {
        match &self.hooks {
            Some(Hooks { xdp: link, .. }) => {
                programs.are_on(interface)
                    && bpf::link_interface(link.as_fd()).is_ok_and(|index| index == interface.index)
            }
            None => self.facts.index == interface.index,
        }
    }

    /// Looks at it again; attaches to it, if it is there and not attached.
    ///
    /// # Errors
    /// The kernel does not say how it is.
    fn look(&mut self, programs: &Programs) -> Result<()> {
        let Some(Hooks { xdp: link, place, .. }) = &self.hooks else { return self.try_again(programs) };
        let index = bpf::link_interface(link.as_fd()).context("asking about the link of the XDP program")?;
        if index == 0 {
            self.hooks = None;
            return self.try_again(programs);
        }
        let interface = netlink::interface_by_index(index).context("asking about the interface")?;
        let WatchedInterface { row, received, kind, index: known, .. } = &mut self.facts;
        match interface.filter(|interface| programs.are_on(interface)) {
            Some(interface) => {
                row.state = state(&interface);
                row.mtu = interface.mtu;
                *received = interface.received();
                if interface.name != row.name {
                    self.note = format!("renamed from {}", row.name);
                    place.rename(&interface.name);
                    row.name = interface.name;
                }
                (*known, *kind) = (index, interface.kind);
            }
            None => {
                row.state = InterfaceState::Moved;
                *received = None;
            }
        }
        Ok(())
    }

    fn try_again(&mut self, programs: &Programs) -> Result<()> {
        let found = netlink::by_written_name(&self.facts.wanted).context("looking for the interface")?;
        let Some((interface, _)) = found else {
            self.gone();
            return Ok(());
        };
        match Self::new(programs, self.facts.wanted.clone(), &interface) {
            Ok(mut back) => {
                back.note = join_notes("it came back and was attached again", &back.note);
                *self = back;
            }
            Err(error) => {
                let wanted = self.facts.wanted.clone();
                *self = Self::refused(&interface, cause::told(&error));
                self.facts.wanted = wanted;
            }
        }
        Ok(())
    }

    fn gone(&mut self) {
        let wanted = self.facts.wanted.clone();
        self.note = "deleted or detached; it is attached again when it comes back".into();
        let (name, note) = (wanted.clone(), self.note.clone());
        let row = InterfaceRow { name, mode: None, state: InterfaceState::Gone, mtu: 0, note };
        self.facts = WatchedInterface { row, wanted, ..WatchedInterface::default() };
    }
}

fn row(interface: &Interface) -> InterfaceRow {
    let Interface { name, mtu, .. } = interface;
    InterfaceRow { name: name.clone(), mode: None, state: state(interface), mtu: *mtu, note: String::new() }
}

fn facts(interface: &Interface) -> WatchedInterface {
    WatchedInterface {
        row: row(interface),
        wanted: interface.name.clone(),
        index: interface.index,
        received: interface.received(),
        kind: interface.kind.clone(),
        ..WatchedInterface::default()
    }
}

fn state(interface: &Interface) -> InterfaceState {
    if interface.up { InterfaceState::Up } else { InterfaceState::Down }
}

fn join_notes(first: &str, second: &str) -> String {
    if second.is_empty() { first.into() } else { format!("{first}; {second}") }
}
