//! The place of an XDP program on an interface, of which there is one: taken by another program before we start, attached
//! by a link or by netlink; and taken from us while we run.

use std::{os::fd::AsFd as _, process::Command};

use nettop_tests::{
    bpf::{self, Instruction},
    monitor::{Monitor, troubles},
    net::Net,
    program,
    send::Sender,
    skip,
    traffic::Traffic,
};
use tempfile::TempDir;

use crate::{degraded, packets, row, udp};

/// Lets every packet pass.
const PASS: [Instruction; 2] = [bpf::mov(0, 2), bpf::exit()];

fn nettop(net: &Net, directory: &TempDir) -> Command {
    let mut command = net.receiver.command(program::path("nettop"));
    command.args(["run", "--quiet", "--iface", "in0", "--map-memory", "1", "--control-socket"]);
    command.arg(directory.path().join("s"));
    command
}

#[test]
fn a_program_that_was_there_first_is_named_and_left_alone() {
    if !skip::privileged() {
        return;
    }
    let (net, directory) = (Net::new(1), TempDir::new().expect("a directory"));
    let other = bpf::load_xdp(&PASS).expect("a program");
    let index = net.receiver.interface_index("in0");
    for generic in [false, true] {
        net.receiver.run(|| bpf::set_xdp(other.as_fd(), index, generic)).expect("attaching by netlink");
        let id = net.receiver.xdp_program("in0").expect("it is attached");
        let refused = program::run(&mut nettop(&net, &directory));
        for part in [&format!("id {id}"), "in0", "ip link set dev in0 xdp off"] {
            refused.expect_one_line(part);
        }
        assert_eq!(net.receiver.xdp_program("in0"), Some(id), "it stays");
        net.receiver.ip(&format!("link set dev in0 {} off", if generic { "xdpgeneric" } else { "xdpdrv" }));
    }
    let link = net.receiver.run(|| bpf::attach_xdp(other.as_fd(), index)).expect("attaching by a link");
    let id = net.receiver.xdp_program("in0").expect("it is attached");
    program::run(&mut nettop(&net, &directory)).expect_one_line(&format!("id {id}"));
    // Once it is gone, nothing is in the way.
    drop(link);
    Monitor::live(&net.receiver, "--iface in0").wait_until_seen(0);
}

#[test]
fn whoever_takes_the_place_from_us_is_named_until_we_have_it_again() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let sender = Sender::new(&net.sender, "out0");
    let mut traffic = Traffic::default();
    traffic.send(&sender, &udp(), 5);
    monitor.wait_until_seen(traffic.seen());
    let (ours, index) = (net.receiver.xdp_program("in0").expect("it is attached"), net.receiver.interface_index("in0"));

    // Nobody gets it by asking.
    let other = bpf::load_xdp(&PASS).expect("a program");
    for generic in [false, true] {
        let refused = net.receiver.run(|| bpf::set_xdp(other.as_fd(), index, generic));
        assert!(refused.is_err(), "generic: {generic}");
    }
    assert!(
        !net.receiver
            .command("ip")
            .args(["link", "set", "dev", "in0", "xdp", "off"])
            .output()
            .expect("ip")
            .status
            .success()
    );
    traffic.send(&sender, &udp(), 5);
    traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));

    // By force, as `bpftool link detach` does it; and nettop takes it back where nobody else does.
    let take = || {
        bpf::detach_links_of(ours).expect("detaching");
        net.receiver.run(|| bpf::attach_xdp(other.as_fd(), index))
    };
    let taken = (0..20).find_map(|_| take().ok()).expect("taking the place before nettop does");
    let id = net.receiver.xdp_program("in0").expect("the other one is attached");
    assert_ne!(id, ours);
    let snapshot = monitor.wait_until("told", |snapshot| degraded(snapshot).contains(&format!("id {id}")));
    assert_eq!(row(&snapshot)["state"], "detached", "{}", row(&snapshot));
    assert_eq!(row(&snapshot)["mode"], serde_json::Value::Null);
    assert!(degraded(&snapshot).contains("in0 is not watched"), "{}", degraded(&snapshot));
    sender.send(&udp().frame(), 9);
    assert_eq!(packets(&monitor.snapshot(), "seen"), traffic.seen(), "nothing is counted meanwhile");

    drop(taken);
    monitor
        .wait_until("attached again", |snapshot| row(snapshot)["state"] == "up" && row(snapshot)["mode"] == "native");
    assert_eq!(net.receiver.xdp_program("in0"), Some(ours));
    traffic.send(&sender, &udp(), 5);
    let snapshot = monitor.wait_until_seen(traffic.seen());
    traffic.assert_is(&snapshot);
    assert_eq!(troubles(&snapshot), [&serde_json::Value::Null; 0]);
}
