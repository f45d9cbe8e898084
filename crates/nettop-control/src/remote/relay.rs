//! What the screen asks, over a connection of its own each time.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use nettop_model::{
    answer::{Answer, Reply},
    request::Request,
};
use nettop_process::cause;
use nettop_requests::Envelope;
use tokio::{sync::mpsc, time::timeout};

use crate::connection::Monitor;

/// The longest answer, bytes; and how long it may take.
const MAX_ANSWER: u64 = 1 << 20;
const DEADLINE: Duration = Duration::from_secs(30);
/// The same for everything counted: 300,000 sources and more.
const MAX_EVERYTHING: u64 = 256 << 20;
const DEADLINE_OF_EVERYTHING: Duration = Duration::from_secs(300);

/// Asks the monitor, until the screen has ended.
pub async fn run(monitor: Arc<Monitor>, mut requests: mpsc::Receiver<Envelope>) {
    while let Some(Envelope { request, reply, .. }) = requests.recv().await {
        // The screen ends, and only that.
        if request == Request::Stop {
            let _ = reply.send(Ok(Answer::field("stopping", true)));
            continue;
        }
        let monitor = monitor.clone();
        // The screen asks one thing after the other, and exports one at a time.
        tokio::spawn(async move { reply.send(ask(&monitor, request).await) });
    }
}

async fn ask(monitor: &Monitor, request: Request) -> Reply {
    let (most, deadline) = match request {
        Request::Snapshot(_) => (MAX_EVERYTHING, DEADLINE_OF_EVERYTHING),
        _ => (MAX_ANSWER, DEADLINE),
    };
    let line = timeout(deadline, exchange(monitor, &request, most, deadline)).await;
    let line = line.unwrap_or_else(|_| Ok(None)).map_err(|error| cause::told(&error))?;
    let line = line.ok_or("the monitor does not answer")?;
    // Everything takes its time to read.
    tokio::task::block_in_place(|| request.read_answer(&line))
}

async fn exchange(monitor: &Monitor, request: &Request, most: u64, deadline: Duration) -> Result<Option<Vec<u8>>> {
    monitor.send(request.to_json()).await?.line(most, deadline).await
}
