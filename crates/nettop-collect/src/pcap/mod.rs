//! Replaying a capture file: its packets through the same parser, filter and counters, on the file's own clock.

pub mod capture;
pub mod input;
pub mod link;
mod pace;
mod pcapng;
pub mod record;
mod remedy;
mod sample;
mod savefile;
mod seen;

use std::{fs::File, os::fd::AsFd as _, path::Path};

use anyhow::{Context as _, Result, bail};
use nettop_model::{clock::Moment, snapshot::Replay};

use self::{
    capture::Capture,
    link::link_type,
    pace::PipePace,
    record::{Found, Next},
    sample::Sample,
    seen::Seen,
};
use crate::{
    counter::{FrameCounter, answered_by_counter},
    reading::Reading,
    traffic::{PACE, Traffic, no_interfaces},
};

/// Packets counted for one reading at most, so that the engine is never busy for long, and no event is lost.
const BATCH: usize = 8192;
const SECOND_NS: u64 = 1_000_000_000;
/// A reading ends with each such step of the file's clock, as those of interfaces do: rules look for bursts that are shorter than a
/// second.
const STEP_NS: u64 = PACE.as_nanos() as u64;
/// A pipe that has been silent for so long is asked as often as the engine likes; before, it is asked again at once.
const PATIENCE_NS: u64 = SECOND_NS;

/// A capture being replayed.
pub struct Pcap {
    /// What it has counted.
    pub counter: FrameCounter,
    capture: Capture,
    /// Everything but what [`replay`](Self::replay) adds.
    status: Replay,
    /// In order of number.
    links: Vec<Seen>,
    /// Of a pipe, socket or terminal.
    pace: Option<PipePace>,
    paused: bool,
    has_more: bool,
    /// The first packet's stamp has not been told yet.
    beginning: Option<u64>,
    /// Until when packets were counted, and when the step that is being counted ends; on the file's clock.
    now_ns: u64,
    step_ends_ns: u64,
    /// Until when packets are due, where the speed is limited, and at which real time that was so.
    due_ns: u64,
    due_at: Option<Moment>,
}

