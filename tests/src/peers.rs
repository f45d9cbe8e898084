//! A host that is watched, and another one that it talks to: they know each other's MACs, so that nothing has to be asked.

use std::net::{Ipv4Addr, UdpSocket};

use serde_json::Value;

use crate::net::{Namespace, Net};

/// The host, at `in0`.
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The other one, at `out0`.
pub const REMOTE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// Both of them.
pub fn peers() -> Net {
    let net = Net::new(1);
    net.receiver.ip(&format!("addr add {HOST}/24 dev in0"));
    net.sender.ip(&format!("addr add {REMOTE}/24 dev out0"));
    net.receiver.ip(&format!("neigh add {REMOTE} lladdr 02:00:00:00:01:00 dev in0"));
    net.sender.ip(&format!("neigh add {HOST} lladdr 02:00:00:00:02:00 dev out0"));
    net
}

/// Two sockets of UDP on the loopback of a namespace, a server's and a client's: so often 100 bytes to the server and 10 back, one at a time, so
/// that none is lost for want of room.
pub fn exchange(namespace: &Namespace, times: usize) -> [UdpSocket; 2] {
    let [server, client] = namespace.run(|| {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let (server, client) = (bind(), bind());
        client.connect(server.local_addr().expect("an address")).expect("connecting");
        [server, client]
    });
    for _ in 0..times {
        client.send(&[7; 100]).expect("sending");
        let (_, from) = server.recv_from(&mut [0; 200]).expect("receiving");
        server.send_to(&[7; 10], from).expect("answering");
        client.recv(&mut [0; 200]).expect("receiving");
    }
    [server, client]
}

/// The alert of a kind in a snapshot.
pub fn named<'a>(snapshot: &'a Value, kind: &str) -> Option<&'a Value> {
    snapshot["alerts"].as_array().expect("a list").iter().find(|alert| alert["kind"] == kind)
}
