//! The groups of a snapshot: one struct and one file each, one row here.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap as _};

use super::{
    Alert, Blocks, Connections, DestinationList, Drops, Egress, Flows, Host, LogLines, MacList, Meta, Monitor,
    Neighbours, Places, PortList, PrefixLists, Processes, SourceList, Traffic, VERSION, Visits,
};

/// The number of this form. It grows when a key changes its meaning; new keys come without.
pub const SCHEMA: u32 = 2;

/// Defines [`Snapshot`] and [`Group`]: a row for each group.
macro_rules! groups {
    ($($(#[doc = $doc:literal])+ $name:ident $variant:ident: $type:ty,)+) => {
        /// What was counted, and how fast, at one instant. Times are Unix nanoseconds, bytes are frame lengths on the wire.
        ///
        /// Readers skip what they do not know, and take what is missing as empty: so a client and a monitor of different versions
        /// understand each other as far as both go.
        #[derive(Clone, Debug, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Snapshot {
            $($(#[doc = $doc])+ pub $name: $type,)+
        }

        /// A group of a snapshot, which can be asked for by itself.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Group {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Group {
            /// Every group, in the order in which they are written.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// What it is called.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($name),)+
                }
            }

            fn write<M: serde::ser::SerializeMap>(self, snapshot: &Snapshot, map: &mut M) -> Result<(), M::Error> {
                match self {
                    $(Self::$variant => map.serialize_entry(self.name(), &snapshot.$name),)+
                }
            }
        }
    };
}

groups! {
    /// When it was taken, what the user has set, and how it came here.
    meta Meta: Meta,
    /// Everything counted, in sums.
    traffic Traffic: Traffic,
    /// Source addresses.
    sources Sources: SourceList,
    /// Destination addresses.
    destinations Destinations: DestinationList,
    /// Ports.
    ports Ports: PortList,
    /// MAC addresses.
    macs Macs: MacList,
    /// Countries and networks of the sources.
    places Places: Places,
    /// Prefixes of the sources.
    prefixes Prefixes: PrefixLists,
    /// What the rules found, newest first: all that lasts, and the newest of the rest.
    alerts Alerts: Vec<Alert>,
    /// What this host sends; `None`: it is not counted.
    egress Egress: Option<Arc<Egress>>,
    /// What the host itself counts; `None`: not yet, or the traffic is not this host's.
    host Host: Option<Arc<Host>>,
    /// Its connections, and what listens; `None`: likewise, or they are left out.
    connections Connections: Option<Arc<Connections>>,
    /// The processes that have them; `None`: likewise.
    processes Processes: Option<Arc<Processes>>,
    /// What the kernel drops; `None`: likewise, or nobody asked for it.
    drops Drops: Option<Arc<Drops>>,
    /// The flows that it forwards or translates; `None`: likewise, or its kernel keeps track of none.
    flows Flows: Option<Arc<Flows>>,
    /// Whoever is on its links; `None`: not yet, or the traffic is not this host's.
    neighbours Neighbours: Option<Arc<Neighbours>>,
    /// What is blocked; `None`: nothing can be.
    blocks Blocks: Option<Arc<Blocks>>,
    /// Who is in the logs of this host; `None`: no log is followed, or the traffic is not this host's.
    visits Visits: Option<Arc<Visits>>,
    /// The newest lines of these; `None`: likewise.
    log Log: Option<Arc<LogLines>>,
    /// The monitor itself.
    monitor Monitor: Monitor,
}

impl Group {
    /// The group that is called so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|group| group.name() == name)
    }
}

/// Some groups of a snapshot as JSON, with the number of this form and the version of the program that wrote it.
#[derive(Clone, Copy, Debug)]
pub struct Selected<'a> {
    /// Of which.
    pub snapshot: &'a Snapshot,
    /// Which.
    pub groups: &'a [Group],
}

impl Serialize for Selected<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.groups.len() + 2))?;
        map.serialize_entry("schema", &SCHEMA)?;
        map.serialize_entry("version", VERSION)?;
        for group in self.groups {
            group.write(self.snapshot, &mut map)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_written_alone_and_read_back() {
        let snapshot = Snapshot { traffic: Traffic { packets: 7, ..Traffic::default() }, ..Snapshot::default() };
        for (groups, keys) in [
            (&[][..], "schema version"),
            (&[Group::Traffic][..], "schema traffic version"),
            (&[Group::Alerts, Group::Host][..], "alerts host schema version"),
        ] {
            let json = serde_json::to_value(Selected { snapshot: &snapshot, groups }).unwrap();
            let mut found: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
            found.sort_unstable();
            assert_eq!(found.join(" "), keys);
            assert_eq!(json["schema"], SCHEMA);
            let back: Snapshot = serde_json::from_value(json).unwrap();
            assert_eq!(back.traffic.packets, if groups == [Group::Traffic] { 7 } else { 0 });
        }
        for group in Group::ALL {
            assert_eq!(Group::named(group.name()), Some(*group));
        }
        assert_eq!(Group::named("ips"), None);
    }

    #[test]
    fn readers_skip_what_a_newer_monitor_says_and_miss_nothing_that_an_older_one_does_not() {
        let newer = serde_json::json!({
            "schema": 9,
            "requests": [1, 2],
            "traffic": {"packets": 7, "entropy": 0.5, "protocols": {"TCP": 5, "QUIC": 2}},
            "monitor": {
                "interfaces": [{"name": "eth0", "mode": "offloaded", "state": "dormant", "mtu": 1, "note": "", "queues": 4}],
                "maps": [{"table": "connections", "entries": 1, "capacity": 2}],
            },
            "alerts": [{"id": 1, "kind": "new-kind", "severity": "catastrophic", "message": "m"}],
        });
        let read: Snapshot = serde_json::from_value(newer).unwrap();
        assert_eq!((read.traffic.packets, read.traffic.protocols.len()), (7, 1));
        assert_eq!((read.monitor.interfaces[0].name.as_str(), &*read.alerts[0].kind), ("eth0", "new-kind"));
        let older: Snapshot = serde_json::from_str("{}").unwrap();
        assert!(older.sources.rows.is_empty() && older.host.is_none());
    }
}
