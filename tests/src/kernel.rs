//! The kernel program by itself: loaded, attached to nothing, fed with frames by `BPF_PROG_TEST_RUN`.

use std::os::fd::{AsFd as _, OwnedFd};

use aya::{
    Ebpf, EbpfLoader, Pod,
    maps::{Array, Map, MapData, PerCpuHashMap, RingBuf},
    programs::{TestRun as _, TestRunOptions, Xdp},
};
use nettop_collect::{
    kernel::{
        blocks::Blocks,
        capacity::{Capacity, CpuList},
        cpus::Cpus,
    },
    reading::{Reading, Tables},
};
use nettop_common::{
    Address, ClassTally, Config, DestinationCounters, Event, Filter, LinkLayer, MacPair, PacketsBytes, SourceCounters,
    Totals,
    blocks::BlockKey,
    config::NO_FILTER,
    counters::{ByClass, Counters, Part, Table},
    log::{Record, Ring, Unit},
    maps::{self, ByBank, Form},
    slots::{self, BANKS, Key, Slot},
};
use nettop_model::clock::Moment;

/// `XDP_DROP` and `XDP_PASS` (linux/bpf.h).
pub const DROP: u32 = 1;
const PASS: u32 = 2;

/// The index of the loopback interface, which is where frames of a test run come by.
const LOOPBACK: u32 = 1;

/// How many instructions the verifier looks at in each program, with any part of counting left out, on Linux 6.18. It refuses a program
/// with more than a million, and the start waits for it.
pub const VERIFIED: [(&str, u32); 14] = [
    ("nettop", 43_000),
    ("nettop_raw_ip", 41_000),
    ("nettop_parts", 42_000),
    ("nettop_raw_ip_parts", 41_000),
    ("nettop_hash", 34_000),
    ("nettop_raw_ip_hash", 39_000),
    ("nettop_egress", 34_000),
    ("nettop_raw_ip_egress", 27_000),
    ("nettop_sent", 1_900),
    ("nettop_received", 2_100),
    ("nettop_state", 1_800),
    ("nettop_ended", 500),
    ("nettop_dropped", 30),
    ("nettop_owners", 200),
];

/// In here, so that a test can be taken to another machine.
pub(crate) const OBJECT: &[u8] = aya::include_bytes_aligned!("../../data/nettop.bpf.o");

const FILTER_SIZE: usize = size_of::<Filter>();

/// The loaded program and its maps.
pub struct Kernel {
    ebpf: Ebpf,
    form: Form,
    parts: u32,
    cpus: Cpus,
    capacity: Capacity,
    blocks: Blocks,
    events: RingBuf<MapData>,
}

impl Kernel {
    /// Loads the committed object, as nettop does. Every counted packet becomes an event.
    pub fn load() -> Self {
        Self::load_parts(Part::EVERY)
    }

    /// The same, counting only the [`Part`]s whose bits are set.
    pub fn load_parts(parts: u32) -> Self {
        Self::load_sized(parts, Capacity::MOST)
    }

    /// The same, with maps of that size.
    pub fn load_sized(parts: u32, capacity: Capacity) -> Self {
        Self::load_as(Form::Slots, parts, capacity, 1, &every_cpu())
    }

    /// Where these CPUs alone are online.
    pub fn load_online(online: &[usize]) -> Self {
        let list = CpuList::new(every_cpu().count(), online);
        Self::load_as(Form::Slots, Part::EVERY, Capacity::MOST, 1, &list)
    }

    /// The same, counting keys in hash maps that have room for so many each.
    pub fn load_hash(parts: u32, keys: u32) -> Self {
        Self::load_as(
            Form::Hash,
            parts,
            Capacity { bits: [1; Table::COUNT], log_bits: 0, ..Capacity::MOST },
            keys,
            &every_cpu(),
        )
    }

