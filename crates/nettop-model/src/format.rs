//! Numbers, times and foreign text as people read them. Every function here is pure.

use clap::ValueEnum;
use nettop_geo::CountryCode;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

pub use crate::visible::{is_unseen, visible};

/// Thousands in steps: decimal for packets and bits.
const DECIMAL: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
/// Powers of 1024: for bytes.
const BINARY: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A number with thousands separators if that fits into `width` columns, else three digits and a unit: `12.3M`.
pub fn count(number: u64, width: usize) -> String {
    let full = grouped(number);
    if full.len() <= width { full } else { decimal(number as f64) }
}

/// A [`count`] that is marked with ≥ where it is a lower bound.
pub fn at_least(is_lower_bound: bool, number: u64, width: usize) -> String {
    if is_lower_bound { format!("≥{}", count(number, width.saturating_sub(1))) } else { count(number, width) }
}

/// A number in at most six columns: `9,999`, then `12.3k`.
pub fn short(number: u64) -> String {
    count(number, 5)
}

/// Packets per second: `0.4`, `12`, `12.4k`, `3.10M`.
pub fn pps(rate: f64) -> String {
    if rate.is_finite() && (0.0..9.95).contains(&rate) {
        let tenths = format!("{rate:.1}");
        return tenths.strip_suffix(".0").map(String::from).unwrap_or(tenths);
    }
    decimal(rate)
}

/// In which units amounts and rates of bytes are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Units {
    /// Rates in bits, in which links are sold; amounts in powers of 1024.
    #[default]
    Bits,
    /// Both in bytes, in powers of 1024.
    Binary,
    /// Both in bytes, in powers of 1000.
    Decimal,
}

impl Units {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Bits, Self::Binary, Self::Decimal];

    /// What it is called.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Bits => "bit/s and binary bytes",
            Self::Binary => "binary bytes: KiB, MiB",
            Self::Decimal => "decimal bytes: kB, MB",
        }
    }

    /// The next choice.
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|units| *units == self).unwrap_or_default();
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// Bytes, in at most eight columns.
    pub fn amount(self, number: u64) -> String {
        match self {
            Self::Bits | Self::Binary => bytes(number),
            Self::Decimal => with_unit(number as f64, "B"),
        }
    }

    /// Bytes per second, as such or as bits.
    pub fn rate(self, bytes_per_second: f64) -> String {
        match self {
            Self::Bits => bits_per_second(bytes_per_second),
            Self::Decimal => with_unit(bytes_per_second, "B/s"),
            Self::Binary => {
                let (digits, unit) = scaled(bytes_per_second, 1024.0, &BINARY);
                format!("{digits} {unit}/s")
            }
        }
    }
}

/// A number in powers of 1000 of a unit: `12.3 MB`.
fn with_unit(number: f64, unit: &str) -> String {
    let (digits, factor) = scaled(number, 1000.0, &DECIMAL);
    format!("{digits} {factor}{unit}")
}

/// Bytes: `999 B`, `1.00 KiB`, `12.3 MiB`.
pub fn bytes(number: u64) -> String {
    let (digits, unit) = scaled(number as f64, 1024.0, &BINARY);
    format!("{digits} {unit}")
}

/// A rate of bytes per second as bits per second, the unit in which links are sold: `96.3 Mbit/s`.
pub fn bits_per_second(bytes_per_second: f64) -> String {
    with_unit(bytes_per_second * 8.0, "bit/s")
}

/// A part of a whole: `12.3%`.
pub fn percent(share: f64) -> String {
    if !share.is_finite() {
        return "-".into();
    }
    let percent = share.clamp(0.0, 1.0) * 100.0;
    match percent {
        p if p >= 99.95 => "100%".into(),
        // Some is not none.
        p if p > 0.0 && p < 0.05 => "<0.1%".into(),
        p => format!("{p:.1}%"),
    }
}

/// A part of a whole, in four columns: `12%`.
pub fn percent_short(part: u64, whole: u64) -> String {
    if whole == 0 || part == 0 {
        return "0%".into();
    }
    let percent = part as f64 / whole as f64 * 100.0;
    if percent < 1.0 { "<1%".into() } else { format!("{:.0}%", percent.min(100.0)) }
}

