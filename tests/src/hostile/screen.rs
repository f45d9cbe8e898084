//! The screen: keys and whatever else changes it, and every size it may be given.

use std::{
    borrow::Cow,
    net::IpAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use arbitrary::{Result, Unstructured};
use clap::Parser as _;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ipnet::IpNet;
use nettop::cli::Cli;
use nettop_collect::demo::Demo;
use nettop_engine::{Engine, overhead::Overhead, sinks::Sinks};
use nettop_geo::Watcher;
use nettop_model::{
    answer::Answer,
    clock::Moment,
    filter::FilterText,
    request::{FilterChange, Request, Top},
    snapshot::{
        Alert, Degraded, InterfaceRow, InterfaceState, Mode, Replay, Severity, Share, Snapshot, Target, TopSource,
        Vector,
    },
};
use nettop_tui::{
    layout,
    panel::Picture,
    state::{Options, State},
    theme::Theme,
    update::{self, Effect},
};
use ratatui::{Terminal, backend::TestBackend};

use super::expect_visible;

/// Cells of a screen at most: more take long, and are not other.
const CELLS: u16 = 20_000;
/// Things that happen in one run at most.
const EVENTS: usize = 100;
/// Rows of each list that hostile text is put into.
const ROWS: usize = 4;
/// What the clock shows.
const NOW: u64 = 1_700_000_000;

/// Before the first packet, and after the first of a demonstration.
static SNAPSHOTS: LazyLock<[Snapshot; 2]> = LazyLock::new(|| {
    let source = Box::new(Demo::new(1));
    let settings = Cli::parse_from(["nettop"]).run.common.settings(Mode::Demo).expect("settings");
    let geo = Watcher::open(&[]).expect("the embedded places");
    let (mut engine, snapshots) =
        Engine::new(source, settings, Some(geo), Sinks::default(), Overhead::new(Moment::now()));
    let waiting = Snapshot::clone(&snapshots.borrow());
    engine.tick();
    let counting = Snapshot::clone(&snapshots.borrow());
    assert!(waiting.traffic.packets == 0 && counting.traffic.packets > 0);
    [waiting, counting]
});

/// A screen without a terminal.
struct Screen {
    terminal: Terminal<TestBackend>,
    snapshot: Arc<Snapshot>,
    state: State,
    theme: Theme,
}

impl Screen {
    fn new(bytes: &mut Unstructured) -> Result<Self> {
        let (columns, rows) = size_of(bytes)?;
        let terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a screen without a terminal");
        let (coloured, flags, numeric) = bytes.arbitrary()?;
        let theme = Theme { flags, ..if coloured { Theme::colour() } else { Theme::plain() } };
        let options = Options { numeric, ..Options::default() }.into();
        let state = State { size: (columns, rows), options, ..State::default() };
        Ok(Self { terminal, snapshot: snapshot(bytes)?.into(), state, theme })
    }

    /// Draws it, and expects nothing on it that a terminal would obey.
    fn draw(&mut self) {
        let Self { terminal, snapshot, state, theme } = self;
        let snapshot = state.shown(snapshot);
        let picture = Picture { snapshot, state, theme, unix_seconds: NOW };
        terminal.draw(|frame| layout::draw(frame, &picture)).expect("a screen without a terminal");
        for cell in terminal.backend().buffer().content() {
            expect_visible("a cell", cell.symbol());
        }
    }

    /// What happens next; whether it is drawn before anything else happens. A screen is not drawn after every key either:
    /// drawing is nearly all of the time.
    fn next(&mut self, bytes: &mut Unstructured) -> Result<bool> {
        let state = &mut self.state;
        let shown = state.shown(&self.snapshot).clone();
        let what = bytes.arbitrary::<u8>()?;
        match what % 17 {
            0..9 => {
                let modifiers = match bytes.arbitrary::<u8>()? {
                    0..200 => KeyModifiers::NONE,
                    other => KeyModifiers::from_bits_truncate(other),
                };
                let effect = update::on_key(state, &shown, KeyEvent::new(key(bytes)?, modifiers));
                self.answer(effect);
            }
            9 => update::on_paste(state, bytes.arbitrary()?),
            10 => update::on_reply(state, &Request::Reset, Err(bytes.arbitrary()?)),
            11 => update::on_exported(state, bytes.arbitrary()?),
            12 => update::on_second(state, Duration::from_secs(bytes.arbitrary()?)),
            13 => {
                self.snapshot = snapshot(bytes)?.into();
                let effect = update::on_snapshot(state, &self.snapshot);
                self.answer(effect);
            }
            14 => {
                let (column, row) = bytes.arbitrary()?;
                let kinds =
                    [MouseEventKind::Down(MouseButton::Left), MouseEventKind::ScrollDown, MouseEventKind::ScrollUp];
                let kind = *bytes.choose(&kinds)?;
                let effect =
                    update::on_mouse(state, &shown, MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
                self.answer(effect);
            }
            _ => {
                let (columns, rows) = size_of(bytes)?;
                state.size = (columns, rows);
                self.terminal.backend_mut().resize(columns, rows);
            }
        }
        // What was typed is taken in before a picture, and mostly not with every key.
        if what < 17 {
            let shown = self.state.shown(&self.snapshot).clone();
            update::settle(&mut self.state, &shown);
        }
        Ok(what < 17)
    }

    /// What the engine would do.
    fn answer(&mut self, effect: Option<Effect>) {
        let Some(Effect::Send(request)) = effect else { return };
        update::on_sent(&mut self.state, &request);
        let reply = match &request {
            Request::Set(change) => self.set(change),
            Request::Top(Top { count }) => {
                Arc::make_mut(&mut self.snapshot).meta.runtime.top = (*count).clamp(1, 500) as usize;
                Ok(())
            }
            Request::Pause | Request::Resume => {
                Arc::make_mut(&mut self.snapshot).meta.runtime.paused = request == Request::Pause;
                Ok(())
            }
            _ => Ok(()),
        };
        update::on_reply(&mut self.state, &request, reply.map(|()| Answer::field("done", true)));
    }

    fn set(&mut self, change: &FilterChange) -> std::result::Result<(), String> {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let FilterChange { dst, src, port, proto, .. } = change;
        let text = FilterText { dst: part(dst), src: part(src), port: part(port), proto: part(proto) };
        Arc::make_mut(&mut self.snapshot).meta.runtime.filter = text.parse()?.view(&[]);
        Ok(())
    }
}

/// Has everything happen to a screen that can.
pub fn keys(data: &[u8]) {
    // Too few bytes are the end.
    let _ = happen(&mut Unstructured::new(data));
}

fn happen(bytes: &mut Unstructured) -> Result<()> {
    let mut screen = Screen::new(bytes)?;
    screen.draw();
    for _ in 0..EVENTS {
        // Where there are no bytes any more, numbers are zero, and no error.
        if bytes.is_empty() {
            break;
        }
        match screen.next(bytes) {
            Ok(true) => screen.draw(),
            Ok(false) => {}
            Err(_) => break,
        }
    }
    screen.draw();
    Ok(())
}

/// Draws numbers of any size on screens of any size.
pub fn size(data: &[u8]) {
    let _ = resize(&mut Unstructured::new(data));
}

fn resize(bytes: &mut Unstructured) -> Result<()> {
    let mut screen = Screen::new(bytes)?;
    let Snapshot { meta, traffic, .. } = Arc::make_mut(&mut screen.snapshot);
    (meta.started_ns, meta.now_ns, traffic.packets, traffic.bytes) = bytes.arbitrary()?;
    (meta.elapsed, traffic.avg_pps, traffic.bps, meta.runtime.top) = bytes.arbitrary()?;
    for Alert { since_ns, seconds, until_ns, value, count, .. } in &mut Arc::make_mut(&mut screen.snapshot).alerts {
        (*since_ns, *seconds, *until_ns, *value, *count) = bytes.arbitrary()?;
    }
    for row in &mut Arc::make_mut(&mut screen.snapshot).places.countries {
        (row.sums.ips, row.sums.packets, row.sums.pps) = bytes.arbitrary()?;
    }
    screen.draw();
    for _ in 0..4 {
        let (columns, rows) = size_of(bytes)?;
        screen.state.size = (columns, rows);
        screen.terminal.backend_mut().resize(columns, rows);
        screen.draw();
    }
    Ok(())
}

/// Mostly sizes that terminals have, and a few that none has.
fn size_of(bytes: &mut Unstructured) -> Result<(u16, u16)> {
    let (columns, rows): (u16, u16) = match bytes.arbitrary::<u8>()? {
        0..240 => (bytes.int_in_range(1..=140)?, bytes.int_in_range(1..=50)?),
        240..250 => (bytes.int_in_range(1..=255)?, bytes.int_in_range(1..=80)?),
        _ => (bytes.arbitrary()?, bytes.arbitrary()?),
    };
    let columns = columns.clamp(1, CELLS);
    Ok((columns, rows.clamp(1, CELLS / columns)))
}

fn key(bytes: &mut Unstructured) -> Result<KeyCode> {
    Ok(match bytes.arbitrary::<u8>()? {
        0 => KeyCode::Char(bytes.arbitrary()?),
        at @ 1..=30 => {
            let named = [
                KeyCode::Enter,
                KeyCode::Esc,
                KeyCode::Backspace,
                KeyCode::Delete,
                KeyCode::Left,
                KeyCode::Right,
                KeyCode::Home,
                KeyCode::End,
                KeyCode::Up,
                KeyCode::Down,
                KeyCode::PageUp,
                KeyCode::PageDown,
                KeyCode::Tab,
                KeyCode::BackTab,
                KeyCode::F(at),
            ];
            named[usize::from(at) % named.len()]
        }
        byte => KeyCode::Char(char::from(byte)),
    })
}

/// A snapshot with hostile text wherever text from outside gets into one.
fn snapshot(bytes: &mut Unstructured) -> Result<Snapshot> {
    let mut snapshot = bytes.choose(&*SNAPSHOTS)?.clone();
    if bytes.arbitrary()? {
        return Ok(snapshot);
    }
    snapshot.meta.runtime.message = bytes.arbitrary()?;
    snapshot.meta.runtime.filter.dst = bytes.arbitrary()?;
    snapshot.meta.runtime.filter.protocols = vec![bytes.arbitrary()?];
    snapshot.places.countries.iter_mut().take(ROWS).try_for_each(|row| {
        row.country = bytes.arbitrary()?;
        Ok(())
    })?;
    snapshot.places.networks.iter_mut().take(ROWS).try_for_each(|row| {
        row.org = bytes.arbitrary()?;
        Ok(())
    })?;
    let mut rows: Vec<_> = snapshot.sources.rows.iter().map(Cow::into_owned).collect();
    for row in rows.iter_mut().take(ROWS) {
        row.place.get_or_insert_default().city = bytes.arbitrary()?;
        row.place.get_or_insert_default().org = bytes.arbitrary()?;
    }
    snapshot.sources.rows = rows.into();
    snapshot.monitor.interfaces = vec![InterfaceRow {
        name: bytes.arbitrary()?,
        mode: None,
        state: InterfaceState::Up,
        mtu: bytes.arbitrary()?,
        note: bytes.arbitrary()?,
    }];
    let (badge, what, reason, remedy) = bytes.arbitrary()?;
    snapshot.monitor.degraded = vec![Degraded { badge, what, reason, remedy }];
    let severity = *bytes.choose(&[Severity::Info, Severity::Warn, Severity::Critical])?;
    snapshot.alerts = vec![Alert {
        id: bytes.arbitrary()?,
        kind: "high-pps".into(),
        severity,
        source: None,
        message: bytes.arbitrary()?,
        since_ns: bytes.arbitrary()?,
        last_ns: bytes.arbitrary()?,
        until_ns: bytes.arbitrary()?,
        seconds: bytes.arbitrary()?,
        averaged_over: None,
        value: bytes.arbitrary()?,
        peak: bytes.arbitrary()?,
        count: bytes.arbitrary()?,
        advice: bytes.arbitrary()?,
        evidence: vec![bytes.arbitrary()?],
        origins: vec![Share { of: bytes.arbitrary()?, share: bytes.arbitrary()? }],
        ..Alert::default()
    }];
    if bytes.arbitrary()? {
        let error = bytes.arbitrary()?;
        snapshot.monitor.replay =
            Some(Replay { file: bytes.arbitrary()?, ended: bytes.arbitrary()?, error, ..Replay::default() });
        snapshot.meta.runtime.mode = Mode::Replay;
    }
    // Behind the others: what was found with fewer fields is still found.
    for alert in &mut snapshot.alerts {
        (alert.usual, alert.bursts.count, alert.bursts.seconds, alert.bursts.paused) = bytes.arbitrary()?;
        let (kind, of): (String, String) = bytes.arbitrary()?;
        let (pps, bps, share) = bytes.arbitrary()?;
        let ports = vec![bytes.arbitrary()?; ROWS];
        alert.vectors = vec![Vector { kind: kind.into(), pps, bps, share, ports, of: vec![of] }; ROWS];
        let ip = IpAddr::from(bytes.arbitrary::<[u8; 4]>()?);
        alert.target = Some(Target { port: bytes.arbitrary()?, prefix: IpNet::new(ip, 22).ok(), ip });
        alert.sources = vec![TopSource { ip, pps }];
    }
    Ok(snapshot)
}
