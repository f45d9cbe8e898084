//! The file of `--audit`.

use std::{fs, path::Path};

use serde_json::Value;

/// Its lines; none where there is no file yet.
pub fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}
