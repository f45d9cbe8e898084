//! Where every packet went.

use nettop_common::PacketsBytes;
use serde::{Deserialize, Serialize};

/// Where every packet went. Always: `seen` = `counted` + `filtered` + `not_ip` + `martian` + `blocked`, and
/// `counted` = `sources` + `evicted` + `untracked`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Accounting {
    /// Every packet the program saw.
    pub seen: Amount,
    /// Passed the filter and was counted.
    pub counted: Amount,
    /// Rejected by the filter or by pause.
    pub filtered: Amount,
    /// Not IP, malformed IP included.
    pub not_ip: Amount,
    /// Of `not_ip`: claimed to be IP but was cut short or contradicted itself.
    pub malformed: Amount,
    /// IPv6 from or to an IPv4-mapped address, which no packet on a wire may have (RFC 6890): not counted for the IPv4 host of that
    /// number.
    pub martian: Amount,
    /// From sources that are blocked: dropped.
    pub blocked: Amount,
    /// Counted for the sources in the ledger.
    pub sources: Amount,
    /// Counted for sources the ledger has since forgotten.
    pub evicted: Amount,
    /// Of `evicted`: never had an account, because under a flood of new sources there was no room for one seen so seldom.
    pub unadmitted: Amount,
    /// Counted, but for no source: it had no slot in the kernel, and the log was full.
    pub untracked: Amount,
    /// Counted, but not for their destination, likewise.
    pub untracked_destinations: Amount,
    /// Counted, but not for their MACs, likewise.
    pub untracked_macs: Amount,
    /// How many of the sources in the ledger lack packets that came before they got their place in it; those packets are in `evicted`.
    pub incomplete_sources: u64,
    /// Whether the totals and the sums over sources, which are counted apart, agree.
    pub holds: bool,
}

/// Packets and bytes, as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Amount {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl From<PacketsBytes> for Amount {
    fn from(PacketsBytes { packets, bytes }: PacketsBytes) -> Self {
        Self { packets, bytes }
    }
}