    fn load_as(form: Form, parts: u32, capacity: Capacity, keys: u32, list: &CpuList) -> Self {
        let mut loader = EbpfLoader::new();
        capacity.elements(list).into_iter().for_each(|(map, entries)| _ = loader.map_max_entries(map, entries));
        for map in [maps::SOURCE_HASH, maps::DEST_HASH, maps::MAC_HASH] {
            loader.map_max_entries(map, keys);
        }
        loader.map_max_entries(maps::EVENTS, 1 << 20);
        loader.override_global(maps::PARTS, &parts, true);
        let mut ebpf = loader.load(OBJECT).expect("the object loads");
        for name in maps::programs(form, parts) {
            program(&mut ebpf, name).load().unwrap_or_else(|error| panic!("the verifier refuses {name}: {error:#?}"));
        }
        let events = ebpf.take_map(maps::EVENTS).expect("a map of events");
        let events = RingBuf::try_from(events).expect("a ring buffer");
        let hash = ebpf.take_map(maps::BLOCKS).expect("a map of blocks");
        let array = |name: &str| match ebpf.map(name) {
            Some(Map::Array(map)) => map,
            _ => panic!("an array {name}"),
        };
        let cpus = Cpus::new(array(maps::CPUS), array(maps::PORTS), list, capacity).expect("mapping CPUS");
        cpus.tell(Config { sample: 1, ..Config::default() });
        cpus.set_interface(0, LOOPBACK);
        let blocks = Blocks::new(hash, capacity, list, |name| Ok(array(name))).expect("mapping the maps of blocks");
        Self { ebpf, form, parts, cpus, capacity, blocks, events }
    }

    /// Drops what comes from there, until that time of the monotonic clock.
    ///
    /// # Errors
    /// As for [`Blocks::insert`].
    pub fn block(&mut self, key: BlockKey, until_ns: u64) -> anyhow::Result<u32> {
        let (number, _) = self.blocks.insert(&key, until_ns)?;
        self.tell_blocks();
        Ok(number)
    }

    /// Drops it no more.
    pub fn unblock(&mut self, key: &BlockKey) {
        self.blocks.remove(key).expect("removing a block");
        self.blocks.refresh();
        self.tell_blocks();
    }

    fn tell_blocks(&self) {
        self.cpus.tell(Config { blocks: self.blocks.in_force(), ..self.cpus.config() });
    }

    /// What was dropped since the last time, by the number of the block.
    pub fn dropped(&mut self) -> Vec<(u32, u64)> {
        let mut reading = Reading::new(Moment::default());
        (0..BANKS).for_each(|bank| self.blocks.read(bank, true, &mut reading));
        reading.dropped
    }

    /// Puts a filter in force, or none.
    pub fn set_filter(&mut self, filter: Option<&Filter>) {
        let mut config = Config { filter: NO_FILTER, ..self.cpus.config() };
        if let Some(filter) = filter {
            let bytes: [u8; FILTER_SIZE] = bytemuck::cast(*filter);
            set(&mut self.ebpf, maps::FILTERS, &bytes);
            config.filter = NO_FILTER + 1;
        }
        self.cpus.tell(config);
    }

    /// Stops or goes on counting.
    pub fn set_paused(&mut self, paused: bool) {
        self.cpus.tell(Config { paused: u32::from(paused), ..self.cpus.config() });
    }

    /// Makes one packet in `every` an event; 0: none.
    pub fn set_sampling(&mut self, every: u32) {
        self.cpus.tell(Config { sample: every, ..self.cpus.config() });
    }

    /// Forgets the sources that a CPU counted, and its log, as nettop does ten times in a second.
    pub fn forget_sources(&mut self, cpu: u32) {
        let bank = self.cpus.config().bank;
        for bucket in 0..1 << self.capacity.bits[Table::Sources as usize] {
            self.cpus.clear_tags(cpu as usize, bank, Table::Sources, bucket);
        }
        self.cpus.set_tail(cpu as usize, self.cpus.ring(cpu as usize).head);
    }

