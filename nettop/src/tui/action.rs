//! What the keys do, as a table: the hints, the help and the keyboard all read it.

use anyhow::{Result, ensure};
use crossterm::event::KeyCode;

use super::{
    field::{self, Field},
    key::{DIGITS, Key, code, ctrl, plain},
    table::arrange::Motion,
};

/// Keys and what they mean.
#[derive(Debug)]
pub struct Action {
    /// The keys; the hints name the first.
    pub keys: &'static [Key],
    /// A word for the hints; empty: it is not among them.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
    /// Where it works: the sum of some of [`layer`].
    pub layers: u8,
    /// What to do.
    pub does: Does,
}

/// What keys are about: what was opened last. Of a prompt only keys with Ctrl are not.
pub mod layer {
    /// A table.
    pub const TABLE: u8 = 1;
    /// Everything known of one thing.
    pub const DETAIL: u8 = 2;
    /// The list of columns.
    pub const COLUMNS: u8 = 4;
    /// The help.
    pub const HELP: u8 = 8;
    /// A table, or what it led to.
    pub const SCREEN: u8 = TABLE | DETAIL;
    /// All of them.
    pub const ALL: u8 = SCREEN | COLUMNS | HELP;
}

use layer::{ALL, COLUMNS, HELP, SCREEN, TABLE};

/// What an action does.
#[derive(Clone, Copy, Debug)]
pub enum Does {
    /// Opens the prompt for a field.
    Edit(&'static Field),
    /// Opens the prompt for the filter of the view.
    Find,
    /// Stops counting, or goes on.
    TogglePause,
    /// Stops showing what is new, or goes on; counting goes on.
    Freeze,
    /// Starts counting anew.
    Reset,
    /// Writes everything to files.
    Export,
    /// Writes the rows of the view to files.
    ExportView,
    /// Copies what the selected row is known by.
    Copy,
    /// Moves.
    Move(Motion),
    /// Goes to so many views further.
    Turn(isize),
    /// Goes to the view of the digit that was pressed.
    View,
    /// Opens the selected row, or takes the chosen column in or out.
    Enter,
    /// Closes what was opened last.
    Back,
    /// Sorts by the next column.
    Sort,
    /// Sorts the other way round.
    Reverse,
    /// Opens the list of columns.
    Columns,
    /// Shows the panels below the sources, or not.
    Panels,
    /// Marks the selected alert as seen, or not.
    Acknowledge,
    /// Keeps alerts such as the selected one out of the way, or not any more.
    Mute,
    /// Opens the help.
    Help,
    /// Takes the next units.
    Units,
    /// Takes the next theme.
    Theme,
    /// Listens to the mouse, or leaves it to the terminal.
    Mouse,
    /// Paints the whole screen again.
    Repaint,
    /// Ends the monitor.
    Quit,
}

const fn row(keys: &'static [Key], name: &'static str, help: &'static str, layers: u8, does: Does) -> Action {
    Action { keys, name, help, layers, does }
}

/// Every action of the screen, outside of a prompt, in the order of the hints.
pub const ACTIONS: &[Action] = &[
    row(&[plain('?'), code(KeyCode::F(1))], "help", "this help, and what the badges mean", ALL, Does::Help),
    row(
        &[code(KeyCode::Esc), code(KeyCode::Backspace)],
        "",
        "close what was opened last, the selection, the filter",
        ALL,
        Does::Back,
    ),
    row(&[code(KeyCode::Tab), code(KeyCode::Right)], "view", "next view", SCREEN, Does::Turn(1)),
    row(&[code(KeyCode::BackTab), code(KeyCode::Left)], "", "view before", SCREEN, Does::Turn(-1)),
    row(&DIGITS, "", "go to the view of this number", SCREEN, Does::View),
    row(
        &[code(KeyCode::Enter)],
        "detail",
        "open the selected row: all that is known, or its sources",
        TABLE,
        Does::Enter,
    ),
    row(&[code(KeyCode::Enter), plain(' ')], "choose", "show the column, or not", COLUMNS, Does::Enter),
    row(&[plain('/')], "find", "filter the view, not what is counted", TABLE, Does::Find),
    row(&[plain('o')], "sort", "sort by the next column, after the last as counted", TABLE, Does::Sort),
    row(&[plain('O')], "", "sort the other way round", TABLE, Does::Reverse),
    row(&[plain('a')], "", "mark the selected alert as seen, or not", TABLE, Does::Acknowledge),
    row(&[plain('x')], "", "mute alerts of this rule about this address, or not", TABLE, Does::Mute),
    row(&[plain('d')], "dst", "filter by destination IP", SCREEN, Does::Edit(&field::DESTINATION)),
    row(&[plain('p')], "ports", "filter by destination ports", SCREEN, Does::Edit(&field::PORTS)),
    row(&[plain('s')], "src", "filter by source IP", SCREEN, Does::Edit(&field::SOURCE)),
    row(&[plain('y')], "proto", "filter by protocol", SCREEN, Does::Edit(&field::PROTOCOLS)),
    row(&[plain('t')], "top", "choose how many sources to show above the panels", SCREEN, Does::Edit(&field::TOP)),
    row(&[plain(' ')], "pause", "pause or resume counting", SCREEN, Does::TogglePause),
    row(&[plain('f')], "freeze", "hold the picture, or let it go on; counting goes on", SCREEN, Does::Freeze),
    row(&[plain('r')], "reset", "start counting anew", SCREEN, Does::Reset),
    row(&[plain('e')], "export", "write a snapshot and the table of sources", SCREEN, Does::Export),
    row(&[plain('E')], "", "write the rows of this view, as CSV and JSON", TABLE, Does::ExportView),
    row(
        &[plain('Y')],
        "",
        "copy the address of the selected row to the clipboard, by the terminal",
        SCREEN,
        Does::Copy,
    ),
    row(&[plain('c')], "columns", "choose the columns", TABLE, Does::Columns),
    row(&[plain('v')], "panels", "show the panels below the sources, or not", TABLE, Does::Panels),
    row(&[plain('u')], "units", "next units of bytes", SCREEN, Does::Units),
    row(&[plain('T')], "", "next theme", SCREEN, Does::Theme),
    row(&[plain('m')], "", "leave the mouse to the terminal, to select text, or take it back", ALL, Does::Mouse),
    row(&[code(KeyCode::Up), plain('k')], "", "one row up", ALL, Does::Move(Motion::Rows(-1))),
    row(&[code(KeyCode::Down), plain('j')], "", "one row down", ALL, Does::Move(Motion::Rows(1))),
    row(&[code(KeyCode::PageUp), ctrl('b')], "", "one screen up", ALL, Does::Move(Motion::Pages(-1))),
    row(&[code(KeyCode::PageDown), ctrl('f')], "", "one screen down", ALL, Does::Move(Motion::Pages(1))),
    row(&[plain('g'), code(KeyCode::Home)], "", "to the first row", ALL, Does::Move(Motion::First)),
    row(&[plain('G'), code(KeyCode::End)], "", "to the last row", ALL, Does::Move(Motion::Last)),
    row(&[ctrl('l')], "", "paint the whole screen again", ALL, Does::Repaint),
    row(&[ctrl('c')], "", "end the monitor, even from a prompt", ALL, Does::Quit),
    row(&[plain('q')], "close", "close this", HELP | COLUMNS, Does::Back),
    row(&[plain('q')], "quit", "end the monitor", SCREEN, Does::Quit),
];

impl Action {
    /// How the help writes its keys.
    pub fn label(&self) -> String {
        match self.keys {
            [first, .., last] if self.keys.len() > 2 => format!("{}-{}", first.label(), last.label()),
            keys => keys.iter().map(|key| key.label()).collect::<Vec<_>>().join(" "),
        }
    }
}

/// The action of a key in a layer.
pub fn find(key: Key, layer: u8) -> Option<&'static Action> {
    let of = |key| ACTIONS.iter().find(|action| action.layers & layer != 0 && action.keys.contains(&key));
    of(key).or_else(|| of(key.other_case()))
}

