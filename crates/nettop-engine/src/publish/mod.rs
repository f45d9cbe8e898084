//! From the aggregates to a [`Snapshot`].

mod degraded;
pub mod lists;

use std::sync::Arc;

use nettop_common::{
    Protocol,
    counters::{SizeBucket, Table},
};
use nettop_geo::Watcher;
use nettop_model::snapshot::{
    Egress, EventRow, GeoView, MapRow, Meta, Monitor, Neighbours, Places, PrefixLists, Runtime, Sampling, Snapshot,
    TcpFlags, Traffic,
};

use super::Engine;

/// Sampled packets that a snapshot carries.
const NEWEST_EVENTS: usize = 50;

impl Engine {
    /// Everything as it is now, with at most `limit` (0: all) rows in each list.
    pub(super) fn snapshot(&self, limit: usize) -> Snapshot {
        let Self { aggregates, reading, .. } = self;
        let elapsed = reading.at.seconds_since(&aggregates.started);
        let traffic = self.traffic(elapsed);
        let places = self.places(limit, elapsed);
        let (connections, processes) = self.sockets.groups(limit, &|ip| aggregates.regions.country(ip));
        let flows = self.flows.group(limit);
        let egress = self.egress(limit, elapsed).map(Arc::new);
        // Whether the accounts beside that of the packets received hold.
        let calls = processes.as_deref().and_then(|processes| processes.accounting);
        let blocks = (self.room_for_blocks > 0).then(|| Arc::new(self.blocks(limit)));
        let neighbours = self.host.neighbours(&self.messages, limit);
        let beside = egress.as_deref().is_none_or(|egress| egress.accounting.holds)
            && calls.is_none_or(|calls| calls.holds)
            && self.drops.holds()
            && blocks.as_deref().is_none_or(|blocks| blocks.holds)
            && flows.as_deref().is_none_or(|flows| flows.accounting.holds)
            && neighbours.as_deref().is_none_or(Neighbours::holds)
            && self.logs.holds();
        let (lengths, rest) = aggregates.prefixes.rows(limit, &aggregates.buckets, elapsed);
        Snapshot {
            meta: Meta {
                started_ns: aggregates.started.unix_ns,
                now_ns: reading.at.unix_ns,
                elapsed,
                runtime: self.runtime(),
                link: None,
            },
            sources: self.sources(limit, traffic.packets, elapsed),
            destinations: self.destinations(limit),
            ports: self.ports(limit),
            macs: self.macs(limit, elapsed),
            prefixes: PrefixLists { lengths, rest, top: aggregates.prefixes.top(&aggregates.buckets, elapsed) },
            alerts: self.detector.alerts(reading.at),
            egress,
            host: self.host.host(),
            neighbours,
            visits: self.logs.visits(limit, &|ip| self.known_of(ip), self.sockets.most_connections(reading.at)),
            log: self.logs.log(limit),
            connections,
            processes,
            drops: self.drops.drops(),
            flows,
            blocks,
            monitor: self.monitor(&traffic, places.geo.as_ref(), beside),
            places,
            traffic,
        }
    }

    /// Everything counted, in sums.
    fn traffic(&self, elapsed: f64) -> Traffic {
        let Self { aggregates, .. } = self;
        let accounting = aggregates.accounting();
        let counted = accounting.counted;
        let (unique_sources, unique_estimated) = aggregates.unique();
        let per_second = |count: u64| if elapsed > 0.0 { count as f64 / elapsed } else { 0.0 };
        let protocols = Protocol::ALL.iter().map(|protocol| (*protocol, aggregates.totals.protocol(*protocol).packets));
        let sizes = SizeBucket::ALL.iter().map(|size| (*size, aggregates.totals.size(*size).packets));
        let events = self.details.newest(NEWEST_EVENTS);
        Traffic {
            packets: counted.packets,
            bytes: counted.bytes,
            avg_pps: per_second(counted.packets),
            avg_bps: per_second(counted.bytes),
            pps: aggregates.packets.rates(&aggregates.buckets, elapsed).current,
            bps: aggregates.bytes.rates(&aggregates.buckets, elapsed).current,
            unique_sources,
            unique_estimated,
            accounting,
            protocols: protocols.filter(|(_, packets)| *packets > 0).collect(),
            tcp_flags: aggregates.tcp_flags().map(|(flags, count)| (TcpFlags(flags as u8), count)).collect(),
            packet_sizes: sizes.collect(),
            classes: lists::amounts(aggregates.interfaces.all().unwrap_or(aggregates.classes)),
            interfaces: aggregates.interfaces.rows(),
            history: self.histories.all.history(),
            events: events.map(|event| EventRow::new(event, self.calendar.offset_ns(event.at_ns))).collect(),
        }
    }

    /// What is sent.
    fn egress(&self, limit: usize, elapsed: f64) -> Option<Egress> {
        let history = self.histories.sent.history();
        Some(self.aggregates.egress.as_ref()?.publish(limit, &self.aggregates.buckets, elapsed, history))
    }

    /// Countries and networks, and where they are from.
    fn places(&self, limit: usize, elapsed: f64) -> Places {
        let Self { aggregates, geo, .. } = self;
        let (countries, rest_countries) = aggregates.regions.country_rows(limit, &aggregates.buckets, elapsed);
        let (networks, rest_networks) = aggregates.regions.network_rows(limit, &aggregates.buckets, elapsed);
        Places { geo: geo.as_ref().map(geo_view), countries, rest_countries, networks, rest_networks }
    }

    /// The monitor itself.
    fn monitor(&self, traffic: &Traffic, geo: Option<&GeoView>, beside: bool) -> Monitor {
        let (exports, replay) = (self.sinks.rows(), self.source.replay());
        let totals = self.aggregates.totals;
        let map = |table: &Table| {
            let capacity = self.source.capacity(*table)?;
            Some(MapRow { table: table.label().into(), entries: self.source.entries(*table), capacity })
        };
        Monitor {
            interfaces: self.interfaces.rows(),
            degraded: self.degraded(traffic.accounting.holds && beside, geo, &exports, replay.as_ref()),
            replay,
            sampling: Sampling { weight: self.sampler.every(), events: totals.events, lost: totals.events_lost },
            maps: Table::ALL.iter().filter_map(map).chain(self.source.log_fill()).collect(),
            tick: self.tick,
            exports,
            sandbox: self.settings.sandbox.clone(),
            hooks: self.actors.rows.clone(),
            overhead: self.self_stats.clone(),
        }
    }

    fn runtime(&self) -> Runtime {
        Runtime {
            filter: self.settings.filter.view(&self.source.interface_names()),
            top: self.settings.top,
            paused: self.paused,
            message: self.message.clone(),
            mode: self.settings.mode,
        }
    }
}

fn geo_view(watcher: &Watcher) -> GeoView {
    GeoView { databases: watcher.current().databases().to_vec(), problems: watcher.problems() }
}
