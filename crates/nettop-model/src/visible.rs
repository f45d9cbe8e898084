//! Text from outside (packets, files, sockets, names of interfaces), made safe to show.

use std::fmt::Write as _;

pub use nettop_geo::is_unseen;

/// Text from outside with everything a terminal might obey, or an eye might miss, spelled out: control characters,
/// line breaks, escape sequences, changes of writing direction, characters without width.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unseen(character) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_reaches_the_terminal_as_a_command() {
        for (text, shown) in [
            ("eth0", "eth0"),
            ("ëth0 日本", "ëth0 日本"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\u{0}\u{7f}\u{9b}31m", "\\u{0}\\u{7f}\\u{9b}31m"),
            ("abc\u{202e}321", "abc\\u{202e}321"),
            ("a\u{200b}\u{feff}\u{2066}\u{2028}", "a\\u{200b}\\u{feff}\\u{2066}\\u{2028}"),
            ("\u{ad}\u{3164}\u{e0041}", "\\u{ad}\\u{3164}\\u{e0041}"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }
}
