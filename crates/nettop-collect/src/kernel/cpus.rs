//! What each CPU counts outside of slots and logs, memory-mapped.

use std::{io, mem::offset_of};

use aya::maps::MapData;
use bytemuck::{Pod, Zeroable as _};
use nettop_common::{
    Config, Cpu, PacketsBytes, Totals,
    coalescing::CoalescingCache,
    counters::{ByClass, Table},
    cpu::{Bank, FROM_PORT, PORTS, Ports, TCP_FLAGS},
    interfaces::{ByPlace, Indexes},
    log::Ring,
    neighbour::Neighbours,
    slots::{self, BANKS, Layout, Slot, TAGS_BITS, Tags},
    unique::{self, Distinct, Registers},
};
use nettop_process::random;

use super::{
    capacity::{Capacity, CpuList},
    mapped::Mapped,
};
use crate::reading::Tables;

/// Where distinct sources are in an element.
const UNIQUE: usize = offset_of!(Cpu, unique);

/// The elements of all CPUs.
pub struct Cpus {
    all: Mapped<Cpu>,
    /// Of those that are counted on.
    ports: Mapped<Ports>,
    list: CpuList,
    /// With which all of them hash distinct sources.
    unique_key: unique::HashKey,
}

impl Cpus {
    /// Maps them, and tells each where its slots, its log and its ports are.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new(cpus: &MapData, ports: &MapData, list: &CpuList, capacity: Capacity) -> io::Result<Self> {
        let all = Mapped::new(cpus, list.count())?;
        let tables = capacity.port_tables(list);
        let ports = Mapped::new(ports, tables as usize)?;
        let all = Self { all, ports, list: list.clone(), unique_key: unique::HashKey(random::words()) };
        let layout = Layout::new(capacity.bits, random::words());
        for cpu in 0..list.count() {
            all.write(cpu, offset_of!(Cpu, layout), layout);
            all.write(cpu, UNIQUE + offset_of!(Distinct, key), all.unique_key);
            // Of a CPU that comes online later there is none, and the program finds none: numbers beyond the arrays.
            let part = list.part(cpu);
            all.write(cpu, offset_of!(Cpu, ports), part.map_or(u32::MAX, |part| part % tables));
            all.write(cpu, offset_of!(Cpu, shares_ports), u32::from((tables as usize) < list.parts()));
            for bank in 0..BANKS {
                let first =
                    capacity.bits.map(|bits| part.map_or(u32::MAX / 2, |part| slots::index(part, bank, bits, 0)));
                all.write(cpu, at(bank) + offset_of!(Bank, first), first);
                all.write(cpu, at(bank) + offset_of!(Bank, number), bank);
                let dropped = part.map_or(u32::MAX / 2, |part| (part * BANKS + bank) * capacity.block_room());
                all.write(cpu, at(bank) + offset_of!(Bank, first_dropped), dropped);
            }
            let ring = part.map_or_else(Ring::default, |part| Ring {
                first: part << capacity.log_bits,
                mask: (1 << capacity.log_bits) - 1,
                ..Ring::default()
            });
            all.write(cpu, offset_of!(Cpu, ring), ring);
        }
        Ok(all)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Which part of slots, log and ports is that CPU's.
    pub fn part(&self, cpu: usize) -> Option<u32> {
        self.list.part(cpu)
    }

