//! Reads answers at a client's end. They may come from another version, or from no monitor at all.
//!
//! What reads them is `#[inline]`: so it is compiled with the client, for size, and not with what writes, for speed.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{Answer, Reply};
use crate::{json, snapshot::Snapshot};

/// Maximum length of an error from a monitor, characters; the rest is cut off, as any process may have sent it.
const ERROR: usize = 400;

/// What every answer begins with.
#[derive(Deserialize)]
pub struct Head<'a> {
    /// Whether it worked.
    ok: bool,
    /// What went wrong.
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    /// Version of the monitor; only in a subscriber's lines.
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
#[inline]
pub fn head(line: &[u8]) -> Result<Head<'_>, String> {
    let head: Head = parse(line)?;
    if head.ok {
        return Ok(head);
    }
    Err(head
        .error
        .map_or("the monitor refuses, and does not say why".into(), |text| text.chars().take(ERROR).collect()))
}

/// Reads a snapshot in groups.
///
/// # Errors
/// It is none, or that of a monitor that knows no groups.
#[inline]
pub fn snapshot(line: &[u8]) -> Result<Snapshot, String> {
    #[derive(Deserialize)]
    struct Schema {
        schema: Option<u32>,
    }
    #[derive(Deserialize)]
    struct Whole<'a> {
        #[serde(borrow)]
        snapshot: &'a RawValue,
    }
    let text = parse::<Whole>(line)?.snapshot.get().as_bytes();
    match parse::<Schema>(text)?.schema {
        Some(_) => parse(text),
        None => Err("the monitor sends its snapshots in the form of nettop 3 alone; update it".into()),
    }
}

/// Reads the fields of a short answer, without `ok`.
#[inline]
pub(crate) fn fields(line: &[u8]) -> Reply {
    parse::<Map<String, Value>>(line).map(|mut fields| {
        fields.remove("ok");
        Answer::Fields(fields)
    })
}

/// Reads a part of an answer.
pub(crate) fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    json::read(line).map_err(|error| format!("the monitor's answer cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        answer::write_json,
        request::{Form, Request, Snapshot as Ask, Top},
        snapshot::{History, Subject, Traffic},
    };

    #[test]
    fn answers_are_read_as_they_were_given() {
        let sent = |request: &Request, reply: &Reply| {
            let mut line = Vec::new();
            write_json(reply, &mut line).unwrap();
            request.read_answer(&line)
        };
        let history = History {
            seconds: vec![Default::default(); 3],
            classes: vec![(nettop_common::TrafficClass::Udp, vec![Default::default(); 2])],
            ..History::default()
        };
        let asked = Request::History(Subject::Port(1));
        assert!(
            matches!(sent(&asked, &Ok(Answer::History(history.clone().into()))), Ok(Answer::History(told)) if *told == history)
        );
        let traffic = Traffic { packets: 7, ..Traffic::default() };
        let snapshot = Arc::new(Snapshot { traffic, ..Snapshot::default() });
        for (form, expected) in [(Form::whole(), Ok(7)), (Form::Flat, Err(true))] {
            let whole = Answer::Snapshot { snapshot: snapshot.clone(), form, runtime: false };
            let told = sent(&Request::Snapshot(Ask { limit: 0, form: Form::whole() }), &Ok(whole));
            let told = told.map(|told| match told {
                Answer::Snapshot { snapshot, .. } => snapshot.traffic.packets,
                other => panic!("{other:?}"),
            });
            assert_eq!(told.map_err(|error| error.contains("update it")), expected);
        }
        let told = sent(&Request::Top(Top { count: 9 }), &Ok(Answer::field("top", 9)));
        assert!(matches!(told, Ok(Answer::Fields(fields)) if fields.len() == 1 && fields["top"] == 9));
        assert_eq!(sent(&Request::Reset, &Err("no".into())).unwrap_err(), "no");
        for text in ["", "[]", "{\"ok\":1}", "{\"ok\":true,\"history\":7}", "{\"ok\":false}"] {
            assert!(asked.read_answer(text.as_bytes()).is_err(), "{text}");
        }
        let long = format!("{{\"ok\":false,\"error\":\"{}\"}}", "x".repeat(1 << 20));
        assert_eq!(asked.read_answer(long.as_bytes()).unwrap_err().len(), ERROR);
    }
}
