//! Asking a running nettop to block.

use serde_json::{Value, json};

use crate::{monitor::Monitor, net::Net, program::wait_for};

/// A monitor on `in0` that blocks where it is asked to, and has seen what its guards want to know.
pub fn ready(net: &Net, options: &str) -> Monitor {
    let monitor = Monitor::live(&net.receiver, &format!("--iface in0 --block-with xdp {options}"));
    settled(&monitor);
    monitor
}

/// Waits until a monitor has seen what its guards want to know.
pub fn settled(monitor: &Monitor) {
    monitor.wait_until("ticks", |snapshot| snapshot["tick"]["count"].as_u64() > Some(2));
}

/// The group `blocks`, as it is now.
pub fn blocks(monitor: &Monitor) -> Value {
    monitor.command(&json!({"cmd": "blocks"}))["blocks"].clone()
}

/// Asks for a block.
pub fn ask_block(monitor: &Monitor, net: &str, seconds: u64) -> Value {
    monitor.request(&json!({"cmd": "block", "net": net, "seconds": seconds, "reason": "a test"}))
}

/// Waits for a condition.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(|| condition().then_some(())).unwrap_or_else(|| panic!("not in time: {what}"));
}
