//! What an account notes in one word, of which there is one for each source.

/// The owner's number, and whether the account lacks packets of its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note(u32);

/// The highest bit: packets of the key are not in the account.
const LACKS: u32 = 1 << 31;

impl Note {
    /// The owner's number, below 2³¹; 0: none yet.
    pub fn number(self) -> u32 {
        self.0 & !LACKS
    }

    /// Sets the owner's number, of which 31 bits are kept.
    pub fn set_number(&mut self, number: u32) {
        self.0 = self.0 & LACKS | number & !LACKS;
    }

    /// Whether packets of the key came before the account was opened, or may have: its counts are lower bounds.
    pub fn lacks(self) -> bool {
        self.0 & LACKS != 0
    }

    /// Notes that there are packets that the account lacks.
    pub(crate) fn set_lacks(&mut self) {
        self.0 |= LACKS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_and_the_mark_do_not_touch_each_other() {
        let mut note = Note::default();
        assert_eq!((note.number(), note.lacks()), (0, false));
        note.set_number(u32::MAX);
        assert_eq!((note.number(), note.lacks()), (u32::MAX >> 1, false));
        note.set_lacks();
        note.set_number(7);
        assert_eq!((note.number(), note.lacks()), (7, true));
    }
}
