//! What the host itself counts: rates from two readings, and what the host lost lately.

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use nettop_collect::host::{COUNTERS, CpuTime, Direction, HostReading, LinkCounters};
use nettop_model::{
    format, order,
    snapshot::{Degraded, Host, HostCounter, HostCpu, HostDirection, HostInterface, HostMemory, Name, Neighbours},
};

use crate::{messages::MessageBooks, neighbours};

/// For how long a loss is spoken of, nanoseconds.
const LATELY_NS: u64 = 60_000_000_000;
/// What receiving interfaces count as missed is called in the list of losses.
const MISSED: &str = "InterfaceRxMissed";

/// The newest reading, and what followed from it.
#[derive(Default)]
pub struct HostState {
    newest: Option<HostReading>,
    host: Option<Arc<Host>>,
    /// Its neighbours, for the number of rows that is asked for most often.
    neighbours: Option<(usize, Arc<Neighbours>)>,
    /// What was lost, when, and the name of the counter; oldest first. A row for each counter and reading that lost anything:
    /// sixty readings a minute, some ten counters.
    lost: VecDeque<(u64, &'static str, u64)>,
}

impl HostState {
    /// Enters a reading, of which at most so many interfaces and, usually, neighbours are listed; `messages`: what came from each MAC and
    /// was sent to it, where that is counted.
    pub fn enter(&mut self, reading: HostReading, messages: &MessageBooks, limit: usize) {
        let before = self.newest.as_ref();
        let seconds = before.map_or(0.0, |before| reading.at.seconds_since(&before.at));
        let earlier = by_identity(before);
        self.lost.extend(before.into_iter().flat_map(|before| losses(&reading, before, &earlier)));
        let now_ns = reading.at.monotonic_ns;
        while self.lost.front().is_some_and(|(at_ns, ..)| now_ns.saturating_sub(*at_ns) > LATELY_NS) {
            self.lost.pop_front();
        }
        let mut interfaces = interfaces(&reading, &earlier, seconds);
        let left_out = interfaces.len().saturating_sub(limit) as u64;
        interfaces.truncate(limit);
        self.host = Some(Arc::new(Host {
            at_ns: reading.at.unix_ns,
            seconds,
            interfaces,
            interfaces_left_out: left_out,
            counters: counters(&reading, before, seconds),
            lost_60s: self.lately(),
            cpu: cpu(&reading.cpus, before.map(|before| before.cpus.as_slice()).unwrap_or_default()),
            memory: HostMemory { total: reading.memory.total, available: reading.memory.available },
        }));
        self.neighbours = Some((limit, Arc::new(neighbours::neighbours(&reading, messages, limit))));
        self.newest = Some(reading);
    }

    /// What is published of it.
    pub fn host(&self) -> Option<Arc<Host>> {
        self.host.clone()
    }

    /// Its neighbours, with at most `limit` (0: all) rows; `messages` as above.
    pub fn neighbours(&self, messages: &MessageBooks, limit: usize) -> Option<Arc<Neighbours>> {
        match &self.neighbours {
            Some((made_for, neighbours)) if *made_for == limit => Some(Arc::clone(neighbours)),
            _ => self.newest.as_ref().map(|newest| Arc::new(neighbours::neighbours(newest, messages, limit))),
        }
    }

    /// What was lost within the last minute, by counter, in the order of [`COUNTERS`].
    fn lately(&self) -> Vec<(Name, u64)> {
        let names = COUNTERS.iter().map(|counter| counter.name).chain([MISSED]);
        let sum = |name: &str| self.lost.iter().filter(|(_, lost, _)| *lost == name).map(|(.., count)| count).sum();
        names.map(|name| (name.into(), sum(name))).filter(|(_, count)| *count > 0).collect()
    }

