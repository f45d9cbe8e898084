//! One round of a flood: with the empty program at the receiver, with nettop, with another program.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nettop_tests::{monitor::Monitor, net::Net};
use serde_json::Value;

use crate::{
    cpu,
    generator::Generator,
    peer::Peer,
    process::{self, Times},
    rig::{self, IN},
};

/// How long the last packets may take to the snapshot.
const SETTLING: Duration = Duration::from_secs(5);

/// What is sent in a round.
pub struct Flood {
    /// Sends the frames.
    pub generator: Generator,
    /// Before the generator has changed it.
    pub frame: Vec<u8>,
    /// How many.
    pub frames: u64,
    /// From so many CPUs at once, each over a veth pair of its own: on one pair they would share a queue, and one CPU would receive.
    pub cpus: usize,
}

/// What a flood did.
pub struct Round {
    /// Frames.
    pub sent: u64,
    /// Of those, by the interface's own count.
    pub received: u64,
    /// From the first to the last.
    pub took: Duration,
    /// CPU time of the generators and, in their softirqs, of the receivers.
    pub used: Duration,
}

impl Round {
    /// Millions of packets received per second.
    pub fn mpps(&self) -> f64 {
        self.received as f64 / self.took.as_secs_f64() / 1e6
    }

    /// Millions of packets received per second that the generator had its CPU: other processes matter less.
    pub fn mpps_of_cpu(&self) -> f64 {
        self.received as f64 / self.used.as_secs_f64() / 1e6
    }

    /// Nanoseconds of a time for each packet received.
    pub fn ns_of(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e9 / self.received as f64
    }
}

/// What nettop did in one.
pub struct Watched {
    /// The flood.
    pub round: Round,
    /// The last snapshot.
    pub last: Value,
    /// In percent of a CPU, while frames came: in all, and in user space.
    pub cpu: (f64, f64),
    /// CPU time of all threads, until everything was counted that had come.
    pub used: Duration,
    /// MiB: at the end, and at most.
    pub resident: (f64, f64),
}

impl Watched {
    /// Whether every packet was counted, and accounted for.
    pub fn is_whole(&self) -> bool {
        rig::packets(&self.last, "seen") == self.round.received && self.last["accounting"]["holds"] == true
    }
}

/// What another program did in one.
pub struct Peered {
    /// The flood.
    pub round: Round,
    /// In percent of a CPU: in all, and in user space.
    pub cpu: (f64, f64),
    /// The lines in which it counts packets.
    pub said: String,
}

/// Sends, each share from a thread on a CPU of its own.
fn send(net: &Net, flood: &Flood) -> Result<Round> {
    let Flood { generator, frame, frames, cpus } = flood;
    let before = rig::received(net, *cpus);
    let share = frames / *cpus as u64;
    let send = |pair: usize, cpu: usize| {
        cpu::pin(cpu)?;
        generator.send((&net.sender, &rig::ends(pair).0), frame, share)
    };
    let sent: Vec<_> = thread::scope(|scope| {
        let senders = cpu::allowed().into_iter().take(*cpus).enumerate();
        let threads: Vec<_> = senders.map(|(pair, cpu)| scope.spawn(move || send(pair, cpu))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let (mut took, mut used) = (Duration::ZERO, Duration::ZERO);
    for sent in sent {
        let (its_time, its_use) = sent.context("sending the flood")?;
        (took, used) = (took.max(its_time), used + its_use);
    }
    Ok(Round { sent: share * *cpus as u64, received: rig::received(net, *cpus) - before, took, used })
}

/// With the empty program.
///
/// # Errors
/// What the kernel refuses.
pub fn with_empty(flood: &Flood) -> Result<Round> {
    let net = Net::new(flood.cpus);
    let _attached = rig::attach_empty(&net, flood.cpus)?;
    send(&net, flood)
}

/// With nettop, which has so many seconds between ticks, and further options.
///
/// # Errors
/// What the kernel refuses.
pub fn with_nettop(flood: &Flood, interval: f64, options: &str) -> Result<Watched> {
    let net = Net::new(flood.cpus);
    let monitor = rig::start_nettop(&net, flood.cpus, interval, options);
    let pid = monitor.pid();
    let used = || cpu::used_by(pid).context("the monitor's CPU time");
    let (before, used_before) = (Times::of(pid)?, used()?);
    let started = Instant::now();
    let round = send(&net, flood)?;
    let cpu = Times::of(pid)?.percent_since(before, started.elapsed());
    let last = settle(&monitor, &net, flood.cpus);
    let used = used()?.saturating_sub(used_before);
    let resident = (process::memory(pid, "VmRSS")?, process::memory(pid, "VmHWM")?);
    let round = Round { received: rig::received(&net, flood.cpus), ..round };
    Ok(Watched { round, last, cpu, used, resident })
}

/// The snapshot in which everything received is counted, or the last one.
fn settle(monitor: &Monitor, net: &Net, pairs: usize) -> Value {
    let started = Instant::now();
    loop {
        let snapshot = monitor.snapshot();
        if rig::packets(&snapshot, "seen") == rig::received(net, pairs) || started.elapsed() > SETTLING {
            return snapshot;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// With another program on the first pair, and the empty one, without which a veth pair takes no such frames.
///
/// # Errors
/// What the kernel refuses; the program cannot be started.
pub fn with_peer(flood: &Flood, call: &str) -> Result<Peered> {
    let net = Net::new(flood.cpus);
    let _attached = rig::attach_empty(&net, flood.cpus)?;
    let peer = Peer::start(&net.receiver, call, IN)?;
    let before = Times::of(peer.pid())?;
    let started = Instant::now();
    let round = send(&net, flood)?;
    let cpu = Times::of(peer.pid())?.percent_since(before, started.elapsed());
    Ok(Peered { round, cpu, said: peer.stop()? })
}
