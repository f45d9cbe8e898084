//! Subscribers: each new snapshot is sent to them as a line of JSON. Whoever reads too slowly misses some: the newest is sent,
//! with how many were missed before it.

use std::{
    io,
    os::fd::BorrowedFd,
    sync::{Arc, Weak},
    time::Duration,
};

use nettop_model::{
    answer::write_published,
    request::Form,
    snapshot::{DEFAULT_LIMIT, Snapshot},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{Mutex, watch},
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{
    accept::Stream,
    clients::ClientDeadline,
    fair::{Asker, Full, Limits, Seat, Seats},
    peer::Access,
};

/// Subscribers at once. Those that may only look have as many seats of their own, so that they cannot take those of others.
const SUBSCRIBERS: Limits = Limits { all: 48, user: 24, process: 16 };
/// How long a subscriber may take to read a line.
pub(super) const LINE_DEADLINE: Duration = Duration::from_secs(10);
/// How often it is looked whether a subscriber that has closed its half of the connection has closed the other, too.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes that a subscriber may send behind its request; they mean nothing.
const MAX_NOISE: u64 = 4096;

/// What all subscribers share.
#[derive(Debug)]
pub struct Broadcaster {
    commanders: Arc<Seats>,
    readers: Arc<Seats>,
    /// The newest lines, as long as somebody has them: each is made once, whoever sends it.
    lines: Mutex<Vec<Weak<Line>>>,
}

/// A snapshot as JSON, but for what differs between subscribers.
#[derive(Debug)]
struct Line {
    snapshot: Arc<Snapshot>,
    limit: usize,
    form: Form,
    /// All of it, the line break too.
    json: Vec<u8>,
}

impl Default for Broadcaster {
    fn default() -> Self {
        let [commanders, readers] = [(); 2].map(|()| Seats::new(SUBSCRIBERS));
        Self { commanders, readers, lines: Mutex::default() }
    }
}

impl Broadcaster {
    /// Sends the published snapshot and every further one, of at most `limit` rows in each list, until there is none, the
    /// subscriber hangs up or does not read.
    ///
    /// # Errors
    /// In a sentence for the subscriber: why it cannot be one, or not any longer.
    pub(super) async fn serve(
        &self,
        stream: &mut dyn Stream,
        (asker, access): (Asker, Access),
        turn: &ClientDeadline,
        mut snapshots: watch::Receiver<Arc<Snapshot>>,
        (limit, form): (usize, &Form),
    ) -> Result<(), String> {
        if !(1..=DEFAULT_LIMIT).contains(&limit) {
            return Err(format!("subscribe sends 1 to {DEFAULT_LIMIT} rows of each list; snapshot sends any number"));
        }
        let _seat = self.seat(asker, access)?;
        let mut sent = None;
        loop {
            let snapshot = snapshots.borrow_and_update().clone();
            let ticks = snapshot.monitor.tick.count;
            let missed = sent.replace(ticks).map_or(0, |before: u64| ticks.saturating_sub(before + 1));
            let line = self.line(snapshot, limit, form).await?;
            turn.waits_for_client();
            let written = timeout(LINE_DEADLINE, line.write(stream, missed)).await;
            turn.waits_for_monitor();
            let changed = match written {
                Ok(Ok(())) => tokio::select! {
                    changed = snapshots.changed() => changed.is_ok(),
                    () = hung_up(stream) => false,
                },
                Ok(Err(_)) | Err(_) => false,
            };
            // Until here, so that whoever comes meanwhile gets the same line.
            drop(line);
            if !changed {
                return Ok(());
            }
        }
    }

    /// A seat, for as long as it is held.
    ///
    /// # Errors
    /// In a sentence for the subscriber: there is none left.
    pub(super) fn seat(&self, asker: Asker, access: Access) -> Result<Seat, String> {
        let seats = if access == Access::Command { &self.commanders } else { &self.readers };
        seats.take(asker).map_err(|full| {
            let whose = match full {
                Full::OfProcess(_) => " of your process",
                Full::OfUser(_) => " of yours",
                Full::All => "",
            };
            format!("there are {} subscribers{whose} already", seats.limit(full))
        })
    }

    async fn line(&self, snapshot: Arc<Snapshot>, limit: usize, form: &Form) -> Result<Arc<Line>, String> {
        let mut lines = self.lines.lock().await;
        lines.retain(|line| line.strong_count() > 0);
        let is_it =
            |line: &Arc<Line>| line.limit == limit && line.form == *form && Arc::ptr_eq(&line.snapshot, &snapshot);
        if let Some(line) = lines.iter().filter_map(Weak::upgrade).find(is_it) {
            return Ok(line);
        }
        let (of, form) = (snapshot.clone(), form.clone());
        let as_asked = form.clone();
        // Not among the tasks that wait: a full list takes some milliseconds.
        let json = spawn_blocking(move || to_json(&of, limit, &as_asked)).await;
        let json = json.map_err(|error| format!("the snapshot cannot be written: {error}"))?;
        let line = Arc::new(Line { snapshot, limit, form, json });
        lines.push(Arc::downgrade(&line));
        Ok(line)
    }
}

fn to_json(snapshot: &Snapshot, limit: usize, form: &Form) -> Vec<u8> {
    let cut = (limit < DEFAULT_LIMIT).then(|| snapshot.clone().cut(limit));
    let mut json = Vec::new();
    // Writing to memory cannot fail.
    let _ = write_published(cut.as_ref().unwrap_or(snapshot), form, &mut json);
    json
}

impl Line {
    async fn write(&self, stream: &mut dyn Stream, missed: u64) -> io::Result<()> {
        stream.write_all(format!("{{\"ok\":true,\"missed\":{missed},").as_bytes()).await?;
        // That was the opening brace.
        stream.write_all(self.json.get(1..).unwrap_or_default()).await
    }
}

/// Waits until the subscriber has hung up. One that has nothing more to say, and has closed only that half, has not.
async fn hung_up(stream: &mut dyn Stream) {
    let mut noise = (&mut *stream).take(MAX_NOISE);
    while noise.read(&mut [0; 256]).await.is_ok_and(|count| count > 0) {}
    if noise.limit() == 0 {
        return;
    }
    while !is_closed(stream.as_fd()) {
        sleep(LOOK).await;
    }
}

/// Whether both halves are closed.
fn is_closed(stream: BorrowedFd<'_>) -> bool {
    let mut closed = [PollFd::from_borrowed_fd(stream, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut closed, Some(&at_once)).is_ok() && closed[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}
