//! The replay of a recording: its readings go through the engine as they came, its requests are answered again.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use nettop_collect::record::{Begin, Feed, Line, Recorded, Step};
use nettop_model::{
    clock::Moment,
    filter::FilterText,
    request::{self, Request},
    snapshot::{Replay, Severity, Snapshot},
};
use nettop_requests::Envelope;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    Engine, Settings,
    detect::{OwnRule, Thresholds, own::Wrong},
    lines::Lines,
};

/// How long lines may be played before requests are looked at.
const BUSY: Duration = Duration::from_millis(10);

/// What of the settings decides about a snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordedSettings {
    dst: String,
    src: String,
    port: String,
    proto: String,
    top: usize,
    interval: f64,
    max_sources: usize,
    max_events: usize,
    event_rate: u32,
    thresholds: Vec<(String, u64)>,
    /// Recordings made before there was a choice learned.
    #[serde(default = "learns")]
    learn: bool,
    /// Recordings made before there were any have none.
    #[serde(default)]
    rules: Vec<RecordedRule>,
    first_alert: u64,
}

/// A rule of one's own, as it was written.
#[derive(Debug, Serialize, Deserialize)]
struct RecordedRule {
    name: String,
    when: String,
    r#for: i64,
    severity: Severity,
}

fn learns() -> bool {
    true
}

impl RecordedSettings {
    /// Those of an engine.
    pub fn of(settings: &Settings) -> Self {
        let FilterText { dst, src, port, proto } = settings.filter.text.clone();
        let thresholds = settings.thresholds.given().map(|(kind, threshold)| (kind.into(), threshold)).collect();
        Self {
            dst,
            src,
            port,
            proto,
            top: settings.top,
            interval: settings.interval.as_secs_f64(),
            max_sources: settings.max_sources,
            max_events: settings.max_events,
            event_rate: settings.event_rate,
            thresholds,
            learn: settings.thresholds.is_learning(),
            rules: settings.rules.iter().map(RecordedRule::of).collect(),
            first_alert: settings.first_alert,
        }
    }

    /// Puts them into settings.
    ///
    /// # Errors
    /// The filter or a rule cannot be read, which another version wrote.
    fn apply(self, settings: &mut Settings) -> Result<()> {
        let Self { dst, src, port, proto, top, interval, max_sources, max_events, event_rate, .. } = self;
        let Self { thresholds, learn, rules, first_alert, .. } = self;
        settings.filter = FilterText { dst, src, port, proto }.parse().map_err(|error| anyhow!(error))?;
        settings.interval = Duration::try_from_secs_f64(interval.clamp(0.1, 3600.0)).unwrap_or(settings.interval);
        (settings.top, settings.max_events, settings.event_rate) = (top, max_events, event_rate);
        (settings.max_sources, settings.first_alert) = (max_sources.max(1), first_alert);
        // Those of whoever replays it would find something else than was found then.
        let usual = Thresholds::default().learning(learn);
        settings.thresholds = thresholds.iter().fold(usual, |all, (kind, threshold)| all.with(kind, *threshold));
        settings.rules = rules.iter().map(RecordedRule::read).collect::<Result<_>>()?;
        Ok(())
    }
}

