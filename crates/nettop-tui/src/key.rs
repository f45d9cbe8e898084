//! Keys, as the table of actions names them and as the terminal reports them.

use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use nettop_model::format::is_unseen;

/// A key, with Ctrl held or not. Of a letter that has no meaning in one case the other counts, for Caps Lock's sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Which.
    pub code: KeyCode,
    /// Whether Ctrl is held.
    pub ctrl: bool,
}

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

    /// How the hints write it.
    pub fn label(self) -> String {
        self.written(|(_, _, label)| label)
    }

    /// How files write it, without characters that no keyboard has.
    pub fn name(self) -> String {
        self.written(|(_, name, _)| name)
    }

    fn written(self, named: fn(&Named) -> &'static str) -> String {
        let name = match (NAMES.iter().find(|(code, ..)| *code == self.code), self.code) {
            (Some(row), _) => named(row).to_string(),
            (None, KeyCode::Char(character)) if self.ctrl => character.to_ascii_uppercase().to_string(),
            (None, KeyCode::Char(character)) => character.to_string(),
            (None, code) => code.to_string(),
        };
        if self.ctrl { format!("Ctrl-{name}") } else { name }
    }
}

/// A key, how files write it, and how the hints do.
type Named = (KeyCode, &'static str, &'static str);

/// Keys that are not written as the character they type, or as F and a number.
const NAMES: &[Named] = &[
    (KeyCode::Char(' '), "space", "space"),
    (KeyCode::Enter, "Enter", "Enter"),
    (KeyCode::Esc, "Esc", "Esc"),
    (KeyCode::Backspace, "Backspace", "Backspace"),
    (KeyCode::Tab, "Tab", "Tab"),
    (KeyCode::BackTab, "Shift-Tab", "Shift-Tab"),
    (KeyCode::Up, "Up", "↑"),
    (KeyCode::Down, "Down", "↓"),
    (KeyCode::Left, "Left", "←"),
    (KeyCode::Right, "Right", "→"),
    (KeyCode::PageUp, "PgUp", "PgUp"),
    (KeyCode::PageDown, "PgDn", "PgDn"),
    (KeyCode::Home, "Home", "Home"),
    (KeyCode::End, "End", "End"),
    (KeyCode::Insert, "Insert", "Insert"),
    (KeyCode::Delete, "Delete", "Delete"),
];

impl FromStr for Key {
    type Err = String;

    /// Reads what [`Key::name`] or [`Key::label`] writes; names in any case.
    fn from_str(text: &str) -> Result<Self, String> {
        let (ctrl, name) = match text.split_at_checked(5) {
            Some((modifier, rest)) if modifier.eq_ignore_ascii_case("ctrl-") => (true, rest),
            _ => (false, text),
        };
        let named = NAMES
            .iter()
            .find(|(_, one, label)| one.eq_ignore_ascii_case(name) || *label == name)
            .map(|(code, ..)| *code);
        let function = || name.strip_prefix(['F', 'f'])?.parse().ok().filter(|number| (1..=24).contains(number));
        let mut characters = name.chars();
        let code = match (named, function(), characters.next(), characters.next()) {
            (Some(code), ..) => code,
            (_, Some(number), ..) => KeyCode::F(number),
            (_, _, Some(one), None) if !is_unseen(one) => {
                KeyCode::Char(if ctrl { one.to_ascii_lowercase() } else { one })
            }
            _ => {
                let names: Vec<_> = NAMES.iter().map(|(_, name, _)| *name).collect();
                return Err(format!(
                    "{text:?} is no key; a character, F1 to F24, {}, or Ctrl- and one of these",
                    names.join(", ")
                ));
            }
        };
        Ok(Self { code, ctrl })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        for (text, key) in [
            ("q", plain('q')),
            ("Q", plain('Q')),
            ("é", plain('é')),
            ("-", plain('-')),
            ("f", plain('f')),
            ("Ctrl-L", ctrl('l')),
            ("ctrl-l", ctrl('l')),
            ("Ctrl-Up", Key { code: KeyCode::Up, ctrl: true }),
            ("Ctrl--", ctrl('-')),
            ("F1", code(KeyCode::F(1))),
            ("f12", code(KeyCode::F(12))),
            ("SPACE", plain(' ')),
            (" ", plain(' ')),
            ("↑", code(KeyCode::Up)),
            ("shift-tab", code(KeyCode::BackTab)),
        ] {
            assert_eq!(text.parse(), Ok(key), "{text:?}");
            assert_eq!([key.name().parse(), key.label().parse()], [Ok(key), Ok(key)], "{text:?}");
        }
        for text in ["", "qq", "F0", "F25", "Ctrl-", "ctrl-ctrl-c", "\u{1b}", "\u{202e}", "Alt-x", "é́́"] {
            let read = text.parse::<Key>();
            assert!(read.is_err(), "{text:?} is {read:?}");
        }
    }
}
