//! How the screen begins: nothing of it matters to anything but the screen.

use clap::{Args, builder::PossibleValuesParser};

use nettop_model::format::Units;
use nettop_tui::{chart::span::Span, locale, preferences::Preferences, state::Options, theme::Choice};
use nettop_views::view;

/// How the screen begins.
#[derive(Clone, Debug, Args)]
pub struct ScreenArgs {
    /// Begin with this view
    #[arg(long, default_value = "sources", value_name = "NAME",
          value_parser = PossibleValuesParser::new(view::names()))]
    pub view: String,
    /// Chart above the sources, on terminals from 100 by 35 on: the last 60 seconds, the last 10 minutes, or none
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    pub chart: Span,
    /// Units of bytes: rates in bits, both in powers of 1024, both in powers of 1000
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    pub units: Units,
    /// ASCII only; by itself where TERM names no terminal (dumb) or the locale is not UTF-8, unless it is turned off
    #[arg(long)]
    pub ascii: bool,
    /// Leave the mouse to the terminal, to select text; the key m does so, too
    #[arg(long)]
    pub no_mouse: bool,
    /// Colours [default: ansi, none where NO_COLOR is set]
    #[arg(long, value_enum, value_name = "NAME")]
    pub theme: Option<Choice>,
    /// Numbers only: no names of ports
    #[arg(long, short)]
    pub numeric: bool,
}

impl ScreenArgs {
    /// The same for the screen, with its keys and tables.
    pub fn options(&self, preferences: Preferences) -> Options {
        let Self { view, chart, units, ascii, no_mouse, theme, numeric } = self;
        Options {
            view: view::named(view).unwrap_or_default(),
            chart: *chart,
            units: *units,
            ascii: *ascii || (!preferences.unicode && locale::wants_ascii().is_some()),
            mouse: !no_mouse,
            theme: *theme,
            numeric: *numeric,
            preferences,
        }
    }
}