impl RecordedRule {
    fn of(rule: &OwnRule) -> Self {
        let OwnRule { name, when, seconds, severity, .. } = rule;
        Self { name: name.clone(), when: when.text.clone(), r#for: (*seconds).into(), severity: *severity }
    }

    fn read(&self) -> Result<OwnRule> {
        let Self { name, when, r#for, severity } = self;
        OwnRule::new(name, when, *r#for, *severity)
            .map_err(|Wrong { key, what, .. }| anyhow!("rule {name:?}: {key}: {what}"))
    }
}

/// An open recording.
pub struct Player {
    lines: Lines,
    feed: Feed,
    /// Times as fast as it was recorded; 0: as fast as possible.
    speed: f64,
    /// The time of the recording, and the real time, from which on it is played; `None`: not yet, or it was paused.
    began: Option<(u64, Instant)>,
    /// The next line, and its time, where it has one.
    next: Option<(Line, Option<u64>)>,
    first: Option<Moment>,
    paused: bool,
}

impl Player {
    /// Opens a recording, has `settings` be those that it was made with, and returns the collector that reads it.
    ///
    /// # Errors
    /// It cannot be opened, is no recording, or one of a newer form.
    pub fn open(path: &Path, speed: f64, settings: &mut Settings) -> Result<(Self, Recorded)> {
        let name = path.display().to_string();
        let mut lines = Lines::open(path).with_context(|| format!("opening {name}"))?;
        let first = lines.next().with_context(|| format!("reading {name}"))?;
        let Some(Line::Begin(begin)) = first else { bail!("reading {name}: it does not begin as a recording does") };
        let begin: Begin = *begin;
        if begin.schema > nettop_collect::record::SCHEMA {
            bail!(
                "reading {name}: it was recorded by nettop {}, in a form that this version does not know; replay it with that one",
                begin.version
            );
        }
        let recorded: RecordedSettings = serde_json::from_value(begin.settings.clone())
            .with_context(|| format!("reading the settings of {name}"))?;
        recorded.apply(settings).with_context(|| format!("reading the settings of {name}"))?;
        let replay = Replay { file: name, speed, size: Some(lines.size()), ..Replay::default() };
        let (recorded, feed) = Recorded::new(begin, replay);
        Ok((Self { lines, feed, speed, began: None, next: None, first: None, paused: false }, recorded))
    }

    /// When the next line is due; `None`: at its end, or paused.
    fn due(&mut self) -> Option<Instant> {
        if self.paused {
            return None;
        }
        if self.next.is_none() {
            self.advance();
        }
        let (_, at_ns) = self.next.as_ref()?;
        let now = Instant::now();
        let (Some(at_ns), true) = (*at_ns, self.speed > 0.0) else { return Some(now) };
        let (from_ns, began) = *self.began.get_or_insert((at_ns, now));
        let passed = at_ns.saturating_sub(from_ns) as f64 / 1e9 / self.speed;
        Some(began + Duration::try_from_secs_f64(passed).unwrap_or(Duration::MAX / 4))
    }

    /// Reads the next line.
    fn advance(&mut self) {
        match self.lines.next() {
            Ok(Some(line)) => {
                let at = match &line {
                    Line::Traffic(traffic) if traffic.at() != Moment::default() => Some(traffic.at()),
                    _ => None,
                };
                self.first = self.first.or(at);
                let (read, first) = (self.lines.offset(), self.first);
                self.feed.note(|replay| {
                    replay.bytes_read = read;
                    replay.percent = replay.size.map(|size| (read as f64 / size.max(1) as f64 * 100.0).min(100.0));
                    replay.first_ns = first.map(|first| first.unix_ns);
                    replay.last_ns = at.map(|at| at.unix_ns).or(replay.last_ns);
                });
                self.next = Some((line, at.map(|at| at.monotonic_ns)));
            }
            ended => {
                let error = ended.err().map(|error| format!("{error:#}"));
                self.feed.note(|replay| {
                    replay.ended = true;
                    replay.error = error.or(replay.error.take());
                });
            }
        }
    }

    /// The steps of the next line.
    fn steps(&mut self) -> Vec<Step> {
        match self.next.take() {
            Some((line, _)) => self.feed.take(line),
            None => self.feed.flush(),
        }
    }

    fn pause(&mut self, paused: bool) {
        self.paused = paused;
        // What was passed over is not made up for.
        self.began = None;
    }
}

impl Engine {
    /// Plays a recording until told to stop, or until nobody can ask any more. Returns the last snapshot.
    pub async fn replay(mut self, mut player: Player, mut requests: mpsc::Receiver<Envelope>) -> Arc<Snapshot> {
        loop {
            let due = player.due();
            let ended = due.is_none() && !player.paused;
            if ended {
                let rest = player.steps();
                tokio::task::block_in_place(|| rest.into_iter().for_each(|step| self.play(step)));
                if self.settings.end_with_source {
                    break;
                }
                self.publish();
            }
            tokio::select! {
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    tokio::task::block_in_place(|| self.play_due(&mut player));
                }
                envelope = requests.recv() => {
                    let Some(Envelope { request, caller, reply }) = envelope else { break };
                    match request {
                        Request::Pause => player.pause(true),
                        Request::Resume => player.pause(false),
                        _ => {}
                    }
                    let stop = request == Request::Stop;
                    let answer = tokio::task::block_in_place(|| self.handle_for(&caller, request));
                    // Whoever asked may have gone meanwhile.
                    let _ = reply.send(answer);
                    if stop {
                        break;
                    }
                }
            }
        }
        self.publish();
        self.last()
    }

    /// Plays what is due, for a while.
    fn play_due(&mut self, player: &mut Player) {
        let started = Instant::now();
        while player.due().is_some_and(|due| due <= Instant::now()) && started.elapsed() < BUSY {
            player.steps().into_iter().for_each(|step| self.play(step));
        }
    }

    /// Does the next thing of a recording.
    fn play(&mut self, step: Step) {
        match step {
            Step::Drain => {
                self.drain();
                self.look();
            }
            Step::Beside(reading) => self.enter_beside(reading),
            Step::Tick => self.tick(),
            Step::Request(value) => {
                let request = request::parse(value.to_string().as_bytes());
                if let Ok(request) = request
                    && request.effect() == request::Effect::Changes
                    && request != Request::Stop
                {
                    // It was answered when it was recorded.
                    let _ = self.handle(request);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nettop_model::snapshot::Mode;
    use serde_json::json;

    use super::*;

    fn settings(thresholds: Thresholds, rules: Vec<OwnRule>) -> Settings {
        Settings {
            mode: Mode::Replay,
            filter: FilterText::default().parse().expect("a filter"),
            top: 20,
            interval: Duration::from_secs(1),
            max_events: 5_000,
            event_rate: 10_000,
            max_sources: 1_000,
            keep_ended: Duration::from_secs(10),
            blocking: Default::default(),
            without: Vec::new(),
            thresholds,
            rules,
            first_alert: 1 << 20,
            end_with_source: true,
            whole_at_end: false,
            sandbox: Arc::default(),
            log: None,
            companions: Vec::new(),
            found: Vec::new(),
        }
    }

    fn rule(name: &str) -> OwnRule {
        OwnRule::new(name, "dst:10.0.0.5 pps>50k", 3, Severity::Critical).expect("a rule")
    }

    /// What is in force after such settings were read, whatever was asked for before.
    fn replayed(recorded: serde_json::Value) -> Settings {
        let other = Thresholds::default().with("udp-flood", 5).learning(false);
        let mut settings = settings(other, vec![rule("of-whoever-replays")]);
        let recorded: RecordedSettings = serde_json::from_value(recorded).expect("settings");
        recorded.apply(&mut settings).expect("settings");
        settings
    }

    #[test]
    fn thresholds_and_rules_are_those_of_the_recording() {
        for (thresholds, rules) in [
            (Thresholds::default(), vec![]),
            (Thresholds::default().learning(false), vec![rule("a")]),
            (Thresholds::default().with("syn-flood", 7), vec![rule("a"), rule("b")]),
            (Thresholds::default().with("syn-flood", 7).with("high-pps", 0).learning(false), vec![]),
        ] {
            let recorded = RecordedSettings::of(&settings(thresholds, rules.clone()));
            let replayed = replayed(serde_json::to_value(recorded).expect("JSON"));
            assert_eq!((replayed.thresholds, replayed.rules), (thresholds, rules));
        }
    }

    #[test]
    fn an_older_recording_had_no_choice_and_no_rules() {
        let mut recorded = serde_json::to_value(RecordedSettings::of(&settings(
            Thresholds::default().with("syn-flood", 7),
            vec![rule("a")],
        )))
        .expect("JSON");
        let keys = recorded.as_object_mut().expect("an object");
        assert_eq!(keys.remove("learn"), Some(json!(true)));
        assert_eq!(
            keys.remove("rules"),
            Some(json!([{"name": "a", "when": "dst:10.0.0.5 pps>50k", "for": 3, "severity": "critical"}]))
        );
        let replayed = replayed(recorded);
        assert_eq!(replayed.thresholds, Thresholds::default().with("syn-flood", 7));
        assert_eq!(replayed.rules, []);
    }

    #[test]
    fn a_rule_of_another_version_is_named() {
        let mut recorded =
            serde_json::to_value(RecordedSettings::of(&settings(Thresholds::default(), vec![rule("a")])))
                .expect("JSON");
        recorded["rules"][0]["when"] = "colour:red".into();
        let recorded: RecordedSettings = serde_json::from_value(recorded).expect("settings");
        let error = recorded.apply(&mut settings(Thresholds::default(), Vec::new())).expect_err("no such word");
        assert!(error.to_string().starts_with("rule \"a\": when: there is no colour:"), "{error}");
    }
}
