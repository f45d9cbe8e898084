//! `nettopctl subscribe`: prints what a monitor publishes, as it comes.

use std::{
    io::{self, Write as _, stdout},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{
    connection::{MAX_LINE, Monitor},
    wire,
};
use crate::{export::json, visible::is_unseen};

/// Lines come as seldom as a monitor ticks: an hour at most.
const DEADLINE: Duration = Duration::from_secs(2 * 3600);

/// Prints so many lines (`None`: all that come) and hangs up; before that, when nobody reads them any more. Whether the monitor
/// sends any: else its refusal is printed.
///
/// # Errors
/// There is no monitor, or it ends before that.
pub fn print(monitor: &Monitor, request: Value, count: Option<u64>) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let mut connection = monitor.send(request).await?;
        let mut left = count.unwrap_or(u64::MAX);
        while left > 0 {
            let Some(line) = connection.line(MAX_LINE, DEADLINE).await? else {
                bail!("the monitor at {} has ended", monitor.endpoint);
            };
            match print_line(&line) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                written => written.context("writing to standard output")?,
            }
            if wire::head(&line).is_err() {
                return Ok(false);
            }
            left -= 1;
        }
        Ok(true)
    })
}

/// As it came; but escaped, should there be anything in it that a terminal would obey: then no monitor wrote it.
fn print_line(line: &[u8]) -> Result<(), io::Error> {
    let mut out = stdout().lock();
    match str::from_utf8(line) {
        Ok(text) if !text.chars().any(is_unseen) => {
            out.write_all(line)?;
            out.write_all(b"\n")?;
        }
        _ => json::line(&serde_json::from_slice::<Value>(line)?, &mut out)?,
    }
    out.flush()
}
