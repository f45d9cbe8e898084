//! What is known of a process and of a connection, and of both where they have to do with an address.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use nettop_model::{
    format,
    snapshot::{Connection, Way},
};
use nettop_views::services;
use ratatui::text::{Line, Span};

use super::{About, MOST, fact, items};
use crate::panel::picture::Picture;

/// What a process is, and its connections.
pub fn process(picture: &Picture, pid: u32) -> About {
    let snapshot = picture.snapshot;
    let rows = snapshot.processes.iter().flat_map(|processes| &processes.rows);
    let Some(row) = rows.into_iter().find(|row| row.pid == Some(pid)) else {
        let text = "it is not listed: it has no socket, and had none in the last minute";
        return (vec![Line::styled(text, picture.theme.warn)], Vec::new());
    };
    let mut facts: Vec<_> = row.process.iter().map(|name| fact(picture, "process", format::visible(name))).collect();
    for (label, text) in [("runs", &row.executable), ("unit", &row.unit), ("container", &row.container)] {
        facts.extend(text.as_ref().map(|text| fact(picture, label, format::visible(text))));
    }
    facts.extend(row.parent.map(|parent| fact(picture, "parent", parent.to_string())));
    facts.push(fact(picture, "user", row.uid.to_string()));
    facts.extend(row.started_ns.map(|at| {
        let age = format::age(snapshot.meta.now_ns.saturating_sub(at) as f64 / 1e9);
        fact(picture, "started", format!("{} ({age} ago)", format::date(at)))
    }));
    facts.push(fact(picture, "connections", format::count(row.connections, 15)));
    facts.push(fact(picture, "listening", format::count(row.listening, 15)));
    facts.extend(moved(picture, [Some(row.tx_bytes), Some(row.rx_bytes)], [Some(row.tx_bps), Some(row.rx_bps)]));
    let groups = [
        ("command", command(picture)),
        ("connections", connections(picture, |connection| connection.pid == Some(pid))),
    ];
    (facts, groups.into_iter().filter(|(_, lines)| !lines.is_empty()).collect())
}

/// The command line of the process that is looked at, or why it is not known.
fn command(picture: &Picture) -> Vec<Line<'static>> {
    match picture.state.detail.as_ref().and_then(|detail| detail.command.as_ref()) {
        None => Vec::new(),
        Some(Ok(text)) if text.is_empty() => vec![Line::styled("it has none", picture.theme.dim)],
        Some(Ok(text)) => vec![Line::styled(format::visible(text), picture.theme.text)],
        Some(Err(error)) => vec![Line::styled(format::visible(error), picture.theme.dim)],
    }
}

/// What is known of a connection.
pub fn connection(picture: &Picture, cookie: u64) -> About {
    let Some(row) = picture.snapshot.socket(cookie) else {
        return (vec![Line::styled("it has ended", picture.theme.warn)], Vec::new());
    };
    let service = |port| services::name(port).map(|name| format!(" ({name})")).unwrap_or_default();
    let local_port = Some(row.local_port).filter(|_| row.has_port());
    let ends = [
        ("local", Some(local(row)), local_port),
        ("remote", row.remote.map(|address| with_port(address, row.remote_port)), row.remote_port),
    ];
    let ends = ends
        .into_iter()
        .filter_map(|(label, end, port)| Some(fact(picture, label, end? + &port.map(service).unwrap_or_default())));
    let mut facts = vec![fact(picture, "protocol", format::visible(&row.protocol))];
    facts.extend(ends);
    facts.push(fact(picture, "state", format::visible(&row.state)));
    facts.extend(row.direction.map(|way| fact(picture, "direction", way.label().into())));
    for (label, at) in [("opened", row.opened_ns), ("ended", row.ended_ns)] {
        let ago = |at| format::ago(picture.snapshot.meta.now_ns, at);
        facts.extend(at.map(|at| fact(picture, label, format!("{} ({} ago)", format::date(at), ago(at)))));
    }
    facts.extend(row.silent.map(|silent| fact(picture, "moved nothing for", format::duration(silent))));
    let pid = row.pid.map(|pid| format!(" ({pid})")).unwrap_or_default();
    facts.extend(row.process.as_ref().map(|name| fact(picture, "process", format::visible(name) + &pid)));
    facts.extend(row.unit.as_ref().map(|unit| fact(picture, "unit", format::visible(unit))));
    facts.push(fact(picture, "user", row.uid.to_string()));
    facts.extend(row.namespace.map(|inode| fact(picture, "network namespace", inode.to_string())));
    facts.extend(moved(picture, [row.tx_bytes, row.rx_bytes], [row.tx_bps, row.rx_bps]));
    let counts = [("packets sent", row.tx_packets), ("packets received", row.rx_packets)];
    let of_tcp = [("sent again", row.retransmits), ("out of order", row.out_of_order), ("cwnd", row.cwnd)];
    let of_tcp = of_tcp.map(|(label, number)| (label, number.map(u64::from)));
    let queues = [("recv queue", row.rx_queue), ("send queue", row.tx_queue), ("drops", row.drops)];
    let queues = queues.map(|(label, number)| (label, Some(u64::from(number))));
    for (label, number) in counts.into_iter().chain(of_tcp).chain(queues) {
        facts.extend(number.map(|number| fact(picture, label, format::count(number, 15))));
    }
    facts.extend(row.rtt_us.map(|us| fact(picture, "RTT", format!("{:.3} ms", f64::from(us) / 1e3))));
    // Others with the same host.
    let same = |other: &Connection| other.cookie != cookie && other.remote.is_some() && other.remote == row.remote;
    (facts, vec![("same remote", connections(picture, same))])
}

