//! How far the replay of a capture file is.

use serde::{Deserialize, Serialize};

/// The state of a replay. Times are Unix nanoseconds, of the file's own stamps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// The file; `-` is standard input.
    pub file: String,
    /// Times as fast as it was captured; 0: as fast as possible.
    pub speed: f64,
    /// Packets read.
    pub packets: u64,
    /// Of those, packets of which only the beginning was captured.
    pub truncated_packets: u64,
    /// Bytes of the file that were read.
    pub bytes_read: u64,
    /// Bytes of the file; `None`: not known, as with a pipe.
    pub size: Option<u64>,
    /// The former of the latter, 0 to 100.
    pub percent: Option<f64>,
    /// Stamp of the first packet; `None`: there was none yet.
    pub first_ns: Option<u64>,
    /// The latest stamp.
    pub last_ns: Option<u64>,
    /// Seconds for which a pipe has brought nothing; 0: it is none, or was read to its end.
    #[serde(default)]
    pub silence: f64,
    /// The link types in the file.
    pub link_types: Vec<LinkRow>,
    /// Whether everything was read, or cannot be.
    pub ended: bool,
    /// Why it could not be read to its end.
    pub error: Option<String>,
}

/// One link type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRow {
    /// Its number, as tcpdump.org assigns them.
    pub number: u32,
    /// What it is called; empty: not known here.
    pub name: String,
    /// Whether it can be looked into; else its packets count as not IP.
    pub supported: bool,
    /// Its packets.
    pub packets: u64,
    /// Of those, packets that are not IP, or malformed.
    #[serde(default)]
    pub not_ip: u64,
    /// Where all are, the first bytes of the first one, in hexadecimal.
    #[serde(default)]
    pub first_bytes: String,
    /// And what is likely to help.
    #[serde(default)]
    pub remedy: String,
}

impl Replay {
    /// For how long a pipe has brought nothing, as `12 s`, where that is so long that it should be said.
    pub fn silent_for(&self) -> Option<String> {
        let seconds = self.silence as u64;
        match seconds {
            ..SILENT => None,
            SILENT..120 => Some(format!("{seconds} s")),
            120..7200 => Some(format!("{} min", seconds / 60)),
            _ => Some(format!("{} h", seconds / 3600)),
        }
    }

    /// The link types of which nothing was IP, of as many packets as it takes to say so.
    pub fn without_ip(&self) -> impl Iterator<Item = &LinkRow> {
        let is_enough = |packets: u64| packets >= ENOUGH || self.ended || self.silent_for().is_some();
        self.link_types.iter().filter(move |link| {
            link.supported && link.packets > 0 && link.not_ip == link.packets && is_enough(link.packets)
        })
    }
}

/// Seconds without a packet that are nothing to speak of.
const SILENT: u64 = 3;
/// So many packets without IP are no accident, though more may come.
const ENOUGH: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_when_it_lasts() {
        for (silence, expected) in [
            (0.0, None),
            (2.9, None),
            (3.0, Some("3 s")),
            (12.7, Some("12 s")),
            (119.0, Some("119 s")),
            (150.0, Some("2 min")),
            (7200.0, Some("2 h")),
        ] {
            let replay = Replay { silence, ..Replay::default() };
            assert_eq!(replay.silent_for().as_deref(), expected, "{silence}");
        }
    }

    #[test]
    fn a_link_type_without_ip_is_told_once_that_is_sure() {
        let replay = |packets, not_ip, ended, silence| {
            let row = LinkRow { number: 1, supported: true, packets, not_ip, ..LinkRow::default() };
            Replay { link_types: vec![row], ended, silence, ..Replay::default() }
        };
        for (name, replay, expected) in [
            ("none yet", replay(0, 0, true, 0.0), 0),
            ("few, and more may come", replay(3, 3, false, 0.0), 0),
            ("few, at the end", replay(3, 3, true, 0.0), 1),
            ("few, in silence", replay(3, 3, false, 5.0), 1),
            ("many", replay(64, 64, false, 0.0), 1),
            ("one was IP", replay(1000, 999, true, 0.0), 0),
        ] {
            assert_eq!(replay.without_ip().count(), expected, "{name}");
        }
    }
}
