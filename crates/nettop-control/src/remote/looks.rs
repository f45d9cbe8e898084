//! Who looks at what a monitor publishes: while nobody does, no snapshot is asked for, written or read.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

/// How long the first who looks waits for a snapshot that is new.
const PATIENCE: Duration = Duration::from_secs(2);

/// Counts who looks.
#[derive(Clone, Debug)]
pub struct Looks(Arc<watch::Sender<State>>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    looking: usize,
    /// How often somebody has begun to: a glance may be over before anybody has noticed it.
    looks: u64,
    /// Whether what is published is the newest there is, or is told to be old.
    is_current: bool,
}

/// Somebody who looks, until dropped.
#[derive(Debug)]
pub struct Looking(Arc<watch::Sender<State>>);

impl Default for Looks {
    fn default() -> Self {
        // There is a first snapshot before anybody can look.
        Self(Arc::new(watch::Sender::new(State { is_current: true, ..State::default() })))
    }
}

impl Looks {
    /// Looks, and waits until there is a snapshot of now.
    pub async fn look(&self) -> Looking {
        let looking = self.stay();
        let mut state = self.0.subscribe();
        // Where none comes in time, the last one is better than none.
        let _ = timeout(PATIENCE, state.wait_for(|state| state.is_current)).await;
        looking
    }

    /// Looks, whatever there is to see.
    pub fn stay(&self) -> Looking {
        self.0.send_modify(|state| {
            state.looking += 1;
            state.looks += 1;
        });
        Looking(self.0.clone())
    }

    /// Notes that what is published is of now.
    pub(super) fn is_current(&self) {
        self.0.send_if_modified(|state| !std::mem::replace(&mut state.is_current, true));
    }

    /// Notes that nothing is followed any more, unless somebody looks.
    pub(super) fn rests(&self) -> bool {
        let mut rests = false;
        self.0.send_if_modified(|state| {
            rests = state.looking == 0;
            state.is_current &= !rests;
            rests
        });
        rests
    }

    /// Waits until nobody looks, and has not for so long.
    pub(super) async fn nobody(&self, linger: Duration) {
        let mut state = self.0.subscribe();
        loop {
            // This holds the sender: it cannot fail.
            let looks = state.wait_for(|state| state.looking == 0).await.map_or(0, |state| state.looks);
            if timeout(linger, state.wait_for(|state| state.looks != looks)).await.is_err() {
                return;
            }
        }
    }

    /// Waits until somebody looks.
    pub(super) async fn somebody(&self) {
        let _ = self.0.subscribe().wait_for(|state| state.looking > 0).await;
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.looking -= 1);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rests_when_nobody_looks_and_who_comes_waits_for_what_is_new() {
        let looks = Looks::default();
        let first = looks.look().await;
        assert!(!looks.rests(), "somebody looks");
        drop(first);
        let since = Instant::now();
        looks.nobody(Duration::from_secs(3)).await;
        assert_eq!(since.elapsed().as_secs(), 3);
        assert!(looks.rests());
        let (follower, since) = (looks.clone(), Instant::now());
        let follows = tokio::spawn(async move {
            follower.somebody().await;
            tokio::time::sleep(Duration::from_millis(700)).await;
            follower.is_current();
        });
        let _second = looks.look().await;
        assert_eq!(since.elapsed().as_millis(), 700);
        follows.await.unwrap();
        looks.look().await;
        assert_eq!(since.elapsed().as_millis(), 700, "it is followed already");
    }

    #[tokio::test(start_paused = true)]
    async fn who_looks_shortly_again_and_again_keeps_it_going_and_nobody_waits_for_ever() {
        let looks = Looks::default();
        let often = looks.clone();
        let glances = tokio::spawn(async move {
            for _ in 0..5 {
                drop(often.look().await);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let since = Instant::now();
        looks.nobody(Duration::from_secs(2)).await;
        assert!((6..=7).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
        glances.await.unwrap();
        assert!(looks.rests());
        let since = Instant::now();
        let _looking = looks.look().await;
        assert_eq!(since.elapsed(), PATIENCE);
    }
}
