//! Which keys do what: as the table of actions has it, unless files say otherwise.

use crossterm::event::KeyCode;

use super::{
    action::{ACTIONS, Action, Does, layer},
    key::Key,
};

/// The keys of each action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bindings(Vec<Vec<Key>>);

impl Default for Bindings {
    fn default() -> Self {
        Self(ACTIONS.iter().map(|action| action.keys.to_vec()).collect())
    }
}

/// Why keys cannot be bound so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// A key has two meanings in one place, so that one of them could never be reached.
    Twice(Key, &'static str, &'static str),
    /// No key leaves the screen.
    NoWayOut,
}

impl Bindings {
    /// Gives the action that files call `id` these keys, and no other. Whether there is one.
    pub fn bind(&mut self, id: &str, keys: Vec<Key>) -> bool {
        match ACTIONS.iter().position(|action| action.id == id) {
            Some(at) => {
                self.0[at] = keys;
                true
            }
            None => false,
        }
    }

    /// Every action, with its keys.
    pub fn all(&self) -> impl Iterator<Item = (&'static Action, &[Key])> {
        ACTIONS.iter().zip(self.0.iter().map(Vec::as_slice))
    }

    /// The keys of the action that files call `id`.
    pub fn keys(&self, id: &str) -> &[Key] {
        self.all().find(|(action, _)| action.id == id).map_or(&[], |(_, keys)| keys)
    }

    /// How the hints write the first key of that action; empty: it has none.
    pub fn first(&self, id: &str) -> String {
        self.keys(id).first().map_or(String::new(), |key| key.label())
    }

    /// The action of a key in a layer, and the key's place among the action's.
    pub fn find(&self, key: Key, layer: u8) -> Option<(&'static Action, usize)> {
        let of = |key| {
            let mut here = self.all().filter(|(action, _)| action.layers & layer != 0);
            here.find_map(|(action, keys)| Some((action, keys.iter().position(|one| *one == key)?)))
        };
        of(key).or_else(|| of(key.other_case()))
    }

    /// That no key has two meanings in one place, and that one ends the screen.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), Clash> {
        for (at, (action, keys)) in self.all().enumerate() {
            for (earlier, taken) in self.all().take(at).filter(|(earlier, _)| earlier.layers & action.layers != 0) {
                if let Some(key) = keys.iter().find(|key| taken.contains(key)) {
                    return Err(Clash::Twice(*key, earlier.id, action.id));
                }
            }
        }
        let ends = |(action, keys): (&Action, &[Key])| {
            matches!(action.does, Does::Quit) && action.layers & layer::TABLE != 0 && !keys.is_empty()
        };
        if self.all().any(ends) { Ok(()) } else { Err(Clash::NoWayOut) }
    }
}

/// How the hints write all keys of an action: characters that follow each other as a range, `1-9`.
pub fn label(keys: &[Key]) -> String {
    let runs = keys.chunk_by(|one, next| follows(*one, *next));
    let label = |run: &[Key]| match run {
        [first, .., last] if run.len() > 2 => format!("{}-{}", first.label(), last.label()),
        run => run.iter().map(|key| key.label()).collect::<Vec<_>>().join(" "),
    };
    runs.map(label).collect::<Vec<_>>().join(" ")
}

/// Whether the second is the character after the first.
fn follows(one: Key, next: Key) -> bool {
    match (one.code, next.code) {
        (KeyCode::Char(one), KeyCode::Char(next)) => (one as u32) + 1 == next as u32,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyEvent, KeyModifiers};

    use super::{
        super::key::{ctrl, plain},
        layer::{COLUMNS, TABLE},
        *,
    };

    /// With other keys, separated by blanks, for some actions.
    fn with(bound: &[(&str, &str)]) -> Bindings {
        let mut bindings = Bindings::default();
        for (id, keys) in bound {
            let keys = keys.split_whitespace().map(|key| key.parse().unwrap()).collect();
            assert!(bindings.bind(id, keys), "{id}");
        }
        bindings
    }

    #[test]
    fn the_usual_keys_have_one_meaning_each_and_actions_a_name() {
        assert_eq!(Bindings::default().check(), Ok(()));
        let ids: std::collections::BTreeSet<_> = ACTIONS.iter().map(|action| action.id).collect();
        assert_eq!(ids.len(), ACTIONS.len());
        assert!(!Bindings::default().bind("dance", Vec::new()));
    }

    #[test]
    fn two_meanings_in_one_place_are_an_error_that_names_both() {
        for (bound, expected) in [
            (&[("mute", "w q")][..], Err(Clash::Twice(plain('q'), "mute", "quit"))),
            (&[("mute", "q"), ("quit", "x")], Ok(())),
            // Elsewhere, in the other case, with Ctrl.
            (&[("choose", "x"), ("sort", "X Ctrl-X")], Ok(())),
            (&[("quit", ""), ("end", "")], Err(Clash::NoWayOut)),
            (&[("quit", ""), ("mute", "")], Ok(())),
        ] {
            assert_eq!(with(bound).check(), expected, "{bound:?}");
        }
    }

    #[test]
    fn what_is_bound_is_found_and_nothing_else() {
        let bindings = with(&[("quit", "Z"), ("view", "Ctrl-U Ctrl-V")]);
        let found = |key, layer| bindings.find(key, layer).map(|(action, nth)| (action.id, nth));
        assert_eq!(found(plain('q'), TABLE), None);
        assert_eq!(found(plain('q'), COLUMNS), Some(("close", 0)));
        assert_eq!(found(plain('Z'), TABLE), Some(("quit", 0)));
        assert_eq!(found(ctrl('v'), TABLE), Some(("view", 1)));
        assert_eq!(found(plain('1'), TABLE), None);
        assert_eq!([bindings.first("quit"), bindings.first("view")], ["Z", "Ctrl-U"]);
    }

    #[test]
    fn the_classics_keys_are_there() {
        for character in ['d', 'p', 's', 'y', 't', ' ', 'r', 'q'] {
            assert!(Bindings::default().find(plain(character), TABLE).is_some(), "{character:?}");
        }
    }

    #[test]
    fn caps_lock_does_not_matter_where_it_can_be_helped_but_alt_does() {
        let pressed = |code, modifiers| Key::of(KeyEvent::new(code, modifiers));
        let bindings = Bindings::default();
        let does = |code, modifiers| {
            pressed(code, modifiers).and_then(|key| bindings.find(key, TABLE)).map(|(action, _)| action.id)
        };
        assert_eq!(does(KeyCode::Char('Q'), KeyModifiers::SHIFT), Some("quit"));
        assert_eq!(does(KeyCode::Char('O'), KeyModifiers::SHIFT), Some("reverse"));
        assert_eq!(does(KeyCode::Char('C'), KeyModifiers::CONTROL), Some("end"));
        assert_eq!(does(KeyCode::Char('q'), KeyModifiers::ALT), None);
        assert_eq!(does(KeyCode::F(1), KeyModifiers::NONE), Some("help"));
        assert_eq!(does(KeyCode::F(2), KeyModifiers::NONE), None);
    }

    #[test]
    fn labels_are_short() {
        let labels: Vec<_> = ACTIONS.iter().map(|action| label(action.keys)).collect();
        for label in ["? F1", "1-9 I C P R W M B 0 L", "↑ k", "space", "Ctrl-C", "Shift-Tab ←"] {
            assert!(labels.iter().any(|one| one == label), "{label}: {labels:?}");
        }
    }
}
