//! Values as they were configured, and where.

use std::{ffi::OsString, fmt, path::Path, sync::Arc};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File {
        /// Its path.
        path: Arc<Path>,
        /// The line, from 1.
        line: usize,
        /// The character in it, from 1.
        column: usize,
    },
    /// A variable of the environment.
    Variable(String),
}

impl Origin {
    /// The place in `text`, the file at `path`, of the byte at `offset`.
    pub fn in_file(path: &Arc<Path>, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let (line, column) = (before.matches('\n').count() + 1, before[start..].chars().count() + 1);
        Self::File { path: path.clone(), line, column }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
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
pub struct Entry {
    /// The name of an option, or of a table's key: `top`, `keys.quit`, `columns.sources.show`.
    pub key: String,
    /// What was said.
    pub said: Said,
    /// Where.
    pub origin: Origin,
}

impl Entry {
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
        let path: Arc<Path> = Arc::from(Path::new("f"));
        let text = "a = 1\r\nüü = 2\n";
        for (offset, place) in [(0, "f:1:1"), (4, "f:1:5"), (7, "f:2:1"), (11, "f:2:3"), (99, "f:3:1"), (8, "f:3:1")] {
            assert_eq!(Origin::in_file(&path, text, offset).to_string(), place, "{offset}");
        }
    }
}
