//! What outlives the monitor of its blocks, and of what is never to be blocked: a line of JSON each.

use nettop_model::{clock::Moment, net::Net, snapshot::BlockRow};
use serde::{Deserialize, Serialize};

/// The name of the file.
pub const FILE: &str = "blocks.jsonl";
/// Room for as many blocks as there can be, and as many words about each as are kept.
pub const MOST_BYTES: u64 = 16 << 20;

/// Between two times that it is written, nanoseconds: with each change all of it is written anew.
const PACE_NS: u64 = 1_000_000_000;

/// When the file is to be written.
#[derive(Debug, Default)]
pub struct Due {
    is_changed: bool,
    written_ns: Option<u64>,
}

impl Due {
    /// Something has changed that belongs into the file.
    pub fn note(&mut self) {
        self.is_changed = true;
    }

    /// Whether it is to be written now, and then counts as written: at the `end` of the monitor whatever has changed is.
    pub fn take(&mut self, now: Moment, end: bool) -> bool {
        let may = end || self.written_ns.is_none_or(|written| now.monotonic_ns >= written + PACE_NS);
        let is_due = may && std::mem::take(&mut self.is_changed);
        if is_due {
            self.written_ns = Some(now.monotonic_ns);
        }
        is_due
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// A block.
    Block(BlockRow),
    /// What is never blocked.
    Allow(Net),
}

/// The lines of a file. Returns how many could not be read, too.
pub fn read(bytes: &[u8]) -> (Vec<Kept>, usize) {
    let mut broken = 0;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let kept = lines.filter_map(|line| serde_json::from_slice(line).inspect_err(|_| broken += 1).ok()).collect();
    (kept, broken)
}

/// The blocks in a file that are not over at a time, Unix nanoseconds. Returns how many lines could not be read, too.
pub fn blocks(bytes: &[u8], now_ns: u64) -> (Vec<BlockRow>, usize) {
    let (lines, broken) = read(bytes);
    let rows = lines.into_iter().filter_map(|line| match line {
        Kept::Block(row) => Some(row).filter(|row| row.until_ns > now_ns),
        Kept::Allow(_) => None,
    });
    (rows.collect(), broken)
}

/// As a file.
pub fn write(lines: impl Iterator<Item = Kept>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        // All of it can be written.
        if serde_json::to_writer(&mut bytes, &line).is_ok() {
            bytes.push(b'\n');
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use nettop_model::snapshot::With;

    use super::*;

    #[test]
    fn a_change_is_written_at_once_and_the_next_ones_once_a_second() {
        let mut due = Due::default();
        for (at_ms, changed, end, expected) in [
            (0, false, false, false),
            (10, true, false, true),
            (20, true, false, false),
            (900, true, false, false),
            (1_010, false, false, true),
            (1_020, false, false, false),
            (5_000, true, false, true),
            (5_001, true, true, true),
            (5_002, false, true, false),
        ] {
            if changed {
                due.note();
            }
            let now = Moment { monotonic_ns: at_ms * 1_000_000, unix_ns: 0 };
            assert_eq!(due.take(now, end), expected, "at {at_ms} ms");
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_damage_is_counted() {
        let row = BlockRow {
            why: "a \"flood\"\n".into(),
            by: "user 0".into(),
            confirmed: true,
            since_ns: 1,
            until_ns: 2,
            packets: Some(3),
            ..BlockRow::new("192.0.2.0/24".parse().unwrap(), With::Nft)
        };
        let lines = [Kept::Block(row), Kept::Allow("2001:db8::1".parse().unwrap())];
        let mut bytes = write(lines.clone().into_iter());
        assert_eq!(read(&bytes), (lines.to_vec(), 0));
        bytes.extend(b"{\"block\":{\"net\":\"nowhere\"}}\n\xff\n{\"allow\":\"192.0.2.9\"");
        assert_eq!(read(&bytes), (lines.to_vec(), 3));
    }
}
