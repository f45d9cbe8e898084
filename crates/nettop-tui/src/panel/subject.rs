//! What is known of one source, destination, port or prefix: facts, then groups of items. Processes and connections are in
//! `sockets`.

mod sockets;
mod visits;

use std::net::IpAddr;

use nettop_model::{
    format, order,
    snapshot::{Amount, Prefix, SourceRow, Subject, Sums},
};
use nettop_views::{services, text};
use ratatui::text::{Line, Span};

use super::picture::Picture;
use crate::flow;

/// Facts, and groups by name, each most important item first.
pub type About = (Vec<Line<'static>>, Vec<(&'static str, Vec<Line<'static>>)>);

/// Items of a group.
pub const MOST: usize = 24;

/// What logs claim of it: sums, then reasons, a line each.
pub fn visit(picture: &Picture, columns: usize) -> Vec<Line<'static>> {
    let mut drawn = flow::flow(visits::facts(picture), columns, 3);
    let reasons = visits::reasons(picture);
    let wrapped = reasons.iter().flat_map(|reason| text::wrap(reason, columns));
    drawn.extend(wrapped.map(|line| Line::styled(line, picture.theme.warn)));
    drawn
}

/// Lines of logs about it, the newest first.
pub fn log(picture: &Picture) -> Vec<Line<'static>> {
    visits::lines(picture)
}

/// Everything of one thing.
pub fn about(picture: &Picture, subject: Subject) -> About {
    match subject {
        Subject::Source(ip) => source(picture, ip),
        Subject::Destination(ip) => destination(picture, ip),
        Subject::Port(port) => self::port(picture, port),
        Subject::Prefix(prefix) => self::prefix(picture, prefix),
        Subject::Process(pid) => sockets::process(picture, pid),
        Subject::Connection(cookie) => sockets::connection(picture, cookie),
    }
}

fn fact(picture: &Picture, label: &str, value: String) -> Line<'static> {
    let theme = picture.theme;
    Line::from(vec![Span::styled(format!("{label} "), theme.label), Span::styled(value, theme.value)])
}

/// Where it is not among the rows of the snapshot.
fn unlisted(picture: &Picture) -> About {
    let text = "it is not listed: too little came, or it was forgotten";
    (vec![Line::styled(text, picture.theme.warn)], Vec::new())
}

fn amounts(picture: &Picture, packets: u64, bytes: Option<u64>) -> Vec<Line<'static>> {
    let share = packets as f64 / picture.snapshot.traffic.packets.max(1) as f64;
    let mut facts = vec![fact(picture, "packets", format::count(packets, 26))];
    facts.extend(bytes.map(|bytes| fact(picture, "bytes", picture.state.units.amount(bytes))));
    facts.push(fact(picture, "share", format::percent(share)));
    facts
}

fn rates(picture: &Picture, rates: &[(&str, f64)]) -> Line<'static> {
    let text: Vec<_> = rates.iter().map(|(name, rate)| format!("{name} {}", format::pps(*rate))).collect();
    fact(picture, "pps", text.join(", "))
}

