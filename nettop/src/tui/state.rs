//! What the screen itself remembers; everything else it shows comes from the snapshot.

use std::time::Duration;

use super::prompt::Prompt;

/// How the user wants the screen; it stays so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Numbers only: no names of ports.
    pub numeric: bool,
}

/// The screen's own state.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// How the user wants it.
    pub options: Options,
    /// The prompt, while one is open.
    pub prompt: Option<Prompt>,
    /// The newest thing to tell; where there is room, the engine's message is shown when there is none.
    pub notice: Option<Notice>,
    /// Requests whose answer has not come yet.
    pub unanswered: usize,
    /// What pause was last asked for, until a snapshot can have it: two quick presses must undo each other.
    pub pause_asked: Option<bool>,
    /// Whether an export is being written.
    pub exporting: bool,
    /// How long ago the newest snapshot came.
    pub silent_for: Duration,
    /// The engine's message in the newest snapshot, to see when it changes.
    pub engine_message: String,
}

/// Something to tell the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// In a sentence.
    pub text: String,
    /// Whether something went wrong: then it stays until a key is pressed.
    pub error: bool,
    /// For how many seconds it has been shown.
    pub age: u32,
}

impl Notice {
    /// Something worth knowing for a while.
    pub fn info(text: impl Into<String>) -> Self {
        Self { text: text.into(), error: false, age: 0 }
    }

    /// Something that went wrong.
    pub fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), error: true, age: 0 }
    }
}
