//! The size of the terminal, as far as it tells.
//!
//! A serial line, a pseudo-terminal that nobody has set up and some containers report no columns or no lines. `COLUMNS` and `LINES`
//! then say it (POSIX, "Environment Variables"), as for less and vi; where these say nothing either, it is 80 by 24.

use std::{env, io, os::fd::AsFd};

use rustix::termios::tcgetwinsize;

/// Columns and lines that are drawn at most. A terminal that reports more gets so many: the picture's memory grows with its
/// cells, and a size is only a number that anybody at the other end of the line can set.
pub const LARGEST: (u16, u16) = (1_000, 500);
/// Columns and lines of a terminal that does not tell: those of a VT100.
const USUAL: (u16, u16) = (80, 24);

/// Columns and lines to draw on the terminal at `terminal`, of 1 to [`LARGEST`].
///
/// # Errors
/// It is no terminal, or gone.
pub fn of(terminal: impl AsFd) -> io::Result<(u16, u16)> {
    let size = tcgetwinsize(terminal)?;
    Ok(settle((size.ws_col, size.ws_row), |name| env::var(name).ok()))
}

/// Each of the two by itself: what the terminal says, else what the variable says, else the usual.
fn settle((columns, lines): (u16, u16), variable: impl Fn(&str) -> Option<String>) -> (u16, u16) {
    let one = |reported: u16, name: &str, usual: u16, largest: u16| {
        let said = || variable(name).and_then(|text| text.trim().parse().ok()).filter(|number: &u16| *number > 0);
        let told = Some(reported).filter(|number| *number > 0).or_else(said);
        told.unwrap_or(usual).min(largest)
    };
    (one(columns, "COLUMNS", USUAL.0, LARGEST.0), one(lines, "LINES", USUAL.1, LARGEST.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_terminal_does_not_tell_the_environment_does_or_else_it_is_the_usual() {
        for (reported, columns, lines, expected) in [
            ((120, 40), None, None, (120, 40)),
            // What the terminal says has more say.
            ((120, 40), Some("90"), Some("30"), (120, 40)),
            ((0, 0), Some("90"), Some("30"), (90, 30)),
            ((0, 0), None, None, (80, 24)),
            ((0, 50), Some("90"), Some("30"), (90, 50)),
            ((132, 0), Some("90"), None, (132, 24)),
            ((0, 0), Some(" 90 "), Some(""), (90, 24)),
            ((0, 0), Some("0"), Some("-5"), (80, 24)),
            ((0, 0), Some("wide"), Some("1e2"), (80, 24)),
            ((0, 0), Some("99999999999"), Some("30.5"), (80, 24)),
            ((0, 0), Some("65535"), Some("65535"), LARGEST),
            ((1, 1), None, None, (1, 1)),
            ((65_535, 65_535), None, None, LARGEST),
            ((2_000, 3), None, None, (1_000, 3)),
        ] {
            let variable = |name: &str| if name == "COLUMNS" { columns } else { lines }.map(String::from);
            assert_eq!(settle(reported, variable), expected, "{reported:?} {columns:?} {lines:?}");
        }
    }

    #[test]
    fn what_is_no_terminal_has_no_size() {
        assert!(of(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
