//! Messages of programs, as patterns that say all of a message. A name that somebody chose may be any text, also one that looks like the rest of the
//! message: so every way to read it is tried, and a message that can be read with two addresses is nobody's.

use std::net::IpAddr;

use crate::{address::canonical, reading::Login};

/// Steps after which a message is taken for one that can be read in several ways.
const MOST_STEPS: usize = 20_000;

/// A message. In its pattern `<a>` is an address, `<u>` a name, which may be any text, `<x>` any other text, `<w>` a word, `<n>` a number, `<port>` perhaps ` port 22`, `<ssh>` the
/// version `ssh2` or `ssh1`, `<stop>` the end or a colon, and `<*>` anything. What else is there has to be there.
#[derive(Debug)]
pub struct Message {
    /// The pattern.
    pub pattern: &'static str,
    /// What it means.
    pub login: Login,
}

/// A row of a table of messages.
pub const fn message(login: Login, pattern: &'static str) -> Message {
    Message { pattern, login }
}

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern(Vec<Token>);

#[derive(Debug, PartialEq)]
enum Token {
    Text(&'static str),
    Address,
    User,
    Any,
    Word,
    Number,
    Port,
    Ssh,
    Stop,
    Rest,
}

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Of whom; `None`: it is a name, or it does not say.
    pub address: Option<IpAddr>,
    /// As whom.
    pub user: String,
}

/// How a message can be read.
#[derive(Clone, Debug, PartialEq)]
pub enum Readings {
    /// Not at all.
    None,
    /// In one way, as far as its address goes.
    One(Reading),
    /// With two addresses.
    Ambiguous,
}

impl Pattern {
    /// Compiles it.
    pub fn new(pattern: &'static str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = pattern;
        while let Some(at) = rest.find('<') {
            let known = [
                ("<a>", Token::Address),
                ("<u>", Token::User),
                ("<x>", Token::Any),
                ("<w>", Token::Word),
                ("<n>", Token::Number),
                ("<port>", Token::Port),
                ("<ssh>", Token::Ssh),
                ("<stop>", Token::Stop),
                ("<*>", Token::Rest),
            ];
            let (before, from) = rest.split_at(at);
            let found = known.into_iter().find(|(name, _)| from.starts_with(name));
            match found {
                Some((name, token)) => {
                    if !before.is_empty() {
                        tokens.push(Token::Text(before));
                    }
                    tokens.push(token);
                    rest = &from[name.len()..];
                }
                None => {
                    tokens.push(Token::Text(&rest[..=at]));
                    rest = &rest[at + 1..];
                }
            }
        }
        if !rest.is_empty() {
            tokens.push(Token::Text(rest));
        }
        Self(tokens)
    }

    /// Every way to read a message.
    pub fn read(&self, text: &str) -> Readings {
        let mut search = Search { found: Readings::None, steps: 0 };
        search.walk(&self.0, text, &mut Reading::default());
        if search.steps >= MOST_STEPS { Readings::Ambiguous } else { search.found }
    }
}

struct Search {
    found: Readings,
    steps: usize,
}

impl Search {
    fn walk(&mut self, tokens: &[Token], text: &str, reading: &mut Reading) {
        self.steps += 1;
        if self.steps >= MOST_STEPS || self.found == Readings::Ambiguous {
            return;
        }
        let Some((token, rest)) = tokens.split_first() else {
            if text.is_empty() {
                self.note(reading);
            }
            return;
        };
        match token {
            Token::Text(expected) => {
                if let Some(text) = text.strip_prefix(expected) {
                    self.walk(rest, text, reading);
                }
            }
            Token::Address => {
                let word = word(text);
                // A colon behind it is not its own, unless it is.
                let bare = word.trim_end_matches([':', ',', ')', ']', '>', ';']);
                let inner = word.find([']', ',']).unwrap_or(0);
                let mut lengths = [word.len(), word.len().saturating_sub(1), bare.len(), inner];
                lengths.sort_unstable();
                let mut before = 0;
                for length in lengths {
                    if length == before {
                        continue;
                    }
                    before = length;
                    if !text.is_char_boundary(length) {
                        continue;
                    }
                    let kept = reading.address;
                    reading.address = canonical(&text[..length]);
                    self.walk(rest, &text[length..], reading);
                    reading.address = kept;
                }
            }
            Token::User | Token::Any => {
                let Some(Token::Text(next)) = rest.first() else { return };
                let kept = reading.user.clone();
                for (at, _) in text.match_indices(*next) {
                    if *token == Token::User {
                        text[..at].clone_into(&mut reading.user);
                    }
                    self.walk(rest, &text[at..], reading);
                }
                reading.user = kept;
            }
            Token::Word => {
                let word = word(text);
                if !word.is_empty() {
                    self.walk(rest, &text[word.len()..], reading);
                    // A colon or comma behind a word may be the text that follows.
                    let bare = word.trim_end_matches([':', ',', ')', ']']);
                    if bare.len() < word.len() && !bare.is_empty() {
                        self.walk(rest, &text[bare.len()..], reading);
                    }
                    if let Some(at) = word.find('[').filter(|at| *at > 0) {
                        self.walk(rest, &text[at..], reading);
                    }
                }
            }
            Token::Number => {
                let digits = text.bytes().take_while(u8::is_ascii_digit).count();
                if digits > 0 {
                    self.walk(rest, &text[digits..], reading);
                }
            }
            Token::Port => {
                self.walk(rest, text, reading);
                if let Some(after) = text.strip_prefix(" port ") {
                    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
                    if digits > 0 {
                        self.walk(rest, &after[digits..], reading);
                    }
                }
            }
            Token::Ssh => {
                for version in ["ssh2", "ssh1"] {
                    if let Some(after) = text.strip_prefix(version) {
                        self.walk(rest, after, reading);
                    }
                }
            }
            Token::Stop => {
                if text.is_empty() || text.starts_with(": ") || text.starts_with(" on ") {
                    self.note(reading);
                }
            }
            Token::Rest => self.note(reading),
        }
    }

    fn note(&mut self, reading: &Reading) {
        self.found = match &self.found {
            Readings::None => Readings::One(reading.clone()),
            // An address says more than a name that is none.
            Readings::One(known) if known.address == reading.address => return,
            Readings::One(known) if known.address.is_none() => Readings::One(reading.clone()),
            Readings::One(_) if reading.address.is_none() => return,
            _ => Readings::Ambiguous,
        };
    }
}

/// The text until the next blank.
fn word(text: &str) -> &str {
    &text[..memchr::memchr(b' ', text.as_bytes()).unwrap_or(text.len())]
}
