//! Replaying captures: every form of file through the library, broken ones too, and the binary as its users run it.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nettop_collect::{pcap::Pcap, reading::Reading, traffic::Traffic as _};
use nettop_common::{Outcome, Totals};
use nettop_model::{clock::Moment, snapshot::Replay};
use nettop_tests::{
    captures::{Captured, Order, Pcapng, savefile},
    frames::{self, SOURCE_V4, SOURCE_V6, Spec, Transport},
    monitor::Monitor,
    program::{self, Ended, PublicCopy, as_nobody, public_directory, run_with},
    skip,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const SECOND_NS: u64 = 1_000_000_000;
/// When the captures begin: a second, and some microseconds.
const BEGIN_NS: u64 = 1_700_000_000 * SECOND_NS + 123_456_000;

const ETHERNET: u32 = 1;

/// What a whole replay counted.
#[derive(Default)]
struct Replayed {
    totals: Totals,
    /// Packets and bytes by source.
    sources: BTreeMap<IpAddr, (u64, u64)>,
    /// Source MACs.
    macs: Vec<[u8; 6]>,
    events: Vec<(u64, u16, u16)>,
    status: Replay,
}

/// Replays a file as fast as possible.
fn replay(file: &[u8]) -> Result<Replayed, String> {
    let directory = TempDir::new().expect("making a temporary directory");
    let path = directory.path().join("file");
    fs::write(&path, file).expect("writing the file");
    let mut pcap = Pcap::open(&path, 0.0).map_err(|error| format!("{error:#}"))?;
    pcap.counter.set_sampling(1);
    let mut replayed = Replayed::default();
    let mut reading = Reading::new(Moment::default());
    // Each reading ends a second, steps over a gap, or has a packet: more than these is a replay that hangs.
    for _ in 0..3 * file.len() + 10 {
        pcap.read_at(Moment::default(), &mut reading);
        replayed.totals.add(&reading.totals);
        for (address, counters) in &reading.sources {
            let (packets, bytes) = replayed.sources.entry(address.to_ip()).or_default();
            *packets += counters.packets;
            *bytes += counters.bytes;
        }
        replayed.macs.extend(reading.macs.iter().map(|(pair, _)| pair.source()));
        pcap.counter.drain_events(&mut |event| {
            replayed.events.push((event.at_ns, event.source_port, event.destination_port));
        });
        if pcap.has_ended() {
            replayed.status = pcap.progress();
            return Ok(replayed);
        }
    }
    panic!("the replay does not end: {:?}", pcap.progress())
}

/// An IPv4 and an IPv6 packet, without a link header.
fn packets() -> [Vec<u8>; 2] {
    [Spec::v4(Transport::Tcp(1025, 80, 2)), Spec::v6(Transport::Udp(1026, 53))].map(|spec| spec.raw_ip())
}

/// A Linux cooked header, with VLAN tags, before a packet.
fn cooked(ether_type: u16, tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let mut types: Vec<u16> = tags.to_vec();
    types.push(ether_type);
    let mut frame = vec![0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 1, 0, 0, 0];
    frame.extend(types[0].to_be_bytes());
    for following in &types[1..] {
        frame.extend([&[0, 7][..], &following.to_be_bytes()].concat());
    }
    [&frame[..], packet].concat()
}

/// The same of version 2.
fn cooked_2(ether_type: u16, packet: &[u8]) -> Vec<u8> {
    let header = [0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 1, 0, 0, 0];
    [&ether_type.to_be_bytes()[..], &header, packet].concat()
}

/// Every link type: its number, and an IPv4 and an IPv6 packet on it.
fn on_links() -> Vec<(&'static str, u32, Vec<Vec<u8>>)> {
    let [v4, v6] = packets();
    let family = |bytes: [u8; 4], packet: &[u8]| [&bytes[..], packet].concat();
    let ethernet = [frames::ethernet(0x0800, &v4), frames::ethernet(0x86dd, &v6)];
    let mut tagged = ethernet.clone();
    tagged.iter_mut().for_each(|frame| frames::tag(frame, &[(0x88a8, 5), (0x8100, 7)]));
    // Between the addresses and the EtherType, or before all.
    let switch_tag = |tag: &[u8]| ethernet.each_ref().map(|frame| [&frame[..12], tag, &frame[12..]].concat()).to_vec();
    let prepended = ethernet.each_ref().map(|frame| [&[0, 0, 0x20, 1], &frame[..]].concat());
    let behind = |header: &[u8], packet: &[u8]| [header, packet].concat();
    // An inner label, then the last one.
    let labels = [0, 0x12, 0x30, 64, 0, 0x12, 0x31, 64];
    let session = [0x11, 0, 0, 7, 0, 60];
    vec![
        ("Ethernet", ETHERNET, ethernet.to_vec()),
        ("Ethernet with tags", ETHERNET, tagged.to_vec()),
        ("raw", 101, vec![v4.clone(), v6.clone()]),
        ("raw of BSD", 12, vec![v4.clone(), v6.clone()]),
        ("raw of OpenBSD", 14, vec![v4.clone(), v6.clone()]),
        ("IPv4", 228, vec![v4.clone()]),
        ("IPv6", 229, vec![v6.clone()]),
        ("NULL, little-endian", 0, vec![family([2, 0, 0, 0], &v4), family([30, 0, 0, 0], &v6)]),
        ("NULL, big-endian", 0, vec![family([0, 0, 0, 2], &v4), family([0, 0, 0, 24], &v6)]),
        ("LOOP", 108, vec![family([0, 0, 0, 2], &v4), family([0, 0, 0, 28], &v6)]),
        ("PPP", 9, vec![family([0xff, 3, 0, 0x21], &v4), family([0xff, 3, 0, 0x57], &v6)]),
        ("PPP, compressed", 50, vec![[&[0, 0x21][..], &v4].concat(), [&[0, 0x57][..], &v6].concat()]),
        ("PPP, compressed protocol", 9, vec![behind(&[0x21], &v4), behind(&[0x57], &v6)]),
        ("PPP in HDLC, compressed protocol", 50, vec![behind(&[0xff, 3, 0x21], &v4), behind(&[0xff, 3, 0x57], &v6)]),
        (
            "MPLS on PPP",
            9,
            vec![
                behind(&[&[0xff, 3, 2, 0x81][..], &labels].concat(), &v4),
                behind(&[&[2, 0x83][..], &labels].concat(), &v6),
            ],
        ),
        ("Cisco HDLC on PPP", 50, vec![family([0x0f, 0, 8, 0], &v4), family([0x8f, 0, 0x86, 0xdd], &v6)]),
        ("Cisco HDLC on PPP, too", 9, vec![family([0x8f, 0, 8, 0], &v4), family([0x0f, 0, 0x86, 0xdd], &v6)]),
        ("PPP of pppd", 166, vec![family([0, 3, 0, 0x21], &v4), behind(&[1, 3, 0x57], &v6)]),
        ("PPP with direction", 204, vec![behind(&[0, 0xff, 3, 0, 0x21], &v4), behind(&[1, 0x57], &v6)]),
        (
            "Cisco HDLC with direction",
            205,
            vec![behind(&[0, 0x0f, 0, 8, 0], &v4), behind(&[1, 0x8f, 0, 0x86, 0xdd], &v6)],
        ),
        (
            "PPPoE",
            51,
            vec![behind(&[&session[..], &[0, 0x21]].concat(), &v4), behind(&[&session[..], &[0x57]].concat(), &v6)],
        ),
        (
            "ATM",
            100,
            vec![behind(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &v4), behind(&[0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd], &v6)],
        ),
        ("MPLS", 219, vec![behind(&labels, &v4), behind(&labels, &v6)]),
        ("DSA, Broadcom", 281, switch_tag(&[0, 0, 0x20, 1])),
        ("DSA, Broadcom, before all", 282, prepended.to_vec()),
        ("DSA, Marvell", 284, switch_tag(&[0xc0, 8, 0, 1])),
        ("DSA, Marvell with EtherType", 285, switch_tag(&[0xda, 0xda, 0, 0, 0xc0, 8, 0, 1])),
        ("Cisco HDLC", 104, vec![family([0x0f, 0, 8, 0], &v4), family([0x0f, 0, 0x86, 0xdd], &v6)]),
        ("cooked", 113, vec![cooked(0x0800, &[], &v4), cooked(0x86dd, &[], &v6)]),
        ("cooked with tags", 113, vec![cooked(0x0800, &[0x8100], &v4), cooked(0x86dd, &[0x88a8, 0x8100], &v6)]),
        ("cooked, version 2", 276, vec![cooked_2(0x0800, &v4), cooked_2(0x86dd, &v6)]),
    ]
}

/// The same packets in every format, byte order and resolution, a millisecond apart.
fn in_all_formats(link: u32, frames: &[Vec<u8>]) -> Vec<(String, Vec<u8>)> {
    let packets: Vec<_> = frames
        .iter()
        .enumerate()
        .map(|(index, frame)| Captured::whole(BEGIN_NS + index as u64 * 1_000_000, frame.clone()))
        .collect();
    let mut files = Vec::new();
    for order in Order::BOTH {
        for nanoseconds in [false, true] {
            files.push((format!("pcap, {order:?}, {nanoseconds}"), savefile(order, nanoseconds, link, &packets)));
        }
        for (resolution, offset, ticks) in [
            (6, 0, &(|ns: u64| ns / 1000) as &dyn Fn(u64) -> u64),
            (9, 0, &|ns| ns),
            (9, 1_000_000_000, &|ns| ns - 1_000_000_000 * SECOND_NS),
            (3, -5, &|ns| ns / 1_000_000 + 5000),
            (0x80 | 20, 0, &|ns| ((u128::from(ns) << 20) / 1_000_000_000) as u64),
        ] {
            let mut file = Pcapng::new(order);
            let clock = file.clock(resolution, offset);
            file.interface(link as u16, 0, &clock);
            for Captured { at_ns, bytes, length } in &packets {
                file.packet(0, ticks(*at_ns), bytes, *length);
            }
            files.push((format!("pcapng, {order:?}, resolution {resolution}, offset {offset}"), file.file));
        }
    }
    files
}

#[test]
fn every_link_type_in_every_format_is_counted_alike() {
    for (link_name, link, frames) in on_links() {
        for (format, file) in in_all_formats(link, &frames) {
            let name = format!("{link_name}, {format}");
            let Replayed { totals, sources, macs, events, status } = replay(&file).expect(&name);
            let expected: BTreeMap<_, _> = [IpAddr::from(SOURCE_V4), SOURCE_V6.into()]
                .into_iter()
                .filter(|source| match link {
                    228 => source.is_ipv4(),
                    229 => source.is_ipv6(),
                    _ => true,
                })
                .zip(frames.iter().map(|frame| (1, frame.len() as u64)))
                .collect();
            assert_eq!(sources, expected, "{name}");
            assert_eq!(totals.outcome(Outcome::Counted).packets, frames.len() as u64, "{name}");
            let ports = |source: &IpAddr| if source.is_ipv4() { (1025, 80) } else { (1026, 53) };
            let found: Vec<_> = events.iter().map(|(_, from, to)| (*from, *to)).collect();
            assert_eq!(found, expected.keys().map(ports).collect::<Vec<_>>(), "{name}");
            let off = events[0].0.abs_diff(BEGIN_NS);
            assert!(off < 1_000_000, "{name}: off by {off} ns");
            let mac = if link_name.starts_with("Eth") { frames::SENDER_MAC } else { [2, 0, 0, 0, 1, 0] };
            let has_mac = ["Eth", "cooked", "DSA"].iter().any(|start| link_name.starts_with(start));
            assert!(macs.iter().all(|found| *found == if has_mac { mac } else { [0; 6] }), "{name}: {macs:?}");
            assert_eq!((status.error, status.ended), (None, true), "{name}");
            assert_eq!((status.bytes_read, status.percent), (file.len() as u64, Some(100.0)), "{name}");
            assert_eq!(status.link_types.len(), 1, "{name}");
        }
    }
}

#[test]
fn lengths_are_those_on_the_wire_and_headers_those_captured() {
    let whole = Spec::v4(Transport::Tcp(1025, 80, 2)).payload(1000).frame();
    for (captured, outcome, ports) in [
        (whole.len(), Outcome::Counted, (1025, 80)),
        (54, Outcome::Counted, (1025, 80)),
        (38, Outcome::Counted, (1025, 80)),
        (37, Outcome::Counted, (0, 0)),
        (34, Outcome::Counted, (0, 0)),
        (33, Outcome::Malformed, (0, 0)),
        (13, Outcome::NotIp, (0, 0)),
        (0, Outcome::NotIp, (0, 0)),
    ] {
        let packet = Captured { at_ns: BEGIN_NS, bytes: whole[..captured].to_vec(), length: whole.len() as u32 };
        let Replayed { totals, events, status, .. } =
            replay(&savefile(Order::Little, false, ETHERNET, &[packet])).expect("a capture");
        assert_eq!(totals.outcome(outcome).bytes, whole.len() as u64, "{captured} captured");
        let found: Vec<_> = events.iter().map(|(_, from, to)| (*from, *to)).collect();
        assert_eq!(found, if outcome == Outcome::Counted { vec![ports] } else { Vec::new() }, "{captured} captured");
        assert_eq!(status.truncated_packets, u64::from(captured < whole.len()), "{captured} captured");
    }
}

/// Two sections of different byte order, three link types, one of them not looked into; blocks to be passed over, and a
/// packet without a stamp.
fn mixed() -> Vec<u8> {
    let [v4, v6] = packets();
    let mut file = Pcapng::new(Order::Little);
    let nanoseconds = file.clock(9, 0);
    file.interface(1, 0, &[]).interface(105, 0, &nanoseconds);
    file.packet(0, BEGIN_NS / 1000, &frames::ethernet(0x0800, &v4), 60);
    file.block(5, &[0; 20]).packet(1, BEGIN_NS + SECOND_NS, &v4, 99);
    file.section(Order::Big).interface(101, 48, &[]).packet(0, BEGIN_NS / 1000 + 2_000_000, &v6, 77);
    file.block(0x4000_0bad, &[1; 2_000]).simple(&v6[..48], 1_000);
    file.file
}

#[test]
fn sections_and_interfaces_may_differ() {
    let Replayed { totals, sources, status, .. } = replay(&mixed()).expect("a capture");
    assert_eq!(sources, BTreeMap::from([(SOURCE_V4.into(), (1, 60)), (SOURCE_V6.into(), (2, 1_077))]));
    assert_eq!((totals.seen.packets, totals.outcome(Outcome::NotIp).bytes), (4, 99));
    let links: Vec<_> = status.link_types.iter().map(|link| (link.number, link.supported, link.packets)).collect();
    assert_eq!(links, [(1, true, 1), (101, true, 2), (105, false, 1)]);
    assert_eq!((status.first_ns, status.last_ns), (Some(BEGIN_NS), Some(BEGIN_NS + 2 * SECOND_NS)));
    assert_eq!(status.error, None);
}

/// A small file of each format.
fn small() -> Vec<(&'static str, Vec<u8>)> {
    let frames: Vec<_> = on_links().remove(0).2;
    let packets: Vec<_> = frames.into_iter().map(|frame| Captured::whole(BEGIN_NS, frame)).collect();
    vec![
        ("pcap", savefile(Order::Little, false, ETHERNET, &packets)),
        ("big-endian pcap", savefile(Order::Big, true, ETHERNET, &packets)),
        ("pcapng", mixed()),
    ]
}

/// Blocks of the small pcapng that are no packets, at most.
const BLOCKS: u64 = 16;

#[test]
fn a_file_cut_short_is_counted_up_to_there() {
    for (name, file) in small() {
        let whole = replay(&file).expect("a capture").totals.seen.packets;
        let (mut before, mut unsaid) = (0, 0);
        for length in 0..file.len() {
            let packets = match replay(&file[..length]) {
                Ok(Replayed { totals, status, .. }) => {
                    match &status.error {
                        Some(error) => assert!(
                            error.contains("cut short") || error.contains("link type 105"),
                            "{name}, {length} bytes: {error}"
                        ),
                        None => unsaid += 1,
                    }
                    assert_eq!(totals.seen.packets, status.packets, "{name}, {length} bytes");
                    totals.seen.packets
                }
                Err(error) => {
                    assert!(error.contains("cut short") || error.contains("not a capture"), "{name}: {error}");
                    0
                }
            };
            assert!((before..=before + 1).contains(&packets), "{name}, {length} bytes: {packets} packets");
            before = packets;
        }
        assert!(before + 1 >= whole && whole > 1, "{name}: {before} packets of {whole} before the last byte");
        // Only between two packets, or blocks, is a file whole.
        assert!((1..=whole + BLOCKS).contains(&unsaid), "{name}: nothing was said of {unsaid} cuts, {whole} packets");
    }
}

#[test]
fn a_damaged_file_neither_panics_nor_hangs() {
    for (name, file) in small() {
        let mut errors = 0;
        for at in 0..file.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = file.clone();
                damaged[at] ^= flip;
                match replay(&damaged) {
                    Ok(Replayed { totals, status, .. }) => {
                        assert_eq!(totals.seen.packets, status.packets, "{name}, byte {at}");
                        errors += u32::from(status.error.is_some());
                    }
                    Err(_) => errors += 1,
                }
            }
        }
        assert!(errors > 20, "{name}: only {errors} errors were noticed");
    }
}

