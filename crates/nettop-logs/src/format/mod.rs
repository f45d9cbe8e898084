//! Formats of access logs. What a user or a table writes is compiled once to steps (`steps`), or to the paths of a JSON object (`json`);
//! which of the [`PRESETS`] a file has is told from its lines, and never line by line.

mod access;
mod auto;
pub mod compile;
mod fields;
mod json;
mod presets;
mod steps;
mod w3c;

use std::sync::Arc;

use anyhow::{Result, bail};

pub use self::{
    access::{Access, Parsed, cut},
    auto::Auto,
    fields::{Fields, Miss, VARIABLES, Variable},
    presets::{PRESETS, Preset},
};
use self::{json::Json, steps::Steps, w3c::W3c};

/// How a file is read.
#[derive(Clone, Debug)]
pub struct Format {
    /// What it is called.
    pub name: Arc<str>,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    Steps(Arc<Steps>),
    Json(Arc<Json>),
    W3c(W3c),
}

/// What was asked for.
#[derive(Clone, Debug)]
pub enum Choice {
    /// Whichever fits, these first.
    Auto(Vec<Format>),
    /// This one.
    One(Format),
}

impl Default for Choice {
    fn default() -> Self {
        Self::Auto(Vec::new())
    }
}

impl Format {
    /// A format as a user writes it: the name of a preset or of one of `named`, `json` with paths, or the text of nginx's `log_format` or Apache's
    /// `LogFormat`.
    ///
    /// # Errors
    /// What is wrong with it, and what there is.
    pub fn parse(text: &str, named: &[Self]) -> Result<Self> {
        if let Some(found) = named.iter().find(|format| *format.name == *text) {
            return Ok(found.clone());
        }
        if let Some(preset) = PRESETS.iter().find(|preset| preset.name == text) {
            return preset.format();
        }
        if let Some(paths) = text.strip_prefix("json:") {
            return Ok(Self { name: "json".into(), how: How::Json(Arc::new(Json::parse(paths)?)) });
        }
        let compiled = match text {
            text if text.contains('$') => compile::nginx(text)?,
            text if text.contains('%') => compile::apache(text)?,
            _ => {
                let presets = PRESETS.iter().map(|preset| preset.name);
                let named = named.iter().map(|format| &*format.name);
                let all: Vec<_> = ["auto"].into_iter().chain(named).chain(presets).collect();
                bail!(
                    "{text:?} is no format: there are {}, json:client=PATH,status=PATH,…, and what nginx has after log_format, or Apache after \
                     LogFormat",
                    all.join(", ")
                )
            }
        };
        Ok(Self { name: "custom".into(), how: How::Steps(Arc::new(compiled)) })
    }

    /// One of steps.
    pub fn of_steps(name: &str, steps: Steps) -> Self {
        Self { name: name.into(), how: How::Steps(Arc::new(steps)) }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// It is of another format, or contradicts this one.
    pub fn read<'a>(&mut self, line: &'a str) -> Result<Fields<'a>, Miss> {
        let line = contained(line);
        match &mut self.how {
            How::Steps(steps) => steps.read(line),
            How::Json(json) => json.read(line),
            How::W3c(w3c) => w3c.read(line),
        }
    }
}

/// A line without what runtimes of containers put in front: `2025-12-31T17:37:40.493035218+01:00 stdout F `.
fn contained(line: &str) -> &str {
    let bytes = line.as_bytes();
    if bytes.get(4) != Some(&b'-') || bytes.get(10) != Some(&b'T') {
        return line;
    }
    let rest =
        line.split_once(' ').and_then(|(_, rest)| rest.strip_prefix("stdout F ").or(rest.strip_prefix("stderr F ")));
    rest.unwrap_or(line)
}

#[cfg(test)]
mod tests;
