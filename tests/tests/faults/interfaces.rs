//! Interfaces that leave for another network namespace, and ones whose MTU grows beyond a page under the monitor.

use nettop_tests::{
    monitor::Monitor,
    net::{Namespace, Net},
    send::Sender,
    skip,
    traffic::Traffic,
};

use crate::{row, udp};

#[test]
fn an_interface_that_moves_to_another_namespace_is_counted_on() {
    if !skip::privileged() {
        return;
    }
    let (net, elsewhere) = (Net::new(1), Namespace::new());
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let sender = Sender::new(&net.sender, "out0");
    let mut traffic = Traffic::default();
    traffic.send(&sender, &udp(), 5);
    monitor.wait_until_seen(traffic.seen());
    let program = net.receiver.xdp_program("in0");
    for (from, to, state) in [(&net.receiver, &elsewhere, "moved"), (&elsewhere, &net.receiver, "up")] {
        from.move_to("in0", to);
        to.ip("link set dev in0 up");
        assert_eq!(to.xdp_program("in0"), program, "its program goes with it");
        let snapshot = monitor.wait_until(state, |snapshot| row(snapshot)["state"] == state);
        assert_eq!(row(&snapshot)["name"], "in0");
        traffic.send(&sender, &udp(), 7);
        traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
    }
}

#[test]
fn an_mtu_that_grows_beyond_a_page_and_shrinks_again_loses_nothing() {
    if !skip::privileged() {
        return;
    }
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, "--iface in0");
    let sender = Sender::new(&net.sender, "out0");
    let mut traffic = Traffic::default();
    for mtu in [1500, 9000, 1280, 65_535, 1500] {
        net.set_mtu(0, mtu);
        let snapshot = monitor.wait_until("the MTU", |snapshot| row(snapshot)["mtu"] == mtu);
        assert_eq!((&row(&snapshot)["mode"], &row(&snapshot)["state"]), (&"native".into(), &"up".into()));
        // The largest packets there are, over several buffers from a page on.
        traffic.send(&sender, &udp().payload(mtu as usize - 28), 5);
        traffic.send(&sender, &udp(), 5);
        traffic.assert_is(&monitor.wait_until_seen(traffic.seen()));
    }
}
