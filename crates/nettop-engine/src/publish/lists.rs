//! The lists of a snapshot, from the aggregates.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use nettop_common::{Address, ClassTally, Outcome, PacketsBytes, SourceCounters, TrafficClass, counters::ByClass};
use nettop_model::{
    clock::{Calendar, Moment},
    order,
    snapshot::{
        AllSources, Amount, Counted, DEFAULT_LIMIT, DestinationList, DestinationRow, Detail, Mac, MacList, MacRow,
        Others, PortList, PortRow, SourceList, SourceRow, SourceRows, Subject,
    },
};

use crate::{Engine, aggregates::Aggregates, ledger::Account, rates::Rates};

impl Engine {
    /// Sources, and sums over those left out.
    pub(super) fn sources(&self, limit: usize, packets: u64, elapsed: f64) -> SourceList {
        let Self { aggregates, details, calendar, .. } = self;
        let now = self.reading.at;
        let counted = |key: &Address, account: &_| counted(aggregates, now, key, account, elapsed);
        // Of many as little as possible here, where packets wait to be read: whoever writes the rows makes them.
        let all = |counted| {
            let (geo, details) = (aggregates.regions.geo().cloned(), details.all());
            SourceRows::All(Arc::new(AllSources { counted, packets, calendar: calendar.clone(), geo, details }))
        };
        if limit == 0 {
            let counted = aggregates.sources.iter().map(|(key, account)| counted(key, account));
            return SourceList { rows: all(counted.collect()), rest: sums(0, PacketsBytes::default()) };
        }
        let (keys, others, rest) = aggregates.sources.top(limit);
        let rest = sums(others, rest);
        if limit > DEFAULT_LIMIT {
            let counted = keys.iter().filter_map(|key| Some(counted(key, aggregates.sources.get(key)?)));
            return SourceList { rows: all(counted.collect()), rest };
        }
        let row = |key| source(aggregates, now, calendar, key, details.get(key).map(Arc::clone));
        SourceList { rows: SourceRows::Rows(keys.iter().filter_map(row).collect()), rest }
    }

    /// MACs, as source and as destination, most packets first; and the others.
    pub(super) fn macs(&self, limit: usize, elapsed: f64) -> MacList {
        let mut by_mac: BTreeMap<Mac, MacRow> = BTreeMap::new();
        for (pair, account) in self.aggregates.macs.iter() {
            let rates = account.history.rates(&self.aggregates.buckets, elapsed);
            for mac in [Mac(pair.source()), Mac(pair.destination())] {
                let row =
                    by_mac.entry(mac).or_insert(MacRow { mac, packets: 0, pps: 0.0, pps_60s: 0.0, at_least: false });
                row.at_least |= account.note.lacks();
                row.packets += account.total.packets;
                row.pps += rates.current;
                row.pps_60s += rates.minute;
            }
        }
        let mut rows: Vec<_> = by_mac.into_values().collect();
        order::sort_by_key(&mut rows, |row| Reverse(row.packets));
        let others = rows.split_off(kept(rows.len(), limit));
        let packets = others.iter().map(|row| row.packets).sum();
        MacList { rows, rest: Others { rows: others.len() as u64, packets, bytes: None } }
    }

    /// Destinations; and the others.
    pub(super) fn destinations(&self, limit: usize) -> DestinationList {
        let (addresses, others, rest) = self.aggregates.destinations.top(limit);
        let row = |address: &Address| destination(&self.aggregates, self.reading.at, address);
        DestinationList { rows: addresses.iter().filter_map(row).collect(), rest: sums(others, rest) }
    }

    /// The busiest ports; and the others.
    pub(super) fn ports(&self, limit: usize) -> PortList {
        let counts = |(port, count): (usize, u64)| (port as u16, count);
        let (to, rest_to) = busiest(self.aggregates.dst_ports().map(counts).collect(), limit);
        let (from, rest_from) = busiest(self.aggregates.src_ports().map(counts).collect(), limit);
        PortList { rows: self.port_rows(&to, &from), to, rest_to, from, rest_from }
    }

