//! What is sent, counted where it leaves the network stack (tcx): read from the maps of the programs that count it.

use std::{io, mem::offset_of};

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use bytemuck::Zeroable as _;
use nettop_common::{
    PacketsBytes,
    counters::Table,
    egress::{self, EgressBank, EgressTotals},
    maps,
    neighbour::{Messages, SentNeighbours},
    slots::{self, BANKS, Layout, Slot, Tags},
};
use nettop_process::random;

use super::{
    capacity::{Capacity, CpuList},
    mapped::Mapped,
    messages,
    slots::{AT_ONCE, BankPart},
    windows::Windows,
};
use crate::reading::Reading;

/// The maps.
pub struct Egress {
    all: Mapped<egress::Egress>,
    remotes: Windows<Slot<PacketsBytes>>,
    cpus: CpuList,
    bits: u32,
}

impl Egress {
    /// Maps them, and tells each CPU where its slots are; `map` has each by its name.
    ///
    /// # Errors
    /// A map is missing; the kernel refuses to map it.
    pub fn new<'a>(capacity: Capacity, cpus: &CpuList, map: impl Fn(&str) -> Result<&'a MapData>) -> Result<Self> {
        let bits = capacity.remote_bits;
        let all = Mapped::new(map(maps::EGRESS)?, cpus.count()).context("mapping EGRESS")?;
        let remotes = Windows::new(map(maps::REMOTES)?, Capacity::slots(bits, cpus) as usize, AT_ONCE);
        let egress = Self { all, remotes: remotes.context("holding REMOTES")?, cpus: cpus.clone(), bits };
        let layout = Layout::new([bits; Table::COUNT], random::words());
        for cpu in 0..cpus.count() {
            egress.all.set_field(cpu, offset_of!(egress::Egress, layout), &layout);
            for bank in 0..BANKS {
                // Of a CPU that comes online later there are none: a number beyond the array.
                let first = cpus.part(cpu).map_or(u32::MAX / 2, |part| slots::index(part, bank, bits, 0));
                egress.all.set_field(cpu, at(bank) + offset_of!(EgressBank, first), &first);
            }
        }
        Ok(egress)
    }

    /// Has all CPUs count in a bank.
    pub fn set_bank(&self, bank: u32) {
        self.tell(offset_of!(egress::Egress, bank), bank);
    }

    /// Stops or goes on counting.
    pub fn set_paused(&self, paused: bool) {
        self.tell(offset_of!(egress::Egress, paused), paused.into());
    }

    fn tell(&self, offset: usize, word: u32) {
        (0..self.all.len()).for_each(|cpu| self.all.set_word(cpu, offset, word));
    }

    /// Whether anything was counted in a bank.
    pub fn has_any(&self, bank: u32) -> bool {
        (0..self.all.len()).any(|cpu| self.seen(cpu, bank) > 0)
    }

    fn seen(&self, cpu: usize, bank: u32) -> u64 {
        self.all.field(cpu, at(bank) + offset_of!(EgressBank, totals) + offset_of!(EgressTotals, seen))
    }

    /// Moves what is in an idle bank into a reading.
    pub fn read(&mut self, bank: u32, reading: &mut Reading) {
        for cpu in 0..self.all.len() {
            if self.seen(cpu, bank) == 0 {
                continue;
            }
            let totals = at(bank) + offset_of!(EgressBank, totals);
            reading.egress.add(&self.all.field(cpu, totals));
            self.all.set_field(cpu, totals, &EgressTotals::zeroed());
            let neighbours = at(bank) + offset_of!(EgressBank, neighbours);
            // Mostly there are none, which what was seen tells.
            let seen: Messages = self.all.field(cpu, neighbours + offset_of!(SentNeighbours, seen));
            if seen != Messages::default() {
                messages::add_sent(&self.all.field(cpu, neighbours), &mut reading.neighbours_sent);
                self.all.set_field(cpu, neighbours, &SentNeighbours::default());
            }
            if let Err(error) = self.empty(cpu, bank, reading) {
                // They stay in use: what they hold comes with a later reading.
                log::error!("mapping slots of what is sent: {error}");
            }
        }
    }

    fn empty(&mut self, cpu: usize, bank: u32, reading: &mut Reading) -> io::Result<()> {
        let Some(part) = self.cpus.part(cpu) else { return Ok(()) };
        let tags = |bucket| at(bank) + offset_of!(EgressBank, tags) + bucket * size_of::<Tags>();
        BankPart { part, bank, bits: self.bits }.empty(
            &mut self.remotes,
            |bucket| self.all.field(cpu, tags(bucket)),
            |bucket| self.all.set_field(cpu, tags(bucket), &Tags::default()),
            |Slot { key, counters }| reading.remotes.push((key.into(), counters)),
        )?;
        Ok(())
    }

    /// Gives memory back that is not in use any more.
    pub fn rest(&mut self) {
        self.remotes.rest();
    }
}

fn at(bank: u32) -> usize {
    offset_of!(egress::Egress, banks) + bank as usize % BANKS as usize * size_of::<EgressBank>()
}
