//! Where packets are counted. Each source fills a [`Reading`]; what differs between them stays in here.

pub mod demo;
pub mod host;
pub mod xdp;

use std::io;

use anyhow::{Result, bail};
use nettop_common::{Address, Event, Filter, MacPair, SourceCounters, Tally, Totals, counters::Table};

use self::{demo::Demo, xdp::Xdp};
use crate::reading::{InterfaceRow, Moment, Reading};

/// A source of counts.
pub enum Source {
    /// The interfaces of this host.
    Xdp(Box<Xdp>),
    /// Synthetic traffic.
    Demo(Box<Demo>),
}

impl Source {
    /// Reads everything counted so far.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn read(&mut self, reading: &mut Reading) -> io::Result<()> {
        match self {
            Self::Xdp(xdp) => xdp.read(reading),
            Self::Demo(demo) => {
                demo.read(Moment::now(), reading);
                Ok(())
            }
        }
    }

    /// The totals alone, which cost nothing to read.
    pub fn totals(&self) -> Totals {
        match self {
            Self::Xdp(xdp) => xdp.totals(),
            Self::Demo(demo) => demo.counter.totals(),
        }
    }

    /// Calls `each` for every event since the last time.
    pub fn drain_events(&mut self, each: impl FnMut(&Event)) {
        match self {
            Self::Xdp(xdp) => xdp.drain_events(each),
            Self::Demo(demo) => demo.counter.drain_events(each),
        }
    }

    /// Puts a filter in force, or none.
    pub fn set_filter(&mut self, filter: Option<&Filter>) {
        match self {
            Self::Xdp(xdp) => xdp.set_filter(filter),
            Self::Demo(demo) => demo.counter.set_filter(filter.map(|filter| Box::new(*filter))),
        }
    }

    /// Stops or goes on counting.
    pub fn set_paused(&mut self, paused: bool) {
        match self {
            Self::Xdp(xdp) => xdp.set_paused(paused),
            Self::Demo(demo) => demo.counter.set_paused(paused),
        }
    }

    /// Makes one packet in `every` an event; 0: none.
    pub fn set_sampling(&mut self, every: u32) {
        match self {
            Self::Xdp(xdp) => xdp.set_sampling(every),
            Self::Demo(demo) => demo.counter.set_sampling(every),
        }
    }

    /// Forgets which sources were distinct, after the ledger was reset.
    pub fn clear_unique(&mut self) {
        match self {
            Self::Xdp(xdp) => xdp.clear_unique(),
            Self::Demo(_) => {}
        }
    }

    /// On how many CPUs a packet may be in the middle of being counted.
    pub fn cpus(&self) -> usize {
        match self {
            Self::Xdp(xdp) => xdp.cpus(),
            Self::Demo(_) => 0,
        }
    }

    /// How many entries a table has room for; `None`: as many as memory holds.
    pub fn capacity(&self, table: Table) -> Option<u64> {
        match self {
            Self::Xdp(xdp) => Some(xdp.capacity(table)),
            Self::Demo(_) => None,
        }
    }

    /// Whether the program found a table full since it was last told to try again.
    pub fn is_full(&self, table: Table) -> bool {
        match self {
            Self::Xdp(xdp) => xdp.is_full(table),
            Self::Demo(_) => false,
        }
    }

    /// Lets a table that was found full take new entries again. Whether it had been.
    pub fn clear_full(&mut self, table: Table) -> bool {
        match self {
            Self::Xdp(xdp) => xdp.clear_full(table),
            Self::Demo(_) => false,
        }
    }

    /// Removes a source; returns what it had counted.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn take_source(&mut self, key: &Address) -> io::Result<Option<SourceCounters>> {
        match self {
            Self::Xdp(xdp) => xdp.take_source(key),
            Self::Demo(_) => Ok(None),
        }
    }

    /// Removes a destination; returns what it had counted.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn take_destination(&mut self, key: &Address) -> io::Result<Option<Tally>> {
        match self {
            Self::Xdp(xdp) => xdp.take_destination(key),
            Self::Demo(_) => Ok(None),
        }
    }

    /// Removes a MAC pair; returns what it had counted.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn take_macs(&mut self, key: &MacPair) -> io::Result<Option<Tally>> {
        match self {
            Self::Xdp(xdp) => xdp.take_macs(key),
            Self::Demo(_) => Ok(None),
        }
    }

    /// Watches other interfaces.
    ///
    /// # Errors
    /// Why not; everything then stays as it was.
    pub fn set_interfaces(&mut self, names: &[String]) -> Result<()> {
        match self {
            Self::Xdp(xdp) => xdp.set_interfaces(names),
            Self::Demo(_) => bail!("the demonstration has no interfaces; start nettop without `demo`"),
        }
    }

    /// The interfaces asked for.
    pub fn interface_names(&self) -> Vec<String> {
        match self {
            Self::Xdp(xdp) => xdp.interface_names(),
            Self::Demo(_) => vec!["demo".into()],
        }
    }

    /// How the interfaces are.
    pub fn interfaces(&mut self) -> Vec<InterfaceRow> {
        match self {
            Self::Xdp(xdp) => xdp.interfaces(),
            Self::Demo(_) => Vec::new(),
        }
    }
}
