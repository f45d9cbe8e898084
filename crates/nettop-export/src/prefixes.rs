//! Prefixes as one table, CSV: all of one length, then those of the next.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use nettop_model::{
    json, order,
    snapshot::{PrefixRow, Snapshot},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{cell::Cell, table};

const COLUMNS: &[&str] = &["prefix", "ips", "packets", "bytes", "pps", "pps_60s"];

/// One prefix: the columns, in order.
#[derive(Debug, Deserialize, Serialize)]
struct Row {
    prefix: Cell,
    ips: u64,
    packets: u64,
    bytes: u64,
    pps: f64,
    pps_60s: f64,
}

/// The `prefixes` of a snapshot in JSON as CSV, header first.
///
/// # Errors
/// When it is not such a snapshot, or what `out` says.
pub fn of_json(snapshot: &RawValue, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Prefixes {
        prefixes: BTreeMap<String, Vec<Row>>,
    }
    let Prefixes { prefixes } = json::read(snapshot.get().as_bytes())?;
    table::write(COLUMNS, prefixes.into_values().flatten(), out)
}

/// The prefixes of a snapshot as CSV, header first.
///
/// # Errors
/// What `out` says.
pub fn of_snapshot(snapshot: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    let mut by_length: Vec<_> = snapshot.prefixes.lengths.iter().collect();
    order::sort_by_key(&mut by_length, |(length, _)| *length);
    let rows = by_length.into_iter().flat_map(|(_, rows)| rows);
    table::write(COLUMNS, rows.map(Row::from), out)
}

impl From<&PrefixRow> for Row {
    fn from(PrefixRow { prefix, sums, .. }: &PrefixRow) -> Self {
        Self {
            prefix: Cell(prefix.to_string()),
            ips: sums.ips,
            packets: sums.packets,
            bytes: sums.bytes,
            pps: sums.pps,
            pps_60s: sums.pps_60s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nettop_model::snapshot::{Prefix, PrefixLists, Sums};

    #[test]
    fn both_ways_lead_to_the_same_table() {
        let row = |ip: &str, length, packets| PrefixRow {
            prefix: Prefix { ip: ip.parse().unwrap(), length },
            sums: Sums { ips: 2, packets, bytes: packets * 60, pps: 1.5, pps_60s: 0.25 },
            at_least: false,
        };
        let prefixes = vec![
            (24, vec![row("192.0.2.0", 24, 9), row("192.0.3.0", 24, 1)]),
            (16, vec![row("192.0.0.0", 16, 10)]),
            (48, vec![]),
            (32, vec![row("2001:db8::", 32, 3)]),
        ];
        let snapshot =
            Snapshot { prefixes: PrefixLists { lengths: prefixes, ..PrefixLists::default() }, ..Snapshot::default() };
        let (mut one, mut other) = (Vec::new(), Vec::new());
        of_snapshot(&snapshot, &mut one).unwrap();
        of_json(&serde_json::value::to_raw_value(&nettop_model::flat::Flat::from(&snapshot)).unwrap(), &mut other)
            .unwrap();
        assert_eq!(one, other);
        let expected = "prefix,ips,packets,bytes,pps,pps_60s\n192.0.0.0/16,2,10,600,1.5,0.25\n192.0.2.0/24,2,9,540,1.5,0.25\n\
                        192.0.3.0/24,2,1,60,1.5,0.25\n2001:db8::/32,2,3,180,1.5,0.25\n";
        assert_eq!(String::from_utf8(one).unwrap(), expected);
    }
}
