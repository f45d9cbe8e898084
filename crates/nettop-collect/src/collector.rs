//! Collectors beside the one of packets: each reads something else of the host, at a pace of its own, on a thread of its own.
//! A kernel that takes its time to answer one of them holds up neither the engine nor the others.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use nettop_logs::{LogReading, MOST_ENTRIES};
use nettop_model::snapshot::Degraded;

use crate::{
    drops::DropReading,
    flows::FlowReading,
    host::reading::HostReading,
    lifelines::Lifelines,
    sockets::{Census, calls::Calls},
};

/// Procfs, netlink messages and error texts need little.
const STACK: usize = 256 << 10;
/// A collector may take one part of so many of a CPU: one that takes longer is asked less often.
const SHARE: u64 = 50;
const MOST_CPU: f64 = 1.0 / SHARE as f64;
/// After so many paces without a reading it is said that there is none.
const LATE: u32 = 5;

/// How long to wait at least after a reading that took so many nanoseconds of a CPU.
pub fn rest(cost_ns: u64) -> Duration {
    Duration::from_nanos(cost_ns.saturating_mul(SHARE))
}

/// What a collector has read, one variant for each kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// What the host itself counts.
    Host(Box<HostReading>),
    /// Its sockets.
    Sockets(Box<Census>),
    /// What calls on sockets move.
    Calls(Box<Calls>),
    /// What the kernel drops.
    Drops(Box<DropReading>),
    /// The flows that it forwards or translates.
    Flows(Box<FlowReading>),
    /// Addresses that must not be blocked.
    Lifelines(Box<Lifelines>),
    /// What logs tell.
    Logs(Box<LogReading>),
}

impl Reading {
    /// Whether there is no room for more before somebody has taken it: what is to come waits where it is.
    fn is_full(&self) -> bool {
        matches!(self, Self::Logs(logs) if logs.entries.len() >= MOST_ENTRIES)
    }
}

/// A collector. It derives nothing: what it reads is what was counted.
pub trait Collector: Send {
    /// What it collects, in a word or two, for badges.
    fn name(&self) -> &'static str;

    /// How long after a reading began the next one is due.
    fn pace(&self) -> Duration;

    /// How long to wait after a reading that took so long: as the pace has it, but never more than a bounded share of a CPU.
    fn rest(&self, took: Duration) -> Duration {
        wait(self.pace(), took)
    }

    /// Reads.
    fn collect(&mut self) -> Reading;
}

/// Collectors at work. Dropping this ends them.
#[derive(Default)]
pub struct Collectors(Vec<Worker>);

struct Worker {
    name: &'static str,
    pace: Duration,
    newest: Arc<Mutex<Newest>>,
    /// When it began, or brought its newest reading.
    heard: Instant,
    /// Why it does not work.
    failure: Option<io::Error>,
    /// Hung up on at the end.
    _end: Option<Sender<()>>,
}

/// What a thread has brought.
#[derive(Default)]
struct Newest {
    /// One of each kind.
    readings: Vec<Reading>,
    /// How long it waits until the next one.
    rest: Duration,
}

impl Collectors {
    /// Starts a thread for each. To be called after privileges were given up: a thread keeps those it began with.
    pub fn start(collectors: impl IntoIterator<Item = Box<dyn Collector>>) -> Self {
        Self(collectors.into_iter().map(Worker::start).collect())
    }

    /// What has been read since the last time. Never waits.
    pub fn readings(&mut self) -> impl Iterator<Item = Reading> {
        self.0.iter_mut().flat_map(Worker::take)
    }

    /// Those that bring nothing.
    pub fn degraded(&self) -> impl Iterator<Item = Degraded> {
        self.0.iter().filter_map(Worker::degraded)
    }
}

