//! How far back the chart goes, and the time axis below it.

use clap::ValueEnum;
use nettop_model::snapshot::{Alert, History, RatePoint, Severity};

use super::{
    VALUES,
    area::{self, Values},
};

/// So many values make the newest ten seconds.
const STEP: usize = 10;
/// The newest end of the time axis.
const NOW: &str = " now";
const NOW_IN_A_FLOOD: &str = "!now";
/// What a timer may be late, in seconds.
const JITTER: f64 = 0.05;

/// How far back the chart goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Span {
    /// The last 60 seconds, by second
    #[default]
    #[value(name = "60s")]
    Minute,
    /// The last 10 minutes, by ten seconds
    #[value(name = "10min")]
    TenMinutes,
    /// No chart
    Off,
}

impl Span {
    /// The next one.
    pub fn next(self) -> Self {
        match self {
            Self::Minute => Self::TenMinutes,
            Self::TenMinutes => Self::Off,
            Self::Off => Self::Minute,
        }
    }

    /// Its name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Minute => "60 s",
            Self::TenMinutes => "10 min",
            Self::Off => "off",
        }
    }

    /// Seconds of a value.
    const fn step(self) -> f64 {
        match self {
            Self::Minute | Self::Off => 1.0,
            Self::TenMinutes => STEP as f64,
        }
    }

    /// Values between two labels of the time axis, and the labels.
    const fn labels(self) -> (usize, &'static [&'static str]) {
        match self {
            Self::Minute | Self::Off => (10, &["60s", "50s", "40s", "30s", "20s", "10s"]),
            Self::TenMinutes => (12, &["10m", "8m", "6m", "4m", "2m"]),
        }
    }

    /// The values of this span, the newest last; unknown (NaN) before the first. The newest of ten minutes may have begun a second
    /// ago: the average of the last ten seconds stands there, whether its ten seconds are over or not.
    pub fn values(self, history: &History, of: fn(&RatePoint) -> f32) -> Values {
        let paces = match self {
            Self::Minute | Self::Off => &history.seconds,
            Self::TenMinutes => &history.tens,
        };
        let mut values = [f32::NAN; VALUES];
        for (value, pace) in values.iter_mut().rev().zip(paces.iter().rev()) {
            *value = of(pace);
        }
        if self == Self::TenMinutes && !paces.is_empty() {
            let newest = history.seconds.iter().rev().take(STEP).map(of).filter(|value| value.is_finite());
            let (sum, count) = newest.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
            if count > 0 {
                values[VALUES - 1] = sum / count as f32;
            }
        }
        values
    }

    /// The values during which a flood lasted: bit `n` is that of value `n`. A second in which something was found ends when it is
    /// told, and what is told last may be over for some seconds.
    pub fn floods<'a>(self, alerts: impl Iterator<Item = &'a Alert>, now_ns: u64) -> u64 {
        let places = alerts.filter(|alert| alert.severity == Severity::Critical).map(|alert| {
            let age = |ns: u64| (now_ns.saturating_sub(ns) as f64 / 1e9 + JITTER).floor();
            let (oldest, newest) = (age(alert.began_ns(now_ns)), age(alert.last_ns));
            let place = |age: f64| (age / self.step()) as usize;
            (place(oldest.max(newest)), place(newest))
        });
        let bits = |(oldest, newest): (usize, usize)| {
            (newest..=oldest.min(VALUES - 1)).fold(0, |bits, age| bits | 1 << (VALUES - 1 - age))
        };
        places.map(bits).fold(0, |all, bits| all | bits)
    }

    /// The time axis in `width` columns: how long ago, and exclamation marks where a flood lasted. These are not covered by labels,
    /// but for those at the ends.
    pub fn axis(self, floods: u64, width: usize) -> String {
        let mut axis: Vec<char> =
            (0..width).map(|cell| if is_flood(floods, cell, width) { '!' } else { '─' }).collect();
        let mut write = |at: usize, text: &str, covers: bool| {
            let Some(cells) = axis.get_mut(at..at + text.len()) else { return };
            if covers || !cells.contains(&'!') {
                cells.iter_mut().zip(text.chars()).for_each(|(cell, character)| *cell = character);
            }
        };
        let (every, labels) = self.labels();
        let last = width.saturating_sub(NOW.len());
        // A label, its blanks and a piece of the axis take seven characters.
        let step = if width < 7 * labels.len() { 2 } else { 1 };
        for (nth, label) in labels.iter().enumerate().step_by(step) {
            let at = (nth * every * width / VALUES).saturating_sub(1);
            let text = if nth == 0 { format!("{label} ") } else { format!(" {label} ") };
            if at + text.len() <= last {
                write(at, &text, nth == 0);
            }
        }
        write(last, if floods >> (VALUES - 1) & 1 == 1 { NOW_IN_A_FLOOD } else { NOW }, true);
        axis.into_iter().collect()
    }
}

