//! Replaying a capture file: its packets through the same parser, filter and counters, on the file's own clock.

pub mod capture;
pub mod input;
pub mod link;
mod pcapng;
mod savefile;

use std::{fs::File, os::fd::AsFd as _, path::Path};

use anyhow::{Context as _, Result, bail};
use nettop_common::NotIp;

use self::{
    capture::{Capture, Found, Next},
    link::{LinkType, link_type},
};
use super::host::HostCounter;
use crate::{
    reading::{Moment, Reading},
    replay::{LinkRow, Replay},
};

/// Packets counted for one reading at most, so that the engine is never busy for long, and no event is lost.
const BATCH: usize = 8192;
const SECOND_NS: u64 = 1_000_000_000;

/// A capture being replayed.
pub struct Pcap {
    /// What it has counted.
    pub counter: HostCounter,
    capture: Capture,
    /// Everything but what [`replay`](Self::replay) adds.
    status: Replay,
    links: Vec<Seen>,
    paused: bool,
    has_more: bool,
    /// The first packet's stamp has not been told yet.
    beginning: Option<u64>,
    /// Until when packets were counted, and when the second that is being counted ends; on the file's clock.
    now_ns: u64,
    second_ends_ns: u64,
    /// Until when packets are due, where the speed is limited, and at which real time that was so.
    due_ns: u64,
    due_at: Option<Moment>,
}

/// A link type that occurred. They are kept in order of number.
struct Seen {
    number: u32,
    kind: Option<&'static LinkType>,
    packets: u64,
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
                bail!("reading {name}: {}", unsupported(number));
            }
        }
        let status = Replay { file: name, speed, size: capture.size(), ..Replay::default() };
        Ok(Self {
            counter: HostCounter::default(),
            capture,
            status,
            links: Vec::new(),
            paused: false,
            has_more: true,
            beginning: None,
            now_ns: 0,
            second_ends_ns: 0,
            due_ns: 0,
            due_at: None,
        })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.status.file
    }

    /// Counts what is due at the real time `wall`, at most up to the end of a second of the file, and reads it.
    pub fn read(&mut self, wall: Moment, reading: &mut Reading) {
        if let Some(before) = self.due_at.replace(wall)
            && !self.paused
        {
            let passed = wall.monotonic_ns.saturating_sub(before.monotonic_ns) as f64 * self.status.speed;
            self.due_ns = self.due_ns.saturating_add(passed as u64);
        }
        if !self.paused && !self.status.ended {
            self.advance();
        }
        self.counter.read(moment(self.now_ns), reading);
    }

    /// Pauses the replay: nothing is passed over.
    pub fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// The first packet's time; once.
    pub fn take_beginning(&mut self) -> Option<Moment> {
        self.beginning.take().map(moment)
    }

    /// Whether more is due at once.
    pub fn has_more(&self) -> bool {
        self.has_more && !self.paused && !self.status.ended
    }

    /// Whether everything was read, or cannot be.
    pub fn has_ended(&self) -> bool {
        self.status.ended
    }

    /// How far it is.
    pub fn replay(&self) -> Replay {
        let bytes_read = self.capture.offset();
        let percent = |size: u64| bytes_read as f64 / size.max(1) as f64 * 100.0;
        let row = |seen: &Seen| LinkRow {
            number: seen.number,
            name: seen.kind.map_or(String::new(), |kind| kind.name.into()),
            supported: seen.kind.is_some_and(|kind| kind.parse.is_some()),
            packets: seen.packets,
        };
        Replay {
            bytes_read,
            percent: self.status.size.map(percent).map(|percent| percent.min(100.0)),
            link_types: self.links.iter().map(row).collect(),
            ..self.status.clone()
        }
    }

    fn advance(&mut self) {
        self.has_more = false;
        for _ in 0..BATCH {
            let found = match self.capture.next_packet() {
                Ok(Next::Packet(found)) => found,
                Ok(Next::Pending) => {
                    // What came last is as late as it can be known to be; a pipe is asked again at once.
                    self.now_ns = self.now_ns.max(self.status.last_ns.unwrap_or(0));
                    self.has_more = true;
                    return;
                }
                Ok(Next::End) => return self.end(None),
                Err(damage) => return self.end(Some(damage.to_string())),
            };
            let at_ns = found.at_ns.unwrap_or(self.now_ns);
            let Some(first_ns) = self.status.first_ns else {
                self.begin(at_ns);
                self.count(&found, at_ns);
                continue;
            };
            let limited = self.status.speed > 0.0;
            if at_ns >= self.second_ends_ns && (!limited || self.due_ns >= self.second_ends_ns) {
                // A reading ends with the second; another steps over all seconds in which nothing came.
                self.now_ns = self.second_ends_ns;
                let begun_ns = first_ns + (at_ns - first_ns) / SECOND_NS * SECOND_NS;
                self.second_ends_ns = if begun_ns > self.now_ns { begun_ns } else { self.now_ns + SECOND_NS };
                self.has_more = true;
                return;
            }
            if limited && at_ns > self.due_ns {
                self.now_ns = self.now_ns.max(self.due_ns);
                return;
            }
            self.count(&found, at_ns);
        }
        self.has_more = true;
    }

    fn begin(&mut self, at_ns: u64) {
        self.status.first_ns = Some(at_ns);
        self.beginning = Some(at_ns);
        self.now_ns = at_ns;
        self.due_ns = at_ns;
        self.second_ends_ns = at_ns + SECOND_NS;
    }

    fn count(&mut self, found: &Found, at_ns: u64) {
        let link = self.links.binary_search_by_key(&found.link, |seen| seen.number).unwrap_or_else(|place| {
            self.links.insert(place, Seen { number: found.link, kind: link_type(found.link), packets: 0 });
            place
        });
        let seen = &mut self.links[link];
        seen.packets += 1;
        let parsed = match seen.kind.and_then(|kind| kind.parse) {
            Some(parse) => parse(self.capture.packet(found), self.capture.order()),
            None => Err(NotIp::OtherProtocol),
        };
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
            None if packets > 0 && self.links.iter().all(|seen| seen.kind.is_none_or(|kind| kind.parse.is_none())) => {
                self.links.first().map(|seen| unsupported(seen.number))
            }
            None => None,
        };
    }
}

/// The same time on both clocks: a capture has but one.
fn moment(ns: u64) -> Moment {
    Moment { monotonic_ns: ns, unix_ns: ns }
}

fn unsupported(number: u32) -> String {
    let name = link_type(number).map_or(String::new(), |link| format!(" ({})", link.name));
    let known: Vec<_> = link::LINK_TYPES
        .iter()
        .filter(|link| link.parse.is_some())
        .map(|link| format!("{} {}", link.number, link.name))
        .collect();
    format!(
        "its packets are of link type {number}{name}, which nettop does not look into; it does into {}",
        known.join(", ")
    )
}
