//! The bound of the ledger, reached: memory stays where it is, and every packet is still accounted for.

use std::net::Ipv4Addr;

use nettop_tests::{flood::Flood, monitor::Monitor, net::Net, program::memory, skip};

use crate::{packets, udp};

#[test]
fn millions_of_sources_take_no_more_memory_than_there_was_room_for() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0 --max-sources 1000 --map-memory 4");
    let flood = |count| {
        let flood = Flood { frame: udp().frame(), sources: 16_000_000, base: Ipv4Addr::new(16, 0, 0, 0), count };
        flood.run(&net.sender, "out0").expect("the flood is sent");
        let received = net.receiver.received("in0");
        monitor.wait_until("all of it", |snapshot| packets(snapshot, "seen") == received)
    };
    // What a flood takes once, such as the buffers of a reading.
    flood(500_000);
    let before = memory(monitor.pid(), "VmHWM");
    let snapshot = flood(3_000_000);
    let after = memory(monitor.pid(), "VmHWM");
    println!("at most {before:.1} MiB, then {after:.1} MiB");

    assert_eq!(snapshot["accounting"]["holds"], true, "{}", snapshot["accounting"]);
    assert!(packets(&snapshot, "evicted") > 0 && packets(&snapshot, "untracked") > 0, "{}", snapshot["accounting"]);
    assert!(snapshot["ips"].as_array().expect("a list").len() <= 1000);
    assert!(after < before + 24.0, "it grew from {before:.1} MiB to {after:.1} MiB");
}
