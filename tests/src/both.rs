//! The kernel program and the counter for the host, fed with the same frames: the same bytes go through
//! `BPF_PROG_TEST_RUN` and through user space, and everything that comes out must be the same.

use std::{collections::BTreeMap, fmt::Debug};

use nettop_collect::{
    counter::FrameCounter,
    reading::{Reading, Tables},
};
use nettop_common::{Event, LinkLayer, Outcome, PacketsBytes, SourceCounters};
use nettop_model::clock::Moment;

use crate::kernel::Kernel;

/// The kernel program and the host's counter, fed with the same frames.
pub struct Both {
    /// The program.
    pub kernel: Kernel,
    /// What it has to agree with.
    pub host: FrameCounter,
}

impl Both {
    /// Both, making an event of every packet.
    pub fn load() -> Self {
        let mut host = FrameCounter::default();
        host.set_sampling(1);
        Self { kernel: Kernel::load(), host }
    }

    /// Counts a frame on both sides; expects the same outcome and the same event, and returns them.
    pub fn count(&mut self, name: &dyn Debug, frame: &[u8], link: LinkLayer) -> (Outcome, Option<Event>) {
        let Self { kernel, host } = self;
        let (kernel_before, host_before) = (kernel.totals(), host.totals());
        kernel.count(frame, link);
        host.count(frame, link, frame.len() as u64, 1);

        let of_kernel = kernel.totals().since(&kernel_before);
        let of_host = host.totals().since(&host_before);
        assert_eq!(of_kernel, of_host, "{name:?}: totals of kernel and host, frame {frame:02x?}");
        assert_eq!((of_host.seen.packets, of_host.seen.bytes), (1, frame.len() as u64), "{name:?}");

        let timeless = |mut event: Event| {
            event.at_ns = 0;
            event
        };
        let kernel_events: Vec<_> = kernel.drain_events().into_iter().map(timeless).collect();
        let mut host_events = Vec::new();
        host.drain_events(&mut |event| host_events.push(timeless(*event)));
        assert_eq!(kernel_events, host_events, "{name:?}: packets of kernel and host, frame {frame:02x?}");

        let is = |outcome: &&Outcome| of_host.outcome(**outcome).packets == 1;
        let outcome = *Outcome::ALL.iter().find(is).expect("every packet has an outcome");
        (outcome, host_events.pop())
    }

    /// Expects all tables of both sides to be equal.
    pub fn expect_equal_tables(&mut self) {
        let (kernel, mut host) = (self.kernel.read(), Reading::new(Moment::default()));
        self.host.read(Moment::default(), &mut host);
        let [kernel, host] = [kernel, host].map(|reading| {
            let mut sources: BTreeMap<_, SourceCounters> = BTreeMap::new();
            for (key, mut counters) in reading.sources {
                // The clocks differ.
                (counters.first_ns, counters.last_ns) = (0, 0);
                sources.entry(key).or_default().add(&counters);
            }
            (sources, sums(reading.destinations), sums(reading.macs))
        });
        assert_eq!(kernel, host, "sources, destinations and MAC pairs");
        let (kernel, mut host) = (self.kernel.read_tables(), Tables::default());
        self.host.read_tables(&mut host);
        assert_eq!(kernel.tcp_flags, host.tcp_flags, "TCP flags");
        assert!(kernel.dst_ports == host.dst_ports, "destination ports");
        assert!(kernel.src_ports == host.src_ports, "source ports");
    }
}

/// One tally for each key: every CPU has counted its own.
fn sums<K: Ord>(entries: Vec<(K, PacketsBytes)>) -> BTreeMap<K, PacketsBytes> {
    let mut sums: BTreeMap<K, PacketsBytes> = BTreeMap::new();
    entries.into_iter().for_each(|(key, tally)| sums.entry(key).or_default().add(tally));
    sums
}