/// That a filter asks for what is not known of so many rows.
pub fn unjudged(rows: usize) -> String {
    let plural = if rows == 1 { "" } else { "s" };
    format!("{} row{plural} could not be judged: no detail", count(rows as u64, 11))
}

/// How long before `now_ns` something was, in at most four columns: `0.3s`, `12s`, `4m`, `3h`, `2d`.
pub fn ago(now_ns: u64, then_ns: u64) -> String {
    if then_ns == 0 {
        return "-".into();
    }
    // The packet may be newer than the snapshot's clock: that is now.
    let seconds = now_ns.saturating_sub(then_ns) as f64 / 1e9;
    match seconds {
        s if s < 9.95 => format!("{s:.1}s"),
        s if s < 60.0 => format!("{}s", s as u64),
        s if s < 3600.0 => format!("{}m", s as u64 / 60),
        s if s < 86_400.0 => format!("{}h", s as u64 / 3600),
        s => format!("{}d", s as u64 / 86_400),
    }
}

/// How long something has lasted: `00:12:34`, `3d 04:05:06`.
pub fn duration(seconds: f64) -> String {
    // A cast saturates, and makes NaN zero.
    let seconds = seconds.max(0.0) as u64;
    let (days, time) = (seconds / 86_400, time_of_day(seconds));
    if days == 0 { time } else { format!("{days}d {time}") }
}

/// How long something has been running, no finer than anybody looks, since a picture is drawn when it changes: `<1m`, `12m`,
/// `3h05m`, `2d04h`.
pub fn age(seconds: f64) -> String {
    let minutes = seconds.max(0.0) as u64 / 60;
    match (minutes, minutes / 60) {
        (0, _) => "<1m".into(),
        (1..60, _) => format!("{minutes}m"),
        (_, hours @ 0..24) => format!("{hours}h{:02}m", minutes % 60),
        (_, hours) => format!("{}d{:02}h", hours / 24, hours % 24),
    }
}

/// The time of day, in UTC: the local offset cannot be read safely once threads run. To the minute, since a picture is
/// drawn when it changes.
pub fn clock(unix_seconds: u64) -> String {
    let minute = unix_seconds / 60;
    format!("{:02}:{:02} UTC", minute / 60 % 24, minute % 60)
}

/// A date and time of day, in UTC as well: `2026-03-01 12:34:56 UTC`.
pub fn date(unix_ns: u64) -> String {
    const FORM: &[BorrowedFormatItem] = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    let date = OffsetDateTime::from_unix_timestamp_nanos(unix_ns.into());
    date.ok().and_then(|date| date.format(FORM).ok()).unwrap_or_else(|| "-".into())
}

/// A bar for `share` of `width` columns, in eighths of a column, filled up with blanks.
pub fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    // The least share still leaves a trace, or it would look like none.
    let eighths = match (share * (width * 8) as f64).round() as usize {
        0 if share > 0.0 && width > 0 => 1,
        eighths => eighths,
    };
    let mut bar = "█".repeat(eighths / 8);
    bar.push_str(EIGHTHS[eighths % 8]);
    let used = eighths.div_ceil(8);
    bar.push_str(&" ".repeat(width.saturating_sub(used)));
    bar
}

/// A country: its flag where that can be shown, its code, and a name if there is one.
pub fn country(code: CountryCode, name: &str, flag: bool) -> String {
    let flag = code.flag().filter(|_| flag).map_or(String::new(), |flag| flag + " ");
    let name = visible(name);
    format!("{flag}{code} {name}").trim_end().to_string()
}

