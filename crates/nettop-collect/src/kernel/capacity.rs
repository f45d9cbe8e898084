//! How large the kernel's maps are: from a memory budget and the CPUs that count.
//!
//! Slots, log and ports are of CPUs that are online when the program is loaded; of the others there is only what is small.

use std::fs;

use anyhow::{Context as _, Error, Result};
use nettop_common::{
    Cpu, DestinationCounters, Event, PacketsBytes, SourceCounters,
    blocks::{self, Block, BlockKey, BlockSet},
    counters::Table,
    cpu::Ports,
    drops::Drops,
    egress::{self, Egress},
    log::Unit,
    maps,
    slots::{self, BANKS, MOST_BITS, Slot, WAYS},
    sockets::{self, CallCounters, Calls, EndedConnection, Endings},
};

/// log₂ of the buckets of a CPU in a bank at least, by [`Table`]: of destinations in as much memory as of MAC pairs.
const LEAST_BITS: [u32; Table::COUNT] = [3, 1, 3];
/// Bytes of a slot, by [`Table`].
const SLOTS: [usize; Table::COUNT] =
    [size_of::<Slot<SourceCounters>>(), size_of::<Slot<DestinationCounters>>(), size_of::<Slot<PacketsBytes>>()];
/// log₂ of the units of a CPU's log: at two million packets per second a quarter of a second, and nothing to speak of.
const MOST_LOG_BITS: u32 = 19;
const LEAST_LOG_BITS: u32 = 8;
/// Bytes of a slot for a remote address.
const REMOTE: usize = size_of::<Slot<PacketsBytes>>();
/// And of one for a socket and a process.
const SOCKET: usize = size_of::<Slot<CallCounters>>();
/// Bytes of the kernel for an entry of its hash map, about: `struct htab_elem`, key, value, bucket.
const BLOCK: usize = 80 + size_of::<BlockKey>() + size_of::<Block>();
/// One part in so many of what is left beside what has a fixed size goes to blocks.
const BLOCKS_SHARE: u64 = 16;
/// log₂ of the blocks at least.
const LEAST_BLOCK_BITS: u32 = 6;
/// log₂ of the buckets of either at least.
const LEAST_SIDE_BITS: u32 = 1;
/// Bytes of all logs: what is read of them at once takes six times as much of user space until it is entered.
const MOST_LOGS: u64 = 16 << 20;

/// Which CPUs there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuList {
    /// By number: which part of slots, log and ports is that CPU's; `None`: it was not online.
    parts: Vec<Option<u32>>,
}

impl CpuList {
    /// Those of this machine.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn current() -> Result<Self> {
        let possible = possible_cpus()?;
        let numbers = |file: &str| {
            let path = format!("/sys/devices/system/cpu/{file}");
            let list = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
            numbers(&list).with_context(|| format!("{path} is no list of CPUs: {}", list.trim()))
        };
        // Numbers may be left out, and arrays are indexed by number.
        let count = numbers("possible").ok().and_then(|all| all.last().copied()).map_or(possible, |last| last + 1);
        // Without the list, any may count.
        Ok(Self::new(count.max(possible), &numbers("online").unwrap_or_else(|_| (0..count).collect())))
    }

    /// Numbered below `count`, of which these are online.
    pub fn new(count: usize, online: &[usize]) -> Self {
        let mut parts = vec![None; count];
        (0..).zip(online).for_each(|(part, cpu)| {
            if let Some(of) = parts.get_mut(*cpu) {
                *of = Some(part);
            }
        });
        Self { parts }
    }

    /// Numbered below `count`, of which the first so many are online.
    pub fn first_online(count: usize, online: usize) -> Self {
        Self::new(count, &(0..online).collect::<Vec<_>>())
    }

    /// One more than the highest number.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// Of how many there are slots, log and ports; at least one.
    pub fn parts(&self) -> usize {
        self.parts.iter().flatten().count().max(1)
    }

    /// Which part is that CPU's.
    pub fn part(&self, cpu: usize) -> Option<u32> {
        self.parts.get(cpu).copied().flatten()
    }
}

