//! Captures that come through pipes: their time is that of their stamps, and goes on where nothing comes any more.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nettop_collect::{pcap::Pcap, reading::Reading, traffic::Traffic as _};
use nettop_model::clock::Moment;
use nettop_tests::{
    captures::{Captured, Order, savefile},
    frames::{Spec, Transport},
    monitor::Monitor,
    program,
};
use serde_json::Value;
use tempfile::TempDir;

const SECOND_NS: u64 = 1_000_000_000;
const BEGIN_NS: u64 = 1_700_000_000 * SECOND_NS;

/// A capture of packets at these times, in seconds from the first: with the header of the file, or without.
fn capture(begin_ns: u64, stamps: impl IntoIterator<Item = f64>, header: bool) -> Vec<u8> {
    let frame = Spec::v4(Transport::Udp(5353, 53)).frame();
    let at = |seconds: f64| begin_ns + (seconds * 1e9) as u64;
    let packets: Vec<_> = stamps.into_iter().map(|stamp| Captured::whole(at(stamp), frame.clone())).collect();
    let file = savefile(Order::Little, true, 1, &packets);
    if header { file } else { file[24..].to_vec() }
}

/// So many packets in each second.
fn seconds(seconds: std::ops::Range<u32>, per_second: u32) -> impl Iterator<Item = f64> {
    (seconds.start * per_second..seconds.end * per_second).map(move |n| f64::from(n) / f64::from(per_second))
}

/// A replay that is read at times of our own.
struct Replayed {
    pcap: Pcap,
    reading: Reading,
    /// Packets by second of the file.
    counted: BTreeMap<u64, u64>,
    /// Its clock, seconds from the first stamp.
    now: f64,
}

impl Replayed {
    fn open(path: &Path) -> Self {
        let pcap = Pcap::open(path, 0.0).expect("a capture");
        Self { pcap, reading: Reading::new(Moment::default()), counted: BTreeMap::new(), now: 0.0 }
    }

    /// Reads what is there so many seconds after the start.
    fn read(&mut self, seconds: f64) {
        let ns = (seconds * 1e9) as u64;
        let wall = Moment { monotonic_ns: SECOND_NS + ns, unix_ns: BEGIN_NS + 100 * 86_400 * SECOND_NS + ns };
        // While it is asked at once, some of it is to be read.
        for _ in 0..1000 {
            self.pcap.read_at(wall, &mut self.reading);
            let since = self.reading.at.monotonic_ns.saturating_sub(BEGIN_NS);
            let packets = self.reading.totals.seen.packets;
            if packets > 0 {
                *self.counted.entry(since.saturating_sub(1) / SECOND_NS).or_default() += packets;
            }
            let before = std::mem::replace(&mut self.now, since as f64 / 1e9);
            if !self.pcap.has_more() || packets == 0 && self.now == before {
                return;
            }
        }
        panic!("more than a thousand readings: {:?}", self.pcap.progress());
    }
}

/// A pipe's two ends, the one to read from as a path.
fn pipe() -> (io::PipeReader, io::PipeWriter, PathBuf) {
    let (reader, writer) = io::pipe().expect("a pipe");
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd()).into();
    (reader, writer, path)
}

