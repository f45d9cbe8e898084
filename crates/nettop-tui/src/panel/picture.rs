//! What every panel draws from.

use nettop_model::snapshot::Snapshot;

use crate::{state::State, theme::Theme};

/// All that a panel may know.
#[derive(Clone, Copy)]
pub struct Picture<'a> {
    /// What was counted.
    pub snapshot: &'a Snapshot,
    /// What the screen remembers.
    pub state: &'a State,
    /// How it looks.
    pub theme: &'a Theme,
    /// The time of day, as Unix seconds.
    pub unix_seconds: u64,
}
