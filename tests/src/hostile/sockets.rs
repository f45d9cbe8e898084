//! Datagrams of sock_diag, files that list sockets, and what the engine makes of the sockets in them; messages about neighbours.

use std::net::IpAddr;

use nettop_collect::{
    netlink::{kept::messages, neighbour},
    sockets::{
        Census,
        SocketProtocol::{Icmp, PacketRaw, Raw, Sctp, Tcp, Udp, UdpLite},
        SocketRow, files, inet, packet,
    },
};
use nettop_engine::sockets::SocketState;
use nettop_model::clock::Moment;

use super::expect_visible;

/// Bytes of the header of a netlink message, before its number.
const BEFORE_NUMBER: usize = 8;

/// Reads `data` as a datagram that answers the question whose number its first message has, as a message by itself, of each kind of sockets,
/// and as a file; all sockets of it are entered twice, the second time a second later.
pub fn sockets(data: &[u8]) {
    let number = data.get(BEFORE_NUMBER..BEFORE_NUMBER + 4).and_then(|bytes| bytes.try_into().ok());
    let mut rows: Vec<SocketRow> = Vec::new();
    let by_inet = [Tcp, Udp, UdpLite, Sctp, Raw].map(|protocol| (Some(protocol), protocol));
    for (inet, protocol) in by_inet.into_iter().chain([(None, PacketRaw)]) {
        let parse = |body: &[u8]| inet.map_or_else(|| packet::row(body), |protocol| inet::row(body, protocol));
        rows.extend(parse(data));
        let mut read = 0;
        // What was read before an error stays read.
        let _ = messages(data, number.map_or(0, u32::from_ne_bytes), &mut |body| {
            read += body.len();
            rows.extend(parse(body));
        });
        assert!(read <= data.len(), "{read} bytes of {} of {protocol:?}", data.len());
    }
    rows.extend(files::rows(data, Icmp));
    assert!(neighbour(data).is_none_or(|one| one.state != 0));
    for row in &rows {
        for address in [row.local, row.remote] {
            assert!(!matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()), "{row:?}");
        }
        let again: SocketRow = serde_json::from_value(serde_json::to_value(row).expect("JSON")).expect("a socket");
        assert_eq!(again, *row, "recorded and read");
    }
    let mut state = SocketState::default();
    for second in 0..2 {
        let at = Moment { monotonic_ns: second * 1_000_000_000, unix_ns: second * 1_000_000_000 };
        state.enter(Census { at, sockets: rows.clone(), ephemeral: Some((32_768, 60_999)), ..Census::default() });
        let (Some(connections), Some(processes)) = state.groups(0, &|_| None) else { panic!("a census was entered") };
        let listed = connections.live.len() + connections.listening.len();
        assert!(listed <= rows.len() && processes.rows.len() <= listed, "{rows:?}");
        let cookies: std::collections::BTreeSet<_> =
            connections.live.iter().chain(&connections.listening).map(|row| row.cookie).collect();
        assert_eq!(cookies.len(), listed, "no socket twice");
        for row in connections.live.iter().chain(&connections.listening) {
            let rates = [row.tx_bps, row.rx_bps];
            assert!(rates.iter().flatten().all(|rate| rate.is_finite() && *rate >= 0.0), "{row:?}");
            expect_visible("a state", &row.state);
        }
        let (few, _) = state.groups(1, &|_| None);
        let few = few.expect("a census was entered");
        let both = few.live.len() + few.listening.len();
        assert_eq!(few.left_out as usize + both, listed, "listed and left out");
    }
}
