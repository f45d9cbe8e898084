//! What a subscriber gets in the flat form: the snapshot, and beside it all that a screen shows and the flat form has other keys for.

use std::borrow::Cow;

use serde::Serialize;

use super::{Flat, rows::FlatPrefix};
use crate::snapshot::{DestinationRow, InterfaceTraffic, PortRow, Runtime, Snapshot, VERSION};

/// A line, but for `ok` and `missed`.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The version of the program that wrote it.
    version: Cow<'static, str>,
    runtime: Runtime,
    snapshot: Flat,
    rows: ExtraRows,
}

/// Rows that a flat snapshot has not.
#[derive(Clone, Debug, Serialize)]
struct ExtraRows {
    destinations: Vec<DestinationRow>,
    ports: Vec<PortRow>,
    top_prefixes: Vec<FlatPrefix>,
    /// The busiest destination ports, and their packets.
    top_dst_ports: Vec<(u16, u64)>,
    interfaces: Vec<InterfaceTraffic>,
}

/// How many of the busiest ports are listed by themselves.
const TOP_PORTS: usize = 20;

impl From<&Snapshot> for Line {
    fn from(snapshot: &Snapshot) -> Self {
        let ports = &snapshot.ports.rows;
        let rows = ExtraRows {
            destinations: snapshot.destinations.rows.clone(),
            ports: ports.clone(),
            top_prefixes: snapshot.prefixes.top.iter().map(FlatPrefix::from).collect(),
            top_dst_ports: ports.iter().take(TOP_PORTS).map(|row| (row.port, row.packets)).collect(),
            interfaces: snapshot.traffic.interfaces.clone(),
        };
        Self { version: VERSION.into(), runtime: snapshot.meta.runtime.clone(), snapshot: snapshot.into(), rows }
    }
}
