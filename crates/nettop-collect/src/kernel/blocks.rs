//! The blocks of the kernel program: its hash map, what it looks at before that, and what it has dropped.

use std::{collections::BTreeMap, io};

use anyhow::{Context as _, Result, bail};
use aya::maps::{HashMap, Map, MapData};
use nettop_common::{
    blocks::{Block, BlockKey, BlockSet, MOST_LENGTHS, NO_BLOCKS},
    maps,
    slots::BANKS,
};
use nettop_model::clock::asleep_ns;
use nettop_process::random;

use super::{
    capacity::{Capacity, CpuList},
    mapped::Mapped,
    windows::Windows,
};
use crate::reading::Reading;

/// A key and a value as the map has them.
type Words<const N: usize> = [u64; N];

/// The maps, and what is in them.
pub struct Blocks {
    map: HashMap<MapData, Words<3>, Words<2>>,
    sets: Mapped<BlockSet>,
    dropped: Windows<u64>,
    cpus: CpuList,
    room: u32,
    /// [`Config::blocks`](nettop_common::Config::blocks).
    in_force: u16,
    /// By key: its number.
    numbers: BTreeMap<Words<3>, u32>,
    free: Vec<u32>,
    /// Numbers of blocks that were removed since the newest reading: what they have dropped is not read yet.
    leaving: Vec<u32>,
    random: [u64; 3],
    /// What the set in force holds.
    set: Box<BlockSet>,
    /// It holds more than it need.
    is_stale: bool,
}

impl Blocks {
    /// Maps them; `map` has each of the arrays by its name.
    ///
    /// # Errors
    /// A map is missing, or the kernel refuses to map it.
    pub fn new<'a>(
        hash: Map,
        capacity: Capacity,
        cpus: &CpuList,
        map: impl Fn(&str) -> Result<&'a MapData>,
    ) -> Result<Self> {
        let room = capacity.block_room();
        let sets = Mapped::new(map(maps::BLOCK_SETS)?, 2).context("mapping BLOCK_SETS")?;
        let dropped = Windows::new(map(maps::DROPPED)?, capacity.dropped(cpus) as usize, room as usize);
        let random = random::words();
        Ok(Self {
            map: HashMap::try_from(hash).context("opening BLOCKS")?,
            sets,
            dropped: dropped.context("holding DROPPED")?,
            cpus: cpus.clone(),
            room,
            in_force: NO_BLOCKS,
            numbers: BTreeMap::new(),
            free: (0..room).rev().collect(),
            leaving: Vec::new(),
            random,
            set: BlockSet::new(random).into(),
            is_stale: false,
        })
    }

    /// How many there can be.
    pub fn room(&self) -> usize {
        self.room as usize
    }

    /// Which set is in force.
    pub fn in_force(&self) -> u16 {
        self.in_force
    }

    /// Adds or renews a block. Returns its number, and whether another set is in force now.
    ///
    /// # Errors
    /// As for [`Blocker::block`](crate::blocker::Blocker::block).
    pub fn insert(&mut self, key: &BlockKey, until_ns: u64) -> Result<(u32, bool)> {
        let words: Words<3> = bytemuck::cast(*key);
        // The program's clock stands still while the machine is suspended.
        let until_ns = until_ns.saturating_sub(asleep_ns());
        let known = self.numbers.get(&words).copied();
        let Some(number) = known.or_else(|| self.free.last().copied()) else {
            bail!("there are {} blocks, as many as there can be; unblock some, or block a prefix", self.room);
        };
        if known.is_none() && !self.set.insert(key) {
            bail!(
                "prefixes of {MOST_LENGTHS} lengths are blocked, as many as there can be in a family; use one of these lengths"
            );
        }
        let block = bytemuck::cast::<_, Words<2>>(Block::new(until_ns, number));
        self.map.insert(words, block, 0).context("adding to BLOCKS")?;
        if known.is_some() {
            return Ok((number, false));
        }
        self.free.pop();
        self.numbers.insert(words, number);
        // Where its length is looked for already, a bit is all that is missing.
        let in_force = self.in_force.checked_sub(1).map(usize::from);
        match in_force.filter(|at| self.sets.get(*at).has_length(key)) {
            Some(at) => {
                let (offset, word) = self.set.word(key);
                self.sets.set_field(at, offset, &word);
                Ok((number, false))
            }
            None => {
                self.put();
                Ok((number, true))
            }
        }
    }

    /// Removes a block. What is looked at before the map is made anew with the next reading.
    ///
    /// # Errors
    /// As for [`Blocker::unblock`](crate::blocker::Blocker::unblock).
    pub fn remove(&mut self, key: &BlockKey) -> Result<()> {
        let words: Words<3> = bytemuck::cast(*key);
        let Some(number) = self.numbers.get(&words).copied() else { return Ok(()) };
        self.map.remove(&words).context("removing from BLOCKS")?;
        self.numbers.remove(&words);
        self.leaving.push(number);
        self.is_stale = true;
        Ok(())
    }

    /// Makes the set anew, if that is due; whether another one is in force now.
    pub fn refresh(&mut self) -> bool {
        if !std::mem::take(&mut self.is_stale) {
            return false;
        }
        *self.set = BlockSet::new(self.random);
        // All of them were in it before.
        self.numbers.keys().for_each(|words| _ = self.set.insert(&bytemuck::cast(*words)));
        self.put();
        true
    }

    /// Writes the set that is not in force, and chooses it.
    fn put(&mut self) {
        let idle = if self.in_force == 1 { 1 } else { 0 };
        self.sets.set(usize::from(idle), &self.set);
        self.in_force = if self.numbers.is_empty() { NO_BLOCKS } else { 1 + idle };
    }

    /// Moves what was dropped in an idle bank into a reading. `any`: something was.
    pub fn read(&mut self, bank: u32, any: bool, reading: &mut Reading) {
        if any && let Err(error) = self.take(bank, reading) {
            log::error!("mapping what blocks have dropped: {error}");
        }
        // No run that began after the banks were flipped has found them.
        self.free.append(&mut self.leaving);
    }

    fn take(&mut self, bank: u32, reading: &mut Reading) -> io::Result<()> {
        for cpu in 0..self.cpus.parts() as u32 {
            let first = ((cpu * BANKS + bank) * self.room) as usize;
            let (counters, range) = self.dropped.get(&(first..first + self.room as usize))?;
            for number in self.numbers.values().chain(&self.leaving) {
                let at = range.start + *number as usize;
                let packets = counters.get(at);
                if packets > 0 {
                    counters.set(at, &0);
                    reading.dropped.push((*number, packets));
                }
            }
        }
        Ok(())
    }

    /// Gives memory back that is not in use any more.
    pub fn rest(&mut self) {
        self.dropped.rest();
    }
}
