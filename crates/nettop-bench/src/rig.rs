//! A veth pair in two namespaces of its own, and who listens at the receiving end.

use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, Result};
use nettop_tests::{
    bpf,
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
};
use serde_json::Value;

use crate::assembly;

/// Where frames leave, and where they arrive, on the first pair.
pub const OUT: &str = "out0";
/// See [`OUT`].
pub const IN: &str = "in0";
/// Columns and rows of the monitor's terminal.
pub const TERMINAL: (u16, u16) = (120, 40);

/// The frame of a flood: 60 bytes, UDP, to a MAC that is not the receiver's. So its stack drops it at once, and the share of the
/// program under test is as large as it can be.
pub fn frame() -> Vec<u8> {
    of_others(Spec::v4(Transport::Udp(40_000, 53)).payload(18))
}

/// The same over IPv6: 62 bytes, the fewest.
pub fn frame_v6() -> Vec<u8> {
    of_others(Spec::v6(Transport::Udp(40_000, 53)))
}

fn of_others(mut spec: Spec) -> Vec<u8> {
    spec.destination_mac = [2, 0, 0, 0, 9, 9];
    spec.frame()
}

/// The ends of a pair.
pub fn ends(pair: usize) -> (String, String) {
    (format!("out{pair}"), format!("in{pair}"))
}

/// Attaches the empty program to each receiving end, until what is returned is dropped.
///
/// # Errors
/// What the kernel says.
pub fn attach_empty(net: &Net, pairs: usize) -> Result<Vec<OwnedFd>> {
    let attach = |pair| {
        let (_, interface) = ends(pair);
        let index = net.receiver.interface_index(&interface);
        net.receiver.run(|| load_and_attach_empty(index)).with_context(|| format!("on {interface}"))
    };
    (0..pairs).map(attach).collect()
}

/// Attaches the empty program to an interface of the calling thread's namespace, until what is returned is dropped.
///
/// # Errors
/// What the kernel says.
pub fn load_and_attach_empty(interface: u32) -> Result<OwnedFd> {
    let program = bpf::load_xdp(&assembly::empty()).context("loading the empty program")?;
    bpf::attach_xdp(program.as_fd(), interface).context("attaching the empty program")
}

/// Starts nettop on each receiving end, with a screen and further options, and waits for its first tick.
pub fn start_nettop(net: &Net, pairs: usize, interval: f64, options: &str) -> Monitor {
    let interfaces = (0..pairs).map(|pair| ends(pair).1).collect::<Vec<_>>().join(",");
    let options = format!("--iface {interfaces} --interval {interval} {options}");
    let monitor = Monitor::on_terminal(&net.receiver, &options, TERMINAL);
    monitor.wait_until("a tick", |snapshot| ticks(snapshot) > 0);
    monitor
}

/// How many frames the receiving ends have received.
pub fn received(net: &Net, pairs: usize) -> u64 {
    (0..pairs).map(|pair| net.receiver.received(&ends(pair).1)).sum()
}

/// A part of `accounting`, in packets.
pub fn packets(snapshot: &Value, part: &str) -> u64 {
    snapshot["accounting"][part]["packets"].as_u64().unwrap_or_default()
}

/// Ticks so far.
pub fn ticks(snapshot: &Value) -> u64 {
    snapshot["tick"]["count"].as_u64().unwrap_or_default()
}

/// Of those, the late ones.
pub fn late_ticks(snapshot: &Value) -> u64 {
    snapshot["tick"]["late"].as_u64().unwrap_or_default()
}
