//! Logs and patterns of one's own, as the files have them: `[[logs]]` and `[patterns]`.

use std::path::Path;

use nettop_logs::{
    LogSource, Patterns, Reads,
    format::{Choice, Format},
};
use toml::Spanned;

use super::{
    document::Document,
    quote::{list, quoted},
    tables::{Log, OF_LOGS},
};

/// What files say of logs.
#[derive(Clone, Debug, Default)]
pub struct ConfiguredLogs {
    /// What is notable in requests.
    pub patterns: Patterns,
    /// Logs that are followed, too.
    pub sources: Vec<LogSource>,
    /// The same as lines of a file.
    lines: Vec<String>,
}

/// What the last of `files` says that has a word of it.
///
/// # Errors
/// A pattern or a format that is none, with its place.
pub fn read(files: &[Document]) -> Result<ConfiguredLogs, String> {
    let mut configured = ConfiguredLogs::default();
    if let Some((file, written)) = files.iter().rev().find_map(|file| Some((file, file.tables.patterns.as_ref()?))) {
        let (table, place) = (written.get_ref(), file.place(&written.span()));
        for (key, one) in [("exploit", &table.exploit), ("agents", &table.agents)] {
            for pattern in one {
                let found = Patterns::with(std::slice::from_ref(pattern.get_ref()), &[]);
                found.map_err(|error| {
                    format!("{}: patterns.{key}: {}", file.place(&pattern.span()), error.root_cause())
                })?;
            }
        }
        let texts = |list: &[Spanned<String>]| list.iter().map(|text| text.get_ref().clone()).collect::<Vec<_>>();
        let (exploit, agents) = (texts(&table.exploit), texts(&table.agents));
        configured.patterns =
            Patterns::with(&exploit, &agents).map_err(|error| format!("{place}: patterns: {error:#}"))?;
        configured.lines.extend([
            String::new(),
            format!("[patterns]  # {place}"),
            format!("exploit = {}", list(exploit.into_iter())),
            format!("agents = {}", list(agents.into_iter())),
        ]);
    }
    if let Some((file, written)) = files.iter().rev().find_map(|file| Some((file, file.tables.logs.as_ref()?))) {
        for (log, number) in written.iter().zip(1..) {
            let Log { path, format, auth } = log.get_ref();
            let place = || format!("{}: log {number}", file.place(&log.span()));
            let Some(path) = path else {
                return Err(format!("{}: path: is missing: write which files it is", place()));
            };
            let reads = match format.as_deref() {
                Some(_) if *auth => return Err(format!("{}: format: logs of logins have none", place())),
                _ if *auth => Reads::Auth,
                None | Some("auto") => Reads::Access(Choice::default()),
                Some(format) => {
                    let found =
                        Format::parse(format, &[]).map_err(|error| format!("{}: format: {error:#}", place()))?;
                    Reads::Access(Choice::One(found))
                }
            };
            configured.sources.push(LogSource::new(Path::new(path), reads));
            configured.lines.extend([
                String::new(),
                format!("[[logs]]  # {}", file.place(&log.span())),
                format!("path = {}", quoted(path)),
            ]);
            configured.lines.extend(format.iter().map(|format| format!("format = {}", quoted(format))));
            configured.lines.extend(auth.then(|| "auth = true".into()));
        }
    }
    Ok(configured)
}

impl ConfiguredLogs {
    /// What is in force, as lines of a file.
    pub fn effective(&self) -> impl Iterator<Item = String> {
        self.lines.iter().cloned()
    }
}

/// Examples with what each key means, as comments of the sample.
pub fn sample() -> Vec<String> {
    let example = ["\"/srv/*/access.log\"", "\"combined\"", "false"];
    let keys = OF_LOGS.iter().zip(example).map(|((key, about), example)| format!("{key} = {example}  # {about}"));
    let mut lines = vec![
        "Further logs that are followed, any number of them; docs/logs.md has the formats. One of them:".into(),
        "[[logs]]".into(),
    ];
    lines.extend(keys);
    lines.extend([
        String::new(),
        "What is notable in requests, beside what is known: parts of what they ask for, and of agents; in lower or upper case.".into(),
        "[patterns]".into(),
        "exploit = [\"/secret-panel\"]".into(),
        "agents = [\"evilbot\"]".into(),
    ]);
    lines
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::catalogue::Catalogue;

    fn read_text(text: &str) -> Result<ConfiguredLogs, String> {
        let file = Document::read(PathBuf::from("/x.toml"), text, false, &Catalogue::new())?;
        read(&[file])
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            (
                "[patterns]\nexploit = [\"/ok\", \"\"]",
                "/x.toml:2:19: patterns.exploit: a pattern of fewer than two characters",
            ),
            ("[patterns]\nagents = [\"x\"]", "/x.toml:2:11: patterns.agents: a pattern of fewer"),
            ("[[logs]]\nformat = \"combined\"", "/x.toml:1:1: log 1: path: is missing"),
            ("[[logs]]\npath = \"/x\"\nformat = \"combimed\"", "/x.toml:1:1: log 1: format: \"combimed\" is no format"),
            (
                "[[logs]]\npath = \"/x\"\nformat = \"combined\"\nauth = true",
                "/x.toml:1:1: log 1: format: logs of logins",
            ),
        ] {
            let error = read_text(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn what_files_say_is_in_force() {
        let logs = read_text(
            "[patterns]\nexploit = [\"/panel\"]\n[[logs]]\npath = \"/a/*.log\"\n[[logs]]\npath = \"/b\"\nauth = true\n[[logs]]\npath = \"/c\"\nformat = \"caddy\"",
        );
        let logs = logs.unwrap();
        assert!(logs.patterns.marks("/PANEL", "") != Patterns::default().marks("/PANEL", ""));
        assert!(logs.sources.iter().all(|source| source.asked) && logs.sources.len() == 3);
        let lines: Vec<_> = logs.effective().collect();
        assert!(lines.contains(&"exploit = [\"/panel\"]".into()) && lines.contains(&"auth = true".into()), "{lines:?}");
    }
}