#[test]
fn any_stamp_is_borne() {
    let frame = Spec::v4(Transport::Udp(1, 2)).frame();
    let mut files = Vec::new();
    for stamps in [
        &[0, 0][..],
        &[BEGIN_NS, BEGIN_NS - SECOND_NS, BEGIN_NS + 1],
        &[0, u64::from(u32::MAX) * SECOND_NS],
        &[u64::from(u32::MAX) * SECOND_NS, 0, SECOND_NS],
        &[BEGIN_NS, BEGIN_NS + 86_400 * SECOND_NS, BEGIN_NS + 86_401 * SECOND_NS],
    ] {
        let packets: Vec<_> = stamps.iter().map(|at_ns| Captured::whole(*at_ns, frame.clone())).collect();
        let file = savefile(Order::Little, true, ETHERNET, &packets);
        let Replayed { totals, status, .. } = replay(&file).expect("a capture");
        assert_eq!(totals.seen.packets, stamps.len() as u64, "{stamps:?}");
        assert_eq!(status.last_ns, stamps.iter().max().copied(), "{stamps:?}");
        files.push((file, stamps.len()));
    }
    let mut file = Pcapng::new(Order::Little);
    let (seconds, microseconds) = (file.clock(0, i64::MAX), file.clock(6, i64::MIN));
    file.interface(1, 0, &seconds).interface(1, 0, &microseconds);
    for (interface, ticks) in [(0, u64::MAX), (1, u64::MAX), (1, 0)] {
        file.packet(interface, ticks, &frame, 60);
    }
    files.push((file.file, 3));
    for (index, (file, packets)) in files.iter().enumerate() {
        let (ended, snapshot) = replay_to_end(file, &[]);
        assert_eq!(ended.status.code(), Some(0), "file {index}: {ended:?}");
        assert_eq!(snapshot["total_packets"], *packets, "file {index}");
        assert_eq!(snapshot["accounting"]["holds"], true, "file {index}");
    }
}

