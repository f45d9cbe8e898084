//! The flags of countries: whether the terminal can show them, which only its environment tells, and how they are drawn.
//!
//! A flag is two characters, regional indicators, which some terminals make one picture of and others, such as tmux, keep in
//! two cells. The screen's library takes it for one wide character and leaves its second cell to the terminal: where that
//! keeps two cells, half a flag stays behind when the other half is overwritten. So each half gets a cell of its own, and
//! both are always drawn, one right after the other.

use std::env;

use ratatui::buffer::{Buffer, CellDiffOption};

use crate::locale;

/// Terminals, by the beginning of `TERM`, that have no picture for a flag.
const WITHOUT: &[&str] = &["linux", "vt", "dumb", "cons25", "ansi"];

/// As far as the environment tells.
pub fn from_env() -> bool {
    let locale = locale::from_env().map_or(String::new(), |(_, locale)| locale);
    can_show(&env::var("TERM").unwrap_or_default(), &locale)
}

/// Gives each half of every flag its own cell.
pub fn split(buffer: &mut Buffer) {
    for at in 1..buffer.content.len() {
        let [flag, second] = &mut buffer.content[at - 1..=at] else { continue };
        let mut halves = flag.symbol().chars();
        let (Some(left), Some(right), None) = (halves.next(), halves.next(), halves.next()) else { continue };
        if is_half(left) && is_half(right) {
            second.set_char(right).set_style(flag.style()).set_diff_option(CellDiffOption::AlwaysUpdate);
            flag.set_char(left).set_diff_option(CellDiffOption::AlwaysUpdate);
        }
    }
}

/// Whether it is a regional indicator (Unicode, UTS #51).
fn is_half(character: char) -> bool {
    ('\u{1f1e6}'..='\u{1f1ff}').contains(&character)
}

/// A flag is a pair of characters beyond the sixteen bits of old terminals, and only in UTF-8.
fn can_show(term: &str, locale: &str) -> bool {
    locale::is_utf8(locale) && !term.is_empty() && !WITHOUT.iter().any(|name| term.starts_with(name))
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;

    #[test]
    fn no_half_of_a_flag_stays_behind() {
        let buffer = |text: &str| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 1));
            buffer.set_string(1, 0, text, ratatui::style::Style::new());
            split(&mut buffer);
            buffer
        };
        let drawn = |before: &str, after: &str| {
            let (before, after) = (buffer(before), buffer(after));
            before.diff(&after).into_iter().map(|(x, _, cell)| (x, cell.symbol().to_string())).collect::<Vec<_>>()
        };
        let cells = |left: &str, right: &str| vec![(1, left.to_string()), (2, right.to_string())];
        assert_eq!(drawn("", "🇺🇸"), cells("🇺", "🇸"));
        assert_eq!(drawn("🇺🇸", ""), cells(" ", " "));
        assert_eq!(drawn("🇺🇸", "🇺🇦"), cells("🇺", "🇦"));
        assert_eq!(drawn("🇺🇸", "LO"), cells("L", "O"));
        assert_eq!(drawn("日", "日"), []);
    }

    #[test]
    fn flags_need_a_terminal_and_a_locale_that_know_them() {
        for (term, locale, expected) in [
            ("xterm-256color", "en_US.UTF-8", true),
            ("tmux-256color", "C.utf8", true),
            ("xterm-256color", "C", false),
            ("xterm-256color", "", false),
            ("linux", "en_US.UTF-8", false),
            ("vt220", "en_US.UTF-8", false),
            ("", "en_US.UTF-8", false),
        ] {
            assert_eq!(can_show(term, locale), expected, "{term} {locale}");
        }
    }
}