    /// Both directions of each port, most packets to it first.
    fn port_rows(&self, to: &[(u16, u64)], from: &[(u16, u64)]) -> Vec<PortRow> {
        let row = |port| PortRow { port, packets: 0, from_packets: 0, pps: None };
        let mut by_port: BTreeMap<u16, PortRow> = BTreeMap::new();
        for (port, packets) in to {
            let pps = self.histories.pps(&Subject::Port(*port));
            by_port.insert(*port, PortRow { packets: *packets, pps, ..row(*port) });
        }
        for (port, packets) in from {
            by_port.entry(*port).or_insert(row(*port)).from_packets = *packets;
        }
        let mut rows: Vec<_> = by_port.into_values().collect();
        order::sort_by_key(&mut rows, |row| (Reverse(row.packets), Reverse(row.from_packets)));
        rows
    }
}

/// The row of a source as it is `now`; `None`: it has no account.
pub fn source(
    aggregates: &Aggregates,
    now: Moment,
    calendar: &Calendar,
    address: &Address,
    detail: Option<Arc<Detail>>,
) -> Option<SourceRow> {
    let account = aggregates.sources.get(address)?;
    let counted = counted(aggregates, now, address, account, now.seconds_since(&aggregates.started));
    let packets = aggregates.totals.outcome(Outcome::Counted).packets;
    Some(SourceRow::new(&counted, packets, calendar, aggregates.regions.place(address), detail))
}

/// The row of a destination; likewise.
pub fn destination(aggregates: &Aggregates, now: Moment, address: &Address) -> Option<DestinationRow> {
    let account = aggregates.destinations.get(address)?;
    let PacketsBytes { packets, bytes } = account.tally();
    let Rates { current: pps, minute: pps_60s, peak: peak_pps, .. } =
        account.history.rates(&aggregates.buckets, now.seconds_since(&aggregates.started));
    let (at_least, classes) = (account.note.lacks(), amounts(account.total.classes()));
    Some(DestinationRow { ip: address.to_ip(), packets, bytes, pps, pps_60s, peak_pps, at_least, classes })
}

/// What came of each class of which anything came.
pub fn amounts(classes: ByClass) -> Vec<(TrafficClass, Amount)> {
    ClassTally::each(classes).map(|ClassTally { class, tally }| (class, tally.into())).collect()
}

fn counted(
    aggregates: &Aggregates,
    now: Moment,
    address: &Address,
    account: &Account<SourceCounters>,
    elapsed: f64,
) -> Counted {
    let since_first = now.monotonic_ns.saturating_sub(account.total.first_ns) as f64 / 1e9;
    let Rates { current, ten_seconds, minute, peak, low } =
        account.history.rates(&aggregates.buckets, since_first.min(elapsed));
    Counted {
        address: *address,
        total: account.total,
        lacks: account.note.lacks(),
        pps: current,
        pps_10s: ten_seconds,
        pps_60s: minute,
        peak_pps: peak,
        low_pps: low,
        sent: aggregates.egress.as_ref().map(|egress| egress.to(address, &aggregates.buckets, elapsed)),
    }
}

/// What a list leaves out, where bytes are counted.
fn sums(rows: u64, PacketsBytes { packets, bytes }: PacketsBytes) -> Others {
    Others { rows, packets, bytes: Some(bytes) }
}

/// How many of so many rows are within a limit (0: none).
fn kept(rows: usize, limit: usize) -> usize {
    if limit == 0 { rows } else { rows.min(limit) }
}

/// The `limit` (0: all) busiest ports, in order of port; and the others.
fn busiest(mut ports: Vec<(u16, u64)>, limit: usize) -> (Vec<(u16, u64)>, Others) {
    let kept = kept(ports.len(), limit);
    if kept < ports.len() {
        ports.select_nth_unstable_by_key(kept, |(port, count)| (Reverse(*count), *port));
    }
    let others = ports.split_off(kept);
    ports.sort_unstable();
    let packets = others.iter().map(|(_, count)| count).sum();
    (ports, Others { rows: others.len() as u64, packets, bytes: None })
}
