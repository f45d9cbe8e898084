//! What a socket is, by its state, and what payload it has moved.

use nettop_collect::sockets::{
    SocketProtocol::{self, Icmp, PacketDatagram, PacketRaw, Raw, Sctp, Tcp, Udp, UdpLite},
    SocketRow,
};

/// States of TCP by the kernel's numbers (include/net/tcp_states.h), as RFC 9293 names them.
pub const NAMES: [&str; 12] = [
    "",
    OPEN,
    "SYN-SENT",
    "SYN-RECEIVED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "CLOSED",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
];
const OPEN: &str = "ESTABLISHED";
/// The places of the two whose sockets are not listed, but counted.
pub const SYN_RECEIVED: usize = 3;
pub const TIME_WAIT: usize = 6;
/// Of a socket without another end, as ss(8) has it.
const UNCONNECTED: &str = "UNCONN";
/// States of associations of SCTP by the kernel's numbers (include/net/sctp/constants.h), as RFC 9260 names them.
const SCTP: [&str; 8] = [
    "CLOSED",
    "COOKIE-WAIT",
    "COOKIE-ECHOED",
    OPEN,
    "SHUTDOWN-PENDING",
    "SHUTDOWN-SENT",
    "SHUTDOWN-RECEIVED",
    "SHUTDOWN-ACK-SENT",
];

/// Until then a socket of UDP is active, and until then idle: the times after which the kernel's connection tracking forgets one that was
/// answered never (`nf_conntrack_udp_timeout`), and twice that.
const ACTIVE_NS: u64 = 30_000_000_000;
const IDLE_NS: u64 = 60_000_000_000;

pub const ESTABLISHED: u8 = 1;
/// States of TCP that only a whole handshake leads to: established, waiting for the other end's FIN, or for ours.
pub const PROVEN: [u8; 3] = [ESTABLISHED, 5, 8];
pub const SYN_SENT: u8 = 2;
const CLOSED: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
const LISTEN: u8 = 10;
const CLOSING: u8 = 11;

/// What a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A connection, or a socket of UDP that is connected.
    Live,
    /// It waits for connections, or for datagrams from anybody.
    Listening,
}

impl Kind {
    /// Of a socket; `None`: it was made, and is neither.
    pub fn of(socket: &SocketRow) -> Option<Self> {
        let is_live = match (socket.protocol, socket.state) {
            (Tcp, LISTEN) => false,
            (Tcp, CLOSED) => return None,
            // One that was accepted is told by its association.
            (Sctp, ESTABLISHED) if socket.remote_port == 0 => return None,
            (Tcp, _) => true,
            (Udp | UdpLite | Sctp, _) => socket.remote_port != 0,
            // There are no ports.
            (Raw | Icmp, _) => !socket.remote.is_unspecified(),
            (PacketRaw | PacketDatagram, _) => false,
        };
        Some(if is_live { Self::Live } else { Self::Listening })
    }
}

/// The name of its state. `silent_ns`: for how long a socket of UDP has moved nothing, where that is known.
pub fn name(socket: &SocketRow, silent_ns: Option<u64>) -> &'static str {
    let state = usize::from(socket.state);
    let is_live = Kind::of(socket) == Some(Kind::Live);
    match socket.protocol {
        Tcp => NAMES.get(state).copied().unwrap_or_default(),
        Sctp if is_live => SCTP.get(state).copied().unwrap_or_default(),
        Sctp if socket.state == LISTEN => NAMES[usize::from(LISTEN)],
        Udp | UdpLite if is_live => silent_ns.map_or(OPEN, activity),
        _ if is_live => OPEN,
        _ => UNCONNECTED,
    }
}

/// What its protocol is called, as near as may be to what ss(8) does.
pub fn protocol(protocol: SocketProtocol) -> &'static str {
    match protocol {
        Tcp => "TCP",
        Udp => "UDP",
        UdpLite => "UDPL",
        Sctp => "SCTP",
        Raw => "RAW",
        Icmp => "ICMP",
        PacketRaw => "P_RAW",
        PacketDatagram => "P_DGR",
    }
}

/// Whether calls on such a socket, each of which moves a datagram, tell what it moves. Those on a socket of SCTP are not told apart by
/// association, and those on a packet socket are not counted.
pub fn is_told_by_calls(socket: &SocketRow) -> bool {
    matches!(socket.protocol, Udp | UdpLite | Raw) && socket.cookie != 0
}

/// UDP has no states: what matters is when anything was moved last.
fn activity(silent_ns: u64) -> &'static str {
    if silent_ns <= ACTIVE_NS {
        "ACTIVE"
    } else if silent_ns <= IDLE_NS {
        "IDLE"
    } else {
        "STALE"
    }
}

/// Bytes of payload sent and received. The kernel counts the other end's FIN as a byte received.
pub fn payload(socket: &SocketRow) -> (Option<u64>, Option<u64>) {
    let tcp = &socket.tcp;
    let tx = tcp.bytes_sent.zip(tcp.bytes_retrans).map(|(sent, again)| sent.saturating_sub(again));
    let fin = u64::from(matches!(socket.state, CLOSE_WAIT | LAST_ACK | CLOSING));
    (tx, tcp.bytes_received.map(|received| received.saturating_sub(fin)))
}

