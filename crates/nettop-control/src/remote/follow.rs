//! What the monitor publishes, as it comes; and a new connection where one is lost.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, anyhow, bail};
use nettop_model::{
    answer::{self, Head},
    clock::Moment,
    request::{Form, Request, Subscribe},
    snapshot::{DEFAULT_LIMIT, Lost, Remote, Snapshot, VERSION},
};
use nettop_process::cause;
use rustix::process::geteuid;
use tokio::{sync::watch, time::sleep};

use super::looks::Looks;
use crate::connection::{Connection, MAX_LINE, Monitor, patience};

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_secs(1);
/// For how long snapshots are read that nobody looks at: whoever looks each second finds them there.
const LINGER: Duration = Duration::from_secs(2);

/// Subscribes, and waits for the first snapshot.
///
/// # Errors
/// Nobody is there, or none whose snapshots can be read.
pub async fn start(monitor: &Monitor) -> Result<(Subscription, Arc<Snapshot>)> {
    let mut feed = Subscription::open(monitor).await.map_err(|error| {
        let refused = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
        let remedy = match refused.map(std::io::Error::kind).next() {
            Some(std::io::ErrorKind::PermissionDenied) => {
                "only its own user, root and members of its --control-group may look"
            }
            _ => "start one (nettop, or systemctl start nettop), or name its socket: nettop attach SOCKET",
        };
        anyhow!("{}; {remedy}", cause::told(&error))
    })?;
    let first = feed.next().await?;
    Ok((feed, Arc::new(first)))
}

/// Publishes every snapshot that comes. Where none comes any more, the last one again, with since when and why; and connects
/// again. While nobody looks, the monitor is asked for none. Ends with the screen.
pub async fn run(monitor: Arc<Monitor>, first: Subscription, publish: watch::Sender<Arc<Snapshot>>, looks: Looks) {
    let mut newest_ns = Moment::now().unix_ns;
    let mut feed = Some(first);
    loop {
        tokio::select! {
            () = publish_all(&monitor, feed.take(), (&publish, &mut newest_ns), &looks) => {}
            () = looks.nobody(LINGER) => {}
            () = publish.closed() => return,
        }
        if looks.rests() {
            tokio::select! {
                () = looks.somebody() => {}
                () = publish.closed() => return,
            }
        }
    }
}

/// Never returns.
async fn publish_all(
    monitor: &Monitor,
    mut feed: Option<Subscription>,
    (publish, newest_ns): (&watch::Sender<Arc<Snapshot>>, &mut u64),
    looks: &Looks,
) {
    loop {
        let next = match &mut feed {
            Some(feed) => feed.next().await,
            None => match Subscription::open(monitor).await {
                Ok(opened) => feed.insert(opened).next().await,
                Err(error) => Err(error),
            },
        };
        match next {
            Ok(snapshot) => {
                *newest_ns = Moment::now().unix_ns;
                publish.send_replace(Arc::new(snapshot));
                looks.is_current();
            }
            Err(error) => {
                feed = None;
                lose(publish, *newest_ns, cause::told(&error));
                looks.is_current();
                sleep(RETRY).await;
            }
        }
    }
}

/// Publishes the last snapshot as one that is old, unless that is told already.
fn lose(publish: &watch::Sender<Arc<Snapshot>>, since_ns: u64, why: String) {
    let last = publish.borrow().clone();
    let link = last.meta.link.as_deref().cloned().unwrap_or_default();
    let lost = Some(Lost { since_ns, why });
    if link.lost != lost {
        let link = Some(Arc::new(Remote { lost, ..link }));
        let mut lost = Snapshot::clone(&last);
        lost.meta.link = link;
        publish.send_replace(Arc::new(lost));
    }
}

/// A subscription.
pub struct Subscription {
    connection: Connection,
    /// The monitor, for messages, and for the screen.
    endpoint: String,
    name: String,
    missed: u64,
    patience: Duration,
}

impl Subscription {
    async fn open(monitor: &Monitor) -> Result<Self> {
        let request = Request::from(Subscribe { limit: DEFAULT_LIMIT, form: Form::whole() });
        let connection = monitor.send(request.to_json()).await?;
        let endpoint = monitor.endpoint.to_string();
        // Who it is that says all this, unless that is plain.
        let name = match connection.user {
            Some(user) if user != 0 && user != geteuid().as_raw() => format!("{endpoint} (user {user})"),
            _ => endpoint.clone(),
        };
        Ok(Self { connection, endpoint, name, missed: 0, patience: patience(0.0) })
    }

    async fn next(&mut self) -> Result<Snapshot> {
        let Some(line) = self.connection.line(MAX_LINE, self.patience).await? else {
            bail!("the monitor has closed the connection");
        };
        // Some milliseconds, in a thread that has nothing else to do.
        let (missed, mut snapshot) = self.read(&line)?;
        self.missed = self.missed.saturating_add(missed);
        self.patience = patience(snapshot.monitor.tick.interval);
        snapshot.meta.link = Some(Arc::new(Remote { name: self.name.clone(), lost: None, missed: self.missed }));
        Ok(snapshot)
    }

    fn read(&self, line: &[u8]) -> Result<(u64, Snapshot)> {
        let endpoint = &self.endpoint;
        let Head { version, missed, .. } =
            answer::head(line).map_err(|error| match error.contains("unknown command") {
                true => anyhow!(
                    "the monitor at {endpoint} is older than this nettop {VERSION}, and sends no snapshots: {error}"
                ),
                false => anyhow!("the monitor at {endpoint}: {error}"),
            })?;
        let snapshot = answer::snapshot(line).map_err(|error| {
            let version: String = version.as_deref().unwrap_or("of an unknown version").chars().take(32).collect();
            anyhow!(
                "the monitor at {endpoint} is nettop {version}, whose snapshots this nettop {VERSION} cannot read ({error}); \
                 use the same version of both"
            )
        })?;
        Ok((missed, snapshot))
    }
}
