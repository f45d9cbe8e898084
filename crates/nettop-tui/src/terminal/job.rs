//! Job control: being stopped by the shell's user, and going on, in the foreground or in the background.
//!
//! A stopped job leaves the terminal to its shell, which wants it as it was. So SIGTSTP (Ctrl-Z), SIGTTIN and SIGTTOU are caught,
//! the terminal is given back, and only then the process stops, by the signal's own default: the kernel knows whether there is
//! a shell that could continue it, and else does nothing (an orphaned process group, POSIX 2.4.4).

use std::{
    future::poll_fn,
    io::{self, stdout},
    mem::zeroed,
    os::fd::AsFd as _,
    ptr,
    sync::atomic::{AtomicI32, AtomicU32, Ordering},
    task::Poll,
    thread,
    time::Duration,
};

use libc::{SIG_DFL, SIG_IGN, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, c_int, sigaction};
use rustix::{process::getpgrp, termios::tcgetpgrp};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that stop a process.
const STOPS: [c_int; 3] = [SIGTSTP, SIGTTIN, SIGTTOU];
/// How long after it goes on the thread that stopped it may learn of it: another one may be given the signal.
const NEWS: Duration = Duration::from_millis(250);
/// How soon a handler has run of a signal that has come.
const SETTLED: Duration = Duration::from_millis(10);
/// How often it looks until then.
const LOOKS: u32 = 50;

/// The newest of those signals and SIGCONT; 0: none since the last that was heeded.
static NEWEST: AtomicI32 = AtomicI32::new(0);
/// How often SIGCONT came.
static CONTINUED: AtomicU32 = AtomicU32::new(0);

/// Whether the terminal's keyboard is this process's job's. Where there is no job control, it is.
pub fn is_foreground() -> bool {
    tcgetpgrp(stdout().as_fd()).map_or(true, |foreground| foreground == getpgrp())
}

/// Whether Ctrl-Z is to mean anything: not where whoever started this process has it ignore SIGTSTP.
pub fn can_stop() -> bool {
    !is_ignored(SIGTSTP)
}

/// Lets this thread write to the terminal and change it in the background too, until what is returned is dropped.
pub fn in_background() -> Blocked {
    Blocked::now(SIGTTOU)
}

/// Does something to the terminal that has to wait until this process is in the foreground: it is stopped until then. With a
/// handler the kernel would have it try again for ever.
pub fn in_foreground<T>(work: impl FnOnce() -> T) -> T {
    let ours = (!is_ignored(SIGTTOU)).then(|| with_action(SIGTTOU, SIG_DFL)).flatten();
    let done = work();
    if let Some(ours) = ours {
        restore_action(SIGTTOU, &ours);
    }
    done
}

/// Listens to the signals of job control; when dropped, they do again what they usually do.
pub struct Job {
    stops: Vec<(c_int, Signal)>,
    continued: Signal,
    /// How many of [`CONTINUED`] have been heeded.
    heeded: u32,
}