#[cfg(test)]
mod tests {
    use nettop_collect::sockets::TcpFacts;

    use super::*;

    #[test]
    fn the_other_ends_fin_and_what_was_sent_again_are_no_payload() {
        for (name, state, sent, again, received, expected) in [
            ("established", 1, Some(10), Some(0), Some(7), (Some(10), Some(7))),
            ("sent again", 1, Some(10), Some(4), Some(7), (Some(6), Some(7))),
            ("closed by the other end", 8, Some(10), Some(0), Some(7), (Some(10), Some(6))),
            ("closed by both", 9, Some(10), Some(0), Some(1), (Some(10), Some(0))),
            ("closed at once", 11, Some(0), Some(0), Some(1), (Some(0), Some(0))),
            ("closed by this end", 5, Some(10), Some(0), Some(7), (Some(10), Some(7))),
            ("nothing received", 8, Some(0), Some(0), Some(0), (Some(0), Some(0))),
            ("an older kernel", 1, None, None, Some(7), (None, Some(7))),
            ("no TCP", 1, None, None, None, (None, None)),
            ("nonsense", 1, Some(1), Some(9), None, (Some(0), None)),
        ] {
            let tcp =
                TcpFacts { bytes_sent: sent, bytes_retrans: again, bytes_received: received, ..TcpFacts::default() };
            assert_eq!(payload(&SocketRow { state, tcp, ..SocketRow::default() }), expected, "{name}");
        }
    }

    #[test]
    fn a_socket_is_a_connection_or_waits_for_some() {
        for (protocol, state, remote_port, kind, text) in [
            (Tcp, 1, 9, Some(Kind::Live), "ESTABLISHED"),
            (Tcp, 2, 9, Some(Kind::Live), "SYN-SENT"),
            (Tcp, 10, 0, Some(Kind::Listening), "LISTEN"),
            (Tcp, 7, 0, None, "CLOSED"),
            (Tcp, 200, 9, Some(Kind::Live), ""),
            (Udp, 7, 0, Some(Kind::Listening), "UNCONN"),
            (Udp, 1, 9, Some(Kind::Live), "ESTABLISHED"),
            (UdpLite, 7, 0, Some(Kind::Listening), "UNCONN"),
            (UdpLite, 1, 9, Some(Kind::Live), "ESTABLISHED"),
            (Sctp, 10, 0, Some(Kind::Listening), "LISTEN"),
            (Sctp, 7, 0, Some(Kind::Listening), "UNCONN"),
            (Sctp, 1, 0, None, "UNCONN"),
            (Sctp, 3, 9, Some(Kind::Live), "ESTABLISHED"),
            (Sctp, 7, 9, Some(Kind::Live), "SHUTDOWN-ACK-SENT"),
            (Sctp, 200, 9, Some(Kind::Live), ""),
            (Raw, 7, 0, Some(Kind::Listening), "UNCONN"),
            (Icmp, 7, 0, Some(Kind::Listening), "UNCONN"),
            (PacketRaw, 7, 0, Some(Kind::Listening), "UNCONN"),
            (PacketDatagram, 7, 0, Some(Kind::Listening), "UNCONN"),
        ] {
            let socket = SocketRow { protocol, state, remote_port, ..SocketRow::default() };
            assert_eq!((Kind::of(&socket), name(&socket, None)), (kind, text), "{protocol:?} {state}");
        }
        for protocol in [Raw, Icmp] {
            let socket = SocketRow { protocol, state: 1, remote: [192, 0, 2, 1].into(), ..SocketRow::default() };
            let found = (Kind::of(&socket), name(&socket, None));
            assert_eq!(found, (Some(Kind::Live), "ESTABLISHED"), "{protocol:?}, connected");
        }
    }

    #[test]
    fn udp_is_active_idle_or_stale_by_when_anything_was_moved() {
        for (protocol, remote_port, silent_s, expected) in [
            (SocketProtocol::Udp, 53, Some(0), "ACTIVE"),
            (SocketProtocol::Udp, 53, Some(30), "ACTIVE"),
            (SocketProtocol::Udp, 53, Some(31), "IDLE"),
            (SocketProtocol::Udp, 53, Some(60), "IDLE"),
            (SocketProtocol::Udp, 53, Some(61), "STALE"),
            (SocketProtocol::Udp, 53, None, "ESTABLISHED"),
            (SocketProtocol::UdpLite, 53, Some(31), "IDLE"),
            (SocketProtocol::Udp, 0, Some(0), "UNCONN"),
            (SocketProtocol::Tcp, 53, None, "ESTABLISHED"),
        ] {
            let socket = SocketRow { protocol, state: 1, remote_port, ..SocketRow::default() };
            let silent_ns = silent_s.map(|seconds: u64| seconds * 1_000_000_000);
            assert_eq!(name(&socket, silent_ns), expected, "{protocol:?} {silent_s:?}");
        }
    }
}
