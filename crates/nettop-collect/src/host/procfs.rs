//! The counters that the kernel has in `/proc`. Files are opened once, before the sandbox, and read anew from their beginning.

use std::{
    fs::File,
    io::{self, ErrorKind},
};

use super::{COUNTERS, CpuTime, HostReading, Memory, counters::index_of};
use crate::whole_file;

/// Bytes that are read of a file at most: `/proc/stat` of a thousand CPUs has half of it before its interrupts.
const MOST: usize = 256 << 10;

/// A file, and how what is in it is entered.
struct Row {
    path: &'static str,
    enter: fn(&str, &mut HostReading),
    /// Whether a kernel may be without it.
    optional: bool,
}

/// Every file. `/proc/net` is that of this process's network namespace.
const FILES: &[Row] = &[
    Row { path: "/proc/net/softnet_stat", enter: softnet, optional: false },
    Row { path: "/proc/net/snmp", enter: |text, reading| pairs_of_lines(text, &mut reading.counters), optional: false },
    Row {
        path: "/proc/net/netstat",
        enter: |text, reading| pairs_of_lines(text, &mut reading.counters),
        optional: false,
    },
    // Not there where IPv6 is off.
    Row { path: "/proc/net/snmp6", enter: |text, reading| lines(text, &mut reading.counters), optional: true },
    Row { path: "/proc/stat", enter: |text, reading| reading.cpus = cpus(text), optional: false },
    Row { path: "/proc/meminfo", enter: |text, reading| reading.memory = memory(text), optional: false },
];

/// The open files.
pub struct Procfs {
    files: Vec<(&'static Row, io::Result<File>)>,
    buffer: Vec<u8>,
}

impl Procfs {
    /// Opens them.
    pub fn open() -> Self {
        Self { files: FILES.iter().map(|row| (row, File::open(row.path))).collect(), buffer: Vec::new() }
    }

    /// Reads what they say now.
    pub fn read(&mut self, reading: &mut HostReading) {
        reading.counters = vec![None; COUNTERS.len()];
        let Self { files, buffer } = self;
        for (row, file) in files {
            let read = match file {
                Ok(file) => {
                    whole_file::read(file, buffer, MOST).map(|_| (row.enter)(&String::from_utf8_lossy(buffer), reading))
                }
                Err(error) if row.optional && error.kind() == ErrorKind::NotFound => Ok(()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            };
            if let Err(error) = read {
                reading.problems.push(format!("{}: {error}", row.path));
            }
        }
    }
}

fn set(counters: &mut [Option<u64>], name: &str, value: Option<u64>) {
    if let (Some(at), Some(value)) = (index_of(name), value) {
        counters[at] = Some(value);
    }
}

/// Of two lines each: `Tcp: ActiveOpens PassiveOpens`, `Tcp: 1 2`. A name is that of the group and that of the column.
fn pairs_of_lines(text: &str, counters: &mut [Option<u64>]) {
    let mut lines = text.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let (Some((group, names)), Some((same, values))) = (names.split_once(':'), values.split_once(':')) else {
            continue;
        };
        if group != same {
            continue;
        }
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
            set(counters, &format!("{group}{name}"), value.parse().ok());
        }
    }
}

/// Of a line each: `Ip6InReceives 7`.
fn lines(text: &str, counters: &mut [Option<u64>]) {
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(value)) = (words.next(), words.next()) {
            set(counters, name, value.parse().ok());
        }
    }
}

/// A line for each CPU, columns in hexadecimal (net/core/net-procfs.c). Here the sums over all CPUs; each column is 32 bits wide
/// in the kernel, and wraps.
fn softnet(text: &str, reading: &mut HostReading) {
    const COLUMNS: [(usize, &str); 4] =
        [(0, "SoftnetProcessed"), (1, "SoftnetDropped"), (2, "SoftnetTimeSqueeze"), (10, "SoftnetFlowLimit")];
    for (column, name) in COLUMNS {
        let values = text.lines().map(|line| {
            let value = line.split_whitespace().nth(column)?;
            u64::from_str_radix(value, 16).ok()
        });
        set(&mut reading.counters, name, values.sum());
    }
}

