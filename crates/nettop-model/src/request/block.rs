//! `block`, `unblock` and `allow`: what is dropped, and what never is.

use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Fields;
use crate::{net::Net, snapshot::With};

/// For how long a block lasts unless somebody says otherwise, seconds.
pub const DEFAULT_TTL: u64 = 600;
/// For how long it may last.
pub const TTL_RANGE: std::ops::RangeInclusive<u64> = 10..=30 * 86_400;

/// Blocks an address or a prefix, or tells what that would drop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct Block {
    /// Address or prefix
    #[arg(value_name = "ADDR|CIDR")]
    pub net: Net,
    /// For how long: 10s to 30d
    #[arg(long = "ttl", value_name = "TIME", value_parser = duration, default_value = "10m")]
    #[serde(default = "default_ttl")]
    pub seconds: u64,
    /// How: xdp drops in the kernel program, print tells command lines and does nothing [default: as --block-with of the monitor has it]
    #[arg(long, value_enum, value_name = "HOW")]
    #[serde(default)]
    pub with: Option<With>,
    /// Why, for whoever looks at the blocks
    #[arg(long, default_value = "", hide_default_value = true)]
    #[serde(default)]
    pub reason: String,
    /// The same address or prefix once more: block it in spite of a guard
    #[arg(long, value_name = "ADDR|CIDR")]
    #[serde(default)]
    pub confirm: Option<Net>,
}

impl Block {
    /// Of this, as it is usual.
    pub fn new(net: Net) -> Self {
        Self { net, seconds: DEFAULT_TTL, with: None, reason: String::new(), confirm: None }
    }
}

fn default_ttl() -> u64 {
    DEFAULT_TTL
}

/// Reads a time such as `90`, `90s`, `10m`, `2h` or `1d`, as seconds.
///
/// # Errors
/// It is none, or blocks may not last as long.
pub fn duration(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        _ => None,
    };
    let seconds = digits.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    seconds
        .filter(|seconds| TTL_RANGE.contains(seconds))
        .ok_or_else(|| "a time from 10s to 30d: 90s, 10m, 2h, 1d".into())
}

/// A time that [`duration`] reads.
pub fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    for (unit, name) in [(86_400, "d"), (3_600, "h"), (60, "m")] {
        if seconds >= unit && seconds.is_multiple_of(unit) {
            return format!("{}{name}", seconds / unit);
        }
    }
    format!("{seconds}s")
}

/// Ends a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct Unblock {
    /// Address or prefix, as it was blocked
    #[arg(value_name = "ADDR|CIDR")]
    pub net: Net,
}

/// Never blocks it, and ends the blocks that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct Allow {
    /// Address or prefix
    #[arg(value_name = "ADDR|CIDR")]
    pub net: Net,
    /// Let it be blocked again
    #[arg(long)]
    #[serde(default)]
    pub revoke: bool,
}

#[cfg(test)]
fn samples() -> impl Iterator<Item = Net> {
    ["192.0.2.1", "2001:db8::/48"].into_iter().filter_map(|text| text.parse().ok())
}

impl Fields for Block {
    #[cfg(test)]
    fn samples() -> Vec<Self> {
        let whole =
            |net| Self { with: Some(With::Xdp), reason: "a flood".into(), confirm: Some(net), ..Self::new(net) };
        samples().flat_map(|net| [Self::new(net), whole(net)]).collect()
    }
}

impl Fields for Unblock {
    #[cfg(test)]
    fn samples() -> Vec<Self> {
        samples().map(|net| Self { net }).collect()
    }
}

impl Fields for Allow {
    #[cfg(test)]
    fn samples() -> Vec<Self> {
        samples().flat_map(|net| [false, true].map(|revoke| Self { net, revoke })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, expected) in [
            ("90", Some(90)),
            ("10s", Some(10)),
            ("10m", Some(600)),
            ("2h", Some(7_200)),
            ("30d", Some(30 * 86_400)),
            ("9s", None),
            ("31d", None),
            ("5w", None),
            ("m", None),
            ("-1m", None),
            ("99999999999999999999d", None),
            ("", None),
        ] {
            assert_eq!(duration(text).ok(), expected, "{text}");
        }
        for (seconds, text) in [(600, "10m"), (90, "90s"), (7_200, "2h"), (86_400, "1d"), (61, "61s")] {
            assert_eq!(shown(Duration::from_secs(seconds)), text);
        }
    }
}
