//! What bytes of a terminal mean: xterm's control sequences, as every terminal of today sends them, and the Linux console's.

use std::collections::VecDeque;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::Input;

/// No sequence that means anything is longer. What is, is thrown away.
const LONGEST: usize = 256;
/// So much of a paste is kept: a prompt takes less.
const PASTE: usize = 64 << 10;

const ESC: u8 = 0x1b;
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// Bytes in, [`Input`]s out. It holds no more than a sequence, a paste, and what was last put in.
#[derive(Debug, Default)]
pub struct Parser {
    bytes: VecDeque<u8>,
    /// What has come of a paste.
    paste: Option<Vec<u8>>,
    /// Nothing more comes: what is there is all.
    complete: bool,
}

/// What the first bytes are.
enum Found {
    /// So many bytes are this, or nothing that we know.
    Some(usize, Option<Input>),
    /// A paste begins.
    Paste,
    /// More has to come.
    Unfinished,
}

impl Parser {
    /// More has come.
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.complete = false;
    }

    /// Whether a sequence has begun that has not ended.
    pub fn is_within(&self) -> bool {
        self.paste.is_none() && !self.bytes.is_empty()
    }

    /// Nothing more has come for a while: what looked like the beginning of a sequence was a key. A paste may still go on.
    pub fn give_up(&mut self) {
        self.complete = self.is_within();
    }

    /// The next one of those that are there.
    pub fn next(&mut self) -> Option<Input> {
        loop {
            if self.paste.is_some() {
                return self.pasted();
            }
            let bytes = self.bytes.make_contiguous();
            match sequence(bytes) {
                Found::Some(length, input) => {
                    self.bytes.drain(..length);
                    if input.is_some() {
                        return input;
                    }
                }
                Found::Paste => {
                    self.bytes.drain(..PASTE_BEGINS.len());
                    self.paste = Some(Vec::new());
                }
                Found::Unfinished if bytes.len() > LONGEST => self.bytes.clear(),
                Found::Unfinished if self.complete && bytes.first() == Some(&ESC) => {
                    // Whatever follows was typed after it.
                    self.bytes.pop_front();
                    return Some(key(KeyCode::Esc, KeyModifiers::NONE));
                }
                Found::Unfinished => {
                    if self.complete {
                        self.bytes.clear();
                    }
                    return None;
                }
            }
        }
    }

    /// The whole paste, once its end has come.
    fn pasted(&mut self) -> Option<Input> {
        let bytes = self.bytes.make_contiguous();
        let end = bytes.windows(PASTE_ENDS.len()).position(|window| window == PASTE_ENDS);
        // Its end may have begun to come.
        let here = end.unwrap_or(bytes.len().saturating_sub(PASTE_ENDS.len() - 1));
        let paste = self.paste.as_mut()?;
        let room = PASTE - paste.len();
        paste.extend(&bytes[..here.min(room)]);
        self.bytes.drain(..here + end.map_or(0, |_| PASTE_ENDS.len()));
        end?;
        let text = String::from_utf8_lossy(&self.paste.take()?).into_owned();
        Some(Input::Event(Event::Paste(text)))
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Input {
    Input::Event(Event::Key(KeyEvent::new(code, modifiers)))
}

/// What stands at the beginning.
fn sequence(bytes: &[u8]) -> Found {
    match bytes {
        [] | [ESC] => Found::Unfinished,
        [ESC, b'[', rest @ ..] => control_sequence(bytes, rest),
        // SS3, what keys send where the terminal was told that they are an application's.
        [ESC, b'O'] => Found::Unfinished,
        [ESC, b'O', last, ..] => Found::Some(3, named(*last).map(|code| key(code, KeyModifiers::NONE))),
        // Strings, which only an answer to a question has that was not ours.
        [ESC, b'P' | b']' | b'_' | b'^' | b'X', rest @ ..] => string(rest),
        [ESC, ESC, ..] => Found::Some(1, Some(key(KeyCode::Esc, KeyModifiers::NONE))),
        [ESC, rest @ ..] => match character(rest) {
            Found::Some(length, input) => Found::Some(1 + length, input.map(with_alt)),
            other => other,
        },
        _ => character(bytes),
    }
}

/// A string up to its terminator, ST or BEL; another sequence breaks it off.
fn string(rest: &[u8]) -> Found {
    let end = rest.iter().position(|&byte| matches!(byte, ESC | 7));
    match end.map(|at| (at, &rest[at..])) {
        None | Some((_, [ESC])) => Found::Unfinished,
        Some((at, [ESC, b'\\', ..])) => Found::Some(2 + at + 2, None),
        Some((at, [ESC, ..])) => Found::Some(2 + at, None),
        Some((at, _)) => Found::Some(2 + at + 1, None),
    }
}

fn with_alt(input: Input) -> Input {
    match input {
        Input::Event(Event::Key(event)) => key(event.code, event.modifiers | KeyModifiers::ALT),
        other => other,
    }
}

/// A character, or a letter with Ctrl held.
fn character(bytes: &[u8]) -> Found {
    let plain = |code| Found::Some(1, Some(key(code, KeyModifiers::NONE)));
    let ctrl = |letter: u8| Found::Some(1, Some(key(KeyCode::Char(letter.into()), KeyModifiers::CONTROL)));
    match bytes[0] {
        b'\r' | b'\n' => plain(KeyCode::Enter),
        b'\t' => plain(KeyCode::Tab),
        0x08 | 0x7f => plain(KeyCode::Backspace),
        0 => ctrl(b' '),
        letter @ 0x01..=0x1a => ctrl(letter - 1 + b'a'),
        other @ 0x1c..=0x1f => ctrl(other - 0x1c + b'4'),
        first => {
            let length = match first {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => 1,
            };
            let Some(whole) = bytes.get(..length) else {
                // What cannot become a character is none.
                let broken = bytes[1..].iter().any(|byte| byte & 0xc0 != 0x80);
                return if broken { Found::Some(1, None) } else { Found::Unfinished };
            };
            match std::str::from_utf8(whole).ok().and_then(|text| text.chars().next()) {
                Some(character) => Found::Some(length, Some(key(KeyCode::Char(character), KeyModifiers::NONE))),
                None => Found::Some(1, None),
            }
        }
    }
}

/// CSI: parameters and intermediates, up to a final byte (ECMA-48, 5.4).
fn control_sequence(bytes: &[u8], rest: &[u8]) -> Found {
    // The Linux console's F1 to F5, in which the final byte is not the last one.
    if let [b'[', after @ ..] = rest {
        return match after {
            [] => Found::Unfinished,
            [letter @ b'A'..=b'E', ..] => Found::Some(4, Some(key(KeyCode::F(letter - b'A' + 1), KeyModifiers::NONE))),
            _ => Found::Some(3, None),
        };
    }
    let Some(end) = rest.iter().position(|byte| !(0x20..=0x3f).contains(byte)) else { return Found::Unfinished };
    let (parameters, last) = (&rest[..end], rest[end]);
    if !(0x40..=0x7e).contains(&last) {
        // Broken off; what broke it means something itself.
        return Found::Some(2 + end, None);
    }
    if bytes.starts_with(PASTE_BEGINS) {
        return Found::Paste;
    }
    let length = 2 + end + 1;
    match (parameters, last) {
        // The old form of the mouse, which has three more bytes; we ask for the new one.
        ([], b'M') => {
            if bytes.len() < length + 3 {
                Found::Unfinished
            } else {
                Found::Some(length + 3, None)
            }
        }
        ([b'<', ..], b'M' | b'm') => Found::Some(length, mouse(&parameters[1..], last)),
        (b"0", b'n') => Found::Some(length, Some(Input::Answer)),
        (b"", b'I') => Found::Some(length, Some(Input::Event(Event::FocusGained))),
        (b"", b'O') => Found::Some(length, Some(Input::Event(Event::FocusLost))),
        _ => Found::Some(length, pressed(parameters, last)),
    }
}

/// The numbers of a sequence, which semicolons part.
fn numbers(parameters: &[u8]) -> Option<Vec<u16>> {
    std::str::from_utf8(parameters).ok()?.split(';').map(|number| number.parse().ok()).collect()
}

/// A key with a name.
fn pressed(parameters: &[u8], last: u8) -> Option<Input> {
    let numbers = if parameters.is_empty() { Vec::new() } else { numbers(parameters)? };
    // One more than a set of: Shift, Alt, Ctrl, and others that no terminal sends unless asked to.
    let held = numbers.get(1).map_or(0, |held| held.saturating_sub(1));
    let flags = [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)];
    let modifiers =
        flags.iter().filter(|(bit, _)| held & bit != 0).fold(KeyModifiers::NONE, |all, (_, one)| all | *one);
    // The position of the cursor, which we never ask for, ends in the letter of F3.
    if held >= 16 || (last != b'~' && numbers.first().is_some_and(|first| *first > 1)) {
        return None;
    }
    if last == b'Z' {
        return Some(key(KeyCode::BackTab, modifiers | KeyModifiers::SHIFT));
    }
    let code = if last == b'~' { numbered(*numbers.first()?)? } else { named(last)? };
    Some(key(code, modifiers))
}