/// How many CPUs there may be: of each, a value of a per-CPU map has a part.
///
/// # Errors
/// The kernel does not tell.
pub fn possible_cpus() -> Result<usize> {
    aya::util::nr_cpus().map_err(|(path, error)| Error::from(error).context(format!("reading {path}")))
}

/// The numbers in a list such as `0-3,8`.
fn numbers(list: &str) -> Option<Vec<usize>> {
    let mut all = Vec::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        all.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(all)
}

/// Sizes of what is allocated in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// log₂ of the buckets of one CPU in one bank, by [`Table`].
    pub bits: [u32; Table::COUNT],
    /// log₂ of the units in the log of one CPU.
    pub log_bits: u32,
    /// log₂ of the buckets of one CPU in one bank for remote addresses that are sent to.
    pub remote_bits: u32,
    /// log₂ of the buckets of one CPU in one bank for sockets and their processes.
    pub socket_bits: u32,
    /// log₂ of the connections of one CPU in one bank that are told one by one when they end.
    pub ended_bits: u32,
    /// log₂ of the blocks.
    pub block_bits: u32,
    /// Tables of ports at most; where there are more CPUs, some share one.
    pub ports: u32,
}

impl Capacity {
    /// The largest.
    pub const MOST: Self = Self {
        bits: MOST_BITS,
        log_bits: MOST_LOG_BITS,
        remote_bits: egress::TAGS_BITS,
        socket_bits: sockets::TAGS_BITS,
        ended_bits: sockets::ENDED_BITS,
        block_bits: blocks::MOST_BITS,
        ports: u32::MAX,
    };

    /// From a budget in bytes. Of what is left beside what has a fixed size a sixteenth goes to blocks, and of the
    /// others a quarter at most to ports. Of the rest
    /// three eighths go to the logs, and one to what is sent and to sockets.
    pub fn plan(budget: u64, cpus: &CpuList) -> Self {
        let left = budget.saturating_sub(Self::fixed(cpus));
        let block_bits = Self::block_bits(left, cpus);
        let left = left - left / BLOCKS_SHARE;
        let ports = (left / 4 / size_of::<Ports>() as u64).clamp(1, cpus.parts() as u64);
        let share = left.saturating_sub(ports * size_of::<Ports>() as u64) / cpus.parts() as u64;
        let buckets =
            |share: u64, slot: usize| (share / (u64::from(BANKS) * (WAYS * slot) as u64)).checked_ilog2().unwrap_or(0);
        let bits = |share: u64, table: Table| {
            buckets(share, SLOTS[table as usize]).clamp(LEAST_BITS[table as usize], MOST_BITS[table as usize])
        };
        let logs = (share / 8 * 3).min(MOST_LOGS / cpus.parts() as u64);
        let units = logs / size_of::<Unit>() as u64;
        Self {
            bits: [bits(share / 4, Table::Sources), bits(share / 8, Table::Destinations), bits(share / 8, Table::Macs)],
            log_bits: units.checked_ilog2().unwrap_or(0).clamp(LEAST_LOG_BITS, MOST_LOG_BITS),
            remote_bits: buckets(share / 32, REMOTE).clamp(LEAST_SIDE_BITS, egress::TAGS_BITS),
            socket_bits: buckets(share / 16, SOCKET).clamp(LEAST_SIDE_BITS, sockets::TAGS_BITS),
            ended_bits: (buckets(share / 32, size_of::<EndedConnection>()) + WAYS.ilog2())
                .clamp(LEAST_SIDE_BITS + WAYS.ilog2(), sockets::ENDED_BITS),
            block_bits,
            ports: ports as u32,
        }
    }

