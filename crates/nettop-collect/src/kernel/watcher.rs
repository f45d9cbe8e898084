//! The thread that looks at the interfaces each second. A kernel that is busy with its interfaces can keep whoever asks about
//! them waiting for as long as it likes, and whoever reads what is counted has no time for that.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use nettop_model::snapshot::InterfaceState;

use super::attachments::Attachments;
use crate::reading::Watched;

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);
/// After so long without a look nobody knows how the interfaces are.
const STALE: Duration = Duration::from_secs(5);
/// How long whoever wants other interfaces waits for them.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the end waits for the thread.
const END: Duration = Duration::from_secs(1);
/// Netlink messages and error texts need little.
const STACK: usize = 256 << 10;

/// What is watched, and who looks at it.
pub struct Watcher {
    hand: Hand,
    /// The newest look.
    watched: Watched,
    looked: Instant,
    /// Whether it has not been told yet.
    is_news: bool,
}

/// Who has the attachments.
enum Hand {
    /// Nobody looks yet: a thread keeps the privileges that it begins with, and these are given up first.
    Own(Attachments),
    Thread(Thread),
    /// Between the two, and at the end.
    None,
}

struct Thread {
    wishes: Sender<Wish>,
    looks: Arc<Mutex<Option<Watched>>>,
    /// Hung up on when everything is detached.
    end: Receiver<()>,
}

enum Wish {
    Watch(Vec<String>, SyncSender<Result<Watched>>),
    Explain(Vec<u32>),
}

impl Watcher {
    /// Over what is attached; the thread begins with the first [`news`](Self::news).
    pub fn new(attachments: Attachments) -> Self {
        let watched = attachments.watched();
        Self { hand: Hand::Own(attachments), watched, looked: Instant::now(), is_news: true }
    }

    /// What the newest look brought, if there was one since the last time, or none for too long. Never waits.
    pub fn news(&mut self) -> Option<Watched> {
        self.start();
        let look = match &self.hand {
            Hand::Thread(thread) => thread.looks.lock().unwrap_or_else(PoisonError::into_inner).take(),
            Hand::Own(_) | Hand::None => None,
        };
        look.into_iter().for_each(|watched| self.note(watched));
        if self.looked.elapsed() > STALE {
            let why = format!("nobody has been able to look at it for more than {} s", STALE.as_secs());
            for interface in &mut self.watched.interfaces {
                self.is_news |= interface.row.state != InterfaceState::Unknown;
                interface.is_unknown(&why);
            }
        }
        std::mem::take(&mut self.is_news).then(|| self.watched.clone())
    }

    fn note(&mut self, watched: Watched) {
        (self.watched, self.looked, self.is_news) = (watched, Instant::now(), true);
    }

    /// The names asked for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.watched.interfaces.iter().map(|interface| interface.wanted.as_str())
    }

    /// Watches other interfaces; see [`Attachments::set`].
    ///
    /// # Errors
    /// As there; the kernel does not answer.
    pub fn set(&mut self, names: &[String]) -> Result<()> {
        let watched = match &mut self.hand {
            Hand::Own(attachments) => {
                attachments.set(names)?;
                attachments.watched()
            }
            Hand::Thread(thread) => thread.watch(names)?,
            Hand::None => return Err(anyhow!("nobody looks at the interfaces")),
        };
        self.note(watched);
        Ok(())
    }

    /// From the next look on, it is said what is below the interfaces with these indexes.
    pub fn explain_below(&mut self, indexes: Vec<u32>) {
        match &mut self.hand {
            Hand::Own(attachments) => attachments.explain_below(indexes),
            // Where the thread has ended, no look comes.
            Hand::Thread(thread) => drop(thread.wishes.send(Wish::Explain(indexes))),
            Hand::None => {}
        }
    }

    fn start(&mut self) {
        let Hand::Own(_) = &self.hand else { return };
        match Thread::start() {
            Ok((thread, give)) => {
                if let Hand::Own(attachments) = std::mem::replace(&mut self.hand, Hand::Thread(thread)) {
                    // It has just begun, and waits for nothing else.
                    let _ = give.send(attachments);
                }
            }
            // What is attached stays so. It is tried again, and soon said that nobody looks.
            Err(error) => log::debug!("starting the thread that looks at the interfaces: {error}"),
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Hand::Thread(Thread { wishes, end, .. }) = std::mem::replace(&mut self.hand, Hand::None) {
            drop(wishes);
            // So that nothing is attached any more, unless the kernel does not let go.
            let _ = end.recv_timeout(END);
        }
    }
}

