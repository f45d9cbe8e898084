//! A format as steps: what stands before a field, and where that ends.

use std::borrow::Cow;

use anyhow::{Result, ensure};

use super::fields::{Fields, Miss, Variable};

/// A compiled format.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
struct Step {
    /// What stands before it.
    before: Box<str>,
    /// Whether the end of the field before it has been found by that.
    is_found: bool,
    variable: Variable,
    end: End,
}

/// Where a field ends.
#[derive(Clone, Debug, PartialEq)]
enum End {
    /// At a quote that is not escaped.
    Quote,
    /// Where this begins, which is the text before the next field.
    Text(Box<str>),
    /// At the next blank, or the end of the line.
    Blank,
    /// At the end of the line.
    Line,
}

/// A part of a format as it was written.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text.
    Text(String),
    /// A field.
    Field(Variable),
}

impl Steps {
    /// Compiles a format.
    ///
    /// # Errors
    /// It has no address, or two fields stand side by side.
    pub fn new(parts: &[Part]) -> Result<Self> {
        let mut steps: Vec<Step> = Vec::new();
        let mut before = String::new();
        for (at, part) in parts.iter().enumerate() {
            match part {
                Part::Text(text) => before.push_str(text),
                Part::Field(variable) => {
                    let is_beside = at > 0 && matches!(parts[at - 1], Part::Field(_));
                    ensure!(!is_beside, "two fields stand side by side, so that nobody can tell where the first ends");
                    let after: String = parts[at + 1..]
                        .iter()
                        .map_while(|part| match part {
                            Part::Text(text) => Some(text.as_str()),
                            Part::Field(_) => None,
                        })
                        .collect();
                    let end = match after {
                        after if before.ends_with('"') && after.starts_with('"') => End::Quote,
                        // The last one: an agent has blanks.
                        after if after.is_empty() && *variable == Variable::Agent => End::Line,
                        after if after.is_empty() => End::Blank,
                        after => End::Text(after.into()),
                    };
                    let is_found = steps.last().is_some_and(|step| matches!(step.end, End::Text(_)));
                    steps.push(Step { before: std::mem::take(&mut before).into(), is_found, variable: *variable, end });
                }
            }
        }
        let has = |one: Variable| steps.iter().any(|step| step.variable == one);
        ensure!(
            has(Variable::Peer) || has(Variable::Client),
            "it has no address of a client ($remote_addr, or %h), so that its lines are nobody's"
        );
        Ok(Self { steps })
    }

    /// Reads a line. What follows the last field is left alone.
    ///
    /// # Errors
    /// It is of another format.
    pub fn read<'a>(&self, line: &'a str) -> Result<Fields<'a>, Miss> {
        let mut fields = Fields::default();
        let mut rest = line;
        for Step { before, is_found, variable, end } in &self.steps {
            rest = if *is_found { &rest[before.len()..] } else { rest.strip_prefix(&**before).ok_or(Miss::Other)? };
            let length = match end {
                End::Quote => quoted(rest.as_bytes()),
                End::Text(text) => find(rest.as_bytes(), text.as_bytes()),
                End::Line => Some(rest.len()),
                End::Blank => Some(memchr::memchr(b' ', rest.as_bytes()).unwrap_or(rest.len())),
            };
            let (value, after) = rest.split_at(length.ok_or(Miss::Other)?);
            rest = after;
            if *variable != Variable::Skip {
                fields.set(*variable, if *end == End::Quote { unescaped(value) } else { Cow::Borrowed(value) });
            }
        }
        Ok(fields)
    }
}

/// Where a text begins that is a byte or two long, and stands near: to prepare a search for it would take longer than to look.
fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    let (first, rest) = text.split_first()?;
    let mut at = 0;
    loop {
        at += memchr::memchr(*first, &bytes[at..])? + 1;
        if bytes[at..].starts_with(rest) {
            return Some(at - 1);
        }
    }
}

/// Bytes until a quote that is not escaped.
fn quoted(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', &bytes[at..])?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
        if at > bytes.len() {
            return None;
        }
    }
}

/// The text that `\"`, `\\`, `\n`, `\t`, `\r` and `\xHH` stand for. Bytes that are no UTF-8 become characters that say so.
fn unescaped(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(b'x') => {
                let digits: String = bytes.clone().take(2).map(char::from).collect();
                match u8::from_str_radix(&digits, 16) {
                    Ok(value) if digits.len() == 2 && !digits.starts_with('+') => {
                        out.push(value);
                        bytes.nth(1);
                    }
                    _ => out.extend_from_slice(b"\\x"),
                }
            }
            Some(other) => out.push(other),
            None => out.push(b'\\'),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}