    /// With which distinct sources are hashed.
    pub fn unique_key(&self) -> unique::HashKey {
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

    /// Packets that the program saw in a bank.
    pub fn seen(&self, cpu: usize, bank: u32) -> u64 {
        self.read(cpu, at(bank) + offset_of!(Bank, totals) + offset_of!(Totals, seen))
    }

    /// Where the log is.
    pub fn ring(&self, cpu: usize) -> Ring {
        self.read(cpu, offset_of!(Cpu, ring))
    }

    /// Where the newest record of an idle bank ends; 0: there is none.
    pub fn end(&self, cpu: usize, bank: u32) -> u64 {
        self.read(cpu, at(bank) + offset_of!(Bank, end))
    }

    /// Says how far the log was read.
    pub fn set_tail(&self, cpu: usize, tail: u64) {
        self.write(cpu, offset_of!(Cpu, ring) + offset_of!(Ring, tail), tail);
    }

    /// What was counted of all packets.
    pub fn totals(&self, cpu: usize, bank: u32) -> Totals {
        self.read(cpu, at(bank) + offset_of!(Bank, totals))
    }

    /// Messages of neighbours.
    pub fn neighbours(&self, cpu: usize, bank: u32) -> Neighbours {
        self.read(cpu, at(bank) + offset_of!(Bank, neighbours))
    }

    /// Begins the totals of an idle bank anew.
    pub fn clear_totals(&self, cpu: usize, bank: u32) {
        self.write(cpu, at(bank) + offset_of!(Bank, totals), Totals::zeroed());
        self.write(cpu, at(bank) + offset_of!(Bank, neighbours), Neighbours::zeroed());
        self.write(cpu, at(bank) + offset_of!(Bank, end), 0_u64);
    }

    /// The interface with this index has a place from now on.
    pub fn set_interface(&self, place: usize, index: u32) {
        let at = offset_of!(Cpu, interfaces) + within::<Indexes, u32>(place);
        (0..self.count()).for_each(|cpu| self.all.set_word(cpu, at, index));
    }

    /// What came by the interface that has a place, in an idle bank.
    pub fn interface(&self, cpu: usize, bank: u32, place: usize) -> ByClass {
        self.read(cpu, interface(bank, place))
    }

    /// Begins that anew.
    pub fn clear_interface(&self, cpu: usize, bank: u32, place: usize) {
        self.write(cpu, interface(bank, place), ByClass::<PacketsBytes>::default());
    }

    /// The tags of a bucket, from an idle bank.
    pub fn tags(&self, cpu: usize, bank: u32, table: Table, bucket: usize) -> Tags {
        self.read(cpu, tags(bank, table, bucket))
    }

    /// Begins a bucket of an idle bank anew.
    pub fn clear_tags(&self, cpu: usize, bank: u32, table: Table, bucket: usize) {
        self.write(cpu, tags(bank, table, bucket), Tags::default());
    }

    /// What was counted for the newest pair of MACs, and is in no slot yet.
    pub fn newest_macs(&self, cpu: usize, bank: u32) -> Option<Slot<PacketsBytes>> {
        let newest: CoalescingCache = self.read(cpu, at(bank) + offset_of!(Bank, coalescing));
        newest.macs()
    }

    /// Begins that anew, in an idle bank; and the program knows the slot of no destination any more.
    pub fn clear_newest(&self, cpu: usize, bank: u32) {
        self.write(cpu, at(bank) + offset_of!(Bank, coalescing), CoalescingCache::zeroed());
    }

    /// Packets by TCP flag byte.
    pub fn tcp_flags(&self, cpu: usize) -> impl Iterator<Item = u64> {
        (0..TCP_FLAGS).map(move |flags| self.read(cpu, offset_of!(Cpu, tcp_flags) + size_of::<u64>() * flags))
    }

    /// The words of ports, each table once: for the first of the CPUs that count in it.
    pub fn ports(&self, cpu: usize) -> impl Iterator<Item = u64> {
        let table = self.part(cpu).map(|part| part as usize).filter(|part| *part < self.ports.len());
        table
            .into_iter()
            .flat_map(move |table| (0..PORTS).map(move |port| self.ports.field(table, size_of::<u64>() * port)))
    }

    /// Reads the cumulative tables; `tables` is what was read before, to which what came to ports since is added.
    pub fn read_tables(&self, tables: &mut Tables) {
        let Tables { tcp_flags, dst_ports, src_ports, unique } = tables;
        tcp_flags.fill(0);
        unique.0.fill(0);
        let mut ports = vec![0_u64; PORTS];
        for cpu in 0..self.count() {
            tcp_flags.iter_mut().zip(self.tcp_flags(cpu)).for_each(|(sum, counter)| *sum += counter);
            unique.merge(&self.unique(cpu));
            ports.iter_mut().zip(self.ports(cpu)).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
        }
        for ((word, to), from) in ports.into_iter().zip(dst_ports).zip(src_ports) {
            let came = word.wrapping_sub(to.wrapping_add(from.wrapping_mul(FROM_PORT)));
            *to += came % FROM_PORT;
            *from += came / FROM_PORT;
        }
    }

    /// Distinct sources, of those that are in no slot and no log.
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

fn interface(bank: u32, place: usize) -> usize {
    at(bank) + offset_of!(Bank, interfaces) + within::<ByPlace, ByClass>(place)
}

/// How far the element at `place` of an array is from its beginning, bytes.
fn within<A, E>(place: usize) -> usize {
    assert!(place < size_of::<A>() / size_of::<E>(), "place {place}");
    place * size_of::<E>()
}

fn tags(bank: u32, table: Table, bucket: usize) -> usize {
    assert!(bucket < 1 << TAGS_BITS, "bucket {bucket}");
    at(bank) + offset_of!(Bank, tags) + ((table as usize) << TAGS_BITS | bucket) * size_of::<Tags>()
}
