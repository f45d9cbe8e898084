//! What the newest picture was made of: where nothing of it has changed, none is made.

use std::sync::Arc;

use nettop_model::snapshot::Snapshot;

use super::state::State;

/// What the newest picture was made of.
#[derive(Debug, Default)]
pub struct Drawn {
    /// What the screen remembered then.
    pub state: State,
    /// Whether somebody at the keyboard waits for the next picture.
    pub is_awaited: bool,
    snapshot: Option<Arc<Snapshot>>,
    minute: u64,
}

impl Drawn {
    /// A picture of this has been made, at this time of day in Unix seconds.
    pub fn of(state: &State, newest: &Arc<Snapshot>, unix_seconds: u64) -> Self {
        let snapshot = Some(Arc::clone(state.shown(newest)));
        Self { state: state.clone(), is_awaited: false, snapshot, minute: unix_seconds / 60 }
    }

    /// Whether something has changed that pictures show; if so, whether somebody waits for one.
    pub fn wanted(&self, state: &State, newest: &Arc<Snapshot>, unix_seconds: u64) -> Option<bool> {
        let same = self.snapshot.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, state.shown(newest)))
            && self.minute == unix_seconds / 60
            && self.state == *state;
        (!same).then_some(self.is_awaited)
    }

    /// Whatever it was, it is to be drawn again.
    pub fn forget(&mut self) {
        self.snapshot = None;
        self.is_awaited = true;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::state::Frozen, *};

    #[test]
    fn a_picture_is_wanted_when_something_it_shows_has_changed() {
        let (state, one, other) = (State::default(), Arc::new(Snapshot::default()), Arc::new(Snapshot::default()));
        let mut drawn = Drawn::of(&state, &one, 60);
        assert_eq!(drawn.wanted(&state, &one, 119), None);
        assert_eq!(drawn.wanted(&state, &other, 119), Some(false));
        assert_eq!(drawn.wanted(&state, &one, 120), Some(false));
        let help = State { help: Some(0), ..State::default() };
        drawn.is_awaited = true;
        assert_eq!(drawn.wanted(&help, &one, 60), Some(true));
        drawn.forget();
        assert_eq!(drawn.wanted(&state, &one, 60), Some(true));

        let frozen = State { frozen: Some(Frozen(Arc::clone(&one))), ..State::default() };
        let drawn = Drawn::of(&frozen, &one, 60);
        assert_eq!(drawn.wanted(&frozen, &other, 60), None, "what is new is not shown");
    }
}
