//! Rows that only the screen needs: what they are made of has other keys in JSON.

use std::net::IpAddr;

use nettop_common::TrafficClass;
use serde::{Deserialize, Serialize};

use super::{
    Amount,
    json::{from_map, labelled},
    traffic::packets_of,
};

/// One destination address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DestinationRow {
    /// The address.
    pub ip: IpAddr,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets in the newest whole second.
    pub pps: f64,
    /// Packets of the last 60 s, over 60 or the time since the start.
    pub pps_60s: f64,
    /// The busiest second ever.
    pub peak_pps: f64,
    /// Whether packets and bytes are lower bounds: it was forgotten, or not remembered at once, because there was no room.
    #[serde(default)]
    pub at_least: bool,
    /// What came of each class, as far as anything did; of a monitor that does not tell them apart: nothing.
    #[serde(default, serialize_with = "labelled", deserialize_with = "from_map")]
    pub classes: Vec<(TrafficClass, Amount)>,
}

impl DestinationRow {
    /// Packets of that class.
    pub fn packets_of(&self, class: TrafficClass) -> u64 {
        packets_of(&self.classes, class)
    }
}

/// One port, of TCP, UDP and SCTP together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PortRow {
    /// Its number; 0: packets without ports.
    pub port: u16,
    /// Packets to it.
    pub packets: u64,
    /// Packets from it.
    pub from_packets: u64,
    /// Packets to it in the newest whole second; `None`: not followed, for it is none of the busiest.
    pub pps: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::json::MapKey as _;

    #[test]
    fn classes_are_an_object_and_may_be_missing_or_unknown() {
        let row = DestinationRow {
            ip: [192, 0, 2, 1].into(),
            packets: 5,
            bytes: 300,
            pps: 0.0,
            pps_60s: 0.0,
            peak_pps: 0.0,
            at_least: false,
            classes: vec![
                (TrafficClass::Syn, Amount { packets: 3, bytes: 180 }),
                (TrafficClass::SynAck, Amount { packets: 2, bytes: 120 }),
            ],
        };
        let mut json = serde_json::to_value(&row).unwrap();
        let classes = serde_json::json!({"syn": {"packets": 3, "bytes": 180}, "syn_ack": {"packets": 2, "bytes": 120}});
        assert_eq!(json["classes"], classes);
        json["classes"]["of_a_newer_monitor"] = serde_json::json!({"packets": 1, "bytes": 60});
        // In the order of its keys.
        let read: DestinationRow = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(read, row);
        assert_eq!((read.packets_of(TrafficClass::Syn), read.packets_of(TrafficClass::Udp)), (3, 0));
        json.as_object_mut().unwrap().remove("classes");
        let read: DestinationRow = serde_json::from_value(json).unwrap();
        assert_eq!(read.classes, []);
    }

    #[test]
    fn each_class_has_a_name_of_its_own() {
        for class in TrafficClass::ALL {
            assert_eq!(TrafficClass::read(class.json_name()), Some(*class));
        }
    }
}
