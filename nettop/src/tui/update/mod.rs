//! How the state changes. All of it is pure: what has to happen outside is returned as an [`Effect`].

mod alerts;
mod mouse;
mod moving;
#[cfg(test)]
mod tests;
mod typing;

use std::sync::Arc;

use crossterm::event::{KeyEvent, KeyEventKind};

pub use self::mouse::on_mouse;
use super::{
    action::{self, Does, Key},
    prompt::{Prompt, Purpose},
    state::{Notice, State},
};
use crate::{
    control::{Answer, Reply, Request},
    snapshot::{Snapshot, Subject},
};

/// For how many seconds good news stays.
const NOTICE_SECONDS: u32 = 10;

/// What is to be done for the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a request to the engine.
    Send(Request),
    /// Write everything to files.
    Export,
    /// Write the rows of the view to files.
    ExportView,
    /// Give this text to the terminal's clipboard.
    Copy(String),
    /// Listen to the mouse, or not.
    Mouse(bool),
    /// Paint the whole screen again.
    Repaint,
    /// End the monitor.
    Quit,
}

/// A key was pressed.
pub fn on_key(state: &mut State, snapshot: &Arc<Snapshot>, event: KeyEvent) -> Option<Effect> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    // Whoever presses a key has seen the error.
    state.notice.take_if(|notice| notice.error);
    let key = Key::of(event);
    let action = key.and_then(|key| action::find(key, state.layer()));
    match (key, action) {
        // A letter belongs to an open prompt; what ends or repaints does not.
        (Some(key), Some(action)) if state.prompt.is_none() => act(state, snapshot, action.does, key),
        (_, Some(action)) if matches!(action.does, Does::Quit | Does::Repaint) && key.is_some_and(|key| key.ctrl) => {
            act(state, snapshot, action.does, key?)
        }
        _ => typing::edit(state, snapshot, event),
    }
}

/// Text was pasted: only a prompt wants it. Elsewhere it must not work as if its letters had been pressed.
pub fn on_paste(state: &mut State, snapshot: &Snapshot, text: &str) {
    if let Some(prompt) = &mut state.prompt {
        prompt.insert(text);
        typing::changed(state, snapshot);
    }
}

/// A request is on its way.
pub fn on_sent(state: &mut State, request: &Request) {
    if matches!(request, Request::History(_)) {
        return;
    }
    state.unanswered += 1;
    if let Request::Pause(paused) = request {
        state.pause_asked = Some(*paused);
    }
}

/// The engine has answered.
pub fn on_reply(state: &mut State, request: &Request, reply: Reply) {
    if let Request::History(subject) = request {
        return on_history(state, *subject, reply);
    }
    state.unanswered = state.unanswered.saturating_sub(1);
    state.notice = Some(match (reply, request) {
        (Err(error), _) => {
            state.pause_asked = None;
            Notice::error(error)
        }
        (Ok(_), Request::Set(_)) => Notice::info("filter changed"),
        (Ok(answer), Request::Top(asked)) => {
            // The answer is the number after clamping.
            let top = match &answer {
                Answer::Fields(fields) => fields.get("top").and_then(|top| top.as_i64()),
                Answer::Snapshot { .. } | Answer::Maps(_) | Answer::History(_) => None,
            };
            let top = top.unwrap_or(*asked);
            Notice::info(format!("showing up to {top} sources"))
        }
        (Ok(_), Request::Pause(true)) => Notice::info("paused: packets are not counted"),
        (Ok(_), Request::Pause(false)) => Notice::info("counting again"),
        (Ok(_), Request::Reset) => Notice::info("counting starts anew"),
        (Ok(_), Request::Stop) => Notice::info("ending"),
        (Ok(_), Request::Status { .. } | Request::Snapshot { .. } | Request::Maps { .. } | Request::History(_)) => {
            return;
        }
    });
}

/// How much there was lately of what is looked at, unless that is something else by now.
fn on_history(state: &mut State, subject: Subject, reply: Reply) {
    if let (Some(detail), Ok(Answer::History(history))) = (&mut state.detail, reply)
        && detail.subject == subject
    {
        detail.history = Some(*history);
    }
}

/// An export has ended, with where it went or what went wrong.
pub fn on_exported(state: &mut State, result: Result<String, String>) {
    state.exporting = false;
    state.notice = Some(match result {
        Ok(written) => Notice::info(format!("written: {written}")),
        Err(error) => Notice::error(error),
    });
}

/// A new snapshot came.
pub fn on_snapshot(state: &mut State, snapshot: &Snapshot) -> Option<Effect> {
    state.silent_for = std::time::Duration::ZERO;
    if state.unanswered == 0 {
        state.pause_asked = None;
    }
    if state.engine_message != snapshot.runtime.message {
        state.engine_message.clone_from(&snapshot.runtime.message);
        // The newer message wins, but nothing hides an error that nobody has seen yet.
        if !state.engine_message.is_empty() && !state.notice.as_ref().is_some_and(|notice| notice.error) {
            state.notice = Some(Notice::info(state.engine_message.clone()));
        }
    }
    if state.frozen.is_some() {
        return None;
    }
    moving::follow(state, snapshot);
    state.detail.as_ref().map(|detail| Effect::Send(Request::History(detail.subject)))
}

