//! Answers and published snapshots as JSON, one line each.

use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Answer, Reply};
use crate::{
    flat::{self, Flat},
    form::Form,
    json,
    kernel_maps::Dump,
    snapshot::{History, Runtime, Selected, Snapshot, VERSION},
};

/// Writes the whole answer as JSON, one line.
///
/// # Errors
/// What `out` says.
pub fn write_json(reply: &Reply, out: &mut dyn io::Write) -> io::Result<()> {
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
    json::long_line(&whole, out)
}

/// Writes what a subscriber gets of a published snapshot, in one line, but for `ok` and `missed`.
///
/// # Errors
/// What `out` says.
pub fn write_published(snapshot: &Snapshot, form: &Form, out: &mut dyn io::Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Grouped<'a> {
        version: &'static str,
        /// Seconds between two lines.
        interval: f64,
        snapshot: Selected<'a>,
    }
    match form {
        Form::Flat => json::long_line(&flat::Line::from(snapshot), out),
        Form::Grouped(groups) => {
            let (interval, selected) = (snapshot.monitor.tick.interval, Selected { snapshot, groups });
            json::long_line(&Grouped { version: VERSION, interval, snapshot: selected }, out)
        }
    }
}
