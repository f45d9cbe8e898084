//! The metrics: a row for each, with what it is of a snapshot.

use nettop_model::{
    order,
    snapshot::{Accounting, Amount, Lines, Snapshot, Visits},
};
use serde_json::Value as Json;

use super::Kept;

/// Series of a family, unless its row says otherwise.
const SOME: usize = 64;
/// There are 249 codes of countries, and two for what has none.
const COUNTRIES: usize = 251;

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A count, which only rises.
    Count(u64),
    /// A number that rises and falls.
    Number(f64),
}

/// Labels and their value.
pub type Series = (Vec<String>, Value);

/// What a family is made from.
pub struct Scrape<'a> {
    /// The newest snapshot.
    pub snapshot: &'a Snapshot,
    /// What is kept between scrapes.
    pub kept: &'a mut Kept,
    /// Seconds since the dashboard was started.
    pub now: f64,
}

/// A family of series.
pub struct Family {
    /// Its name, without `nettop_` and without `_total`.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Whether it only rises.
    pub counts: bool,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// How many series it may have.
    pub most: usize,
    /// Its series.
    pub series: fn(&mut Scrape) -> Vec<Series>,
}

/// Defines [`FAMILIES`].
macro_rules! families {
    ($($kind:ident $name:literal [$($label:literal),*] $(<= $most:expr,)? $help:literal => $series:expr;)+) => {
        /// Every family.
        pub const FAMILIES: &[Family] = &[$(Family {
            name: $name,
            help: $help,
            counts: families!(@counts $kind),
            labels: &[$($label),*],
            most: families!(@most $($most)?),
            series: $series,
        },)+];
    };
    (@counts counter) => { true };
    (@counts gauge) => { false };
    (@most) => { SOME };
    (@most $most:expr) => { $most };
}

