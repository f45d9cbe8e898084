//! The screen: shows snapshots and turns keys into requests. It computes nothing and decides nothing.
//!
//! Keys, snapshots, answers and the clock change the [`state::State`]; the [`panel`]s draw it. Nothing here waits for
//! the engine, so keys work however slow it is.

pub mod action;
mod ascii;
pub mod bindings;
pub mod chart;
mod drawn;
mod export;
pub mod field;
mod flags;
pub mod flow;
pub use self::terminal::is_stuck;
mod input;
pub mod key;
pub mod layout;
pub mod locale;
pub mod panel;
pub mod preferences;
pub mod prompt;
pub mod state;
pub mod table;
mod terminal;
pub mod theme;
pub mod update;
pub mod winsize;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, anyhow, bail};
use crossterm::event::{Event, KeyCode};
use nettop_model::{answer::Reply, request::Request, snapshot::Snapshot};
use nettop_requests::{Caller, Envelope, Requests, ask};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

use self::{
    drawn::Drawn,
    input::Input,
    key::Key,
    panel::Picture,
    state::{Notice, Options, State},
    terminal::{Job, Screen},
    theme::Theme,
    update::Effect,
};

/// How many requests may wait for a slow engine before keys are refused.
const WAITING: usize = 16;
/// What is left to say after a panic elsewhere, whose own message is already there.
const LOST: &str = "the screen was closed because a part of the monitor failed";
/// How long an engine that does not listen can hold up the end.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the last answers of a terminal are waited for.
const ANSWERS: Duration = Duration::from_millis(500);
/// How long keys are worked through before a picture shows what they did.
const BATCH: Duration = Duration::from_millis(10);
/// How soon it is noticed that the terminal is ours again, where no signal tells: `fg` sends none to a job that runs.
const AWAY: Duration = Duration::from_millis(200);
/// The terminal takes nothing any more.
const GONE: &str = "the terminal is gone";
/// It gives nothing any more.
const UNREADABLE: &str = "the keyboard cannot be read";
/// Nobody could continue it.
const ORPHAN: &str = "no shell is there that could continue nettop, so it is not stopped";
/// Whoever started it wants no job control.
const UNSTOPPABLE: &str = "nettop was started with SIGTSTP ignored, so it is not stopped";

/// Shows the screen until the user quits (the engine has then been asked to stop) or the engine ends.
///
/// A picture is drawn when something has changed and the terminal can take it, and always of what is newest then: neither
/// many keys nor a slow terminal make a queue of pictures.
///
/// # Errors
/// When standard output is not a terminal, or the terminal vanishes.
pub async fn run(
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    requests: Requests,
    options: Options,
) -> anyhow::Result<()> {
    let mut resized = signal(SignalKind::window_change()).context("cannot learn when the terminal's size changes")?;
    let mut screen = Screen::open(options.mouse, suspending(&options))?;
    // Only now: whoever is started in the background waits for its turn by the signals' own defaults.
    let mut job = Job::listen().context("cannot learn when the shell wants the terminal")?;
    let mut inputs = input::listen().context(UNREADABLE)?;
    let (wishes, mut answers) = messenger(requests.clone());
    let (exported, mut exports) = mpsc::channel(1);
    let mut state = State { size: screen.size(), ..State::from(options) };
    let mut clock = interval(Duration::from_secs(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);

    let mut snapshot = snapshots.borrow_and_update().clone();
    let mut newest = Instant::now();
    update::on_snapshot(&mut state, &snapshot);
    let mut drawn = Drawn::default();
    // Whether more was typed than one batch could take.
    let mut flooded = false;
    loop {
        if screen.is_lost() {
            bail!(LOST);
        }
        if screen.come_back(state.mouse).context(GONE)? {
            state.size = screen.size();
            drawn.forget();
        }
        if state.unanswered == 0
            && let Some(request) = state.to_send.pop_front()
        {
            send(&mut state, &wishes, &request);
        }
        state.misses_answers = screen.misses_answers();
        let wanted = drawn.wanted(&state, &snapshot, unix_seconds());
        let due = wanted.and_then(|awaited| screen.ready(awaited));
        if due.is_some_and(|due| due <= Instant::now()) {
            let theme = Theme::of(state.theme).with_flags();
            let (shown, unix_seconds) = (state.shown(&snapshot), unix_seconds());
            screen.draw(&Picture { snapshot: shown, state: &state, theme: &theme, unix_seconds }).context(GONE)?;
            drawn = Drawn::of(&state, &snapshot, unix_seconds);
            continue;
        }

        // In this order: what pictures wait for and what is known of the terminal; then keys, but for a snapshot once in a while,
        // however much is typed; and a snapshot before the answer to a request that it cannot know of yet.
        let has_news = std::mem::take(&mut flooded) && snapshots.has_changed().unwrap_or(true);
        tokio::select! {
            biased;
            written = screen.written() => written.context(GONE)?,
            () = job.changed() => {
                stand_aside(&mut screen, &mut inputs, &mut job, &mut state).await;
                if job.was_continued() && !screen.is_away() {
                    screen.check_turn(state.mouse).context(GONE)?;
                    state.size = screen.size();
                    drawn.forget();
                }
            }
            Some(()) = resized.recv() => {
                screen.resize();
                drawn.forget();
                state.size = screen.size();
            }
            input = inputs.recv(), if !has_news => {
                // All that is there, before the next picture; but not for longer than anybody waits for one.
                let began = Instant::now();
                let mut input = input.ok_or_else(|| anyhow!(UNREADABLE))?;
                loop {
                    let event = match input.context(UNREADABLE)? {
                        Input::Event(event) => Some(event),
                        Input::Answer => {
                            screen.answered();
                            None
                        }
                    };
                    let shown = Arc::clone(state.shown(&snapshot));
                    match event.and_then(|event| on_event(&mut state, &shown, event)) {
                        Some(Effect::Send(request)) => send(&mut state, &wishes, &request),
                        Some(Effect::Export) => {
                            let path = export::path(&snapshot, unix_seconds());
                            tokio::spawn(export::run(requests.clone(), path, exported.clone()));
                        }
                        Some(Effect::ExportView) => {
                            let rows = export::ViewRows::new(&state, &shown, &export::path(&shown, unix_seconds()));
                            tokio::spawn(rows.write(exported.clone()));
                        }
                        Some(Effect::Copy(text)) => {
                            screen.copy(text);
                            drawn.forget();
                        }
                        Some(Effect::Mouse(on)) => screen.listen_to_mouse(on),
                        Some(Effect::Repaint) => {
                            screen.repaint();
                            drawn.forget();
                        }
                        Some(Effect::Suspend) if terminal::can_stop() => {
                            job.ask_to_stop();
                            stand_aside(&mut screen, &mut inputs, &mut job, &mut state).await;
                            break;
                        }
                        Some(Effect::Suspend) => state.notice = Some(Notice::error(UNSTOPPABLE)),
                        Some(Effect::Quit) => {
                            stop(&requests).await;
                            settle(&mut screen, &mut inputs).await;
                            return Ok(());
                        }
                        None => {}
                    }
                    if began.elapsed() > BATCH {
                        flooded = true;
                        break;
                    }
                    match inputs.try_recv() {
                        Ok(next) => input = next,
                        Err(_) => break,
                    }
                }
                let shown = Arc::clone(state.shown(&snapshot));
                update::settle(&mut state, &shown);
                drawn.is_awaited |= drawn.state != state;
            }
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return if screen.is_lost() { Err(anyhow!(LOST)) } else { Ok(()) };
                }
                snapshot = snapshots.borrow_and_update().clone();
                newest = Instant::now();
                if let Some(Effect::Send(request)) = update::on_snapshot(&mut state, &snapshot) {
                    send(&mut state, &wishes, &request);
                }
            }
            Some((request, reply)) = answers.recv() => update::on_reply(&mut state, &request, reply),
            Some(result) = exports.recv() => update::on_exported(&mut state, result),
            _ = clock.tick() => update::on_second(&mut state, newest.elapsed()),
            () = sleep_until(due.unwrap_or(newest)), if due.is_some() => {}
            () = sleep(AWAY), if screen.is_away() => {}
        }
    }
}

