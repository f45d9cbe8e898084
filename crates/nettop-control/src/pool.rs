//! What answers are made of: bounded in number, made one at a time, and the same for all who asked before it was made. So readers that
//! do not read hold some memory and nothing else: whoever comes later waits for one to be made, and not for them.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use nettop_model::answer::{Answer, Reply};
use tokio::{sync::watch, time::sleep};

use super::{
    clients::{self, Clients},
    fair::{Asker, Limits, Permit, Queue, Seat, Seats},
};

/// How often it is looked at who holds something and does not read.
const LOOK: Duration = Duration::from_millis(50);
/// Answers of a pool that are being written at once: the others wait for their next part.
const WRITTEN: usize = 2;

/// How many times as long as something was made nothing is made then, so that the engine has most of its time for packets, however
/// often it is asked; and how long at most.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_secs(1);

/// What tells whether two requests can have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKey {
    /// That snapshot: where it lies.
    Published(usize),
    /// So many rows, of whatever there is once the request has come.
    Fresh(usize),
}

/// What an answer is made of.
#[derive(Debug)]
pub struct Made {
    /// It.
    pub answer: Answer,
    _seat: Seat,
}

/// As much of it as there may be.
#[derive(Debug)]
pub struct Pool {
    which: clients::Pool,
    makers: Arc<Queue>,
    seats: Arc<Seats>,
    writers: Arc<Queue>,
    made: Mutex<Vec<(PoolKey, u64, Weak<Made>)>>,
    /// Counts requests and what was begun for them, so that it is known which was first.
    clock: AtomicU64,
    news: watch::Sender<()>,
}

impl Pool {
    /// Of which there may be so many, by who had them made.
    pub fn new(which: clients::Pool, limits: Limits) -> Self {
        Self {
            which,
            makers: Queue::new(1),
            seats: Seats::new(limits),
            writers: Queue::new(WRITTEN),
            made: Mutex::default(),
            clock: AtomicU64::new(1),
            news: watch::Sender::new(()),
        }
    }

    /// What others have made since this was asked for; else what `make` makes, once it is this asker's turn and there is room:
    /// those of `clients` that hold some and do not read on are let go.
    ///
    /// # Errors
    /// Those of `make`.
    pub async fn get(
        &self,
        asker: Asker,
        key: PoolKey,
        clients: &Clients,
        make: impl Future<Output = Reply>,
    ) -> Result<Arc<Made>, String> {
        let asked = self.tick();
        let mut news = self.news.subscribe();
        loop {
            if let Some(made) = self.find(key, asked) {
                return Ok(made);
            }
            let turn = tokio::select! {
                turn = self.makers.take(asker) => turn,
                // The sender is this pool's.
                _ = news.changed() => continue,
            };
            if let Some(made) = self.find(key, asked) {
                return Ok(made);
            }
            match self.seats.take(asker) {
                Ok(seat) => {
                    let (began, begun) = (Instant::now(), self.tick());
                    let made = Arc::new(Made { answer: make.await?, _seat: seat });
                    self.add(key, begun, &made);
                    let rest = (began.elapsed() * REST).min(LONGEST_REST);
                    tokio::spawn(async move {
                        sleep(rest).await;
                        drop(turn);
                    });
                    return Ok(made);
                }
                Err(full) => {
                    // Others may find room meanwhile.
                    drop(turn);
                    clients.free(self.which, full);
                    sleep(LOOK).await;
                }
            }
        }
    }

