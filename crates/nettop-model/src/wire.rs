//! Requests and answers as JSON, at a client's end: what [`parse`](crate::request::parse) reads and [`write_json`](crate::request::write_json) wrote.

use std::{borrow::Cow, io};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};

use crate::{
    flat::{self, Flat},
    json,
    request::{Answer, FilterChange, Form, Reply, Request},
    snapshot::{History, Runtime, SCHEMA, Selected, Snapshot, Subject, VERSION},
};

/// Characters of an error that comes from a monitor, at most: it may be none.
const ERROR: usize = 400;

impl Request {
    /// As the server reads it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Set(FilterChange { dst, src, port, proto, iface }) => {
                json!({"cmd": "set", "dst": dst, "src": src, "port": port, "proto": proto, "iface": iface})
            }
            Self::Top(top) => json!({"cmd": "top", "top": top}),
            Self::Pause(true) => json!({"cmd": "pause"}),
            Self::Pause(false) => json!({"cmd": "resume"}),
            Self::Reset => json!({"cmd": "reset"}),
            Self::Status { limit } => json!({"cmd": "status", "limit": limit}),
            Self::Snapshot { limit, form } => with_form("snapshot", *limit, form),
            Self::Subscribe { limit, form } => with_form("subscribe", *limit, form),
            Self::Maps { limit } => json!({"cmd": "maps", "limit": limit}),
            Self::History(subject) => {
                let (kind, value) = match subject {
                    Subject::Source(ip) => ("source", ip.to_string()),
                    Subject::Destination(ip) => ("dst", ip.to_string()),
                    Subject::Port(port) => ("port", port.to_string()),
                    Subject::Prefix(prefix) => ("prefix", prefix.to_string()),
                };
                json!({"cmd": "history", kind: value})
            }
            Self::Stop => json!({"cmd": "stop"}),
        }
    }
}

fn with_form(command: &str, limit: usize, form: &Form) -> Value {
    match form {
        Form::Flat => json!({"cmd": command, "limit": limit}),
        Form::Grouped(groups) => {
            let groups: Vec<_> = groups.iter().map(|group| group.name()).collect();
            json!({"cmd": command, "limit": limit, "schema": SCHEMA, "groups": groups})
        }
    }
}

/// What every answer begins with.
#[derive(Deserialize)]
pub struct Head<'a> {
    /// Whether it worked.
    ok: bool,
    /// What went wrong.
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    /// The monitor's, where it is a subscriber's line.
    #[serde(borrow)]
    pub version: Option<Cow<'a, str>>,
    /// Snapshots that the subscriber missed before this one.
    #[serde(default)]
    pub missed: u64,
}

/// Reads the beginning of an answer.
///
/// # Errors
/// What the monitor says, or that it is no answer.
pub fn head(line: &[u8]) -> Result<Head<'_>, String> {
    let head: Head = read(line)?;
    if head.ok {
        return Ok(head);
    }
    Err(head
        .error
        .map_or("the monitor refuses, and does not say why".into(), |text| text.chars().take(ERROR).collect()))
}

/// Reads the answer to a request.
pub fn answer(request: &Request, line: &[u8]) -> Reply {
    #[derive(Deserialize)]
    struct OfHistory {
        history: History,
    }
    head(line)?;
    match request {
        Request::History(_) => read(line).map(|OfHistory { history }| Answer::History(history.into())),
        Request::Status { .. } => snapshot(line).map(|snapshot| Answer::Snapshot {
            snapshot: snapshot.into(),
            form: Form::Flat,
            runtime: true,
        }),
        Request::Snapshot { form, .. } => snapshot(line).map(|snapshot| Answer::Snapshot {
            snapshot: snapshot.into(),
            form: form.clone(),
            runtime: false,
        }),
        _ => read::<Map<String, Value>>(line).map(|mut fields| {
            fields.remove("ok");
            Answer::Fields(fields)
        }),
    }
}

/// Writes what a subscriber gets of a published snapshot, in one line, but for `ok` and `missed`.
///
/// # Errors
/// What `out` says.
pub fn write_published(snapshot: &Snapshot, form: &Form, out: impl io::Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Grouped<'a> {
        version: &'static str,
        /// Seconds between two lines.
        interval: f64,
        snapshot: Selected<'a>,
    }
    match form {
        Form::Flat => json::line(&flat::Line::from(snapshot), out),
        Form::Grouped(groups) => {
            let (interval, selected) = (snapshot.monitor.tick.interval, Selected { snapshot, groups });
            json::line(&Grouped { version: VERSION, interval, snapshot: selected }, out)
        }
    }
}