/// By the final byte.
fn named(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'M' => KeyCode::Enter,
        b'P'..=b'S' => KeyCode::F(last - b'P' + 1),
        _ => return None,
    })
}

/// By the number of a sequence that ends in a tilde.
fn numbered(number: u16) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(number as u8 - 10),
        17..=21 => KeyCode::F(number as u8 - 11),
        23..=24 => KeyCode::F(number as u8 - 12),
        _ => return None,
    })
}

/// Mode 1006: what, the column and the line, from 1.
fn mouse(parameters: &[u8], last: u8) -> Option<Input> {
    let numbers = numbers(parameters)?;
    let [what, column, row] = numbers[..] else { return None };
    let button = match what & 3 {
        0 => MouseButton::Left,
        1 => MouseButton::Middle,
        _ => MouseButton::Right,
    };
    let kind = match what & !(4 | 8 | 16) {
        0..=2 if last == b'm' => MouseEventKind::Up(button),
        0..=2 => MouseEventKind::Down(button),
        32..=34 => MouseEventKind::Drag(button),
        35 => MouseEventKind::Moved,
        64 => MouseEventKind::ScrollUp,
        65 => MouseEventKind::ScrollDown,
        _ => return None,
    };
    let (column, row) = (column.checked_sub(1)?, row.checked_sub(1)?);
    Some(Input::Event(Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })))
}

#[cfg(test)]
mod tests;
