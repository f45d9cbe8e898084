//! Where the program counts keys, and how they are read from there. There are two forms, which give the same readings.

use std::{io, time::Duration};

use anyhow::Result;
use nettop_common::counters::Table;
use nettop_model::{clock::Moment, kernel_maps::Map, snapshot::MapRow};

use super::{cpus::Cpus, dump::Asked};
use crate::reading::Reading;

/// The keys of all tables.
pub trait Keys: Send {
    /// A reading begins at this time, which may have nothing.
    fn begin(&mut self, _at: Moment) {}

    /// Moves what a CPU has counted in an idle bank into a reading.
    fn read(&mut self, _cpus: &Cpus, _cpu: usize, _bank: u32, _reading: &mut Reading) {}

    /// After all CPUs: the same of what is read of all of them at once.
    fn finish(&mut self, bank: u32, reading: &mut Reading);

    /// How long after a reading the next one is due.
    fn pace(&self) -> Duration;

    /// For how many keys of a table there is room.
    fn capacity(&self, table: Table) -> u64;

    /// How many of them the newest reading found.
    fn entries(&self, table: Table) -> u64;

    /// See [`Traffic::log_fill`](crate::traffic::Traffic::log_fill).
    fn log_fill(&self) -> Option<MapRow> {
        None
    }

    /// Whether they stay until they are forgotten.
    fn stay(&self) -> bool {
        false
    }

    /// Forgets them, after what was not read of them was put aside for the next reading. Nothing may be counted meanwhile.
    fn forget(&mut self) {}

    /// Gives memory back that is not in use any more.
    fn rest(&mut self) {}

    /// What reads them for people to see.
    ///
    /// # Errors
    /// No file descriptor is left.
    fn dump(&self) -> io::Result<Box<dyn DumpKeys>>;
}

/// Reads keys while the program goes on counting, wherever.
pub trait DumpKeys: Send + Sync {
    /// What their maps hold, and since when.
    fn about(&self) -> &'static str;

    /// Fills in what is in one of their maps; of others it leaves everything as it is.
    ///
    /// # Errors
    /// What the kernel says.
    fn dump(&self, cpus: &Cpus, map: &mut Map, asked: &Asked) -> Result<()>;
}