    /// What the host lost, and what could not be read.
    pub fn degraded(&self) -> Vec<Degraded> {
        let mut rows = Vec::new();
        let lost = self.host.as_ref().map(|host| host.lost_60s.as_slice()).unwrap_or_default();
        let all: u64 = lost.iter().map(|(_, count)| count).sum();
        if all > 0 {
            let about = |name: &str| COUNTERS.iter().find(|counter| counter.name == name);
            let counts =
                |name: &str| about(name).map_or("packets that an interface had no buffer for", |row| row.counts);
            let remedy = |name: &str| about(name).and_then(|row| row.loss).unwrap_or("larger rings: ethtool -G");
            let reasons =
                lost.iter().map(|(name, count)| format!("{} {} ({name})", format::count(*count, 15), counts(name)));
            let mut remedies: Vec<_> = lost.iter().map(|(name, _)| remedy(name)).collect();
            remedies.dedup();
            rows.push(Degraded {
                badge: "host drops".into(),
                what: format!(
                    "in the last minute the kernel dropped {} packets before sockets",
                    format::count(all, 15)
                ),
                reason: reasons.collect::<Vec<_>>().join("; "),
                remedy: remedies.join("; "),
            });
        }
        let problems = self.newest.as_ref().map(|newest| newest.problems.as_slice()).unwrap_or_default();
        if !problems.is_empty() {
            rows.push(Degraded {
                badge: "host counters".into(),
                what: "some of the host's own counters cannot be read".into(),
                reason: problems.join("; "),
                remedy: "packets are counted all the same; in a service, ProcSubset=all".into(),
            });
        }
        rows
    }
}

/// What came to a cumulative counter; nothing where it became smaller, for then it was started anew.
fn since(now: u64, before: u64) -> u64 {
    now.saturating_sub(before)
}

fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

/// The interfaces of a reading by what tells that one is the same: an index is given again, a name may wander.
type ByIdentity<'a> = HashMap<(u32, &'a str), &'a LinkCounters>;

fn identity(interface: &LinkCounters) -> (u32, &str) {
    (interface.index, &interface.name)
}

fn by_identity(reading: Option<&HostReading>) -> ByIdentity<'_> {
    let interfaces = reading.into_iter().flat_map(|reading| &reading.interfaces);
    interfaces.map(|interface| (identity(interface), interface)).collect()
}

/// The rows of interfaces, the busiest first.
fn interfaces(reading: &HostReading, earlier: &ByIdentity, seconds: f64) -> Vec<HostInterface> {
    let row = |now: &LinkCounters| {
        let before = earlier.get(&identity(now));
        let direction = |now: Direction, before: Option<Direction>| {
            // Of one that was not there nothing is known of how long it took.
            let before = before.unwrap_or(now);
            HostDirection {
                packets: now.packets,
                bytes: now.bytes,
                errors: now.errors,
                dropped: now.dropped,
                missed: now.missed,
                pps: per_second(since(now.packets, before.packets), seconds),
                bps: per_second(since(now.bytes, before.bytes), seconds),
            }
        };
        HostInterface {
            name: now.name.clone(),
            kind: now.kind.clone(),
            up: now.up,
            carrier: now.carrier,
            speed_mbit: now.speed,
            mtu: now.mtu,
            rx: direction(now.receive, before.map(|before| before.receive)),
            tx: direction(now.transmit, before.map(|before| before.transmit)),
            collisions: now.collisions,
        }
    };
    let mut rows: Vec<_> = reading.interfaces.iter().map(row).collect();
    order::sort_by_key(&mut rows, |row| Reverse((row.rx.bps + row.tx.bps) as u64));
    rows
}

fn counters(reading: &HostReading, before: Option<&HostReading>, seconds: f64) -> Vec<(Name, HostCounter)> {
    let rows = COUNTERS.iter().zip(&reading.counters).enumerate();
    let row = |(at, (counter, total)): (usize, (&nettop_collect::host::Counter, &Option<u64>))| {
        let total = (*total)?;
        let earlier = before.and_then(|before| *before.counters.get(at)?).unwrap_or(total);
        Some((counter.name.into(), HostCounter { total, rate: per_second(since(total, earlier), seconds) }))
    };
    rows.filter_map(row).collect()
}

