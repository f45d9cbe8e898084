//! The terminal, for those who want the screen.

use std::{
    env,
    io::{IsTerminal as _, stdout},
};

use nettop_tui::{locale, winsize};

use super::Finding;

/// Narrower than this, columns are left out.
const WIDTH: u16 = 80;
/// Lower than this, panels are left out.
const HEIGHT: u16 = 24;

/// Its size.
pub fn size() -> Finding {
    if !stdout().is_terminal() {
        return Finding::Unknown("standard output is no terminal here; run without one, nettop needs --quiet".into());
    }
    match winsize::of(stdout()) {
        Ok((columns, rows)) if columns < WIDTH || rows < HEIGHT => Finding::missing(
            format!("{columns} columns and {rows} rows, so not everything is shown"),
            format!("{WIDTH} by {HEIGHT} or more show it"),
        ),
        Ok((columns, rows)) => Finding::good(format!("{columns} columns and {rows} rows")),
        Err(error) => Finding::Unknown(format!("the terminal does not tell: {error}")),
    }
}

/// Its colours.
pub fn colours() -> Finding {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let term = env::var("TERM").unwrap_or_default();
    match term.as_str() {
        _ if set("NO_COLOR") => Finding::good("none, as NO_COLOR asks"),
        "" => Finding::Unknown("TERM is not set; nettop uses sixteen colours".into()),
        "dumb" => Finding::missing("TERM=dumb", "set TERM to what the terminal is, or use --quiet"),
        _ => Finding::good(format!("sixteen (TERM={term}); NO_COLOR=1 turns them off")),
    }
}

/// Its characters.
pub fn locale() -> Finding {
    match (locale::wants_ascii(), locale::from_env()) {
        (None, Some((name, value))) => Finding::good(format!("{name}={value}")),
        (None, None) => Finding::good("UTF-8"),
        (Some(why), _) => Finding::missing(
            format!("{why}: the screen is drawn in ASCII"),
            "set LC_ALL=C.UTF-8, and TERM to what the terminal is, or use --ascii=false",
        ),
    }
}
