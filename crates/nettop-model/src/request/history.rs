//! `history`: the last minutes of one source, destination, port, prefix, process or connection.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, ser::SerializeMap as _};
use serde_json::Value;

use super::{Fields, read};
use crate::{
    answer::{self, Answer, Reply},
    snapshot::{History, Subject},
};

/// The fields, of which a request has exactly one: text, or a number for what has one.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Spelled {
    #[serde(deserialize_with = "read::given")]
    source: Option<Value>,
    #[serde(deserialize_with = "read::given")]
    dst: Option<Value>,
    #[serde(deserialize_with = "read::given")]
    port: Option<Value>,
    #[serde(deserialize_with = "read::given")]
    prefix: Option<Value>,
    #[serde(deserialize_with = "read::given")]
    process: Option<Value>,
    #[serde(deserialize_with = "read::given")]
    connection: Option<Value>,
}

impl TryFrom<Spelled> for Subject {
    type Error = String;

    fn try_from(Spelled { source, dst, port, prefix, process, connection }: Spelled) -> Result<Self, String> {
        let all = [
            ("source", source),
            ("dst", dst),
            ("port", port),
            ("prefix", prefix),
            ("process", process),
            ("connection", connection),
        ];
        let mut given = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let (Some((name, value)), None) = (given.next(), given.next()) else {
            return Err("history needs one of source, dst, port, prefix, process, connection".into());
        };
        let text = match &value {
            Value::String(text) => text.trim().to_string(),
            other => other.to_string(),
        };
        let subject = match name {
            "source" => text.parse().ok().map(Self::Source),
            "dst" => text.parse().ok().map(Self::Destination),
            "port" => text.parse().ok().map(Self::Port),
            "process" => text.parse().ok().map(Self::Process),
            "connection" => text.parse().ok().map(Self::Connection),
            _ => text.parse().ok().map(Self::Prefix),
        };
        subject.ok_or_else(|| format!("{value} is no {name} whose history can be told"))
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        Spelled::deserialize(source)?.try_into().map_err(D::Error::custom)
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(Some(1))?;
        match self {
            Self::Source(ip) => map.serialize_entry("source", ip),
            Self::Destination(ip) => map.serialize_entry("dst", ip),
            Self::Port(port) => map.serialize_entry("port", &port.to_string()),
            Self::Prefix(prefix) => map.serialize_entry("prefix", &prefix.to_string()),
            Self::Process(pid) => map.serialize_entry("process", pid),
            Self::Connection(cookie) => map.serialize_entry("connection", cookie),
        }?;
        map.end()
    }
}

impl Fields for Subject {
    #[inline]
    fn read_answer(&self, line: &[u8]) -> Reply {
        #[derive(Deserialize)]
        struct OfHistory {
            history: History,
        }
        answer::parse(line).map(|OfHistory { history }| Answer::History(history.into()))
    }

    #[cfg(test)]
    fn samples() -> Vec<Self> {
        let ip = || [192, 0, 2, 1].into();
        let prefix = "192.0.2.0/24".parse().map(Self::Prefix);
        let others =
            [Self::Source(ip()), Self::Destination(ip()), Self::Port(0), Self::Process(1), Self::Connection(7)];
        others.into_iter().chain(prefix).collect()
    }
}
