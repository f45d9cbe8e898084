//! What the kernel drops, by its reason: read from the map of the program at its tracepoint `kfree_skb`.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use anyhow::{Context as _, Result, ensure};
use aya::maps::MapData;
use nettop_common::drops::{self, REASONS};

use super::{bpf, btf::Types, capacity::CpuList, mapped::Mapped};

/// The enumeration of the reasons, and how the names in it begin.
const REASON: &str = "skb_drop_reason";
const PREFIX: &str = "SKB_DROP_REASON_";
/// How often a CPU's counters are read again that were not read whole, since the program counted meanwhile: that takes less than a
/// microsecond, and packets are seldom dropped as often.
const TRIES: usize = 100;

/// What this kernel calls its reasons, by their numbers.
pub struct ReasonNames(Vec<Option<String>>);

impl ReasonNames {
    /// Those of the running kernel.
    ///
    /// # Errors
    /// It has none.
    pub fn of(types: &Types) -> Result<Self> {
        let all = types.enumerators(REASON).with_context(|| format!("the kernel has no {REASON}"))?;
        let mut names = vec![None; REASONS];
        for (value, name) in all {
            if let Some(place @ None) = names.get_mut(value as usize) {
                *place = Some(name.strip_prefix(PREFIX).unwrap_or(name).to_string());
            }
        }
        ensure!(names.iter().any(Option::is_some), "the kernel has no names in {REASON}");
        Ok(Self(names))
    }

    /// What one is called; a number where it has no name.
    fn name(&self, reason: usize) -> String {
        self.0.get(reason).cloned().flatten().unwrap_or_else(|| reason.to_string())
    }
}

/// What was dropped since the program was attached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Everything that the program has seen.
    pub seen: u64,
    /// By the name of the reason, in the order of their numbers; none that had no packet.
    pub reasons: Vec<(String, u64)>,
    /// For reasons of subsystems, which are not told apart.
    pub other: u64,
}

/// The map, and the program.
pub struct Drops {
    all: Mapped<drops::Drops>,
    names: ReasonNames,
    program: OwnedFd,
}

impl Drops {
    /// Maps it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn new(map: &MapData, cpus: &CpuList, names: ReasonNames, program: OwnedFd) -> Result<Self> {
        let all = Mapped::new(map, cpus.count()).context("mapping DROPS")?;
        Ok(Self { all, names, program })
    }

    /// What all CPUs have counted.
    pub fn read(&self) -> Dropped {
        let mut sum = drops::Drops::default();
        for cpu in 0..self.all.len() {
            sum.add(&self.read_cpu(cpu));
        }
        let reasons = sum.by_reason.iter().enumerate().filter(|(_, packets)| **packets > 0);
        let reasons = reasons.map(|(reason, packets)| (self.names.name(reason), *packets)).collect();
        Dropped { seen: sum.seen, reasons, other: sum.other }
    }

    fn read_cpu(&self, cpu: usize) -> drops::Drops {
        let mut read = self.all.get(cpu);
        for _ in 0..TRIES {
            if read.holds() {
                break;
            }
            read = self.all.get(cpu);
        }
        read
    }

    /// How many packets the program has not seen, since they were dropped in the middle of its count of another one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn missed(&self) -> io::Result<u64> {
        bpf::program_misses(self.program.as_fd())
    }
}
