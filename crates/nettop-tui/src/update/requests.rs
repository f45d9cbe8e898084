//! What the user asks of the engine, and what is said of the answers.

use crossterm::event::{KeyCode, KeyModifiers};
use nettop_model::{
    request::{FilterChange, Top},
    snapshot::{FilterView, Meta, Runtime},
};

use super::*;

fn snapshot() -> Arc<Snapshot> {
    let runtime = Runtime {
        filter: FilterView { dst: "10.0.0.1".into(), ..FilterView::default() },
        top: 20,
        ..Runtime::default()
    };
    Arc::new(Snapshot { meta: Meta { runtime, ..Meta::default() }, ..Snapshot::default() })
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
        (' ', Some(Effect::Send(Request::Pause))),
        ('e', Some(Effect::Export)),
        ('q', Some(Effect::Quit)),
        ('Q', Some(Effect::Quit)),
        ('d', None),
        ('*', None),
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
    assert_eq!(
        press(&mut state, &[KeyCode::Backspace, KeyCode::Enter]),
        [Effect::Send(Request::Top(Top { count: 20 }))]
    );
    assert_eq!(state.notice, None);
}

#[test]
fn pasted_text_goes_into_the_prompt_only() {
    let mut state = State::default();
    on_paste(&mut state, "q\n");
    assert!(state.prompt.is_none());
    press(&mut state, &typed("s"));
    on_paste(&mut state, "192.0.2.1\n\u{1b}[31m");
    assert_eq!(state.prompt.as_ref().map(Prompt::text).as_deref(), Some("192.0.2.1[31m"));
}

#[test]
fn two_quick_presses_of_space_undo_each_other() {
    let mut state = State::default();
    for expected in [true, false, true] {
        let effects = press(&mut state, &typed(" "));
        assert_eq!(effects, [Effect::Send(Request::pause(expected))]);
        on_sent(&mut state, &Request::pause(expected));
    }
    (0..3).for_each(|_| on_reply(&mut state, &Request::Pause, Ok(Answer::field("reset", true))));
    on_snapshot(&mut state, &Snapshot::default());
    assert_eq!(state.pause_asked, None);
}

#[test]
fn an_error_stays_until_a_key_is_pressed_and_good_news_goes_by_itself() {
    let mut state = State::default();
    let mut snapshot = Snapshot::default();
    on_reply(&mut state, &Request::Reset, Err("no".into()));
    (0..100).for_each(|_| on_second(&mut state, std::time::Duration::ZERO));
    snapshot.meta.runtime.message = "news".into();
    on_snapshot(&mut state, &snapshot);
    assert_eq!(state.notice.as_ref().map(|notice| notice.text.as_str()), Some("no"));
    press(&mut state, &typed("*"));
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
    on_reply(&mut state, &Request::Top(Top { count: 9999 }), Ok(Answer::field("top", 500)));
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
