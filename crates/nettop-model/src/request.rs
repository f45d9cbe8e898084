//! What can be asked of a running monitor. Keys on the screen and `nettopctl` send the same [`Request`]s to the engine.

use std::{io, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    flat::Flat,
    json,
    kernel_maps::{Dump, Reader},
    snapshot::{Group, History, Runtime, SCHEMA, Selected, Snapshot, Subject},
};

/// A wish to change or to know something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Change parts of the filter; what is `None` stays as it is.
    Set(FilterChange),
    /// Show so many sources.
    Top(i64),
    /// Stop or go on counting.
    Pause(bool),
    /// Start counting anew.
    Reset,
    /// The runtime state and a snapshot of at most `limit` rows (0: all).
    Status {
        /// Rows.
        limit: usize,
    },
    /// A snapshot of at most `limit` rows (0: all).
    Snapshot {
        /// Rows.
        limit: usize,
        /// How it is written.
        form: Form,
    },
    /// The published snapshot and every further one, of at most `limit` rows. Only the server of the control channel answers it.
    Subscribe {
        /// Rows.
        limit: usize,
        /// How each is written.
        form: Form,
    },
    /// What the kernel's maps hold, at most `limit` (0: all) rows of each.
    Maps {
        /// Rows.
        limit: usize,
    },
    /// The last minutes of one thing, which is followed from now on.
    History(Subject),
    /// End the monitor.
    Stop,
}

impl Request {
    /// Whether it leaves everything as it is: what is followed for a history changes nothing of what is counted.
    pub fn only_reads(&self) -> bool {
        match self {
            Self::Status { .. }
            | Self::Snapshot { .. }
            | Self::Subscribe { .. }
            | Self::Maps { .. }
            | Self::History(_) => true,
            Self::Set(_) | Self::Top(_) | Self::Pause(_) | Self::Reset | Self::Stop => false,
        }
    }
}

/// How a snapshot is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As the classic's: see [`flat`](crate::flat).
    #[default]
    Flat,
    /// These groups.
    Grouped(Vec<Group>),
}

impl Form {
    /// Every group.
    pub fn whole() -> Self {
        Self::Grouped(Group::ALL.to_vec())
    }
}

/// Parts of the filter, as text. Empty text clears a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterChange {
    /// Destination addresses.
    pub dst: Option<String>,
    /// Source addresses.
    pub src: Option<String>,
    /// Destination ports.
    pub port: Option<String>,
    /// Protocols.
    pub proto: Option<String>,
    /// Interfaces.
    pub iface: Option<String>,
}

/// What a request is answered with.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The fields of the answer, beside `"ok": true`.
    Fields(Map<String, Value>),
    /// A snapshot; with the runtime state where `runtime` is set.
    Snapshot {
        /// It.
        snapshot: Arc<Snapshot>,
        /// How it is written.
        form: Form,
        /// Whether the answer is to `status`.
        runtime: bool,
    },
    /// What reads the kernel's maps: the engine has other things to do.
    MapsReader(Reader),
    /// What they hold.
    Maps(Arc<Dump>),
    /// How much there was lately.
    History(Box<History>),
}

impl Answer {
    /// An answer of one field.
    pub fn field(name: &str, value: impl Into<Value>) -> Self {
        Self::Fields(Map::from_iter([(name.to_string(), value.into())]))
    }
}

/// An answer, or what went wrong, in a sentence.
pub type Reply = Result<Answer, String>;

/// A command of the control protocol: its name, what it does, and how its request is read.
pub struct Command {
    /// The value of `"cmd"`.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    parse: fn(&Map<String, Value>) -> Result<Request, String>,
}

