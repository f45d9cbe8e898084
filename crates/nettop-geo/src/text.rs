//! Names and numbers from outside, made fit for use.

use std::borrow::Cow;

/// Characters of a name.
const LONGEST: usize = 200;

/// Whether a character would not stand on a screen as itself: control characters, line separators, and what Unicode calls
/// default ignorable code points, changes of writing direction among them.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' // soft hyphen, grapheme joiner, Arabic letter mark
            | '\u{115f}'..='\u{1160}' | '\u{3164}' | '\u{ffa0}' // Hangul fillers
            | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' // Khmer vowels, Mongolian separators
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' // zero width, line separators, bidirectional
            | '\u{2060}'..='\u{206f}' // isolates, invisible operators
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' // variants, byte order mark, annotations
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' // shorthand, musical marks
            | '\u{e0000}'..='\u{e0fff}') // tags
}

/// Whether [`clean`] would leave it as it is.
pub fn is_clean(text: &str) -> bool {
    text.len() <= LONGEST && !text.chars().any(is_unseen)
}

/// The text without characters that a screen must not get, without space around it, and not too long.
pub fn clean(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if is_clean(text) {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().filter(|c| !is_unseen(*c)).take(LONGEST).collect();
    Cow::Owned(kept.trim().to_owned())
}

/// For messages: the start of a text, made fit for one line.
pub fn quote(text: &str) -> String {
    const SHOWN: usize = 40;
    let mut quoted: String = clean(text).chars().take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        quoted.push('…');
    }
    format!("\"{quoted}\"")
}

/// The number of an autonomous system, as `AS13335` or `13335`; nothing, or `-`, is 0. `None` for anything else.
pub fn as_number(text: &str) -> Option<u32> {
    let digits = match text.split_at_checked(2) {
        Some((start, digits)) if start.eq_ignore_ascii_case("AS") => digits,
        _ => text,
    };
    match digits {
        "" | "-" => Some(0),
        // `parse` would take a sign.
        digits => digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_screen_must_not_get_is_dropped() {
        for (text, expected) in [
            ("Zürich", "Zürich"),
            ("  Rio de Janeiro ", "Rio de Janeiro"),
            ("a\x1b[2Jb\0\u{9b}c\td", "a[2Jbcd"),
            ("left\u{202e}right\u{2066}\u{feff}", "leftright"),
        ] {
            assert_eq!(clean(text), expected);
            assert_eq!(is_clean(text.trim()), text.trim() == expected);
        }
        assert_eq!(clean(&"é".repeat(1000)).chars().count(), LONGEST);
        for (text, expected) in [
            ("AS13335", Some(13335)),
            ("as1", Some(1)),
            ("4294967295", Some(u32::MAX)),
            ("", Some(0)),
            ("-", Some(0)),
            ("4294967296", None),
            ("+1", None),
            ("ASx", None),
        ] {
            assert_eq!(as_number(text), expected, "{text}");
        }
        assert_eq!(quote(&"x".repeat(41)), format!("\"{}…\"", "x".repeat(40)));
    }
}