/// A second has passed.
pub fn on_second(state: &mut State, silent_for: std::time::Duration) {
    state.silent_for = silent_for;
    if let Some(notice) = &mut state.notice {
        notice.age = notice.age.saturating_add(1);
    }
    state.notice.take_if(|notice| !notice.error && notice.age > NOTICE_SECONDS);
}

fn act(state: &mut State, snapshot: &Arc<Snapshot>, does: Does, key: Key) -> Option<Effect> {
    let runtime = &snapshot.runtime;
    match does {
        Does::Edit(field) => state.prompt = Some(Prompt::new(Purpose::Field(field), &(field.current)(runtime))),
        Does::Find => typing::find(state),
        Does::TogglePause => return Some(Effect::Send(Request::Pause(!state.pause_asked.unwrap_or(runtime.paused)))),
        Does::Freeze => {
            let frozen = state.frozen.take();
            state.frozen = if frozen.is_some() { None } else { Some(Arc::clone(snapshot)) };
            let text = if frozen.is_some() { "showing what is new" } else { "the picture is held; counting goes on" };
            state.notice = Some(Notice::info(text));
        }
        Does::Reset => return Some(Effect::Send(Request::Reset)),
        Does::Export | Does::ExportView => {
            // A slow disk is not sped up by pressing again.
            let busy = std::mem::replace(&mut state.exporting, true);
            let effect = if matches!(does, Does::Export) { Effect::Export } else { Effect::ExportView };
            return (!busy).then_some(effect);
        }
        Does::Copy => return moving::copy(state, snapshot),
        Does::Move(motion) => moving::step(state, snapshot, motion),
        Does::Turn(views) => moving::turn(state, views),
        Does::View => moving::open(state, key.digit().unwrap_or_default()),
        Does::Enter => return moving::enter(state, snapshot),
        Does::Back => moving::back(state),
        Does::Sort => moving::sort(state, snapshot),
        Does::Reverse => {
            let heads = state.listing().heads();
            state.table_mut().reverse(&heads);
        }
        Does::Columns => state.columns = Some(0),
        Does::Panels => state.without_panels = !state.without_panels,
        Does::Acknowledge => alerts::acknowledge(state, snapshot),
        Does::Mute => alerts::mute(state, snapshot),
        Does::Help => state.help = if state.help.is_some() { None } else { Some(0) },
        Does::Units => {
            state.units = state.units.next();
            state.notice = Some(Notice::info(format!("units: {}", state.units.label())));
        }
        Does::Theme => {
            state.theme = state.theme.next();
            state.notice = Some(Notice::info(format!("theme: {}", state.theme.label())));
        }
        Does::Mouse => {
            state.mouse = !state.mouse;
            let text = if state.mouse {
                "the mouse scrolls, selects, sorts; with Shift held the terminal selects text"
            } else {
                "the mouse belongs to the terminal, to select text; m takes it back"
            };
            state.notice = Some(Notice::info(text));
            return Some(Effect::Mouse(state.mouse));
        }
        Does::Repaint => return Some(Effect::Repaint),
        Does::Quit => return Some(Effect::Quit),
    }
    None
}

#[cfg(test)]
mod requests {
    use crossterm::event::{KeyCode, KeyModifiers};

    use super::*;
    use crate::{
        control::FilterChange,
        snapshot::{FilterView, Runtime},
    };

    fn snapshot() -> Arc<Snapshot> {
        let runtime = Runtime {
            filter: FilterView { dst: "10.0.0.1".into(), ..FilterView::default() },
            top: 20,
            ..Runtime::default()
        };
        Arc::new(Snapshot { runtime, ..Snapshot::default() })
    }

    /// Presses keys one after another and returns every effect.
    fn press(state: &mut State, codes: &[KeyCode]) -> Vec<Effect> {
        codes.iter().filter_map(|code| on_key(state, &snapshot(), KeyEvent::from(*code))).collect()
    }

    fn typed(text: &str) -> Vec<KeyCode> {
        text.chars().map(KeyCode::Char).collect()
    }

    fn dst(text: &str) -> Effect {
        Effect::Send(Request::Set(FilterChange { dst: Some(text.into()), ..FilterChange::default() }))
    }

    #[test]
    fn keys_become_effects() {
        for (key, effect) in [
            ('r', Some(Effect::Send(Request::Reset))),
            (' ', Some(Effect::Send(Request::Pause(true)))),
            ('e', Some(Effect::Export)),
            ('q', Some(Effect::Quit)),
            ('Q', Some(Effect::Quit)),
            ('d', None),
            ('z', None),
        ] {
            assert_eq!(on_key(&mut State::default(), &snapshot(), KeyEvent::from(KeyCode::Char(key))), effect, "{key}");
        }
    }

