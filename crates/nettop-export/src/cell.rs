//! Text in a table that somebody may open with a spreadsheet.

use serde::{Deserialize, Serialize, Serializer};

use nettop_model::visible::visible;

/// Text that stands in a cell as itself: nothing in it is obeyed, neither by a terminal nor by a spreadsheet.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Cell(pub String);

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&inert(&self.0))
    }
}

/// The text, made visible, and with an apostrophe in front where it would be taken for a formula (CWE-1236).
pub fn inert(text: &str) -> String {
    let shown = visible(text);
    // The wide forms are what East Asian input methods write; some spreadsheets take them for the others.
    let is_formula = shown.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if is_formula { format!("'{shown}") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_defused_and_addresses_are_not_touched() {
        for (text, cell) in [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("", ""),
            ("a=b-c", "a=b-c"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            (" =1", "' =1"),
            ("＝1", "'＝1"),
            ("\t=1", "\\t=1"),
            ("\r=1", "\\r=1"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
        ] {
            assert_eq!(inert(text), cell);
        }
    }
}
