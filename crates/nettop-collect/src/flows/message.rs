//! Messages of ctnetlink, each read where it lies (linux/netfilter/nfnetlink_conntrack.h).

use super::reading::{FlowKey, FlowRow, Tuple};
use crate::netlink::attributes::{address, attributes};

/// The kinds of messages: the number of the subsystem, then that of the message.
pub const GET: u16 = 1 << 8 | 1;
pub const NEW: u16 = 1 << 8;
pub const DELETE: u16 = 1 << 8 | 2;
/// `struct nfgenmsg`: family, version, number of the resource.
pub const HEADER: usize = 4;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_PROTOINFO: u16 = 4;
const CTA_TIMEOUT: u16 = 7;
const CTA_COUNTERS_ORIG: u16 = 9;
const CTA_COUNTERS_REPLY: u16 = 10;
const CTA_ZONE: u16 = 18;
const CTA_TIMESTAMP: u16 = 20;
const CTA_TIMESTAMP_EVENT: u16 = 27;
/// Within a tuple.
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_TUPLE_ZONE: u16 = 3;
/// Source and destination, of IPv4 and of IPv6.
const CTA_IP_SOURCES: [u16; 2] = [1, 3];
const CTA_IP_DESTINATIONS: [u16; 2] = [2, 4];
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
/// Identifier, type and code of ICMP, then of ICMPv6.
const CTA_PROTO_ICMP_IDS: [u16; 2] = [4, 7];
const CTA_PROTO_ICMP_TYPES: [u16; 2] = [5, 8];
const CTA_PROTO_ICMP_CODES: [u16; 2] = [6, 9];
/// Within a direction's counters, 64 bits each.
const CTA_COUNTERS_PACKETS: u16 = 1;
const CTA_COUNTERS_BYTES: u16 = 2;
/// Within the protocol's own part: its state is the first attribute of it.
const CTA_PROTOINFO_TCP: u16 = 1;
const CTA_PROTOINFO_SCTP: u16 = 3;
const CTA_PROTOINFO_STATE: u16 = 1;
const CTA_TIMESTAMP_START: u16 = 1;
const CTA_TIMESTAMP_STOP: u16 = 2;

/// Bits of the status (linux/netfilter/nf_conntrack_common.h).
const SEEN_REPLY: u32 = 1 << 1;
const ASSURED: u32 = 1 << 2;
const OFFLOAD: u32 = 1 << 14 | 1 << 15;

/// The flow that the body of a message is about; `None`: one of its directions is missing, or makes no sense.
pub fn row(body: &[u8]) -> Option<FlowRow> {
    let (_, rest) = body.split_at_checked(HEADER)?;
    let mut row = FlowRow::default();
    let (mut original, mut reply, mut zone, mut zones) = (None, None, None, [None; 2]);
    let (mut tx, mut rx) = (None, None);
    for (kind, value) in attributes(rest) {
        match kind {
            CTA_TUPLE_ORIG => (original, zones[0]) = (tuple(value), zone_of(value)),
            CTA_TUPLE_REPLY => (reply, zones[1]) = (tuple(value), zone_of(value)),
            CTA_STATUS => {
                let status = number(value).unwrap_or_default();
                row.replied = status & SEEN_REPLY != 0;
                row.assured = status & ASSURED != 0;
                row.offloaded = status & OFFLOAD != 0;
            }
            CTA_PROTOINFO => row.state = state(value),
            CTA_TIMEOUT => row.timeout_s = number(value),
            CTA_COUNTERS_ORIG => tx = counters(value),
            CTA_COUNTERS_REPLY => rx = counters(value),
            CTA_ZONE => zone = half(value),
            CTA_TIMESTAMP => {
                row.began_ns = find(value, CTA_TIMESTAMP_START).and_then(long);
                row.ended_ns = find(value, CTA_TIMESTAMP_STOP).and_then(long).or(row.ended_ns);
            }
            CTA_TIMESTAMP_EVENT => row.ended_ns = row.ended_ns.or_else(|| long(value)),
            _ => {}
        }
    }
    let ((protocol, original), (_, reply)) = (original?, reply?);
    let zones = zones.map(|own| own.or(zone).unwrap_or_default());
    row.key = FlowKey { protocol, zones, original, reply };
    row.moved = tx.zip(rx).map(|(tx, rx)| [tx, rx]);
    Some(row)
}

fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    find_any(bytes, &[kind])
}

fn find_any<'a>(bytes: &'a [u8], kinds: &[u16]) -> Option<&'a [u8]> {
    attributes(bytes).find(|(kind, _)| kinds.contains(kind)).map(|(_, value)| value)
}

