//! `nettopctl subscribe` and `pulse`: print what a monitor publishes, as it comes.

use std::io::{self, Write as _, stdout};

use anyhow::{Context as _, Result, bail};
use nettop_model::{answer, json, visible::is_unseen};
use serde::Deserialize;
use serde_json::Value;

use nettop_control::{
    answer::BOUNDS,
    connection::{MAX_LINE, Monitor, patience},
};

/// Prints so many lines (`None`: all that come) and hangs up; before that, when nobody reads them any more. Whether the monitor
/// sends any: else its refusal is printed.
///
/// # Errors
/// There is no monitor, it ends before that, or it says nothing for much longer than it said it would.
pub fn print(monitor: &Monitor, request: Value, count: Option<u64>) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let mut connection = monitor.send(request).await?;
        let mut left = count.unwrap_or(u64::MAX);
        // What is published is sent at once.
        let mut quiet = BOUNDS.window;
        while left > 0 {
            let line = connection.line(MAX_LINE, quiet).await;
            let Some(line) = line.with_context(|| format!("waiting for the monitor at {}", monitor.endpoint))? else {
                bail!("the monitor at {} has ended", monitor.endpoint);
            };
            match print_line(&line) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                written => written.context("writing to standard output")?,
            }
            if answer::head(&line).is_err() {
                return Ok(false);
            }
            quiet = patience(interval(&line));
            left -= 1;
        }
        Ok(true)
    })
}

/// How many seconds lie between two snapshots, as this line says; 0: it does not.
fn interval(line: &[u8]) -> f64 {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Line {
        Grouped { interval: f64 },
        Flat { snapshot: Flat },
    }
    #[derive(Deserialize)]
    struct Flat {
        tick: Tick,
    }
    #[derive(Deserialize)]
    struct Tick {
        interval: f64,
    }
    match json::read(line) {
        Ok(Line::Grouped { interval } | Line::Flat { snapshot: Flat { tick: Tick { interval } } }) => interval,
        Err(_) => 0.0,
    }
}

/// As it came; but escaped, should there be anything in it that a terminal would obey: then no monitor wrote it.
fn print_line(line: &[u8]) -> Result<(), io::Error> {
    let mut out = stdout().lock();
    match str::from_utf8(line) {
        Ok(text) if !text.chars().any(is_unseen) => {
            out.write_all(line)?;
            out.write_all(b"\n")?;
        }
        _ => json::line(&json::read::<Value>(line)?, &mut out)?,
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nettop_model::request::Form;

    #[test]
    fn a_line_tells_when_the_next_one_is_due() {
        let mut snapshot = nettop_model::snapshot::Snapshot::default();
        snapshot.monitor.tick.interval = 7.5;
        let line = |form| {
            let mut line = Vec::new();
            answer::write_published(&snapshot, &form, &mut line).unwrap();
            line
        };
        let [flat, grouped] = [Form::Flat, Form::whole()].map(line);
        for (line, expected) in [
            (&flat[..], 7.5),
            (&grouped, 7.5),
            (b"{\"snapshot\":{\"tick\":{\"interval\":60,\"x\":1}}}", 60.0),
            (b"{\"ok\":true}", 0.0),
            (b"{\"snapshot\":{\"tick\":{\"interval\":\"60\"}}}", 0.0),
            (b"x", 0.0),
        ] {
            assert_eq!(interval(line), expected, "{}", String::from_utf8_lossy(line));
        }
    }
}
