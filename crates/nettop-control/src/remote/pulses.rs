//! The pulse of a monitor, as it comes; and a new connection where one is lost.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use nettop_model::{answer, json, pulse::Pulses, request::Request};
use tokio::{sync::watch, time::sleep};

use crate::{connection::Monitor, pulse::Line};

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_secs(1);
/// The longest line: the first one, of 4,000 pulses of at most 200 bytes.
const MOST: u64 = 1 << 20;
/// How long a monitor may say nothing: a capture that is read from a pipe may pause.
const QUIET: Duration = Duration::from_secs(3600);

/// Publishes every pulse that comes, for as long as somebody reads them. While none comes, the last ones stay.
pub async fn run(monitor: Arc<Monitor>, publish: watch::Sender<Pulses>) {
    while !publish.is_closed() {
        // Why it fails is told by whoever follows the snapshots.
        let _ = follow(&monitor, &publish).await;
        tokio::select! {
            () = sleep(RETRY) => {}
            () = publish.closed() => return,
        }
    }
}

async fn follow(monitor: &Monitor, publish: &watch::Sender<Pulses>) -> Result<()> {
    let mut connection = monitor.send(Request::Pulse.to_json()).await?;
    loop {
        let line = tokio::select! {
            line = connection.line(MOST, QUIET) => line?,
            () = publish.closed() => return Ok(()),
        };
        let Some(line) = line else { bail!("the monitor has closed the connection") };
        answer::head(&line).map_err(anyhow::Error::msg)?;
        let Line { missed, pulses, pulse, .. } = json::read(&line).context("reading a pulse")?;
        publish.send_modify(|all| {
            if let Some(pulses) = pulses {
                *all = pulses;
            }
            if let Some(pulse) = pulse {
                all.count += missed;
                all.push(pulse);
            }
        });
    }
}
