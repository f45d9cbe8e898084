//! Fitting text into columns: cutting, padding, wrapping. Widths are columns of a terminal (Unicode, UAX #11), not characters.

use unicode_width::UnicodeWidthStr;

/// Bytes for each column from which on a word is broken whatever its width: more are needed by none that can be seen.
const LONGEST: usize = 32;

/// Stands where something was left out.
pub const ELLIPSIS: &str = "…";

/// How many columns a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// How many columns a character takes.
pub fn char_width(character: char) -> usize {
    width(character.encode_utf8(&mut [0; 4]))
}

/// The text, cut at its end to `columns`.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.into();
    }
    if columns == 0 {
        return String::new();
    }
    head(text, columns - 1) + ELLIPSIS
}

/// The text, cut in its middle to `columns`: both ends of an address tell something.
pub fn cut_middle(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.into();
    }
    if columns == 0 {
        return String::new();
    }
    let tail = (columns - 1) / 2;
    let reversed: String = text.chars().rev().collect();
    let end: String = head(&reversed, tail).chars().rev().collect();
    head(text, columns - 1 - tail) + ELLIPSIS + &end
}

/// The text in exactly `columns`, at the left.
pub fn left(text: &str, columns: usize) -> String {
    let mut text = cut(text, columns);
    text.push_str(&" ".repeat(columns.saturating_sub(width(&text))));
    text
}

/// The text in exactly `columns`, at the right.
pub fn right(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    " ".repeat(columns.saturating_sub(width(&text))) + &text
}

/// The text in lines of at most `columns`, broken between words where that is possible.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if columns == 0 {
        return lines;
    }
    // Whoever writes the text may make one word of a megabyte: its width is not measured again for every line.
    let exceeds = |word: &str, columns: usize| word.len() > LONGEST * columns || width(word) > columns;
    let mut line = String::new();
    for mut word in text.split_whitespace() {
        let used = if line.is_empty() { 0 } else { width(&line) + 1 };
        if used > 0 && exceeds(word, columns.saturating_sub(used)) {
            lines.push(std::mem::take(&mut line));
        }
        while exceeds(word, columns) {
            let part = head(word, columns);
            // A character wider than the whole line fits nowhere.
            if part.is_empty() {
                return lines;
            }
            word = &word[part.len()..];
            lines.push(part);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// As much of the beginning as fits into `columns`.
pub fn head(text: &str, columns: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|character| {
            used += char_width(*character);
            used <= columns
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_never_exceeds_the_columns() {
        let text = "2001:db8:1234:5678::日本:1";
        for columns in 0..40 {
            assert!(width(&cut(text, columns)) <= columns);
            assert!(width(&cut_middle(text, columns)) <= columns);
            assert_eq!(width(&left(text, columns)), columns);
            assert_eq!(width(&right(text, columns)), columns);
            assert!(wrap(text, columns).iter().all(|line| width(line) <= columns));
        }
    }

    #[test]
    fn cutting_shows_that_something_is_missing() {
        assert_eq!([cut("abcdef", 4), cut("abcd", 4), cut("abc", 0)], ["abc…", "abcd", ""]);
        assert_eq!([cut_middle("abcdefgh", 5), cut_middle("abcd", 4)], ["ab…gh", "abcd"]);
    }

    #[test]
    fn wrapping_breaks_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""; 0]);
        assert_eq!(wrap("ab abcdefgh", 3), ["ab", "abc", "def", "gh"]);
        assert_eq!(wrap(&"a".repeat(1_000_000), 10).len(), 100_000);
    }
}