    #[test]
    fn a_prompt_is_filled_edited_and_applied() {
        let mut state = State::default();
        assert_eq!(press(&mut state, &typed("d/24")), []);
        assert_eq!(state.prompt.as_ref().map(Prompt::text).as_deref(), Some("10.0.0.1/24"));
        assert_eq!(press(&mut state, &[KeyCode::Backspace, KeyCode::Enter]), [dst("10.0.0.1/2")]);
        assert!(state.prompt.is_none());
    }

    #[test]
    fn letters_typed_into_a_prompt_are_not_actions() {
        let mut state = State::default();
        assert_eq!(press(&mut state, &typed("yqrd t")), []);
        assert_eq!(state.prompt.as_ref().map(Prompt::text).as_deref(), Some("qrd t"));
    }

    #[test]
    fn empty_input_clears_the_filter() {
        let mut state = State::default();
        press(&mut state, &typed("d"));
        on_key(&mut state, &snapshot(), KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(press(&mut state, &[KeyCode::Enter]), [dst("")]);
    }

    #[test]
    fn escape_cancels() {
        let mut state = State::default();
        press(&mut state, &typed("d1"));
        assert_eq!(press(&mut state, &[KeyCode::Esc]), []);
        assert!(state.prompt.is_none());
    }

    #[test]
    fn ctrl_c_quits_even_from_a_prompt() {
        let mut state = State::default();
        press(&mut state, &typed("d"));
        let event = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(on_key(&mut state, &snapshot(), event), Some(Effect::Quit));
    }

    #[test]
    fn rows_that_are_no_number_are_refused_here() {
        let mut state = State::default();
        press(&mut state, &typed("tx"));
        assert_eq!(press(&mut state, &[KeyCode::Enter]), []);
        assert!(state.notice.as_ref().is_some_and(|notice| notice.error && notice.text.contains("20x")));
        assert!(state.prompt.is_some());
        assert_eq!(press(&mut state, &[KeyCode::Backspace, KeyCode::Enter]), [Effect::Send(Request::Top(20))]);
        assert_eq!(state.notice, None);
    }

    #[test]
    fn pasted_text_goes_into_the_prompt_only() {
        let mut state = State::default();
        on_paste(&mut state, &snapshot(), "q\n");
        assert!(state.prompt.is_none());
        press(&mut state, &typed("s"));
        on_paste(&mut state, &snapshot(), "192.0.2.1\n\u{1b}[31m");
        assert_eq!(state.prompt.as_ref().map(Prompt::text).as_deref(), Some("192.0.2.1[31m"));
    }

    #[test]
    fn two_quick_presses_of_space_undo_each_other() {
        let mut state = State::default();
        for expected in [true, false, true] {
            let effects = press(&mut state, &typed(" "));
            assert_eq!(effects, [Effect::Send(Request::Pause(expected))]);
            on_sent(&mut state, &Request::Pause(expected));
        }
        (0..3).for_each(|_| on_reply(&mut state, &Request::Pause(true), Ok(Answer::field("reset", true))));
        on_snapshot(&mut state, &Snapshot::default());
        assert_eq!(state.pause_asked, None);
    }

    #[test]
    fn an_error_stays_until_a_key_is_pressed_and_good_news_goes_by_itself() {
        let mut state = State::default();
        let mut snapshot = Snapshot::default();
        on_reply(&mut state, &Request::Reset, Err("no".into()));
        (0..100).for_each(|_| on_second(&mut state, std::time::Duration::ZERO));
        snapshot.runtime.message = "news".into();
        on_snapshot(&mut state, &snapshot);
        assert_eq!(state.notice.as_ref().map(|notice| notice.text.as_str()), Some("no"));
        press(&mut state, &typed("z"));
        assert_eq!(state.notice, None);

        on_reply(&mut state, &Request::Reset, Ok(Answer::field("reset", true)));
        (0..9).for_each(|_| on_second(&mut state, std::time::Duration::ZERO));
        assert!(state.notice.is_some());
        (0..2).for_each(|_| on_second(&mut state, std::time::Duration::ZERO));
        assert_eq!(state.notice, None);
    }

    #[test]
    fn the_number_of_rows_told_is_the_one_in_force() {
        let mut state = State::default();
        on_reply(&mut state, &Request::Top(9999), Ok(Answer::field("top", 500)));
        assert_eq!(state.notice, Some(Notice::info("showing up to 500 sources")));
    }

    #[test]
    fn one_export_at_a_time_and_its_end_is_told() {
        let mut state = State::default();
        assert_eq!(press(&mut state, &typed("ee")), [Effect::Export]);
        on_exported(&mut state, Err("no room".into()));
        assert_eq!(state.notice, Some(Notice::error("no room")));
        assert_eq!(press(&mut state, &typed("e")), [Effect::Export]);
        on_exported(&mut state, Ok("a.snapshot.json".into()));
        assert_eq!(state.notice, Some(Notice::info("written: a.snapshot.json")));
    }

    #[test]
    fn a_released_key_means_nothing() {
        let event = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(on_key(&mut State::default(), &snapshot(), event), None);
    }
}
