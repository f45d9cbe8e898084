//! The session summary, printed at the end.

use std::fmt::Write as _;

use nettop_model::{
    snapshot::{Accounting, ExportRow, GeoView, LinkRow, Place, PrefixRow, Replay, Snapshot, Sums},
    visible::visible,
};

/// Sources, and prefixes, that the summary names.
const TOP: usize = 10;

/// The summary as text, one fact per line.
pub fn text(snapshot: &Snapshot) -> String {
    let Snapshot { meta, traffic, sources, places, prefixes, monitor, .. } = snapshot;
    let (elapsed, total_packets, total_bytes, avg_pps) =
        (meta.elapsed, traffic.packets, traffic.bytes, traffic.avg_pps);
    let unique_ips = traffic.unique_sources;
    let (ips, accounting, geo) = (&sources.rows, &traffic.accounting, &places.geo);
    let (exports, replay, top_prefixes) = (&monitor.exports, &monitor.replay, &prefixes.top);
    let Accounting { seen, filtered, not_ip, martian, blocked, evicted, untracked, holds, .. } = accounting;
    let about = if traffic.unique_estimated { "~" } else { "" };
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "Session summary, {elapsed:.1} s");
    let _ = writeln!(text, "  packets      {total_packets}");
    let _ = writeln!(text, "  bytes        {total_bytes}");
    let _ = writeln!(text, "  unique IPs   {about}{unique_ips}");
    let _ = writeln!(text, "  average pps  {avg_pps:.1}");
    let more = |packets, what| if packets > 0 { format!(" + {packets} {what}") } else { String::new() };
    let more = more(martian.packets, "martian") + &more(blocked.packets, "blocked");
    let _ = writeln!(
        text,
        "  accounting   {} seen = {total_packets} counted + {} filtered + {} not IP{more}{}",
        seen.packets,
        filtered.packets,
        not_ip.packets,
        if *holds { "" } else { " (does not balance)" }
    );
    if untracked.packets > 0 || evicted.packets > 0 {
        let _ =
            writeln!(text, "  of counted   {} untracked, {} of forgotten sources", untracked.packets, evicted.packets);
    }
    if let Some(replay) = replay {
        let _ = writeln!(text, "  capture      {}", capture(replay));
        for LinkRow { number, name, first_bytes, remedy, .. } in replay.without_ip() {
            let _ = writeln!(
                text,
                "  no IP        in link type {number} {name}: the first begins with {}; {}",
                visible(first_bytes),
                visible(remedy)
            );
        }
    }
    let _ = writeln!(text, "  geography    {}", geography(geo.as_ref()));
    for problem in geo.iter().flat_map(|geo| &geo.problems) {
        let _ = writeln!(text, "  places       {}", visible(problem));
    }
    for ExportRow { kind, path, lines, lost, error, .. } in exports {
        let kind = kind.label();
        let _ = write!(text, "  {kind:<12} {lines} lines to {}", visible(path));
        if *lost > 0 {
            let why = error.as_deref().unwrap_or("not written in time");
            let _ = write!(text, "; {lost} lost: {}", visible(why));
        }
        let _ = writeln!(text);
    }
    if !ips.is_empty() {
        let _ = writeln!(text, "  top sources");
        for row in ips.iter().take(TOP) {
            let place = row.place.as_ref().map_or(String::new(), place);
            let line =
                format!("    {:<39} {:>12} packets {:>15} bytes  {place}", row.ip.to_string(), row.packets, row.bytes);
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    if !top_prefixes.is_empty() {
        let _ = writeln!(text, "  top prefixes");
        for PrefixRow { prefix, sums, .. } in top_prefixes.iter().take(TOP) {
            let Sums { ips, packets, bytes, .. } = sums;
            let prefix = prefix.to_string();
            let _ = writeln!(text, "    {prefix:<39} {packets:>12} packets {bytes:>15} bytes  {ips} sources");
        }
    }
    text
}

/// What was in the file, by link type.
fn capture(replay: &Replay) -> String {
    let Replay { file, packets, truncated_packets, link_types, .. } = replay;
    let links = link_types.iter().map(|link| {
        let not = if link.supported { "" } else { ", not looked into" };
        format!("{} of link type {} {}{not}", link.packets, link.number, link.name).trim_end().to_string()
    });
    let parts = [format!("{packets} packets in {}", visible(file))].into_iter().chain(links);
    let parts = parts.chain((*truncated_packets > 0).then(|| format!("{truncated_packets} not captured whole")));
    parts.collect::<Vec<_>>().join("; ")
}

/// The databases in force, or that there are none.
fn geography(geo: Option<&GeoView>) -> String {
    let Some(GeoView { databases, .. }) = geo else { return "off".into() };
    let names = databases.iter().map(|database| match &database.built {
        Some(built) => format!("{} of {built}", visible(&database.name)),
        None => visible(&database.name),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Code and network; names of places come from files.
fn place(place: &Place) -> String {
    match place.asn {
        0 => place.country_code.to_string(),
        asn => format!("{} AS{asn} {}", place.country_code, visible(&place.org)),
    }
}
