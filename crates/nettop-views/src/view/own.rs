//! The monitor itself: how it is attached, whether its accounts balance, how full its tables are, what confines it, what it samples
//! and costs; and the counters of its host.

use std::borrow::Cow;

use nettop_model::{
    flat, format,
    query::Fact,
    snapshot::{
        Amount, CallsAccounting, Drops, EgressAccounting, Host, HostCpu, HostMemory, Lines, LogAccounting, SelfStats,
        Snapshot, Transferred,
    },
};
use serde::Serialize;

use crate::table::{self, Enter, Id, Meaning, SortKey, Table};

/// One fact.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    part: &'static str,
    name: String,
    value: String,
    note: String,
}

impl flat::Row for Row {
    fn to_flat(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(self)
    }
}

/// The view.
pub static TABLE: Table<Row> = Table {
    name: "Self",
    many: "facts",
    about: "the monitor and its host: attachment, accounts, fill of its tables, sandbox, sampling, cost, the host's counters",
    columns: COLUMNS,
    rows: |snapshot| Cow::Owned(rows(snapshot)),
    unlisted: |_| 0,
    id: |row| Id::Name(format!("{}: {}", row.part, row.name)),
    words: &[],
    facts: |row, see| {
        [row.part, &row.name, &row.value, &row.note].into_iter().for_each(|text| see(Fact::Text(text)));
    },
    enter: |_| Enter::Nowhere,
};

type Column = table::Column<Row>;

const COLUMNS: &[Column] = &[
    Column::text("Part", "which part of the monitor", 2, [10, 11, 12], |row, _| row.part.into())
        .means(Meaning::Label)
        .sorted(|row| SortKey::Text(row.part.into())),
    Column::text("Name", "of what", 0, [16, 24, 34], |row, _| row.name.clone())
        .sorted(|row| SortKey::Text(row.name.clone())),
    Column::text("Value", "how it is", 1, [12, 28, 40], |row, _| row.value.clone()).means(Meaning::Value),
    Column::text("Note", "what else is to say", 3, [10, 40, 400], |row, _| row.note.clone()).means(Meaning::Dim),
];

fn row(part: &'static str, name: &str, value: impl Into<String>, note: impl Into<String>) -> Row {
    let (name, note) = (format::visible(name), format::visible(&note.into()));
    Row { part, name, value: format::visible(&value.into()), note }
}

fn rows(snapshot: &Snapshot) -> Vec<Row> {
    let mut rows = Vec::new();
    for one in &snapshot.monitor.degraded {
        let note = [one.reason.as_str(), &one.remedy].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
        rows.push(row("degraded", &one.what, one.badge.clone(), note.join("; ")));
    }
    if let Some(link) = snapshot.meta.link.as_deref() {
        let note = format!("{} snapshots came too fast for it", format::count(link.missed, 15));
        rows.push(row("this screen", "attached to", link.name.clone(), note));
    }
    for one in &snapshot.monitor.interfaces {
        let mode = one.mode.map_or("not attached".into(), |mode| format!("{mode} XDP"));
        rows.push(row("interface", &one.name, format!("{mode}, {}, MTU {}", one.state, one.mtu), one.note.clone()));
    }
    accounts(snapshot, &mut rows);
    for map in &snapshot.monitor.maps {
        let value = format!("{} of {}", format::count(map.entries, 15), format::count(map.capacity, 15));
        let note = format!("{} full", format::percent(map.entries as f64 / map.capacity.max(1) as f64));
        rows.push(row("kernel map", &map.table, value, note));
    }
    for guard in snapshot.monitor.sandbox.iter() {
        let value = if guard.holds { "holds" } else { "DOES NOT HOLD" };
        rows.push(row("sandbox", &guard.part, value, guard.detail.clone()));
    }
    let sampling = snapshot.monitor.sampling;
    let every = match sampling.weight {
        0 => "off".into(),
        1 => "every packet".into(),
        weight => format!("one packet in {}", format::count(weight.into(), 9)),
    };
    rows.push(row("sampling", "events", every, "detail per source, targets of floods"));
    let lost = format!("{} of {} lost", format::count(sampling.lost, 15), format::count(sampling.events, 15));
    rows.push(row("sampling", "events taken", lost, ""));
    cost(snapshot, &mut rows);
    if let Some(host) = snapshot.host.as_deref() {
        of_host(host, &mut rows);
    }
    for database in snapshot.places.geo.iter().flat_map(|geo| &geo.databases) {
        let note = format!("{} rows not used", format::count(database.bad_rows, 15));
        rows.push(row("places", &database.name, "in force", note));
    }
    for export in &snapshot.monitor.exports {
        let value = format!("{} lines, {} lost", format::count(export.lines, 15), format::count(export.lost, 15));
        rows.push(row("file", &export.path, value, export.error.clone().unwrap_or_default()));
    }
    rows
}

