//! Capture files of both formats, replayed to their end.

use nettop_collect::{pcap::Pcap, reading::Reading, traffic::Traffic as _};
use nettop_common::Outcome;
use nettop_model::clock::Moment;

use super::{expect_visible, memory};

/// The shortest record of a packet, bytes: the header of a savefile's.
const SHORTEST: usize = 16;

/// Replays `data` as a capture file.
pub fn capture(data: &[u8]) {
    let (_file, path) = memory::file(data);
    let mut pcap = match Pcap::open(&path, 0.0) {
        Ok(pcap) => pcap,
        Err(error) => return expect_visible("the error", &format!("{error:#}")),
    };
    pcap.counter.set_sampling(1);
    let mut reading = Reading::new(Moment::default());
    let (mut seen, mut counted, mut tracked) = (0, 0, 0);
    // A reading brings packets, or steps over the time in which there are none, or is the last.
    let readings = 2 * (data.len() / SHORTEST + 2);
    for _ in 0..readings {
        let before = reading.at;
        pcap.read_at(Moment::default(), &mut reading);
        assert!(reading.at.monotonic_ns >= before.monotonic_ns, "time goes back");
        seen += reading.totals.seen.packets;
        counted += reading.totals.outcome(Outcome::Counted).packets;
        tracked += reading.sources.iter().map(|(_, source)| source.packets).sum::<u64>();
        let mut events = 0;
        pcap.counter.drain_events(&mut |_| events += 1);
        assert_eq!(events + reading.totals.events_lost, reading.totals.outcome(Outcome::Counted).packets);
        if pcap.has_ended() {
            break;
        }
    }
    assert!(pcap.has_ended(), "no end after {readings} readings of {} bytes", data.len());
    let replay = pcap.progress();
    assert_eq!((seen, counted), (replay.packets, tracked), "packets read and counted, in all and by source");
    assert_eq!(replay.link_types.iter().map(|row| row.packets).sum::<u64>(), seen, "packets by link type");
    assert!(replay.bytes_read <= data.len() as u64 && replay.percent.is_some_and(|percent| percent <= 100.0));
    expect_visible("the error", &replay.error.unwrap_or_default());
}
