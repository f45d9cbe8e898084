//! From the text of a format to its steps: nginx's `log_format`, Apache's `LogFormat`, and the form of the table of presets.

use anyhow::{Result, bail, ensure};

use super::{
    Format,
    fields::{Variable, variable},
    steps::{Part, Steps},
};

/// `$remote_addr - $remote_user [$time_local] …`
///
/// # Errors
/// It has no address, or fields side by side.
pub fn nginx(text: &str) -> Result<Steps> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        push(&mut parts, before);
        let after = &after[1..];
        let (name, after) = match after.strip_prefix('{') {
            Some(braced) => {
                braced.split_once('}').ok_or_else(|| anyhow::anyhow!("{text:?} has ${{ without its end"))?
            }
            None => after.split_at(after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len())),
        };
        ensure!(!name.is_empty(), "{text:?} has a $ without a name");
        parts.push(Part::Field(variable(name).unwrap_or(Variable::Skip)));
        rest = after;
    }
    push(&mut parts, rest);
    Steps::new(&parts)
}

/// `%h %l %u %t "%r" %>s %b …`; `\"` stands for a quote.
///
/// # Errors
/// It has no address, or fields side by side, or an unknown form.
pub fn apache(text: &str) -> Result<Steps> {
    let text = text.replace("\\\"", "\"").replace("\\t", "\t");
    let mut parts = Vec::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('%') {
        push(&mut parts, &rest[..at]);
        // Conditions and which of several requests is meant change nothing.
        let after = rest[at + 1..].trim_start_matches(|c: char| c.is_ascii_digit() || "<>!,".contains(c));
        if let Some(after) = after.strip_prefix('%') {
            push(&mut parts, "%");
            rest = after;
            continue;
        }
        let braces = if after.starts_with('{') { after.find('}').map_or(0, |end| end + 1) } else { 0 };
        let letter = after[braces..].chars().next();
        let Some(letter) = letter.filter(char::is_ascii_alphabetic) else { bail!("{text:?} has a % without a letter") };
        let name = &after[..braces + letter.len_utf8()];
        match variable(name) {
            // Its brackets are a part of it.
            Some(Variable::Time) => {
                push(&mut parts, "[");
                parts.push(Part::Field(Variable::Time));
                push(&mut parts, "]");
            }
            found => parts.push(Part::Field(found.unwrap_or(Variable::Skip))),
        }
        rest = &after[name.len()..];
    }
    push(&mut parts, rest);
    Steps::new(&parts)
}

fn push(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.into()));
    }
}

/// The formats that the text of an nginx.conf names by `log_format`. Those of JSON are read as JSON, and not listed.
///
/// # Errors
/// One of them cannot be read; it is named.
pub fn named(conf: &str) -> Result<Vec<Format>> {
    let mut formats = Vec::new();
    let mut words = Words(conf);
    while let Some(word) = words.next() {
        if word != "log_format" {
            continue;
        }
        let Some(name) = words.next() else { break };
        let mut text = String::new();
        for part in words.by_ref().take_while(|word| word != ";") {
            if !part.starts_with("escape=") {
                text.push_str(&part);
            }
        }
        if text.trim_start().starts_with('{') {
            continue;
        }
        let steps = nginx(&text).map_err(|error| error.context(format!("log_format {name}")))?;
        formats.push(Format::of_steps(&name, steps));
    }
    Ok(formats)
}

/// The words of a configuration file of nginx: quoted, bare, or one of `; { }`; comments are left out.
struct Words<'a>(&'a str);

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            self.0 = self.0.trim_start();
            match self.0.strip_prefix('#') {
                Some(comment) => self.0 = comment.split_once('\n').map_or("", |(_, rest)| rest),
                None => break,
            }
        }
        let first = self.0.chars().next()?;
        match first {
            ';' | '{' | '}' => {
                self.0 = &self.0[1..];
                Some(first.into())
            }
            '\'' | '"' => {
                let mut word = String::new();
                let mut characters = self.0[1..].char_indices();
                while let Some((at, character)) = characters.next() {
                    match character {
                        '\\' => word.extend(characters.next().map(|(_, character)| character)),
                        end if end == first => {
                            self.0 = &self.0[at + 2..];
                            return Some(word);
                        }
                        other => word.push(other),
                    }
                }
                self.0 = "";
                Some(word)
            }
            _ => {
                let end = self.0.find(|c: char| c.is_whitespace() || ";{}".contains(c)).unwrap_or(self.0.len());
                let (word, rest) = self.0.split_at(end);
                self.0 = rest;
                Some(word.into())
            }
        }
    }
}