/// This end of a connection, or what a socket without ports takes and where.
fn local(row: &Connection) -> String {
    let (first, second) = row.local_end();
    first + &second
}

fn with_port(address: IpAddr, port: Option<u16>) -> String {
    port.map_or_else(|| address.to_string(), |port| SocketAddr::new(address, port).to_string())
}

/// Bytes and rates, both ways, where they are known.
fn moved(picture: &Picture, bytes: [Option<u64>; 2], bps: [Option<f64>; 2]) -> Vec<Line<'static>> {
    let units = picture.state.units;
    let of = |label, bytes: Option<u64>, bps: Option<f64>| {
        let rate = bps.map(|bps| format!(", {}", units.rate(bps))).unwrap_or_default();
        bytes.map(|bytes| fact(picture, label, units.amount(bytes) + &rate))
    };
    [of("sent", bytes[0], bps[0]), of("received", bytes[1], bps[1])].into_iter().flatten().collect()
}

/// The connections that are meant, the busiest first.
pub fn connections(picture: &Picture, is_meant: impl Fn(&Connection) -> bool) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let line = |row: &Connection| {
        let local = local(row);
        let ends = match row.remote.map(|address| with_port(address, row.remote_port)) {
            Some(remote) => format!("{local} {} {remote}", if row.direction == Some(Way::In) { "←" } else { "→" }),
            None => local,
        };
        let rate = row.tx_bps.unwrap_or_default() + row.rx_bps.unwrap_or_default();
        let units = picture.state.units;
        let moved = row.remote.map(|_| format!(" {}, {}", units.amount(row.bytes()), units.rate(rate)));
        let name = row.process.as_ref().map(|name| format!(" {}", format::visible(name))).unwrap_or_default();
        Line::from(vec![
            Span::styled(ends, theme.address),
            Span::styled(format!(" {}", format::visible(&row.state)), theme.text),
            Span::styled(name, theme.label),
            Span::styled(moved.unwrap_or_default(), theme.value),
        ])
    };
    picture.snapshot.sockets().filter(|row| is_meant(row)).take(MOST).map(line).collect()
}

/// The processes of this host that have connections with an address, and how many each.
pub fn processes_with(picture: &Picture, ip: IpAddr) -> Vec<Line<'static>> {
    let mut counts = BTreeMap::<String, u64>::new();
    for row in picture.snapshot.sockets().filter(|row| row.remote == Some(ip)) {
        let name = match (&row.process, row.pid) {
            (Some(name), Some(pid)) => format!("{} ({pid})", format::visible(name)),
            _ => "not known".into(),
        };
        *counts.entry(name).or_default() += 1;
    }
    items(picture, "", counts.into_iter())
}
