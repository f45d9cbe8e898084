//! The themes: what a style means, not how it looks. Passed to the panels, so that a test can choose it.

use std::env;

use clap::ValueEnum;
use nettop_views::table::Meaning;
use ratatui::style::{Color, Modifier, Style};

use super::flags;

/// Which colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// The terminal's own sixteen colours, whatever its background.
    #[default]
    Ansi,
    /// For a dark background.
    Dark,
    /// For a light background.
    Light,
    /// Black, white and yellow, as far apart as can be.
    Contrast,
    /// No colour at all.
    None,
}

/// A style for each meaning. Colour is never the only sign: the words say it too.
#[derive(Clone, Debug)]
pub struct Theme {
    /// Ordinary text.
    pub text: Style,
    /// The name of a value.
    pub label: Style,
    /// A value that matters.
    pub value: Style,
    /// What may be overlooked.
    pub dim: Style,
    /// The name of a panel, and of the view that is open.
    pub title: Style,
    /// The rule above a panel.
    pub rule: Style,
    /// The head of a table.
    pub head: Style,
    /// The selected row, and the tab of the view that is open.
    pub selected: Style,
    /// An address.
    pub address: Style,
    /// A key that can be pressed.
    pub key: Style,
    /// The bar of a share, and charts.
    pub bar: Style,
    /// The part of a chart during which a flood lasts.
    pub flood: Style,
    /// The text being typed.
    pub prompt: Style,
    /// Counting live traffic.
    pub live: Style,
    /// Showing a demonstration.
    pub demo: Style,
    /// Not counting.
    pub paused: Style,
    /// As it should be.
    pub good: Style,
    /// Works, but not as it should.
    pub warn: Style,
    /// Went wrong.
    pub error: Style,
    /// A flood that lasts.
    pub alarm: Style,
    /// Whether the flags of countries can be shown.
    pub flags: bool,
}

impl Choice {
    /// As the environment wants it: without colours where `NO_COLOR` is set and not empty (no-color.org).
    pub fn from_env() -> Self {
        match env::var_os("NO_COLOR") {
            Some(value) if !value.is_empty() => Self::None,
            _ => Self::default(),
        }
    }

    /// The next one.
    pub fn next(self) -> Self {
        let all = Self::value_variants();
        let at = all.iter().position(|choice| *choice == self).unwrap_or_default();
        all[(at + 1) % all.len()]
    }

    /// What it is called.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ansi => "ansi",
            Self::Dark => "dark",
            Self::Light => "light",
            Self::Contrast => "contrast",
            Self::None => "none",
        }
    }
}

/// The colours of a theme.
struct Palette {
    label: Color,
    address: Color,
    key: Color,
    bar: Color,
    good: Color,
    demo: Color,
    warn: Color,
    error: Color,
    /// Of the selected row.
    selected: (Color, Color),
    /// The text of badges.
    on_badge: Color,
    /// The text of alarms.
    on_alarm: Color,
}

impl Theme {
    /// The theme of this name.
    pub fn of(choice: Choice) -> Self {
        use Color::{Black, Blue, Cyan, Green, Indexed, Magenta, Red, White, Yellow};
        let ansi = Palette {
            label: Cyan,
            address: Green,
            key: Yellow,
            bar: Blue,
            good: Green,
            demo: Magenta,
            warn: Yellow,
            error: Red,
            selected: (Black, Cyan),
            on_badge: Black,
            on_alarm: White,
        };
        // Of the 256 colours nearly every terminal has.
        match choice {
            Choice::Ansi => Self::coloured(&ansi),
            Choice::Dark => Self::coloured(&Palette {
                label: Indexed(110),
                address: Indexed(151),
                key: Indexed(222),
                bar: Indexed(67),
                good: Indexed(114),
                demo: Indexed(176),
                warn: Indexed(215),
                error: Indexed(203),
                selected: (Indexed(255), Indexed(24)),
                ..ansi
            }),
            Choice::Light => Self::coloured(&Palette {
                label: Indexed(24),
                address: Indexed(22),
                key: Indexed(94),
                bar: Indexed(25),
                good: Indexed(28),
                demo: Indexed(90),
                warn: Indexed(130),
                error: Indexed(124),
                selected: (Indexed(16), Indexed(153)),
                on_badge: Indexed(231),
                on_alarm: Indexed(231),
            }),
            Choice::Contrast => Self::coloured(&Palette {
                label: Indexed(231),
                address: Indexed(231),
                key: Indexed(226),
                bar: Indexed(231),
                good: Indexed(231),
                demo: Indexed(231),
                warn: Indexed(226),
                error: Indexed(226),
                selected: (Indexed(16), Indexed(231)),
                on_badge: Indexed(16),
                on_alarm: Indexed(16),
            }),
            Choice::None => Self::plain(),
        }
    }

