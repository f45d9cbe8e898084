//! Rows as a table: the top sources as CSV with the classic's columns, and rows of any kind.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use nettop_model::{
    json,
    snapshot::{SourceRow, SourceRows},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::cell::{Cell, inert};

const COLUMNS: &[&str] =
    &["ip", "packets", "bytes", "pps", "pps_10s", "pps_60s", "peak_pps", "low_pps", "first_ns", "last_ns"];

/// One source: the columns, in order.
#[derive(Debug, Deserialize, Serialize)]
struct Row {
    ip: Cell,
    packets: u64,
    bytes: u64,
    pps: f64,
    pps_10s: f64,
    pps_60s: f64,
    peak_pps: f64,
    low_pps: f64,
    first_ns: u64,
    last_ns: u64,
}

/// The `ips` of a snapshot in JSON as CSV, header first.
///
/// # Errors
/// When it is not such a snapshot, or what `out` says.
pub fn of_json(snapshot: &RawValue, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Snapshot {
        ips: Vec<Row>,
    }
    let Snapshot { ips } = json::read(snapshot.get().as_bytes())?;
    write(COLUMNS, ips.into_iter(), out)
}

/// Sources as CSV, header first.
///
/// # Errors
/// What `out` says.
pub fn of_sources(sources: &SourceRows, out: &mut dyn Write) -> io::Result<()> {
    write(COLUMNS, sources.iter().map(|row| Row::from(&*row)), out)
}

/// What has one value a row as CSV, header first: lists within a row are left out.
///
/// # Errors
/// What `out` says.
pub fn of_maps(rows: &[Map<String, Value>], out: &mut dyn Write) -> io::Result<()> {
    let single = |(name, value): (&'_ String, &Value)| match value {
        Value::Array(_) | Value::Object(_) => None,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(name.clone()),
    };
    // Not every row has every field: of those without a place there is none of a country.
    let heads: BTreeSet<String> = rows.iter().flatten().filter_map(single).collect();
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(&heads)?;
    for row in rows {
        csv.write_record(heads.iter().map(|head| match row.get(head) {
            Some(Value::String(text)) => inert(text),
            None | Some(Value::Null) => String::new(),
            Some(value) => value.to_string(),
        }))?;
    }
    csv.flush()
}

/// Rows as CSV under these columns.
pub(super) fn write<R: Serialize>(
    columns: &[&str],
    rows: impl Iterator<Item = R>,
    out: &mut dyn Write,
) -> io::Result<()> {
    // The header by itself, so that there is one where there are no rows.
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(out);
    csv.write_record(columns)?;
    for row in rows {
        csv.serialize(row)?;
    }
    csv.flush()
}

impl From<&SourceRow> for Row {
    fn from(source: &SourceRow) -> Self {
        let SourceRow { ip, packets, bytes, pps, pps_10s, pps_60s, peak_pps, low_pps, first_ns, last_ns, .. } = source;
        Self {
            ip: Cell(ip.to_string()),
            packets: *packets,
            bytes: *bytes,
            pps: *pps,
            pps_10s: *pps_10s,
            pps_60s: *pps_60s,
            peak_pps: *peak_pps,
            low_pps: *low_pps,
            first_ns: *first_ns,
            last_ns: *last_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use nettop_model::snapshot::{Snapshot, SourceList, SourceRow};

    #[test]
    fn the_columns_are_the_classics() {
        let row = SourceRow {
            ip: Ipv4Addr::new(192, 0, 2, 1).into(),
            packets: 3,
            bytes: 180,
            first_ns: 1,
            since: None,
            last_ns: 2,
            pps: 3.0,
            pps_10s: 0.3,
            pps_60s: 0.05,
            peak_pps: 3.0,
            low_pps: 3.0,
            share: 1.0,
            syn: 0,
            udp: 3,
            icmp: 0,
            sent: None,
            place: None,
            detail: None,
        };
        let snapshot =
            Snapshot { sources: SourceList { rows: vec![row].into(), ..SourceList::default() }, ..Snapshot::default() };
        let header = "ip,packets,bytes,pps,pps_10s,pps_60s,peak_pps,low_pps,first_ns,last_ns\n";
        let (mut one, mut other, mut empty) = (Vec::new(), Vec::new(), Vec::new());
        of_json(&serde_json::value::to_raw_value(&nettop_model::flat::Flat::from(&snapshot)).unwrap(), &mut one)
            .unwrap();
        of_sources(&snapshot.sources.rows, &mut other).unwrap();
        for text in [one, other] {
            let expected = format!("{header}192.0.2.1,3,180,3.0,0.3,0.05,3.0,3.0,1,2\n");
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
        of_sources(&SourceRows::default(), &mut empty).unwrap();
        assert_eq!(empty, header.as_bytes());
    }

    #[test]
    fn what_is_not_a_snapshot_is_an_error() {
        assert!(
            of_json(&serde_json::value::to_raw_value(&serde_json::json!({"ips": 5})).unwrap(), &mut Vec::new())
                .is_err()
        );
    }
}