impl Pcap {
    /// Opens a file, `-` being standard input, to be replayed `speed` times as fast as it was captured; 0: as fast as
    /// possible.
    ///
    /// # Errors
    /// It cannot be opened, is no capture, or has nothing in it that can be looked into.
    pub fn open(path: &Path, speed: f64) -> Result<Self> {
        let (file, name) = if path == Path::new("-") {
            (File::from(std::io::stdin().as_fd().try_clone_to_owned().context("standard input")?), "-".to_string())
        } else {
            (File::open(path).with_context(|| format!("opening {}", path.display()))?, path.display().to_string())
        };
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            bail!("reading {name}: it is a directory, not a capture file");
        }
        let mut capture = Capture::new(file);
        if capture.size().is_some() {
            capture.open().map_err(|damage| anyhow::anyhow!("reading {name}: {damage}"))?;
            if let Some(number) = capture.only_link()
                && link_type(number).is_none_or(|link| link.parse.is_none())
            {
                let first = match capture.next_packet() {
                    Ok(Next::Packet(found)) => Some(Sample::new(capture.packet(&found), found.length, capture.order())),
                    _ => None,
                };
                let begins = first.map(|first| first.first_bytes()).unwrap_or_default();
                bail!("reading {name}: {}", unsupported(number, &begins));
            }
        }
        let pace = capture.size().is_none().then(PipePace::default);
        let status = Replay { file: name, speed, size: capture.size(), ..Replay::default() };
        Ok(Self {
            counter: FrameCounter::default(),
            capture,
            status,
            links: Vec::new(),
            pace,
            paused: false,
            has_more: true,
            beginning: None,
            now_ns: 0,
            step_ends_ns: 0,
            due_ns: 0,
            due_at: None,
        })
    }

    /// Counts what is due at the real time `wall`, at most up to the end of a step of the file's clock, and reads it.
    pub fn read_at(&mut self, wall: Moment, reading: &mut Reading) {
        if let Some(before) = self.due_at.replace(wall)
            && !self.paused
        {
            let passed = wall.monotonic_ns.saturating_sub(before.monotonic_ns) as f64 * self.status.speed;
            self.due_ns = self.due_ns.saturating_add(passed as u64);
        }
        if !self.status.ended {
            match &mut self.pace {
                Some(pace) if self.paused => pace.rest(wall),
                _ if self.paused => {}
                _ => self.advance(wall),
            }
        }
        let silent_ns = self.pace.as_mut().filter(|_| !self.status.ended).map_or(0, |pace| pace.silent_ns(wall));
        self.status.silence = silent_ns as f64 / SECOND_NS as f64;
        self.counter.read(moment(self.now_ns), reading);
    }

    /// How far it is.
    pub fn progress(&self) -> Replay {
        let bytes_read = self.capture.offset();
        let percent = |size: u64| bytes_read as f64 / size.max(1) as f64 * 100.0;
        Replay {
            bytes_read,
            percent: self.status.size.map(percent).map(|percent| percent.min(100.0)),
            link_types: self.links.iter().map(Seen::row).collect(),
            ..self.status.clone()
        }
    }

    fn advance(&mut self, wall: Moment) {
        self.has_more = false;
        for _ in 0..BATCH {
            let found = match self.capture.next_packet() {
                Ok(Next::Packet(found)) => found,
                Ok(Next::Pending) => return self.wait(wall),
                Ok(Next::End) => return self.end(None),
                Err(damage) => return self.end(Some(damage.to_string())),
            };
            let at_ns = found.at_ns.unwrap_or(self.now_ns);
            if let Some(pace) = &mut self.pace {
                pace.came(wall, at_ns);
            }
            if self.status.first_ns.is_none() {
                self.begin(at_ns);
                self.count(&found, at_ns);
                continue;
            }
            let limited = self.status.speed > 0.0;
            if at_ns >= self.step_ends_ns && (!limited || self.due_ns >= self.step_ends_ns) {
                return self.end_step(at_ns);
            }
            if limited && at_ns > self.due_ns {
                self.now_ns = self.now_ns.max(self.due_ns);
                return;
            }
            self.count(&found, at_ns);
        }
        self.has_more = true;
    }

    /// A reading ends with the step; others step over all in which nothing came, until `at_ns`.
    fn end_step(&mut self, at_ns: u64) {
        self.now_ns = self.step_ends_ns;
        let first_ns = self.status.first_ns.unwrap_or(0);
        self.step_ends_ns = next_end(first_ns, self.now_ns, at_ns);
        self.has_more = true;
    }

    /// Nothing has come: it is as late as it was with the last packet, or as late as it is known that none will come.
    fn wait(&mut self, wall: Moment) {
        let limit_ns = if self.status.speed > 0.0 { self.due_ns } else { u64::MAX };
        let reached_ns = self.pace.as_ref().and_then(|pace| pace.reached_ns(wall)).unwrap_or(0).min(limit_ns);
        if self.status.first_ns.is_some() && reached_ns >= self.step_ends_ns {
            return self.end_step(reached_ns);
        }
        self.now_ns = self.now_ns.max(self.status.last_ns.unwrap_or(0)).max(reached_ns);
        self.has_more = self.pace.as_mut().is_none_or(|pace| pace.silent_ns(wall) < PATIENCE_NS);
    }

    fn begin(&mut self, at_ns: u64) {
        self.status.first_ns = Some(at_ns);
        self.beginning = Some(at_ns);
        self.now_ns = at_ns;
        self.due_ns = at_ns;
        self.step_ends_ns = at_ns.saturating_add(STEP_NS);
    }

    fn count(&mut self, found: &Found, at_ns: u64) {
        let link = self.links.binary_search_by_key(&found.link, |seen| seen.number).unwrap_or_else(|place| {
            self.links.insert(place, Seen::new(found.link));
            place
        });
        let (frame, order) = (self.capture.packet(found), self.capture.order());
        let parsed = self.links[link].parse(frame, found.length, order);
        self.counter.count_parsed(parsed, found.length.into(), at_ns);
        self.status.packets += 1;
        self.status.truncated_packets += u64::from(found.captured < found.length);
        self.status.last_ns = self.status.last_ns.max(Some(at_ns));
        self.capture.pass(found);
    }

    fn end(&mut self, damage: Option<String>) {
        let Replay { packets, .. } = self.status;
        self.now_ns = self.now_ns.max(self.status.last_ns.unwrap_or(0));
        self.status.ended = true;
        self.status.error = match damage {
            Some(damage) => Some(format!("{damage}, at byte {}, after {packets} packets", self.capture.offset())),
            None if packets > 0 && !self.links.iter().any(Seen::is_supported) => {
                self.links.first().map(|seen| unsupported(seen.number, &seen.row().first_bytes))
            }
            None => None,
        };
    }
}