impl Job {
    /// Starts to listen. What whoever started this process has it ignore, as some login programs do, stays ignored.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn listen() -> io::Result<Self> {
        let heeded = STOPS.into_iter().filter(|signal| !is_ignored(*signal));
        // First who notes the order in which they come, which the others do not tell.
        for number in heeded.clone().chain([SIGCONT]) {
            let note = move || {
                NEWEST.store(number, Ordering::SeqCst);
                if number == SIGCONT {
                    CONTINUED.fetch_add(1, Ordering::SeqCst);
                }
            };
            // SAFETY: all that is done in the signal's handler are two operations on atomics.
            unsafe { signal_hook_registry::register(number, note) }?;
        }
        let stops = heeded.map(|number| Ok((number, signal(SignalKind::from_raw(number))?)));
        Ok(Self {
            stops: stops.collect::<io::Result<_>>()?,
            continued: signal(SignalKind::from_raw(SIGCONT))?,
            heeded: CONTINUED.load(Ordering::SeqCst),
        })
    }

    /// Waits until one of the signals came.
    pub async fn changed(&mut self) {
        poll_fn(|context| {
            let all = self.stops.iter_mut().map(|(_, signal)| signal).chain([&mut self.continued]);
            // Every one is asked, so that every one can wake.
            let came = all.filter_map(|signal| signal.poll_recv(context).is_ready().then_some(())).count();
            if came > 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Somebody wants the process to stop, without a signal.
    pub fn ask_to_stop(&self) {
        NEWEST.store(SIGTSTP, Ordering::SeqCst);
    }

    /// The signal that is to stop the process, unless it was continued since.
    pub fn to_stop(&self) -> Option<c_int> {
        Some(NEWEST.load(Ordering::SeqCst)).filter(|newest| STOPS.contains(newest))
    }

    /// Whether the process has been continued since this was last asked.
    pub fn was_continued(&mut self) -> bool {
        let count = CONTINUED.load(Ordering::SeqCst);
        std::mem::replace(&mut self.heeded, count) != count
    }

    /// Stops the process, and returns when it has been continued. Whether it was: nobody could continue an orphan, so that the
    /// kernel does not stop one.
    pub fn stop(&mut self, number: c_int) -> bool {
        let before = CONTINUED.load(Ordering::SeqCst);
        // While it is pending, SIGCONT takes it away (POSIX, 2.4.1): one that comes from now on is not missed. Of one that came
        // before the handler has run after this moment. Stopped in spite of it, the process would wait for another one.
        let blocked = Blocked::now(number);
        let usual = with_action(number, SIG_DFL);
        // SAFETY: a plain integer. It goes to this very thread, which the kernel stops as soon as it is not blocked any more.
        unsafe { libc::raise(number) };
        thread::sleep(SETTLED);
        let goes_on = self.to_stop().is_none();
        if goes_on {
            // What is ignored is not pending any more.
            with_action(number, SIG_IGN);
        }
        drop(blocked);
        if let Some(ours) = usual {
            restore_action(number, &ours);
        }
        if goes_on || NEWEST.compare_exchange(number, 0, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            self.was_continued();
            return true;
        }
        for _ in 0..LOOKS {
            thread::sleep(NEWS / LOOKS);
            if CONTINUED.load(Ordering::SeqCst) != before {
                return self.was_continued();
            }
        }
        false
    }
}

/// A signal that this thread does not take, until this is dropped.
pub struct Blocked(c_int);

impl Blocked {
    fn now(number: c_int) -> Self {
        mask(libc::SIG_BLOCK, number);
        Self(number)
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        mask(libc::SIG_UNBLOCK, self.0);
    }
}

/// Changes this thread's mask by one signal.
fn mask(how: c_int, number: c_int) {
    // SAFETY: a set on the stack, which is made empty before it is used.
    unsafe {
        let mut set = zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, number);
        libc::pthread_sigmask(how, &raw const set, ptr::null_mut());
    }
}

/// Puts an action without a handler in the place of the one that is returned.
fn with_action(number: c_int, action: libc::sighandler_t) -> Option<sigaction> {
    // SAFETY: zero is a value of every field of the one, and the kernel fills in the other.
    unsafe {
        let (mut new, mut old): (sigaction, sigaction) = (zeroed(), zeroed());
        new.sa_sigaction = action;
        (sigaction(number, &raw const new, &raw mut old) == 0).then_some(old)
    }
}

fn restore_action(number: c_int, action: &sigaction) {
    // SAFETY: what the kernel said it was.
    unsafe { sigaction(number, action, ptr::null_mut()) };
}

impl Drop for Job {
    fn drop(&mut self) {
        for (number, _) in &self.stops {
            // What is written in the background after the screen, and is not allowed to be, has to stop the process: with a
            // handler it would be tried for ever.
            with_action(*number, SIG_DFL);
        }
    }
}

fn is_ignored(number: c_int) -> bool {
    // SAFETY: nothing is changed; the kernel fills in what is asked for, which is whole before, too.
    unsafe {
        let mut now: sigaction = zeroed();
        sigaction(number, ptr::null(), &raw mut now) == 0 && now.sa_sigaction == SIG_IGN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_left_alone() {
        // SAFETY: SIGTTIN means nothing to the other tests; it is put back.
        let before = unsafe { libc::signal(SIGTTIN, SIG_IGN) };
        assert!(is_ignored(SIGTTIN) && !is_ignored(SIGCONT));
        // SAFETY: as above.
        unsafe { libc::signal(SIGTTIN, before) };
        assert!(!is_ignored(SIGTTIN));
    }
}
