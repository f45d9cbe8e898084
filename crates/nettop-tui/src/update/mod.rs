//! How the state changes. All of it is pure: what has to happen outside is returned as an [`Effect`].

mod alerts;
mod blocks;
mod cover;
mod hooks;
mod mouse;
mod moving;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod tests;
mod typing;

use std::{sync::Arc, time::Duration};

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use nettop_model::{
    answer::{Answer, Reply},
    request::{self, Allow, Block, Request, Top, Unblock},
    snapshot::{Snapshot, Subject, With},
};

pub use self::{hooks::target as hook_target, mouse::on_mouse};
use nettop_views::view::{CONNECTIONS, connection_sums};

use super::{
    action::{Does, layer},
    key::Key,
    panel,
    prompt::{Prompt, Purpose},
    state::{Detail, Frozen, Notice, State},
    table::arrange::TableState,
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
    /// Give the terminal back, and stop.
    Suspend,
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
    let found = key.and_then(|key| state.keys().find(key, state.layer()));
    match found {
        // A letter belongs to an open prompt; what ends or repaints does not.
        Some((action, nth)) if state.prompt.is_none() => act(state, snapshot, action.does, nth),
        Some((action, nth))
            if matches!(action.does, Does::Quit | Does::Repaint | Does::Suspend) && key.is_some_and(|key| key.ctrl) =>
        {
            act(state, snapshot, action.does, nth)
        }
        _ if state.prompt.is_some() => typing::edit(state, snapshot, event),
        // A hook has a key that is free.
        _ => {
            let is_here = state.layer() & (layer::SCREEN | layer::HOOKS) != 0;
            let letter = match event.code {
                KeyCode::Char(letter) if !event.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
                    letter
                }
                _ => return None,
            };
            if is_here { hooks::run(state, snapshot, letter) } else { None }
        }
    }
}

/// Text was pasted: only a prompt wants it. Elsewhere it must not work as if its letters had been pressed.
pub fn on_paste(state: &mut State, text: &str) {
    if let Some(prompt) = &mut state.prompt {
        let whole = prompt.insert(text);
        typing::changed(state, whole);
    }
}

/// Nothing more is typed for the moment: what was is taken in. Not with every key, for a filter is read and applied to every row:
/// a megabyte that is typed or pasted in pieces has to cost no more than reading it.
pub fn settle(state: &mut State, snapshot: &Snapshot) {
    typing::settle(state, snapshot);
}

/// A request is on its way.
pub fn on_sent(state: &mut State, request: &Request) {
    if matches!(request, Request::History(_) | Request::Process(_)) {
        return;
    }
    state.unanswered += 1;
    match request {
        Request::Pause => state.pause_asked = Some(true),
        Request::Resume => state.pause_asked = Some(false),
        _ => {}
    }
}

/// The engine has answered.
pub fn on_reply(state: &mut State, request: &Request, reply: Reply) {
    if let Request::History(subject) = request {
        return on_history(state, *subject, reply);
    }
    if let Request::Process(request::Process { pid }) = request {
        return on_command(state, *pid, reply);
    }
    state.unanswered = state.unanswered.saturating_sub(1);
    if *request == Request::Cover {
        return cover::on_found(state, reply);
    }
    if matches!(request, Request::Hook(_)) {
        return hooks::on_done(state, reply);
    }
    if let Request::Block(asked) = request
        && asked.with == Some(With::Print)
    {
        return blocks::on_plan(state, asked, reply);
    }
    state.notice = Some(match (reply, request) {
        (Err(error), _) => {
            state.pause_asked = None;
            Notice::error(error)
        }
        (Ok(_), Request::Set(_)) => Notice::info("filter changed"),
        (Ok(answer), Request::Top(Top { count })) => {
            // The answer is the number after clamping.
            let top = match &answer {
                Answer::Fields(fields) => fields.get("top").and_then(|top| top.as_i64()),
                Answer::Snapshot { .. } | Answer::MapsReader(_) | Answer::Maps(_) | Answer::History(_) => None,
            };
            let top = top.unwrap_or(*count);
            Notice::info(format!("showing up to {top} sources"))
        }
        (Ok(_), Request::Pause) => Notice::info("paused: packets are not counted"),
        (Ok(_), Request::Resume) => Notice::info("counting again"),
        (Ok(_), Request::Reset) => Notice::info("counting starts anew"),
        (Ok(_), Request::Block(Block { net, .. })) => Notice::info(format!("{net} is blocked")),
        (Ok(_), Request::Unblock(Unblock { net })) => Notice::info(format!("{net} is blocked no more")),
        (Ok(_), Request::Allow(Allow { net, .. })) => Notice::info(format!("{net} is never blocked")),
        (Ok(_), Request::Stop) => Notice::info("ending"),
        // No key sends any other.
        (Ok(_), _) => return,
    });
}