/// The byte of the key that stops the process, if Ctrl and a letter type it: the kernel makes the signal of it then.
fn suspending(options: &Options) -> Option<u8> {
    let keys = options.preferences.keys.keys("suspend").iter().filter(|_| terminal::can_stop());
    let byte = |key: &Key| match key.code {
        KeyCode::Char(letter @ 'a'..='z') if key.ctrl => Some(letter as u8 & 0x1f),
        _ => None,
    };
    keys.filter_map(byte).next()
}

/// Gives the terminal back and stops, as often as that is wanted. Where no shell is there, the kernel stops nobody.
async fn stand_aside(
    screen: &mut Screen,
    inputs: &mut mpsc::Receiver<io::Result<Input>>,
    job: &mut Job,
    state: &mut State,
) {
    while let Some(signal) = job.to_stop() {
        if screen.has_keyboard() {
            settle(screen, inputs).await;
        }
        screen.give_back();
        if !job.stop(signal) {
            state.notice = Some(Notice::error(ORPHAN));
        }
    }
}

fn on_event(state: &mut State, snapshot: &Arc<Snapshot>, event: Event) -> Option<Effect> {
    match event {
        Event::Key(key) => update::on_key(state, snapshot, key),
        Event::Mouse(mouse) => update::on_mouse(state, snapshot, mouse),
        Event::Paste(text) => {
            update::on_paste(state, &text);
            None
        }
        Event::Resize(..) | Event::FocusGained | Event::FocusLost => None,
    }
}

/// Hands a request to the messenger, without waiting.
fn send(state: &mut State, wishes: &mpsc::Sender<Request>, request: &Request) {
    match wishes.try_send(request.clone()) {
        Ok(()) => update::on_sent(state, request),
        Err(_) => state.notice = Some(Notice::error("the engine does not answer; the key was ignored")),
    }
}

/// Asks the engine to stop. Whether it answers is no longer our concern, but a stuck engine must not keep the terminal.
async fn stop(requests: &Requests) {
    let (reply, _answer) = oneshot::channel();
    // An error means that the engine has ended already.
    let _ =
        timeout(PATIENCE, requests.send(Envelope { request: Request::Stop, caller: Caller::screen(), reply })).await;
}

/// Waits for the answers that are on their way: the shell would take them for something that was typed.
async fn settle(screen: &mut Screen, inputs: &mut mpsc::Receiver<io::Result<Input>>) {
    let answers = async {
        while screen.waits_for_answers()
            && let Some(Ok(input)) = inputs.recv().await
        {
            if input == Input::Answer {
                screen.answered();
            }
        }
    };
    // A slow terminal has not read the questions yet, and will not: what it has not read is thrown away.
    let _ = timeout(ANSWERS, answers).await;
}

/// A task that asks one thing after the other, so that requests keep their order and the screen never waits.
fn messenger(requests: Requests) -> (mpsc::Sender<Request>, mpsc::Receiver<(Request, Reply)>) {
    let (wishes, mut wished) = mpsc::channel::<Request>(WAITING);
    let (answer, answers) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        while let Some(request) = wished.recv().await {
            let reply = ask(&requests, request.clone()).await;
            if answer.send((request, reply)).await.is_err() {
                return;
            }
        }
    });
    (wishes, answers)
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}
