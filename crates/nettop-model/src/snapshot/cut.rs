//! A published snapshot with fewer rows.

use std::{borrow::Cow, cmp::Reverse, sync::Arc};

use super::{Egress, Others, Snapshot, SourceRow};

impl Snapshot {
    /// With at most `limit` rows in each list; what that leaves out is added to the sums over the rest.
    #[must_use]
    pub fn cut(mut self, limit: usize) -> Self {
        let Self {
            traffic,
            sources,
            destinations,
            ports,
            macs,
            places,
            prefixes,
            egress,
            connections,
            processes,
            flows,
            ..
        } = &mut self;
        let mut rows: Vec<SourceRow> = sources.rows.iter().map(Cow::into_owned).collect();
        split(&mut rows, limit).iter().for_each(|row| sources.rest.add(row.packets, row.bytes));
        sources.rows = rows.into();
        let rest = &mut destinations.rest;
        split(&mut destinations.rows, limit).iter().for_each(|row| rest.add(row.packets, row.bytes));
        split(&mut macs.rows, limit).iter().for_each(|row| macs.rest.add(row.packets, 0));
        for (list, rest) in [(&mut ports.to, &mut ports.rest_to), (&mut ports.from, &mut ports.rest_from)] {
            list.sort_unstable_by_key(|(port, packets)| (Reverse(*packets), *port));
            split(list, limit).iter().for_each(|(_, packets)| rest.add(*packets, 0));
            list.sort_unstable();
        }
        ports.rows.truncate(limit);
        let rest = &mut places.rest_countries;
        split(&mut places.countries, limit).iter().for_each(|row| rest.add(row.sums.packets, row.sums.bytes));
        let rest = &mut places.rest_networks;
        split(&mut places.networks, limit).iter().for_each(|row| rest.add(row.sums.packets, row.sums.bytes));
        for (length, rows) in &mut prefixes.lengths {
            let rest = prefixes.rest.iter_mut().find(|(other, _)| other == length).map(|(_, rest)| &mut rest.others);
            let left_out = split(rows, limit);
            rest.into_iter().for_each(|rest| {
                left_out.iter().for_each(|row| rest.add(row.sums.packets, row.sums.bytes));
            });
        }
        prefixes.top.truncate(limit);
        // Whoever else has this snapshot keeps all of them.
        if let Some(egress) = egress.as_mut().filter(|all| all.remotes.len() > limit) {
            let Egress { remotes, rest, .. } = Arc::make_mut(egress);
            split(remotes, limit).iter().for_each(|row| rest.add(row.sent.packets, row.sent.bytes));
        }
        if let Some(connections) =
            connections.as_mut().filter(|all| all.live.len().max(all.listening.len()).max(all.ended.len()) > limit)
        {
            let connections = Arc::make_mut(connections);
            for list in [&mut connections.live, &mut connections.listening, &mut connections.ended] {
                connections.left_out += split(list, limit).len() as u64;
            }
        }
        if let Some(processes) = processes.as_mut().filter(|all| all.rows.len() > limit) {
            let processes = Arc::make_mut(processes);
            processes.left_out += split(&mut processes.rows, limit).len() as u64;
        }
        if let Some(flows) = flows.as_mut().filter(|all| all.live.len().max(all.ended.len()) > limit) {
            let flows = Arc::make_mut(flows);
            for list in [&mut flows.live, &mut flows.ended] {
                flows.left_out += split(list, limit).len() as u64;
            }
        }
        traffic.events.drain(..traffic.events.len().saturating_sub(limit));
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