/// Where every packet went: the two equations.
fn accounts(snapshot: &Snapshot, rows: &mut Vec<Row>) {
    let accounting = &snapshot.traffic.accounting;
    let (balance, note) = match (accounting.seen.packets, accounting.holds) {
        (0, _) => ("no packet yet", ""),
        (_, true) => (
            "balance",
            "seen = counted + filtered + not IP + martian + blocked; counted = sources + evicted + untracked",
        ),
        (_, false) => ("DO NOT BALANCE", "please report it, with the output of nettopctl status"),
    };
    rows.push(row("accounts", "equations", balance, note));
    let mut push = |name, Amount { packets, bytes }, note| {
        rows.push(row(
            "accounts",
            name,
            format!("{} packets", format::count(packets, 26)),
            format!("{}{note}", format::bytes(bytes)),
        ));
    };
    push("seen", accounting.seen, "");
    push("counted", accounting.counted, "");
    push("filtered", accounting.filtered, ": rejected by the filter or by pause");
    push("not IP", accounting.not_ip, "");
    push("malformed", accounting.malformed, ": of those not IP");
    push("martian", accounting.martian, ": IPv6 from or to an IPv4-mapped address");
    push("blocked", accounting.blocked, ": dropped, since their source is blocked");
    push("of listed sources", accounting.sources, "");
    push("evicted", accounting.evicted, ": of sources forgotten since");
    push("unadmitted", accounting.unadmitted, ": of those evicted, sources seen too seldom in a flood of new ones");
    push("untracked", accounting.untracked, ": the log of a CPU was full, or it has none");
    sent(snapshot, rows);
    moved(snapshot, rows);
    dropped(snapshot, rows);
    logged(snapshot, rows);
}

/// Where every packet went that was sent.
fn sent(snapshot: &Snapshot, rows: &mut Vec<Row>) {
    let Some(EgressAccounting { seen, not_ip, remotes, evicted, untracked, holds }) =
        snapshot.egress.as_deref().map(|egress| egress.accounting)
    else {
        return;
    };
    rows.push(balance("sent", holds, "seen = not IP + remotes + evicted + untracked"));
    for (name, Amount { packets, bytes }) in
        [("seen", seen), ("not IP", not_ip), ("of remotes", remotes), ("evicted", evicted), ("untracked", untracked)]
    {
        rows.push(row("sent", name, format!("{} packets", format::count(packets, 26)), format::bytes(bytes)));
    }
}

/// Where every byte went that calls on sockets moved.
fn moved(snapshot: &Snapshot, rows: &mut Vec<Row>) {
    let accounting = snapshot.processes.as_deref().and_then(|processes| processes.accounting);
    let Some(CallsAccounting { total, processes, evicted, untracked, nested, ended, ended_untracked, holds }) =
        accounting
    else {
        return;
    };
    rows.push(balance("calls", holds, "total = processes + evicted + untracked"));
    for (name, Transferred { tx_bytes, rx_bytes }) in [
        ("total", total),
        ("of processes", processes),
        ("evicted", evicted),
        ("untracked", untracked),
        ("nested", nested),
    ] {
        let [tx, rx] = [tx_bytes, rx_bytes].map(format::bytes);
        rows.push(row("calls", name, format!("{tx} sent"), format!("{rx} received")));
    }
    let note = format!("{} not one by one", format::count(ended_untracked, 15));
    rows.push(row("calls", "connections ended", format::count(ended, 26), note));
}