/// A directory with a capture in it.
fn written(file: &[u8]) -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("making a temporary directory");
    let path = directory.path().join("capture.pcap");
    fs::write(&path, file).expect("writing the capture");
    (directory, path)
}

/// The command that replays a capture to its end, without a screen, and writes its last snapshot there.
fn command(capture: &Path, snapshot: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program::path("nettop"));
    command.args(["--quiet", "--control-socket"]).arg(snapshot.with_extension("sock"));
    command.arg("--snapshot").arg(snapshot).arg("--pcap").arg(capture).args(arguments);
    command
}

fn replay_to_end(file: &[u8], arguments: &[&str]) -> (Ended, Value) {
    let (directory, capture) = written(file);
    let snapshot = directory.path().join("snapshot.json");
    let ended = program::run(&mut command(&capture, &snapshot, arguments));
    (ended, fs::read(&snapshot).map_or(Value::Null, |json| serde_json::from_slice(&json).expect("JSON")))
}

/// So many packets in each second, from one source after the other.
fn seconds(counts: &[u64], gap_before_last: u64) -> Vec<u8> {
    let mut packets = Vec::new();
    for (second, count) in counts.iter().enumerate() {
        let last = second + 1 == counts.len();
        let begin = BEGIN_NS + (second as u64 + if last { gap_before_last } else { 0 }) * SECOND_NS;
        for index in 0..*count {
            let source = [192, 0, 2, (index % 3) as u8 + 1];
            let spec = Spec::between(source.into(), [198, 51, 100, 2].into(), Transport::Tcp(1025, 80, 2));
            packets.push(Captured::whole(begin + index * (SECOND_NS / count), spec.frame()));
        }
    }
    savefile(Order::Little, false, ETHERNET, &packets)
}

