//! The flows that conntrack keeps track of, as they were read, and what it told of them since.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use nettop_model::clock::Moment;
use serde::{Deserialize, Serialize};

/// Events of one reading that are told one by one; others are only counted.
pub const MOST_EVENTS: usize = 32_768;
/// Flows of a table that are told one by one.
pub const MOST_FLOWS: usize = 65_536;
/// 10.5 MiB for all flows of a table.
const _: () = assert!(size_of::<FlowRow>() <= 168);

/// What was read since the reading before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowReading {
    /// Until when.
    pub at: Moment,
    /// What was told before the table was read; without a table, all that was told.
    pub before: Told,
    /// The table, where it was read.
    pub table: Option<FlowTable>,
    /// What was told while the table was read and since.
    pub after: Told,
    /// How connection tracking is set, and how full it is.
    pub settings: FlowSettings,
    /// Why the only table is that of the start, in words; `None`: it is read again and again.
    pub unreadable: Option<String>,
    /// What could not be read, and why, in words.
    pub problems: Vec<String>,
}

impl FlowReading {
    /// Adds what was read since.
    pub fn add(&mut self, newer: Self) {
        let Self { at, before, table, after, settings, unreadable, problems } = newer;
        match self.table {
            Some(_) => self.after.add(before),
            None => self.before.add(before),
        }
        if table.is_some() {
            // The older table says nothing that is not in the newer one or in the events.
            self.before.add(std::mem::take(&mut self.after));
            self.table = table;
        }
        self.after.add(after);
        (self.at, self.settings, self.unreadable, self.problems) = (at, settings, unreadable, problems);
    }
}

/// What was told of flows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// Oldest first.
    pub events: Vec<FlowEvent>,
    /// How often the kernel had no room for what it was to tell: nobody knows how many events that were.
    pub overruns: u64,
    /// Events that were told, and for which there was no room here.
    pub untold: u64,
}

impl Told {
    /// Takes an event, if there is room.
    pub fn push(&mut self, event: FlowEvent) {
        match self.events.len() < MOST_EVENTS {
            true => self.events.push(event),
            false => self.untold += 1,
        }
    }

    /// Adds what was told later.
    fn add(&mut self, later: Self) {
        later.events.into_iter().for_each(|event| self.push(event));
        self.overruns += later.overruns;
        self.untold += later.untold;
    }

    /// Whether something is missing.
    pub fn lacks(&self) -> bool {
        self.overruns + self.untold > 0
    }
}

/// All flows at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowTable {
    /// When.
    pub at: Moment,
    /// Those that this host forwards or translates, and exchanges of ICMP; one may be there twice.
    pub flows: Vec<FlowRow>,
    /// How many more of these there are, for which there was no room.
    pub left_out: u64,
    /// Flows of this host itself, which are its connections.
    pub own: u64,
    /// Lines or messages that were not understood.
    pub unread: u64,
    /// How much of a CPU it took, nanoseconds.
    pub cost_ns: u64,
    /// How long until the next one, nanoseconds.
    pub rest_ns: u64,
}

/// A flow that began or ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowEvent {
    /// It began.
    Began(FlowRow),
    /// It ended; where bytes are counted, with all that it has moved.
    Ended(FlowRow),
}

/// One flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowRow {
    /// What it is known by.
    #[serde(flatten)]
    pub key: FlowKey,
    /// Its state, as the kernel numbers those of its protocol; `None`: it has none, or that is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<u8>,
    /// Whether anything came back.
    pub replied: bool,
    /// Whether it is kept also where room is made.
    pub assured: bool,
    /// Whether its packets go past the rules, by a flow table.
    pub offloaded: bool,
    /// Packets and bytes from the original source, then of the replies; `None`: they are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved: Option<[(u64, u64); 2]>,
    /// For how long it is kept if nothing comes, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
    /// When it began, Unix nanoseconds, where that is noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began_ns: Option<u64>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_ns: Option<u64>,
}

/// What tells a flow from all others there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowKey {
    /// The number of its protocol.
    pub protocol: u8,
    /// The zone that it is looked up in by packets from the original source, and by replies.
    pub zones: [u16; 2],
    /// From where to where the first packet went, as it came.
    pub original: Tuple,
    /// From where to where replies go, as they come.
    pub reply: Tuple,
}

/// One direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Tuple {
    /// From where.
    pub source: IpAddr,
    /// To where.
    pub destination: IpAddr,
    /// The ports; of ICMP the identifier, and the type times 256 and the code; of GRE the keys; of others zero.
    pub ports: [u16; 2],
}

impl Default for Tuple {
    fn default() -> Self {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self { source: nowhere, destination: nowhere, ports: [0; 2] }
    }
}