/// Every command of the control protocol.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "status",
        help: "settings and a snapshot",
        parse: |fields| Ok(Request::Status { limit: limit(fields)? }),
    },
    Command { name: "set", help: "change the filter or the interfaces", parse: parse_set },
    Command { name: "top", help: "show so many sources", parse: parse_top },
    Command { name: "pause", help: "stop counting", parse: |_| Ok(Request::Pause(true)) },
    Command { name: "resume", help: "go on counting", parse: |_| Ok(Request::Pause(false)) },
    Command { name: "reset", help: "start counting anew", parse: |_| Ok(Request::Reset) },
    Command {
        name: "snapshot",
        help: "everything counted so far",
        parse: |fields| Ok(Request::Snapshot { limit: limit(fields)?, form: form(fields)? }),
    },
    Command {
        name: "subscribe",
        help: "the settings and a snapshot, and again each time there is a new one, a line each, until the client hangs up",
        parse: |fields| Ok(Request::Subscribe { limit: limit(fields)?, form: form(fields)? }),
    },
    Command {
        name: "maps",
        help: "what the kernel's maps hold, CPU by CPU",
        parse: |fields| Ok(Request::Maps { limit: limit(fields)? }),
    },
    Command {
        name: "history",
        help: "the last minutes of one source, dst, port or prefix, which is followed from now on",
        parse: parse_history,
    },
    Command { name: "stop", help: "end the monitor", parse: |_| Ok(Request::Stop) },
];

/// Reads one request: a line of JSON.
///
/// # Errors
/// What is wrong with it.
pub fn parse(line: &[u8]) -> Result<Request, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("not a JSON request: {error}"))?;
    let Value::Object(fields) = value else { return Err("a request is a JSON object".into()) };
    let name = match fields.get("cmd") {
        None => "status",
        Some(Value::String(name)) => name,
        Some(other) => return Err(format!("cmd must be text, not {other}")),
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        let names: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
        return Err(format!("unknown command {name:?}; there are {}", names.join(", ")));
    };
    (command.parse)(&fields)
}

/// The token that came with a request, if one did.
pub fn token_of(line: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Credentials {
        token: String,
    }
    serde_json::from_slice(line).ok().map(|Credentials { token }| token)
}

/// Writes the whole answer as JSON, one line.
///
/// # Errors
/// What `out` says.
pub fn write_json(reply: &Reply, out: impl io::Write) -> io::Result<()> {
    /// A snapshot, in the form that was asked for.
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Written<'a> {
        Flat(Box<Flat>),
        Grouped(Selected<'a>),
    }
    #[derive(Default, Serialize)]
    struct Whole<'a> {
        ok: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        runtime: Option<&'a Runtime>,
        #[serde(skip_serializing_if = "Option::is_none")]
        snapshot: Option<Written<'a>>,
        #[serde(flatten)]
        fields: Option<&'a Map<String, Value>>,
        #[serde(flatten)]
        maps: Option<&'a Dump>,
        #[serde(skip_serializing_if = "Option::is_none")]
        history: Option<&'a History>,
    }
    let mut whole = Whole { ok: true, ..Whole::default() };
    match reply {
        Err(error) => whole = Whole { ok: false, error: Some(error), ..whole },
        Ok(Answer::Fields(fields)) => whole.fields = Some(fields),
        Ok(Answer::Snapshot { snapshot, form, runtime }) => {
            whole.runtime = runtime.then_some(&snapshot.meta.runtime);
            whole.snapshot = Some(match form {
                Form::Flat => Written::Flat(Box::new((&**snapshot).into())),
                Form::Grouped(groups) => Written::Grouped(Selected { snapshot, groups }),
            });
        }
        Ok(Answer::Maps(dump)) => whole.maps = Some(dump),
        Ok(Answer::MapsReader(_)) => whole = Whole { ok: false, error: Some("only over the control socket"), ..whole },
        Ok(Answer::History(history)) => whole.history = Some(history),
    }
    json::line(&whole, out)
}

