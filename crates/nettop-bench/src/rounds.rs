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
    rig::{self, IN, OUT},
};

/// How long the last packets may take to the snapshot.
const SETTLING: Duration = Duration::from_secs(5);

/// What a flood did.
pub struct Round {
    /// Frames.
    pub sent: u64,
    /// Of those, by the interface's own count.
    pub received: u64,
    /// From the first to the last.
    pub took: Duration,
    /// CPU time of the generator and, in its softirqs, of the receiver.
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
}

/// What nettop did in one.
pub struct Watched {
    /// The flood.
    pub round: Round,
    /// The last snapshot.
    pub last: Value,
    /// In percent of a CPU: in all, and in user space.
    pub cpu: (f64, f64),
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

/// Sends from a thread on a CPU of its own.
fn flood(net: &Net, generator: &Generator, frames: u64) -> Result<Round> {
    let before = net.receiver.received(IN);
    let send = || {
        cpu::pin(cpu::last())?;
        generator.send((&net.sender, OUT), &rig::frame(), frames)
    };
    let took = thread::scope(|scope| scope.spawn(send).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let (took, used) = took.context("sending the flood")?;
    Ok(Round { sent: frames, received: net.receiver.received(IN) - before, took, used })
}

/// With the empty program.
///
/// # Errors
/// What the kernel refuses.
pub fn with_empty(generator: &Generator, frames: u64) -> Result<Round> {
    let net = Net::new(1);
    let _attached = rig::attach_empty(&net)?;
    flood(&net, generator, frames)
}

/// With nettop, which has so many seconds between ticks.
///
/// # Errors
/// What the kernel refuses.
pub fn with_nettop(generator: &Generator, frames: u64, interval: f64) -> Result<Watched> {
    let net = Net::new(1);
    let monitor = rig::start_nettop(&net, interval);
    let pid = monitor.pid();
    let before = Times::of(pid)?;
    let started = Instant::now();
    let round = flood(&net, generator, frames)?;
    let cpu = Times::of(pid)?.percent_since(before, started.elapsed());
    let last = settle(&monitor, &net);
    let resident = (process::memory(pid, "VmRSS")?, process::memory(pid, "VmHWM")?);
    let round = Round { received: net.receiver.received(IN), ..round };
    Ok(Watched { round, last, cpu, resident })
}

/// The snapshot in which everything received is counted, or the last one.
fn settle(monitor: &Monitor, net: &Net) -> Value {
    let started = Instant::now();
    loop {
        let snapshot = monitor.snapshot();
        if rig::packets(&snapshot, "seen") == net.receiver.received(IN) || started.elapsed() > SETTLING {
            return snapshot;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// With another program, and the empty one, without which a veth pair takes no such frames.
///
/// # Errors
/// What the kernel refuses; the program cannot be started.
pub fn with_peer(generator: &Generator, frames: u64, call: &str) -> Result<Peered> {
    let net = Net::new(1);
    let _attached = rig::attach_empty(&net)?;
    let peer = Peer::start(&net.receiver, call, IN)?;
    let before = Times::of(peer.pid())?;
    let started = Instant::now();
    let round = flood(&net, generator, frames)?;
    let cpu = Times::of(peer.pid())?.percent_since(before, started.elapsed());
    Ok(Peered { round, cpu, said: peer.stop()? })
}
