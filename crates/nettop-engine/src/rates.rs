//! Rates over the newest whole second, 10 s and 60 s, with memory in proportion to activity.
//!
//! Time is cut into [`TimeBuckets`] of about a second, or of one tick where ticks are longer. A [`History`] holds one number per
//! bucket in which anything came, so that a source of one packet costs one number and an idle one none.

pub mod recent;

use std::collections::VecDeque;

use smallvec::SmallVec;

/// Nanoseconds of a second.
pub const SECOND_NS: u64 = 1_000_000_000;
/// A bucket ends at the first tick that is this old: a second, less the jitter of a timer.
const SLOT_NS: u64 = SECOND_NS / 100 * 95;
const MINUTE_NS: u64 = 60 * SECOND_NS;

/// The buckets of the last minute, shared by all histories.
#[derive(Clone, Debug)]
pub struct TimeBuckets {
    closed: VecDeque<TimeBucket>,
    open: TimeBucket,
}

#[derive(Clone, Copy, Debug)]
struct TimeBucket {
    id: u32,
    start_ns: u64,
    end_ns: u64,
}

impl TimeBucket {
    fn seconds(&self) -> f64 {
        (self.end_ns - self.start_ns) as f64 / SECOND_NS as f64
    }

    /// What a count makes per second; nothing in a bucket without length.
    fn rate(&self, count: u64) -> f64 {
        let seconds = self.seconds();
        if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
    }

    /// The same for comparing buckets; one shorter than a second is taken for a second.
    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.seconds().max(1.0)
    }
}

impl TimeBuckets {
    /// The first bucket begins now. Times are of the monotonic clock.
    pub fn new(now_ns: u64) -> Self {
        Self { closed: VecDeque::new(), open: TimeBucket { id: 0, start_ns: now_ns, end_ns: now_ns } }
    }

    /// Before the counts of a tick are added: the open bucket reaches to `now_ns`.
    pub fn reach(&mut self, now_ns: u64) {
        self.open.end_ns = now_ns.max(self.open.end_ns);
    }

    /// Whether the open bucket will be closed, once the counts of a tick at `now_ns` are added.
    pub fn is_due(&self, now_ns: u64) -> bool {
        now_ns.max(self.open.end_ns) - self.open.start_ns >= SLOT_NS
    }

    /// After the counts of a tick were added: closes the open bucket when it is long enough; returns its length in seconds.
    pub fn close_if_due(&mut self) -> Option<f64> {
        if !self.is_due(self.open.end_ns) {
            return None;
        }
        let newest = self.open;
        self.closed.push_back(newest);
        while self.closed.front().is_some_and(|bucket| bucket.end_ns + MINUTE_NS <= newest.end_ns) {
            self.closed.pop_front();
        }
        self.open = TimeBucket { id: newest.id.wrapping_add(1), start_ns: newest.end_ns, end_ns: newest.end_ns };
        Some(newest.seconds())
    }

    /// The number of the open bucket.
    pub fn open_id(&self) -> u32 {
        self.open.id
    }

    /// Until when the open bucket reaches.
    pub fn now_ns(&self) -> u64 {
        self.open.end_ns
    }

    /// What a window of so many seconds is divided by, where counting began `age` seconds ago: windows end with the newest closed
    /// bucket. At least a second: a burst in the first instant is not a rate.
    fn span(&self, window: f64, age: f64) -> f64 {
        let open = if self.closed.is_empty() { 0.0 } else { self.open.seconds() };
        (age - open).clamp(1.0, window)
    }

    fn closed(&self, id: u32) -> Option<&TimeBucket> {
        let first = self.closed.front()?.id;
        self.closed.get(id.wrapping_sub(first) as usize)
    }
}

/// What was counted in the buckets of the last minute, and the highest rate ever.
///
/// The newest bucket with packets stands by itself; those before it are packed, newest last, each into the packets × 2 and,
/// in the lowest bit, whether the bucket that follows is not the next one; then the distance to that stands before.
/// Numbers have seven bits a byte, the lowest last; the highest bit of a byte says that there are more before it.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The newest bucket with packets.
    bucket: u32,
    peak: f32,
    /// Its packets; 0: there never were any.
    count: u64,
    older: SmallVec<[u8; 16]>,
}

/// `older` grows by so many bytes: a bucket seldom takes more than two of them.
const GROWTH: usize = 16;
/// Two numbers of 64 bits.
const LONGEST: usize = 20;

