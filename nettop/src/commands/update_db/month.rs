//! The months by which DB-IP names its files.

use std::fmt;

use time::OffsetDateTime;

/// A month of a year; shown as `2026-03`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    year: i32,
    month: u8,
}

impl Month {
    /// The one in which this Unix time lies, UTC.
    pub fn of(unix_seconds: u64) -> Option<Self> {
        let date = OffsetDateTime::from_unix_timestamp(unix_seconds.try_into().ok()?).ok()?;
        Some(Self { year: date.year(), month: date.month().into() })
    }

    /// This one and those before it, newest first.
    pub fn backwards(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |this| {
            Some(match this.month {
                1 => Self { year: this.year - 1, month: 12 },
                month => Self { year: this.year, month: month - 1 },
            })
        })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_go_back_over_the_turn_of_a_year() {
        let february = Month::of(1_771_000_000).unwrap();
        let months: Vec<_> = february.backwards().take(4).map(|month| month.to_string()).collect();
        assert_eq!(months, ["2026-02", "2026-01", "2025-12", "2025-11"]);
    }

    #[test]
    fn a_clock_beyond_the_calendar_has_no_month() {
        assert_eq!(Month::of(u64::MAX), None);
    }
}
