//! Requests and answers as JSON, at a client's end: what [`parse`](crate::request::parse) reads and [`write_json`](crate::request::write_json) wrote.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    request::{Answer, FilterChange, Reply, Request},
    snapshot::{History, Runtime, Snapshot, Subject},
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
            Self::Snapshot { limit } => json!({"cmd": "snapshot", "limit": limit}),
            Self::Subscribe { limit } => json!({"cmd": "subscribe", "limit": limit}),
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
    #[derive(Deserialize)]
    struct OfSnapshot {
        #[serde(default)]
        runtime: Option<Runtime>,
        snapshot: Snapshot,
    }
    head(line)?;
    match request {
        Request::History(_) => read(line).map(|OfHistory { history }| Answer::History(history.into())),
        Request::Status { .. } | Request::Snapshot { .. } => read(line).map(|OfSnapshot { runtime, mut snapshot }| {
            let told = runtime.is_some();
            snapshot.runtime = runtime.unwrap_or_default();
            Answer::Snapshot { snapshot: snapshot.into(), runtime: told }
        }),
        _ => read::<Map<String, Value>>(line).map(|mut fields| {
            fields.remove("ok");
            Answer::Fields(fields)
        }),
    }
}

fn read<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| format!("the monitor's answer cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{parse, write_json};

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
            Request::Snapshot { limit: 0 },
            Request::Subscribe { limit: 1000 },
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
        let snapshot = Snapshot { total_packets: 7, ..Snapshot::default() };
        let whole = Answer::Snapshot { snapshot: snapshot.into(), runtime: false };
        let told = sent(&Request::Snapshot { limit: 0 }, &Ok(whole));
        assert!(matches!(told, Ok(Answer::Snapshot { snapshot, runtime: false }) if snapshot.total_packets == 7));
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