/// Reads a snapshot, with what stands beside it in a flat form: whatever was asked for, an older monitor knows no other.
///
/// # Errors
/// It is none.
pub fn snapshot(line: &[u8]) -> Result<Snapshot, String> {
    /// What tells the forms apart.
    #[derive(Deserialize)]
    struct Schema {
        schema: Option<u32>,
    }
    #[derive(Deserialize)]
    struct Whole<'a> {
        #[serde(borrow)]
        snapshot: &'a RawValue,
        #[serde(borrow, default)]
        rows: Option<&'a RawValue>,
        #[serde(default)]
        runtime: Option<Runtime>,
    }
    let Whole { snapshot, rows, runtime } = read(line)?;
    let text = snapshot.get().as_bytes();
    if read::<Schema>(text)?.schema.is_some() {
        return read(text);
    }
    if rows.is_some() {
        return read::<flat::Line>(line).map(Snapshot::from);
    }
    let mut snapshot = read::<Flat>(text).map(Snapshot::from)?;
    snapshot.meta.runtime = runtime.unwrap_or_default();
    Ok(snapshot)
}

fn read<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| format!("the monitor's answer cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        request::{parse, write_json},
        snapshot::{Group, Traffic},
    };

    #[test]
    fn what_is_asked_is_what_is_read() {
        let some = |text: &str| Some(text.to_string());
        let history = |subject| Request::History(subject);
        for request in [
            Request::Set(FilterChange { dst: some("10.0.0.0/8"), iface: some(""), ..FilterChange::default() }),
            Request::Top(7),
            Request::Pause(true),
            Request::Pause(false),
            Request::Reset,
            Request::Status { limit: 3 },
            Request::Snapshot { limit: 0, form: Form::Flat },
            Request::Snapshot { limit: 2, form: Form::Grouped(vec![Group::Host]) },
            Request::Subscribe { limit: 1000, form: Form::whole() },
            Request::Maps { limit: 1 },
            history(Subject::Source([192, 0, 2, 1].into())),
            history(Subject::Destination([192, 0, 2, 1].into())),
            history(Subject::Port(0)),
            history(Subject::Prefix("192.0.2.0/24".parse().unwrap())),
            Request::Stop,
        ] {
            assert_eq!(parse(request.to_json().to_string().as_bytes()), Ok(request));
        }
    }

    #[test]
    fn answers_are_read_as_they_were_given() {
        let sent = |request: &Request, reply: &Reply| {
            let mut line = Vec::new();
            write_json(reply, &mut line).unwrap();
            answer(request, &line)
        };
        let history = History { seconds: vec![Default::default(); 3], tens: Vec::new() };
        let asked = Request::History(Subject::Port(1));
        assert!(
            matches!(sent(&asked, &Ok(Answer::History(history.clone().into()))), Ok(Answer::History(told)) if *told == history)
        );
        let traffic = Traffic { packets: 7, ..Traffic::default() };
        let snapshot = Arc::new(Snapshot { traffic, ..Snapshot::default() });
        for form in [Form::Flat, Form::whole()] {
            let whole = Answer::Snapshot { snapshot: snapshot.clone(), form: form.clone(), runtime: false };
            let told = sent(&Request::Snapshot { limit: 0, form }, &Ok(whole));
            assert!(matches!(told, Ok(Answer::Snapshot { snapshot, .. }) if snapshot.traffic.packets == 7));
        }
        // Whatever was asked for, an older monitor answers in the flat form.
        let whole = Answer::Snapshot { snapshot, form: Form::Flat, runtime: false };
        let told = sent(&Request::Snapshot { limit: 0, form: Form::whole() }, &Ok(whole));
        assert!(matches!(told, Ok(Answer::Snapshot { snapshot, .. }) if snapshot.traffic.packets == 7));
        let told = sent(&Request::Top(9), &Ok(Answer::field("top", 9)));
        assert!(matches!(told, Ok(Answer::Fields(fields)) if fields.len() == 1 && fields["top"] == 9));
        assert_eq!(sent(&Request::Reset, &Err("no".into())).unwrap_err(), "no");
        for text in ["", "[]", "{\"ok\":1}", "{\"ok\":true,\"history\":7}", "{\"ok\":false}"] {
            assert!(answer(&asked, text.as_bytes()).is_err(), "{text}");
        }
        let long = format!("{{\"ok\":false,\"error\":\"{}\"}}", "x".repeat(1 << 20));
        assert_eq!(answer(&asked, long.as_bytes()).unwrap_err().len(), ERROR);
    }
}
