//! Collectors of packets: what the engine asks of whatever counts them.

use std::{io, time::Duration};

use anyhow::{Result, bail};
use nettop_common::{Event, Filter, counters::Table, unique};
use nettop_model::{
    clock::Moment,
    kernel_maps::Reader,
    snapshot::{Degraded, MapRow, Replay},
};

use crate::{
    blocker::Blocker,
    reading::{Reading, Tables, Watched},
};

/// How often a collector of packets is read, unless it has more to say.
pub const PACE: Duration = Duration::from_millis(100);

/// What the row of [`Traffic::log_fill`] is called.
pub const LOG: &str = "log";

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

/// A collector of packets. What is not there has the meaning of a collector in user space over made-up frames: nothing is
/// delayed, nothing ends, every key has room, no interface is watched.
pub trait Traffic: Send {
    /// Reads what was counted since the last time.
    fn read(&mut self, reading: &mut Reading);

    /// Reads the cumulative tables.
    fn read_tables(&mut self, tables: &mut Tables);

    /// Reads the cumulative tables, with what came since the newest reading.
    fn read_tables_anew(&mut self, tables: &mut Tables) {
        self.read_tables(tables);
    }

    /// Calls `each` for every event since the last time.
    fn drain_events(&mut self, each: &mut dyn FnMut(&Event));

    /// Puts a filter in force, or none.
    fn set_filter(&mut self, filter: Option<&Filter>);

    /// Stops or goes on counting.
    fn set_paused(&mut self, paused: bool);

    /// What drops packets; `None`: nothing does.
    fn blocker(&mut self) -> Option<&mut dyn Blocker> {
        None
    }

    /// Makes one packet in `every` an event; 0: none.
    fn set_sampling(&mut self, every: u32);

    /// The interfaces asked for, or what stands for them.
    fn interface_names(&self) -> Vec<String>;

    /// Watches other interfaces.
    ///
    /// # Errors
    /// Why not; everything then stays as it was.
    fn set_interfaces(&mut self, names: &[String]) -> Result<()>;

    /// How long after a [`read`](Self::read) the next one is due: more seldom where little comes.
    fn pace(&self) -> Duration {
        PACE
    }

    /// Whether its time passes as that of the host does; that of a capture passes as it will.
    fn keeps_time(&self) -> bool {
        true
    }

    /// Is told what the tables are counted from after a reset.
    fn note_base(&mut self, _base: &Tables) {}

    /// When counting begins, as far as is known before the first reading: a capture tells with its first packet.
    fn begins(&self) -> Moment {
        Moment::now()
    }

    /// The time of the first packet of a capture; once, with the reading that has it.
    fn take_beginning(&mut self) -> Option<Moment> {
        None
    }

    /// Whether there is more to [`read`](Self::read) at once.
    fn has_more(&self) -> bool {
        false
    }

    /// Whether nothing will come any more.
    fn has_ended(&self) -> bool {
        false
    }

    /// Whether it counts what is sent, too.
    fn counts_egress(&self) -> bool {
        false
    }

    /// How far a replay is.
    fn replay(&self) -> Option<Replay> {
        None
    }

    /// The key by which it hashes distinct sources; `None`: it has a slot for every source.
    fn unique_key(&self) -> Option<unique::HashKey> {
        None
    }

    /// Forgets which sources were distinct, after the ledger was reset.
    fn clear_unique(&mut self) {}

    /// How many keys a table has room for between two readings; `None`: as many as memory holds.
    fn capacity(&self, _table: Table) -> Option<u64> {
        None
    }

    /// How many keys there were in the newest reading.
    fn entries(&self, _table: Table) -> u64 {
        0
    }

    /// Of the log of what finds no slot: how many units the fullest CPU had in the newest reading, and has room for.
    fn log_fill(&self) -> Option<MapRow> {
        None
    }

    /// Whether a key stays in its table until [`make_room`](Self::make_room), so that a full one stays full; else it is as good as gone by
    /// the next reading.
    fn keys_stay(&self) -> bool {
        false
    }

    /// Before the last reading that belongs to what a reset forgets: forgets the keys that stay.
    fn make_room(&mut self) {}

    /// What does not work as it should.
    fn degraded(&self) -> Vec<Degraded> {
        Vec::new()
    }

    /// What counting has cost the kernel so far; nothing where it is not the kernel that counts.
    fn cost(&self) -> Cost {
        Cost::default()
    }

    /// What reads the kernel's maps, on any thread; `None`: it is not the kernel that counts.
    ///
    /// # Errors
    /// No file descriptor is left.
    fn maps_reader(&self) -> io::Result<Option<Reader>> {
        Ok(None)
    }

    /// What is watched, when somebody has looked since the last time.
    fn watched(&mut self) -> Option<Watched> {
        None
    }

    /// From the next look on, says what is below the interfaces with these indexes.
    fn explain_below(&mut self, _indexes: Vec<u32>) {}
}

/// Refuses to watch interfaces, where there are none.
///
/// # Errors
/// Always.
pub(crate) fn no_interfaces(what: &str, remedy: &str) -> Result<()> {
    bail!("{what} has no interfaces; start nettop {remedy}")
}
