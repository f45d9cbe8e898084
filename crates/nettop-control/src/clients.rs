//! The clients that are being served: who keeps others waiting, and is let go where that matters.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::task::AbortHandle;

use super::fair::{Asker, Full};

/// How long a client may keep us waiting while others wait for its place.
const IMPATIENCE: Duration = Duration::from_millis(500);
/// How long the reader of an answer may take to read a part of it while others wait for what that answer holds ...
const GRACE: Duration = Duration::from_secs(1);
/// ... and how fast it has to read beside that, on average over all the time that it kept us waiting, bytes per second.
const PACE: f64 = (1 << 20) as f64;

/// What answers hold as long as they are read: of each there is so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Snapshots of the usual size.
    Usual,
    /// Snapshots of everything.
    Everything,
    /// What the kernel's maps hold.
    Maps,
}

/// Whose turn it is, and how the client has used its own.
#[derive(Debug, Default)]
pub struct ClientDeadline(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Since when the client is to send or to read; `None` while we are to answer.
    theirs: Option<Instant>,
    /// How long it has taken to read what it has read of its answer, and how many bytes that is.
    spent: Duration,
    read: u64,
    holds: Option<Pool>,
}

impl ClientDeadline {
    /// From now on the client keeps us waiting.
    pub fn waits_for_client(&self) {
        self.lock().theirs = Some(Instant::now());
    }

    /// It has done what we waited for.
    pub fn waits_for_monitor(&self) {
        self.lock().theirs = None;
    }

    /// It has read so many bytes of its answer.
    pub fn has_read(&self, bytes: usize) {
        let mut state = self.lock();
        let since = state.theirs.take();
        state.spent += since.map_or(Duration::ZERO, |since| since.elapsed());
        state.read += bytes as u64;
    }

    /// Its answer holds something of which there is not much.
    pub fn holds(&self, pool: Pool) {
        self.lock().holds = Some(pool);
    }

    /// Whether others that wait for its place wait for it to send or to read.
    fn keeps_us_waiting(&self) -> bool {
        self.lock().theirs.is_some_and(|since| since.elapsed() > IMPATIENCE)
    }

    /// Whether others that wait for what its answer holds wait for it to read: it reads nothing, or drips.
    fn hinders(&self, pool: Pool) -> bool {
        let State { theirs, spent, read, holds } = *self.lock();
        let Some(since) = theirs.filter(|_| holds == Some(pool)) else { return false };
        since.elapsed() > GRACE || spent + since.elapsed() > GRACE + Duration::from_secs_f64(read as f64 / PACE)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client, and the task that serves it.
#[derive(Debug)]
pub struct Served {
    /// The task.
    pub task: AbortHandle,
    /// Who it is.
    pub asker: Asker,
    /// See there.
    pub turn: Arc<ClientDeadline>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Clients(Mutex<Vec<Served>>);

impl Clients {
    /// One more.
    pub fn add(&self, client: Served) {
        self.lock().push(client);
    }

    /// Forgets those that are served.
    pub fn forget_finished(&self) {
        self.lock().retain(|client| !client.task.is_finished());
    }

    /// Lets go those that keep us waiting, of the process that has the most places of the user that has the most: as long as there is
    /// such a one, nobody else loses a place.
    pub fn make_room(&self) {
        let clients = self.lock();
        let (mut of_user, mut of_process) = (HashMap::new(), HashMap::new());
        for Served { asker, .. } in &*clients {
            *of_user.entry(asker.whose).or_insert(0_usize) += 1;
            *of_process.entry(*asker).or_insert(0_usize) += 1;
        }
        let idle = || clients.iter().filter(|client| client.turn.keeps_us_waiting());
        let greediest = idle().max_by_key(|Served { asker, .. }| (of_user[&asker.whose], of_process[asker]));
        if let Some(greediest) = greediest {
            idle().filter(|client| client.asker == greediest.asker).for_each(|client| client.task.abort());
        }
    }

    /// Lets go those who hold some of this and do not read on, where that helps somebody who found it taken.
    pub fn free(&self, pool: Pool, full: Full) {
        let clients = self.lock();
        let hinder = clients.iter().filter(|client| full.is_about(&client.asker) && client.turn.hinders(pool));
        hinder.for_each(|client| client.task.abort());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Served>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fair::Whose;

    fn ago(seconds: f64) -> Option<Instant> {
        Instant::now().checked_sub(Duration::from_secs_f64(seconds))
    }

    #[test]
    fn who_reads_nothing_or_drips_hinders_and_who_reads_does_not() {
        let mib = 1 << 20;
        let usual = Some(Pool::Usual);
        for (name, theirs, spent, read, holds, expected) in [
            ("we are to answer", None, 9.0, 0, usual, false),
            ("it has just begun", ago(0.1), 0.0, 0, usual, false),
            ("it reads nothing", ago(1.1), 0.0, 0, usual, true),
            ("it has read much, and stopped", ago(1.1), 0.1, 100 * mib, usual, true),
            ("it drips", ago(0.1), 3.0, mib / 10, usual, true),
            ("it is a little slower than is wanted", ago(0.1), 6.0, 4 * mib, usual, true),
            ("it is a little faster", ago(0.1), 6.0, 6 * mib, usual, false),
            ("it holds something else", ago(1.1), 0.0, 0, Some(Pool::Maps), false),
            ("it holds nothing yet", ago(1.1), 0.0, 0, None, false),
        ] {
            let state = State { theirs, spent: Duration::from_secs_f64(spent), read, holds };
            assert_eq!(ClientDeadline(Mutex::new(state)).hinders(Pool::Usual), expected, "{name}");
        }
    }

    #[tokio::test]
    async fn room_is_made_by_those_who_take_most_of_it() {
        let client = |uid, pid, seconds: f64| {
            let task = tokio::spawn(std::future::pending::<()>());
            let turn = ClientDeadline(Mutex::new(State { theirs: ago(seconds), ..State::default() }));
            let asker = Asker { whose: Whose::User(uid), pid };
            (Served { task: task.abort_handle(), asker, turn: turn.into() }, task)
        };
        let clients = Clients::default();
        // Of user 1 there are more processes, of user 2 more clients; its greediest process keeps nobody waiting.
        let rows =
            [(1, 1, 9.0), (1, 2, 9.0), (2, 3, 9.0), (2, 4, 0.0), (2, 4, 0.0), (2, 5, 9.0), (2, 5, 9.0), (2, 5, 0.0)];
        let mut tasks = Vec::new();
        for (uid, pid, seconds) in rows {
            let (served, task) = client(uid, pid, seconds);
            clients.add(served);
            tasks.push((uid, pid, task));
        }
        let mut gone = Vec::new();
        for _ in 0..4 {
            clients.make_room();
            tokio::task::yield_now().await;
            let (finished, left): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|(.., task)| task.is_finished());
            gone.push(finished.iter().map(|(uid, pid, _)| (*uid, *pid)).collect::<Vec<_>>());
            tasks = left;
            clients.forget_finished();
        }
        assert_eq!(gone[..2], [vec![(2, 5), (2, 5)], vec![(2, 3)]]);
        let mut last = gone[2..].concat();
        last.sort_unstable();
        assert_eq!(last, [(1, 1), (1, 2)]);
        assert_eq!(tasks.len(), 3);
    }
}
