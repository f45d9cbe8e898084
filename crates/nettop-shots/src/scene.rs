//! What the pictures show.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser as _;
use nettop::cli::Cli;
use nettop_collect::pcap::Pcap;
use nettop_engine::{Engine, overhead::Overhead, sinks::Sinks};
use nettop_geo::Watcher;
use nettop_model::{
    answer::Answer,
    clock::Moment,
    request::Request,
    snapshot::{Mode, Snapshot, Subject},
};
use nettop_tui::{
    layout,
    panel::Picture,
    state::{Detail, OpenAlert, State},
    theme::{Choice, Theme},
};
use nettop_views::view::ALERTS;
use ratatui::{Terminal, backend::TestBackend};

use crate::{svg, traffic};

/// Columns and lines of pictures: without room for what the monitor costs, which is never the same.
const SIZE: (u16, u16) = (110, 34);
/// The same with room for the chart.
const LARGE: (u16, u16) = (120, 46);
/// Seconds of the capture that were read: the flood lasts.
const SECONDS: f64 = 58.0;
/// More ticks than there are seconds in the capture.
const ENOUGH: usize = 1_000;

/// A picture.
struct Scene {
    name: &'static str,
    /// Columns and lines.
    size: (u16, u16),
    theme: Choice,
    state: fn(&Snapshot) -> State,
}

const SCENES: &[Scene] = &[
    Scene { name: "flood-dark", size: LARGE, theme: Choice::Dark, state: |_| State::default() },
    Scene { name: "flood-light", size: LARGE, theme: Choice::Light, state: |_| State::default() },
    Scene { name: "source", size: SIZE, theme: Choice::Dark, state: busiest },
    Scene { name: "alerts", size: SIZE, theme: Choice::Dark, state: |_| State { view: ALERTS, ..State::default() } },
    Scene { name: "alert", size: SIZE, theme: Choice::Dark, state: worst },
];

/// The name and the content of each file.
///
/// # Errors
/// When the capture cannot be written or read.
pub fn pictures() -> Result<Vec<(PathBuf, String)>> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let path = folder.path().join("web-server.pcap");
    fs::write(&path, traffic::capture()).with_context(|| format!("cannot write {}", path.display()))?;
    let (mut engine, snapshot) = replay(&path)?;
    SCENES.iter().map(|scene| Ok((scene.name.into(), draw(scene, &mut engine, &snapshot)?))).collect()
}

/// An engine that has read the capture up to the middle of the flood, and its newest snapshot.
fn replay(path: &Path) -> Result<(Engine, Snapshot)> {
    // What is drawn at random is the same every time.
    fastrand::seed(1);
    let run = Cli::try_parse_from(["nettop"]).context("nettop's own options")?.run;
    let settings = run.common.settings(Mode::Replay)?;
    let source = Box::new(Pcap::open(path, 0.0)?);
    let cost = Overhead::new(Moment::default());
    let (mut engine, snapshots) = Engine::new(source, settings, Some(Watcher::embedded()?), Sinks::default(), cost);
    let newest = || snapshots.borrow().meta.elapsed;
    let reached = (0..ENOUGH).any(|_| {
        engine.tick();
        newest() >= SECONDS
    });
    ensure!(reached, "the capture ends after {} seconds", newest());
    // What the machine took for it is no part of the picture, which has to be the same every time.
    let mut snapshot = Snapshot::clone(&snapshots.borrow());
    (snapshot.monitor.overhead, snapshot.monitor.tick.took_ms) = Default::default();
    Ok((engine, snapshot))
}

fn draw(scene: &Scene, engine: &mut Engine, snapshot: &Snapshot) -> Result<String> {
    let mut state = State { size: scene.size, theme: scene.theme, ..(scene.state)(snapshot) };
    if let Some(detail) = &mut state.detail {
        match engine.handle(Request::History(detail.subject)) {
            Ok(Answer::History(history)) => detail.history = Some(*history),
            other => bail!("the engine does not tell what there was lately: {other:?}"),
        }
    }
    let theme = Theme::of(scene.theme);
    let picture =
        Picture { snapshot, state: &state, theme: &theme, unix_seconds: snapshot.meta.now_ns / 1_000_000_000 };
    let mut terminal =
        Terminal::new(TestBackend::new(scene.size.0, scene.size.1)).context("a screen without a terminal")?;
    terminal.draw(|frame| layout::draw(frame, &picture)).context("a screen without a terminal")?;
    let paper = if scene.theme == Choice::Light { &svg::LIGHT } else { &svg::DARK };
    Ok(svg::from(terminal.backend().buffer(), paper))
}

/// The busiest source, opened.
fn busiest(snapshot: &Snapshot) -> State {
    let subject = snapshot.sources.rows.iter().next().map(|row| Subject::Source(row.ip));
    State {
        detail: subject.map(|subject| Detail { subject, history: None, command: None, top: 0 }),
        ..State::default()
    }
}

/// The flood that lasts, opened.
fn worst(snapshot: &Snapshot) -> State {
    let alert = snapshot.alerts.iter().find(|alert| alert.is_alarm()).or(snapshot.alerts.first());
    let open = alert.map(|alert| OpenAlert { last: Box::new(alert.clone()), top: 0 });
    State { view: ALERTS, alert: open, ..State::default() }
}