fn limit(fields: &Map<String, Value>) -> Result<usize, String> {
    match fields.get("limit") {
        None | Some(Value::Null) => Ok(crate::snapshot::DEFAULT_LIMIT),
        Some(value) => value
            .as_u64()
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or_else(|| format!("limit must be a whole number, 0 for all, not {value}")),
    }
}

/// The form that is asked for by `schema`, with the `groups` named beside it, or all of them. A newer schema is answered with the
/// newest that is known here.
fn form(fields: &Map<String, Value>) -> Result<Form, String> {
    let schema = match fields.get("schema") {
        None | Some(Value::Null) => 1,
        Some(value) => value
            .as_u64()
            .filter(|schema| *schema > 0)
            .ok_or_else(|| format!("schema must be a whole number from 1, not {value}"))?,
    };
    let groups = match fields.get("groups") {
        None | Some(Value::Null) => return Ok(if schema < SCHEMA.into() { Form::Flat } else { Form::whole() }),
        Some(_) if schema < SCHEMA.into() => return Err(format!("groups are those of \"schema\": {SCHEMA}")),
        Some(Value::Array(groups)) => groups,
        Some(other) => return Err(format!("groups must be a list of names, not {other}")),
    };
    let known = || Group::ALL.iter().map(|group| group.name()).collect::<Vec<_>>().join(", ");
    let group = |name: &Value| {
        let group = name.as_str().and_then(Group::named);
        group.ok_or_else(|| format!("there is no group {name}; there are {}", known()))
    };
    let mut groups = groups.iter().map(group).collect::<Result<Vec<_>, _>>()?;
    groups.sort_unstable();
    groups.dedup();
    Ok(Form::Grouped(groups))
}