/// How much there was lately of what is looked at, unless that is something else by now.
fn on_history(state: &mut State, subject: Subject, reply: Reply) {
    let Ok(Answer::History(mut history)) = reply else { return };
    if let Some(detail) = state.detail.as_mut().filter(|detail| detail.subject == subject) {
        detail.history = Some(*history);
    } else if let (Subject::Source(ip), Some(visitor)) = (subject, history.visitor.take()) {
        state.visitor = Some((ip, visitor)).filter(|(ip, _)| state.selected_ip() == Some(*ip));
    }
}

/// The command line of a process, unless something else is looked at by now.
fn on_command(state: &mut State, pid: u32, reply: Reply) {
    let Some(detail) = state.detail.as_mut().filter(|detail| detail.subject == Subject::Process(pid)) else { return };
    detail.command = Some(reply.map(|answer| match answer {
        Answer::Fields(fields) => {
            let arguments = fields.get("command").and_then(|arguments| arguments.as_array());
            let arguments = arguments.into_iter().flatten().filter_map(|argument| argument.as_str());
            arguments.collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }));
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
    state.silent_for = Duration::ZERO;
    if state.unanswered == 0 {
        state.pause_asked = None;
    }
    if state.engine_message != snapshot.meta.runtime.message {
        state.engine_message.clone_from(&snapshot.meta.runtime.message);
        // The newer message wins, but nothing hides an error that nobody has seen yet.
        if !state.engine_message.is_empty() && !state.notice.as_ref().is_some_and(|notice| notice.error) {
            state.notice = Some(Notice::info(state.engine_message.clone()));
        }
    }
    if state.frozen.is_some() {
        return None;
    }
    moving::follow(state, snapshot);
    if let Some(open) = &mut state.alert
        && let Some(alert) = open.listed(snapshot)
    {
        (*open.last).clone_from(alert);
    }
    let Some(detail) = &state.detail else {
        let ip = state.selected_ip().filter(|_| panel::log_lines::is_beside(state))?;
        return Some(Effect::Send(Request::History(Subject::Source(ip))));
    };
    Some(match detail {
        // One request at a time: this once, the others go on.
        Detail { subject: Subject::Process(pid), history: Some(_), command: None, .. } => {
            Effect::Send(Request::Process(request::Process { pid: *pid }))
        }
        Detail { subject, .. } => Effect::Send(Request::History(*subject)),
    })
}

/// A second has passed.
pub fn on_second(state: &mut State, silent_for: Duration) {
    state.silent_for = Duration::from_secs(silent_for.as_secs());
    if let Some(notice) = &mut state.notice {
        notice.age = notice.age.saturating_add(1);
    }
    state.notice.take_if(|notice| !notice.error && notice.age > NOTICE_SECONDS);
}

/// Does what the key means that is the action's `nth`.
fn act(state: &mut State, snapshot: &Arc<Snapshot>, does: Does, nth: usize) -> Option<Effect> {
    let runtime = &snapshot.meta.runtime;
    match does {
        Does::Edit(field) => state.prompt = Some(Prompt::new(Purpose::Field(field), &(field.current)(runtime))),
        Does::Find => typing::find(state),
        Does::Act(act) => return blocks::open(state, snapshot, act),
        Does::Hooks => hooks::open(state, snapshot),
        Does::RunHook => return hooks::run_selected(state, snapshot),
        Does::Ask(request) => return Some(Effect::Send(request())),
        Does::Pause => {
            // The opposite of what was asked last: the snapshot may not say yet what came of that.
            let is_paused = state.pause_asked.unwrap_or(runtime.paused);
            return Some(Effect::Send(Request::pause(!is_paused)));
        }
        Does::Freeze => {
            let frozen = state.frozen.take();
            state.frozen = if frozen.is_some() { None } else { Some(Frozen(Arc::clone(snapshot))) };
            let text = if frozen.is_some() { "showing what is new" } else { "the picture is held; counting goes on" };
            state.notice = Some(Notice::info(text));
        }
        Does::Export | Does::ExportView => {
            // A slow disk is not sped up by pressing again.
            let busy = std::mem::replace(&mut state.exporting, true);
            let effect = if matches!(does, Does::Export) { Effect::Export } else { Effect::ExportView };
            return (!busy).then_some(effect);
        }
        Does::Copy => return moving::copy(state, snapshot),
        Does::Move(motion) => moving::step(state, snapshot, motion),
        Does::Turn(views) => moving::turn(state, views),
        Does::View => moving::open(state, nth),
        Does::Enter => return moving::enter(state, snapshot),
        Does::Back => moving::back(state),
        Does::Sort => moving::sort(state, snapshot),
        Does::Reverse => {
            let heads = state.listing().heads();
            state.table_mut().reverse(&heads);
        }
        Does::Views => state.views = if state.views.is_some() { None } else { Some(state.view) },
        Does::Columns => state.columns = Some(0),
        Does::Widen(by) => moving::widen(state, by),
        Does::Panels => state.without_panels = !state.without_panels,
        Does::Sums => {
            moving::open(state, CONNECTIONS);
            let next = state.sums.as_ref().map_or(0, |(by, _)| by + 1);
            let sums = connection_sums::TABLES.get(next);
            state.sums = sums.map(|_| (next, TableState::default()));
            let text = sums.map_or("every connection".into(), |(by, _)| format!("connections summed up by {by}"));
            state.notice = Some(Notice::info(text));
        }
        Does::Ended => {
            state.without_ended = !state.without_ended;
            let text = if state.without_ended {
                "connections that have ended are hidden"
            } else {
                "connections that have ended are shown"
            };
            state.notice = Some(Notice::info(text));
        }
        Does::Suspicious => {
            state.suspicious = !state.suspicious;
            let text = match (state.suspicious, snapshot.visits.as_deref()) {
                (false, _) => "all addresses are shown".into(),
                (true, None) => "no log is followed, so that nobody is suspicious by one".into(),
                (true, Some(visits)) => format!("only the {} addresses with a reason are shown", visits.suspicious),
            };
            state.notice = Some(Notice::info(text));
        }
        Does::Chart => {
            state.chart = state.chart.next();
            let ((columns, lines), text) = (panel::chart::FROM, format!("chart: {}", state.chart.label()));
            let has_room = state.size.0 >= columns && state.size.1 >= lines;
            let needs = format!("; it needs a terminal of {columns} by {lines}");
            state.notice = Some(Notice::info(if has_room { text } else { text + &needs }));
        }
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
                "the mouse scrolls, selects, sorts; with Shift held the terminal selects text".into()
            } else {
                format!(
                    "the mouse belongs to the terminal, to select text; {} takes it back",
                    state.keys().first("mouse")
                )
            };
            state.notice = Some(Notice::info(text));
            return Some(Effect::Mouse(state.mouse));
        }
        Does::Repaint => return Some(Effect::Repaint),
        Does::Suspend => return Some(Effect::Suspend),
        Does::Quit => return Some(Effect::Quit),
    }
    None
}