    /// How many elements each of the maps has whose size follows from this.
    pub fn elements(self, cpus: &CpuList) -> [(&'static str, u32); 15] {
        let [sources, destinations, macs] = self.bits.map(|bits| Self::slots(bits, cpus));
        [
            (maps::CPUS, cpus.count() as u32),
            (maps::SOURCES, sources),
            (maps::DESTINATIONS, destinations),
            (maps::MACS, macs),
            (maps::LOG, (cpus.parts() as u32) << self.log_bits),
            (maps::PORTS, self.port_tables(cpus)),
            (maps::EGRESS, cpus.count() as u32),
            (maps::REMOTES, Self::slots(self.remote_bits, cpus)),
            (maps::CALLS, cpus.count() as u32),
            (maps::SOCKETS, Self::slots(self.socket_bits, cpus)),
            (maps::ENDINGS, cpus.count() as u32),
            (maps::ENDED, self.ended(cpus)),
            (maps::DROPS, cpus.count() as u32),
            (maps::BLOCKS, self.block_room()),
            (maps::DROPPED, self.dropped(cpus)),
        ]
    }

    /// How many slots an array for these CPUs has.
    pub fn slots(bits: u32, cpus: &CpuList) -> u32 {
        slots::index(cpus.parts() as u32, 0, bits, 0)
    }

    /// Bytes of all that.
    pub fn bytes(self, cpus: &CpuList) -> u64 {
        let slots = self.bits.iter().zip(SLOTS).map(|(bits, size)| u64::from(Self::slots(*bits, cpus)) * size as u64);
        let ports = u64::from(self.port_tables(cpus)) * size_of::<Ports>() as u64;
        Self::fixed(cpus) + ports + slots.sum::<u64>() + self.side_bytes(cpus) + self.log_bytes(cpus)
    }

    /// Bytes of what has the same size whatever the budget.
    pub(super) fn fixed(cpus: &CpuList) -> u64 {
        let counters = size_of::<Cpu>() + size_of::<Egress>() + size_of::<Calls>() + size_of::<Endings>();
        (cpus.count() * (counters + size_of::<Drops>()) + 2 * size_of::<BlockSet>()) as u64
    }

    /// log₂ of how many blocks have room in their share of so many bytes.
    fn block_bits(left: u64, cpus: &CpuList) -> u32 {
        let room = left / BLOCKS_SHARE / Self::block_bytes(cpus);
        room.checked_ilog2().unwrap_or(0).clamp(LEAST_BLOCK_BITS, blocks::MOST_BITS)
    }

    /// Bytes of a block, with what each CPU counts for it.
    fn block_bytes(cpus: &CpuList) -> u64 {
        (BLOCK + cpus.parts() * BANKS as usize * size_of::<u64>()) as u64
    }

    /// How many blocks there can be.
    pub fn block_room(self) -> u32 {
        1 << self.block_bits
    }

    /// Counters of what they drop, of all CPUs and in both banks.
    pub fn dropped(self, cpus: &CpuList) -> u32 {
        cpus.parts() as u32 * BANKS * self.block_room()
    }

    /// How many tables of ports there are.
    pub fn port_tables(self, cpus: &CpuList) -> u32 {
        self.ports.min(cpus.parts() as u32)
    }

    /// How many connections that have ended there is room for in a bank of one CPU.
    pub fn ended_room(self) -> u32 {
        1 << self.ended_bits
    }

    /// And in all.
    pub fn ended(self, cpus: &CpuList) -> u32 {
        cpus.parts() as u32 * BANKS * self.ended_room()
    }

    /// Bytes of what is beside the packets received: slots for remote addresses and for sockets, connections that have ended, and blocks.
    pub(super) fn side_bytes(self, cpus: &CpuList) -> u64 {
        let remotes = u64::from(Self::slots(self.remote_bits, cpus)) * REMOTE as u64;
        let sockets = u64::from(Self::slots(self.socket_bits, cpus)) * SOCKET as u64;
        let blocks = Self::block_bytes(cpus) << self.block_bits;
        remotes + sockets + blocks + u64::from(self.ended(cpus)) * size_of::<EndedConnection>() as u64
    }

    /// Bytes of the logs.
    pub fn log_bytes(self, cpus: &CpuList) -> u64 {
        ((cpus.parts() * size_of::<Unit>()) as u64) << self.log_bits
    }

    /// How many keys have a slot between two readings, by all CPUs.
    pub fn keys(bits: u32, cpus: &CpuList) -> u64 {
        (cpus.parts() * WAYS) as u64 * (1 << bits)
    }
}

/// Bytes of the ring buffer for so many events per second: room for four readings, and for a flood's first instant. All of it is
/// resident, twice.
pub fn ring(event_rate: u32) -> u32 {
    const HEADER: u64 = 8; // BPF_RINGBUF_HDR_SZ (linux/bpf.h)
    let bytes = u64::from(event_rate) * (size_of::<Event>() as u64 + HEADER) * 4 / 10;
    (bytes as u32).next_power_of_two().clamp(1 << 20, 16 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_fits_into_the_budget() {
        for (name, mebibytes, possible, counting) in [
            ("a small machine", 8, 1, 1),
            ("two CPUs", 64, 2, 2),
            ("128 CPUs", 256, 128, 128),
            ("128 possible ones, of which two are online", 16, 128, 2),
            ("128 CPUs, and next to nothing for them", 15, 128, 128),
            ("512 CPUs", 512, 512, 512),
        ] {
            let cpus = CpuList::first_online(possible, counting);
            let capacity = Capacity::plan(mebibytes << 20, &cpus);
            assert!(capacity.bytes(&cpus) <= mebibytes << 20, "{name}: {capacity:?}");
            assert!(capacity.log_bytes(&cpus) <= MOST_LOGS, "{name}: {capacity:?}");
        }
    }

    #[test]
    fn cpus_that_are_offline_cost_next_to_nothing_and_take_nothing_from_the_others() {
        let (two, of_128) = (CpuList::first_online(2, 2), CpuList::first_online(128, 2));
        assert_eq!(Capacity::plan(64 << 20, &of_128), Capacity::plan(64 << 20, &two));
        assert_eq!(Capacity::plan(64 << 20, &two), Capacity { ports: 2, ..Capacity::MOST });
        let difference = Capacity::MOST.bytes(&of_128) - Capacity::MOST.bytes(&two);
        assert!(difference < 10 << 20, "{difference}");
    }

    #[test]
    fn more_memory_never_means_smaller_tables() {
        for cpus in [CpuList::first_online(2, 2), CpuList::first_online(128, 128)] {
            for mebibytes in 0..300 {
                let [less, more] = [mebibytes, mebibytes + 1].map(|size| Capacity::plan(size << 20, &cpus));
                assert!(less.log_bits <= more.log_bits && less.ports <= more.ports, "{mebibytes}");
                assert!(less.bits.iter().zip(more.bits).all(|(less, more)| *less <= more), "{mebibytes}");
            }
        }
    }

    #[test]
    fn a_tiny_budget_still_works() {
        let least = Capacity::plan(0, &CpuList::first_online(1024, 1024));
        let (remote_bits, socket_bits) = (LEAST_SIDE_BITS, LEAST_SIDE_BITS);
        let side = Capacity { remote_bits, socket_bits, ended_bits: 4, block_bits: LEAST_BLOCK_BITS, ..Capacity::MOST };
        assert_eq!(least, Capacity { bits: LEAST_BITS, log_bits: LEAST_LOG_BITS, ports: 1, ..side });
    }

    #[test]
    fn parts_are_numbered_by_cpus_that_are_online() {
        for (name, list, count, expected) in [
            ("all", "0-3", 4, vec![Some(0), Some(1), Some(2), Some(3)]),
            ("one", "0", 1, vec![Some(0)]),
            ("gaps", "0,2-3", 5, vec![Some(0), None, Some(1), Some(2), None]),
            ("one that is not possible", "0-1", 1, vec![Some(0)]),
        ] {
            let cpus = CpuList::new(count, &numbers(list).unwrap());
            assert_eq!(cpus.parts, expected, "{name}");
            assert_eq!(cpus.parts(), expected.iter().flatten().count(), "{name}");
        }
        assert_eq!(numbers("0-x"), None);
        assert_eq!(numbers(""), None);
    }
}
