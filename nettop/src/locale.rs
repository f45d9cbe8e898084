//! The locale of the environment: which characters the terminal is said to know.

use std::env;

/// The variable that decides, and what it says: the first of these that is set (POSIX, "Internationalization Variables").
pub fn from_env() -> Option<(&'static str, String)> {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| Some((name, env::var(name).ok().filter(|value| !value.is_empty())?)))
}

/// Whether a locale such as `en_US.UTF-8` or `C.utf8` has the characters of Unicode.
pub fn is_utf8(locale: &str) -> bool {
    locale.to_lowercase().replace('-', "").contains("utf8")
}