    /// The style of the cells of a column.
    pub fn of_meaning(&self, meaning: Meaning) -> Style {
        match meaning {
            Meaning::Text => self.text,
            Meaning::Label => self.label,
            Meaning::Value => self.value,
            Meaning::Dim => self.dim,
            Meaning::Address => self.address,
            Meaning::Bar => self.bar,
            Meaning::Good => self.good,
            Meaning::Warn => self.warn,
            Meaning::Error => self.error,
        }
    }

    /// The same, with flags where the terminal can show them.
    pub fn with_flags(self) -> Self {
        Self { flags: flags::from_env(), ..self }
    }

    /// In the terminal's own sixteen colours.
    pub fn colour() -> Self {
        Self::of(Choice::Ansi)
    }

    fn coloured(palette: &Palette) -> Self {
        let bold = Modifier::BOLD;
        let badge = |colour| Style::new().fg(palette.on_badge).bg(colour).add_modifier(bold);
        let (label, warn) = (Style::new().fg(palette.label), Style::new().fg(palette.warn));
        Self {
            label,
            title: label.add_modifier(bold),
            head: label.add_modifier(Modifier::UNDERLINED),
            selected: Style::new().fg(palette.selected.0).bg(palette.selected.1),
            address: Style::new().fg(palette.address),
            key: Style::new().fg(palette.key).add_modifier(bold),
            bar: Style::new().fg(palette.bar),
            flood: Style::new().fg(palette.error),
            prompt: Style::new().fg(palette.key),
            live: badge(palette.good),
            demo: badge(palette.demo),
            paused: badge(palette.warn),
            good: Style::new().fg(palette.good),
            warn,
            error: Style::new().fg(palette.error).add_modifier(bold),
            alarm: Style::new().fg(palette.on_alarm).bg(palette.error).add_modifier(bold),
            ..Self::plain()
        }
    }

    /// Without any colour.
    pub fn plain() -> Self {
        let (text, bold) = (Style::new(), Style::new().add_modifier(Modifier::BOLD));
        let reversed = bold.add_modifier(Modifier::REVERSED);
        Self {
            text,
            label: text,
            value: bold,
            dim: Style::new().add_modifier(Modifier::DIM),
            title: bold,
            rule: Style::new().add_modifier(Modifier::DIM),
            head: Style::new().add_modifier(Modifier::UNDERLINED),
            selected: reversed,
            address: text,
            key: bold,
            bar: text,
            flood: bold,
            prompt: bold,
            live: reversed,
            demo: reversed,
            paused: reversed,
            good: text,
            warn: bold,
            error: reversed,
            alarm: reversed,
            flags: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_theme_has_no_colour() {
        let Theme {
            text,
            label,
            value,
            dim,
            title,
            rule,
            head,
            selected,
            address,
            key,
            bar,
            flood,
            prompt,
            live,
            demo,
            paused,
            good,
            warn,
            error,
            alarm,
            flags: _,
        } = Theme::of(Choice::None);
        for style in [
            text, label, value, dim, title, rule, head, selected, address, key, bar, flood, prompt, live, demo, paused,
            good, warn, error, alarm,
        ] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
    }

    #[test]
    fn every_theme_comes_in_its_turn_and_tells_the_selected_row_and_alarms_apart() {
        let mut choice = Choice::default();
        for _ in Choice::value_variants() {
            let Theme { text, selected, alarm, .. } = Theme::of(choice);
            assert!(selected != text && alarm != text, "{choice:?}");
            choice = choice.next();
        }
        assert_eq!(choice, Choice::default());
    }
}
