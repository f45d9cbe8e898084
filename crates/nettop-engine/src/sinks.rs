//! What the engine writes to files as it goes: sampled packets, alerts, and what is to outlive the process.

use std::{io, sync::Arc, time::Instant};

use nettop_collect::record::Line;
use nettop_common::Event;
use nettop_export::{
    append_file::AppendFile,
    jsonl::{Jsonl, LAST_WRITES, Reopener, RowsFile},
    record::Recorder,
    state::StateWriter,
};
use nettop_model::{
    request::Request,
    snapshot::{Alert, Connection, Degraded, Export, ExportRow, Sampled},
};

use crate::blocks::audit;

/// The files, where there are any.
#[derive(Debug, Default)]
pub struct Sinks {
    events: Option<Jsonl<Sampled>>,
    alerts: Option<Jsonl<Alert>>,
    connections: Option<Jsonl<Connection>>,
    audit: Option<Jsonl<audit::Row>>,
    record: Option<Arc<Recorder<Line>>>,
    state: Option<StateWriter>,
}

impl Sinks {
    /// Starts to write to these files.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        events: Option<AppendFile>,
        alerts: Option<AppendFile>,
        connections: Option<AppendFile>,
    ) -> io::Result<Self> {
        Ok(Self {
            events: events.map(|target| Jsonl::start(Export::Events, target)).transpose()?,
            alerts: alerts.map(|target| Jsonl::start(Export::Alerts, target)).transpose()?,
            connections: connections.map(|target| Jsonl::start(Export::Connections, target)).transpose()?,
            audit: None,
            record: None,
            state: None,
        })
    }

    /// From now on what is blocked and refused is written down there.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn keep_audit(&mut self, target: AppendFile) -> io::Result<()> {
        self.audit = Some(Jsonl::start_synced(Export::Audit, target)?);
        Ok(())
    }

    /// From now on readings are recorded: collectors write theirs, the engine what it does beside.
    pub fn record(&mut self, recorder: Arc<Recorder<Line>>) {
        self.record = Some(recorder);
    }

    /// From now on there is a folder for what is to outlive the process.
    pub fn keep_state(&mut self, state: StateWriter) {
        self.state = Some(state);
    }

    /// Where to read what an earlier process has kept, and to hand over what the next one is to find; `None`: nothing is kept.
    /// Whoever keeps something hands it over before [`finish`](Self::finish).
    pub fn state(&self) -> Option<&StateWriter> {
        self.state.as_ref()
    }

    /// What could not be kept.
    pub fn state_degraded(&self) -> Vec<Degraded> {
        self.state.as_ref().map(StateWriter::degraded).unwrap_or_default()
    }

    /// A snapshot was published.
    pub fn tick(&self) {
        self.record.iter().for_each(|record| record.push(Line::Tick));
    }

    /// Something was asked that changes what is counted or shown.
    pub fn request(&self, request: &Request) {
        self.record.iter().for_each(|record| record.push(Line::Request(request.to_json())));
    }

    /// What is wrong with the recording.
    pub fn recording_degraded(&self) -> Option<Degraded> {
        self.record.as_ref()?.degraded()
    }

    /// From now on waits for a slow disk rather than lose rows.
    pub fn be_patient(&mut self) {
        self.files_mut().for_each(|file| file.be_patient());
    }

    /// Those that rows are appended to.
    fn files(&self) -> impl Iterator<Item = &dyn RowsFile> {
        let events = self.events.iter().map(|file| file as &dyn RowsFile);
        let alerts = self.alerts.iter().map(|file| file as &dyn RowsFile);
        let connections = self.connections.iter().map(|file| file as &dyn RowsFile);
        events.chain(alerts).chain(connections).chain(self.audit.iter().map(|file| file as &dyn RowsFile))
    }

    fn files_mut(&mut self) -> impl Iterator<Item = &mut dyn RowsFile> {
        let events = self.events.iter_mut().map(|file| file as &mut dyn RowsFile);
        let alerts = self.alerts.iter_mut().map(|file| file as &mut dyn RowsFile);
        let connections = self.connections.iter_mut().map(|file| file as &mut dyn RowsFile);
        events.chain(alerts).chain(connections).chain(self.audit.iter_mut().map(|file| file as &mut dyn RowsFile))
    }

    /// Adds a sampled packet.
    pub fn event(&mut self, event: &Event, unix_offset_ns: u64) {
        if let Some(events) = &mut self.events {
            events.push(Sampled { event: *event, unix_offset_ns });
        }
    }

    /// Adds an alert that was raised, or is over.
    pub fn alert(&mut self, alert: Alert) {
        if let Some(alerts) = &mut self.alerts {
            alerts.push(alert);
        }
    }

    /// Adds a connection that has ended.
    pub fn connection(&mut self, connection: &Connection) {
        if let Some(connections) = &mut self.connections {
            connections.push(connection.clone());
        }
    }

    /// Has written down what was blocked or refused, at once.
    pub fn audit(&mut self, row: audit::Row) {
        if let Some(audit) = &mut self.audit {
            audit.push(row);
            audit.flush();
        }
    }

    /// Hands over what was added, without waiting.
    pub fn flush(&mut self) {
        self.files_mut().for_each(|file| file.flush());
    }

    /// Ends, and waits a little for the last writes.
    pub fn finish(&mut self) {
        // All of them meanwhile, rather than one after the other.
        self.files_mut().for_each(|file| file.close());
        self.state.iter().for_each(StateWriter::close);
        let until = Instant::now() + LAST_WRITES;
        self.files_mut().for_each(|file| file.finish_until(until));
        self.state.iter().for_each(|state| state.finish_until(until));
        self.record.iter().for_each(|record| record.finish());
    }

    /// What became of the rows so far.
    pub fn rows(&self) -> Vec<ExportRow> {
        self.files().map(|file| file.row()).collect()
    }

    /// For SIGHUP, one for each file.
    pub fn reopeners(&self) -> Vec<Reopener> {
        self.files().map(|file| file.reopener()).collect()
    }
}

