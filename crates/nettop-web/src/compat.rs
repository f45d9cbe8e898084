//! The interface of SpacePlushy's network-monitor, which programs are written for: its paths, its fields, its messages.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::StatusCode;
use nettop_model::{
    pulse::{Pulse, PulseRate, Pulses},
    snapshot::{Connection, Snapshot, VERSION},
};
use serde::Serialize;
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    reply::{self, Reply},
    route::Asked,
    socket::{Came, Pace, Socket},
    web::Web,
};

/// Connections of an answer, and of a message.
const LISTED: usize = 1000;
const IN_MESSAGE: usize = 100;
/// What its clients call a process that is not known.
const UNKNOWN: &str = "Unknown";

/// What its clients call the states that RFC 9293 names otherwise.
const STATES: [(&str, &str); 8] = [
    ("SYN-SENT", "SYN_SENT"),
    ("SYN-RECEIVED", "SYN_RECV"),
    ("FIN-WAIT-1", "FIN_WAIT1"),
    ("FIN-WAIT-2", "FIN_WAIT2"),
    ("TIME-WAIT", "TIME_WAIT"),
    ("CLOSE-WAIT", "CLOSE_WAIT"),
    ("LAST-ACK", "LAST_ACK"),
    ("?", STATELESS),
];
/// The state of what has none: nettop's `ACTIVE`, `IDLE` and `STALE` of UDP are of what it has moved lately.
const STATELESS: &str = "NONE";

/// One connection. Speeds are bytes per second, times are Unix seconds.
#[derive(Serialize)]
struct Row {
    id: String,
    local_addr: String,
    remote_addr: String,
    protocol: String,
    state: String,
    process_name: String,
    pid: u32,
    upload_speed: f64,
    download_speed: f64,
    duration: f64,
    bytes_sent: u64,
    bytes_received: u64,
    start_time: f64,
}

#[derive(Serialize)]
struct Stats {
    total_upload_speed: f64,
    total_download_speed: f64,
    active_connections: u64,
    total_bytes_sent: u64,
    total_bytes_received: u64,
    uptime: f64,
}

#[derive(Serialize)]
struct Point {
    timestamp: f64,
    upload: f64,
    download: f64,
}

pub fn root() -> Reply {
    reply::json(&json!({"name": "nettop", "version": VERSION, "status": "running"}))
}

pub fn health(web: &Web) -> Reply {
    let lost = web.snapshot().meta.link.as_ref().is_some_and(|link| link.lost.is_some());
    let status = if lost { "lost" } else { "healthy" };
    let uptime = web.started.elapsed().as_secs_f64();
    let mut reply = reply::json(&json!({"status": status, "active_connections": web.served(), "uptime": uptime}));
    if lost {
        *reply.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    reply
}

pub fn connections(web: &Web) -> Reply {
    let rows = rows(&web.snapshot(), LISTED);
    let count = rows.len();
    reply::json(&json!({"connections": rows, "count": count}))
}

pub fn stats(web: &Web) -> Reply {
    reply::json(&Stats::of(&web.snapshot(), &web.pulses.borrow()))
}

pub fn history(web: &Web, asked: &Asked) -> Reply {
    let pulses = web.pulses.borrow();
    let points = match asked.value("window").as_deref() {
        None | Some("30") => points(pulses.tenths.iter()),
        Some("3600") => points(pulses.seconds.iter()),
        Some(_) => return reply::refused(StatusCode::BAD_REQUEST, "window is 30 or 3600, seconds"),
    };
    let count = points.len();
    reply::json(&json!({"history": points, "count": count}))
}

/// Rates from one pulse to the next; of the first one nothing is known.
fn points<'a>(pulses: impl Iterator<Item = &'a Pulse> + Clone) -> Vec<Point> {
    let before = std::iter::once(None).chain(pulses.clone().map(Some));
    let point = |(pulse, before): (&Pulse, Option<&Pulse>)| {
        let rate = before.and_then(|before| pulse.since(before)).unwrap_or_default();
        Point { timestamp: pulse.at_ns as f64 / 1e9, upload: rate.sent_bps, download: rate.bps }
    };
    pulses.zip(before).map(point).collect()
}

/// The rate of the newest tenth of a second.
pub fn newest(pulses: &Pulses) -> PulseRate {
    let mut newest = pulses.tenths.iter().rev();
    let (now, before) = (newest.next(), newest.next());
    now.zip(before).and_then(|(now, before)| now.since(before)).unwrap_or_default()
}

impl Stats {
    fn of(snapshot: &Snapshot, pulses: &Pulses) -> Self {
        let rate = newest(pulses);
        Self {
            total_upload_speed: rate.sent_bps,
            total_download_speed: rate.bps,
            active_connections: active(snapshot),
            total_bytes_sent: pulses.newest.sent.unwrap_or_default().bytes,
            total_bytes_received: pulses.newest.bytes,
            uptime: snapshot.meta.elapsed,
        }
    }
}

/// Connections with another end; where more live than a snapshot lists, those that are only counted, too.
pub fn active(snapshot: &Snapshot) -> u64 {
    let Some(connections) = &snapshot.connections else { return 0 };
    let listed = connections.live.iter().filter(|row| row.remote.is_some()).count();
    let is_cut = connections.live.len() >= nettop_model::snapshot::DEFAULT_LIMIT;
    listed as u64 + if is_cut { connections.left_out } else { 0 }
}

