//! The kernel program by itself: loaded, attached to nothing, fed with frames by `BPF_PROG_TEST_RUN`.

use std::{
    fs,
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
};

use aya::{
    Ebpf, EbpfLoader, Pod,
    maps::{Array, MapData, RingBuf},
    programs::{TestRun as _, TestRunOptions, Xdp},
};
use nettop::reading::{Moment, Reading, Tables};
use nettop_common::{
    Config, Event, Filter, Link, SourceCounters, Tally, Totals,
    config::NO_FILTER,
    counters::{Counters, Part, Table},
    maps::{self, PORT_SLOTS, TCP_FLAG_SLOTS},
    slots::{self, Bucket, GROUP_BITS, Key, SETS},
};

/// `XDP_PASS` (linux/bpf.h).
const PASS: u32 = 2;
/// log₂ of the buckets of a CPU in a set: room for more keys than any test makes.
const BITS: u32 = 13;
/// What the program logs; nettop sets it to nothing unless there is a log, and what would log is then removed.
const LOG_LEVEL: &str = "AYA_LOG_LEVEL";

const CONFIG_SIZE: usize = size_of::<Config>();
const FILTER_SIZE: usize = size_of::<Filter>();
const TOTALS_SIZE: usize = size_of::<Totals>();

/// The loaded program and its maps.
pub struct Kernel {
    ebpf: Ebpf,
    config: Config,
    source_bits: u32,
    events: RingBuf<MapData>,
}

impl Kernel {
    /// Loads the committed object, as nettop does. Every counted packet becomes an event.
    pub fn load() -> Self {
        Self::load_parts(Part::EVERY)
    }

    /// The same, counting only the [`Part`]s whose bits are set.
    pub fn load_parts(parts: u32) -> Self {
        Self::load_sized(parts, [BITS; Table::COUNT])
    }

    /// The same, with 2^`bits` buckets for each CPU in a set, by [`Table`].
    pub fn load_sized(parts: u32, bits: [u32; Table::COUNT]) -> Self {
        let object = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/nettop.bpf.o");
        let object = fs::read(&object).unwrap_or_else(|error| panic!("reading {}: {error}", object.display()));
        let cpus = aya::util::nr_cpus().expect("the number of possible CPUs") as u32;
        let mut loader = EbpfLoader::new();
        for (map, entries) in [
            (maps::TOTALS, cpus * SETS),
            (maps::TCP_FLAGS, cpus * TCP_FLAG_SLOTS),
            (maps::DST_PORTS, cpus * PORT_SLOTS),
            (maps::SRC_PORTS, cpus * PORT_SLOTS),
            (maps::UNIQUE, cpus),
            (maps::SOURCES, (cpus * SETS) << bits[0]),
            (maps::DESTINATIONS, (cpus * SETS) << bits[1]),
            (maps::MACS, (cpus * SETS) << bits[2]),
            (maps::USED, (cpus * SETS * Table::COUNT as u32) << GROUP_BITS),
            (maps::EVENTS, 1 << 20),
        ] {
            loader.map_max_entries(map, entries);
        }
        for (name, bits) in maps::BITS.iter().zip(&bits) {
            loader.override_global(name, bits, true);
        }
        loader.override_global(LOG_LEVEL, &0u8, true);
        loader.override_global(maps::PARTS, &parts, true);
        let mut ebpf = loader.load(&object).expect("the object loads");
        for name in ["nettop", "nettop_raw_ip"] {
            program(&mut ebpf, name).load().unwrap_or_else(|error| panic!("the verifier refuses {name}: {error:#?}"));
        }
        let events = ebpf.take_map(maps::EVENTS).expect("a map of events");
        let events = RingBuf::try_from(events).expect("a ring buffer");
        let mut kernel = Self { ebpf, config: Config { sample: 1, ..Config::default() }, source_bits: bits[0], events };
        kernel.write_config();
        kernel
    }

    /// Puts a filter in force, or none.
    pub fn set_filter(&mut self, filter: Option<&Filter>) {
        self.config.filter = NO_FILTER;
        if let Some(filter) = filter {
            let bytes: [u8; FILTER_SIZE] = bytemuck::cast(*filter);
            set(&mut self.ebpf, maps::FILTERS, &bytes);
            self.config.filter = NO_FILTER + 1;
        }
        self.write_config();
    }

    /// Stops or goes on counting.
    pub fn set_paused(&mut self, paused: bool) {
        self.config.paused = u32::from(paused);
        self.write_config();
    }

    /// Makes one packet in `every` an event; 0: none.
    pub fn set_sampling(&mut self, every: u32) {
        self.config.sample = every;
        self.write_config();
    }

