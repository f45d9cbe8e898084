//! A configuration file, read.

use std::{path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    catalogue::Catalogue,
    origin::{Entry, Origin, Said},
};

/// What `text`, the file at `path`, says.
///
/// # Errors
/// It is no TOML, has a key that there is not, or a value that the key does not take; with the place.
pub fn read(text: &str, path: &Arc<Path>, catalogue: &Catalogue) -> Result<Vec<Entry>, String> {
    let place = |offset| Origin::in_file(path, text, offset);
    let table = DeTable::parse(text)
        .map_err(|error| format!("{}: {}", place(error.span().map_or(0, |span| span.start)), error.message()))?;
    let mut entries = Vec::new();
    // Tables within tables are read without recursion; their keys, joined by dots, are the keys of the catalogue.
    let mut tables = vec![(String::new(), table.get_ref())];
    while let Some((prefix, table)) = tables.pop() {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            if let DeValue::Table(table) = value.get_ref() {
                tables.push((format!("{name}."), table));
                continue;
            }
            catalogue.check(&name).map_err(|what| format!("{}: {what}", place(key.span().start)))?;
            let origin = place(value.span().start);
            let said = said(value).map_err(|what| format!("{origin}: {name} {what}"))?;
            let entry = Entry { key: name, said, origin };
            catalogue.judge(&entry).map_err(|what| format!("{}: {what}", entry.origin))?;
            entries.push(entry);
        }
    }
    Ok(entries)
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
