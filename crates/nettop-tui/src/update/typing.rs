//! Typing into a prompt. The value of a field is applied at the end, the filter of the view as it is typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use nettop_model::snapshot::Snapshot;
use nettop_views::filter;

use super::Effect;
use crate::{
    prompt::{Edit, MAX_LENGTH, Prompt, Purpose},
    state::{Notice, State},
};

/// Filters that are remembered.
const REMEMBERED: usize = 50;

/// Opens the prompt for the filter of the view.
pub fn find(state: &mut State) {
    let before = state.table().filter.clone();
    let text = before.as_ref().map_or("", |query| &query.text);
    state.prompt = Some(Prompt::new(Purpose::Find(0), text));
    state.query_before = before;
}

/// A key for the prompt.
pub fn edit(state: &mut State, snapshot: &Snapshot, event: KeyEvent) -> Option<Effect> {
    let prompt = state.prompt.as_mut()?;
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    let mut whole = true;
    match event.code {
        KeyCode::Enter => {
            settle(state, snapshot);
            return apply(state);
        }
        KeyCode::Esc => {
            if let Some(Prompt { purpose: Purpose::Find(_), .. }) = state.prompt.take() {
                let before = state.query_before.take();
                state.table_mut().filter = before;
            }
            state.typed = false;
            state.plan = None;
            return None;
        }
        KeyCode::Tab => super::blocks::turn(state, snapshot, 1),
        KeyCode::BackTab => super::blocks::turn(state, snapshot, -1),
        KeyCode::Up => recall(state, 1),
        KeyCode::Down => recall(state, -1),
        KeyCode::Backspace => prompt.edit(Edit::Backspace),
        KeyCode::Delete => prompt.edit(Edit::Delete),
        KeyCode::Left => prompt.edit(Edit::Left),
        KeyCode::Right => prompt.edit(Edit::Right),
        KeyCode::Home => prompt.edit(Edit::Home),
        KeyCode::End => prompt.edit(Edit::End),
        KeyCode::Char('u' | 'U') if ctrl => prompt.edit(Edit::Clear),
        KeyCode::Char(character) if !ctrl && !event.modifiers.contains(KeyModifiers::ALT) => {
            whole = prompt.insert(character.encode_utf8(&mut [0; 4]));
        }
        _ => {}
    }
    changed(state, whole);
    None
}

/// After the text may have changed: what did not fit in is told.
pub fn changed(state: &mut State, whole: bool) {
    state.typed = true;
    if !whole {
        state.notice = Some(Notice::error(format!("cut: a prompt takes {MAX_LENGTH} characters")));
    }
}

/// A filter that can be read is in force, one that cannot says where not.
pub fn settle(state: &mut State, snapshot: &Snapshot) {
    let typed = std::mem::take(&mut state.typed);
    let is_find = |prompt: &&Prompt| matches!(prompt.purpose, Purpose::Find(_));
    let Some(text) = state.prompt.as_ref().filter(|_| typed).filter(is_find).map(Prompt::text) else { return };
    let (filter, error) = match filter::parse(state.listing(), &text) {
        Ok(filter) => (Some(filter), None),
        Err(error) => (None, Some((error.at, error.what))),
    };
    state.prompt.as_mut().into_iter().for_each(|prompt| prompt.error.clone_from(&error));
    if let Some(filter) = filter {
        state.table_mut().filter = filter;
        super::moving::follow(state, snapshot);
    }
}

fn apply(state: &mut State) -> Option<Effect> {
    let prompt = state.prompt.as_ref()?;
    match prompt.purpose {
        Purpose::Field(field) => match (field.request)(prompt.text().trim()) {
            Ok(request) => {
                state.prompt = None;
                return Some(Effect::Send(request));
            }
            // The text stays, to be mended.
            Err(error) => state.notice = Some(Notice::error(error)),
        },
        Purpose::Act(act, net) => {
            match super::blocks::request(act, net, prompt.text().trim(), state.block_with, state.plan.as_ref()) {
                Ok(request) => {
                    state.prompt = None;
                    state.plan = None;
                    return Some(Effect::Send(request));
                }
                Err(error) => state.notice = Some(Notice::error(error)),
            }
        }
        Purpose::Cover => match super::cover::requests(prompt.text().trim(), state.block_with, state.plan.as_ref()) {
            Ok(requests) => {
                state.prompt = None;
                state.plan = None;
                state.to_send = requests.into();
                return state.to_send.pop_front().map(Effect::Send);
            }
            Err(error) => state.notice = Some(Notice::error(error)),
        },
        // The same.
        Purpose::Find(_) if prompt.error.is_some() => {}
        Purpose::Find(_) => {
            let text = prompt.text().trim().to_string();
            state.prompt = None;
            state.query_before = None;
            if !text.is_empty() {
                state.queries.retain(|earlier| *earlier != text);
                state.queries.push(text);
                let extra = state.queries.len().saturating_sub(REMEMBERED);
                state.queries.drain(..extra);
            }
        }
    }
    None
}

/// Puts an earlier filter into the prompt, or a later one again.
fn recall(state: &mut State, steps: isize) {
    let Some(prompt) = &mut state.prompt else { return };
    let Purpose::Find(back) = prompt.purpose else { return };
    let back = back.saturating_add_signed(steps).min(state.queries.len());
    prompt.purpose = Purpose::Find(back);
    let text = state.queries.len().checked_sub(back).and_then(|at| state.queries.get(at));
    prompt.replace(text.map_or("", String::as_str));
}
