//! What is left out is not counted, costs no other part anything, and is no reason for a verifier to refuse the rest.

use nettop_common::{Link, Outcome, Protocol, counters::Part};
use nettop_tests::{
    frames::{Spec, Transport},
    kernel::Kernel,
    skip,
};

#[test]
fn each_part_is_counted_or_left_out_by_itself() {
    if !skip::privileged("each_part_is_counted_or_left_out_by_itself") {
        return;
    }
    let one_missing = Part::ALL.iter().map(|part| Part::EVERY & !part.bit());
    let one_alone = Part::ALL.iter().map(|part| part.bit());
    for parts in one_missing.chain(one_alone).chain([0]) {
        let mut kernel = Kernel::load_parts(parts);
        let frame = Spec::v4(Transport::Tcp(40_000, 443, 0x02)).frame();
        kernel.count(&frame, Link::Ethernet);
        kernel.count(&frame[14..], Link::RawIp);
        let (reading, tables) = (kernel.read(), kernel.read_tables());
        let totals = reading.totals;
        assert_eq!((totals.seen.packets, totals.outcome(Outcome::Counted).packets), (2, 2), "{parts:#b}");
        for part in Part::ALL {
            let counted = match part {
                Part::Sources => reading.sources.iter().map(|(_, counters)| counters.packets).sum(),
                // Of the source itself, and only if it is new to a set.
                Part::Unique => u64::from(tables.unique.0.iter().any(|value| *value > 0)) * 2,
                Part::Destinations => reading.destinations.iter().map(|(_, tally)| tally.packets).sum(),
                Part::Macs => reading.macs.iter().map(|(_, tally)| tally.packets).sum(),
                Part::Protocols => totals.protocol(Protocol::Tcp).packets,
                Part::Ports => tables.dst_ports[443],
                Part::Flags => tables.tcp_flags[0x02],
                Part::Events => totals.events,
            };
            let wanted = parts & part.bit() != 0 && (*part != Part::Unique || parts & Part::Sources.bit() != 0);
            assert_eq!(counted, u64::from(wanted) * 2, "{} of {parts:#b}", part.label());
        }
    }
}
