//! Everything counted, in sums.

use nettop_common::{Protocol, TrafficClass, counters::SizeBucket};
use serde::{Deserialize, Serialize};

use super::{
    Accounting, Amount, EventRow, History, TcpFlags,
    json::{as_map, from_map, labelled},
};

/// Everything counted, in sums.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Traffic {
    /// Counted packets.
    pub packets: u64,
    /// Counted bytes.
    pub bytes: u64,
    /// Packets per second since the start.
    pub avg_pps: f64,
    /// Bytes per second since the start.
    pub avg_bps: f64,
    /// Packets in the newest whole second.
    pub pps: f64,
    /// Bytes in the newest whole second.
    pub bps: f64,
    /// Distinct source addresses.
    pub unique_sources: u64,
    /// Whether `unique_sources` is an estimate, because not every source could be tracked.
    pub unique_estimated: bool,
    /// Where every packet went.
    pub accounting: Accounting,
    /// Packets by protocol.
    #[serde(serialize_with = "labelled", deserialize_with = "from_map")]
    pub protocols: Vec<(Protocol, u64)>,
    /// Packets by TCP flags.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub tcp_flags: Vec<(TcpFlags, u64)>,
    /// Packets by frame size.
    #[serde(serialize_with = "labelled", deserialize_with = "from_map")]
    pub packet_sizes: Vec<(SizeBucket, u64)>,
    /// What came of each class. Of a monitor that does not know by which interface packets come (a capture): what went to all
    /// destinations; what had no place in its tables is in `accounting.untracked_destinations`.
    #[serde(serialize_with = "labelled", deserialize_with = "from_map")]
    pub classes: Vec<(TrafficClass, Amount)>,
    /// The same by interface; empty where it is not known.
    pub interfaces: Vec<InterfaceTraffic>,
    /// The last minutes.
    pub history: History,
    /// The newest sampled packets, oldest first.
    pub events: Vec<EventRow>,
}

/// What came by one interface and was counted, since the start or the last reset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InterfaceTraffic {
    /// Its name; empty: all those together that are not told apart, for there are too many.
    pub name: String,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// What came of each class, as far as anything did.
    #[serde(serialize_with = "labelled", deserialize_with = "from_map")]
    pub classes: Vec<(TrafficClass, Amount)>,
}

impl InterfaceTraffic {
    /// Packets of that class.
    pub fn packets_of(&self, class: TrafficClass) -> u64 {
        packets_of(&self.classes, class)
    }
}

/// Packets of a class, of what came of each.
pub(super) fn packets_of(classes: &[(TrafficClass, Amount)], class: TrafficClass) -> u64 {
    classes.iter().find(|(one, _)| *one == class).map_or(0, |(_, amount)| amount.packets)
}