/// That it is not written down who blocks what. Blocks are made all the same.
pub fn audit_lost(path: &str, lost: u64, reason: String) -> Degraded {
    let what = match lost {
        0 => format!("what is blocked is not written down in {path}"),
        _ => format!("{lost} lines of what was blocked are missing from {path}"),
    };
    let remedy = "make room, or name another file with --audit; blocks are made all the same";
    Degraded { badge: "AUDIT LOST".into(), what, reason, remedy: remedy.into() }
}

/// What is wrong with the files.
pub fn degraded(rows: &[ExportRow]) -> impl Iterator<Item = Degraded> + '_ {
    rows.iter().filter_map(|ExportRow { kind, path, lost, error, .. }| {
        if *kind == Export::Audit {
            let reason = error.clone().or_else(|| (*lost > 0).then(|| "it is not written fast enough".into()))?;
            return Some(audit_lost(path, *lost, reason));
        }
        let what = format!("{} are missing from {path}", kind.label());
        let (what, reason, remedy) = match error {
            Some(error) if *lost == 0 => (
                format!("{} are written to a file that was renamed", kind.label()),
                error.clone(),
                "rotate with copytruncate, or let nettop's user write to the folder; then SIGHUP again",
            ),
            Some(error) => (what, format!("{lost} lines lost: {error}"), "make room, or name another file"),
            None if *lost > 0 => (
                what,
                format!("{lost} lines lost: the file could not be written, or not fast enough"),
                match kind {
                    Export::Events => "a lower --event-rate, or a faster disk",
                    Export::Alerts | Export::Connections | Export::Audit => "a faster disk",
                },
            ),
            None => return None,
        };
        let badge = format!("{} file", kind.label());
        Some(Degraded { badge, what, reason, remedy: remedy.into() })
    })
}
