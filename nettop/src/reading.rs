//! The [`Reading`]: what a source has counted since the one before. Only what was counted; nothing derived.

mod calendar;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use nettop_common::{
    Address, MacPair, SourceCounters, Tally, Totals,
    cpu::{PORTS, TCP_FLAGS},
    unique::Registers,
};
use serde::{Deserialize, Serialize};

pub use self::calendar::Calendar;

/// An instant on both clocks. Everything that calculates gets one; only [`Moment::now`] reads clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Nanoseconds of the monotonic clock that goes on while the machine is suspended (`CLOCK_BOOTTIME`): what was a second ago
    /// when it fell asleep is an hour ago when it wakes up. The kernel program's stamps stand still meanwhile: [`asleep_ns`].
    pub monotonic_ns: u64,
    /// Nanoseconds since the Unix epoch.
    pub unix_ns: u64,
}

impl Moment {
    /// Now. The clocks are taken to be as far apart as the last time, unless that is wrong by more than 5 ms.
    pub fn now() -> Self {
        static OFFSET_NS: AtomicU64 = AtomicU64::new(0);
        let (monotonic_ns, offset_ns) = clocks_ns([libc::CLOCK_BOOTTIME, libc::CLOCK_REALTIME], &OFFSET_NS);
        Self { monotonic_ns, unix_ns: monotonic_ns.wrapping_add(offset_ns) }
    }

    /// What to add to a monotonic time to get Unix time.
    pub fn unix_offset_ns(&self) -> u64 {
        self.unix_ns.wrapping_sub(self.monotonic_ns)
    }

    /// Seconds from `earlier` to this, on the monotonic clock.
    pub fn seconds_since(&self, earlier: &Self) -> f64 {
        self.monotonic_ns.saturating_sub(earlier.monotonic_ns) as f64 / 1e9
    }
}

/// For how long the machine was suspended since it was started: what to add to the kernel program's stamps, which are of a clock
/// that stands still meanwhile (`CLOCK_MONOTONIC`), to get those of a [`Moment`].
pub fn asleep_ns() -> u64 {
    static OFFSET_NS: AtomicU64 = AtomicU64::new(0);
    clocks_ns([libc::CLOCK_MONOTONIC, libc::CLOCK_BOOTTIME], &OFFSET_NS).1
}

/// By how much clocks may move apart before that is noticed. Else each reading of both would have another time of day for
/// one and the same monotonic time, by nanoseconds.
const TOLERANCE_NS: u64 = 5_000_000;

/// What the first clock shows, and what to add to get the second, read with next to nothing in between; that is `known` as long
/// as it is not wrong by much.
fn clocks_ns([first, second]: [libc::clockid_t; 2], known: &AtomicU64) -> (u64, u64) {
    let read = || {
        let before = clock_ns(first);
        let other = clock_ns(second);
        (clock_ns(first) - before, before, other)
    };
    // Whoever is interrupted in between reads them once more.
    let mut best = read();
    for _ in 0..3 {
        if best.0 < TOLERANCE_NS / 4 {
            break;
        }
        best = best.min(read());
    }
    let (_, before, other) = best;
    let mut offset_ns = known.load(Ordering::Relaxed);
    if other.abs_diff(before.wrapping_add(offset_ns)) > TOLERANCE_NS {
        offset_ns = other.wrapping_sub(before);
        known.store(offset_ns, Ordering::Relaxed);
    }
    (before, offset_ns)
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(result, 0, "clock {clock} exists on every Linux");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// What was counted since the reading before, but for what is said to be cumulative.
pub struct Reading {
    /// Until when.
    pub at: Moment,
    /// The totals.
    pub totals: Totals,
    /// By source address; an address may occur more than once.
    pub sources: Vec<(Address, SourceCounters)>,
    /// By destination address; likewise.
    pub destinations: Vec<(Address, Tally)>,
    /// By MAC pair; likewise.
    pub macs: Vec<(MacPair, Tally)>,
}

impl Reading {
    /// An empty one.
    pub fn new(at: Moment) -> Self {
        Self { at, totals: Totals::default(), sources: Vec::new(), destinations: Vec::new(), macs: Vec::new() }
    }

    /// Forgets what was counted, to be filled again.
    pub fn clear(&mut self) {
        self.totals = Totals::default();
        self.sources.clear();
        self.destinations.clear();
        self.macs.clear();
    }
}

/// What is cheaper to read whole: cumulative counters, and the registers of distinct sources.
#[derive(Clone)]
pub struct Tables {
    /// Packets by TCP flag byte.
    pub tcp_flags: Vec<u64>,
    /// Packets by destination port.
    pub dst_ports: Vec<u64>,
    /// Packets by source port.
    pub src_ports: Vec<u64>,
    /// Distinct sources, of those for which there was no slot.
    pub unique: Box<Registers>,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            tcp_flags: vec![0; TCP_FLAGS],
            dst_ports: vec![0; PORTS],
            src_ports: vec![0; PORTS],
            unique: bytemuck::zeroed_box(),
        }
    }
}

