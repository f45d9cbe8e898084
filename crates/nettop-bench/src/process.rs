//! What a process has used, as /proc tells it.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

/// Time on CPUs, of all threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// In the program itself: no packet is handled meanwhile.
    pub user: Duration,
    /// In the kernel. Many kernels count here what interrupts did on the thread's CPU, packets included.
    pub system: Duration,
}

impl Times {
    /// Of a process, until now; the kernel counts in ticks, mostly hundredths of a second.
    ///
    /// # Errors
    /// There is no such process.
    pub fn of(process: u32) -> Result<Self> {
        let path = format!("/proc/{process}/stat");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        // Behind the name, which may hold anything, the fields 3 and following (proc_pid_stat(5)).
        let fields: Vec<_> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // SAFETY: a plain integer.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as f64;
        let time = |field: usize| {
            let ticks: Option<f64> = fields.get(field - 3).and_then(|text| text.parse().ok());
            ticks.map(|ticks| Duration::from_secs_f64(ticks / per_second)).with_context(|| format!("{path}: {text:?}"))
        };
        Ok(Self { user: time(14)?, system: time(15)? })
    }

    /// Since `earlier`, in percent of one CPU over `time`: in all, and of that in user space.
    pub fn percent_since(self, earlier: Self, time: Duration) -> (f64, f64) {
        let percent = |used: Duration| used.as_secs_f64() / time.as_secs_f64() * 100.0;
        let user = self.user.saturating_sub(earlier.user);
        (percent(user + self.system.saturating_sub(earlier.system)), percent(user))
    }
}

/// A line of `/proc/PID/status` that is in kB, in MiB: `VmRSS`, `VmHWM`, `RssAnon`, …
///
/// # Errors
/// There is no such process, or no such line.
pub fn memory(process: u32, line: &str) -> Result<f64> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let value = text.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kib: f64 = value
        .and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok())
        .with_context(|| format!("{path} has no {line}"))?;
    Ok(kib / 1024.0)
}

/// By CPU, how often packets were received in softirq.
pub fn receive_softirqs() -> Vec<u64> {
    let text = fs::read_to_string("/proc/softirqs").unwrap_or_default();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("NET_RX:")).unwrap_or_default();
    line.split_whitespace().filter_map(|count| count.parse().ok()).collect()
}
