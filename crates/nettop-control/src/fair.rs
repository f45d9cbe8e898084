//! What clients share, given out fairly: between users first, then between the processes of one. So neither many connections nor
//! many processes get more than their user's part.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asker {
    /// The user.
    pub whose: Whose,
    /// The process; 0 where nobody can tell.
    pub pid: i32,
}

/// For whom a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// A user of this host.
    User(u32),
    /// Whoever is at this address: over TCP the kernel tells no more.
    Host(IpAddr),
    /// The kernel does not tell.
    Unknown,
}

/// So many permits, and a queue for them. Of those who wait, whose user was given one longest ago comes next; of one user's, whose
/// process was; of one process's, who came first.
#[derive(Debug)]
pub struct Queue(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    of: usize,
    waiting: Vec<Waiting>,
    /// Permits given so far.
    given: u64,
    /// When a user, and a process of one, was given the newest one, by that count.
    newest: HashMap<(Whose, Option<i32>), u64>,
}

#[derive(Debug)]
struct Waiting {
    asker: Asker,
    go: oneshot::Sender<Permit>,
}

/// Users and processes that are remembered at most, while somebody waits.
const REMEMBERED: usize = 4096;

impl Queue {
    /// With so many permits.
    pub fn new(permits: usize) -> Arc<Self> {
        let state = State { free: permits, of: permits, waiting: Vec::new(), given: 0, newest: HashMap::new() };
        Arc::new(Self(Mutex::new(state)))
    }

    /// Waits for a permit. Whoever gives up waiting leaves the queue.
    pub async fn take(self: &Arc<Self>, asker: Asker) -> Permit {
        let gone = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                state.note(asker);
                return Permit(Some(self.clone()));
            }
            let (go, gone) = oneshot::channel();
            state.waiting.push(Waiting { asker, go });
            gone
        };
        // The sender stays in the queue, which this reference keeps, until it sends.
        gone.await.unwrap_or(Permit(None))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a permit that is free again to who comes next.
    fn pass_on(self: &Arc<Self>) {
        loop {
            let next = {
                let mut state = self.lock();
                let Some(next) = state.next() else {
                    state.free += 1;
                    if state.free == state.of {
                        state.newest.clear();
                    }
                    return;
                };
                next
            };
            let Err(mut unwanted) = next.send(Permit(Some(self.clone()))) else { return };
            // It has given up: not passed on from within its drop, which would nest as deep as the queue is long.
            unwanted.0 = None;
        }
    }
}

impl State {
    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        self.waiting.retain(|waiting| !waiting.go.is_closed());
        let newest = |key| self.newest.get(&key).copied().unwrap_or_default();
        let (at, _) = self.waiting.iter().enumerate().min_by_key(|(at, Waiting { asker, .. })| {
            (newest((asker.whose, None)), newest((asker.whose, Some(asker.pid))), *at)
        })?;
        let Waiting { asker, go } = self.waiting.remove(at);
        self.note(asker);
        Some(go)
    }

    fn note(&mut self, asker: Asker) {
        if self.newest.len() >= REMEMBERED {
            self.newest.clear();
        }
        self.given += 1;
        self.newest.insert((asker.whose, None), self.given);
        self.newest.insert((asker.whose, Some(asker.pid)), self.given);
    }
}

/// One of a queue's permits, until it is dropped.
#[derive(Debug)]
pub struct Permit(Option<Arc<Queue>>);

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.pass_on();
        }
    }
}

/// Seats for those who stay: so many in all, of which a user gets a part, and a process of one a smaller part.
#[derive(Debug)]
pub struct Seats {
    limits: Limits,
    taken: Mutex<Vec<Asker>>,
}

/// How many seats there are.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In all.
    pub all: usize,
    /// For one user.
    pub user: usize,
    /// For one process.
    pub process: usize,
}

impl Seats {
    /// So many.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, taken: Mutex::default() })
    }

    /// Takes one.
    ///
    /// # Errors
    /// Which of them are taken.
    pub fn take(self: &Arc<Self>, asker: Asker) -> Result<Seat, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let Limits { all, user, process } = self.limits;
        for (full, limit) in [(Full::OfProcess(asker), process), (Full::OfUser(asker.whose), user), (Full::All, all)] {
            if taken.iter().filter(|other| full.is_about(other)).count() >= limit {
                return Err(full);
            }
        }
        taken.push(asker);
        Ok(Seat { of: self.clone(), asker })
    }

    /// How many there are of those that are taken.
    pub fn limit(&self, full: Full) -> usize {
        match full {
            Full::OfProcess(_) => self.limits.process,
            Full::OfUser(_) => self.limits.user,
            Full::All => self.limits.all,
        }
    }
}

