//! What may go wrong around a monitor, done to the real one: it survives, it says what is true, and nothing stays behind.
//! More of it where it belongs: interfaces in `live`, floods in `flood`, files in `events`, clients in `control`.

mod clients;
mod disk;
mod ending;
mod hook;
mod interfaces;
mod job;
mod killed;
mod memory;
mod readers;
mod sites;
mod terminal;
mod time;

use nettop_tests::frames::{Spec, Transport};
use serde_json::Value;

/// A UDP packet that nettop counts.
fn udp() -> Spec {
    Spec::v4(Transport::Udp(40_000, 53))
}

/// The row of the first interface in a snapshot.
fn row(snapshot: &Value) -> &Value {
    &snapshot["interfaces"][0]
}

/// What a snapshot says does not work as it should.
fn degraded(snapshot: &Value) -> String {
    snapshot["degraded"].to_string()
}

/// A count in the accounts of a snapshot, in packets.
fn packets(snapshot: &Value, part: &str) -> u64 {
    snapshot["accounting"][part]["packets"].as_u64().expect("a count")
}

fn ticks(snapshot: &Value) -> u64 {
    snapshot["tick"]["count"].as_u64().expect("a count")
}

fn late(snapshot: &Value) -> u64 {
    snapshot["tick"]["late"].as_u64().expect("a count")
}
