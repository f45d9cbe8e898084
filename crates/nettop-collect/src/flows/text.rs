//! `/proc/net/nf_conntrack`: a line for each flow (net/netfilter/nf_conntrack_standalone.c).

use std::{
    fs::File,
    io::{self, ErrorKind},
    net::IpAddr,
    os::unix::fs::FileExt as _,
};

use super::{
    reading::{FlowKey, FlowRow, Tuple},
    states,
};

const PATH: &str = "/proc/net/nf_conntrack";
/// Bytes that are read at once; the kernel hands over a page of them at most.
const CHUNK: usize = 16 << 10;
/// Bytes of a line; the longest that the kernel writes has some 400.
const LONGEST: usize = 2048;

/// The open file. Only root opens it, but whoever has it may read on.
pub struct Text {
    file: File,
    buffer: Box<[u8]>,
}

impl Text {
    /// Opens it.
    ///
    /// # Errors
    /// What the kernel says: it is not there, or not for this user.
    pub fn open() -> io::Result<Self> {
        let file = File::open(PATH).map_err(|error| io::Error::new(error.kind(), format!("{PATH}: {error}")))?;
        Ok(Self { file, buffer: vec![0; CHUNK].into() })
    }

    /// Hands over every line from the beginning; `pause` is called in between.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn lines(&mut self, each: &mut dyn FnMut(&str), pause: &mut dyn FnMut()) -> io::Result<()> {
        let (mut at, mut kept) = (0, 0);
        loop {
            let read = match self.file.read_at(&mut self.buffer[kept..], at) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            at += read as u64;
            let filled = kept + read;
            let bytes = &self.buffer[..filled];
            let whole =
                if read == 0 { filled } else { bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1) };
            for line in bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                each(&String::from_utf8_lossy(line));
            }
            if read == 0 {
                return Ok(());
            }
            self.buffer.copy_within(whole..filled, 0);
            kept = filled - whole;
            // No line of the kernel's is as long as that.
            if kept > LONGEST {
                kept = 0;
            }
            pause();
        }
    }
}

/// The flow that a line is about, as it was at `now_ns`; `None`: the line is not what the kernel writes.
pub fn row(line: &str, now_ns: u64) -> Option<FlowRow> {
    let mut words = line.split_ascii_whitespace();
    // `ipv4 2 tcp 6`
    let protocol = words.nth(3)?.parse().ok()?;
    let mut row = FlowRow { key: FlowKey { protocol, ..FlowKey::default() }, replied: true, ..FlowRow::default() };
    let mut directions: [Half; 2] = Default::default();
    let mut direction = None;
    for word in words {
        let Some((name, value)) = word.split_once('=') else {
            match word {
                "[UNREPLIED]" => row.replied = false,
                "[ASSURED]" => row.assured = true,
                "[OFFLOAD]" | "[HW_OFFLOAD]" => row.offloaded = true,
                _ if direction.is_some() => {}
                // Both stand before the first address: the seconds left, and the state.
                _ => match word.parse() {
                    Ok(seconds) => row.timeout_s = Some(seconds),
                    Err(_) => row.state = states::number(protocol, word).or(row.state),
                },
            }
            continue;
        };
        if name == "src" {
            // The second one begins the replies' half.
            direction = Some(direction.map_or(0, |_| 1));
        }
        // What is before the first address is of protocols like GRE, which write their settings there.
        let Some(at) = direction else { continue };
        let half = &mut directions[at];
        match name {
            "src" => half.source = Some(value.parse().ok()?),
            "dst" => half.destination = Some(value.parse().ok()?),
            "sport" | "id" => half.ports[0] = value.parse().ok()?,
            "dport" => half.ports[1] = value.parse().ok()?,
            "type" => half.ports[1] |= u16::from(value.parse::<u8>().ok()?) << 8,
            "code" => half.ports[1] |= u16::from(value.parse::<u8>().ok()?),
            "srckey" => half.ports[0] = key(value)?,
            "dstkey" => half.ports[1] = key(value)?,
            "packets" => half.packets = Some(value.parse().ok()?),
            "bytes" => half.bytes = Some(value.parse().ok()?),
            "zone" => row.key.zones = [value.parse().ok()?; 2],
            "zone-orig" => row.key.zones[0] = value.parse().ok()?,
            "zone-reply" => row.key.zones[1] = value.parse().ok()?,
            "delta-time" => {
                let seconds: u64 = value.parse().ok()?;
                row.began_ns = Some(now_ns.saturating_sub(seconds.saturating_mul(1_000_000_000)));
            }
            _ => {}
        }
    }
    // A line that was cut has no second half.
    let [original, reply] = directions;
    (row.key.original, row.key.reply) = (original.tuple()?, reply.tuple()?);
    row.moved = original.moved().zip(reply.moved()).map(|(original, reply)| [original, reply]);
    Some(row)
}

