//! One block in force, and what is told of it when it has ended.

use nettop_actor::firewall;
use nettop_model::{
    clock::Moment,
    net::Net,
    snapshot::{BlockRow, With},
};

use crate::blocks::guards::Refusal;

/// One of them.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What drops it.
    pub with: With,
    /// Of the XDP program's; `None`: a firewall drops it.
    pub(super) number: Option<u32>,
    pub why: String,
    pub by: String,
    pub confirmed: bool,
    pub(super) since_ns: u64,
    /// When it began and until when it lasts, on the monotonic clock; and for how long it was made.
    pub(super) began_ns: i128,
    pub(super) until_ns: u64,
    pub(super) lasting_ns: u64,
    pub(super) packets: u64,
    /// Whether it is known how many.
    pub(super) is_counted: bool,
    /// Of these, in an earlier run of the monitor.
    pub(super) carried: u64,
    /// Since the newest second was over, and in it.
    pub(super) open: u64,
    pub(super) pps: f64,
}

impl Entry {
    /// Of a firewall, which does not count.
    pub(super) fn new(row: &BlockRow, now: Moment, lasting_ns: u64) -> Self {
        let BlockRow { why, by, confirmed, since_ns, packets, .. } = row;
        Self {
            with: row.with,
            number: None,
            why: why.clone(),
            by: by.clone(),
            confirmed: *confirmed,
            since_ns: *since_ns,
            // One of an earlier run began as long ago as the clock on the wall says.
            began_ns: i128::from(now.monotonic_ns) - i128::from(now.unix_ns.saturating_sub(*since_ns)),
            until_ns: now.monotonic_ns.saturating_add(lasting_ns),
            lasting_ns,
            packets: packets.unwrap_or_default(),
            is_counted: false,
            carried: 0,
            open: 0,
            pps: 0.0,
        }
    }

    /// The same block, renewed.
    pub(super) fn renewed(self, row: BlockRow, now: Moment, lasting_ns: u64) -> Self {
        let BlockRow { why, by, confirmed, .. } = row;
        let until_ns = now.monotonic_ns.saturating_add(lasting_ns);
        Self { why, by, confirmed, began_ns: now.monotonic_ns.into(), until_ns, lasting_ns, ..self }
    }

    /// Whether it ends without anybody who does that.
    pub fn ends_by_itself(&self) -> bool {
        firewall::of(self.with).is_some_and(|firewall| firewall.ends_by_itself)
    }
}

/// A block that has ended. What one of the XDP program had dropped in all is known with the next reading.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What was blocked, and what dropped it.
    pub net: Net,
    pub with: With,
    /// Packets dropped, where that is known.
    pub packets: Option<u64>,
    /// What ended it.
    pub by: String,
    /// The guard that did, and why.
    pub guard: Option<&'static str>,
    pub why: String,
}

impl Ended {
    pub(super) fn of(net: &Net, entry: &Entry, by: &str, refusal: Option<&Refusal>) -> Self {
        Self {
            net: *net,
            with: entry.with,
            packets: entry.is_counted.then_some(entry.packets),
            by: by.into(),
            guard: refusal.map(|refusal| refusal.guard),
            why: refusal.map(|refusal| refusal.why.clone()).unwrap_or_default(),
        }
    }
}