families! {
    counter "seen_packets" [] "Every packet the program saw" => |scrape| one(count(scrape.snapshot.traffic.accounting.seen.packets));
    counter "seen_bytes" [] "Their bytes on the wire" => |scrape| one(count(scrape.snapshot.traffic.accounting.seen.bytes));
    counter "packets" ["outcome"] "What became of them; all outcomes sum up to nettop_seen_packets_total" => |scrape| outcomes(scrape, |amount| amount.packets);
    counter "bytes" ["outcome"] "What became of their bytes" => |scrape| outcomes(scrape, |amount| amount.bytes);
    counter "malformed_packets" [] "Of outcome not_ip: claimed to be IP, but were cut short or contradicted themselves" => |scrape| {
        one(count(scrape.snapshot.traffic.accounting.malformed.packets))
    };
    counter "untracked_packets" [] "Counted, but for no source" => |scrape| one(count(scrape.snapshot.traffic.accounting.untracked.packets));
    counter "sent_packets" [] "IP packets sent" => |scrape| sent(scrape.snapshot, |amount| amount.packets);
    counter "sent_bytes" [] "Their bytes on the wire" => |scrape| sent(scrape.snapshot, |amount| amount.bytes);
    counter "protocol_packets" ["protocol"] "Counted packets by protocol" => |scrape| {
        scrape.snapshot.traffic.protocols.iter().map(|(protocol, packets)| (vec![protocol.label().into()], count(*packets))).collect()
    };
    counter "tcp_flags_packets" ["flags"] <= 17, "Packets of TCP by their flags; flags=\"other\": all that have no series" => |scrape| {
        let flags: Vec<_> = scrape.snapshot.traffic.tcp_flags.iter().map(|(flags, packets)| (flags.to_string(), *packets)).collect();
        scrape.kept.flags(&flags)
    };
    counter "packet_size_packets" ["size"] "Counted packets by frame size" => |scrape| {
        scrape.snapshot.traffic.packet_sizes.iter().map(|(size, packets)| (vec![size.label().into()], count(*packets))).collect()
    };
    gauge "unique_sources" [] "Different source addresses; estimated in a flood" => |scrape| one(number(scrape.snapshot.traffic.unique_sources as f64));
    gauge "accounting_holds" ["account"] "Whether an account adds up (1) or not (0)" => |scrape| accounts(scrape.snapshot);
    gauge "interface_attached" ["interface", "mode"] "Whether the program is attached (1) or should be (0)" => |scrape| {
        let rows = scrape.snapshot.monitor.interfaces.iter();
        rows.map(|row| {
            let mode = row.mode.map_or("none".into(), |mode| mode.to_string());
            (vec![row.name.clone(), mode], number(f64::from(u8::from(row.mode.is_some()))))
        }).collect()
    };
    counter "interface_errors" ["interface", "direction"] <= 2 * SOME, "Packets with an error, as the interface counts them" => |scrape| {
        directions(scrape.snapshot, |direction| direction.errors)
    };
    counter "interface_dropped" ["interface", "direction"] <= 2 * SOME, "Packets that the interface dropped, or had no buffer for" => |scrape| {
        directions(scrape.snapshot, |direction| direction.dropped + direction.missed)
    };
    counter "listen_overflows" [] "Connections for which the queue of a listening socket had no room" => |scrape| kernel(scrape.snapshot, "TcpExtListenOverflows");
    counter "listen_drops" [] "SYNs and connections dropped at listening sockets" => |scrape| kernel(scrape.snapshot, "TcpExtListenDrops");
    counter "kernel_dropped_packets" ["reason"] "What the kernel drops, by its reason (--drops)" => |scrape| {
        let reasons = scrape.snapshot.drops.iter().flat_map(|drops| &drops.reasons);
        reasons.map(|row| (vec![row.reason.clone()], count(row.packets))).collect()
    };
    gauge "connections" ["state"] "Sockets of TCP by their state" => |scrape| {
        let states = scrape.snapshot.connections.iter().flat_map(|connections| &connections.states);
        states.map(|(state, sockets)| (vec![state.to_string()], number(*sockets as f64))).collect()
    };
    gauge "degraded" ["badge"] "What does not work as it should" => |scrape| {
        let rows = scrape.snapshot.monitor.degraded.iter();
        grouped(rows.map(|row| vec![badge(&row.badge)]))
    };
    gauge "alert_active" ["kind", "severity"] "Alerts that last" => |scrape| {
        let lasting = scrape.snapshot.alerts.iter().filter(|alert| alert.until_ns.is_none());
        grouped(lasting.map(|alert| vec![alert.kind.to_string(), alert.severity.label().into()]))
    };
    counter "alerts" ["kind"] "Alerts raised since the dashboard was started" => |scrape| scrape.kept.alerts(scrape.snapshot.meta.started_ns, &scrape.snapshot.alerts);
    gauge "map_entries" ["table"] "Entries in use in the kernel's tables" => |scrape| {
        scrape.snapshot.monitor.maps.iter().map(|row| (vec![row.table.to_string()], number(row.entries as f64))).collect()
    };
    gauge "map_capacity" ["table"] "Entries there is room for" => |scrape| {
        scrape.snapshot.monitor.maps.iter().map(|row| (vec![row.table.to_string()], number(row.capacity as f64))).collect()
    };
    gauge "self_cpu_ratio" [] "CPU time of the monitor, 1 is one CPU" => |scrape| one(number(scrape.snapshot.monitor.overhead.cpu));
    gauge "self_memory_bytes" [] "Resident memory of the monitor" => |scrape| one(number(scrape.snapshot.monitor.overhead.memory as f64));
    gauge "snapshot_age_seconds" [] "How old the newest snapshot is; it rises while the monitor is not heard" => |scrape| {
        one(number(scrape.kept.age(scrape.snapshot, scrape.now)))
    };
    counter "log_lines" ["outcome"] "Lines of the logs that are followed; all outcomes sum up to all lines" => |scrape| log_lines(scrape.snapshot, |lines| [
        ("parsed", lines.parsed), ("other_format", lines.other_format), ("malformed", lines.malformed), ("overlong", lines.overlong),
    ]);
    counter "log_parsed_lines" ["address"] "Of outcome parsed: of one address, of none, or to be read in two ways with two addresses" => |scrape| {
        log_lines(scrape.snapshot, |lines| [
            ("one", lines.attributed), ("none", lines.no_address), ("ambiguous", lines.ambiguous),
        ])
    };
    counter "log_lost_bytes" [] "Bytes of logs that were gone before they were read" => |scrape| {
        logs(scrape.snapshot, |visits| count(visits.accounting.lines.lost_bytes))
    };
    gauge "log_behind_seconds" [] "How old the oldest byte of a log is that has not been read" => |scrape| {
        logs(scrape.snapshot, |visits| number(visits.behind))
    };
    gauge "log_suspicious_addresses" [] "Addresses that logs give a reason to look at" => |scrape| {
        logs(scrape.snapshot, |visits| number(visits.suspicious as f64))
    };
    counter "export_lost" ["kind"] "Rows that could not be written to a file, or not in time" => |scrape| {
        scrape.snapshot.monitor.exports.iter().map(|row| (vec![row.kind.label().into()], count(row.lost))).collect()
    };
    counter "country_packets" ["country"] <= COUNTRIES, "Packets by the country of their source" => |scrape| {
        scrape.snapshot.places.countries.iter().map(|row| (vec![row.country_code.to_string()], count(row.sums.packets))).collect()
    };
    counter "country_bytes" ["country"] <= COUNTRIES, "Their bytes" => |scrape| {
        scrape.snapshot.places.countries.iter().map(|row| (vec![row.country_code.to_string()], count(row.sums.bytes))).collect()
    };
    gauge "network_packets_per_second" ["asn", "org"] <= 51, "Packets per second of the last minute by network; asn=\"other\": all that have no series" => |scrape| {
        let rows = scrape.snapshot.places.networks.iter();
        let ranked: Vec<_> = rows.map(|row| ((row.asn.to_string(), row.org.to_string()), row.sums.pps_60s)).collect();
        let (chosen, others) = scrape.kept.networks.choose(scrape.now, &ranked);
        let series = chosen.into_iter().map(|((asn, org), rate)| (vec![asn, org], number(rate)));
        series.chain([(vec!["other".into(), String::new()], number(others))]).collect()
    };
    gauge "port_packets_per_second" ["port"] <= 21, "Packets per second to a port; port=\"other\": all listed ones that have no series" => |scrape| {
        let rows = scrape.snapshot.ports.rows.iter();
        let mut ranked: Vec<_> = rows.map(|row| (row.port, row.pps.unwrap_or_default())).collect();
        order::sort_by(&mut ranked, |one, other| other.1.total_cmp(&one.1));
        let (chosen, others) = scrape.kept.ports.choose(scrape.now, &ranked);
        let series = chosen.into_iter().map(|(port, rate)| (vec![port.to_string()], number(rate)));
        series.chain([(vec!["other".into()], number(others))]).collect()
    };
    gauge "top_source_packets_per_second" ["source", "country", "asn"] <= 51, "Packets per second of the last minute by source (--metrics-sources); source=\"other\": all that have no series" => |scrape| {
        scrape.kept.sources(scrape.snapshot, scrape.now)
    };
}