/// What was lost between two readings, with the time of the later one.
fn losses(reading: &HostReading, before: &HostReading, earlier: &ByIdentity) -> Vec<(u64, &'static str, u64)> {
    let at_ns = reading.at.monotonic_ns;
    let counted = COUNTERS.iter().zip(reading.counters.iter().zip(&before.counters));
    let lost = counted
        .filter(|(counter, _)| counter.loss.is_some())
        .filter_map(|(counter, (now, before))| Some((at_ns, counter.name, since((*now)?, (*before)?))));
    let missed = reading.interfaces.iter().filter_map(|now| {
        let before = earlier.get(&identity(now))?;
        Some(since(now.receive.missed, before.receive.missed))
    });
    lost.chain([(at_ns, MISSED, missed.sum())]).filter(|(.., count)| *count > 0).collect()
}

/// What the CPUs did between two readings; nothing where CPUs came or went.
fn cpu(now: &[CpuTime], before: &[CpuTime]) -> HostCpu {
    let cpus = now.len() as u32;
    if now.len() != before.len() {
        return HostCpu { cpus, ..HostCpu::default() };
    }
    let spent = now.iter().zip(before).map(|(now, before)| CpuTime {
        all: since(now.all, before.all),
        idle: since(now.idle, before.idle),
        softirq: since(now.softirq, before.softirq),
    });
    let spent: Vec<_> = spent.collect();
    let share = |part: u64, all: u64| if all > 0 { part as f64 / all as f64 } else { 0.0 };
    let sum = |field: fn(&CpuTime) -> u64| spent.iter().map(field).sum::<u64>();
    let all = sum(|cpu| cpu.all);
    HostCpu {
        cpus,
        busy: share(all.saturating_sub(sum(|cpu| cpu.idle)), all),
        softirq: share(sum(|cpu| cpu.softirq), all),
        softirq_most: spent.iter().map(|cpu| share(cpu.softirq, cpu.all)).fold(0.0, f64::max),
    }
}

#[cfg(test)]
mod tests {
    use nettop_model::clock::Moment;

    use super::*;

    const UNCOUNTED: MessageBooks = MessageBooks { came: None, sent: None };

    fn reading(second: u64) -> HostReading {
        HostReading {
            at: Moment { monotonic_ns: second * 1_000_000_000, unix_ns: second * 1_000_000_000 },
            counters: vec![Some(0); COUNTERS.len()],
            ..HostReading::default()
        }
    }

    fn with(mut reading: HostReading, name: &str, value: Option<u64>) -> HostReading {
        let at = COUNTERS.iter().position(|counter| counter.name == name).expect("a counter");
        reading.counters[at] = value;
        reading
    }

    fn link(index: u32, name: &str, packets: u64, missed: u64) -> LinkCounters {
        let receive = Direction { packets, bytes: packets * 100, missed, ..Direction::default() };
        LinkCounters { index, name: name.into(), receive, ..LinkCounters::default() }
    }

    #[test]
    fn rates_are_over_the_time_between_readings() {
        let mut state = HostState::default();
        let rate = |state: &HostState| {
            let host = state.host().expect("a reading");
            let counter = host.counters.iter().find(|(name, _)| *name == "TcpPassiveOpens");
            counter.map(|(_, counter)| (counter.total, counter.rate))
        };
        for (name, second, value, expected) in [
            ("the first", 0, Some(500), Some((500, 0.0))),
            ("a second later", 1, Some(510), Some((510, 10.0))),
            ("five seconds later", 6, Some(520), Some((520, 2.0))),
            ("started anew", 7, Some(3), Some((3, 0.0))),
            ("not counted any more", 8, None, None),
            ("counted again", 9, Some(40), Some((40, 0.0))),
            ("largest", 10, Some(u64::MAX), Some((u64::MAX, (u64::MAX - 40) as f64))),
        ] {
            state.enter(with(reading(second), "TcpPassiveOpens", value), &UNCOUNTED, 10);
            assert_eq!(rate(&state), expected, "{name}");
        }
    }

