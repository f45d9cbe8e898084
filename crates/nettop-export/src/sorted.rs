//! JSON that is there as text, written again with its keys sorted: without making a tree of values of it, which would take ten
//! times as much memory.

use std::{borrow::Cow, collections::BTreeMap, io};

use serde::{Deserialize, Serialize, Serializer, ser::Error as _};
use serde_json::{Value, value::RawValue};

use nettop_model::json;

/// Down to this depth values stay text: an answer, its snapshot, a list of that, whose rows are small.
const SHALLOW: u8 = 3;

/// Writes a value for people: indented, keys sorted, with a line break at the end.
///
/// # Errors
/// What is below the third level is nested too deep, or what `out` says.
pub fn pretty(text: &RawValue, out: &mut dyn io::Write) -> io::Result<()> {
    json::pretty(&Sorted { text, depth: 0 }, out)
}

struct Sorted<'a> {
    text: &'a RawValue,
    depth: u8,
}

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.text.get();
        let inner = |text| Sorted { text, depth: self.depth + 1 };
        match text.as_bytes().first() {
            Some(b'{') if self.depth < SHALLOW => {
                let fields: BTreeMap<JsonKey, &RawValue> = json::read(text.as_bytes()).map_err(S::Error::custom)?;
                serializer.collect_map(fields.into_iter().map(|(JsonKey(key), value)| (key, inner(value))))
            }
            Some(b'[') if self.depth < SHALLOW => {
                let elements: Vec<&RawValue> = json::read(text.as_bytes()).map_err(S::Error::custom)?;
                serializer.collect_seq(elements.into_iter().map(inner))
            }
            // Sorted by nature, and no deeper than the parser allows.
            _ => json::read::<Value>(text.as_bytes()).map_err(S::Error::custom)?.serialize(serializer),
        }
    }
}

/// A key, borrowed where nothing in it is escaped.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct JsonKey<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use serde_json::{from_str, json, to_string};

    use super::*;

    fn shown(text: &str) -> io::Result<String> {
        let mut out = Vec::new();
        pretty(from_str(text)?, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn it_is_what_a_tree_of_values_would_give() {
        let row = json!({"z": 1.5, "a": [{"y": null, "b": {"c": {"d": []}}}], "\u{1b}\"é": "\u{9b}\u{202e}"});
        let value =
            json!({"ok": true, "snapshot": {"ips": [row, row, 7, "x"], "ab": {}, "\n": row}, "e": [], "n": 1e300});
        let mut expected = Vec::new();
        json::pretty(&value, &mut expected).unwrap();
        assert_eq!(shown(&to_string(&value).unwrap()).unwrap(), String::from_utf8(expected).unwrap());
        assert_eq!(shown(r#"{"b":1,"a":2,"b":3}"#).unwrap(), "{\n  \"a\": 2,\n  \"b\": 3\n}\n");
    }

    #[test]
    fn what_is_nested_without_end_is_an_error() {
        let deep = "[".repeat(1 << 20) + &"]".repeat(1 << 20);
        assert!(shown(&deep).unwrap_err().to_string().contains("recursion"));
    }
}