#[test]
fn time_goes_on_where_a_live_pipe_brings_nothing() {
    let (_reader, mut writer, path) = pipe();
    let mut replayed = Replayed::open(&path);
    replayed.read(0.0);
    assert_eq!((replayed.now, replayed.pcap.progress().silence), (0.0, 0.0), "nothing came yet");
    replayed.read(7.0);
    assert_eq!(replayed.pcap.progress().silence, 7.0, "nothing came since the start");
    writer.write_all(&capture(BEGIN_NS, [], true)).expect("writing");
    // Five seconds of packets, each when it is captured.
    for tenth in 0..50 {
        let at = f64::from(tenth) / 10.0;
        writer.write_all(&capture(BEGIN_NS, [at], false)).expect("writing");
        replayed.read(10.0 + at);
    }
    assert_eq!((replayed.pcap.progress().packets, replayed.now), (50, 4.9));
    assert!(replayed.pcap.has_more(), "it is asked again at once");
    for (silent, now) in [(1.0, 4.9), (2.0, 4.9), (3.0, 5.9), (5.0, 7.9), (12.0, 14.9)] {
        replayed.read(14.9 + silent);
        assert!((replayed.now - now).abs() < 0.001, "after {silent} s at {} s", replayed.now);
        assert!((replayed.pcap.progress().silence - silent).abs() < 0.001);
    }
    assert!(!replayed.pcap.has_more(), "it is not asked at once for ever");
    // What comes then is counted in its second, and the time is that of the stamps again.
    writer.write_all(&capture(BEGIN_NS, [17.0, 17.5], false)).expect("writing");
    replayed.read(27.5);
    assert_eq!((replayed.counted.get(&17), replayed.now, replayed.pcap.progress().silence), (Some(&2), 17.5, 0.0));
    replayed.pcap.set_paused(true);
    replayed.read(99.0);
    assert_eq!((replayed.now, replayed.pcap.progress().silence), (17.5, 0.0), "a pause is no silence");
    replayed.pcap.set_paused(false);
    drop(writer);
    replayed.read(100.0);
    assert_eq!((replayed.pcap.has_ended(), replayed.pcap.progress().silence), (true, 0.0));
}

#[test]
fn what_is_written_late_is_counted_in_its_own_second() {
    let (_reader, mut writer, path) = pipe();
    let mut replayed = Replayed::open(&path);
    writer.write_all(&capture(BEGIN_NS, [], true)).expect("writing");
    // A writer that gathers five seconds of packets.
    for part in 0..6 {
        for tenth in 0..50 {
            replayed.read(f64::from(part * 50 + tenth) / 10.0);
        }
        let stamps = seconds(part * 5..part * 5 + 5, 10);
        writer.write_all(&capture(BEGIN_NS, stamps, false)).expect("writing");
    }
    drop(writer);
    replayed.read(30.0);
    let expected: Vec<_> = (0..30).map(|second| (second, 10)).collect();
    // The very first instant is counted with the first second.
    let counted: BTreeMap<u64, u64> = replayed.counted;
    let off = counted.values().map(|count| count.abs_diff(10)).max();
    assert!(counted.len() == expected.len() && off <= Some(1), "{counted:?}");
}

#[test]
fn a_fast_replay_is_the_same_through_a_pipe_however_it_stalls() {
    let whole = capture(BEGIN_NS, seconds(0..60, 20), true);
    let directory = TempDir::new().expect("making a temporary directory");
    let file = directory.path().join("capture");
    fs::write(&file, &whole).expect("writing the capture");
    let mut from_file = Replayed::open(&file);
    for ms in 0..1000 {
        from_file.read(f64::from(ms) / 1000.0);
    }
    assert!(from_file.pcap.has_ended());
    for stall in [0.0, 0.5, 3.0, 20.0] {
        let (_reader, mut writer, path) = pipe();
        let mut replayed = Replayed::open(&path);
        let mut wall = 0.0;
        for part in whole.chunks(whole.len() / 2 + 1) {
            writer.write_all(part).expect("writing");
            for _ in 0..100 {
                replayed.read(wall);
                wall += 0.001;
            }
            wall += stall;
            replayed.read(wall);
        }
        drop(writer);
        replayed.read(wall);
        assert!(replayed.pcap.has_ended());
        assert_eq!((&replayed.counted, replayed.now), (&from_file.counted, from_file.now), "a stall of {stall} s");
    }
}

/// A way to be given a capture: what is written into, and the monitor that reads it.
type Way = fn(Command, &Path) -> (Box<dyn Write>, Monitor, Option<Child>);

/// As a pipe from another program.
fn standard_input(mut command: Command, directory: &Path) -> (Box<dyn Write>, Monitor, Option<Child>) {
    let (reader, writer) = io::pipe().expect("a pipe");
    command.args(["--pcap", "-"]).stdin(reader);
    (Box::new(writer), Monitor::spawn(command, &directory.join("s")), None)
}

