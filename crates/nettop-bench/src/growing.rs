//! A log that grows while it is followed, and one that is large already: files on the disk, read, entered and judged as the monitor does it.

use std::{
    fs::OpenOptions,
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nettop_engine::{
    detect::Thresholds,
    logs::{Around, LogState},
};
use nettop_logs::{LogSettings, LogSource, Logs, Reads, format::Choice};
use nettop_model::clock::Moment;

use crate::cpu;

/// How often something is written.
const BEAT: Duration = Duration::from_millis(10);

/// What following it came to.
#[derive(Debug)]
pub struct Followed {
    /// Lines that were read, all of them attributed.
    pub lines: u64,
    /// How old the oldest byte was at most that had not been read, seconds.
    pub behind: f64,
    /// What the reader has used of a CPU, and how long it took.
    pub used: Duration,
    /// By the clock.
    pub took: Duration,
}

/// Writes so many of `lines` a second, on the CPU `writer`, and follows them until all are entered.
///
/// # Errors
/// A file cannot be written, or lines are missing.
pub fn grows(lines: &[String], per_second: usize, seconds: u64, writer: usize) -> Result<Followed> {
    let folder = tempfile::tempdir().context("making a folder")?;
    let path = folder.path().join("access.log");
    let mut file = OpenOptions::new().create(true).append(true).open(&path).context("making a log")?;
    let beats = seconds * 1000 / BEAT.as_millis() as u64;
    let each = per_second * BEAT.as_millis() as usize / 1000;
    let mut logs = logs(&path, 0);
    thread::scope(|scope| {
        let written = scope.spawn(move || -> Result<()> {
            cpu::pin(writer).context("pinning to a CPU")?;
            let (began, mut next) = (Instant::now(), lines.iter().cycle());
            for beat in 1..=beats {
                let text: String = next.by_ref().take(each).flat_map(|line| [line, "\n"]).collect();
                file.write_all(text.as_bytes()).context("writing to a log")?;
                thread::sleep((began + BEAT * beat as u32).saturating_duration_since(Instant::now()));
            }
            Ok(())
        });
        let followed = follow(&mut logs, beats * each as u64, Duration::from_secs(seconds + 30));
        written.join().expect("writing does not panic")?;
        followed
    })
}

/// Reads a file of so many bytes from its beginning.
///
/// # Errors
/// It cannot be written, or lines are missing.
pub fn is_there(lines: &[String], bytes: usize) -> Result<Followed> {
    let folder = tempfile::tempdir().context("making a folder")?;
    let path = folder.path().join("access.log");
    let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    let mut file = OpenOptions::new().create(true).append(true).open(&path).context("making a log")?;
    let times = bytes.div_ceil(text.len());
    for _ in 0..times {
        file.write_all(text.as_bytes()).context("writing a log")?;
    }
    follow(&mut logs(&path, u64::MAX), (times * lines.len()) as u64, Duration::from_secs(300))
}

fn logs(path: &std::path::Path, backfill: u64) -> Logs {
    let sources = vec![LogSource::new(path, Reads::Access(Choice::default()))];
    Logs::new(LogSettings { sources, backfill, ..LogSettings::default() })
}

/// Until so many lines are entered.
fn follow(logs: &mut Logs, lines: u64, most: Duration) -> Result<Followed> {
    let (mut state, thresholds) = (LogState::default(), Thresholds::default());
    let (mut behind, mut used, began) = (0_f64, Duration::ZERO, Instant::now());
    while state.accounting().lines.attributed < lines {
        let accounting = state.accounting();
        ensure!(began.elapsed() < most, "lines are missing, of {lines}: {accounting:?}");
        let (any, took, cost) = cpu::time(|| {
            let reading = logs.read(Instant::now());
            behind = behind.max(reading.behind);
            let any = !reading.entries.is_empty();
            state.enter(reading, &thresholds);
            state.suspects(Moment::now(), &thresholds, &Around { sockets: None, is_attacked: false, trusted: &[] });
            any
        });
        used += cost;
        thread::sleep(Logs::rest(took, any));
    }
    let accounting = state.accounting();
    ensure!(accounting.holds && accounting.lines.lost_bytes == 0, "the accounts do not hold: {accounting:?}");
    Ok(Followed { lines: accounting.lines.attributed, behind, used, took: began.elapsed() })
}
