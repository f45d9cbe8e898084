//! The list of sources: rows, or what rows are made of one by one where there may be a million of them.

use std::{borrow::Cow, cmp::Reverse, sync::Arc};

use foldhash::HashMap;
use nettop_common::Address;
use nettop_geo::Geo;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Detail, Place, Sent, SourceRow};
use crate::{clock::Calendar, totals::SourceTotal};

/// Sources, most packets first.
#[derive(Clone, Debug)]
pub enum SourceRows {
    /// So many that each is a row.
    Rows(Vec<SourceRow>),
    /// Any number.
    All(Arc<AllSources>),
}

/// Sources in no order, and what else their rows are made of.
#[derive(Debug)]
pub struct AllSources {
    /// They.
    pub counted: Vec<Counted>,
    /// Counted packets of everybody.
    pub packets: u64,
    /// What the clock showed.
    pub calendar: Calendar,
    /// Where places come from; `None`: geography is off.
    pub geo: Option<Arc<Geo>>,
    /// Of those that have any.
    pub details: HashMap<Address, Arc<Detail>>,
}

/// What was counted for one source; for the rates see [`SourceRow`].
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// The address.
    pub address: Address,
    /// Since it is remembered.
    pub total: SourceTotal,
    /// Packets came before, and are not in it.
    pub lacks: bool,
    /// In the newest whole second.
    pub pps: f64,
    /// The last 10 s.
    pub pps_10s: f64,
    /// The last 60 s.
    pub pps_60s: f64,
    /// The busiest second.
    pub peak_pps: f64,
    /// The quietest one.
    pub low_pps: f64,
    /// What it was sent; `None`: that is not counted.
    pub sent: Option<Sent>,
}

impl SourceRows {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::All(all) => all.counted.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One row after the other.
    pub fn iter(&self) -> Box<dyn Iterator<Item = Cow<'_, SourceRow>> + '_> {
        match self {
            Self::Rows(rows) => Box::new(rows.iter().map(Cow::Borrowed)),
            Self::All(all) => Box::new(all.rows().map(Cow::Owned)),
        }
    }
}

impl AllSources {
    fn rows(&self) -> impl Iterator<Item = SourceRow> {
        let mut order: Vec<u32> = (0..).take(self.counted.len()).collect();
        order.sort_unstable_by_key(|at| {
            let Counted { address, total, .. } = &self.counted[*at as usize];
            (Reverse(total.packets), *address)
        });
        order.into_iter().map(|at| {
            let counted = &self.counted[at as usize];
            let place = self.geo.as_ref().map(|geo| Place::from(geo.look_up(counted.address.to_ip())));
            let detail = self.details.get(&counted.address).map(Arc::clone);
            SourceRow::new(counted, self.packets, &self.calendar, place, detail)
        })
    }
}

impl Default for SourceRows {
    fn default() -> Self {
        Self::Rows(Vec::new())
    }
}

impl From<Vec<SourceRow>> for SourceRows {
    fn from(rows: Vec<SourceRow>) -> Self {
        Self::Rows(rows)
    }
}

impl Serialize for SourceRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for SourceRows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::Rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;

    #[test]
    fn rows_are_made_most_packets_first() {
        let counted = |last: u32, packets| Counted {
            address: Address::from_v4_word(last.to_be()),
            total: SourceTotal { packets, bytes: packets * 60, ..SourceTotal::default() },
            lacks: last == 3,
            pps: 1.0,
            pps_10s: 0.0,
            pps_60s: 0.0,
            peak_pps: 0.0,
            low_pps: 0.0,
            sent: None,
        };
        let all = AllSources {
            counted: vec![counted(1, 5), counted(3, 9), counted(2, 9)],
            packets: 46,
            calendar: Calendar::new(Moment { monotonic_ns: 0, unix_ns: 1000 }),
            geo: None,
            details: HashMap::default(),
        };
        let sources = SourceRows::All(Arc::new(all));
        let rows: Vec<_> = sources.iter().map(|row| (row.ip.to_string(), row.packets, row.first_ns)).collect();
        let row = |ip: &str, packets| (ip.to_string(), packets, 1000);
        assert_eq!(rows, [row("0.0.0.2", 9), row("0.0.0.3", 9), row("0.0.0.1", 5)]);
        let json = serde_json::to_value(&sources).unwrap();
        assert_eq!(json[2]["bytes"], 300);
    }
}
