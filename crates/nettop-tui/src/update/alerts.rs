//! Marking alerts.

use nettop_model::snapshot::{Alert, Snapshot};
use nettop_views::{table::Id, view::ALERTS};

use super::moving;
use crate::state::{Notice, State};

/// Marks the selected alert as seen, or takes that back.
pub fn acknowledge(state: &mut State, snapshot: &Snapshot) {
    let Some(alert) = selected(state, snapshot) else { return };
    let seen = state.attention.acknowledge(alert);
    let text = if seen { "seen: it is not called out any more" } else { "it is called out again" };
    state.notice = Some(Notice::info(text));
}

/// Mutes alerts such as the selected one, or takes that back.
pub fn mute(state: &mut State, snapshot: &Snapshot) {
    let Some(alert) = selected(state, snapshot) else { return };
    let muted = state.attention.mute(alert);
    let whom = alert.source.map_or(String::new(), |source| format!(" about {source}"));
    let text = if muted { "muted" } else { "called out again" };
    state.notice = Some(Notice::info(format!("{}{whom}: {text}", alert.kind)));
}

/// The alert that is open, as it was listed last, or the selected one.
pub fn current<'a>(state: &'a State, snapshot: &'a Snapshot) -> Option<&'a Alert> {
    if let Some(open) = &state.alert {
        return Some(open.listed(snapshot).unwrap_or(&open.last));
    }
    let id = moving::selected(state, snapshot)?;
    snapshot.alerts.iter().find(|alert| Id::from(*alert) == id)
}

/// The alert that is open, or the selected one; says what to do where there is none.
fn selected<'a>(state: &mut State, snapshot: &'a Snapshot) -> Option<&'a Alert> {
    if let Some(open) = &state.alert {
        let alert = open.listed(snapshot);
        if alert.is_none() {
            state.notice = Some(Notice::info("this alert is not listed any more"));
        }
        return alert;
    }
    if state.view != ALERTS {
        state.notice = Some(Notice::info(format!("alerts are marked in their view: press {}", ALERTS + 1)));
        return None;
    }
    let id = moving::selected(state, snapshot)?;
    snapshot.alerts.iter().find(|alert| Id::from(*alert) == id)
}