    #[test]
    fn an_interface_is_compared_with_itself() {
        let mut state = HostState::default();
        let mut step = |second, interfaces: &[LinkCounters]| {
            state.enter(HostReading { interfaces: interfaces.to_vec(), ..reading(second) }, &UNCOUNTED, 2);
            let host = state.host().expect("a reading");
            let rows = host.interfaces.iter().map(|row| (row.name.clone(), row.rx.pps)).collect::<Vec<_>>();
            (rows, host.interfaces_left_out)
        };
        let row = |name: &str, pps| (name.to_string(), pps);
        assert_eq!(step(0, &[link(1, "lo", 5, 0), link(2, "eth0", 9, 0)]), (vec![row("lo", 0.0), row("eth0", 0.0)], 0));
        // The busiest first.
        let rows = step(2, &[link(1, "lo", 7, 0), link(2, "eth0", 29, 0)]);
        assert_eq!(rows, (vec![row("eth0", 10.0), row("lo", 1.0)], 0));
        // Made anew under the same name, and under the same index.
        let rows = step(3, &[link(1, "lo", 7, 0), link(3, "eth0", 1_000, 0)]);
        assert_eq!(rows, (vec![row("lo", 0.0), row("eth0", 0.0)], 0));
        let rows = step(4, &[link(3, "eth1", 9_000, 0), link(4, "a", 1, 0), link(5, "b", 1, 0)]);
        assert_eq!(rows.1, 1);
    }

    #[test]
    fn losses_are_spoken_of_for_a_minute() {
        let mut state = HostState::default();
        let badge = |state: &HostState| state.degraded().first().map(|row| row.what.clone());
        state.enter(with(reading(0), "SoftnetDropped", Some(7)), &UNCOUNTED, 10);
        assert_eq!(badge(&state), None, "what was lost before nettop began is not news");
        state.enter(with(reading(1), "SoftnetDropped", Some(1_207)), &UNCOUNTED, 10);
        let told = "in the last minute the kernel dropped 1,200 packets before sockets";
        assert_eq!(badge(&state).as_deref(), Some(told));
        let Degraded { reason, remedy, .. } = state.degraded().remove(0);
        assert!(reason.contains("(SoftnetDropped)") && remedy.contains("netdev_max_backlog"), "{reason} {remedy}");
        let missed = HostReading { interfaces: vec![link(1, "eth0", 1, 3)], ..reading(30) };
        let missed = |second, count| HostReading {
            at: reading(second).at,
            interfaces: vec![link(1, "eth0", 1, count)],
            ..with(missed.clone(), "SoftnetDropped", Some(1_207))
        };
        state.enter(missed(30, 3), &UNCOUNTED, 10);
        state.enter(missed(31, 7), &UNCOUNTED, 10);
        assert_eq!(state.host().unwrap().lost_60s, [("SoftnetDropped".into(), 1_200), (MISSED.into(), 4)]);
        state.enter(missed(62, 7), &UNCOUNTED, 10);
        assert_eq!(state.host().unwrap().lost_60s, [(MISSED.into(), 4)]);
        state.enter(missed(92, 7), &UNCOUNTED, 10);
        assert_eq!(badge(&state), None);
    }

    #[test]
    fn cpus_share_their_time() {
        let cpu_of = |all, idle, softirq| CpuTime { all, idle, softirq };
        let before = [cpu_of(100, 50, 10), cpu_of(100, 90, 0)];
        let now = [cpu_of(200, 75, 60), cpu_of(200, 190, 0)];
        let told = cpu(&now, &before);
        assert_eq!((told.cpus, told.busy, told.softirq, told.softirq_most), (2, 0.375, 0.25, 0.5));
        assert_eq!(cpu(&now, &before[..1]), HostCpu { cpus: 2, ..HostCpu::default() }, "one came online");
        assert_eq!(cpu(&now, &now), HostCpu { cpus: 2, ..HostCpu::default() }, "no time has passed");
    }
}
