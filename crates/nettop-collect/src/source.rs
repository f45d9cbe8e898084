//! Where packets are counted. Each source fills a [`Reading`]; what differs between them stays in here.

use std::{io, time::Duration};

use anyhow::{Result, bail};
use nettop_common::{Event, Filter, counters::Table, unique};
use nettop_model::{clock::Moment, kernel_maps::Reader, snapshot::Replay};

use crate::{
    demo::Demo,
    kernel::Xdp,
    pcap::Pcap,
    reading::{Reading, Tables, Watched},
};

/// A source of counts.
pub enum Source {
    /// The interfaces of this host.
    Xdp(Box<Xdp>),
    /// Synthetic traffic.
    Demo(Box<Demo>),
    /// A capture file, replayed.
    Pcap(Box<Pcap>),
}

/// What counting costs the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Memory of the kernel's maps, bytes.
    pub memory: u64,
    /// Runs of the program that the kernel measured.
    pub runs: u64,
    /// Nanoseconds they took.
    pub run_ns: u64,
}

impl Source {
    /// Reads what was counted since the last time.
    pub fn read(&mut self, reading: &mut Reading) {
        match self {
            Self::Xdp(xdp) => xdp.read(reading),
            Self::Demo(demo) => demo.read(Moment::now(), reading),
            Self::Pcap(pcap) => pcap.read(Moment::now(), reading),
        }
    }

    /// How long after a [`read`](Self::read) another brings what came before the first.
    pub fn grace(&self) -> Duration {
        match self {
            Self::Xdp(_) => Xdp::grace(),
            Self::Demo(_) | Self::Pcap(_) => Duration::ZERO,
        }
    }

    /// When counting begins, as far as is known before the first reading: a capture tells with its first packet.
    pub fn begins(&self) -> Moment {
        match self {
            Self::Xdp(_) | Self::Demo(_) => Moment::now(),
            Self::Pcap(_) => Moment::default(),
        }
    }

    /// The time of the first packet of a capture; once, with the reading that has it.
    pub fn take_beginning(&mut self) -> Option<Moment> {
        match self {
            Self::Xdp(_) | Self::Demo(_) => None,
            Self::Pcap(pcap) => pcap.take_beginning(),
        }
    }

    /// Whether there is more to [`read`](Self::read) at once.
    pub fn has_more(&self) -> bool {
        match self {
            Self::Xdp(_) | Self::Demo(_) => false,
            Self::Pcap(pcap) => pcap.has_more(),
        }
    }

    /// How far a replay is.
    pub fn replay(&self) -> Option<Replay> {
        match self {
            Self::Xdp(_) | Self::Demo(_) => None,
            Self::Pcap(pcap) => Some(pcap.replay()),
        }
    }

    /// Whether nothing will come any more.
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Xdp(_) | Self::Demo(_) => false,
            Self::Pcap(pcap) => pcap.has_ended(),
        }
    }

    /// Reads the cumulative tables.
    pub fn read_tables(&mut self, tables: &mut Tables) {
        match self {
            Self::Xdp(xdp) => xdp.read_tables(tables),
            Self::Demo(demo) => demo.counter.read_tables(tables),
            Self::Pcap(pcap) => pcap.counter.read_tables(tables),
        }
    }

    /// The same, also what came since the newest reading.
    pub fn read_tables_anew(&mut self, tables: &mut Tables) {
        if let Self::Xdp(xdp) = self {
            xdp.expect_news();
        }
        self.read_tables(tables);
    }

    /// Calls `each` for every event since the last time.
    pub fn drain_events(&mut self, each: impl FnMut(&Event)) {
        match self {
            Self::Xdp(xdp) => xdp.drain_events(each),
            Self::Demo(demo) => demo.counter.drain_events(each),
            Self::Pcap(pcap) => pcap.counter.drain_events(each),
        }
    }

    /// Puts a filter in force, or none.
    pub fn set_filter(&mut self, filter: Option<&Filter>) {
        match self {
            Self::Xdp(xdp) => xdp.set_filter(filter),
            Self::Demo(demo) => demo.counter.set_filter(filter.map(|filter| Box::new(*filter))),
            Self::Pcap(pcap) => pcap.counter.set_filter(filter.map(|filter| Box::new(*filter))),
        }
    }

    /// Stops or goes on counting.
    pub fn set_paused(&mut self, paused: bool) {
        match self {
            Self::Xdp(xdp) => xdp.set_paused(paused),
            Self::Demo(demo) => demo.counter.set_paused(paused),
            Self::Pcap(pcap) => pcap.set_paused(paused),
        }
    }

    /// Makes one packet in `every` an event; 0: none.
    pub fn set_sampling(&mut self, every: u32) {
        match self {
            Self::Xdp(xdp) => xdp.set_sampling(every),
            Self::Demo(demo) => demo.counter.set_sampling(every),
            Self::Pcap(pcap) => pcap.counter.set_sampling(every),
        }
    }

    /// With which key it hashes distinct sources; `None`: it does not.
    pub fn unique_key(&self) -> Option<unique::Key> {
        match self {
            Self::Xdp(xdp) => Some(xdp.unique_key()),
            // These have a slot for every source.
            Self::Demo(_) | Self::Pcap(_) => None,
        }
    }

    /// Forgets which sources were distinct, after the ledger was reset.
    pub fn clear_unique(&mut self) {
        match self {
            Self::Xdp(xdp) => xdp.clear_unique(),
            // These have a slot for every source.
            Self::Demo(_) | Self::Pcap(_) => {}
        }
    }

    /// How many keys a table has room for between two readings; `None`: as many as memory holds.
    pub fn capacity(&self, table: Table) -> Option<u64> {
        match self {
            Self::Xdp(xdp) => Some(xdp.capacity(table)),
            Self::Demo(_) | Self::Pcap(_) => None,
        }
    }

    /// How many there were in the newest one.
    pub fn entries(&self, table: Table) -> u64 {
        match self {
            Self::Xdp(xdp) => xdp.entries(table),
            Self::Demo(_) | Self::Pcap(_) => 0,
        }
    }

    /// What counting has cost the kernel so far; nothing where it is not the kernel that counts.
    pub fn cost(&self) -> Cost {
        match self {
            Self::Xdp(xdp) => xdp.cost(),
            Self::Demo(_) | Self::Pcap(_) => Cost::default(),
        }
    }

    /// What reads the kernel's maps, on any thread; `None`: it is not the kernel that counts.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub fn maps_reader(&self) -> io::Result<Option<Reader>> {
        match self {
            Self::Xdp(xdp) => xdp.maps_reader().map(Some),
            Self::Demo(_) | Self::Pcap(_) => Ok(None),
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
            Self::Pcap(_) => bail!("a replay has no interfaces; start nettop without --pcap"),
        }
    }

    /// The interfaces asked for.
    pub fn interface_names(&self) -> Vec<String> {
        match self {
            Self::Xdp(xdp) => xdp.interface_names(),
            Self::Demo(_) => vec!["demo".into()],
            Self::Pcap(pcap) => vec![pcap.name().into()],
        }
    }

    /// What is watched, when somebody has looked since the last time.
    pub fn watched(&mut self) -> Option<Watched> {
        match self {
            Self::Xdp(xdp) => xdp.watched(),
            Self::Demo(_) | Self::Pcap(_) => None,
        }
    }

    /// From the next look on, says what is below the interfaces with these indexes.
    pub fn explain_below(&mut self, indexes: Vec<u32>) {
        match self {
            Self::Xdp(xdp) => xdp.explain_below(indexes),
            Self::Demo(_) | Self::Pcap(_) => {}
        }
    }
}
