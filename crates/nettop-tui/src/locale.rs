//! What the environment says of the terminal's characters.

use std::env;

/// Beginnings of `TERM` that say nothing of what the terminal can do: terminfo's generic types, and what programs set that are no
/// terminals. A beginning, because `dumb-emacs-ansi` is one too.
const NONDESCRIPT: &[&str] = &["dumb", "unknown", "dialup", "network"];

/// The variable that decides, and what it says: the first of these that is set (POSIX, "Internationalization Variables").
pub fn from_env() -> Option<(&'static str, String)> {
    deciding(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
}

/// Whether a locale such as `en_US.UTF-8` or `C.utf8` has the characters of Unicode.
pub fn is_utf8(locale: &str) -> bool {
    locale.to_lowercase().replace('-', "").contains("utf8")
}

/// Whether nothing but ASCII should be written to the terminal; if so, which variable says it, and how.
pub fn wants_ascii() -> Option<String> {
    ascii(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
}

/// An empty variable is one that is not set.
fn deciding(variable: impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    let set = |name| Some((name, variable(name).filter(|value| !value.is_empty())?));
    ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set)
}

fn ascii(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let term = variable("TERM").unwrap_or_default();
    match deciding(&variable) {
        _ if term.is_empty() => Some("TERM is not set".into()),
        _ if NONDESCRIPT.iter().any(|name| term.starts_with(name)) => Some(format!("TERM={term}")),
        Some((_, value)) if is_utf8(&value) => None,
        Some((name, value)) => Some(format!("{name}={value} is not UTF-8")),
        // The locale is POSIX's own then.
        None => Some("no locale is set".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_is_for_terminals_and_locales_that_have_no_more() {
        for (variables, expected) in [
            ("TERM=xterm-256color LANG=C.UTF-8", None),
            ("TERM=linux LANG=en_US.utf8", None),
            ("TERM=tmux-256color LC_CTYPE=UTF-8", None),
            ("TERM=xterm LANG=de_DE.utf-8@euro", None),
            ("TERM=xterm LC_ALL=C.UTF-8 LC_CTYPE=C LANG=POSIX", None),
            ("TERM=xterm LC_CTYPE=C.UTF-8 LANG=C", None),
            ("TERM=xterm LC_ALL= LANG=C.UTF-8", None),
            ("TERM=xterm LC_ALL=C LC_CTYPE=C.UTF-8 LANG=C.UTF-8", Some("LC_ALL=C is not UTF-8")),
            ("TERM=xterm LC_CTYPE=POSIX LANG=C.UTF-8", Some("LC_CTYPE=POSIX is not UTF-8")),
            ("TERM=xterm LANG=en_US", Some("LANG=en_US is not UTF-8")),
            ("TERM=xterm LANG=de_DE@euro", Some("LANG=de_DE@euro is not UTF-8")),
            ("TERM=xterm LANG=en_US.ISO-8859-1", Some("LANG=en_US.ISO-8859-1 is not UTF-8")),
            ("TERM=xterm", Some("no locale is set")),
            ("TERM=dumb LANG=C.UTF-8", Some("TERM=dumb")),
            ("TERM=dumb-emacs-ansi LANG=C.UTF-8", Some("TERM=dumb-emacs-ansi")),
            ("TERM=unknown LANG=C.UTF-8", Some("TERM=unknown")),
            ("TERM= LANG=C.UTF-8", Some("TERM is not set")),
            ("LANG=C.UTF-8", Some("TERM is not set")),
        ] {
            let variable = |name: &str| {
                let mut all = variables.split(' ').filter_map(|one| one.split_once('='));
                all.find(|(one, _)| *one == name).map(|(_, value)| value.to_string())
            };
            assert_eq!(ascii(variable).as_deref(), expected, "{variables}");
        }
    }
}
