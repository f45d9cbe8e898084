//! The WebSocket of the page: each pulse; with each snapshot the state of things, the table that is open, and the row that is.

use std::{sync::Arc, time::Duration};

use nettop_model::{
    answer::Answer,
    request::Request,
    snapshot::{History, Snapshot},
};
use nettop_requests::ask;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use crate::{
    message,
    socket::{Came, Pace, Socket},
    view::{self, MOST_ROWS, Opened, Wish},
    web::Web,
};

/// The least time between two tables.
const LEAST: Duration = Duration::from_millis(500);
/// Rows of a table unless told.
const ROWS: usize = 100;

/// What the page wants.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Wanted {
    /// A table, from now on.
    View {
        name: String,
        #[serde(default)]
        filter: String,
        #[serde(default)]
        column: Option<usize>,
        #[serde(default)]
        reversed: bool,
        #[serde(default)]
        limit: Option<usize>,
        #[serde(default)]
        every_ms: u64,
    },
    /// A row of it, from now on.
    Detail {
        view: String,
        key: String,
    },
    /// No row, or no table either: the page is hidden.
    Close {
        #[serde(default)]
        all: bool,
    },
    Ping,
}

/// What is answered at once.
enum Shown {
    Table,
    Detail,
    Pong,
    Nothing,
}

/// What a client wants now.
#[derive(Default)]
struct Wishes {
    table: Option<(Wish, Duration)>,
    detail: Option<(String, String)>,
}

/// Serves until the client goes.
pub async fn serve(web: Arc<Web>, mut socket: Socket) {
    // It breaks off with the client.
    let _ = told(&web, &mut socket).await;
}

async fn told(web: &Web, socket: &mut Socket) -> Result<(), ()> {
    let mut snapshots = web.snapshots.clone();
    let mut pace = Pace::new(web.pulses.clone());
    let mut wishes = Wishes::default();
    let mut looking = Some(web.looks.look().await);
    let (hello, mut seq) = {
        let pulses = web.pulses.borrow();
        (message::hello(&pulses, web.control), pulses.count)
    };
    socket.send(hello).await?;
    let mut due = Instant::now();
    snapshots.mark_changed();
    loop {
        tokio::select! {
            is_there = pace.next() => {
                if !is_there {
                    return Ok(());
                }
                let text = {
                    let pulses = web.pulses.borrow();
                    let missed = pulses.count.saturating_sub(seq + 1);
                    seq = pulses.count;
                    message::pulse(&pulses, missed)
                };
                socket.send(text).await?;
            }
            changed = async {
                sleep_until(due).await;
                snapshots.changed().await
            }, if looking.is_some() => {
                changed.map_err(drop)?;
                let snapshot = snapshots.borrow_and_update().clone();
                socket.send(message::state(&snapshot)).await?;
                due = Instant::now() + wishes.table.as_ref().map_or(LEAST, |(_, every)| *every);
                wishes.send_table(web, socket, &snapshot).await?;
                wishes.send_detail(web, socket, &snapshot).await?;
            }
            came = socket.came() => {
                let Came::Text(text) = came else { return Ok(()) };
                // What is no wish is ignored.
                let Ok(wanted) = nettop_model::json::read::<Wanted>(text.as_bytes()) else { continue };
                match &wanted {
                    Wanted::View { .. } | Wanted::Detail { .. } if looking.is_none() => looking = Some(web.looks.look().await),
                    Wanted::Close { all: true } => looking = None,
                    _ => {}
                }
                let shown = wishes.hear(wanted);
                let snapshot = web.snapshot();
                match shown {
                    Shown::Table => wishes.send_table(web, socket, &snapshot).await?,
                    Shown::Detail => wishes.send_detail(web, socket, &snapshot).await?,
                    Shown::Pong => socket.send(r#"{"type":"pong"}"#.into()).await?,
                    Shown::Nothing => {}
                }
            }
        }
    }
}

impl Wishes {
    /// Notes a wish; what is to be answered at once.
    fn hear(&mut self, wanted: Wanted) -> Shown {
        match wanted {
            Wanted::View { name, filter, column, reversed, limit, every_ms } => {
                let wish = Wish::new(&name, &filter, column, reversed, limit.unwrap_or(ROWS).min(MOST_ROWS));
                self.table = wish.map(|wish| (wish, Duration::from_millis(every_ms.min(60_000)).max(LEAST)));
                Shown::Table
            }
            Wanted::Detail { view, key } => {
                self.detail = Some((view, key));
                Shown::Detail
            }
            Wanted::Close { all } => {
                self.detail = None;
                if all {
                    self.table = None;
                }
                Shown::Nothing
            }
            Wanted::Ping => Shown::Pong,
        }
    }

    async fn send_table(&self, web: &Web, socket: &mut Socket, snapshot: &Snapshot) -> Result<(), ()> {
        let Some((wish, _)) = &self.table else { return Ok(()) };
        // Some milliseconds where there are many rows.
        let text = tokio::task::block_in_place(|| web.tables.get(snapshot, wish));
        socket.send(text.to_string()).await
    }

    async fn send_detail(&self, web: &Web, socket: &mut Socket, snapshot: &Snapshot) -> Result<(), ()> {
        let Some((view, key)) = &self.detail else { return Ok(()) };
        let opened = tokio::task::block_in_place(|| view::open(snapshot, view, key));
        let history = match &opened {
            Some(opened) => history(web, opened).await,
            None => None,
        };
        socket.send(message::detail(snapshot, view, key, opened.as_ref(), history.as_ref())).await
    }
}

/// The last minutes of what a row is about, which is followed from now on.
async fn history(web: &Web, opened: &Opened) -> Option<History> {
    let subject = message::subject(opened)?;
    match ask(&web.requests, Request::History(subject)).await {
        Ok(Answer::History(history)) => Some(*history),
        Ok(_) | Err(_) => None,
    }
}
