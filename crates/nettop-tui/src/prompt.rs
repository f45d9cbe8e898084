//! The one-line prompt: a text being edited, and what it is for.

use nettop_model::{format, net::Net};
use nettop_views::text::{char_width, width};

use super::field::Field;

/// Longer input is no filter; the bound keeps a stray paste harmless.
pub const MAX_LENGTH: usize = 512;

/// An open prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// What is being edited.
    pub purpose: Purpose,
    /// What is wrong with the text: before which character, and in a sentence.
    pub error: Option<(usize, String)>,
    text: Vec<char>,
    /// Before which character the cursor stands.
    cursor: usize,
}

/// What a text is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Purpose {
    /// The value of a field: applied at the end.
    Field(&'static Field),
    /// The filter of the view: applied as it is typed. So many filters back in the history.
    Find(usize),
    /// What becomes of packets from there: something has to be typed, and Enter alone does nothing.
    Act(Act, Net),
    /// Likewise, from the fewest prefixes that carry most of a flood.
    Cover,
}

/// What is done with an address or a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is blocked.
    Block,
    /// It is blocked no more.
    Unblock,
    /// It is never blocked.
    Allow,
}

impl Purpose {
    /// What the prompt is called.
    pub fn label(self) -> &'static str {
        match self {
            Self::Field(field) => field.label,
            Self::Find(_) => "Filter",
            Self::Act(Act::Block, _) => "Block for",
            Self::Cover => "Block all for",
            Self::Act(Act::Unblock, _) => "End the block",
            Self::Act(Act::Allow, _) => "Never block it",
        }
    }

    /// What may be typed; `None`: the words of the view.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::Field(field) => Some(field.hint),
            Self::Act(Act::Block, _) => Some("10m, 2h, 1d; the address, too, where a guard refuses; Tab: how"),
            Self::Cover => Some("10m all; Tab: how"),
            Self::Act(Act::Unblock | Act::Allow, _) => Some("yes"),
            Self::Find(_) => None,
        }
    }
}

/// How a prompt's text moves under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Removes the character before the cursor.
    Backspace,
    /// Removes the character under the cursor.
    Delete,
    /// One character left.
    Left,
    /// One character right.
    Right,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// Removes everything.
    Clear,
}

impl Prompt {
    /// A prompt that begins with the current value, the cursor after it.
    pub fn new(purpose: Purpose, text: &str) -> Self {
        let mut prompt = Self { purpose, error: None, text: Vec::new(), cursor: 0 };
        prompt.insert(text);
        prompt
    }

    /// The text so far.
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// Types or pastes at the cursor; what cannot be seen is left out, and what is too long. Whether all of it fitted in.
    pub fn insert(&mut self, text: &str) -> bool {
        let mut seen = text.chars().filter(|character| !format::is_unseen(*character));
        let room = MAX_LENGTH.saturating_sub(self.text.len());
        let before = self.text.len();
        self.text.splice(self.cursor..self.cursor, seen.by_ref().take(room));
        self.cursor += self.text.len() - before;
        seen.next().is_none()
    }

    /// Puts another text in its place.
    pub fn replace(&mut self, text: &str) {
        self.edit(Edit::Clear);
        self.insert(text);
    }

    /// Moves or removes.
    pub fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.cursor);
            }
            Edit::Delete if self.cursor < self.text.len() => {
                self.text.remove(self.cursor);
            }
            Edit::Backspace | Edit::Delete => {}
            Edit::Left => self.cursor = self.cursor.saturating_sub(1),
            Edit::Right => self.cursor = (self.cursor + 1).min(self.text.len()),
            Edit::Home => self.cursor = 0,
            Edit::End => self.cursor = self.text.len(),
            Edit::Clear => {
                self.text.clear();
                self.cursor = 0;
            }
        }
    }

    /// The part of the text that `columns` can show with the cursor in it, the cursor's column, and how many characters were
    /// left out before it.
    pub fn window(&self, columns: usize) -> (String, usize, usize) {
        let Some(last) = columns.checked_sub(1) else { return (String::new(), 0, 0) };
        // Scrolls by as little as keeps the cursor, which needs a column of its own, inside.
        let mut start = 0;
        let mut before: usize = self.text[..self.cursor].iter().map(|c| char_width(*c)).sum();
        while before > last {
            before -= char_width(self.text[start]);
            start += 1;
        }
        let mut shown = String::new();
        for character in &self.text[start..] {
            if width(&shown) + char_width(*character) > columns {
                break;
            }
            shown.push(*character);
        }
        (shown, before, start)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::field, *};

    fn prompt(text: &str) -> Prompt {
        Prompt::new(Purpose::Field(&field::DESTINATION), text)
    }

    #[test]
    fn editing() {
        use Edit::*;
        for (edits, expected) in [
            (&[Backspace][..], "abx"),
            (&[Left, Backspace], "axc"),
            (&[Home, Delete], "xbc"),
            (&[Home, Backspace], "xabc"),
            (&[Delete], "abcx"),
            (&[Left, Left, Right, Right, Right], "abcx"),
            (&[Home, End], "abcx"),
            (&[Clear, Left, Backspace], "x"),
        ] {
            let mut prompt = prompt("abc");
            edits.iter().for_each(|edit| prompt.edit(*edit));
            prompt.insert("x");
            assert_eq!(prompt.text(), expected, "{edits:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_not_typed() {
        assert_eq!(prompt("10.0\n.0.1\u{1b}\u{202e}").text(), "10.0.0.1");
    }

    #[test]
    fn the_length_is_bounded() {
        let mut prompt = prompt(&"1".repeat(10_000));
        assert_eq!(prompt.text().len(), MAX_LENGTH);
        assert!(!prompt.insert("2"));
        assert_eq!(prompt.text().len(), MAX_LENGTH);
        prompt.edit(Edit::Home);
        prompt.edit(Edit::Delete);
        assert!(!prompt.insert("23") && prompt.insert("\n"), "what cannot be seen is not missed");
        assert!(prompt.text().starts_with("21") && prompt.text().len() == MAX_LENGTH);
    }

    #[test]
    fn the_cursor_is_always_in_the_window() {
        let mut prompt = prompt("0123456789");
        assert_eq!(prompt.window(20), ("0123456789".into(), 10, 0));
        assert_eq!(prompt.window(5), ("6789".into(), 4, 6));
        prompt.edit(Edit::Home);
        assert_eq!(prompt.window(5), ("01234".into(), 0, 0));
        assert_eq!(prompt.window(0), (String::new(), 0, 0));
        let wide = self::prompt("日本語");
        for columns in 1..9 {
            let (shown, cursor, _) = wide.window(columns);
            assert!(cursor < columns && width(&shown) <= columns, "{columns}");
        }
    }
}