#[test]
fn rates_are_those_of_the_files_own_seconds() {
    let file = seconds(&[300, 30, 600, 3], 3600);
    let (ended, snapshot) = replay_to_end(&file, &[]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("Session summary, 3603.7 s"), "{ended:?}");
    assert_eq!(snapshot["total_packets"], 933);
    assert_eq!(snapshot["accounting"]["holds"], true);
    assert_eq!(snapshot["started_ns"], BEGIN_NS);
    let rows = snapshot["ips"].as_array().expect("a list");
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert_eq!((&row["packets"], &row["peak_pps"]), (&json!(311), &json!(200.0)), "{row}");
        assert_eq!(row["dst_ports"], json!({"80": 311}), "{row}");
        assert_eq!(row["detail_estimated"], false, "{row}");
        assert_eq!(row["first_ns"].as_u64().expect("a number") / SECOND_NS, BEGIN_NS / SECOND_NS, "{row}");
    }
    let replay = &snapshot["replay"];
    assert_eq!((&replay["packets"], &replay["percent"]), (&json!(933), &json!(100.0)), "{replay}");
    assert_eq!((&replay["ended"], &replay["error"]), (&json!(true), &Value::Null), "{replay}");
}

#[test]
fn a_whole_capture_is_in_the_snapshot_and_the_filter_applies() {
    let frame = |host: u16| {
        let [high, low] = host.to_be_bytes();
        Spec::between([10, 0, high, low].into(), [198, 51, 100, 2].into(), Transport::Udp(53, host)).frame()
    };
    let packets: Vec<_> = (1..=1500).map(|host| Captured::whole(BEGIN_NS, frame(host))).collect();
    let file = savefile(Order::Big, true, ETHERNET, &packets);
    let (_, snapshot) = replay_to_end(&file, &[]);
    assert_eq!(snapshot["ips"].as_array().map(Vec::len), Some(1500), "more than a snapshot usually has");
    let (_, snapshot) = replay_to_end(&file, &["--port", "1-100"]);
    assert_eq!((&snapshot["total_packets"], &snapshot["filtered_packets"]), (&json!(100), &json!(1400)));
    // Forgotten sources are still known to have been distinct: HyperLogLog, give or take 5 %.
    let (_, snapshot) = replay_to_end(&file, &["--max-sources", "100"]);
    let unique = snapshot["unique_ips"].as_u64().expect("a number");
    assert!((1425..=1575).contains(&unique) && snapshot["unique_estimated"] == true, "{unique} distinct");
}

