//! Entries of the journal, as `journalctl -o json` writes them: objects whose fields with a `_` in front are the word of journald and the kernel.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{Deserializer, IgnoredAny, SeqAccess, Visitor},
};

use super::{MOST_MESSAGE, head::Head};

/// An entry.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Entry<'a> {
    #[serde(rename = "__REALTIME_TIMESTAMP", borrow)]
    realtime_us: Text<'a>,
    #[serde(rename = "_COMM", borrow)]
    command: Text<'a>,
    #[serde(rename = "_UID", borrow)]
    user: Text<'a>,
    #[serde(rename = "SYSLOG_IDENTIFIER", borrow)]
    identifier: Text<'a>,
    #[serde(rename = "_PID", borrow)]
    pid: Text<'a>,
    #[serde(rename = "MESSAGE", borrow)]
    message: Option<Text<'a>>,
}

/// The entry that a line is, if it has a message.
pub fn entry(line: &str) -> Option<Entry<'_>> {
    serde_json::from_str::<Entry<'_>>(line).ok().filter(|entry| entry.message.is_some())
}

impl Entry<'_> {
    /// What stands before the message in a file.
    pub fn head(&self) -> Head<'_> {
        let program = if self.command.0.is_empty() { &self.identifier } else { &self.command };
        let at_ns = self.realtime_us.0.parse::<u64>().ok().and_then(|us| us.checked_mul(1000));
        let message = self.message.as_ref().map_or("", |message| &*message.0);
        Head { at_ns, program: &program.0, pid: self.pid.0.parse().ok(), message }
    }

    /// Whether the kernel says that a process of root's has written it whose program has a name.
    pub fn is_of_root(&self) -> bool {
        self.user.0 == "0" && !self.command.0.is_empty()
    }
}

/// The value of a field: a text, or a list of bytes where something in it cannot be printed. Of a field that stands there several times nothing is
/// taken, and nothing of one that is too long for journalctl.
#[derive(Debug, Default)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Value).map(Self)
    }
}

struct Value;

impl<'de> Visitor<'de> for Value {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or bytes")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.into()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Self::Value, S::Error> {
        let mut bytes = Vec::new();
        while let Some(Byte(byte)) = list.next_element()? {
            match byte {
                Some(byte) if bytes.len() < MOST_MESSAGE => bytes.push(byte),
                Some(_) => {}
                None => {
                    while list.next_element::<IgnoredAny>()?.is_some() {}
                    return Ok(Cow::Borrowed(""));
                }
            }
        }
        Ok(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// A byte; `None`: something else.
struct Byte(Option<u8>);

impl<'de> Deserialize<'de> for Byte {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        serde_json::Value::deserialize(reader).map(|value| Self(value.as_u64().and_then(|byte| byte.try_into().ok())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_texts_or_bytes() {
        let bytes = |text: &str| text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",");
        for (message, expected) in [
            (r#""text""#.to_string(), Some("text")),
            (r#""a \"quoted\" one""#.into(), Some("a \"quoted\" one")),
            (format!("[{}]", bytes("a\u{1b}[2J")), Some("a\u{1b}[2J")),
            ("[255,65]".into(), Some("\u{fffd}A")),
            (r#"["one","two"]"#.into(), Some("")),
            ("[[1],[2]]".into(), Some("")),
            ("[300]".into(), Some("")),
            ("null".into(), None),
            ("5".into(), None),
            ("{}".into(), None),
        ] {
            let line = format!("{{\"_COMM\":\"sshd\",\"_UID\":\"0\",\"MESSAGE\":{message}}}");
            let found = entry(&line);
            assert_eq!(found.as_ref().map(|entry| entry.head().message), expected, "{line}");
            assert!(found.is_none_or(|entry| entry.is_of_root()));
        }
        for line in [r#"{"MESSAGE":"x","_UID":"0"}"#, r#"{"MESSAGE":"x","_UID":"1000","_COMM":"sshd"}"#] {
            assert!(!entry(line).unwrap().is_of_root(), "{line}");
        }
        assert!(entry(r#"{"_COMM":"sshd"}"#).is_none() && entry("[]").is_none() && entry("{").is_none());
    }
}
