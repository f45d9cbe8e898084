//! A published snapshot with fewer rows.

use std::{borrow::Cow, cmp::Reverse};

use super::{Others, Snapshot, SourceRow};

impl Snapshot {
    /// With at most `limit` rows in each list; what that leaves out is added to the sums over the rest.
    pub fn cut(mut self, limit: usize) -> Self {
        let rest = &mut self.rest;
        let mut ips: Vec<SourceRow> = self.ips.iter().map(Cow::into_owned).collect();
        for row in split(&mut ips, limit) {
            rest.sources += 1;
            rest.packets += row.packets;
            rest.bytes += row.bytes;
        }
        self.ips = ips.into();
        split(&mut self.countries, limit).iter().for_each(|row| rest.countries.add(row.sums.packets, row.sums.bytes));
        split(&mut self.networks, limit).iter().for_each(|row| rest.networks.add(row.sums.packets, row.sums.bytes));
        for (length, rows) in &mut self.prefixes {
            let others = rest.prefixes.iter_mut().find(|(other, _)| other == length).map(|(_, rest)| &mut rest.others);
            let left_out = split(rows, limit);
            others.into_iter().for_each(|others| {
                left_out.iter().for_each(|row| others.add(row.sums.packets, row.sums.bytes));
            });
        }
        split(&mut self.macs, limit).iter().for_each(|row| rest.macs.add(row.packets, 0));
        self.dst_ips.truncate(limit);
        split(&mut self.destinations, limit).iter().for_each(|row| rest.dst_ips.add(row.packets, row.bytes));
        for (ports, others) in [(&mut self.dst_ports, &mut rest.dst_ports), (&mut self.src_ports, &mut rest.src_ports)]
        {
            ports.sort_unstable_by_key(|(port, packets)| (Reverse(*packets), *port));
            split(ports, limit).iter().for_each(|(_, packets)| others.add(*packets, 0));
            ports.sort_unstable();
        }
        self.ports.truncate(limit);
        self.top_prefixes.truncate(limit);
        self.top_dst_ports.truncate(limit);
        self.last_events.drain(..self.last_events.len().saturating_sub(limit));
        self
    }
}

impl Others {
    /// One row more; bytes only where they are counted.
    fn add(&mut self, packets: u64, bytes: u64) {
        self.rows += 1;
        self.packets += packets;
        if let Some(sum) = &mut self.bytes {
            *sum += bytes;
        }
    }
}

/// What is left out.
fn split<R>(rows: &mut Vec<R>, limit: usize) -> Vec<R> {
    rows.split_off(limit.min(rows.len()))
}