/// What came to each of a table's counts since another reading of it, in their order.
pub fn since<'a>(now: &'a [u64], then: &'a [u64]) -> impl Iterator<Item = u64> + 'a {
    now.iter().zip(then).map(|(now, then)| now.saturating_sub(*then))
}

/// An interface the program is, was or should be attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceRow {
    /// Its name now.
    pub name: String,
    /// How the program is attached; `None` while it is not.
    pub mode: Option<AttachMode>,
    /// What state it is in.
    pub state: InterfaceState,
    /// Its maximum transmission unit, bytes.
    pub mtu: u32,
    /// Anything worth knowing: why generic, when it came back, …
    pub note: String,
}

/// An interface that is watched, with what only the engine needs to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedInterface {
    /// What everybody may know.
    pub row: InterfaceRow,
    /// The name it was asked for by.
    pub wanted: String,
    /// Its index; 0 while it is gone.
    pub index: u32,
    /// Packets it has received, as it counts them itself; `None`: it does not say.
    pub received: Option<u64>,
    /// What its driver calls its kind: `vrf`, `ifb`, `veth`; empty for most hardware.
    pub kind: String,
    /// The interfaces below it, as words of a command, where somebody asked for them.
    pub below: Vec<String>,
}

impl WatchedInterface {
    /// The kernel did not say how it is, and this is why.
    pub fn is_unknown(&mut self, why: &str) {
        self.row.state = InterfaceState::Unknown;
        self.row.note = why.into();
        self.received = None;
    }
}

/// What is watched, as it was at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Every interface the program is, was or should be attached to.
    pub interfaces: Vec<WatchedInterface>,
    /// Why they may be the wrong ones, where they were chosen by themselves.
    pub doubt: Option<String>,
    /// What the newest change was that nobody asked for.
    pub change: Option<String>,
}

/// How an XDP program runs on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachMode {
    /// In the driver, before the kernel allocates a buffer.
    Native,
    /// In the network stack: works everywhere, costs more.
    Generic,
}

impl fmt::Display for AttachMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
        })
    }
}

/// What state an interface is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InterfaceState {
    /// Administratively up.
    Up,
    /// Administratively down: nothing arrives.
    Down,
    /// It has been deleted; it is attached again should it come back.
    Gone,
    /// It is there, but does not take the program, since somebody else's has the place; it is attached again should that go.
    Detached,
    /// It has left this network namespace; counting goes on.
    Moved,
    /// The kernel did not say. Where the program is attached, counting goes on.
    Unknown,
}

impl fmt::Display for InterfaceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Gone => "gone",
            Self::Detached => "detached",
            Self::Moved => "moved",
            Self::Unknown => "unknown",
        })
    }
}