    /// Forgets the sources that a CPU counted, as nettop does ten times in a second.
    pub fn forget_sources(&mut self, cpu: u32) {
        const SIZE: usize = size_of::<Bucket<SourceCounters>>();
        let map = self.ebpf.map_mut(maps::SOURCES).expect("the map is in the object");
        let mut buckets = Array::<_, [u8; SIZE]>::try_from(map).expect("an array of buckets");
        for bucket in 0..1 << self.source_bits {
            let index = slots::index(cpu, self.config.set, self.source_bits, bucket);
            buckets.set(index, [0; SIZE], 0).expect("writing to the map");
        }
    }

    /// The loaded program.
    pub fn program(&mut self, link: Link) -> OwnedFd {
        let fd = program(&mut self.ebpf, entry(link)).fd().expect("the program is loaded");
        fd.as_fd().try_clone_to_owned().expect("duplicating a descriptor")
    }

    fn write_config(&mut self) {
        let bytes: [u8; CONFIG_SIZE] = bytemuck::cast(self.config);
        set(&mut self.ebpf, maps::CONFIG, &bytes);
    }

    /// Runs one frame of at least 14 bytes through the program, and expects it to pass.
    pub fn count(&mut self, frame: &[u8], link: Link) {
        let name = entry(link);
        let options = TestRunOptions { data_in: Some(frame), repeat: 1, ..TestRunOptions::default() };
        let result = program(&mut self.ebpf, name).test_run(options);
        let result = result.unwrap_or_else(|error| panic!("running {} bytes: {error}", frame.len()));
        assert_eq!(result.return_value, PASS, "nettop never drops a packet: {frame:02x?}");
    }

    /// The totals of all CPUs.
    pub fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for totals in array::<[u8; TOTALS_SIZE]>(&self.ebpf, maps::TOTALS) {
            sum.add(&bytemuck::cast(totals));
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

    /// Everything counted so far; the time is left as it is by default.
    pub fn read(&self) -> Reading {
        Reading {
            totals: self.totals(),
            sources: self.slots::<{ size_of::<Bucket<SourceCounters>>() }, _, _>(maps::SOURCES),
            destinations: self.slots::<{ size_of::<Bucket<Tally>>() }, _, _>(maps::DESTINATIONS),
            macs: self.slots::<{ size_of::<Bucket<Tally>>() }, _, _>(maps::MACS),
            ..Reading::new(Moment::default())
        }
    }

    /// The cumulative tables, without the registers of distinct sources.
    pub fn read_tables(&self) -> Tables {
        Tables {
            tcp_flags: self.per_cpu_sums(maps::TCP_FLAGS, TCP_FLAG_SLOTS),
            dst_ports: self.per_cpu_sums(maps::DST_PORTS, PORT_SLOTS),
            src_ports: self.per_cpu_sums(maps::SRC_PORTS, PORT_SLOTS),
            ..Tables::default()
        }
    }

    /// Every key and its counters in an array of buckets of `SIZE` bytes.
    fn slots<const SIZE: usize, K: From<Key>, C: Counters>(&self, name: &str) -> Vec<(K, C)>
    where
        Bucket<C>: bytemuck::Pod,
    {
        let buckets = array::<[u8; SIZE]>(&self.ebpf, name);
        buckets
            .flat_map(|bytes| bytemuck::pod_read_unaligned::<Bucket<C>>(&bytes).0)
            .filter(|slot| slot.counters.tally().packets > 0)
            .map(|slot| (slot.key.into(), slot.counters))
            .collect()
    }

    /// The sums over the CPUs of an array in which each has `width` elements.
    fn per_cpu_sums(&self, name: &str, width: u32) -> Vec<u64> {
        let mut sums = vec![0; width as usize];
        for (index, count) in array::<u64>(&self.ebpf, name).enumerate() {
            sums[index % width as usize] += count;
        }
        sums
    }
}

fn entry(link: Link) -> &'static str {
    match link {
        Link::Ethernet => "nettop",
        Link::RawIp => "nettop_raw_ip",
    }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut Xdp {
    ebpf.program_mut(name).expect("the program is in the object").try_into().expect("an XDP program")
}

fn set<T: Pod>(ebpf: &mut Ebpf, name: &str, value: &T) {
    let map = ebpf.map_mut(name).expect("the map is in the object");
    let mut array = Array::<_, T>::try_from(map).expect("an array of that element");
    array.set(0, value, 0).expect("writing to the map");
}

fn array<'a, T: Pod>(ebpf: &'a Ebpf, name: &str) -> impl Iterator<Item = T> + 'a {
    let map = ebpf.map(name).expect("the map is in the object");
    let array = Array::<_, T>::try_from(map).expect("an array of that element");
    (0..array.len()).map(move |index| array.get(&index, 0).expect("reading an element"))
}
