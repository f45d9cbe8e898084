//! From the books to a [`Snapshot`].

use std::{cmp::Reverse, collections::BTreeMap, net::IpAddr, sync::Arc};

use nettop_common::{
    Address, Protocol, SourceCounters, Tally,
    counters::{SizeBucket, Table},
};
use nettop_export::log::Log;
use nettop_geo::{Database, Watcher};
use nettop_model::snapshot::{
    AllSources, Counted, DEFAULT_LIMIT, Degraded, DestinationRow, EventRow, ExportRow, GeoView, LinkRow, Mac, MacRow,
    MapRow, Others, PortRow, Replay, Rest, Runtime, Sampling, Snapshot, SourceRow, Sources, Subject, TcpFlags,
};

use super::{Engine, books::Books, outlets};
use crate::{ledger::Account, rates::Rates};

/// Sampled packets that a snapshot carries.
const NEWEST_EVENTS: usize = 50;
/// Busiest ports that a snapshot names.
const TOP_PORTS: usize = 20;

impl Engine {
    /// Everything as it is now, with at most `limit` (0: all) rows in each list.
    pub(super) fn snapshot(&self, limit: usize) -> Snapshot {
        let Self { books, reading, .. } = self;
        let elapsed = reading.at.seconds_since(&books.started);
        let totals = books.totals;
        let accounting = books.accounting();
        let counted = accounting.counted;
        let unique = books.unique();
        let per_second = |count: u64| if elapsed > 0.0 { count as f64 / elapsed } else { 0.0 };
        let (ips, others, rest) = self.sources(limit, counted.packets, elapsed);
        let geo = self.geo.as_ref().map(geo_view);
        let exports = self.outlets.rows();
        let replay = self.source.replay();
        let (countries, other_countries) = books.regions.country_rows(limit, &books.slots, elapsed);
        let (networks, other_networks) = books.regions.network_rows(limit, &books.slots, elapsed);
        let (prefixes, other_prefixes) = books.prefixes.rows(limit, &books.slots, elapsed);
        let (macs, other_macs) = self.mac_rows(limit, elapsed);
        let (dst_ips, destinations, other_dst_ips) = self.destinations(limit, elapsed);
        let all_dst_ports: Vec<_> = books.dst_ports().map(|(port, count)| (port as u16, count)).collect();
        let top_dst_ports = top_ports(&all_dst_ports);
        let (dst_ports, other_dst_ports) = busiest(all_dst_ports, limit);
        let src_ports = books.src_ports().map(|(port, count)| (port as u16, count)).collect();
        let (src_ports, other_src_ports) = busiest(src_ports, limit);
        let ports = if is_usual(limit) { self.port_rows(&dst_ports, &src_ports) } else { Vec::new() };
        Snapshot {
            runtime: self.runtime(),
            link: None,
            started_ns: books.started.unix_ns,
            now_ns: reading.at.unix_ns,
            elapsed,
            total_packets: counted.packets,
            total_bytes: counted.bytes,
            avg_pps: per_second(counted.packets),
            avg_bps: per_second(counted.bytes),
            current_pps: books.packets.rates(&books.slots, elapsed).current,
            current_bps: books.bytes.rates(&books.slots, elapsed).current,
            unique_ips: unique.0,
            unique_estimated: unique.1,
            filtered_packets: accounting.filtered.packets,
            ips,
            rest: Rest {
                sources: others,
                packets: rest.packets,
                bytes: rest.bytes,
                countries: other_countries,
                networks: other_networks,
                prefixes: other_prefixes,
                macs: other_macs,
                dst_ips: other_dst_ips,
                dst_ports: other_dst_ports,
                src_ports: other_src_ports,
            },
            countries,
            networks,
            prefixes,
            top_prefixes: books.prefixes.telling(&books.slots, elapsed),
            degraded: self.degraded(accounting.holds, geo.as_ref(), &exports, replay.as_ref()),
            geo,
            macs,
            protocols: Protocol::ALL
                .iter()
                .map(|protocol| (*protocol, totals.protocol(*protocol).packets))
                .filter(|(_, packets)| *packets > 0)
                .collect(),
            top_dst_ports,
            dst_ports,
            src_ports,
            dst_ips,
            destinations,
            ports,
            tcp_flags: books.tcp_flags().map(|(flags, count)| (TcpFlags(flags as u8), count)).collect(),
            packet_sizes: SizeBucket::ALL.iter().map(|size| (*size, totals.size(*size).packets)).collect(),
            last_events: self
                .details
                .newest(NEWEST_EVENTS)
                .map(|event| EventRow::new(event, self.calendar.offset_ns(event.at_ns)))
                .collect(),
            accounting,
            interfaces: self.interfaces.rows(),
            host: self.host.host(),
            history: self.histories.all.history(),
            alerts: self.detector.alerts(reading.at),
            exports,
            sampling: Sampling { weight: self.sampler.every(), events: totals.events, lost: totals.events_lost },
            maps: Table::ALL
                .iter()
                .filter_map(|table| {
                    let capacity = self.source.capacity(*table)?;
                    Some(MapRow { table: *table, entries: self.source.entries(*table), capacity })
                })
                .collect(),
            tick: self.tick,
            sandbox: self.settings.sandbox.clone(),
            own: self.own,
            replay,
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

    /// Sources, and sums over those left out.
    fn sources(&self, limit: usize, packets: u64, elapsed: f64) -> (Sources, u64, Tally) {
        let Self { books, details, calendar, .. } = self;
        // Of many as little as possible here, where packets wait to be read: whoever writes the rows makes them.
        let all = |counted| {
            let (geo, details) = (books.regions.geo().cloned(), details.all());
            Sources::All(Arc::new(AllSources { counted, packets, calendar: calendar.clone(), geo, details }))
        };
        if limit == 0 {
            let counted = books.sources.iter().map(|(key, account)| self.counted(key, account, elapsed)).collect();
            return (all(counted), 0, Tally::default());
        }
        let (keys, others, rest) = books.sources.top(limit);
        let counted = keys.iter().filter_map(|key| Some(self.counted(key, books.sources.get(key)?, elapsed)));
        if limit > DEFAULT_LIMIT {
            return (all(counted.collect()), others, rest);
        }
        let rows = counted.map(|counted| {
            let source = &counted.address;
            let detail = details.get(source).map(Arc::clone);
            SourceRow::new(&counted, packets, calendar, books.regions.place(source), detail)
        });
        (Sources::Rows(rows.collect()), others, rest)
    }

    fn counted(&self, address: &Address, account: &Account<SourceCounters>, elapsed: f64) -> Counted {
        let since_first = self.reading.at.monotonic_ns.saturating_sub(account.total.first_ns) as f64 / 1e9;
        let Rates { current, ten_seconds, minute, peak, low } =
            account.history.rates(&self.books.slots, since_first.min(elapsed));
        Counted {
            address: *address,
            total: account.total,
            lacks: account.note.lacks(),
            pps: current,
            pps_10s: ten_seconds,
            pps_60s: minute,
            peak_pps: peak,
            low_pps: low,
        }
    }

    /// MACs, as source and as destination, most packets first; and the others.
    fn mac_rows(&self, limit: usize, elapsed: f64) -> (Vec<MacRow>, Others) {
        let mut by_mac: BTreeMap<Mac, MacRow> = BTreeMap::new();
        for (pair, account) in self.books.macs.iter() {
            let rates = account.history.rates(&self.books.slots, elapsed);
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
        rows.sort_by_key(|row| Reverse(row.packets));
        let others = rows.split_off(kept(rows.len(), limit));
        let packets = others.iter().map(|row| row.packets).sum();
        (rows, Others { rows: others.len() as u64, packets, bytes: None })
    }

    /// Destinations as JSON has them and as the screen has them; and the others.
    fn destinations(&self, limit: usize, elapsed: f64) -> (Vec<(IpAddr, u64)>, Vec<DestinationRow>, Others) {
        let Books { destinations, slots, .. } = &self.books;
        let (addresses, rows, Tally { packets: others, bytes }) = destinations.top(limit);
        let accounts = || addresses.iter().filter_map(|address| Some((address.to_ip(), destinations.get(address)?)));
        let listed = accounts().map(|(ip, account)| (ip, account.total.packets)).collect();
        let row = |(ip, account): (IpAddr, &Account<Tally>)| {
            let Tally { packets, bytes } = account.total;
            let Rates { current: pps, minute: pps_60s, peak: peak_pps, .. } = account.history.rates(slots, elapsed);
            DestinationRow { ip, packets, bytes, pps, pps_60s, peak_pps, at_least: account.note.lacks() }
        };
        let usual = if is_usual(limit) { accounts().map(row).collect() } else { Vec::new() };
        (listed, usual, Others { rows, packets: others, bytes: Some(bytes) })
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
        rows.sort_by_key(|row| (Reverse(row.packets), Reverse(row.from_packets)));
        rows
    }

    /// What does not work as it should.
    fn degraded(
        &self,
        holds: bool,
        geo: Option<&GeoView>,
        exports: &[ExportRow],
        replay: Option<&Replay>,
    ) -> Vec<Degraded> {
        let mut rows = self.interfaces.degraded();
        let mut push = |badge: &str, what: String, reason: String, remedy: &str| {
            rows.push(Degraded { badge: badge.to_string(), what, reason, remedy: remedy.to_string() });
        };
        for table in Table::ALL.iter().filter(|table| self.full.contains(table)) {
            push(
                &format!("{} untracked", table.label()),
                format!("more {} than there are slots", table.label()),
                "they came within a tenth of a second; the packets of the others are counted as untracked".into(),
                "none in a flood; else a larger --map-memory",
            );
        }
        let passed = self.books.sources.passed().packets.saturating_sub(self.passed);
        if passed > 0 {
            push(
                "sources passed",
                "more new sources than there is room for".into(),
                format!(
                    "{passed} packets of sources seen once or so are only in the sums; busy and steady ones are listed"
                ),
                "none in a flood; else a larger --max-sources",
            );
        }
        let lacking = [
            ("sources", self.books.sources.lacking(), "a larger --max-sources"),
            ("destinations", self.books.destinations.lacking(), "a filter, if few of them matter"),
            ("MAC pairs", self.books.macs.lacking(), "a filter, if few of them matter"),
        ];
        for (rows, count, remedy) in lacking.into_iter().filter(|(_, count, _)| *count > 0) {
            push(
                &format!("{rows} incomplete"),
                format!("{count} {rows} lack packets that came before they were remembered"),
                "there was no room for them, or they may have been among those there was none for; these packets are in \
                 the sums, the rows are marked with ≥"
                    .into(),
                &format!("a reset counts everybody anew; {remedy}"),
            );
        }
        for part in &self.settings.without {
            let what = format!("{} are not counted", part.label());
            push(&format!("no {}", part.label()), what, "--without was asked for".into(), "start without that option");
        }
        if !holds {
            push(
                "UNBALANCED",
                "the accounts do not balance".into(),
                "the sums over sources differ from the kernel's totals".into(),
                "please report it, with the output of nettopctl status",
            );
        }
        for Database { name, bad_rows, problems, .. } in geo.iter().flat_map(|geo| &geo.databases) {
            if *bad_rows > 0 {
                let what = format!("{bad_rows} rows of {name} are not used");
                push("bad places", what, problems.join("; "), "mend these rows: the file is then read again");
            }
        }
        for problem in geo.iter().flat_map(|geo| &geo.problems) {
            push(
                "places",
                "a database of places does not serve as it should".into(),
                problem.clone(),
                "mend the file, or name another: what it does not tell is taken from the others",
            );
        }
        for LinkRow { number, name, packets, .. } in
            replay.iter().flat_map(|replay| &replay.link_types).filter(|link| !link.supported)
        {
            push(
                &format!("link type {number}"),
                format!("{packets} packets of link type {number} {name}"),
                "nettop does not look into it; they count as not IP".into(),
                "capture on another interface",
            );
        }
        for LinkRow { number, name, packets, first_bytes, remedy, .. } in
            replay.iter().flat_map(|replay| replay.without_ip())
        {
            push(
                "no IP",
                format!("none of {packets} packets of link type {number} {name} is IP"),
                format!("the first begins with {first_bytes}"),
                remedy,
            );
        }
        if let Some(silence) = replay.and_then(Replay::silent_for) {
            push(
                &format!("no data for {silence}"),
                "nothing comes through the pipe".into(),
                format!("for {silence}, so rates fall; what comes later is counted"),
                "none where nothing happens; else look at what writes it (tcpdump gathers packets without -U)",
            );
        }
        if let Some(error) = replay.and_then(|replay| replay.error.as_ref()) {
            push(
                "capture broken",
                "the capture was not read to its end".into(),
                error.clone(),
                "what came before is counted",
            );
        }
        if self.sampler.every() > 1 {
            push(
                &format!("detail 1 in {}", self.sampler.every()),
                "detail per source is estimated".into(),
                format!("one packet in {} is sampled; counts are exact", self.sampler.every()),
                "a higher --event-rate",
            );
        }
        rows.extend(self.host.degraded());
        rows.extend(self.collectors.degraded());
        rows.extend(self.missed.degraded(self.reading.at));
        rows.extend(outlets::degraded(exports));
        rows.extend(self.settings.log.iter().filter_map(Log::degraded));
        rows.extend(self.settings.found.iter().cloned());
        rows
    }
}

fn geo_view(watcher: &Watcher) -> GeoView {
    GeoView { databases: watcher.current().databases().to_vec(), problems: watcher.problems() }
}

/// Whether it is the limit of what is published at each tick, which the screen shows.
fn is_usual(limit: usize) -> bool {
    limit == DEFAULT_LIMIT
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

/// The busiest ports, most packets first.
fn top_ports(ports: &[(u16, u64)]) -> Vec<(u16, u64)> {
    let mut top = ports.to_vec();
    let by_count = |(port, count): &(u16, u64)| (Reverse(*count), *port);
    if top.len() > TOP_PORTS {
        top.select_nth_unstable_by_key(TOP_PORTS, by_count);
        top.truncate(TOP_PORTS);
    }
    top.sort_unstable_by_key(by_count);
    top
}
