//! Keys, as the table of actions names them and as the terminal reports them.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key, with Ctrl held or not. Of a letter that has no meaning in one case the other counts, for Caps Lock's sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Which.
    pub code: KeyCode,
    /// Whether Ctrl is held.
    pub ctrl: bool,
}

/// The keys of the views, in their order.
pub const DIGITS: [Key; 9] =
    [plain('1'), plain('2'), plain('3'), plain('4'), plain('5'), plain('6'), plain('7'), plain('8'), plain('9')];

/// A character.
pub const fn plain(character: char) -> Key {
    code(KeyCode::Char(character))
}

/// A key of any kind.
pub const fn code(code: KeyCode) -> Key {
    Key { code, ctrl: false }
}

/// A letter with Ctrl held.
pub const fn ctrl(character: char) -> Key {
    Key { code: KeyCode::Char(character), ctrl: true }
}

impl Key {
    /// The key an event is about; none for combinations other than Ctrl and Shift.
    pub fn of(event: KeyEvent) -> Option<Self> {
        let others = KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::HYPER | KeyModifiers::META;
        if event.modifiers.intersects(others) {
            return None;
        }
        let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        Some(match event.code {
            KeyCode::Char(character) if ctrl => self::ctrl(character.to_ascii_lowercase()),
            code => Self { code, ctrl },
        })
    }

    /// The same letter in the other case; other keys as they are.
    pub fn other_case(self) -> Self {
        match self.code {
            KeyCode::Char(character) if character.is_ascii_uppercase() => plain(character.to_ascii_lowercase()),
            _ => self,
        }
    }

    /// The view whose digit it is.
    pub fn digit(self) -> Option<usize> {
        DIGITS.iter().position(|key| *key == self)
    }

    /// How the hints write it.
    pub fn label(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "space".into(),
            KeyCode::Char(character) if self.ctrl => character.to_ascii_uppercase().to_string(),
            KeyCode::Char(character) => character.to_string(),
            KeyCode::BackTab => "Shift-Tab".into(),
            KeyCode::Up => "↑".into(),
            KeyCode::Down => "↓".into(),
            KeyCode::Left => "←".into(),
            KeyCode::Right => "→".into(),
            KeyCode::PageUp => "PgUp".into(),
            KeyCode::PageDown => "PgDn".into(),
            code => code.to_string(),
        };
        if self.ctrl { format!("Ctrl-{name}") } else { name }
    }
}