/// Which seats are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Those that one process may have.
    OfProcess(Asker),
    /// Those that the processes of one user may have.
    OfUser(Whose),
    /// All.
    All,
}

impl Full {
    /// Whether this one's would be missed.
    pub fn is_about(&self, other: &Asker) -> bool {
        match self {
            Self::OfProcess(asker) => asker == other,
            Self::OfUser(whose) => *whose == other.whose,
            Self::All => true,
        }
    }
}

/// A seat, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    of: Arc<Seats>,
    asker: Asker,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.of.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = taken.iter().position(|asker| *asker == self.asker) {
            taken.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{sync::mpsc, time::timeout};

    use super::*;

    fn asker(uid: u32, pid: i32) -> Asker {
        Asker { whose: Whose::User(uid), pid }
    }

    /// In which order they get the one permit, which each gives back at once; all of them wait before the first gets it.
    async fn order(askers: &[(u32, i32)]) -> Vec<(u32, i32)> {
        let queue = Queue::new(1);
        let first = queue.take(asker(0, 0)).await;
        let (done, mut finished) = mpsc::unbounded_channel();
        for &(uid, pid) in askers {
            let (queue, done) = (queue.clone(), done.clone());
            tokio::spawn(async move {
                let permit = queue.take(asker(uid, pid)).await;
                done.send((uid, pid)).unwrap();
                drop(permit);
            });
            tokio::task::yield_now().await;
        }
        drop((first, done));
        let mut order = Vec::new();
        while let Some(next) = finished.recv().await {
            order.push(next);
        }
        order
    }

    #[tokio::test]
    async fn users_take_turns_and_so_do_their_processes() {
        for (name, askers, expected) in [
            ("one of each is first come, first served", vec![(3, 1), (1, 1), (2, 1)], vec![(3, 1), (1, 1), (2, 1)]),
            (
                "another user does not wait for all of one's",
                vec![(1, 1), (1, 1), (1, 1), (2, 9)],
                vec![(1, 1), (2, 9), (1, 1), (1, 1)],
            ),
            (
                "nor does another process",
                vec![(1, 1), (1, 1), (1, 1), (1, 2), (1, 3)],
                vec![(1, 1), (1, 2), (1, 3), (1, 1), (1, 1)],
            ),
            (
                "many processes are not many users",
                vec![(1, 1), (1, 2), (1, 3), (2, 1), (2, 1)],
                vec![(1, 1), (2, 1), (1, 2), (2, 1), (1, 3)],
            ),
            ("who has just had one waits for others", vec![(0, 0), (0, 1), (5, 5)], vec![(5, 5), (0, 1), (0, 0)]),
        ] {
            assert_eq!(order(&askers).await, expected, "{name}");
        }
    }

    #[tokio::test]
    async fn who_gives_up_waiting_takes_no_permit_along() {
        let queue = Queue::new(2);
        let held = [queue.take(asker(1, 1)).await, queue.take(asker(1, 1)).await];
        for _ in 0..3 {
            let waiting = tokio::spawn({
                let queue = queue.clone();
                async move { queue.take(asker(2, 2)).await }
            });
            tokio::task::yield_now().await;
            waiting.abort();
            assert!(waiting.await.unwrap_err().is_cancelled());
        }
        // One that is given a permit and never looks.
        let mut forgotten = Box::pin(queue.take(asker(2, 2)));
        assert!(timeout(Duration::ZERO, &mut forgotten).await.is_err());
        drop(held);
        drop(forgotten);
        let (_one, _other) = (queue.take(asker(3, 3)).await, queue.take(asker(3, 3)).await);
        assert_eq!(queue.lock().free, 0);
    }

    #[test]
    fn nobody_gets_the_places_of_others() {
        let seats = Seats::new(Limits { all: 6, user: 4, process: 3 });
        let mut held = Vec::new();
        for (name, uid, pid, expected) in [
            ("the first", 1, 1, None),
            ("another", 1, 1, None),
            ("the process's last", 1, 1, None),
            ("one too many of a process", 1, 1, Some((Full::OfProcess(asker(1, 1)), 3))),
            ("the user's last", 1, 2, None),
            ("one too many of a user", 1, 3, Some((Full::OfUser(Whose::User(1)), 4))),
            ("another user's", 2, 1, None),
            ("the last", 3, 1, None),
            ("one too many", 4, 1, Some((Full::All, 6))),
        ] {
            let seat = seats.take(asker(uid, pid));
            assert_eq!(seat.as_ref().err().map(|full| (*full, seats.limit(*full))), expected, "{name}");
            held.extend(seat);
        }
        held.remove(0);
        assert!(seats.take(asker(1, 1)).is_ok(), "what was given back can be taken");
    }
}