    fn add(&self, key: PoolKey, begun: u64, made: &Arc<Made>) {
        let mut all = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(.., made)| made.strong_count() > 0);
        all.push((key, begun, Arc::downgrade(made)));
        drop(all);
        self.news.send_replace(());
    }

    /// Waits for the turn to write the next part of an answer.
    pub async fn write(&self, asker: Asker) -> Permit {
        self.writers.take(asker).await
    }

    fn find(&self, key: PoolKey, asked: u64) -> Option<Arc<Made>> {
        let all = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |begun: u64| matches!(key, PoolKey::Published(_)) || begun > asked;
        let mut found = all.iter().filter(|(other, begun, _)| *other == key && fits(*begun));
        found.find_map(|(.., made)| made.upgrade())
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::time::timeout;

    use super::*;
    use crate::{
        clients::{ClientDeadline, Served},
        fair::Whose,
    };

    const MANY: Limits = Limits { all: 20, user: 20, process: 20 };
    const ASKER: Asker = Asker { whose: Whose::User(1), pid: 1 };

    async fn get(pool: &Pool, key: PoolKey, clients: &Clients, made: &AtomicUsize) -> Arc<Made> {
        let make = async {
            // Long enough for others to ask meanwhile.
            tokio::task::yield_now().await;
            Ok(Answer::field("number", made.fetch_add(1, Ordering::SeqCst)))
        };
        pool.get(ASKER, key, clients, make).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_asked_for_before_it_was_made_is_shared() {
        let (pool, clients, made) =
            (Pool::new(clients::Pool::Everything, MANY), Clients::default(), AtomicUsize::new(0));
        let ask = |key| get(&pool, key, &clients, &made);
        let (fresh, other, published) = (PoolKey::Fresh(0), PoolKey::Fresh(5000), PoolKey::Published(7));
        // The first one begins; those who ask while it is made may not have it, but have the next one together.
        let [one, two, three, four] = futures(fresh, ask).await;
        assert!(!Arc::ptr_eq(&one, &two) && Arc::ptr_eq(&two, &three) && Arc::ptr_eq(&three, &four));
        assert!(!Arc::ptr_eq(&ask(fresh).await, &two), "what was made before it was asked for");
        assert!(!Arc::ptr_eq(&ask(other).await, &ask(fresh).await), "another number of rows");
        let first = ask(published).await;
        assert!(Arc::ptr_eq(&first, &ask(published).await), "one snapshot");
        assert!(!Arc::ptr_eq(&first, &ask(PoolKey::Published(8)).await), "another snapshot");
    }

    async fn futures<F: Future<Output = Arc<Made>>>(key: PoolKey, ask: impl Fn(PoolKey) -> F) -> [Arc<Made>; 4] {
        tokio::join!(ask(key), ask(key), ask(key), ask(key)).into()
    }

    #[tokio::test]
    async fn there_are_no_more_than_places_and_who_does_not_read_leaves_its_own() {
        const SEATS: usize = 3;
        let pool = Pool::new(clients::Pool::Everything, Limits { process: SEATS, ..MANY });
        let (clients, made) = (Clients::default(), AtomicUsize::new(0));
        let (mut idle, mut turns) = (Vec::new(), Vec::new());
        for _ in 0..SEATS {
            let turn = Arc::new(ClientDeadline::default());
            let held = get(&pool, PoolKey::Fresh(0), &clients, &made).await;
            turn.holds(clients::Pool::Everything);
            turns.push(turn.clone());
            let task = tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(held);
            });
            clients.add(Served { task: task.abort_handle(), asker: ASKER, turn });
            idle.push(task);
        }
        assert!(timeout(LOOK * 3, get(&pool, PoolKey::Fresh(0), &clients, &made)).await.is_err(), "one too many");
        assert_eq!(made.load(Ordering::SeqCst), SEATS);
        let other = Asker { whose: Whose::User(2), pid: 2 };
        let theirs = pool.get(other, PoolKey::Fresh(0), &clients, async { Ok(Answer::field("number", 0)) });
        assert!(timeout(Duration::from_secs(20), theirs).await.is_ok(), "another user waits for them");
        assert!(idle.iter().all(|task| !task.is_finished()), "nobody keeps us waiting");
        turns.iter().for_each(|turn| turn.waits_for_client());
        let next = timeout(Duration::from_secs(20), get(&pool, PoolKey::Fresh(0), &clients, &made)).await;
        assert!(next.is_ok(), "those that do not read were not let go");
        // The first of them, and who was no better by then.
        assert!(idle.remove(0).await.unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn who_asks_without_end_leaves_the_engine_most_of_its_time() {
        const WORK: Duration = Duration::from_millis(20);
        let (pool, clients) = (Pool::new(clients::Pool::Everything, MANY), Clients::default());
        let (began, mut made) = (Instant::now(), 0_u64);
        while began.elapsed() < WORK * 20 {
            let make = async {
                sleep(WORK).await;
                Ok(Answer::field("number", made))
            };
            pool.get(ASKER, PoolKey::Fresh(0), &clients, make).await.unwrap();
            made += 1;
        }
        let most = began.elapsed().as_millis() / (WORK * (1 + REST)).as_millis() + 1;
        assert!(u128::from(made) <= most, "{made} times, of {most} at most");
    }
}
