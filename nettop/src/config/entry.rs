//! Values as they were configured, and where.

use std::{ffi::OsString, path::Path};

/// Where the byte at `offset` of `text`, the file at `path`, is: the path, the line and the character in it, both from 1.
pub fn place(path: &Path, text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    format!("{}:{}:{}", path.display(), before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

/// What was said of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Yes or no.
    Switch(bool),
    /// One value.
    One(OsString),
    /// A list of them.
    Many(Vec<OsString>),
}

impl Said {
    /// The values.
    pub fn values(&self) -> &[OsString] {
        match self {
            Self::Switch(_) => &[],
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// A key, what was said of it, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The name of an option, or of a table's key: `top`, `keys.quit`, `columns.sources.show`.
    pub key: String,
    /// What was said.
    pub said: Said,
    /// Where: a place in a file, or the name of a variable.
    pub origin: String,
}

impl ConfigEntry {
    /// As arguments of the command line; none for a switch that is off, or for an empty list.
    pub fn arguments(&self) -> Vec<OsString> {
        let Self { key, said, .. } = self;
        if *said == Said::Switch(true) {
            return vec![format!("--{key}").into()];
        }
        let argument = |value: &OsString| {
            let mut argument = OsString::from(format!("--{key}="));
            argument.push(value);
            argument
        };
        said.values().iter().map(argument).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters_from_one() {
        let text = "a = 1\r\nüü = 2\n";
        for (offset, expected) in [(0, "f:1:1"), (4, "f:1:5"), (7, "f:2:1"), (11, "f:2:3"), (99, "f:3:1"), (8, "f:3:1")]
        {
            assert_eq!(place(Path::new("f"), text, offset), expected, "{offset}");
        }
    }
}