fn socket(mut command: Command, directory: &Path) -> (Box<dyn Write>, Monitor, Option<Child>) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    command.args(["--pcap", "-"]).stdin(OwnedFd::from(theirs));
    (Box::new(ours), Monitor::spawn(command, &directory.join("s")), None)
}

fn fifo(mut command: Command, directory: &Path) -> (Box<dyn Write>, Monitor, Option<Child>) {
    let path = directory.join("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a FIFO");
    // Both ends, so that nobody waits for the other.
    let ours = OpenOptions::new().read(true).write(true).open(&path).expect("opening the FIFO");
    command.arg("--pcap").arg(path);
    (Box::new(ours), Monitor::spawn(command, &directory.join("s")), None)
}

/// `tail -f` of a file that grows.
fn growing_file(mut command: Command, directory: &Path) -> (Box<dyn Write>, Monitor, Option<Child>) {
    let path = directory.join("growing");
    let file = File::create(&path).expect("making a file");
    let mut tail = Command::new("tail");
    tail.args(["-c", "+1", "-f", "-s", "0.1"]).arg(path).stdout(Stdio::piped());
    let mut tail = tail.spawn().expect("starting tail");
    command.args(["--pcap", "-"]).stdin(tail.stdout.take().expect("its output"));
    (Box::new(file), Monitor::spawn(command, &directory.join("s")), Some(tail))
}

#[test]
fn rates_fall_and_alerts_end_when_a_pipe_falls_silent() {
    let ways: [(&str, Way); 4] =
        [("standard input", standard_input), ("a socket", socket), ("a FIFO", fifo), ("a growing file", growing_file)];
    let directories = ways.map(|_| TempDir::new().expect("making a temporary directory"));
    let mut running = Vec::new();
    for ((name, way), directory) in ways.into_iter().zip(&directories) {
        let mut command = Command::new(program::path("nettop"));
        command.args(["run", "--no-config", "--no-geo", "--quiet", "--interval", "0.2", "--high-pps", "50"]);
        command.stdout(Stdio::null());
        running.push((name, way(command, directory.path())));
    }
    // Each second when it is over, with stamps of now.
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_nanos() as u64;
    let started = Instant::now();
    for second in 0..4 {
        while started.elapsed() < Duration::from_secs(u64::from(second)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let part = capture(unix, seconds(second..second + 1, 200), second == 0);
        running.iter_mut().for_each(|(_, (writer, ..))| writer.write_all(&part).expect("writing"));
    }
    let alert = |snapshot: &Value| {
        let alerts = snapshot["alerts"].as_array().expect("a list");
        alerts.iter().find(|alert| alert["kind"] == "high-pps").cloned()
    };
    for (name, (_writer, monitor, tail)) in running {
        monitor.wait_until("all packets, and an alert", |snapshot| {
            snapshot["total_packets"] == 800 && alert(snapshot).is_some()
        });
        let silent = monitor.wait_until("silence", |snapshot| {
            snapshot["current_pps"] == 0.0 && alert(snapshot).is_some_and(|alert| !alert["until_ns"].is_null())
        });
        assert_eq!(silent["ips"][0]["pps"], 0.0, "{name}: {}", silent["ips"][0]);
        let badges: Vec<_> = silent["degraded"].as_array().expect("a list").iter().map(|row| &row["badge"]).collect();
        let told = |badge: &&&Value| badge.as_str().is_some_and(|text| text.starts_with("no data for "));
        assert!(badges.iter().any(|badge| told(&badge)), "{name}: {badges:?}");
        assert_eq!((&silent["total_packets"], &silent["accounting"]["holds"]), (&800.into(), &true.into()), "{name}");
        monitor.stop();
        if let Some(mut tail) = tail {
            tail.kill().expect("ending tail");
            tail.wait().expect("waiting for tail");
        }
    }
}
