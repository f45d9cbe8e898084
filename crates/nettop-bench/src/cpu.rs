//! CPUs: which one a thread runs on, and what it has used of it.

use std::{
    io, mem,
    time::{Duration, Instant},
};

/// Keeps the calling thread, and threads and processes that it starts, on one CPU.
///
/// # Errors
/// What the kernel says.
pub fn pin(cpu: usize) -> io::Result<()> {
    // SAFETY: bits, for which zero is valid.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the number is checked against the size of the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set is as long as is said; 0 is the calling thread.
    match unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The CPU with the highest number that the calling thread may run on: the others are busier by habit.
pub fn last() -> usize {
    allowed().first().copied().unwrap_or(0)
}

/// The CPUs that the calling thread may run on, the highest number first.
pub fn allowed() -> Vec<usize> {
    // SAFETY: bits, for which zero is valid.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the set is as long as is said; 0 is the calling thread.
    unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    // SAFETY: numbers below the size of the set.
    let allowed = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    (0..libc::CPU_SETSIZE as usize).rev().filter(allowed).collect()
}

/// How long `work` takes: the time by the clock, and what this thread has used of its CPU, in the kernel too. Other processes
/// add to the first alone.
pub fn time<T>(work: impl FnOnce() -> T) -> (T, Duration, Duration) {
    let (started, used) = (Instant::now(), used());
    let result = work();
    (result, started.elapsed(), self::used().saturating_sub(used))
}

fn used() -> Duration {
    of_clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// What all threads of a process have used, those that have ended too.
///
/// # Errors
/// There is no such process.
pub fn used_by(process: u32) -> io::Result<Duration> {
    let mut clock = 0;
    // SAFETY: a place for the result.
    match unsafe { libc::clock_getcpuclockid(process as i32, &raw mut clock) } {
        0 => Ok(of_clock(clock)),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

fn of_clock(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for the result; a clock that does not exist leaves it as it is.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
