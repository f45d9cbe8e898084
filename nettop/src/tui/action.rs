//! What the keys do, as a table: the hints, the help and the keyboard all read it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::field::{self, Field};

/// A key and what it means.
#[derive(Debug)]
pub struct Action {
    /// The key.
    pub key: Key,
    /// A word for the hints.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
    /// What to do.
    pub does: Does,
}

/// What an action does.
#[derive(Clone, Copy, Debug)]
pub enum Does {
    /// Opens the prompt for a field.
    Edit(&'static Field),
    /// Stops counting, or goes on.
    TogglePause,
    /// Starts counting anew.
    Reset,
    /// Writes everything to files.
    Export,
    /// Paints the whole screen again.
    Repaint,
    /// Ends the monitor.
    Quit,
}

/// A key, with Ctrl held or not. Letters count in either case, for Caps Lock's sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The character, in lower case.
    pub character: char,
    /// Whether Ctrl is held.
    pub ctrl: bool,
}

/// Every action of the screen, outside of a prompt.
pub const ACTIONS: &[Action] = &[
    Action { key: plain('d'), name: "dst", help: "filter by destination IP", does: Does::Edit(&field::DESTINATION) },
    Action { key: plain('p'), name: "ports", help: "filter by destination ports", does: Does::Edit(&field::PORTS) },
    Action { key: plain('s'), name: "src", help: "filter by source IP", does: Does::Edit(&field::SOURCE) },
    Action { key: plain('y'), name: "proto", help: "filter by protocol", does: Does::Edit(&field::PROTOCOLS) },
    Action { key: plain('t'), name: "top", help: "choose how many sources to show", does: Does::Edit(&field::TOP) },
    Action { key: plain(' '), name: "pause", help: "pause or resume counting", does: Does::TogglePause },
    Action { key: plain('r'), name: "reset", help: "start counting anew", does: Does::Reset },
    Action { key: plain('e'), name: "export", help: "write a snapshot and the table of sources", does: Does::Export },
    Action { key: plain('q'), name: "quit", help: "end the monitor", does: Does::Quit },
    Action { key: ctrl('c'), name: "quit", help: "end the monitor, even from a prompt", does: Does::Quit },
    Action { key: ctrl('l'), name: "repaint", help: "paint the whole screen again", does: Does::Repaint },
];

const fn plain(character: char) -> Key {
    Key { character, ctrl: false }
}

const fn ctrl(character: char) -> Key {
    Key { character, ctrl: true }
}

impl Key {
    /// The key an event is about; none for keys without a character and for combinations other than Ctrl.
    pub fn of(event: KeyEvent) -> Option<Self> {
        let KeyCode::Char(character) = event.code else { return None };
        let others = KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::HYPER | KeyModifiers::META;
        if event.modifiers.intersects(others) {
            return None;
        }
        Some(Self { character: character.to_ascii_lowercase(), ctrl: event.modifiers.contains(KeyModifiers::CONTROL) })
    }

    /// How the hints write it.
    pub fn label(self) -> String {
        match self {
            Self { character: ' ', .. } => "space".into(),
            Self { character, ctrl: false } => character.to_string(),
            Self { character, ctrl: true } => format!("Ctrl-{}", character.to_ascii_uppercase()),
        }
    }
}

/// The action of a key.
pub fn find(key: Key) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.key == key)
}

/// Keys that stand for more than one action: there must be none, or one of the two could never be reached.
pub fn duplicates(actions: &[Action]) -> Vec<Key> {
    let mut duplicates: Vec<Key> = Vec::new();
    for (at, action) in actions.iter().enumerate() {
        if actions[..at].iter().any(|earlier| earlier.key == action.key) && !duplicates.contains(&action.key) {
            duplicates.push(action.key);
        }
    }
    duplicates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_has_two_meanings() {
        assert_eq!(duplicates(ACTIONS), []);
    }

    #[test]
    fn duplicates_are_found() {
        let row = |key| Action { key, name: "", help: "", does: Does::Quit };
        assert_eq!(duplicates(&[row(plain('a')), row(ctrl('a')), row(plain('a')), row(plain('a'))]), [plain('a')]);
    }

    #[test]
    fn the_classics_keys_are_there() {
        for character in ['d', 'p', 's', 'y', 't', ' ', 'r', 'q'] {
            assert!(find(plain(character)).is_some(), "{character:?}");
        }
    }

    #[test]
    fn caps_lock_does_not_matter_but_alt_does() {
        let key = |code, modifiers| Key::of(KeyEvent::new(code, modifiers));
        assert_eq!(key(KeyCode::Char('Q'), KeyModifiers::SHIFT), Some(plain('q')));
        assert_eq!(key(KeyCode::Char('C'), KeyModifiers::CONTROL), Some(ctrl('c')));
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::ALT), None);
        assert_eq!(key(KeyCode::F(1), KeyModifiers::NONE), None);
    }
}
