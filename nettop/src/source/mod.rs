//! Where packets are counted. Each source fills a [`Reading`]; what differs between them stays in here.

pub mod demo;
pub mod host;
pub mod xdp;

use std::time::Duration;

use anyhow::{Result, bail};
use nettop_common::{Event, Filter, counters::Table};

use self::{demo::Demo, xdp::Xdp};
use crate::reading::{InterfaceRow, Moment, Reading, Tables};

/// A source of counts.
pub enum Source {
    /// The interfaces of this host.
    Xdp(Box<Xdp>),
    /// Synthetic traffic.
    Demo(Box<Demo>),
}

impl Source {
    /// Reads what was counted since the last time.
    pub fn read(&mut self, reading: &mut Reading) {
        match self {
            Self::Xdp(xdp) => xdp.read(reading),
            Self::Demo(demo) => demo.read(Moment::now(), reading),
        }
    }

    /// How long after a [`read`](Self::read) another brings what came before the first.
    pub fn grace(&self) -> Duration {
        match self {
            Self::Xdp(_) => Xdp::grace(),
            Self::Demo(_) => Duration::ZERO,
        }
    }

    /// Reads the cumulative tables.
    pub fn read_tables(&self, tables: &mut Tables) {
        match self {
            Self::Xdp(xdp) => xdp.read_tables(tables),
            Self::Demo(demo) => demo.counter.read_tables(tables),
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

    /// How many keys a table has room for between two readings; `None`: as many as memory holds.
    pub fn capacity(&self, table: Table) -> Option<u64> {
        match self {
            Self::Xdp(xdp) => Some(xdp.capacity(table)),
            Self::Demo(_) => None,
        }
    }

    /// How many there were in the newest one.
    pub fn entries(&self, table: Table) -> u64 {
        match self {
            Self::Xdp(xdp) => xdp.entries(table),
            Self::Demo(_) => 0,
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