/// Where every packet went that the kernel dropped.
fn dropped(snapshot: &Snapshot, rows: &mut Vec<Row>) {
    let Some(Drops { seen, missed, holds, refused: None, .. }) = snapshot.drops.as_deref() else { return };
    rows.push(balance("drops", *holds, "seen = all reasons"));
    let packets = |count: u64| format!("{} packets", format::count(count, 26));
    rows.push(row("drops", "seen", packets(*seen), "in all network namespaces"));
    rows.push(row("drops", "not seen", packets(*missed), "dropped in the middle of the count of another one"));
}

/// Where every line of the logs went, and of each file.
fn logged(snapshot: &Snapshot, rows: &mut Vec<Row>) {
    let Some(visits) = snapshot.visits.as_deref() else { return };
    let LogAccounting { lines, visits: of_visits, evicted, holds } = visits.accounting;
    let Lines { lines, parsed, other_format, malformed, overlong, attributed, no_address, ambiguous, lost_bytes } =
        lines;
    let equations = "lines = parsed + other format + malformed + overlong; parsed = attributed + no address + ambiguous; \
                     attributed = visits + evicted";
    rows.push(balance("logs", holds, equations));
    for (name, count) in [
        ("lines", lines),
        ("parsed", parsed),
        ("other format", other_format),
        ("malformed", malformed),
        ("overlong", overlong),
        ("attributed", attributed),
        ("no address", no_address),
        ("ambiguous", ambiguous),
        ("of visits", of_visits),
        ("evicted", evicted),
    ] {
        rows.push(row("logs", name, format!("{} lines", format::count(count, 26)), ""));
    }
    rows.push(row("logs", "lost", format::bytes(lost_bytes), "gone before they were read"));
    for file in &visits.files {
        let format = if file.format.is_empty() { "no line is understood yet" } else { &file.format };
        let value = format!("{} of {} lines", format::count(file.attributed, 12), format::count(file.lines, 12));
        rows.push(row("log file", &file.path, value, format!("of one address; {format}")));
    }
}

fn balance(subject: &'static str, holds: bool, equation: &str) -> Row {
    match holds {
        true => row(subject, "equations", "balance", equation),
        false => row(subject, "equations", "DO NOT BALANCE", "please report it, with the output of nettopctl status"),
    }
}

fn cost(snapshot: &Snapshot, rows: &mut Vec<Row>) {
    let SelfStats { cpu, memory, kernel_memory, drain_ms, packet_ns, packet_ns_hint, .. } = &snapshot.monitor.overhead;
    let tick = snapshot.monitor.tick;
    let packet = packet_ns.map_or("not measured".into(), |ns| format!("{ns:.0} ns in the kernel"));
    rows.push(row("cost", "packet", packet, packet_ns_hint.clone().unwrap_or_default()));
    let late = format!("{} of {} late", format::count(tick.late, 15), format::count(tick.count, 15));
    rows.push(row("cost", "tick", format!("{:.1} ms every {} s", tick.took_ms, tick.interval), late));
    rows.push(row("cost", "longest reading", format!("{drain_ms:.1} ms"), "since the last tick"));
    rows.push(row("cost", "CPU", format!("{:.1} % of one", cpu * 100.0), ""));
    rows.push(row("cost", "memory", format::bytes(*memory), format!("kernel maps {}", format::bytes(*kernel_memory))));
}

/// The host as far as it is no table of its own: its CPUs, its memory, and which of its counters move.
fn of_host(host: &Host, rows: &mut Vec<Row>) {
    let HostCpu { cpus, busy, softirq, softirq_most } = host.cpu;
    let [busy, softirq, most] = [busy, softirq, softirq_most].map(|share| format::percent(share).trim().to_string());
    let note = format!("soft interrupts, where packets are received: {softirq}, on the busiest CPU {most}");
    rows.push(row("host", &format!("{cpus} CPUs"), format!("{busy} busy"), note));
    let HostMemory { total, available } = host.memory;
    rows.push(row(
        "host",
        "memory",
        format!("{} available", format::bytes(available)),
        format!("of {}", format::bytes(total)),
    ));
    for (name, lost) in &host.lost_60s {
        rows.push(row("host", name, format!("{} lost in the last minute", format::count(*lost, 15)), ""));
    }
    for (name, counter) in host.counters.iter().filter(|(_, counter)| counter.rate > 0.0) {
        let note = format!("{} since the host was started", format::count(counter.total, 26));
        rows.push(row("host", name, format!("{} per second", format::pps(counter.rate)), note));
    }
}
