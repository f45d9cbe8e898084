//! What does not work as it should, as far as the engine sees it.

use nettop_common::counters::Table;
use nettop_export::log::Log;
use nettop_geo::Database;
use nettop_model::snapshot::{Degraded, ExportRow, GeoView, LinkRow, Replay};

use crate::{Engine, Optional, companion::Companion, sinks};

impl Engine {
    /// What does not work as it should.
    pub(super) fn degraded(
        &self,
        holds: bool,
        geo: Option<&GeoView>,
        exports: &[ExportRow],
        replay: Option<&Replay>,
    ) -> Vec<Degraded> {
        let mut rows = self.interfaces.degraded();
        rows.extend(self.source.degraded());
        let mut push = |badge: &str, what: String, reason: String, remedy: &str| {
            rows.push(Degraded { badge: badge.to_string(), what, reason, remedy: remedy.to_string() });
        };
        let full = Table::ALL.iter().filter(|table| self.full.contains(table));
        if self.source.keys_stay() {
            let full: Vec<_> = full.map(|table| table.label()).collect();
            if !full.is_empty() {
                push(
                    "MAP FULL",
                    format!("there is no room for more {} in the hash maps", full.join(", ")),
                    "keys stay there; the packets of others are counted as untracked".into(),
                    "a reset (r), which empties them; else a larger --map-memory, or --maps slots",
                );
            }
        } else {
            for table in full {
                push(
                    &format!("{} untracked", table.label()),
                    format!("the log of {} without a slot was full", table.label()),
                    "it was not read in time, or a CPU counts that was offline at the start and has none; these packets are counted \
                     as untracked"
                        .into(),
                    "leave nettop a CPU, or give a larger --map-memory; start it again where CPUs came online",
                );
            }
        }
        let unadmitted = self.aggregates.sources.unadmitted().packets.saturating_sub(self.unadmitted);
        if unadmitted > 0 {
            push(
                "sources unadmitted",
                "more new sources than there is room for".into(),
                format!(
                    "{unadmitted} packets of sources seen once or so are only in the sums; busy and steady ones are listed"
                ),
                "none in a flood; else a larger --max-sources",
            );
        }
        let lacking = [
            ("sources", self.aggregates.sources.lacking(), "a larger --max-sources"),
            ("destinations", self.aggregates.destinations.lacking(), "a filter, if few of them matter"),
            ("MAC pairs", self.aggregates.macs.lacking(), "a filter, if few of them matter"),
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
            let verb = if matches!(part, Optional::Counted(_)) { "counted" } else { "listed" };
            let what = format!("{} are not {verb}", part.label());
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
        rows.extend(self.sockets.degraded());
        rows.extend(self.drops.degraded());
        rows.extend(self.flows.degraded());
        rows.extend(self.actors.degraded());
        rows.extend(self.blocks_degraded());
        rows.extend(self.logs.degraded());
        rows.extend(self.collectors.degraded());
        rows.extend(self.missed.degraded(self.reading.at));
        rows.extend(sinks::degraded(exports));
        rows.extend(self.sinks.recording_degraded());
        rows.extend(self.sinks.state_degraded());
        rows.extend(self.settings.log.iter().filter_map(Log::degraded));
        rows.extend(self.settings.companions.iter().filter_map(Companion::degraded));
        rows.extend(self.settings.found.iter().cloned());
        rows
    }
}