/// Protocol and ends of a direction.
fn tuple(value: &[u8]) -> Option<(u8, Tuple)> {
    let (ip, protocol) = (find(value, CTA_TUPLE_IP)?, find(value, CTA_TUPLE_PROTO)?);
    let end = |kinds: &[u16]| find_any(ip, kinds).and_then(address);
    let (source, destination) = (end(&CTA_IP_SOURCES)?, end(&CTA_IP_DESTINATIONS)?);
    if source.is_ipv4() != destination.is_ipv4() {
        return None;
    }
    let byte = |kinds: &[u16]| find_any(protocol, kinds).and_then(|value| value.first().copied());
    let port = |kinds: &[u16]| find_any(protocol, kinds).and_then(half);
    let number = byte(&[CTA_PROTO_NUM])?;
    let ports = match port(&CTA_PROTO_ICMP_IDS) {
        Some(id) => {
            let kind = byte(&CTA_PROTO_ICMP_TYPES).unwrap_or_default();
            [id, u16::from_be_bytes([kind, byte(&CTA_PROTO_ICMP_CODES).unwrap_or_default()])]
        }
        None => [&[CTA_PROTO_SRC_PORT], &[CTA_PROTO_DST_PORT]].map(|kinds| port(kinds).unwrap_or_default()),
    };
    Some((number, Tuple { source, destination, ports }))
}

fn zone_of(value: &[u8]) -> Option<u16> {
    find(value, CTA_TUPLE_ZONE).and_then(half)
}

/// The state in the protocol's own part, one byte.
fn state(value: &[u8]) -> Option<u8> {
    let own = find_any(value, &[CTA_PROTOINFO_TCP, CTA_PROTOINFO_SCTP])?;
    find(own, CTA_PROTOINFO_STATE)?.first().copied()
}

fn counters(value: &[u8]) -> Option<(u64, u64)> {
    let number = |kind| find(value, kind).and_then(long);
    number(CTA_COUNTERS_PACKETS).zip(number(CTA_COUNTERS_BYTES))
}

/// Numbers are in network order.
fn half(value: &[u8]) -> Option<u16> {
    value.try_into().ok().map(u16::from_be_bytes)
}

fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