impl Traffic for Pcap {
    answered_by_counter!(counter);

    fn read(&mut self, reading: &mut Reading) {
        self.read_at(Moment::now(), reading);
    }

    /// Pauses the replay: nothing is passed over.
    fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    fn interface_names(&self) -> Vec<String> {
        vec![self.status.file.clone()]
    }

    fn set_interfaces(&mut self, _: &[String]) -> Result<()> {
        no_interfaces("a replay", "without --pcap")
    }

    fn keeps_time(&self) -> bool {
        false
    }

    fn begins(&self) -> Moment {
        Moment::default()
    }

    fn take_beginning(&mut self) -> Option<Moment> {
        self.beginning.take().map(moment)
    }

    fn has_more(&self) -> bool {
        self.has_more && !self.paused && !self.status.ended
    }

    fn has_ended(&self) -> bool {
        self.status.ended
    }

    fn replay(&self) -> Option<Replay> {
        Some(self.progress())
    }
}

/// The same time on both clocks: a capture has but one.
fn moment(ns: u64) -> Moment {
    Moment { monotonic_ns: ns, unix_ns: ns }
}

/// When the next reading ends, where the newest one ended at `now_ns` and the next packet is of `at_ns`: with the step of that packet,
/// or where steps without packets end that come before. A second in which something came ends a reading in any case, because rates
/// are made of whole seconds.
fn next_end(first_ns: u64, now_ns: u64, at_ns: u64) -> u64 {
    let begin_of = |unit_ns: u64| first_ns + at_ns.saturating_sub(first_ns) / unit_ns * unit_ns;
    let (step_ns, second_ns) = (begin_of(STEP_NS), begin_of(SECOND_NS));
    if step_ns <= now_ns {
        return now_ns.saturating_add(STEP_NS);
    }
    let left_ns = (SECOND_NS - now_ns.saturating_sub(first_ns) % SECOND_NS) % SECOND_NS;
    match left_ns {
        0 if second_ns > now_ns => second_ns,
        0 => step_ns,
        left_ns => step_ns.min(now_ns.saturating_add(left_ns)),
    }
}

/// Why a file cannot be read, and with which bytes its first packet begins, if there is one.
fn unsupported(number: u32, begins: &str) -> String {
    let name = link_type(number).map_or(String::new(), |link| format!(" ({})", link.name));
    let known: Vec<_> = link::LINK_TYPES
        .iter()
        .filter(|link| link.parse.is_some())
        .map(|link| format!("{} {}", link.number, link.name))
        .collect();
    let begins = if begins.is_empty() { String::new() } else { format!("; the first begins with {begins}") };
    format!(
        "its packets are of link type {number}{name}, which nettop does not look into{begins}; it does into {}",
        known.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_end_with_steps_and_with_seconds_and_step_over_gaps() {
        const MS: u64 = 1_000_000;
        for (name, packets, expected) in [
            ("one after the other", &[50, 150, 250][..], &[100, 200, 300][..]),
            ("on the edge", &[100, 199, 200], &[100, 200, 300]),
            ("a gap within a second", &[50, 750], &[100, 700, 800]),
            ("a gap over the end of a second", &[50, 1250], &[100, 1000, 1200, 1300]),
            ("a gap up to a second's first step", &[50, 3050], &[100, 1000, 3000, 3100]),
            ("an hour", &[950, 3_600_750], &[100, 900, 1000, 3_600_000, 3_600_700, 3_600_800]),
            ("back in time", &[2050, 50], &[100, 1000, 2000, 2100]),
        ] {
            let first_ns = 1_700_000_000 * SECOND_NS + 123_456_789;
            let (mut now_ns, mut ends_ns, mut ends) = (first_ns, first_ns + STEP_NS, vec![]);
            for at_ns in packets.iter().map(|ms| first_ns + ms * MS) {
                while at_ns >= ends_ns {
                    now_ns = ends_ns;
                    ends.push((now_ns - first_ns) / MS);
                    ends_ns = next_end(first_ns, now_ns, at_ns);
                }
                assert!(ends_ns > now_ns, "{name}");
            }
            ends.push((ends_ns - first_ns) / MS);
            assert_eq!(ends, expected, "{name}");
        }
    }
}
