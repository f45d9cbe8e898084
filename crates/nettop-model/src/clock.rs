//! Time: the two clocks of a [`Moment`], and the [`Calendar`] that knows what the clock on the wall showed earlier.

mod calendar;

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

pub use self::calendar::Calendar;

/// An instant on both clocks. Everything that calculates gets one; only [`Moment::now`] reads clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// Nanoseconds of a CPU that this thread has taken since it began.
pub fn thread_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
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
