//! The kernel program in both of its forms and the counter for the host, fed with the same frames: the same bytes go through
//! `BPF_PROG_TEST_RUN` and through user space, and everything that comes out must be the same.

use std::{collections::BTreeMap, fmt::Debug};

use nettop_collect::{
    counter::FrameCounter,
    reading::{Reading, Tables},
};
use nettop_common::{
    Address, ClassTally, Event, Filter, LinkLayer, MacPair, Outcome, PacketsBytes, SourceCounters, counters::Part,
};
use nettop_model::clock::Moment;

use crate::kernel::Kernel;

/// Keys that the hash maps have room for: more than any test brings.
const KEYS: u32 = 1 << 14;

/// The kernel program, in both forms, and the host's counter, fed with the same frames.
pub struct Both {
    /// The program, counting keys in slots and in hash maps.
    kernels: [(&'static str, Kernel); 2],
    /// What it has to agree with.
    host: FrameCounter,
}

impl Both {
    /// Both, making an event of every packet.
    pub fn load() -> Self {
        let mut host = FrameCounter::default();
        host.set_sampling(1);
        let kernels = [("slots", Kernel::load()), ("hash maps", Kernel::load_hash(Part::EVERY, KEYS))];
        Self { kernels, host }
    }

    /// Puts a filter in force, or none.
    pub fn set_filter(&mut self, filter: Option<Box<Filter>>) {
        self.kernels.iter_mut().for_each(|(_, kernel)| kernel.set_filter(filter.as_deref()));
        self.host.set_filter(filter);
    }

    /// Stops or goes on counting.
    pub fn set_paused(&mut self, paused: bool) {
        self.kernels.iter_mut().for_each(|(_, kernel)| kernel.set_paused(paused));
        self.host.set_paused(paused);
    }

    /// Counts a frame on both sides; expects the same outcome and the same event, and returns them.
    pub fn count(&mut self, name: &dyn Debug, frame: &[u8], link: LinkLayer) -> (Outcome, Option<Event>) {
        let timeless = |mut event: Event| {
            event.at_ns = 0;
            event
        };
        let Self { kernels, host } = self;
        let host_before = host.totals();
        host.count(frame, link, frame.len() as u64, 1);
        let of_host = host.totals().since(&host_before);
        assert_eq!((of_host.seen.packets, of_host.seen.bytes), (1, frame.len() as u64), "{name:?}");
        let mut host_events = Vec::new();
        host.drain_events(&mut |event| host_events.push(timeless(*event)));

        for (form, kernel) in kernels {
            let before = kernel.totals();
            kernel.count(frame, link);
            let of_kernel = kernel.totals().since(&before);
            assert_eq!(of_kernel, of_host, "{name:?}: totals of kernel ({form}) and host, frame {frame:02x?}");
            let events: Vec<_> = kernel.drain_events().into_iter().map(timeless).collect();
            assert_eq!(events, host_events, "{name:?}: packets of kernel ({form}) and host, frame {frame:02x?}");
        }

        let is = |outcome: &&Outcome| of_host.outcome(**outcome).packets == 1;
        let outcome = *Outcome::ALL.iter().find(is).expect("every packet has an outcome");
        (outcome, host_events.pop())
    }

    /// Expects all tables of both sides to be equal.
    pub fn expect_equal_tables(&mut self) {
        let Self { kernels, host } = self;
        let (mut reading, mut tables) = (Reading::new(Moment::default()), Tables::default());
        host.read(Moment::default(), &mut reading);
        host.read_tables(&mut tables);
        let of_host = rows(reading);
        for (form, kernel) in kernels {
            assert_eq!(rows(kernel.read()), of_host, "sources, destinations and MAC pairs, {form}");
            let of_kernel = kernel.read_tables();
            assert_eq!(of_kernel.tcp_flags, tables.tcp_flags, "TCP flags, {form}");
            assert!(of_kernel.dst_ports == tables.dst_ports, "destination ports, {form}");
            assert!(of_kernel.src_ports == tables.src_ports, "source ports, {form}");
        }
    }
}

/// Sources, destinations by class, and MAC pairs.
type Rows = (
    BTreeMap<Address, SourceCounters>,
    BTreeMap<(Address, &'static str), PacketsBytes>,
    BTreeMap<MacPair, PacketsBytes>,
);

/// Every key once: every CPU has counted its own.
fn rows(reading: Reading) -> Rows {
    let mut sources: BTreeMap<_, SourceCounters> = BTreeMap::new();
    for (key, mut counters) in reading.sources {
        // The clocks differ.
        (counters.first_ns, counters.last_ns) = (0, 0);
        sources.entry(key).or_default().add(&counters);
    }
    let destinations = reading.destinations.into_iter();
    let destinations = destinations.map(|(key, ClassTally { class, tally })| ((key, class.label()), tally));
    (sources, sums(destinations), sums(reading.macs))
}

/// One tally for each key: every CPU has counted its own.
fn sums<K: Ord>(entries: impl IntoIterator<Item = (K, PacketsBytes)>) -> BTreeMap<K, PacketsBytes> {
    let mut sums: BTreeMap<K, PacketsBytes> = BTreeMap::new();
    entries.into_iter().for_each(|(key, tally)| sums.entry(key).or_default().add(tally));
    sums
}
