//! Whether the terminal can show the flags of countries. There is no way to ask it; its environment tells.

use std::env;

use crate::locale;

/// Terminals, by the beginning of `TERM`, that have no picture for a flag.
const WITHOUT: &[&str] = &["linux", "vt", "dumb", "cons25", "ansi"];

/// As far as the environment tells.
pub fn from_env() -> bool {
    let locale = locale::from_env().map_or(String::new(), |(_, locale)| locale);
    can_show(&env::var("TERM").unwrap_or_default(), &locale)
}

/// A flag is a pair of characters beyond the sixteen bits of old terminals, and only in UTF-8.
fn can_show(term: &str, locale: &str) -> bool {
    locale::is_utf8(locale) && !term.is_empty() && !WITHOUT.iter().any(|name| term.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

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
