//! What well-known UDP ports tell of a datagram.

use nettop_common::Event;

/// A service that answers a small question at length, to whomever it seems to come from (US-CERT TA14-017A, and what was
/// abused since).
#[derive(Clone, Copy, Debug)]
pub struct Reflector {
    /// Its UDP port.
    pub port: u16,
    /// What it is called.
    pub name: &'static str,
    /// Frames that are longer on average, bytes, are not the everyday answers of such a service.
    pub ordinary: f64,
}

/// Of these services, any answer in great number is suspect.
const ANY: f64 = 0.0;

/// The services abused for reflection, in order of their ports.
pub const REFLECTORS: [Reflector; 26] = [
    Reflector { port: 17, name: "QOTD", ordinary: ANY },
    Reflector { port: 19, name: "chargen", ordinary: ANY },
    // A busy resolver gets thousands of answers, but few that do not fit into the 512 bytes of RFC 1035.
    Reflector { port: 53, name: "DNS", ordinary: 600.0 },
    Reflector { port: 69, name: "TFTP", ordinary: ANY },
    Reflector { port: 111, name: "portmap", ordinary: ANY },
    // The time is 90 bytes; what "monlist" answers, 482.
    Reflector { port: 123, name: "NTP", ordinary: 200.0 },
    Reflector { port: 137, name: "NetBIOS", ordinary: ANY },
    Reflector { port: 161, name: "SNMP", ordinary: 600.0 },
    Reflector { port: 389, name: "CLDAP", ordinary: ANY },
    Reflector { port: 427, name: "SLP", ordinary: ANY },
    Reflector { port: 520, name: "RIPv1", ordinary: ANY },
    Reflector { port: 623, name: "IPMI", ordinary: ANY },
    Reflector { port: 1434, name: "MS-SQL", ordinary: ANY },
    Reflector { port: 1604, name: "Citrix ICA", ordinary: ANY },
    Reflector { port: 1900, name: "SSDP", ordinary: ANY },
    Reflector { port: 3283, name: "ARMS", ordinary: ANY },
    Reflector { port: 3702, name: "WS-Discovery", ordinary: ANY },
    Reflector { port: 5353, name: "mDNS", ordinary: ANY },
    Reflector { port: 5683, name: "CoAP", ordinary: ANY },
    Reflector { port: 10001, name: "Ubiquiti", ordinary: ANY },
    Reflector { port: 10074, name: "TP-240", ordinary: ANY },
    Reflector { port: 11211, name: "memcached", ordinary: ANY },
    Reflector { port: 17185, name: "VxWorks", ordinary: ANY },
    Reflector { port: 32414, name: "Plex", ordinary: ANY },
    Reflector { port: 37810, name: "DHDiscover", ordinary: ANY },
    Reflector { port: 41794, name: "Crestron", ordinary: ANY },
];

/// UDP services with much traffic on an ordinary day: DNS, NTP, QUIC, IPsec, syslog, OpenVPN, RADIUS, NFS, flow records,
/// GTP, STUN, SIP, VXLAN, Geneve, WireGuard.
const BUSY: [u16; 21] = [
    53, 123, 443, 500, 514, 1194, 1812, 1813, 2049, 2055, 2152, 3478, 4500, 4739, 4789, 5060, 6081, 6343, 8472, 51820,
    853,
];

/// The lowest port that a system takes for the client's end of a connection.
const FIRST_CLIENT_PORT: u16 = 1024;

/// The reflector whose answer a UDP datagram from this port looks like, whatever its length.
pub fn reflector(source_port: u16) -> Option<&'static Reflector> {
    REFLECTORS.iter().find(|reflector| reflector.port == source_port)
}

/// Whether a UDP datagram looks like the answer of a service to a client here.
pub fn is_answer(event: &Event) -> bool {
    let from = event.source_port;
    let from_service = from < FIRST_CLIENT_PORT || BUSY.contains(&from) || reflector(from).is_some();
    from_service && event.destination_port >= FIRST_CLIENT_PORT
}