fn long(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::attributes::attribute;

    const NESTED: u16 = 1 << 15;

    fn nested(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
        one(kind | NESTED, &parts.concat())
    }

    fn one(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        attribute(&mut bytes, kind, value);
        bytes
    }

    fn tuple(kind: u16, [source, destination]: [[u8; 4]; 2], ports: [u16; 2], zone: Option<u16>) -> Vec<u8> {
        let ip = nested(CTA_TUPLE_IP, &[one(1, &source), one(2, &destination)]);
        let [from, to] = ports.map(u16::to_be_bytes);
        let protocol = nested(CTA_TUPLE_PROTO, &[one(CTA_PROTO_NUM, &[6]), one(2, &from), one(3, &to)]);
        let zone = zone.map_or(Vec::new(), |zone| one(CTA_TUPLE_ZONE, &zone.to_be_bytes()));
        nested(kind, &[ip, protocol, zone])
    }

    const CLIENT: [u8; 4] = [10, 0, 0, 2];
    const SERVER: [u8; 4] = [192, 0, 2, 9];
    const HOST: [u8; 4] = [198, 51, 100, 1];

    fn ends() -> Vec<u8> {
        [
            tuple(CTA_TUPLE_ORIG, [CLIENT, SERVER], [40_000, 80], None),
            tuple(CTA_TUPLE_REPLY, [SERVER, HOST], [80, 40_000], None),
        ]
        .concat()
    }

    fn counters(kind: u16, packets: u64, bytes: u64) -> Vec<u8> {
        nested(kind, &[one(1, &packets.to_be_bytes()), one(2, &bytes.to_be_bytes())])
    }

    fn message(parts: &[Vec<u8>]) -> Vec<u8> {
        [vec![0; HEADER], parts.concat()].concat()
    }

    /// As the kernel sends it when a flow ends.
    fn destroyed() -> Vec<u8> {
        let state = nested(CTA_PROTOINFO, &[nested(CTA_PROTOINFO_TCP, &[one(CTA_PROTOINFO_STATE, &[7])])]);
        let times = nested(CTA_TIMESTAMP, &[one(1, &5_u64.to_be_bytes()), one(2, &9_u64.to_be_bytes())]);
        message(&[
            ends(),
            one(CTA_STATUS, &(SEEN_REPLY | ASSURED).to_be_bytes()),
            one(CTA_ZONE, &7_u16.to_be_bytes()),
            counters(CTA_COUNTERS_ORIG, 6, 325),
            counters(CTA_COUNTERS_REPLY, 4, 1216),
            state,
            times,
            one(CTA_TIMEOUT, &119_u32.to_be_bytes()),
            one(CTA_TIMESTAMP_EVENT, &11_u64.to_be_bytes()),
        ])
    }

    #[test]
    fn a_flow_is_read_with_all_that_is_told() {
        let row = row(&destroyed()).expect("a flow");
        assert_eq!((row.key.protocol, row.key.zones, row.key.original.ports), (6, [7; 2], [40_000, 80]));
        assert_eq!((row.key.original.source, row.key.reply.destination), (CLIENT.into(), HOST.into()));
        assert_eq!((row.moved, row.state, row.timeout_s), (Some([(6, 325), (4, 1216)]), Some(7), Some(119)));
        assert_eq!((row.replied, row.assured, row.offloaded), (true, true, false));
        assert_eq!((row.began_ns, row.ended_ns), (Some(5), Some(9)));
        assert_eq!(row.key.translated(), [true, false]);
    }

    #[test]
    fn zones_may_be_of_one_direction() {
        for (name, zones, both, expected) in [
            ("none", [None, None], None, [0, 0]),
            ("of both", [None, None], Some(7), [7, 7]),
            ("of the original one", [Some(8), None], None, [8, 0]),
            ("of replies", [None, Some(9)], None, [0, 9]),
        ] {
            let message = message(&[
                tuple(CTA_TUPLE_ORIG, [CLIENT, SERVER], [1, 2], zones[0]),
                tuple(CTA_TUPLE_REPLY, [SERVER, CLIENT], [2, 1], zones[1]),
                both.map_or(Vec::new(), |zone: u16| one(CTA_ZONE, &zone.to_be_bytes())),
            ]);
            assert_eq!(row(&message).map(|row| row.key.zones), Some(expected), "{name}");
        }
    }

    #[test]
    fn what_is_nested_wrongly_is_left_out_or_no_flow() {
        let with = |part: Vec<u8>| message(&[ends(), part]);
        let good = row(&message(&[ends()])).expect("a flow");
        for (name, part) in [
            ("counters in none", one(CTA_COUNTERS_ORIG, &[1; 8])),
            ("counters of four bytes", nested(CTA_COUNTERS_ORIG, &[one(1, &[1; 4]), one(2, &[1; 4])])),
            ("counters of one direction", counters(CTA_COUNTERS_ORIG, 1, 2)),
            ("a state in none", one(CTA_PROTOINFO, &[7])),
            ("a state of another protocol", nested(CTA_PROTOINFO, &[nested(2, &[one(1, &[7])])])),
            ("a status of two bytes", one(CTA_STATUS, &[255; 2])),
            ("a timeout of eight bytes", one(CTA_TIMEOUT, &[1; 8])),
            ("a zone of four bytes", one(CTA_ZONE, &[1; 4])),
            ("times in none", one(CTA_TIMESTAMP, &[1; 8])),
            ("itself within itself", nested(CTA_TUPLE_ORIG + 100, &[ends()])),
        ] {
            assert_eq!(row(&with(part)), Some(good.clone()), "{name}");
        }
        let original = || tuple(CTA_TUPLE_ORIG, [CLIENT, SERVER], [1, 2], None);
        let without_number = nested(CTA_TUPLE_REPLY, &[nested(CTA_TUPLE_IP, &[one(1, &CLIENT), one(2, &SERVER)])]);
        let mixed = nested(CTA_TUPLE_IP, &[one(1, &CLIENT), one(4, &[1; 16])]);
        let mixed = nested(CTA_TUPLE_REPLY, &[mixed, nested(CTA_TUPLE_PROTO, &[one(CTA_PROTO_NUM, &[6])])]);
        for (name, bytes) in [
            ("nothing", Vec::new()),
            ("less than a header", vec![0; HEADER - 1]),
            ("no attribute", vec![0; HEADER]),
            ("one direction", message(&[original()])),
            ("a direction without a protocol", message(&[original(), without_number])),
            ("ends of two families", message(&[original(), mixed])),
            ("ends that are none", message(&[original(), one(CTA_TUPLE_REPLY, &[1, 2, 3, 4, 5])])),
            (
                "ends of a deep nest",
                message(&[original(), nested(CTA_TUPLE_REPLY, &[nested(1, &[nested(1, &[one(1, &CLIENT)])])])]),
            ),
        ] {
            assert_eq!(row(&bytes), None, "{name}");
        }
    }

    #[test]
    fn a_message_may_be_cut_or_damaged_anywhere() {
        let whole = destroyed();
        for length in 0..whole.len() {
            // What was cut off is missing, and nothing else is there instead.
            let row = row(&whole[..length]);
            assert!(row.is_none_or(|row| row.key.original.ports == [40_000, 80]), "{length}");
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                let _ = row(&damaged);
            }
        }
    }
}