impl Thread {
    /// One that waits for what it is to look at: where there can be no thread, that must not be lost.
    fn start() -> io::Result<(Self, Sender<Attachments>)> {
        let (wishes, wished) = mpsc::channel();
        let (give, given) = mpsc::channel();
        let (ended, end) = mpsc::channel();
        let looks = Arc::default();
        let place = Arc::clone(&looks);
        thread::Builder::new().name("interfaces".into()).stack_size(STACK).spawn(move || {
            if let Ok(attachments) = given.recv() {
                run(attachments, &wished, &place);
            }
            drop::<Sender<()>>(ended);
        })?;
        Ok((Self { wishes, looks, end }, give))
    }

    fn watch(&self, names: &[String]) -> Result<Watched> {
        let (answer, answered) = mpsc::sync_channel(1);
        let asked = self.wishes.send(Wish::Watch(names.to_vec(), answer)).is_ok();
        let answer = if asked { answered.recv_timeout(PATIENCE) } else { Err(RecvTimeoutError::Disconnected) };
        // What it saw before is not news any more.
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).take();
        answer.unwrap_or_else(|error| {
            Err(match error {
                RecvTimeoutError::Timeout => anyhow!(
                    "the kernel has not attached the program within {} s; it is tried further on: look at the interfaces again",
                    PATIENCE.as_secs()
                ),
                RecvTimeoutError::Disconnected => anyhow!("the thread that looks at the interfaces has ended"),
            })
        })
    }
}

/// Looks each second, and does what is wished in between.
fn run(mut attachments: Attachments, wishes: &Receiver<Wish>, looks: &Mutex<Option<Watched>>) {
    let mut next = Instant::now();
    loop {
        match wishes.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Wish::Watch(names, answer)) => {
                let set = attachments.set(&names).map(|()| attachments.watched());
                // Whoever asked may have given up.
                let _ = answer.send(set);
            }
            Ok(Wish::Explain(indexes)) => {
                attachments.explain_below(indexes);
                next = Instant::now();
            }
            Err(RecvTimeoutError::Timeout) => {
                let watched = attachments.look();
                *looks.lock().unwrap_or_else(PoisonError::into_inner) = Some(watched);
                // After a suspend, or a kernel that took its time, not one look for each second.
                next = (next + LOOK).max(Instant::now());
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::WatchedInterface;
    use nettop_model::snapshot::{AttachMode, InterfaceRow};

    fn watched(state: InterfaceState) -> Watched {
        let (mode, note) = (Some(AttachMode::Native), String::new());
        let row = InterfaceRow { name: "in0".into(), mode, state, mtu: 1500, note };
        let interface =
            WatchedInterface { row, wanted: "in0".into(), index: 2, received: Some(7), ..WatchedInterface::default() };
        Watched { interfaces: vec![interface], ..Watched::default() }
    }

    /// A watcher whose thread looked last so long ago, and where to put another look of its.
    fn looked(ago: Duration) -> (Watcher, Arc<Mutex<Option<Watched>>>) {
        let (looks, (wishes, _)) = (Arc::default(), mpsc::channel());
        let hand = Hand::Thread(Thread { wishes, looks: Arc::clone(&looks), end: mpsc::channel().1 });
        let looked = Instant::now().checked_sub(ago).expect("the machine has run for longer");
        (Watcher { hand, watched: watched(InterfaceState::Up), looked, is_news: false }, looks)
    }

    #[test]
    fn without_a_look_for_long_states_are_unknown_until_there_is_one() {
        for (ago, is_known) in [(Duration::ZERO, true), (STALE / 2, true), (STALE + LOOK, false), (STALE * 3, false)] {
            let (mut watcher, looks) = looked(ago);
            let news = watcher.news();
            assert_eq!(news.is_none(), is_known, "{ago:?}: {news:?}");
            for WatchedInterface { row, received, .. } in news.into_iter().flat_map(|watched| watched.interfaces) {
                assert_eq!((row.state, received), (InterfaceState::Unknown, None), "{ago:?}");
                assert!(row.note.contains("look"), "{}", row.note);
                assert_eq!(row.mode, Some(AttachMode::Native), "it is attached all the same");
            }
            assert_eq!(watcher.news(), None, "{ago:?}: it is said once");
            *looks.lock().unwrap() = Some(watched(InterfaceState::Down));
            assert_eq!(watcher.news(), Some(watched(InterfaceState::Down)), "{ago:?}");
        }
    }

    #[test]
    fn other_interfaces_are_not_waited_for_where_nobody_looks_any_more() {
        let (mut watcher, _) = looked(Duration::ZERO);
        let error = watcher.set(&["in1".into()]).expect_err("its thread has ended");
        assert!(error.to_string().contains("has ended"), "{error}");
        assert_eq!(watcher.names().collect::<Vec<_>>(), ["in0"], "everything stays as it was");
    }
}