/// Whether a flood lasted in a character of so many.
pub fn is_flood(floods: u64, cell: usize, width: usize) -> bool {
    area::of_cell(cell, width).any(|value| floods >> value & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW, floods};

    fn history(seconds: &[f32], tens: &[f32]) -> History {
        let paces = |values: &[f32]| values.iter().map(|pps| RatePoint { pps: *pps, bps: pps * 100.0 }).collect();
        History { seconds: paces(seconds), tens: paces(tens), ..History::default() }
    }

    #[test]
    fn values_end_with_the_newest_and_begin_unknown() {
        for (name, span, history, expected) in [
            ("nothing yet", Span::Minute, history(&[], &[]), &[][..]),
            ("a minute", Span::Minute, history(&[1.0, 2.0], &[1.5]), &[1.0, 2.0]),
            ("a step that has just begun", Span::TenMinutes, history(&[9.0; 20], &[9.0, 9.0, 0.0]), &[9.0, 9.0, 9.0]),
            (
                "the newest ten seconds",
                Span::TenMinutes,
                history(&[[9.0; 10], [4.0; 10]].concat(), &[9.0, 4.0]),
                &[9.0, 4.0],
            ),
            ("fewer seconds than ten", Span::TenMinutes, history(&[2.0, 4.0], &[3.0]), &[3.0]),
            ("unknown seconds", Span::TenMinutes, history(&[f32::NAN, 4.0], &[7.0, 7.0]), &[7.0, 4.0]),
            ("no seconds", Span::TenMinutes, history(&[], &[7.0, 8.0]), &[7.0, 8.0]),
        ] {
            let values = span.values(&history, |pace| pace.pps);
            let known = values.iter().position(|value| !value.is_nan()).unwrap_or(VALUES);
            assert_eq!(&values[known..], expected, "{name}");
        }
        let many: Vec<f32> = (0..61).map(|value| value as f32).collect();
        assert_eq!(Span::TenMinutes.values(&history(&[60.0], &many), |pace| pace.bps)[..2], [100.0, 200.0]);
    }

    #[test]
    fn floods_are_the_seconds_from_the_first_to_the_last_finding() {
        const SECOND: u64 = 1_000_000_000;
        let flood = |seconds: f64, last: u64, until: Option<u64>| Alert {
            since_ns: NOW - (seconds * 1e9) as u64,
            last_ns: NOW - last * SECOND,
            until_ns: until.map(|ago| NOW - ago * SECOND),
            seconds,
            ..floods()[0].clone()
        };
        for (name, alert, minute, ten) in [
            ("in the newest second", flood(0.0, 0, None), 59..60, 59..60),
            ("for two seconds more", flood(2.0, 0, None), 57..60, 59..60),
            ("a late timer", flood(2.999, 0, None), 56..60, 59..60),
            ("readings more often than seconds", flood(2.75, 0, None), 57..60, 59..60),
            ("calm for three seconds", flood(12.0, 3, None), 47..57, 58..60),
            ("over", flood(30.0, 20, Some(15)), 29..40, 56..58),
            ("longer than a minute", flood(75.0, 0, None), 0..60, 52..60),
            ("before the minute", flood(100.0, 70, Some(65)), 0..0, 49..53),
            ("long ago", flood(9_000.0, 8_000, Some(7_995)), 0..0, 0..0),
            ("the clock was set", flood(2.0, 9_000, None), 0..0, 0..0),
        ] {
            let places = |floods: u64| (0..64).filter(|place| floods >> place & 1 == 1).collect::<Vec<usize>>();
            for (span, expected) in [(Span::Minute, minute), (Span::TenMinutes, ten)] {
                let found = places(span.floods([&alert].into_iter(), NOW));
                assert_eq!(found, expected.collect::<Vec<_>>(), "{name}, {}", span.label());
            }
        }
        let others = crate::fixture::alerts();
        assert_eq!(Span::Minute.floods(others.iter(), NOW), 0, "only floods");
    }

    #[test]
    fn the_axis_tells_how_long_ago_and_where_a_flood_lasted() {
        let floods = 0b1111 << 45;
        for (name, span, floods, width, expected) in [
            ("a minute", Span::Minute, 0, 60, "60s ───── 50s ───── 40s ───── 30s ───── 20s ───── 10s ── now"),
            ("a flood", Span::Minute, floods, 60, "60s ───── 50s ───── 40s ───── 30s ───── 20s ─!!!! 10s ── now"),
            (
                "ten minutes",
                Span::TenMinutes,
                floods,
                60,
                "10m ─────── 8m ──────── 6m ──────── 4m ──────!!!!─────── now",
            ),
            ("half as wide", Span::Minute, floods, 30, "60s ───── 40s ────────!!!─ now"),
            ("a flood that lasts", Span::Minute, u64::MAX, 42, "60s !!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!now"),
            ("nothing", Span::Minute, floods, 0, ""),
            ("only now", Span::Minute, floods, 4, " now"),
        ] {
            assert_eq!(span.axis(floods, width), expected, "{name}");
        }
    }
}