fn count(count: u64) -> Value {
    Value::Count(count)
}

fn number(number: f64) -> Value {
    Value::Number(number)
}

fn one(value: Value) -> Vec<Series> {
    vec![(Vec::new(), value)]
}

/// Words that a figure stands behind in some badges: `detail 1 in 4` is one badge, whatever the figure.
fn badge(badge: &str) -> String {
    let digits = |word: &&str| !word.bytes().any(|byte| byte.is_ascii_digit());
    badge.split_whitespace().filter(digits).collect::<Vec<_>>().join(" ")
}

/// How often each set of labels comes.
fn grouped(labels: impl Iterator<Item = Vec<String>>) -> Vec<Series> {
    let mut counted = std::collections::BTreeMap::<Vec<String>, u64>::new();
    labels.for_each(|labels| *counted.entry(labels).or_default() += 1);
    counted.into_iter().map(|(labels, times)| (labels, number(times as f64))).collect()
}

/// The parts that everything seen is the sum of; a newer monitor may have more of them than this list, an older one fewer.
const OUTCOMES: [&str; 5] = ["counted", "filtered", "not_ip", "martian", "blocked"];

fn outcomes(scrape: &Scrape, of: fn(Amount) -> u64) -> Vec<Series> {
    let accounting: Accounting = scrape.snapshot.traffic.accounting;
    let fields = serde_json::to_value(accounting).unwrap_or(Json::Null);
    let amount = |name: &str| serde_json::from_value(fields.get(name)?.clone()).ok();
    OUTCOMES.iter().filter_map(|name| Some((vec![name.to_string()], count(of(amount(name)?))))).collect()
}

fn sent(snapshot: &Snapshot, of: fn(Amount) -> u64) -> Vec<Series> {
    let egress = snapshot.egress.as_deref();
    egress.map_or(Vec::new(), |egress| one(count(of(Amount { packets: egress.packets, bytes: egress.bytes }))))
}

fn accounts(snapshot: &Snapshot) -> Vec<Series> {
    let accounts = [
        Some(("received", snapshot.traffic.accounting.holds)),
        snapshot.egress.as_deref().map(|egress| ("sent", egress.accounting.holds)),
        snapshot.processes.as_deref().and_then(|processes| Some(("calls", processes.accounting?.holds))),
        snapshot.drops.as_deref().map(|drops| ("drops", drops.holds)),
        snapshot.flows.as_deref().map(|flows| ("flows", flows.accounting.holds)),
        snapshot.visits.as_deref().map(|visits| ("logs", visits.accounting.holds)),
    ];
    let series = |(name, holds): (&str, bool)| (vec![name.to_string()], number(f64::from(u8::from(holds))));
    accounts.into_iter().flatten().map(series).collect()
}

fn logs(snapshot: &Snapshot, of: fn(&Visits) -> Value) -> Vec<Series> {
    snapshot.visits.as_deref().map_or(Vec::new(), |visits| one(of(visits)))
}

fn log_lines<const N: usize>(snapshot: &Snapshot, of: fn(&Lines) -> [(&'static str, u64); N]) -> Vec<Series> {
    let parts = snapshot.visits.as_deref().map(|visits| of(&visits.accounting.lines));
    parts.into_iter().flatten().map(|(name, lines)| (vec![name.into()], count(lines))).collect()
}

fn directions(snapshot: &Snapshot, of: fn(&nettop_model::snapshot::HostDirection) -> u64) -> Vec<Series> {
    let interfaces = snapshot.host.iter().flat_map(|host| &host.interfaces).take(SOME);
    interfaces
        .flat_map(|row| {
            [("in", &row.rx), ("out", &row.tx)].map(|(way, it)| (vec![row.name.clone(), way.into()], count(of(it))))
        })
        .collect()
}

fn kernel(snapshot: &Snapshot, name: &str) -> Vec<Series> {
    let counters = snapshot.host.iter().flat_map(|host| &host.counters);
    counters.filter(|(one, _)| **one == *name).flat_map(|(_, counter)| one(count(counter.total))).collect()
}
