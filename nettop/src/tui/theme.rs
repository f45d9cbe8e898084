//! The theme: what a style means, not how it looks. Passed to the panels, so that a test can choose it.

use ratatui::style::{Color, Modifier, Style};

use super::flags;

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
    /// The name of a panel.
    pub title: Style,
    /// The rule above a panel.
    pub rule: Style,
    /// The head of a table.
    pub head: Style,
    /// An address.
    pub address: Style,
    /// A key that can be pressed.
    pub key: Style,
    /// The bar of a share.
    pub bar: Style,
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

impl Theme {
    /// As the environment wants it: without colours where `NO_COLOR` is set and not empty (no-color.org).
    pub fn from_env() -> Self {
        let theme = match std::env::var_os("NO_COLOR") {
            Some(value) if !value.is_empty() => Self::plain(),
            _ => Self::colour(),
        };
        Self { flags: flags::from_env(), ..theme }
    }

    /// In the terminal's own sixteen colours, whatever its background.
    pub fn colour() -> Self {
        let bold = Modifier::BOLD;
        let badge = |colour| Style::new().fg(Color::Black).bg(colour).add_modifier(bold);
        Self {
            label: Style::new().fg(Color::Cyan),
            title: Style::new().fg(Color::Cyan).add_modifier(bold),
            head: Style::new().fg(Color::Cyan).add_modifier(Modifier::UNDERLINED),
            address: Style::new().fg(Color::Green),
            key: Style::new().fg(Color::Yellow).add_modifier(bold),
            bar: Style::new().fg(Color::Blue),
            prompt: Style::new().fg(Color::Yellow),
            live: badge(Color::Green),
            demo: badge(Color::Magenta),
            paused: badge(Color::Yellow),
            good: Style::new().fg(Color::Green),
            warn: Style::new().fg(Color::Yellow),
            error: Style::new().fg(Color::Red).add_modifier(bold),
            alarm: Style::new().fg(Color::White).bg(Color::Red).add_modifier(bold),
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
            address: text,
            key: bold,
            bar: text,
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
            address,
            key,
            bar,
            prompt,
            live,
            demo,
            paused,
            good,
            warn,
            error,
            alarm,
            flags: _,
        } = Theme::plain();
        for style in [
            text, label, value, dim, title, rule, head, address, key, bar, prompt, live, demo, paused, good, warn,
            error, alarm,
        ] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
    }
}
