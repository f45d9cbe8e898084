//! What each CPU counts outside of slots, memory-mapped.

use std::{io, mem::offset_of};

use aya::maps::MapData;
use bytemuck::{Pod, Zeroable as _};
use nettop_common::{
    Config, Cpu, PacketsBytes, Totals,
    coalescing::CoalescingCache,
    counters::{Part, Table},
    cpu::{Bank, PORTS, TCP_FLAGS},
    slots::{self, BANKS, GROUPS, Layout, MOST_BITS, Slot, Tags},
    unique::{self, Distinct, Registers},
};
use nettop_process::random;

use super::mapped::Mapped;
use crate::reading::Tables;

/// Where distinct sources are in an element.
const UNIQUE: usize = offset_of!(Cpu, unique);

/// The elements of all CPUs.
pub struct Cpus {
    all: Mapped<Cpu>,
    /// The bits of the [`Part`]s that are counted.
    parts: u32,
    /// With which all of them hash distinct sources.
    unique_key: unique::Key,
}

impl Cpus {
    /// Maps so many of them, where these parts are counted, and tells each where its slots are.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new(map: &MapData, cpus: usize, bits: [u32; Table::COUNT], parts: u32) -> io::Result<Self> {
        let all = Self { all: Mapped::new(map, cpus)?, parts, unique_key: unique::Key(random::words()) };
        let layout = Layout::new(bits, random::words());
        for cpu in 0..cpus {
            all.write(cpu, offset_of!(Cpu, layout), layout);
            all.write(cpu, UNIQUE + offset_of!(Distinct, key), all.unique_key);
            for bank in 0..BANKS {
                let first = bits.map(|bits| slots::index(cpu as u32, bank, bits, 0));
                all.write(cpu, at(bank) + offset_of!(Bank, first), first);
            }
        }
        Ok(all)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// With which distinct sources are hashed.
    pub fn unique_key(&self) -> unique::Key {
        self.unique_key
    }

    /// What the program was told last.
    pub fn config(&self) -> Config {
        self.read(0, offset_of!(Cpu, config))
    }

    /// Tells the program, word by word: each CPU sees the old one or the new.
    pub fn tell(&self, config: Config) {
        let words: [u32; size_of::<Config>() / 4] = bytemuck::cast(config);
        for cpu in 0..self.count() {
            for (at, word) in words.into_iter().enumerate() {
                self.all.set_word(cpu, offset_of!(Cpu, config) + 4 * at, word);
            }
        }
    }

    /// What was counted of all packets.
    pub fn totals(&self, cpu: usize, bank: u32) -> Totals {
        self.read(cpu, at(bank) + offset_of!(Bank, totals))
    }

    /// Begins the totals of an idle bank anew.
    pub fn clear_totals(&self, cpu: usize, bank: u32) {
        self.write(cpu, at(bank) + offset_of!(Bank, totals), Totals::zeroed());
    }

    /// The tags of a bucket, from an idle bank.
    pub fn tags(&self, cpu: usize, bank: u32, table: Table, bucket: usize) -> Tags {
        self.read(cpu, tags(bank, table, bucket))
    }

    /// Begins a bucket of an idle bank anew.
    pub fn clear_tags(&self, cpu: usize, bank: u32, table: Table, bucket: usize) {
        self.write(cpu, tags(bank, table, bucket), Tags::default());
    }

    /// What was counted for the newest key of a table, and is in no slot yet.
    pub fn newest(&self, cpu: usize, bank: u32, table: Table) -> Option<Slot<PacketsBytes>> {
        let part = match table {
            Table::Sources => Part::Sources,
            Table::Destinations => Part::Destinations,
            Table::Macs => Part::Macs,
        };
        // Of the two keys there, one may mean nothing.
        let newest: CoalescingCache = self.read(cpu, at(bank) + offset_of!(Bank, coalescing));
        newest.of(table).filter(|_| self.parts & part.bit() != 0)
    }

    /// Begins that anew, in an idle bank.
    pub fn clear_newest(&self, cpu: usize, bank: u32) {
        self.write(cpu, at(bank) + offset_of!(Bank, coalescing), CoalescingCache::zeroed());
    }

