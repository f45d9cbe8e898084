//! Values as TOML has them, and as they can be seen.

use nettop_model::visible::is_unseen;

/// Whether TOML has this very number.
pub fn is_number(text: &str) -> bool {
    let float = |number: f64| number.is_finite() && format!("{number:?}") == text && !text.contains('e');
    text.parse().is_ok_and(|number: i64| number.to_string() == text) || text.parse().is_ok_and(float)
}

/// A list of texts.
pub fn list(texts: impl Iterator<Item = String>) -> String {
    format!("[{}]", texts.map(|text| quoted(&text)).collect::<Vec<_>>().join(", "))
}

/// The name of a key, in quotes where it has to be.
pub fn key(name: &str) -> String {
    let is_bare = |character: char| character.is_ascii_alphanumeric() || ['-', '_'].contains(&character);
    if name.chars().all(is_bare) { name.into() } else { quoted(name) }
}

/// A text.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            unseen if is_unseen(unseen) => quoted.push_str(&format!("\\U{:08X}", u32::from(unseen))),
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_toml_writes_alike() {
        for number in ["0", "-5", "5000", "1.0", "0.25"] {
            assert!(is_number(number), "{number}");
        }
        for text in ["", "007", "+1", "1e9", "1.", ".5", "nan", "inf", "0x10", "80,443", "99999999999999999999"] {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn texts_are_quoted_so_that_they_can_be_seen() {
        assert_eq!(quoted("a\"b\\c\n\u{202e}é"), r#""a\"b\\c\U0000000A\U0000202Eé""#);
        assert_eq!([key("60s"), key("low/peak")], ["60s", "\"low/peak\""]);
        assert_eq!(list(["a", "b"].map(String::from).into_iter()), "[\"a\", \"b\"]");
    }
}