    /// How many instructions the verifier looked at in each of the loaded programs, by their names.
    pub fn verified(&self) -> Vec<(&'static str, u32)> {
        let verified = |name: &'static str| {
            let program: &Xdp = self.ebpf.program(name).expect("the program").try_into().expect("an XDP program");
            let info = program.info().expect("what the kernel says of a loaded program");
            (name, info.verified_instruction_count().expect("a number, since Linux 5.16"))
        };
        maps::programs(self.form, self.parts).into_iter().map(verified).collect()
    }

    /// The loaded program.
    pub fn program(&mut self, link: LinkLayer) -> OwnedFd {
        let name = self.entry(link);
        let fd = program(&mut self.ebpf, name).fd().expect("the program is loaded");
        fd.as_fd().try_clone_to_owned().expect("duplicating a descriptor")
    }

    /// Runs one frame of at least 14 bytes through the program, and expects it to pass.
    pub fn count(&mut self, frame: &[u8], link: LinkLayer) {
        assert_eq!(self.run(frame, link), PASS, "nettop drops nothing that is not blocked: {frame:02x?}");
    }

    /// Runs one frame of at least 14 bytes through the program, and returns what becomes of it.
    pub fn run(&mut self, frame: &[u8], link: LinkLayer) -> u32 {
        let name = self.entry(link);
        let options = TestRunOptions { data_in: Some(frame), repeat: 1, ..TestRunOptions::default() };
        let result = program(&mut self.ebpf, name).test_run(options);
        let result = result.unwrap_or_else(|error| panic!("running {} bytes: {error}", frame.len()));
        result.return_value
    }

    /// The totals of all CPUs.
    pub fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for (cpu, bank) in self.banks() {
            sum.add(&self.cpus.totals(cpu, bank));
        }
        sum
    }

    /// The events since the last time.
    pub fn drain_events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(item) = self.events.next() {
            events.push(bytemuck::pod_read_unaligned(&item));
        }
        events
    }

    /// Everything counted so far, what is in the logs packet by packet; the time is left as it is by default.
    pub fn read(&self) -> Reading {
        if self.form == Form::Hash {
            return self.read_hash();
        }
        let mut reading = Reading {
            totals: self.totals(),
            sources: self.slots::<{ size_of::<Slot<SourceCounters>>() }, _, _>(maps::SOURCES, Table::Sources),
            destinations: self.destinations(),
            macs: self.macs(),
            ..Reading::new(Moment::default())
        };
        // Messages of neighbours are of no table.
        for (record, key) in self.records().into_iter().filter(|(record, _)| record.neighbour().is_none()) {
            match record.table() {
                Table::Sources => {
                    let mut counters = SourceCounters::default();
                    record.count_in(&mut counters);
                    reading.sources.push((key.into(), counters));
                }
                Table::Destinations => {
                    let tally = ClassTally { class: record.class(), tally: record.tally() };
                    reading.destinations.push((key.into(), tally));
                }
                Table::Macs => reading.macs.push((key.into(), record.tally())),
            }
        }
        reading
    }

    /// The same, key by key, from the hash maps.
    fn read_hash(&self) -> Reading {
        Reading {
            totals: self.totals(),
            sources: self.hash::<{ size_of::<ByBank<SourceCounters>>() }, _, SourceCounters>(maps::SOURCE_HASH),
            destinations: by_class(self.hash::<{ size_of::<ByBank<ByClass>>() }, _, ByClass>(maps::DEST_HASH)),
            macs: self.hash::<{ size_of::<ByBank<PacketsBytes>>() }, _, PacketsBytes>(maps::MAC_HASH),
            ..Reading::new(Moment::default())
        }
    }

    /// Every key and its counters in a hash map with values of `SIZE` bytes.
    fn hash<const SIZE: usize, K: From<Key>, C: Counters>(&self, name: &str) -> Vec<(K, C)> {
        let map = self.ebpf.map(name).expect("the map is in the object");
        let hash = PerCpuHashMap::<_, Key, [u8; SIZE]>::try_from(map).expect("a per-CPU hash");
        let pairs = hash.iter().map(|pair| {
            let (key, values) = pair.expect("reading a hash map");
            let mut sum = C::zeroed();
            let banks = values.iter().flat_map(|value| bytemuck::pod_read_unaligned::<ByBank<C>>(value));
            banks.for_each(|counters| sum.add(&counters));
            (key.into(), sum)
        });
        pairs.collect()
    }

    /// Every destination in slots, by class.
    fn destinations(&self) -> Vec<(Address, ClassTally)> {
        let slots = self.slots::<{ size_of::<Slot<DestinationCounters>>() }, _, DestinationCounters>(
            maps::DESTINATIONS,
            Table::Destinations,
        );
        by_class(slots.into_iter().map(|(address, counters)| (address, counters.into())))
    }

    /// Every pair of MACs and its tally, those of the newest pairs apart from what is in their slots.
    fn macs(&self) -> Vec<(MacPair, PacketsBytes)> {
        let mut all = self.slots::<{ size_of::<Slot<PacketsBytes>>() }, _, PacketsBytes>(maps::MACS, Table::Macs);
        let newest = self.banks().filter_map(|(cpu, bank)| self.cpus.newest_macs(cpu, bank));
        all.extend(newest.map(|slot| (slot.key.into(), slot.counters)));
        all
    }

    /// Every record of the logs, and its key.
    pub fn records(&self) -> Vec<(Record, Key)> {
        let map = self.ebpf.map(maps::LOG).expect("the map is in the object");
        let array = Array::<_, [u8; size_of::<Unit>()]>::try_from(map).expect("an array of units");
        let mut all = Vec::new();
        for cpu in 0..self.cpus.count() {
            let Ring { head, tail, first, mask } = self.cpus.ring(cpu);
            let mut units = (tail..head).map(|number| -> Unit {
                let bytes = array.get(&Ring::place(first, mask, number), 0).expect("reading the log");
                bytemuck::pod_read_unaligned(&bytes)
            });
            while let Some(record) = units.next().map(Record) {
                let key = match record.is_long() {
                    true => units.next().expect("a key behind its record"),
                    false => Address::from_v4_word(record.v4().to_be()).0,
                };
                all.push((record, key));
            }
        }
        all
    }

    fn entry(&self, link: LinkLayer) -> &'static str {
        let [ethernet, raw_ip] = maps::programs(self.form, self.parts);
        match link {
            LinkLayer::Ethernet => ethernet,
            LinkLayer::RawIp => raw_ip,
        }
    }

    fn banks(&self) -> impl Iterator<Item = (usize, u32)> {
        (0..self.cpus.count()).flat_map(|cpu| (0..BANKS).map(move |bank| (cpu, bank)))
    }

    /// The cumulative tables.
    pub fn read_tables(&self) -> Tables {
        let mut tables = Tables::default();
        self.cpus.read_tables(&mut tables);
        tables
    }

    /// Every key and its counters in an array of slots of `SIZE` bytes.
    fn slots<const SIZE: usize, K: From<Key>, C>(&self, name: &str, table: Table) -> Vec<(K, C)>
    where
        Slot<C>: bytemuck::Pod,
    {
        let map = self.ebpf.map(name).expect("the map is in the object");
        let array = Array::<_, [u8; SIZE]>::try_from(map).expect("an array of slots");
        let bits = self.capacity.bits[table as usize];
        let mut all = Vec::new();
        for (cpu, bank) in self.banks() {
            for bucket in 0..1 << bits {
                let first = slots::index(cpu as u32, bank, bits, bucket);
                for way in self.cpus.tags(cpu, bank, table, bucket as usize).taken() {
                    let bytes = array.get(&(first + way), 0).expect("reading a slot");
                    let slot: Slot<C> = bytemuck::pod_read_unaligned(&bytes);
                    all.push((slot.key.into(), slot.counters));
                }
            }
        }
        all
    }
}

/// What came of each class, one by one.
fn by_class(entries: impl IntoIterator<Item = (Address, ByClass)>) -> Vec<(Address, ClassTally)> {
    let each = |(address, classes)| ClassTally::each(classes).map(move |tally| (address, tally));
    entries.into_iter().flat_map(each).collect()
}

/// All that are possible, as if they were online.
fn every_cpu() -> CpuList {
    let cpus = aya::util::nr_cpus().expect("the number of possible CPUs");
    CpuList::first_online(cpus, cpus)
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut Xdp {
    ebpf.program_mut(name).expect("the program is in the object").try_into().expect("an XDP program")
}

fn set<T: Pod>(ebpf: &mut Ebpf, name: &str, value: &T) {
    let map = ebpf.map_mut(name).expect("the map is in the object");
    let mut array = Array::<_, T>::try_from(map).expect("an array of that element");
    array.set(0, value, 0).expect("writing to the map");
}