impl FlowKey {
    /// Whether it is an exchange of ICMP or ICMPv6.
    pub fn is_icmp(&self) -> bool {
        matches!(i32::from(self.protocol), libc::IPPROTO_ICMP | libc::IPPROTO_ICMPV6)
    }

    /// Whether its source is translated, and its destination: replies go to, and come from, another place than the original packets
    /// tell.
    pub fn translated(&self) -> [bool; 2] {
        let Self { original, reply, .. } = self;
        let [from, to] = original.ports;
        let [back_from, back_to] = reply.ports;
        if self.is_icmp() {
            // The identifier stands at the same place in both directions, and a reply has a type of its own.
            return [original.source != reply.destination || from != back_from, original.destination != reply.source];
        }
        [
            (original.source, from) != (reply.destination, back_to),
            (original.destination, to) != (reply.source, back_from),
        ]
    }
}

/// How connection tracking is set, and how full it is; `None`: this kernel does not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowSettings {
    /// Flows there are, of every kind.
    pub count: Option<u64>,
    /// Flows there may be.
    pub max: Option<u64>,
    /// Whether packets and bytes of new flows are counted (`nf_conntrack_acct`).
    pub acct: Option<bool>,
    /// Whether it is noted when flows begin (`nf_conntrack_timestamp`).
    pub timestamp: Option<bool>,
    /// Whether it is told that flows began and ended (`nf_conntrack_events`).
    pub events: Option<bool>,
    /// Whether this host forwards packets of IPv4 or IPv6.
    pub forwards: bool,
    /// Packets that were dropped because there was no room for their flow, and flows that had to go for others, since the host was
    /// started.
    pub dropped: Option<u64>,
    /// The second of these.
    pub evicted: Option<u64>,
    /// For how long a flow is kept in which nothing comes, seconds: by the name of the setting, without `nf_conntrack_`.
    pub timeouts: BTreeMap<String, u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began(port: u16) -> FlowEvent {
        let original = Tuple { ports: [port, 0], ..Tuple::default() };
        FlowEvent::Began(FlowRow { key: FlowKey { original, ..FlowKey::default() }, ..FlowRow::default() })
    }

    fn told(ports: &[u16], overruns: u64) -> Told {
        Told { events: ports.iter().map(|port| began(*port)).collect(), overruns, untold: 0 }
    }

    fn ports(told: &Told) -> Vec<u16> {
        let port = |event: &FlowEvent| match event {
            FlowEvent::Began(row) | FlowEvent::Ended(row) => row.key.original.ports[0],
        };
        told.events.iter().map(port).collect()
    }

    #[test]
    fn readings_that_nobody_took_stay_in_order() {
        let reading = |before: &[u16], table: Option<u64>, after: &[u16]| FlowReading {
            before: told(before, 1),
            table: table.map(|own| FlowTable { own, ..FlowTable::default() }),
            after: told(after, 0),
            ..FlowReading::default()
        };
        for (name, newer, before, table, after) in [
            ("events", reading(&[4], None, &[5]), &[1][..], Some(7), &[2, 3, 4, 5][..]),
            ("a table", reading(&[4], Some(8), &[5]), &[1, 2, 3, 4], Some(8), &[5]),
        ] {
            let mut sum = reading(&[1], Some(7), &[2, 3]);
            sum.add(newer);
            let found = (ports(&sum.before), sum.table.as_ref().map(|table| table.own), ports(&sum.after));
            assert_eq!(found, (before.to_vec(), table, after.to_vec()), "{name}");
            assert_eq!(sum.before.overruns + sum.after.overruns, 2, "{name}");
        }
        let mut sum = reading(&[1], None, &[]);
        sum.add(reading(&[2], None, &[]));
        assert_eq!((ports(&sum.before), sum.table), (vec![1, 2], None));
    }

    #[test]
    fn events_are_bounded_and_those_left_out_are_counted() {
        let mut sum = told(&[1; MOST_EVENTS - 1], 0);
        sum.add(told(&[2; 3], 4));
        assert_eq!((sum.events.len(), sum.untold, sum.overruns, sum.lacks()), (MOST_EVENTS, 2, 4, true));
        assert!(!told(&[1], 0).lacks());
    }

    #[test]
    fn a_reading_can_be_written_down_and_read() {
        let reading = FlowReading {
            before: told(&[1], 2),
            table: Some(FlowTable {
                flows: vec![FlowRow { moved: Some([(1, 2), (3, 4)]), state: Some(3), ..FlowRow::default() }],
                ..FlowTable::default()
            }),
            settings: FlowSettings {
                acct: Some(true),
                timeouts: [("udp_timeout".into(), 30)].into(),
                ..FlowSettings::default()
            },
            unreadable: Some("not for this user".into()),
            ..FlowReading::default()
        };
        let line = serde_json::to_string(&reading).expect("JSON");
        assert_eq!(serde_json::from_str::<FlowReading>(&line).expect("a reading"), reading, "{line}");
    }
}
