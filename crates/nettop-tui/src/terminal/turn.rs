//! Whose the terminal is: ours, in turns, and somebody else's between two of them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Odd while the terminal is ours, and another number each time it is: what was begun before does not go on later. A panic hook
/// has no other way to know.
static TURN: AtomicU64 = AtomicU64::new(0);

/// A time in which the terminal is ours, or one in which it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn(u64);

impl Turn {
    /// The terminal is ours from now on.
    pub fn begin() -> Self {
        let turn = TURN.load(Ordering::SeqCst) + 1;
        let turn = if is_odd(turn) { turn } else { turn + 1 };
        TURN.store(turn, Ordering::SeqCst);
        Self(turn)
    }

    /// The terminal is ours no more: returns the time that begins with that. `None`: it was not ours, or another thread was first.
    pub fn end() -> Option<Self> {
        let turn = TURN.load(Ordering::SeqCst);
        let ended = is_odd(turn) && TURN.compare_exchange(turn, turn + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        ended.then_some(Self(turn + 1))
    }

    /// Whether it lasts.
    pub fn lasts(self) -> bool {
        TURN.load(Ordering::SeqCst) == self.0
    }
}

/// Whether the terminal is ours at the moment.
pub fn is_ours() -> bool {
    is_odd(TURN.load(Ordering::SeqCst))
}

fn is_odd(turn: u64) -> bool {
    !turn.is_multiple_of(2)
}