fn source(picture: &Picture, ip: IpAddr) -> About {
    let snapshot = picture.snapshot;
    let is_gateway = snapshot.gateways().contains(&ip);
    let mut facts: Vec<_> = is_gateway.then(|| fact(picture, "is", "the default gateway".into())).into_iter().collect();
    facts.extend(neighbour(picture, ip));
    let Some(row) = snapshot.sources.rows.iter().find(|row| row.ip == ip) else {
        facts.extend(unlisted(picture).0);
        return (facts, beside(picture, ip));
    };
    if let Some(place) = &row.place {
        let name =
            [place.city.as_str(), &place.country].into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>();
        facts.push(fact(picture, "in", format::country(place.country_code, &name.join(", "), picture.theme.flags)));
        if place.asn != 0 {
            facts.push(fact(picture, "network", format::network(place.asn, &place.org)));
        }
    }
    for (label, at) in [("first", row.first_ns), ("last", row.last_ns)] {
        let ago = format::ago(snapshot.meta.now_ns, at);
        facts.push(fact(picture, label, format!("{} ({ago} ago)", format::date(at))));
    }
    if let Some(since) = row.since {
        let text = format!("≥ counted since {}: it was forgotten, or had no room, before", format::date(since));
        facts.push(Line::styled(text, picture.theme.warn));
    }
    facts.extend(amounts(picture, row.packets, Some(row.bytes)));
    if let Some(sent) = row.sent {
        let packets = format::at_least(sent.at_least, sent.packets, 15);
        let sent =
            format!("{packets} packets, {}, {} pps", picture.state.units.amount(sent.bytes), format::pps(sent.pps));
        facts.push(fact(picture, "sent to it", sent));
    }
    let SourceRow { pps, pps_10s, pps_60s, low_pps, peak_pps, .. } = *row;
    let paces = [("now", pps), ("10s", pps_10s), ("60s", pps_60s), ("low", low_pps), ("peak", peak_pps)];
    facts.push(rates(picture, &paces));
    for (label, packets) in [("SYN", row.syn), ("UDP", row.udp), ("ICMP", row.icmp)] {
        facts.push(fact(picture, label, format::count(packets, 15)));
    }
    let Some(detail) = &row.detail else {
        let text = "no detail: others send more, or none of it was sampled yet; ports, flags and MACs are not known";
        facts.push(Line::styled(text, picture.theme.warn));
        return (facts, beside(picture, ip));
    };
    let mark = if detail.estimated { "~" } else { "" };
    let port = |port: &u16| port_name(picture, *port);
    let mut groups = vec![
        ("protocols", items(picture, mark, detail.protocols.iter().map(|(key, n)| (key.to_string(), *n)))),
        ("dst ports", items(picture, mark, detail.dst_ports.iter().map(|(key, n)| (port(key), *n)))),
        ("src ports", items(picture, mark, detail.src_ports.iter().map(|(key, n)| (port(key), *n)))),
        ("tcp flags", items(picture, mark, detail.tcp_flags.iter().map(|(key, n)| (key.to_string(), *n)))),
        ("MACs", items(picture, mark, detail.macs.iter().map(|(key, n)| (key.to_string(), *n)))),
    ];
    if detail.estimated {
        let text = "~ estimated: sampled, begun late, or more kinds than are kept";
        facts.push(Line::styled(text, picture.theme.warn));
    }
    groups.extend(beside(picture, ip));
    (facts, groups)
}

/// What logs claim of an address, and what this host has to do with it.
fn beside(picture: &Picture, ip: IpAddr) -> Vec<(&'static str, Vec<Line<'static>>)> {
    visits::groups(picture).into_iter().chain(of_this_host(picture, ip)).collect()
}

/// The connections that this host has with an address, and the processes that have them, where there are any.
fn of_this_host(picture: &Picture, ip: IpAddr) -> Vec<(&'static str, Vec<Line<'static>>)> {
    let groups = [
        ("processes", sockets::processes_with(picture, ip)),
        ("connections", sockets::connections(picture, |row| row.remote == Some(ip))),
    ];
    groups.into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
}

fn destination(picture: &Picture, ip: IpAddr) -> About {
    let Some(row) = picture.snapshot.destinations.rows.iter().find(|row| row.ip == ip) else {
        return unlisted(picture);
    };
    let mut facts = amounts(picture, row.packets, Some(row.bytes));
    facts.push(rates(picture, &[("now", row.pps), ("60s", row.pps_60s), ("peak", row.peak_pps)]));
    let classes = row.classes.iter().map(|(class, amount)| (class.label(), *amount));
    let classes = by_class(picture, row.packets, classes.collect());
    // Of all that was sampled lately, what went there.
    let events = || picture.snapshot.traffic.events.iter().filter(|event| event.dst_ip == ip);
    let sampled = |key: &dyn Fn(&nettop_model::snapshot::EventRow) -> String| {
        let mut counts = std::collections::BTreeMap::<String, u64>::new();
        events().for_each(|event| *counts.entry(key(event)).or_default() += u64::from(event.weight));
        items(picture, "~", counts.into_iter())
    };
    let groups = vec![
        ("by class", classes),
        ("lately from", sampled(&|event| event.src_ip.to_string())),
        ("to ports", sampled(&|event| port_name(picture, event.dst_port))),
        ("protocols", sampled(&|event| event.proto.to_string())),
    ];
    (facts, groups)
}

