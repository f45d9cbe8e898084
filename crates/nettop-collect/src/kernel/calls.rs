//! What calls on sockets move, and which connections have ended: read from the maps of the programs at the kernel's tracepoints.

use std::{
    io,
    mem::offset_of,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use bytemuck::Zeroable as _;
use nettop_common::{
    counters::Table,
    maps,
    slots::{self, BANKS, Key, Layout, Slot, Tags, WAYS},
    sockets::{CallCounters, Calls, CallsBank, EndedConnection, Endings, EndingsBank, Moved},
};
use nettop_process::random;

use super::{
    capacity::{Capacity, CpuList},
    grace::Grace,
    mapped::Mapped,
    slots::{AT_ONCE, BankPart},
    windows::Windows,
};

/// How long a program is waited for that has been interrupted while it counted, as a task that is preempted in one is for a time slice.
/// Where it still counts then, what it counts in is left for a later reading, and of connections that have ended by then the owner may not be known.
const PATIENCE: Duration = Duration::from_millis(20);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_micros(100);

/// What was counted since the reading before.
#[derive(Debug, Default)]
pub struct Counted {
    /// Everything.
    pub total: Moved,
    /// What had no slot.
    pub untracked: Moved,
    /// What was counted in the middle of another count, and is in nothing else.
    pub nested: Moved,
    /// By socket and process; a key may occur more than once.
    pub sockets: Vec<(Key, CallCounters)>,
    /// Connections that have ended.
    pub ended: Vec<EndedConnection>,
    /// How many have ended, those included for which there was no room.
    pub ended_count: u64,
    /// What these had moved: bytes sent and received.
    pub ended_untracked: (u64, u64),
    /// How full the fullest CPU's part of the tables is, 0 to 1.
    pub fill: f64,
}

/// The maps.
pub struct Hooks {
    calls: Mapped<Calls>,
    sockets: Windows<Slot<CallCounters>>,
    endings: Mapped<Endings>,
    ended: Windows<EndedConnection>,
    cpus: CpuList,
    capacity: Capacity,
    bank: u32,
    /// What each CPU had counted so at the reading before.
    nested: Vec<Moved>,
    grace: Grace,
}

impl Hooks {
    /// Maps them, and tells each CPU where its slots are; `map` has each by its name.
    ///
    /// # Errors
    /// A map is missing; the kernel refuses to map it.
    pub fn new<'a>(capacity: Capacity, cpus: &CpuList, map: impl Fn(&str) -> Result<&'a MapData>) -> Result<Self> {
        let slots = Capacity::slots(capacity.socket_bits, cpus) as usize;
        let hooks = Self {
            calls: Mapped::new(map(maps::CALLS)?, cpus.count()).context("mapping CALLS")?,
            sockets: Windows::new(map(maps::SOCKETS)?, slots, AT_ONCE).context("holding SOCKETS")?,
            endings: Mapped::new(map(maps::ENDINGS)?, cpus.count()).context("mapping ENDINGS")?,
            ended: Windows::new(map(maps::ENDED)?, capacity.ended(cpus) as usize, AT_ONCE).context("holding ENDED")?,
            cpus: cpus.clone(),
            capacity,
            bank: 0,
            nested: vec![Moved::default(); cpus.count()],
            grace: Grace::default(),
        };
        let layout = Layout::new([capacity.socket_bits; Table::COUNT], random::words());
        for cpu in 0..cpus.count() {
            hooks.calls.set_field(cpu, offset_of!(Calls, layout), &layout);
            let part = cpus.part(cpu);
            for bank in 0..BANKS {
                // Of a CPU that comes online later there are none: a number beyond the array.
                let first = part.map_or(u32::MAX / 2, |part| slots::index(part, bank, capacity.socket_bits, 0));
                hooks.calls.set_field(cpu, of_calls(bank) + offset_of!(CallsBank, first), &first);
                let room = capacity.ended_room();
                let ended =
                    part.map_or(EndingsBank::default(), |part| EndingsBank::new((part * BANKS + bank) * room, room));
                hooks.endings.set_field(cpu, of_endings(bank), &ended);
            }
        }
        Ok(hooks)
    }

    /// Has the programs count in the other bank, waits until none counts in the one before, and returns what is in that.
    pub fn read(&mut self) -> Counted {
        let idle = self.bank;
        self.bank = 1 - idle;
        // Ends first: what was called before one of them, which tells whose it was, is then in this reading, or was in one before.
        for cpu in 0..self.cpus.count() {
            self.endings.set_word(cpu, offset_of!(Endings, bank), self.bank);
        }
        self.grace.wait();
        for cpu in 0..self.cpus.count() {
            self.calls.set_word(cpu, offset_of!(Calls, bank), self.bank);
        }
        self.grace.wait();
        let mut counted = Counted::default();
        let until = Instant::now() + PATIENCE;
        for cpu in 0..self.cpus.count() {
            self.read_endings(cpu, idle, &mut counted).unwrap_or_else(|error| log::error!("mapping ENDED: {error}"));
            if self.is_idle(cpu, until) {
                self.read_calls(cpu, idle, &mut counted)
                    .unwrap_or_else(|error| log::error!("mapping SOCKETS: {error}"));
            }
        }
        counted
    }

    /// Whether no program counts on that CPU, which may take a moment.
    fn is_idle(&self, cpu: usize, until: Instant) -> bool {
        loop {
            if self.calls.field::<u32>(cpu, offset_of!(Calls, busy)) == 0 {
                return true;
            }
            if Instant::now() > until {
                return false;
            }
            thread::sleep(LOOK);
        }
    }

    fn read_calls(&mut self, cpu: usize, bank: u32, counted: &mut Counted) -> io::Result<()> {
        let nested: Moved = self.calls.field(cpu, offset_of!(Calls, nested));
        counted.nested.add(nested.since(std::mem::replace(&mut self.nested[cpu], nested)));
        let at = of_calls(bank);
        // A socket that was opened or closed has a slot, and has moved nothing.
        for (place, sum) in [
            (offset_of!(CallsBank, total), &mut counted.total),
            (offset_of!(CallsBank, untracked), &mut counted.untracked),
        ] {
            sum.add(self.calls.field(cpu, at + place));
            self.calls.set_field(cpu, at + place, &Moved::zeroed());
        }
        let Some(part) = self.cpus.part(cpu) else { return Ok(()) };
        let (bits, place) = (self.capacity.socket_bits, at + offset_of!(CallsBank, tags));
        let tags = |bucket| place + bucket * size_of::<Tags>();
        let keys = BankPart { part, bank, bits }.empty(
            &mut self.sockets,
            |bucket| self.calls.field(cpu, tags(bucket)),
            |bucket| self.calls.set_field(cpu, tags(bucket), &Tags::default()),
            |Slot { key, counters }| counted.sockets.push((key, counters)),
        )?;
        let fill = keys as f64 / (WAYS << bits) as f64;
        counted.fill = counted.fill.max(fill);
        Ok(())
    }

    fn read_endings(&mut self, cpu: usize, bank: u32, counted: &mut Counted) -> io::Result<()> {
        let at = of_endings(bank);
        let ended: EndingsBank = self.endings.field(cpu, at);
        if ended.ended == 0 {
            return Ok(());
        }
        counted.ended_count += ended.ended;
        counted.ended_untracked.0 += ended.untracked_tx_bytes;
        counted.ended_untracked.1 += ended.untracked_rx_bytes;
        self.endings.set_field(cpu, at, &EndingsBank::new(ended.first, ended.room));
        let (first, listed) = (ended.first as usize, ended.ended.min(ended.room.into()) as usize);
        counted.fill = counted.fill.max(listed as f64 / f64::from(ended.room.max(1)));
        for from in (first..first + listed).step_by(AT_ONCE) {
            let to = (from + AT_ONCE).min(first + listed);
            // A window ends where a multiple of its size does.
            let ends = (from / AT_ONCE + 1) * AT_ONCE;
            for part in [from..to.min(ends), to.min(ends)..to] {
                if !part.is_empty() {
                    let (records, range) = self.ended.get(&part)?;
                    counted.ended.extend(range.map(|at| records.get(at)));
                }
            }
        }
        Ok(())
    }

    /// Gives memory back that is not in use any more.
    pub fn rest(&mut self) {
        self.sockets.rest();
        self.ended.rest();
    }
}

fn of_calls(bank: u32) -> usize {
    offset_of!(Calls, banks) + bank as usize % BANKS as usize * size_of::<CallsBank>()
}

fn of_endings(bank: u32) -> usize {
    offset_of!(Endings, banks) + bank as usize % BANKS as usize * size_of::<EndingsBank>()
}
