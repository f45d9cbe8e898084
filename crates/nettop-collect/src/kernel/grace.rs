//! Waiting until no CPU counts any more in the bank that the program was just flipped away from.
//!
//! `membarrier(MEMBARRIER_CMD_GLOBAL)` returns after a grace period of RCU (kernel/sched/membarrier.c: `synchronize_rcu`), and an XDP
//! program runs within a read-side critical section of RCU. So after it every run has ended that began before, however long the
//! hypervisor had stopped its CPU, and what it wrote can be seen. It needs no capability, and takes six milliseconds here, of no CPU.

use std::{fs, io, thread, time::Duration};

use rustix::{
    io::Errno,
    thread::{MembarrierCommand, membarrier},
};

/// Where the kernel has no such call (`nohz_full`, or seccomp of a container): a run takes less than a microsecond, and is not
/// interrupted but by hardware. A CPU that is stopped for longer than this counts in a bank that is being emptied.
const DELAY: Duration = Duration::from_millis(10);

/// How it is waited.
#[derive(Debug)]
pub struct Grace {
    /// Why not by a grace period.
    refused: Option<Errno>,
    /// The kernel is one of PREEMPT_RT: a run can be preempted, and with one CPU online the call returns at once.
    is_realtime: bool,
}

impl Default for Grace {
    /// By a grace period, as far as is known yet.
    fn default() -> Self {
        let is_realtime = fs::read_to_string("/sys/kernel/realtime").is_ok_and(|realtime| realtime.trim() == "1");
        Self { refused: None, is_realtime }
    }
}

impl Grace {
    /// Why the kernel refuses to tell when a grace period is over, if it does.
    pub fn refused(&self) -> Option<io::Error> {
        self.refused.map(io::Error::from)
    }

    /// Waits until every run of a program has ended that began before.
    pub fn wait(&mut self) {
        if self.refused.is_none()
            && let Err(error) = membarrier(MembarrierCommand::Global)
        {
            self.refused = Some(error);
            let (error, delay) = (io::Error::from(error), DELAY.as_millis());
            log::warn!("membarrier: {error}; what is counted is read {delay} ms after the banks were flipped instead");
        }
        if self.refused.is_some() || self.is_realtime {
            thread::sleep(DELAY);
        }
    }
}