/// As a neighbour: its MAC, and how often either asked for the other and answered.
fn neighbour(picture: &Picture, ip: IpAddr) -> Vec<Line<'static>> {
    let rows = picture.snapshot.neighbours.as_deref().map_or([].as_slice(), |neighbours| &neighbours.rows);
    let Some(row) = rows.iter().find(|row| row.ip == ip) else { return Vec::new() };
    let mac = row.mac.map_or("–".into(), |mac| mac.to_string());
    let place = format!("{mac} at {}, {}", format::visible(&row.interface), format::visible(&row.state));
    let mut facts = vec![fact(picture, "neighbour", place)];
    let protocol = if ip.is_ipv4() { "ARP" } else { "ND" };
    for (way, requests, answers) in
        [("it sent", row.requests, row.answers), ("sent to it", row.requests_sent, row.answers_sent)]
    {
        if let (Some(requests), Some(answers)) = (requests, answers) {
            let (requests, answers) = (format::count(requests, 15), format::count(answers, 15));
            facts.push(fact(picture, protocol, format!("{way}: {requests} requests, {answers} answers")));
        }
    }
    facts
}

/// Packets, their share, and bytes of each class, most packets first.
fn by_class(picture: &Picture, all: u64, mut classes: Vec<(&'static str, Amount)>) -> Vec<Line<'static>> {
    let theme = picture.theme;
    order::sort_by_key(&mut classes, |(_, amount)| std::cmp::Reverse(amount.packets));
    let line = |(name, Amount { packets, bytes }): (&'static str, Amount)| {
        Line::from(vec![
            Span::styled(name, theme.text),
            Span::styled(format!(" {} ", format::short(packets)), theme.value),
            Span::styled(format::percent_short(packets, all), theme.dim),
            Span::styled(format!(" {}", picture.state.units.amount(bytes)), theme.value),
        ])
    };
    classes.into_iter().map(line).collect()
}

fn port(picture: &Picture, port: u16) -> About {
    let Some(row) = picture.snapshot.ports.rows.iter().find(|row| row.port == port) else { return unlisted(picture) };
    let mut facts = Vec::new();
    facts.extend(services::name(port).map(|name| fact(picture, "service", name.into())));
    facts.extend(amounts(picture, row.packets, None));
    facts.extend(row.pps.map(|pps| rates(picture, &[("now", pps)])));
    facts.push(fact(picture, "packets from it", format::count(row.from_packets, 26)));
    let sources = || picture.snapshot.sources.rows.iter();
    let senders = sources().filter_map(|row| Some((row.ip.to_string(), *row.detail.as_ref()?.dst_ports.get(&port)?)));
    let without = sources().filter(|row| row.detail.is_none()).count();
    if without > 0 {
        let text = format::unjudged(without);
        facts.push(Line::styled(text, picture.theme.warn));
    }
    (facts, vec![("sources", items(picture, "~", senders))])
}

fn prefix(picture: &Picture, prefix: Prefix) -> About {
    let rows = picture.snapshot.prefixes.lengths.iter().flat_map(|(_, rows)| rows);
    let Some(row) = rows.into_iter().find(|row| row.prefix == prefix) else { return unlisted(picture) };
    let Sums { ips, packets, bytes, pps, pps_60s } = row.sums;
    let mut facts = amounts(picture, packets, Some(bytes));
    facts.push(fact(picture, "sources remembered", format::count(ips, 15)));
    facts.push(rates(picture, &[("now", pps), ("60s", pps_60s)]));
    let sources = picture.snapshot.sources.rows.iter().filter(|row| prefix.contains(row.ip));
    (facts, vec![("sources", items(picture, "", sources.map(|row| (row.ip.to_string(), row.packets))))])
}

fn port_name(picture: &Picture, port: u16) -> String {
    match port {
        0 => "no port".into(),
        port => services::labelled(port, picture.state.options.numeric),
    }
}

/// Keys with their packets, most first; `mark` stands before estimates.
fn items(picture: &Picture, mark: &str, counts: impl Iterator<Item = (String, u64)>) -> Vec<Line<'static>> {
    most(picture, mark, counts.collect())
}

fn most(picture: &Picture, mark: &str, mut counts: Vec<(String, u64)>) -> Vec<Line<'static>> {
    let theme = picture.theme;
    order::sort_by_key(&mut counts, |(_, packets)| std::cmp::Reverse(*packets));
    let all: u64 = counts.iter().map(|(_, packets)| packets).sum();
    let item = |(name, packets): (String, u64)| {
        let value = format!(" {mark}{} ", format::short(packets));
        let share = format::percent_short(packets, all);
        Line::from(vec![
            Span::styled(name, theme.text),
            Span::styled(value, theme.value),
            Span::styled(share, theme.dim),
        ])
    };
    counts.into_iter().take(MOST).map(item).collect()
}