#[test]
fn what_was_read_of_a_broken_capture_is_reported_before_the_error() {
    let mut file = seconds(&[10], 0);
    file.truncate(file.len() - 1);
    let (ended, snapshot) = replay_to_end(&file, &[]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    ended.expect_one_line("cut short in the middle of a packet, at byte");
    ended.expect_one_line("after 9 packets");
    assert!(ended.stdout.contains("packets      9"), "{ended:?}");
    assert_eq!(snapshot["total_packets"], 9);
    assert!(snapshot["replay"]["error"].as_str().is_some_and(|error| error.contains("cut short")));
}

#[test]
fn what_is_no_capture_is_an_error() {
    let (directory, path) = written(b"");
    let name = path.to_str().expect("text").to_string();
    let wifi = savefile(Order::Little, false, 105, &[]);
    let beacon = Captured::whole(BEGIN_NS, vec![0x08, 0x41, 0x2c, 0]);
    let wifi_packet = savefile(Order::Little, false, 105, &[beacon]);
    let newer = [&wifi[..4], &[3, 0], &wifi[6..]].concat();
    let mut newer_pcapng = Pcapng::new(Order::Little).file;
    newer_pcapng[12] = 2;
    for (content, part) in [
        (&b""[..], "empty"),
        (b"G", "first bytes 47"),
        (b"GET / HTTP/1.1", "first bytes 47 45 54 20"),
        (b"\x1f\x8b\x08\0\0\0", "gunzip it first"),
        (&wifi[..23], "cut short in the middle of its header"),
        (&wifi, "link type 105 (IEEE802_11)"),
        (&wifi_packet, "the first begins with 08 41 2c 00"),
        (&newer, "version 3.4"),
        (&newer_pcapng, "version 2.0"),
    ] {
        fs::write(&path, content).expect("writing the file");
        let ended = run_with("nettop", &["--quiet", "--pcap", &name]);
        ended.expect_one_line(part);
        ended.expect_one_line(&name);
    }
    run_with("nettop", &["--quiet", "--pcap", "/no/such"]).expect_one_line("/no/such");
    let folder = directory.path().to_str().expect("text");
    run_with("nettop", &["--quiet", "--pcap", folder]).expect_one_line("is a directory");
    for wrong in
        [&["--pcap", &name, "--iface", "lo"][..], &["--pcap-speed", "2"], &["--pcap", &name, "--pcap-speed", "-1"]]
    {
        let ended = run_with("nettop", wrong);
        assert_eq!(ended.status.code(), Some(2), "{wrong:?}: {ended:?}");
    }
}

#[test]
fn a_capture_may_come_through_a_pipe() {
    let directory = TempDir::new().expect("making a temporary directory");
    let snapshot = directory.path().join("snapshot.json");
    let mut command = command(Path::new("-"), &snapshot, &[]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("starting nettop");
    let mut pipe = child.stdin.take().expect("a pipe");
    for part in seconds(&[20], 0).chunks(100) {
        pipe.write_all(part).expect("writing to the pipe");
    }
    // It answers while the pipe is open and silent.
    let socket = snapshot.with_extension("sock");
    let seen = program::wait_for(|| {
        let answer = nettop_tests::monitor::ask(&socket, &json!({"cmd": "snapshot"})).ok()?;
        (answer["snapshot"]["total_packets"] == 20).then_some(())
    });
    assert!(seen.is_some(), "packets appear as they arrive");
    drop(pipe);
    assert!(program::wait(&mut child).is_some_and(|status| status.success()));
    let json: Value = serde_json::from_slice(&fs::read(&snapshot).expect("a snapshot")).expect("JSON");
    assert_eq!((&json["total_packets"], &json["replay"]["size"]), (&json!(20), &Value::Null));
}

#[test]
fn a_capture_without_ip_says_so_with_its_first_bytes_and_what_to_do() {
    let [v4, _] = packets();
    let cooked = cooked(0x0800, &[], &v4);
    let macsec = frames::ethernet(0x88e5, &[0; 60]);
    for (name, link, frame, bytes, remedy) in [
        ("ARP alone", 1, frames::arp(), "ff ff ff ff ff ff 02", "ARP"),
        ("encrypted", 1, macsec, "02 00 00 00 02 00 02", "the macsec interface"),
        ("bare IP, taken for Ethernet", 1, v4.clone(), "45 00 00 28", "editcap -T rawip"),
        ("cooked, taken for bare IP", 101, cooked, "00 00 00 01 00 06", "editcap -T linux-sll"),
        ("all malformed", 228, vec![0x55; 40], "55 55 55", "capture where IP passes"),
    ] {
        let packets: Vec<_> = (0..3).map(|n| Captured::whole(BEGIN_NS + n, frame.clone())).collect();
        let (ended, snapshot) = replay_to_end(&savefile(Order::Little, true, link, &packets), &[]);
        assert_eq!(ended.status.code(), Some(0), "{name}: {ended:?}");
        let row = snapshot["degraded"].as_array().and_then(|rows| rows.iter().find(|row| row["badge"] == "no IP"));
        let row = row.unwrap_or_else(|| panic!("{name}: {}", snapshot["degraded"]));
        let text = |key: &str| row[key].as_str().expect("a text").to_string();
        assert!(text("what").contains(&format!("none of 3 packets of link type {link} ")), "{name}: {row}");
        assert!(text("reason").contains(bytes) && text("remedy").contains(remedy), "{name}: {row}");
        assert!(ended.stdout.contains(bytes) && ended.stdout.contains(remedy), "{name}: {ended:?}");
        assert_eq!(snapshot["replay"]["link_types"][0]["not_ip"], 3, "{name}");
    }
    // One packet of IP, and it is an ordinary network.
    let packets = [frames::arp(), frames::ethernet(0x0800, &v4)].map(|frame| Captured::whole(BEGIN_NS, frame));
    let (ended, snapshot) = replay_to_end(&savefile(Order::Little, true, 1, &packets), &[]);
    assert!(!snapshot["degraded"].to_string().contains("no IP"), "{}", snapshot["degraded"]);
    assert!(!ended.stdout.contains("no IP"), "{ended:?}");
}

#[test]
fn at_its_own_speed_the_rest_is_still_to_come() {
    let (directory, capture) = written(&seconds(&[5, 7], 86_400));
    let mut command = Command::new(program::path("nettop"));
    command.arg("--pcap").arg(&capture).args(["--pcap-speed", "1", "--interval", "0.1"]);
    let monitor = Monitor::start(command, &directory.path().join("s"));
    monitor.wait_until("the first second", |snapshot| snapshot["total_packets"] == 5);
    let status = monitor.command(&json!({"cmd": "status"}));
    assert_eq!(status["runtime"]["mode"], "replay");
    assert_eq!(status["snapshot"]["replay"]["ended"], false);
    monitor.command(&json!({"cmd": "pause"}));
    let paused = monitor.wait_until("paused", |_| true);
    let later =
        monitor.wait_until("a tick later", |now| now["tick"]["count"].as_u64() > paused["tick"]["count"].as_u64());
    assert_eq!(later["now_ns"], paused["now_ns"], "the file's clock stands still");
    monitor.command(&json!({"cmd": "resume"}));
    monitor.wait_until("going on", |now| now["now_ns"].as_u64() > later["now_ns"].as_u64());
    monitor.command(&json!({"cmd": "reset"}));
    assert_eq!(monitor.snapshot()["total_packets"], 0);
    let ended = monitor.stop();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn it_needs_no_privilege() {
    if !skip::privileged() {
        return;
    }
    let (program, directory) = (PublicCopy::of("nettop"), public_directory());
    let capture = directory.path().join("capture");
    fs::write(&capture, seconds(&[4], 0)).expect("writing the capture");
    let mut command = Command::new(program.path());
    command.args(["--quiet", "--pcap"]).arg(&capture).arg("--control-socket").arg(directory.path().join("s"));
    let ended = program::run(as_nobody(&mut command));
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("packets      4"), "{ended:?}");
}
