//! What is collected, and whether it is recorded.

use std::{io, sync::Arc};

use anyhow::{Context as _, Result};
use nettop_collect::{
    collector::Collector,
    record::{Begin, Line, Recording, RecordingCollector, SCHEMA, Sink},
    traffic::Traffic,
};
use nettop_common::counters::Table;
use nettop_engine::{
    Settings,
    replay::{Player, RecordedSettings},
};
use nettop_export::record::{RecordFile, Recorder};
use nettop_model::snapshot::VERSION;

use crate::cli::RunArgs;

/// What is collected.
pub struct Inputs {
    /// Packets.
    pub traffic: Box<dyn Traffic>,
    /// What else, each at its own pace.
    pub beside: Vec<Box<dyn Collector>>,
    /// What readings are written to as well.
    pub record: Option<RecordFile>,
    /// What plays a recording.
    pub player: Option<Player>,
}

impl Inputs {
    /// Nothing but packets, where they are not this host's.
    pub fn only(traffic: Box<dyn Traffic>) -> Self {
        Self { traffic, beside: Vec::new(), record: None, player: None }
    }

    /// The same, with everything that is read written to the file, where there is one. To be called after privileges were given
    /// up: it starts a thread.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn recorded(self, settings: &Settings) -> io::Result<(Self, Option<Arc<Recorder<Line>>>)> {
        let Self { traffic, beside, record: Some(file), player } = self else { return Ok((self, None)) };
        let recorder = Arc::new(file.start(Line::Dropped)?);
        let to = Arc::clone(&recorder);
        let sink: Sink = Arc::new(move |line| to.push(line));
        let recording = Recording::new(traffic, Arc::clone(&sink));
        sink(Line::Begin(Box::new(begin(&recording, settings))));
        let beside = beside
            .into_iter()
            .map(|inner| -> Box<dyn Collector> { Box::new(RecordingCollector { inner, sink: Arc::clone(&sink) }) });
        let inputs = Self { traffic: Box::new(recording), beside: beside.collect(), record: None, player };
        Ok((inputs, Some(recorder)))
    }
}

fn begin(traffic: &dyn Traffic, settings: &Settings) -> Begin {
    let tables = Table::ALL.iter().map(|table| traffic.capacity(*table));
    Begin {
        schema: SCHEMA,
        version: VERSION.into(),
        at: traffic.begins(),
        interfaces: traffic.interface_names(),
        unique_key: traffic.unique_key().map(|key| key.0),
        capacity: tables.chain([traffic.log_fill().map(|row| row.capacity)]).collect(),
        keys_stay: traffic.keys_stay(),
        settings: serde_json::to_value(RecordedSettings::of(settings)).unwrap_or_default(),
    }
}

/// Opens the file of `--record`, where there is that option.
///
/// # Errors
/// Names the file and the option.
pub fn open_record(args: &RunArgs) -> Result<Option<RecordFile>> {
    let open = |path: &std::path::PathBuf| {
        RecordFile::open(path, args.record_max << 20)
            .with_context(|| format!("opening {} to record to; name another with --record", path.display()))
    };
    args.record.as_ref().map(open).transpose()
}