/// Rates per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// In the newest whole second.
    pub current: f64,
    /// The last 10 s, over 10 or the age of what is counted.
    pub ten_seconds: f64,
    /// The last 60 s, over 60 or that age.
    pub minute: f64,
    /// The busiest second ever.
    pub peak: f64,
    /// The quietest second above zero of the last 60 s.
    pub low: f64,
}

impl History {
    /// Adds what a tick counted to the open bucket.
    pub fn add(&mut self, buckets: &TimeBuckets, count: u64) {
        if count == 0 {
            return;
        }
        let open = &buckets.open;
        if self.count > 0 && self.bucket == open.id {
            self.count += count;
        } else {
            if self.count > 0 {
                self.pack(buckets);
            }
            (self.bucket, self.count) = (open.id, count);
        }
        self.peak = self.peak.max(open.per_second(self.count) as f32);
    }

    /// What was counted in the open bucket so far.
    pub fn in_open(&self, buckets: &TimeBuckets) -> u64 {
        if self.bucket == buckets.open.id { self.count } else { 0 }
    }

    /// What was counted in the last minute, the open bucket included.
    pub fn last_minute(&self, buckets: &TimeBuckets) -> u64 {
        let in_minute = |id: &u32| *id == buckets.open.id || buckets.closed(*id).is_some();
        self.counts().take_while(|(id, _)| in_minute(id)).map(|(_, count)| count).sum()
    }

    /// Buckets from the newest with packets to the open one; 0 where there never were any.
    pub fn silent(&self, buckets: &TimeBuckets) -> u32 {
        if self.count == 0 { 0 } else { buckets.open.id.wrapping_sub(self.bucket) }
    }

    /// Packs the newest bucket, before another one takes its place.
    fn pack(&mut self, buckets: &TimeBuckets) {
        let mut packed = SmallVec::<[u8; LONGEST]>::new();
        let distance = buckets.open.id.wrapping_sub(self.bucket);
        if distance != 1 {
            put(&mut packed, u64::from(distance));
        }
        put(&mut packed, self.count << 1 | u64::from(distance != 1));
        if self.older.len() + packed.len() > self.older.capacity() {
            self.forget_old(buckets);
            if self.older.len() + packed.len() > self.older.capacity() {
                self.older.reserve_exact(packed.len().max(GROWTH));
            }
        }
        self.older.extend_from_slice(&packed);
    }

    /// Drops what is older than a minute.
    fn forget_old(&mut self, buckets: &TimeBuckets) {
        let mut counts = self.counts();
        let mut keep = self.older.len();
        while let Some((bucket, _)) = counts.next() {
            if buckets.closed(bucket).is_none() {
                break;
            }
            keep = counts.left.len();
        }
        self.older.drain(..keep);
    }

    /// Buckets with their packets, newest first.
    fn counts(&self) -> Counts<'_> {
        Counts { newest: (self.count > 0).then_some((self.bucket, self.count)), bucket: self.bucket, left: &self.older }
    }

    /// The rates of what began to be counted `age` seconds ago. They end with the newest closed bucket; before there is one, the
    /// open bucket stands for it.
    pub fn rates(&self, buckets: &TimeBuckets, age: f64) -> Rates {
        let newest = match buckets.closed.back() {
            Some(bucket) => *bucket,
            None => buckets.open,
        };
        let mut rates = Rates { peak: f64::from(self.peak), ..Rates::default() };
        let (mut ten_seconds, mut minute) = (0.0, 0.0);
        for (id, count) in self.counts() {
            let bucket = match buckets.closed(id) {
                Some(bucket) => bucket,
                None if buckets.closed.is_empty() && id == buckets.open.id => &buckets.open,
                None if id == buckets.open.id => continue,
                None => break,
            };
            let per_second = bucket.per_second(count);
            if rates.low == 0.0 || per_second < rates.low {
                rates.low = per_second;
            }
            if id == newest.id {
                rates.current = bucket.rate(count);
            }
            ten_seconds += count as f64 * overlap(bucket, newest.end_ns, 10 * SECOND_NS);
            minute += count as f64 * overlap(bucket, newest.end_ns, MINUTE_NS);
        }
        rates.ten_seconds = ten_seconds / buckets.span(10.0, age);
        rates.minute = minute / buckets.span(60.0, age);
        rates
    }

    /// Starts anew.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Goes through a [`History`].
struct Counts<'a> {
    newest: Option<(u32, u64)>,
    /// That of what was returned last.
    bucket: u32,
    left: &'a [u8],
}