/// What a line has of one direction.
#[derive(Default)]
struct Half {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    ports: [u16; 2],
    packets: Option<u64>,
    bytes: Option<u64>,
}

impl Half {
    fn tuple(&self) -> Option<Tuple> {
        let (source, destination) = self.source.zip(self.destination)?;
        let ports = self.ports;
        (source.is_ipv4() == destination.is_ipv4()).then_some(Tuple { source, destination, ports })
    }

    fn moved(&self) -> Option<(u64, u64)> {
        self.packets.zip(self.bytes)
    }
}

/// A key of GRE, `0x880b`.
fn key(value: &str) -> Option<u16> {
    u16::from_str_radix(value.strip_prefix("0x").unwrap_or(value), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "ipv4     2 tcp      6 119 TIME_WAIT src=10.1.0.2 dst=10.1.0.1 sport=51768 dport=8080 packets=5 bytes=273 \
                       src=192.0.2.9 dst=192.0.2.1 sport=80 dport=51768 packets=5 bytes=1268 [ASSURED] mark=0 zone=0 delta-time=2 use=2";
    const ICMPV6: &str = "ipv6     10 icmpv6   58 29 src=2001:0db8:0000:0000:0000:0000:0000:0002 dst=2001:0db8:0000:0001:0000:0000:0000:0009 \
                          type=128 code=0 id=26498 packets=1 bytes=104 src=2001:0db8:0000:0001:0000:0000:0000:0009 \
                          dst=2001:0db8:0000:0000:0000:0000:0000:0002 type=129 code=0 id=26498 packets=1 bytes=104 mark=0 zone=0 use=2";
    const ZONES: &str = "ipv4     2 udp      17 29 src=10.1.0.2 dst=192.0.2.9 sport=42599 dport=5001 zone-orig=8 [UNREPLIED] \
                         src=192.0.2.9 dst=10.1.0.2 sport=5001 dport=42599 zone-reply=9 mark=0 use=2";
    const GRE: &str = "ipv4     2 gre      47 20 timeout=30, stream_timeout=180 src=10.1.0.2 dst=192.0.2.9 srckey=0x1f dstkey=0x880b \
                       src=192.0.2.9 dst=10.1.0.2 srckey=0x880b dstkey=0x1f mark=0 use=1";
    const OFFLOADED: &str = "ipv4     2 tcp      6 src=10.1.0.2 dst=192.0.2.9 sport=1 dport=2 packets=7 bytes=8 \
                             src=192.0.2.9 dst=10.1.0.2 sport=2 dport=1 packets=9 bytes=10 [OFFLOAD] mark=0 use=3";
    const ESP: &str =
        "ipv4     2 unknown  50 599 src=10.1.0.2 dst=192.0.2.9 [UNREPLIED] src=192.0.2.9 dst=10.1.0.2 mark=0 use=1";

    fn tuple(source: &str, destination: &str, ports: [u16; 2]) -> Tuple {
        Tuple { source: source.parse().unwrap(), destination: destination.parse().unwrap(), ports }
    }

    fn key(protocol: u8, zones: [u16; 2], original: Tuple, reply: Tuple) -> FlowKey {
        FlowKey { protocol, zones, original, reply }
    }

    #[test]
    fn lines_are_read_whatever_the_protocol() {
        let (client, server) = ("10.1.0.2", "192.0.2.9");
        let there = |ports| tuple(client, server, ports);
        let back = |ports| tuple(server, client, ports);
        let base = FlowRow { replied: true, ..FlowRow::default() };
        for (name, line, expected) in [
            (
                "of TCP, translated twice",
                TCP,
                FlowRow {
                    key: key(
                        6,
                        [0; 2],
                        tuple(client, "10.1.0.1", [51_768, 8080]),
                        tuple(server, "192.0.2.1", [80, 51_768]),
                    ),
                    state: Some(7),
                    assured: true,
                    moved: Some([(5, 273), (5, 1268)]),
                    timeout_s: Some(119),
                    began_ns: Some(8_000_000_000),
                    ..base.clone()
                },
            ),
            (
                "of ICMPv6",
                ICMPV6,
                FlowRow {
                    key: key(
                        58,
                        [0; 2],
                        tuple("2001:db8::2", "2001:db8:0:1::9", [26_498, 128 << 8]),
                        tuple("2001:db8:0:1::9", "2001:db8::2", [26_498, 129 << 8]),
                    ),
                    moved: Some([(1, 104); 2]),
                    timeout_s: Some(29),
                    ..base.clone()
                },
            ),
            (
                "with a zone for each direction, and nothing counted",
                ZONES,
                FlowRow {
                    key: key(17, [8, 9], there([42_599, 5001]), back([5001, 42_599])),
                    timeout_s: Some(29),
                    replied: false,
                    ..FlowRow::default()
                },
            ),
            (
                "of GRE",
                GRE,
                FlowRow {
                    key: key(47, [0; 2], there([0x1f, 0x880b]), back([0x880b, 0x1f])),
                    timeout_s: Some(20),
                    ..base.clone()
                },
            ),
            (
                "past the rules",
                OFFLOADED,
                FlowRow {
                    key: key(6, [0; 2], there([1, 2]), back([2, 1])),
                    offloaded: true,
                    moved: Some([(7, 8), (9, 10)]),
                    ..base
                },
            ),
            (
                "of a protocol without ports",
                ESP,
                FlowRow {
                    key: key(50, [0; 2], there([0; 2]), back([0; 2])),
                    timeout_s: Some(599),
                    ..FlowRow::default()
                },
            ),
        ] {
            assert_eq!(row(line, 10_000_000_000), Some(expected), "{name}");
        }
    }

    #[test]
    fn what_is_no_line_of_the_kernels_is_skipped() {
        for (name, line) in [
            ("nothing", String::new()),
            ("one direction", TCP.split(" src=192").next().unwrap_or_default().into()),
            ("without the other end", TCP.replace("dst=192.0.2.1 ", "")),
            ("a port that is none", TCP.replace("sport=51768", "sport=70000")),
            ("an address that is none", TCP.replace("src=10.1.0.2", "src=10.1.0")),
            ("ends of two families", TCP.replace("src=10.1.0.2", "src=2001:db8::1")),
            ("a protocol without a number", TCP.replace(" 6 119", " x 119")),
            ("a number that is too large", TCP.replace("bytes=273", "bytes=99999999999999999999")),
            ("of other things", "a b c 6 src src=".into()),
        ] {
            assert_eq!(row(&line, 0), None, "{name}");
        }
        // Of a line that was cut anywhere there is a flow only once both directions are there.
        let both = TCP.find("dst=192.0.2.1").expect("the second direction") + "dst=192.0.2.1".len();
        for length in 0..TCP.len() {
            assert!(length >= both - 1 || row(&TCP[..length], 0).is_none(), "{:?}", &TCP[..length]);
        }
    }

    #[test]
    fn lines_are_handed_over_whole_however_they_come() {
        let folder = tempfile::tempdir().expect("a folder");
        let long = "x".repeat(CHUNK * 2);
        for (name, text, expected) in [
            ("none", String::new(), 0),
            ("one without its end", TCP.to_string(), 1),
            ("many", format!("{TCP}\n").repeat(500), 500),
            ("after one that is too long", format!("{TCP}\n{long}\n{TCP}\n"), 2),
        ] {
            let path = folder.path().join("lines");
            std::fs::write(&path, text).expect("a file");
            let mut text = Text { file: File::open(&path).expect("a file"), buffer: vec![0; CHUNK].into() };
            for _ in 0..2 {
                let mut found = 0;
                text.lines(&mut |line| found += usize::from(row(line, 0).is_some()), &mut || {}).expect("lines");
                assert_eq!(found, expected, "{name}");
            }
        }
    }
}
