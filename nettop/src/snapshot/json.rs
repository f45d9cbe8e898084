//! What JSON needs to be told.

use nettop_common::{
    Protocol,
    counters::{SizeBucket, Table},
};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// Serialises pairs as a map.
pub(super) fn as_map<K: Serialize, V: Serialize, S: Serializer>(
    pairs: &[(K, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

/// An enum of counters, whose labels are JSON keys.
pub(super) trait Label {
    fn label(&self) -> &'static str;
}

impl Label for Protocol {
    fn label(&self) -> &'static str {
        Self::label(*self)
    }
}

impl Label for SizeBucket {
    fn label(&self) -> &'static str {
        Self::label(*self)
    }
}

/// Serialises counters as a map from their labels.
pub(super) fn labelled<K: Label, S: Serializer>(pairs: &[(K, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (key, value) in pairs {
        map.serialize_entry(key.label(), value)?;
    }
    map.end()
}

pub(super) fn table_label<S: Serializer>(table: &Table, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(table.label())
}
