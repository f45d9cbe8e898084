//! Reads a configuration file: keys outside of tables are options, which clap checks; serde makes structs of tables.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, ops::Range, path::PathBuf};

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
};

use super::{
    catalogue::{Catalogue, is_of_screen},
    entry::{ConfigEntry, Said, place},
    tables::Tables,
};

/// What serde calls a type, and what the user calls it.
const WORDS: [(&str, &str); 3] = [
    ("expected a boolean", "expected true or false"),
    ("expected a map", "expected a table"),
    ("expected a sequence", "expected a list"),
];

/// A file with the tables `T`.
#[derive(Debug, Default)]
pub struct Document<T = Tables> {
    /// The keys outside of tables.
    pub options: Vec<ConfigEntry>,
    /// The tables.
    pub tables: T,
    /// The place of the value of each key in a table, by its dotted name (`columns.sources.show`). Elements of a list of tables
    /// have the same names: there a value that is [`Spanned`] has its place, by [`Self::place`].
    pub places: BTreeMap<String, String>,
    /// Options and tables that were not taken from a limited file, and the place of each.
    pub left_out: Vec<(String, String)>,
    path: PathBuf,
    text: String,
}

impl<T: DeserializeOwned + Default> Document<T> {
    /// Reads `text`, the file at `path`. Of a `limited` file only options and tables of the screen are taken.
    ///
    /// # Errors
    /// It is no TOML, has a key that there is not, or a value that the key does not take; with the place.
    pub fn read(path: PathBuf, text: &str, limited: bool, catalogue: &Catalogue) -> Result<Self, String> {
        let mut document = Self { path, text: text.into(), ..Self::default() };
        let wrong = |document: &Self, span: Option<Range<usize>>, what: &str| {
            format!("{}: {what}", document.place(&span.unwrap_or_default()))
        };
        let root = DeTable::parse(text).map_err(|error| wrong(&document, error.span(), error.message()))?;
        document.check(root.get_ref(), "", catalogue)?;
        let mut tables = DeTable::new();
        for (key, value) in root.into_inner() {
            let (name, origin) = (key.get_ref().to_string(), document.place(&value.span()));
            let is_left_out = limited && !is_of_screen(&name);
            if is_left_out {
                document.places.retain(|key, _| key.split('.').next() != Some(&name));
                document.left_out.push((name.clone(), origin.clone()));
            }
            if catalogue.option(&name).is_some() {
                let said = said(&value).map_err(|what| format!("{origin}: {name} {what}"))?;
                let entry = ConfigEntry { key: name, said, origin };
                catalogue.judge(&entry).map_err(|what| format!("{}: {what}", entry.origin))?;
                document.options.extend((!is_left_out).then_some(entry));
            } else if !is_left_out {
                tables.insert(key, value);
            }
        }
        document.tables = T::deserialize(Deserializer::from(Spanned::new(0..text.len(), tables))).map_err(|error| {
            let what = error.to_string().trim_end().replace('\n', " ");
            wrong(&document, error.span(), &WORDS.iter().fold(what, |what, (word, usual)| what.replace(word, usual)))
        })?;
        Ok(document)
    }

    /// Checks that the catalogue has every key of a table, of its tables and of its lists of tables, and notes the places of the
    /// values. It calls itself for each level; the parser limits how many there are.
    fn check(&mut self, table: &DeTable, prefix: &str, catalogue: &Catalogue) -> Result<(), String> {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            let tables: Vec<_> = match value.get_ref() {
                DeValue::Table(table) => vec![table],
                DeValue::Array(values) => values.iter().filter_map(|value| value.get_ref().as_table()).collect(),
                _ => Vec::new(),
            };
            if tables.iter().all(|table| table.is_empty()) {
                catalogue.check(&name).map_err(|what| format!("{}: {what}", self.place(&key.span())))?;
            }
            tables.iter().try_for_each(|table| self.check(table, &format!("{name}."), catalogue))?;
            if !prefix.is_empty() {
                self.places.insert(name, self.place(&value.span()));
            }
        }
        Ok(())
    }
}

impl<T> Document<T> {
    /// Where a span of the file begins: path, line and column.
    pub fn place(&self, span: &Range<usize>) -> String {
        place(&self.path, &self.text, span.start)
    }

    /// Where a character of a text is, by its number from 0. Of a text that is written with escapes: where the text begins.
    pub fn place_in(&self, text: &Spanned<String>, character: usize) -> String {
        self.place_of(text.get_ref(), text.span(), character)
    }

    /// The same for a text with its span.
    pub fn place_of(&self, text: &str, Range { start, end }: Range<usize>, character: usize) -> String {
        let written = self.text.get(start..end).and_then(|written| written.find(text));
        let before: usize = text.chars().take(character).map(char::len_utf8).sum();
        let at = written.map_or(start, |written| start + written + before);
        self.place(&(at..end))
    }
}

/// The value that `pick` finds in the last of `files` that has it: each file overrides those before it.
pub fn highest<'a, V>(files: &'a [Document], pick: impl Fn(&'a Tables) -> Option<&'a V>) -> Option<&'a V> {
    files.iter().rev().find_map(|file| pick(&file.tables))
}

/// The place of that value, by the dotted name of its key.
pub fn origin<'a>(files: &'a [Document], key: &str) -> Option<&'a str> {
    files.iter().rev().find_map(|file| file.places.get(key).map(String::as_str))
}

fn said(value: &Spanned<DeValue>) -> Result<Said, String> {
    Ok(match value.get_ref() {
        DeValue::Boolean(on) => Said::Switch(*on),
        DeValue::Array(values) => {
            let texts: Result<_, _> = values.iter().map(|value| text(value.get_ref()).map(Into::into)).collect();
            Said::Many(texts?)
        }
        value => Said::One(text(value)?.into()),
    })
}

/// A single value as it is written on the command line.
fn text(value: &DeValue) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Ok(number.to_string()),
            Err(_) => Err(format!("cannot be as large as {number}")),
        },
        DeValue::Float(number) => Ok(number.as_str().into()),
        value => {
            Err(format!("takes text, a number, true or false, or a list of texts; this is a {}", value.type_str()))
        }
    }
}