impl Iterator for Counts<'_> {
    type Item = (u32, u64);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(newest) = self.newest.take() {
            return Some(newest);
        }
        let number = take(&mut self.left)?;
        let distance = if number & 1 == 1 { take(&mut self.left)? } else { 1 };
        self.bucket = self.bucket.wrapping_sub(distance as u32);
        Some((self.bucket, number >> 1))
    }
}

/// Appends a number.
fn put(bytes: &mut SmallVec<[u8; LONGEST]>, number: u64) {
    let groups = (64 - number.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let more_before = if group + 1 < groups { 0x80 } else { 0 };
        bytes.push((number >> (7 * group)) as u8 & 0x7f | more_before);
    }
}

/// Takes the last number off.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (byte, rest) = bytes.split_last()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
}

/// The share of a bucket that lies in the `window_ns` before `end_ns`.
fn overlap(bucket: &TimeBucket, end_ns: u64, window_ns: u64) -> f64 {
    let from = end_ns.saturating_sub(window_ns);
    if bucket.start_ns >= from {
        return 1.0;
    }
    bucket.end_ns.saturating_sub(from) as f64 / (bucket.end_ns - bucket.start_ns).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks every `interval` seconds for `ticks` ticks; `count(tick)` packets come in each.
    fn run(interval: f64, ticks: u64, count: impl Fn(u64) -> u64) -> (TimeBuckets, History) {
        let start = 1_000 * SECOND_NS;
        let (mut buckets, mut history) = (TimeBuckets::new(start), History::default());
        for tick in 1..=ticks {
            buckets.reach(start + (tick as f64 * interval * SECOND_NS as f64) as u64);
            history.add(&buckets, count(tick));
            buckets.close_if_due();
        }
        (buckets, history)
    }

    fn close(actual: f64, expected: f64) -> bool {
        (actual - expected).abs() <= expected.abs() * 0.001
    }

    #[test]
    fn a_steady_stream_has_one_rate_whatever_the_interval() {
        for (interval, ticks) in [(0.1, 1000), (0.25, 400), (0.5, 200), (1.0, 100), (2.5, 40), (7.0, 20), (30.0, 5)] {
            let per_tick = (interval * 1000.0) as u64;
            let (buckets, history) = run(interval, ticks, |_| per_tick);
            let rates = history.rates(&buckets, interval * ticks as f64);
            for (name, rate) in [
                ("current", rates.current),
                ("ten_seconds", rates.ten_seconds),
                ("minute", rates.minute),
                ("peak", rates.peak),
                ("low", rates.low),
            ] {
                assert!(close(rate, 1000.0), "interval {interval}: {name} is {rate}");
            }
        }
    }

    #[test]
    fn what_is_younger_than_a_window_has_the_rate_of_its_age() {
        // 1,000 per second since `age` seconds ago, of a monitor that is three minutes or just as old.
        for (monitor, age) in [(0.1, 0.1), (0.7, 0.7), (1.4, 1.4), (3.3, 3.3), (9.0, 9.0), (42.0, 42.0)]
            .into_iter()
            .chain([0.5, 1.3, 2.0, 3.9, 10.5, 30.2, 61.0].map(|age| (180.0, age)))
        {
            let ticks = (monitor * 10.0_f64).round() as u64;
            let begins = ticks - (age * 10.0_f64).round() as u64;
            let (buckets, history) = run(0.1, ticks, |tick| if tick > begins { 100 } else { 0 });
            let rates = history.rates(&buckets, age);
            let least = if age < 2.0 { 0.0 } else { 999.0 };
            for (window, rate) in [("ten seconds", rates.ten_seconds), ("minute", rates.minute)] {
                assert!((least..=1001.0).contains(&rate), "{age} s old, monitor {monitor} s: {window} is {rate}");
            }
        }
    }

    #[test]
    fn the_last_minute_has_every_packet_of_it() {
        for (ticks, expected) in [(3, 15), (60, 300), (61, 305), (500, 305)] {
            let (buckets, history) = run(1.0, ticks, |_| 5);
            assert_eq!(history.last_minute(&buckets), expected.min(300), "{ticks}");
        }
        let (buckets, history) = run(0.1, 13, |_| 5);
        assert_eq!(history.last_minute(&buckets), 65, "the open bucket included");
        let (buckets, history) = run(1.0, 100, |tick| if tick < 30 { 5 } else { 0 });
        assert_eq!(history.last_minute(&buckets), 0);
    }

    #[test]
    fn a_burst_fades_from_each_window_in_its_time() {
        let burst = |tick| if tick == 5 { 600 } else { 0 };
        for (ticks, current, ten, minute) in [
            (5, 600.0, 120.0, 120.0),
            (6, 0.0, 100.0, 100.0),
            (14, 0.0, 60.0, 600.0 / 14.0),
            (15, 0.0, 0.0, 40.0),
            (65, 0.0, 0.0, 0.0),
        ] {
            let (buckets, history) = run(1.0, ticks, burst);
            let rates = history.rates(&buckets, ticks as f64);
            assert!(close(rates.current, current), "{ticks}: {rates:?}");
            assert!(close(rates.ten_seconds, ten), "{ticks}: {rates:?}");
            assert!(close(rates.minute, minute), "{ticks}: {rates:?}");
            assert!(close(rates.peak, 600.0), "{ticks}: {rates:?}");
        }
    }

    #[test]
    fn the_peak_outlives_its_minute() {
        let (buckets, history) = run(1.0, 300, |tick| {
            if tick == 3 {
                900
            } else if tick > 200 {
                5
            } else {
                0
            }
        });
        let rates = history.rates(&buckets, 300.0);
        assert!(close(rates.peak, 900.0) && close(rates.low, 5.0), "{rates:?}");
        assert!(history.counts().count() <= 65, "{} counts are kept", history.counts().count());
    }

    #[test]
    fn a_late_tick_is_a_longer_slot_not_a_higher_rate() {
        let (mut buckets, mut history) = (TimeBuckets::new(0), History::default());
        buckets.reach(4 * SECOND_NS);
        history.add(&buckets, 4000);
        buckets.close_if_due();
        let rates = history.rates(&buckets, 4.0);
        assert!(close(rates.current, 1000.0) && close(rates.peak, 1000.0), "{rates:?}");
    }

    #[test]
    fn rates_far_above_32_bits_are_kept() {
        let (buckets, history) = run(1.0, 70, |_| 1 << 33);
        assert!(close(history.rates(&buckets, 70.0).minute, (1u64 << 33) as f64));
    }

    #[test]
    fn before_the_first_second_is_over_the_open_slot_answers() {
        let (buckets, history) = run(0.25, 1, |_| 100);
        assert!(close(history.rates(&buckets, 0.25).current, 400.0));
    }

    #[test]
    fn a_slot_is_closed_at_the_first_tick_that_is_old_enough() {
        for (age_ns, due) in [(0, false), (SLOT_NS - 1, false), (SLOT_NS, true), (2 * SECOND_NS, true)] {
            let mut buckets = TimeBuckets::new(7);
            assert_eq!(buckets.is_due(7 + age_ns), due, "{age_ns}");
            buckets.reach(7 + age_ns);
            let closed = buckets.close_if_due();
            assert_eq!(closed, due.then_some(age_ns as f64 / 1e9), "{age_ns}");
            assert_eq!(buckets.open_id(), u32::from(due), "{age_ns}");
        }
    }

    #[test]
    fn a_slot_without_length_has_no_rate() {
        let (buckets, mut history) = (TimeBuckets::new(5), History::default());
        history.add(&buckets, 3);
        assert_eq!(history.rates(&buckets, 0.0).current, 0.0);
    }

    #[test]
    fn what_is_in_the_open_slot_is_not_what_was_in_another() {
        let (mut buckets, mut history) = (TimeBuckets::new(0), History::default());
        assert_eq!((history.in_open(&buckets), history.silent(&buckets)), (0, 0), "never any");
        history.add(&buckets, 3);
        history.add(&buckets, 4);
        assert_eq!((history.in_open(&buckets), history.silent(&buckets)), (7, 0));
        for seconds in 1..=2 {
            buckets.reach(u64::from(seconds) * SECOND_NS);
            buckets.close_if_due();
            assert_eq!((history.in_open(&buckets), history.silent(&buckets)), (0, seconds), "{seconds} s later");
        }
        history.add(&buckets, 5);
        assert_eq!((history.in_open(&buckets), history.silent(&buckets)), (5, 0));
    }

    #[test]
    fn before_the_first_packet_there_is_no_slot_with_none() {
        let (mut buckets, mut history) = (TimeBuckets::new(0), History::default());
        for second in 1..=5 {
            buckets.reach(second * SECOND_NS);
            buckets.close_if_due();
        }
        history.add(&buckets, 3);
        buckets.reach(6 * SECOND_NS);
        buckets.close_if_due();
        let rates = history.rates(&buckets, 6.0);
        assert_eq!((rates.current, rates.low, history.last_minute(&buckets)), (3.0, 3.0, 3));
    }
}
