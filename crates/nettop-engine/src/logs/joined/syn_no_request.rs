//! Connections that are asked for, and no request.

use super::{Found, Join, Scene};
use crate::detect::visits::SYN_NO_REQUEST;

/// For so long no line has to come.
const SILENT_NS: u64 = 30_000_000_000;

/// See [`SYN_NO_REQUEST`].
pub const JOIN: Join = Join { kind: SYN_NO_REQUEST.kind, find };

fn find(scene: &Scene, threshold: f64) -> Vec<Found> {
    if scene.around.is_attacked {
        return Vec::new();
    }
    let found = scene.knocks.iter().filter_map(|(ip, knock)| {
        let silent_ns = scene.now_ns.saturating_sub(knock.since_ns);
        let syns = knock.syns(scene.now_ns);
        if silent_ns < SILENT_NS || (syns as f64) < threshold || !scene.around.is_client(ip) {
            return None;
        }
        let about = if knock.is_estimated { "about " } else { "" };
        let text = format!(
            "{about}{syns} SYNs in a minute, the last to port {}, and for {} s no line of a log",
            knock.port,
            silent_ns / 1_000_000_000
        );
        Some(Found { ip: *ip, value: syns as f64, text })
    });
    found.collect()
}
