//! Connections that are held open, and next to no request.

use std::net::IpAddr;

use super::{Found, Join, Scene};
use crate::detect::visits::MANY_CONNS;

/// With more lines than this it visits.
const FEW_LINES: u64 = 1;
/// Where connections are not known, so many times as many SYNs in a minute are as good.
const SYNS: f64 = 4.0;

/// See [`MANY_CONNS`].
pub const JOIN: Join = Join { kind: MANY_CONNS.kind, find };

fn find(scene: &Scene, threshold: f64) -> Vec<Found> {
    let lines = |ip: &IpAddr| scene.visits.get(ip).map_or(0, |visit| visit.lines);
    let found = |ip: &IpAddr, count: u64, what: &str| {
        let lines = lines(ip);
        let told = if lines == 0 { "no line" } else { "one line" };
        let is_meant = lines <= FEW_LINES && scene.around.is_client(ip);
        is_meant.then(|| Found { ip: *ip, value: count as f64, text: format!("{count} {what}, and {told} of a log") })
    };
    match scene.around.sockets {
        Some(sockets) => {
            let held =
                sockets.held.iter().filter(|held| (scene.follows)(held.writes) && held.count as f64 >= threshold);
            held.filter_map(|held| found(&held.remote, held.count, "connections held open")).collect()
        }
        None if scene.around.is_attacked => Vec::new(),
        None => {
            let syns = scene.knocks.iter().map(|(ip, knock)| (ip, knock.syns(scene.now_ns)));
            let many = syns.filter(|(_, syns)| *syns as f64 >= threshold * SYNS);
            many.filter_map(|(ip, syns)| found(ip, syns, "SYNs in a minute")).collect()
        }
    }
}
