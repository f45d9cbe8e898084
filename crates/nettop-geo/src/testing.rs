//! Writes small MaxMind databases for tests (MaxMind DB file format 2.0).

use std::net::IpAddr;

use ipnet::IpNet;

/// A value of a record.
pub enum Value {
    Text(&'static str),
    Short(u16),
    Number(u32),
    Long(u64),
    Map(Vec<(&'static str, Value)>),
    /// An array without anything.
    Nothing,
}

/// A database of both families, with records of 24 bits.
pub fn mmdb(kind: &'static str, rows: &[(&str, Value)]) -> Vec<u8> {
    let mut nodes = vec![[Record::Empty; 2]];
    let mut data = Vec::new();
    for (net, value) in rows {
        let net: IpNet = net.parse().unwrap();
        let (bits, length) = match net.addr() {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), net.prefix_len() + 96),
            IpAddr::V6(v6) => (v6.to_bits(), net.prefix_len()),
        };
        let mut node = 0;
        for depth in 0..length {
            let side = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == length {
                nodes[node][side] = Record::Data(data.len());
            } else if let Record::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([Record::Empty; 2]);
                let next = nodes.len() - 1;
                nodes[node][side] = Record::Node(next);
                node = next;
            }
        }
        put(&mut data, value);
    }
    let mut file = Vec::new();
    for record in nodes.as_flattened() {
        let number = match record {
            Record::Empty => nodes.len(),
            Record::Node(node) => *node,
            Record::Data(at) => nodes.len() + 16 + at,
        };
        file.extend(&(number as u32).to_be_bytes()[1..]);
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = Value::Map(vec![
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(1_769_817_600)),
        ("database_type", Value::Text(kind)),
        ("description", Value::Map(Vec::new())),
        ("ip_version", Value::Short(6)),
        ("languages", Value::Nothing),
        ("node_count", Value::Number(nodes.len() as u32)),
        ("record_size", Value::Short(24)),
    ]);
    put(&mut file, &metadata);
    file
}

#[derive(Clone, Copy)]
enum Record {
    Empty,
    Node(usize),
    Data(usize),
}

fn put(out: &mut Vec<u8>, value: &Value) {
    let text = |out: &mut Vec<u8>, text: &str| {
        match text.len() {
            short @ 0..29 => out.push(2 << 5 | short as u8),
            long => out.extend([2 << 5 | 29, u8::try_from(long - 29).unwrap()]),
        }
        out.extend(text.bytes());
    };
    match value {
        Value::Text(value) => text(out, value),
        Value::Short(value) => {
            out.push(5 << 5 | 2);
            out.extend(value.to_be_bytes());
        }
        // Extended types: the second byte is their number minus 7.
        Value::Long(value) => {
            out.extend([8, 9 - 7]);
            out.extend(value.to_be_bytes());
        }
        Value::Nothing => out.extend([0, 11 - 7]),
        Value::Number(value) => {
            out.push(6 << 5 | 4);
            out.extend(value.to_be_bytes());
        }
        Value::Map(entries) => {
            out.push(7 << 5 | entries.len() as u8);
            for (key, value) in entries {
                text(out, key);
                put(out, value);
            }
        }
    }
}