/// That no key has two meanings in one place: one of them could never be reached.
///
/// # Errors
/// Names the key and both actions.
pub fn check(actions: &[Action]) -> Result<()> {
    for (at, action) in actions.iter().enumerate() {
        for (earlier, key) in actions[..at].iter().flat_map(|earlier| action.keys.iter().map(move |key| (earlier, key)))
        {
            let clash = earlier.layers & action.layers != 0 && earlier.keys.contains(key);
            ensure!(!clash, "the key {} has two meanings: {:?} and {:?}", key.label(), earlier.help, action.help);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyEvent, KeyModifiers};

    use super::{layer::DETAIL, *};

    #[test]
    fn no_key_has_two_meanings() {
        check(ACTIONS).unwrap();
    }

    #[test]
    fn two_meanings_are_an_error_that_names_both() {
        const ONE: Action = row(&[plain('a')], "", "one", TABLE, Does::Quit);
        let with = |keys, layers| check(&[ONE, row(keys, "", "other", layers, Does::Quit)]);
        const OTHERS: [&[Key]; 3] = [&[plain('b'), plain('a')], &[plain('a')], &[plain('A'), ctrl('a')]];
        let error = with(OTHERS[0], ALL).unwrap_err().to_string();
        assert_eq!(error, "the key a has two meanings: \"one\" and \"other\"");
        with(OTHERS[1], DETAIL).unwrap();
        with(OTHERS[2], ALL).unwrap();
    }

    #[test]
    fn the_classics_keys_are_there() {
        for character in ['d', 'p', 's', 'y', 't', ' ', 'r', 'q'] {
            assert!(find(plain(character), TABLE).is_some(), "{character:?}");
        }
    }

    #[test]
    fn caps_lock_does_not_matter_where_it_can_be_helped_but_alt_does() {
        let pressed = |code, modifiers| Key::of(KeyEvent::new(code, modifiers));
        let does = |code, modifiers| {
            pressed(code, modifiers).and_then(|key| find(key, TABLE)).map(|action| format!("{:?}", action.does))
        };
        assert_eq!(does(KeyCode::Char('Q'), KeyModifiers::SHIFT).as_deref(), Some("Quit"));
        assert_eq!(does(KeyCode::Char('O'), KeyModifiers::SHIFT).as_deref(), Some("Reverse"));
        assert_eq!(does(KeyCode::Char('C'), KeyModifiers::CONTROL).as_deref(), Some("Quit"));
        assert_eq!(does(KeyCode::Char('q'), KeyModifiers::ALT), None);
        assert_eq!(does(KeyCode::F(1), KeyModifiers::NONE).as_deref(), Some("Help"));
        assert_eq!(does(KeyCode::F(2), KeyModifiers::NONE), None);
    }

    #[test]
    fn labels_are_short() {
        let labels: Vec<_> = ACTIONS.iter().map(Action::label).collect();
        for label in ["? F1", "1-9", "↑ k", "space", "Ctrl-C", "Shift-Tab ←"] {
            assert!(labels.iter().any(|one| one == label), "{label}: {labels:?}");
        }
    }
}