fn rows(snapshot: &Snapshot, most: usize) -> Vec<Row> {
    let live = snapshot.connections.iter().flat_map(|connections| &connections.live);
    live.filter_map(|connection| Row::of(connection, snapshot)).take(most).collect()
}

impl Row {
    fn of(connection: &Connection, snapshot: &Snapshot) -> Option<Self> {
        let remote = connection.remote?;
        let remote_addr = match connection.remote_port {
            Some(port) => std::net::SocketAddr::new(remote, port).to_string(),
            None => remote.to_string(),
        };
        let (address, port) = connection.local_end();
        let local_addr = address + &port;
        let pid = connection.pid.unwrap_or_default();
        // Of one that was there before the monitor, only that is known.
        let began_ns = connection.opened_ns.unwrap_or(snapshot.meta.started_ns);
        Some(Self {
            id: format!("{}_{local_addr}_{remote_addr}_{pid}", connection.protocol),
            local_addr,
            remote_addr,
            protocol: connection.protocol.to_string(),
            state: state(connection).into(),
            process_name: connection.process.as_deref().unwrap_or(UNKNOWN).to_string(),
            pid,
            upload_speed: connection.tx_bps.unwrap_or_default(),
            download_speed: connection.rx_bps.unwrap_or_default(),
            duration: snapshot.meta.now_ns.saturating_sub(began_ns) as f64 / 1e9,
            bytes_sent: connection.tx_bytes.unwrap_or_default(),
            bytes_received: connection.rx_bytes.unwrap_or_default(),
            start_time: began_ns as f64 / 1e9,
        })
    }
}

/// The state of a connection in the words of its clients.
fn state(connection: &Connection) -> &str {
    if connection.protocol == "UDP" || connection.protocol == "UDPL" {
        return STATELESS;
    }
    STATES.iter().find(|(name, _)| connection.state == *name).map_or(&connection.state, |(_, theirs)| theirs)
}

/// The newest message, made once for everybody: its number, and its text without the type.
#[derive(Default)]
pub struct Updates(Mutex<(u64, Arc<str>)>);

impl Updates {
    fn newest(&self, web: &Web) -> Arc<str> {
        let pulses = web.pulses.borrow();
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if made.0 != pulses.count || made.1.is_empty() {
            *made = (pulses.count, message(&web.snapshot(), &pulses).into());
        }
        made.1.clone()
    }
}

/// What a message has behind its type: the form of that project's code, and beside it the one that its README describes.
fn message(snapshot: &Snapshot, pulses: &Pulses) -> String {
    let (rows, stats) = (rows(snapshot, IN_MESSAGE), Stats::of(snapshot, pulses));
    let at = OffsetDateTime::from_unix_timestamp_nanos(pulses.newest.at_ns.into()).ok();
    let short = json!({
        "upload_speed": stats.total_upload_speed,
        "download_speed": stats.total_download_speed,
        "active_connections": stats.active_connections,
        "total_bandwidth": stats.total_upload_speed + stats.total_download_speed,
    });
    let rows = serde_json::to_value(rows).unwrap_or_default();
    let whole = json!({
        "data": {"connections": rows, "stats": stats},
        "connections": rows,
        "stats": short,
        "timestamp": at.and_then(|at| at.format(&Rfc3339).ok()),
    });
    whole.to_string().split_off(1)
}

/// Sends a message for each pulse; answers a ping.
pub async fn serve(web: Arc<Web>, mut socket: Socket) {
    let _looking = web.looks.look().await;
    let mut pace = Pace::new(web.pulses.clone());
    let mut kind = "initial";
    loop {
        let text = format!("{{\"type\":\"{kind}\",{}", web.updates.newest(&web));
        kind = "update";
        if socket.send(text).await.is_err() {
            return;
        }
        loop {
            tokio::select! {
                changed = pace.next() => if changed { break } else { return },
                came = socket.came() => match came {
                    Came::Text(text) if is_ping(&text) => if socket.send(r#"{"type":"pong"}"#.into()).await.is_err() { return },
                    Came::Text(_) => {}
                    Came::End => return,
                },
            }
        }
    }
}

fn is_ping(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Typed {
        r#type: String,
    }
    nettop_model::json::read::<Typed>(text.as_bytes()).is_ok_and(|typed| typed.r#type == "ping")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_names_that_its_clients_know() {
        for (protocol, ours, theirs) in [
            ("TCP", "ESTABLISHED", "ESTABLISHED"),
            ("TCP", "SYN-RECEIVED", "SYN_RECV"),
            ("TCP", "FIN-WAIT-2", "FIN_WAIT2"),
            ("TCP", "TIME-WAIT", "TIME_WAIT"),
            ("TCP", "CLOSE-WAIT", "CLOSE_WAIT"),
            ("TCP", "CLOSING", "CLOSING"),
            ("TCP", "?", "NONE"),
            ("UDP", "ACTIVE", "NONE"),
            ("UDP", "ESTABLISHED", "NONE"),
            ("SCTP", "SHUTDOWN-SENT", "SHUTDOWN-SENT"),
        ] {
            let (protocol, state_of) = (protocol.into(), ours.into());
            let connection = Connection { protocol, state: state_of, ..Connection::default() };
            assert_eq!(state(&connection), theirs, "{ours}");
        }
    }
}