impl Worker {
    fn start(mut collector: Box<dyn Collector>) -> Self {
        let (name, pace) = (collector.name(), collector.pace());
        let (end, ended) = mpsc::channel();
        let newest = Arc::new(Mutex::new(Newest::default()));
        let place = Arc::clone(&newest);
        let thread = thread::Builder::new().name(name.into()).stack_size(STACK).spawn(move || {
            loop {
                let mut rest = pace;
                if !is_full(&place) {
                    let started = Instant::now();
                    let reading = collector.collect();
                    rest = collector.rest(started.elapsed());
                    let mut newest = place.lock().unwrap_or_else(PoisonError::into_inner);
                    put(&mut newest.readings, reading);
                    newest.rest = rest;
                }
                if ended.recv_timeout(rest) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
        });
        Self { name, pace, newest, heard: Instant::now(), failure: thread.err(), _end: Some(end) }
    }

    fn take(&mut self) -> Vec<Reading> {
        let readings = std::mem::take(&mut self.newest.lock().unwrap_or_else(PoisonError::into_inner).readings);
        if !readings.is_empty() {
            self.heard = Instant::now();
        }
        readings
    }

    fn degraded(&self) -> Option<Degraded> {
        let rest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).rest;
        let reason = match &self.failure {
            Some(error) => format!("its thread could not be started: {error}"),
            None if self.heard.elapsed() > self.pace.max(rest) * LATE => {
                format!("nothing has been read for {} s: the kernel does not answer", self.heard.elapsed().as_secs())
            }
            None => return None,
        };
        Some(Degraded {
            badge: format!("no {}", self.name),
            what: format!("the {} are not up to date", self.name),
            reason,
            remedy: "packets are counted all the same; it goes on by itself once the kernel answers".into(),
        })
    }
}

fn is_full(place: &Mutex<Newest>) -> bool {
    place.lock().unwrap_or_else(PoisonError::into_inner).readings.iter().any(Reading::is_full)
}

/// A reading takes the place of the one of its kind that nobody has taken yet; what has come since the one before is added to it.
fn put(readings: &mut Vec<Reading>, newest: Reading) {
    let same = |one: &&mut Reading| std::mem::discriminant(*one) == std::mem::discriminant(&newest);
    match (readings.iter_mut().find(same), newest) {
        (Some(Reading::Calls(sum)), Reading::Calls(calls)) => sum.add(*calls),
        (Some(Reading::Flows(sum)), Reading::Flows(flows)) => sum.add(*flows),
        (Some(Reading::Logs(sum)), Reading::Logs(logs)) => sum.add(*logs),
        (Some(place), newest) => *place = newest,
        (None, newest) => readings.push(newest),
    }
}

/// How long to wait after a reading that took so long.
fn wait(pace: Duration, took: Duration) -> Duration {
    pace.saturating_sub(took).max(took.mul_f64(1.0 / MOST_CPU - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_takes_a_bounded_share_of_a_cpu() {
        let ms = Duration::from_millis;
        for (took, expected) in [(ms(0), ms(1000)), (ms(5), ms(995)), (ms(20), ms(980)), (ms(100), ms(4900))] {
            assert_eq!(wait(ms(1000), took).as_millis(), expected.as_millis(), "after {took:?}");
        }
    }

    #[test]
    fn a_reading_is_handed_over_once_and_a_silent_collector_is_named() {
        struct Slow(Duration);

        impl Collector for Slow {
            fn name(&self) -> &'static str {
                "test readings"
            }

            fn pace(&self) -> Duration {
                Duration::from_millis(10)
            }

            fn collect(&mut self) -> Reading {
                thread::sleep(self.0);
                Reading::Host(Box::default())
            }
        }

        let slow: Box<dyn Collector> = Box::new(Slow(Duration::from_secs(1)));
        let mut collectors = Collectors::start([slow]);
        assert_eq!((collectors.readings().count(), collectors.degraded().count()), (0, 0));
        thread::sleep(Duration::from_millis(200));
        let degraded: Vec<_> = collectors.degraded().collect();
        assert_eq!(degraded[0].badge, "no test readings");
        while collectors.readings().count() == 0 {
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!((collectors.readings().count(), collectors.degraded().count()), (0, 0));
    }
}
