//! What the monitor itself costs, measured with a few system calls per tick.

use std::{fs::File, mem, os::unix::fs::FileExt as _, time::Duration};

use nettop_collect::traffic::{Cost, Traffic};
use nettop_model::{clock::Moment, snapshot::SelfStats};

/// What makes the kernel measure the program.
const HINT: &str = "sysctl kernel.bpf_stats_enabled=1";

/// Measures it.
#[derive(Debug)]
pub struct Overhead {
    /// `/proc/self/statm`, read anew at each tick.
    statm: Option<File>,
    page: u64,
    /// The values at the last tick.
    at: Moment,
    cpu: Duration,
    cost: Cost,
    seen: u64,
    /// The longest reading since then.
    longest: Duration,
}

impl Overhead {
    /// From now on. What it reads is opened here, before the sandbox.
    pub fn new(now: Moment) -> Self {
        // SAFETY: no pointers.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        Self {
            statm: File::open("/proc/self/statm").ok(),
            page: u64::try_from(page).unwrap_or(4096),
            at: now,
            cpu: cpu_time(),
            cost: Cost::default(),
            seen: 0,
            longest: Duration::ZERO,
        }
    }

    /// Told how long a reading took, and how many packets it had.
    pub fn note(&mut self, took: Duration, packets: u64) {
        self.longest = self.longest.max(took);
        self.seen += packets;
    }

    /// The cost since the last time.
    pub fn measure(&mut self, source: &dyn Traffic, now: Moment) -> SelfStats {
        let (cost, cpu) = (source.cost(), cpu_time());
        let before = mem::replace(&mut self.cost, cost);
        let used = cpu.saturating_sub(mem::replace(&mut self.cpu, cpu));
        let seconds = now.seconds_since(&mem::replace(&mut self.at, now));
        let (runs, nanoseconds) = (cost.runs.saturating_sub(before.runs), cost.run_ns.saturating_sub(before.run_ns));
        let packets = mem::take(&mut self.seen);
        SelfStats {
            cpu: if seconds > 0.0 { used.as_secs_f64() / seconds } else { 0.0 },
            memory: self.resident().unwrap_or(0),
            kernel_memory: cost.memory,
            drain_ms: mem::take(&mut self.longest).as_secs_f64() * 1e3,
            packet_ns: (runs > 0).then(|| nanoseconds as f64 / runs as f64),
            packet_ns_hint: (runs == 0 && packets > 0 && cost.memory > 0).then_some(HINT.into()),
            runs: cost.runs,
            run_ns: cost.run_ns,
        }
    }

    /// Resident memory, bytes (proc_pid_statm(5): the second field, in pages).
    fn resident(&self) -> Option<u64> {
        let mut text = [0; 128];
        let length = self.statm.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(&text[..length]).ok()?;
        Some(text.split_whitespace().nth(1)?.parse::<u64>().ok()? * self.page)
    }
}

/// CPU time of this process, of all its threads, in the kernel too.
fn cpu_time() -> Duration {
    // SAFETY: plain integers, for which zero is valid; getrusage fills them in.
    let usage = unsafe {
        let mut usage: libc::rusage = mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use nettop_collect::demo::Demo;

    #[test]
    fn what_is_used_is_measured() {
        let source = Demo::new(1);
        let mut cost = Overhead::new(Moment::now());
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(50) {
            std::hint::black_box(cpu_time());
        }
        cost.note(Duration::from_millis(3), 5);
        cost.note(Duration::from_millis(2), 5);
        let own = cost.measure(&source, Moment::now());
        assert!(own.cpu > 0.0 && own.memory > 1 << 20, "{own:?}");
        assert_eq!((own.drain_ms, own.kernel_memory, own.packet_ns_hint), (3.0, 0, None));
        assert_eq!(cost.measure(&source, Moment::now()).drain_ms, 0.0);
    }
}
