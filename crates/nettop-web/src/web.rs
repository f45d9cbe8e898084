//! What all requests share.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use nettop_control::{connection::Monitor, remote::looks::Looks};
use nettop_model::{pulse::Pulses, snapshot::Snapshot};
use nettop_requests::Requests;
use tokio::sync::{Semaphore, watch};

use crate::{
    args::{Parts, WebArgs},
    compat,
    guard::Guard,
    metrics::Metrics,
    token::WebToken,
    view::Tables,
};

/// WebSockets at once.
pub const SOCKETS: usize = 16;

/// A monitor as the dashboard shows it.
pub struct Web {
    pub(crate) guard: Guard,
    pub(crate) parts: Parts,
    /// Whether it may change things.
    pub(crate) control: bool,
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) requests: Requests,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) pulses: watch::Receiver<Pulses>,
    /// Snapshots come only while somebody looks.
    pub(crate) looks: Looks,
    /// Places for WebSockets.
    pub(crate) sockets: Arc<Semaphore>,
    /// The place for an answer that may have any size.
    pub(crate) large: Semaphore,
    pub(crate) tables: Tables,
    pub(crate) updates: compat::Updates,
    pub(crate) metrics: Mutex<Metrics>,
    pub(crate) started: Instant,
}

/// What a monitor sends, and where it is asked.
pub struct Feeds {
    /// The monitor.
    pub monitor: Arc<Monitor>,
    /// Where requests go.
    pub requests: Requests,
    /// Its snapshots.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Its pulse.
    pub pulses: watch::Receiver<Pulses>,
    /// Where it is told that somebody looks.
    pub looks: Looks,
}

impl Web {
    /// Over a monitor, for a server at `address`.
    pub fn new(args: &WebArgs, token: WebToken, address: SocketAddr, feeds: Feeds) -> Self {
        let Feeds { monitor, requests, snapshots, pulses, looks } = feeds;
        Self {
            guard: Guard::new(token, address, &args.web_name),
            parts: args.web_parts,
            control: args.web_control,
            monitor,
            requests,
            snapshots,
            pulses,
            looks,
            sockets: Arc::new(Semaphore::new(SOCKETS)),
            large: Semaphore::new(1),
            tables: Tables::default(),
            updates: compat::Updates::default(),
            metrics: Mutex::new(Metrics::new(usize::try_from(args.metrics_sources).unwrap_or_default())),
            started: Instant::now(),
        }
    }

    /// The newest snapshot.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// WebSockets that are served.
    pub(crate) fn served(&self) -> usize {
        SOCKETS - self.sockets.available_permits()
    }
}