/// A network: the number of its autonomous system, and who runs it.
pub fn network(asn: u32, org: &str) -> String {
    match asn {
        0 => "unknown".into(),
        asn => format!("AS{asn} {}", visible(org)).trim_end().to_string(),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn decimal(number: f64) -> String {
    let (digits, unit) = scaled(number, 1000.0, &DECIMAL);
    format!("{digits}{unit}")
}

/// Three digits (four just below 1024) and the unit they are in.
fn scaled(number: f64, base: f64, units: &[&'static str; 7]) -> (String, &'static str) {
    if !number.is_finite() || number < 0.0 {
        return ("-".into(), units[0]);
    }
    let (mut value, mut step) = (number, 0);
    // Rounding must not show 1000k for 999.9k: compare what would be printed.
    while value.round() >= base && step + 1 < units.len() {
        value /= base;
        step += 1;
    }
    let digits = match value {
        _ if step == 0 => format!("{value:.0}"),
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    };
    (digits, units[step])
}

fn time_of_day(seconds: u64) -> String {
    let second = seconds % 86_400;
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_keep_their_digits_while_these_fit() {
        for (number, width, text) in [
            (0, 9, "0"),
            (999, 9, "999"),
            (1000, 9, "1,000"),
            (9_999_999, 9, "9,999,999"),
            (12_345_678, 9, "12.3M"),
            (12_345_678, 10, "12,345,678"),
            (999_999_999, 9, "1.00G"),
            (999_499_999, 9, "999M"),
            (u64::MAX, 9, "18.4E"),
        ] {
            assert_eq!(count(number, width), text);
        }
        assert_eq!([short(9999), short(10_000), short(99_960), short(999_999)], ["9,999", "10.0k", "100k", "1.00M"]);
    }

    #[test]
    fn rates_are_short_and_never_nonsense() {
        for (rate, text) in [
            (0.0, "0"),
            (0.04, "0"),
            (0.4, "0.4"),
            (3.0, "3"),
            (9.96, "10"),
            (12.4, "12"),
            (999.6, "1.00k"),
            (12_400.0, "12.4k"),
            (3_100_000.0, "3.10M"),
            (f64::NAN, "-"),
            (f64::INFINITY, "-"),
            (-1.0, "-"),
        ] {
            assert_eq!(pps(rate), text, "{rate}");
        }
        assert_eq!(bits_per_second(12_037_500.0), "96.3 Mbit/s");
        assert_eq!(bits_per_second(0.0), "0 bit/s");
    }

    #[test]
    fn bytes_are_powers_of_1024() {
        for (number, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (12_902_400, "12.3 MiB"),
            (1_048_575, "1.00 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn times() {
        const S: u64 = 1_000_000_000;
        for (then, text) in [
            (1_000_000 * S - S / 3, "0.3s"),
            (1_000_000 * S + S, "0.0s"),
            (1_000_000 * S - 12 * S, "12s"),
            (1_000_000 * S - 299 * S, "4m"),
            (1_000_000 * S - 7_300 * S, "2h"),
            (1_000_000 * S - 200_000 * S, "2d"),
            (0, "-"),
        ] {
            assert_eq!(ago(1_000_000 * S, then), text);
        }
        assert_eq!([duration(754.9), duration(273_906.0), duration(-1.0)], ["00:12:34", "3d 04:05:06", "00:00:00"]);
        assert_eq!([duration(f64::NAN), clock(1_700_000_000)], ["00:00:00", "22:13 UTC"]);
        assert_eq!([age(59.9), age(3_599.0), age(11_100.0), age(187_300.0)], ["<1m", "59m", "3h05m", "2d04h"]);
        assert_eq!([age(f64::NAN), age(-1.0)], ["<1m", "<1m"]);
    }

    #[test]
    fn shares() {
        assert_eq!([percent(0.1234), percent(0.9999), percent(7.0), percent(f64::NAN)], ["12.3%", "100%", "100%", "-"]);
        assert_eq!([percent(0.0), percent(0.0001)], ["0.0%", "<0.1%"]);
        assert_eq!([percent_short(1, 3), percent_short(1, 1000), percent_short(0, 0)], ["33%", "<1%", "0%"]);
        assert_eq!([bar(0.5, 4), bar(0.0, 2), bar(1.0, 2), bar(0.0001, 2)], ["██  ", "  ", "██", "▏ "]);
        assert_eq!([bar(0.3, 0), bar(f64::NAN, 1)], ["", " "]);
    }
}
