//! What came by each interface, by class of traffic.

use std::{collections::BTreeMap, sync::Arc};

use nettop_common::{
    ClassTally, PacketsBytes,
    counters::{ByClass, Counters as _},
};
use nettop_model::snapshot::InterfaceTraffic;

use crate::publish::lists::amounts;

/// Interfaces that are remembered, whether they are still watched or not. What comes by more of them is counted together.
const MOST: usize = 256;
/// The name of all the others.
const OTHERS: &str = "";

/// The sums since the start or the last reset, by the name of the interface.
#[derive(Debug, Default)]
pub struct InterfaceSums(BTreeMap<Arc<str>, ByClass>);

impl InterfaceSums {
    /// Enters a reading.
    pub fn enter(&mut self, came: &[(Arc<str>, ClassTally)]) {
        for (name, ClassTally { class, tally }) in came {
            let has_room = self.0.len() < MOST;
            let sums = match self.0.get_mut(name) {
                Some(sums) => sums,
                None if has_room => self.0.entry(Arc::clone(name)).or_default(),
                None => self.0.entry(OTHERS.into()).or_default(),
            };
            sums[*class as usize].add(*tally);
        }
    }

    /// What came by all of them, by class; `None`: of nothing it is known by which interface it came.
    pub fn all(&self) -> Option<ByClass> {
        self.0.values().copied().reduce(|mut sum, classes| {
            sum.add(&classes);
            sum
        })
    }

    /// A row for each.
    pub fn rows(&self) -> Vec<InterfaceTraffic> {
        let row = |(name, classes): (&Arc<str>, &ByClass)| {
            let PacketsBytes { packets, bytes } = classes.tally();
            InterfaceTraffic { name: name.to_string(), packets, bytes, classes: amounts(*classes) }
        };
        self.0.iter().map(row).collect()
    }

    /// Starts anew.
    pub fn reset(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use nettop_common::TrafficClass;

    use super::*;

    fn came(name: &str, class: TrafficClass, packets: u64) -> (Arc<str>, ClassTally) {
        (name.into(), ClassTally { class, tally: PacketsBytes { packets, bytes: 60 * packets } })
    }

    #[test]
    fn each_interface_has_its_sums_and_what_there_is_no_room_for_is_counted_together() {
        let mut sums = InterfaceSums::default();
        assert_eq!(sums.all(), None, "nothing is known");
        sums.enter(&[came("in0", TrafficClass::Syn, 3), came("in1", TrafficClass::Udp, 5)]);
        sums.enter(&[came("in0", TrafficClass::Syn, 4), came("in0", TrafficClass::Ack, 1)]);
        let rows = sums.rows();
        let told: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.packets, row.bytes)).collect();
        assert_eq!(told, [("in0", 8, 480), ("in1", 5, 300)]);
        assert_eq!(rows[0].packets_of(TrafficClass::Syn), 7);
        (0..2 * MOST).for_each(|number| sums.enter(&[came(&format!("tun{number}"), TrafficClass::Data, 1)]));
        assert_eq!(sums.0.len(), MOST + 1);
        assert_eq!(sums.all().map(|classes| classes.tally().packets), Some(13 + 2 * MOST as u64));
        sums.reset();
        assert_eq!(sums.rows(), []);
    }
}