/// Of exactly one thing.
fn parse_history(fields: &Map<String, Value>) -> Result<Request, String> {
    /// Names, and how a value is read.
    type Kind = (&'static str, fn(&str) -> Option<Subject>);
    const KINDS: [Kind; 4] = [
        ("source", |text| text.parse().ok().map(Subject::Source)),
        ("dst", |text| text.parse().ok().map(Subject::Destination)),
        ("port", |text| text.parse().ok().map(Subject::Port)),
        ("prefix", |text| text.parse().ok().map(Subject::Prefix)),
    ];
    let mut subjects = KINDS.iter().filter_map(|(name, read)| Some((name, read, fields.get(*name)?)));
    let (Some((name, read, value)), None) = (subjects.next(), subjects.next()) else {
        return Err("history needs one of source, dst, port, prefix".into());
    };
    let text = match value {
        Value::String(text) => text.trim().to_string(),
        other => other.to_string(),
    };
    read(&text).map(Request::History).ok_or_else(|| format!("{value} is no {name} whose history can be told"))
}

fn parse_top(fields: &Map<String, Value>) -> Result<Request, String> {
    let value = fields.get("top").ok_or("top needs a number")?;
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.map(Request::Top).ok_or_else(|| format!("top must be a whole number, not {value}"))
}

fn parse_set(fields: &Map<String, Value>) -> Result<Request, String> {
    let text = |key: &str| match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(format!("{key} must be text, not {other}")),
    };
    let ports = match fields.get("ports") {
        None | Some(Value::Null) => None,
        Some(Value::Array(ports)) => {
            let texts: Result<Vec<_>, _> = ports
                .iter()
                .map(|port| port.as_u64().map(|port| port.to_string()).ok_or(format!("{port} is not a port")))
                .collect();
            Some(texts?.join(","))
        }
        Some(other) => return Err(format!("ports must be a list of numbers, not {other}")),
    };
    let change = FilterChange {
        dst: text("dst")?,
        src: text("src")?,
        port: ports.or(text("port")?),
        proto: text("proto")?,
        iface: text("iface")?,
    };
    Ok(Request::Set(change))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_the_classic_writes_them() {
        let change = |change| Ok(Request::Set(change));
        let text = |text: &str| Some(text.to_string());
        for (line, expected) in [
            (r#"{"cmd":"status"}"#, Ok(Request::Status { limit: 1000 })),
            ("{}", Ok(Request::Status { limit: 1000 })),
            (r#"{"cmd":"snapshot","limit":0}"#, Ok(Request::Snapshot { limit: 0, form: Form::Flat })),
            (r#"{"cmd":"subscribe","limit":5}"#, Ok(Request::Subscribe { limit: 5, form: Form::Flat })),
            (r#"{"cmd":"subscribe","limit":5,"schema":2}"#, Ok(Request::Subscribe { limit: 5, form: Form::whole() })),
            (
                r#"{"cmd":"snapshot","limit":5,"schema":99,"groups":["host","traffic","host"]}"#,
                Ok(Request::Snapshot { limit: 5, form: Form::Grouped(vec![Group::Traffic, Group::Host]) }),
            ),
            (r#"{"cmd":"snapshot","limit":5,"schema":1}"#, Ok(Request::Snapshot { limit: 5, form: Form::Flat })),
            (r#"{"cmd":"top","top":30}"#, Ok(Request::Top(30))),
            (r#"{"cmd":"top","top":"7"}"#, Ok(Request::Top(7))),
            (r#"{"cmd":"pause"}"#, Ok(Request::Pause(true))),
            (r#"{"cmd":"resume"}"#, Ok(Request::Pause(false))),
            (r#"{"cmd":"set","dst":"10.0.0.1"}"#, change(FilterChange { dst: text("10.0.0.1"), ..Default::default() })),
            (r#"{"cmd":"set","ports":[443,80]}"#, change(FilterChange { port: text("443,80"), ..Default::default() })),
            (r#"{"cmd":"set","port":80}"#, change(FilterChange { port: text("80"), ..Default::default() })),
            (r#"{"cmd":"set"}"#, change(FilterChange::default())),
            (r#"{"cmd":"stop"}"#, Ok(Request::Stop)),
            (r#"{"cmd":"history","port":443}"#, Ok(Request::History(Subject::Port(443)))),
            (
                r#"{"cmd":"history","prefix":"192.0.2.0/24"}"#,
                Ok(Request::History(Subject::Prefix("192.0.2.0/24".parse().unwrap()))),
            ),
        ] {
            assert_eq!(parse(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn bad_requests_say_what_is_wrong() {
        for (line, part) in [
            ("", "not a JSON request"),
            ("[1]", "JSON object"),
            (r#"{"cmd":"dance"}"#, "unknown command \"dance\""),
            (r#"{"cmd":5}"#, "cmd must be text"),
            (r#"{"cmd":"set","dst":[]}"#, "dst must be text"),
            (r#"{"cmd":"set","ports":["x"]}"#, "not a port"),
            (r#"{"cmd":"top"}"#, "needs a number"),
            (r#"{"cmd":"top","top":1.5}"#, "whole number"),
            (r#"{"cmd":"snapshot","limit":-1}"#, "whole number"),
            (r#"{"cmd":"snapshot","schema":"2"}"#, "schema must be a whole number"),
            (r#"{"cmd":"snapshot","schema":0}"#, "schema must be a whole number"),
            (r#"{"cmd":"snapshot","groups":["host"]}"#, "\"schema\": 2"),
            (r#"{"cmd":"snapshot","schema":2,"groups":"host"}"#, "must be a list"),
            (r#"{"cmd":"subscribe","schema":2,"groups":["ips"]}"#, "no group \"ips\"; there are meta, "),
            (r#"{"cmd":"history"}"#, "needs one of"),
            (r#"{"cmd":"history","port":1,"dst":"192.0.2.1"}"#, "needs one of"),
            (r#"{"cmd":"history","prefix":"192.0.2.0/20"}"#, "no prefix whose"),
            (r#"{"cmd":"history","source":"here"}"#, "no source whose"),
        ] {
            let error = parse(line.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
