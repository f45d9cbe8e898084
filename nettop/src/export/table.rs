//! The top sources as a table, one row each: CSV with the classic's columns.

use std::io::Write;

use serde::{Deserialize, Serialize};

use crate::snapshot::SourceRow;

/// The columns, as the fields of a row.
const COLUMNS: [&str; 10] =
    ["ip", "packets", "bytes", "pps", "pps_10s", "pps_60s", "peak_pps", "low_pps", "first_ns", "last_ns"];

/// One source: the columns, in order.
#[derive(Debug, Deserialize, Serialize)]
struct Row {
    ip: String,
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

/// Writes the `ips` of a snapshot in JSON as CSV, header first.
///
/// # Errors
/// When it is not such a snapshot, or when it cannot be written.
pub fn write_csv(snapshot: &serde_json::Value, to: impl Write) -> anyhow::Result<()> {
    let rows: Vec<Row> = Deserialize::deserialize(&snapshot["ips"])?;
    write_rows(rows.into_iter(), to)
}

/// Writes sources as CSV, header first.
///
/// # Errors
/// When it cannot be written.
pub fn write_sources(sources: &[SourceRow], to: impl Write) -> anyhow::Result<()> {
    write_rows(sources.iter().map(Row::from), to)
}

fn write_rows(rows: impl Iterator<Item = Row>, to: impl Write) -> anyhow::Result<()> {
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(to);
    // Also where there are no rows.
    csv.write_record(COLUMNS)?;
    for row in rows {
        csv.serialize(row)?;
    }
    csv.flush()?;
    Ok(())
}

impl From<&SourceRow> for Row {
    fn from(source: &SourceRow) -> Self {
        let SourceRow { ip, packets, bytes, pps, pps_10s, pps_60s, peak_pps, low_pps, first_ns, last_ns, .. } = source;
        Self {
            ip: ip.to_string(),
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
    use std::{net::Ipv4Addr, sync::Arc};

    use super::*;
    use crate::snapshot::{Snapshot, SourceRow};

    #[test]
    fn the_columns_are_the_classics() {
        let row = SourceRow {
            ip: Ipv4Addr::new(192, 0, 2, 1).into(),
            packets: 3,
            bytes: 180,
            first_ns: 1,
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
            detail: Arc::default(),
        };
        let snapshot = Snapshot { ips: vec![row], ..Snapshot::default() };
        let (mut from_json, mut from_rows) = (Vec::new(), Vec::new());
        write_csv(&serde_json::to_value(&snapshot).unwrap(), &mut from_json).unwrap();
        write_sources(&snapshot.ips, &mut from_rows).unwrap();
        for text in [from_json, from_rows] {
            assert_eq!(
                String::from_utf8(text).unwrap(),
                "ip,packets,bytes,pps,pps_10s,pps_60s,peak_pps,low_pps,first_ns,last_ns\n\
                 192.0.2.1,3,180,3.0,0.3,0.05,3.0,3.0,1,2\n"
            );
        }
    }

    #[test]
    fn without_sources_there_is_still_a_header() {
        let mut text = Vec::new();
        write_sources(&[], &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), COLUMNS.join(",") + "\n");
    }

    #[test]
    fn what_is_not_a_snapshot_is_an_error() {
        assert!(write_csv(&serde_json::json!({"ips": 5}), Vec::new()).is_err());
    }
}