    /// Which groups of a table's buckets are in use.
    pub fn used(&self, cpu: usize, bank: u32, table: Table) -> impl Iterator<Item = usize> {
        let used: [u8; GROUPS] = self.read(cpu, at(bank) + used(table));
        used.into_iter().enumerate().filter_map(|(group, used)| (used != 0).then_some(group))
    }

    /// Notes that a group of an idle bank is not in use.
    pub fn clear_used(&self, cpu: usize, bank: u32, table: Table, group: usize) {
        assert!(group < GROUPS, "group {group} of {GROUPS}");
        self.write(cpu, at(bank) + used(table) + group, 0_u8);
    }

    /// Packets by TCP flag byte.
    pub fn tcp_flags(&self, cpu: usize) -> impl Iterator<Item = u64> {
        self.counters::<TCP_FLAGS>(cpu, offset_of!(Cpu, tcp_flags))
    }

    /// Packets by destination port.
    pub fn dst_ports(&self, cpu: usize) -> impl Iterator<Item = u64> {
        self.counters::<PORTS>(cpu, offset_of!(Cpu, dst_ports))
    }

    /// Packets by source port.
    pub fn src_ports(&self, cpu: usize) -> impl Iterator<Item = u64> {
        self.counters::<PORTS>(cpu, offset_of!(Cpu, src_ports))
    }

    /// Reads the cumulative tables.
    pub fn read_tables(&self, tables: &mut Tables) {
        let Tables { tcp_flags, dst_ports, src_ports, unique } = tables;
        tcp_flags.fill(0);
        dst_ports.fill(0);
        src_ports.fill(0);
        unique.0.fill(0);
        for cpu in 0..self.count() {
            add(tcp_flags, self.tcp_flags(cpu));
            add(dst_ports, self.dst_ports(cpu));
            add(src_ports, self.src_ports(cpu));
            unique.merge(&self.unique(cpu));
        }
    }

    /// Distinct sources, of those for which there was no slot.
    pub fn unique(&self, cpu: usize) -> Registers {
        let mut registers = Registers::zeroed();
        // As one value, the compiler would read it by an instruction of its own for every byte: half a MiB of code.
        let words: &mut [u64] = bytemuck::cast_slice_mut(&mut registers.0);
        for (at, word) in words.iter_mut().enumerate() {
            *word = self.read(cpu, UNIQUE + offset_of!(Distinct, registers) + size_of::<u64>() * at);
        }
        registers
    }

    /// Forgets them.
    pub fn clear_unique(&self) {
        for cpu in 0..self.count() {
            self.write(cpu, UNIQUE + offset_of!(Distinct, registers), Registers::zeroed());
        }
    }

    fn counters<const N: usize>(&self, cpu: usize, offset: usize) -> impl Iterator<Item = u64> {
        (0..N).map(move |index| self.read(cpu, offset + size_of::<u64>() * index))
    }

    fn read<F: Pod>(&self, cpu: usize, offset: usize) -> F {
        self.all.field(cpu, offset)
    }

    fn write<F: Pod>(&self, cpu: usize, offset: usize, value: F) {
        self.all.set_field(cpu, offset, &value);
    }
}

fn at(bank: u32) -> usize {
    offset_of!(Cpu, banks) + bank as usize % BANKS as usize * size_of::<Bank>()
}

fn tags(bank: u32, table: Table, bucket: usize) -> usize {
    assert!(bucket < 1 << MOST_BITS[table as usize], "bucket {bucket}");
    let tags = match table {
        Table::Sources => offset_of!(Bank, sources),
        Table::Destinations => offset_of!(Bank, destinations),
        Table::Macs => offset_of!(Bank, macs),
    };
    at(bank) + tags + bucket * size_of::<Tags>()
}

fn used(table: Table) -> usize {
    offset_of!(Bank, used) + table as usize * GROUPS
}

fn add(sums: &mut [u64], counters: impl Iterator<Item = u64>) {
    sums.iter_mut().zip(counters).for_each(|(sum, counter)| *sum += counter);
}