/// `cpu0 user nice system idle iowait irq softirq steal guest guest_nice`; guests are in user and nice already.
fn cpus(text: &str) -> Vec<CpuTime> {
    let lines = text.lines().take_while(|line| line.starts_with("cpu"));
    let of_one = |line: &str| {
        let mut words = line.strip_prefix("cpu")?.split(' ');
        // The line of all CPUs together has no number.
        words.next()?.parse::<u32>().ok()?;
        let ticks: Vec<u64> = words.map_while(|word| word.parse().ok()).take(8).collect();
        Some(CpuTime { all: ticks.iter().sum(), idle: ticks.get(3)? + ticks.get(4)?, softirq: *ticks.get(6)? })
    };
    lines.filter_map(of_one).collect()
}

/// `MemTotal:  16384 kB`, in KiB whatever it says.
fn memory(text: &str) -> Memory {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() << 10
    };
    Memory { total: bytes("MemTotal"), available: bytes("MemAvailable") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(counters: &[Option<u64>], name: &str) -> Option<u64> {
        counters[index_of(name).expect("a counter")]
    }

    #[test]
    fn columns_are_found_by_their_names() {
        for (name, text, expected) in [
            ("as it is", "Tcp: ActiveOpens PassiveOpens\nTcp: 3 7\n", Some(7)),
            ("in another order", "Tcp: PassiveOpens ActiveOpens\nTcp: 7 3\n", Some(7)),
            ("behind another group", "Ip: InReceives\nIp: 1\nTcp: PassiveOpens\nTcp: 7\n", Some(7)),
            ("a column of another kernel", "Tcp: New PassiveOpens\nTcp: -1 7\n", Some(7)),
            ("fewer values than names", "Tcp: ActiveOpens PassiveOpens\nTcp: 3\n", None),
            ("no number", "Tcp: PassiveOpens\nTcp: many\n", None),
            ("negative", "Tcp: PassiveOpens\nTcp: -1\n", None),
            ("lines of different groups", "Tcp: PassiveOpens\nUdp: 7\n", None),
            ("no colon", "Tcp PassiveOpens\nTcp 7\n", None),
            ("cut off", "Tcp: PassiveOpens", None),
            ("nothing", "", None),
        ] {
            let mut counters = vec![None; COUNTERS.len()];
            pairs_of_lines(text, &mut counters);
            assert_eq!(value(&counters, "TcpPassiveOpens"), expected, "{name}");
        }
        let mut counters = vec![None; COUNTERS.len()];
        lines("Ip6InReceives                   \t12\nOdd\nUdp6NoPorts 3\n", &mut counters);
        assert_eq!((value(&counters, "Ip6InReceives"), value(&counters, "Udp6NoPorts")), (Some(12), Some(3)));
    }

    #[test]
    fn softnet_is_summed_over_cpus() {
        let row = |values: [u32; 13]| values.map(|value| format!("{value:08x}")).join(" ");
        let text = [row([0x10, 2, 3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0]), row([0x20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1])]
            .join("\n");
        let mut reading = HostReading { counters: vec![None; COUNTERS.len()], ..HostReading::default() };
        softnet(&text, &mut reading);
        let found = ["SoftnetProcessed", "SoftnetDropped", "SoftnetTimeSqueeze", "SoftnetFlowLimit"];
        assert_eq!(found.map(|name| value(&reading.counters, name)), [Some(0x30), Some(2), Some(4), Some(11)]);
        // Before Linux 3.11 there were nine columns.
        let mut reading = HostReading { counters: vec![None; COUNTERS.len()], ..HostReading::default() };
        softnet("00000001 00000002 00000000", &mut reading);
        let found = ["SoftnetDropped", "SoftnetFlowLimit"];
        assert_eq!(found.map(|name| value(&reading.counters, name)), [Some(2), None]);
    }

    #[test]
    fn times_of_cpus_are_those_before_the_interrupts() {
        let text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 40 5 6 7 8 9 10\ncpu3 0 0 0 1 0 0 2 0 0 0\nintr 5 5\ncpu9 1 1 1 1 1 1 1 1\n";
        let first = CpuTime { all: 72, idle: 45, softirq: 7 };
        assert_eq!(cpus(text), [first, CpuTime { all: 3, idle: 1, softirq: 2 }]);
        for broken in ["", "cpu0", "cpu0 1 2 3", "cpux 1 2 3 4 5 6 7 8", "cpu0 a b c d e f g h"] {
            assert_eq!(cpus(broken), [], "{broken:?}");
        }
    }

    #[test]
    fn memory_is_in_bytes() {
        let text = "MemTotal:       2048 kB\nMemFree: 1 kB\nMemAvailable:    1024 kB\n";
        assert_eq!(memory(text), Memory { total: 2 << 20, available: 1 << 20 });
        assert_eq!(memory("MemTotal: much\n"), Memory::default());
    }
}
