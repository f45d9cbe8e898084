//! The file of the audit: which one it is, and opening it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nettop_engine::sinks;
use nettop_export::{append_file::AppendFile, state::StateDir};
use nettop_model::snapshot::Degraded;
use nettop_process::cause;
use nettop_sandbox::Invoker;

/// Its name in the folder of `--state`.
const NAME: &str = "audit.jsonl";

/// Opens the file that was asked for, else the one in the state folder, for the user who called sudo, if somebody did. What keeps the latter
/// from being written is added to `found`: the monitor starts all the same.
///
/// # Errors
/// The file that was asked for cannot be opened; names it and the option.
pub fn open(
    option: Option<&Path>,
    state: Option<&StateDir>,
    invoker: Option<&Invoker>,
    found: &mut Vec<Degraded>,
) -> Result<Option<AppendFile>> {
    let open = |path: &Path| Invoker::open_first(invoker, || Ok(AppendFile::open_private(path)?));
    if let Some(path) = option {
        let opened = open(path);
        return opened
            .map(Some)
            .with_context(|| format!("opening {} to append to; name another with --audit", path.display()));
    }
    let Some(path) = state.map(|state| -> PathBuf { state.path().join(NAME) }) else { return Ok(None) };
    Ok(open(&path)
        .inspect_err(|error| found.push(sinks::audit_lost(&path.display().to_string(), 0, cause::told(error))))
        .ok())
}
