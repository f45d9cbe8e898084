//! The sockets of this host: connections in both directions, what listens, and the processes that have them.

use std::net::IpAddr;

use nettop_geo::CountryCode;
use serde::{Deserialize, Serialize};

use super::{
    Snapshot,
    json::{as_map, from_map, known},
    names::Name,
};
use crate::format;

/// The connections there were at the newest census. Bytes are payload as the sockets have it, exact at the census; bytes on the wire
/// are in the other groups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Connections {
    /// The census that this is of.
    pub census: CensusFacts,
    /// Connections, the busiest first.
    pub live: Vec<Connection>,
    /// Sockets that wait for connections, or for packets from anybody: raw and packet sockets are here, too.
    pub listening: Vec<Connection>,
    /// Connections of TCP that ended in the last seconds (`--keep-ended`), the newest first, 4,096 at most; without the kernel's tracepoints, none.
    pub ended: Vec<Connection>,
    /// How many rows the lists leave out, and sockets that were only counted.
    pub left_out: u64,
    /// Sums over what lives.
    pub sums: ConnectionSums,
    /// How many TCP sockets are in which state, of all there are.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub states: Vec<(Name, u64)>,
    /// Connections that no process has any more; `None`: not known.
    pub orphans: Option<u64>,
    /// Sockets that a process has, of which it is not known which.
    pub without_owner: u64,
}

/// Sums over all connections that live, those that the lists leave out included, by what they have in common; the busiest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionSums {
    /// By what their process calls itself.
    pub process: Vec<ConnectionSum>,
    /// By its systemd unit, or the first twelve digits of its container's id.
    pub unit: Vec<ConnectionSum>,
    /// By the address at the other end.
    pub remote: Vec<ConnectionSum>,
    /// By the port of the end which was asked; where nobody knows which that is, the lower one.
    pub port: Vec<ConnectionSum>,
    /// By the code of the country of the other end.
    pub country: Vec<ConnectionSum>,
    /// How many sums the lists leave out.
    pub left_out: u64,
}

/// Connections with something in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionSum {
    /// What they have in common; empty: it is not known of these.
    pub name: String,
    /// How many.
    pub connections: u64,
    /// Payload sent.
    pub tx_bytes: u64,
    /// Payload received.
    pub rx_bytes: u64,
    /// Payload sent per second.
    pub tx_bps: f64,
    /// Payload received per second.
    pub rx_bps: f64,
    /// Segments sent again.
    pub retransmits: u64,
}

/// When sockets were listed, and what that cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CensusFacts {
    /// When, Unix nanoseconds.
    pub at_ns: u64,
    /// Seconds since the one before, which the rates are over; 0: this is the first one, and there are none.
    pub seconds: f64,
    /// Sockets listed.
    pub sockets: u64,
    /// CPU time that it took, µs.
    pub cost_us: u64,
    /// Seconds until the next one: 50 times what this one took, at least one (three where nothing moved) and at most 30.
    pub rest: f64,
}

/// One connection, or a socket that waits for some. What is `None` is not known, or is nothing that such a socket has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Connection {
    /// What the kernel knows it by, for as long as the host runs; where it does not tell, a number made from that of its file, and of an
    /// association of SCTP one made from both ends.
    pub cookie: u64,
    /// `TCP`, `UDP`, `UDPL` (UDP-Lite), `SCTP`, `RAW`, `ICMP` (of ping(8)), `P_RAW` or `P_DGR` (packet sockets, with and without the link's
    /// header).
    pub protocol: Name,
    /// The network namespace that it is in, by its inode, as `ls -L /proc/PID/ns/net` has it; `None`: the one that is listed whole.
    pub namespace: Option<u32>,
    /// The address at this end; of a packet socket there is none.
    pub local: Option<IpAddr>,
    /// The port at this end; of raw sockets the number of the IP protocol, of `ICMP` the identifier, of packet sockets the EtherType (3: all).
    pub local_port: u16,
    /// What a raw socket takes, an IP protocol such as `OSPF`, or a packet socket, `all` or an EtherType such as `ARP`.
    pub takes: Option<Name>,
    /// The interface that it is bound to.
    pub interface: Option<String>,
    /// The address at the other end.
    pub remote: Option<IpAddr>,
    /// The port at the other end.
    pub remote_port: Option<u16>,
    /// Its state, as RFC 9293 names those of TCP. Of UDP with another end: `ACTIVE` if it moved anything in the last 30 seconds, `IDLE` in the
    /// last minute, else `STALE`; where calls are not counted, `ESTABLISHED`. Of an association of SCTP as RFC 9260 names it. Without another
    /// end: `UNCONN`. `?`: it is of TCP in another network namespace, of which its calls do not tell.
    pub state: Name,
    /// Of UDP, for how many seconds it has moved nothing, as far as it is known.
    pub silent: Option<f64>,
    /// The code of the country of the other end; `None`: not known.
    pub country: Option<CountryCode>,
    /// Who began it; `None`: it is no connection.
    #[serde(deserialize_with = "known")]
    pub direction: Option<Way>,
    /// The process that has it.
    pub pid: Option<u32>,
    /// What that calls itself.
    pub process: Option<String>,
    /// The systemd unit that it runs in, or the first twelve digits of its container's id.
    pub unit: Option<String>,
    /// The user that made the socket.
    pub uid: u32,
    /// Bytes sent, those sent again not included. Of UDP, by its calls since the start or the last reset.
    pub tx_bytes: Option<u64>,
    /// Bytes received.
    pub rx_bytes: Option<u64>,
    /// Segments sent; of UDP calls, of which each sends a datagram unless it has the kernel cut one (`UDP_SEGMENT`).
    pub tx_packets: Option<u64>,
    /// Segments received; of UDP datagrams.
    pub rx_packets: Option<u64>,
    /// Bytes sent per second, since the census before; at the first census there are none.
    pub tx_bps: Option<f64>,
    /// Bytes received per second.
    pub rx_bps: Option<f64>,
    /// Smoothed round-trip time, µs.
    pub rtt_us: Option<u32>,
    /// Segments sent again.
    pub retransmits: Option<u32>,
    /// Segments received out of order.
    pub out_of_order: Option<u32>,
    /// Congestion window, segments.
    pub cwnd: Option<u32>,
    /// Bytes received and not read yet; of a listening socket, connections not accepted yet.
    pub rx_queue: u32,
    /// Bytes sent and not acknowledged yet; of a listening socket, how many connections may wait.
    pub tx_queue: u32,
    /// Datagrams and segments that the socket had no room for.
    pub drops: u32,
    /// When a census saw it first, at most one after it was opened; of one that ended before any did, when it ended. `None`: it was there before
    /// the first census. Unix nanoseconds.
    pub opened_ns: Option<u64>,
    /// When it ended; `None`: it has not.
    pub ended_ns: Option<u64>,
}

impl Connection {
    /// Whether its local port is one, and not what a raw or a packet socket takes, or the identifier of a ping.
    pub fn has_port(&self) -> bool {
        self.takes.is_none() && self.protocol != "ICMP"
    }

    /// This end in two parts, of which the second tells more: `[2001:db8::1]` and `:443`; of a raw socket `192.0.2.1` and `:ICMP`; of a packet
    /// socket `ARP` and `%eth0`, as ss(8) writes where a socket is bound, or `%*`.
    pub fn local_end(&self) -> (String, String) {
        let takes = self.takes.as_deref().map(format::visible);
        let address = self.local.map(|local| if local.is_ipv6() { format!("[{local}]") } else { local.to_string() });
        match (address, takes) {
            (Some(address), Some(takes)) => (address, format!(":{takes}")),
            (Some(address), None) => (address, format!(":{}", self.local_port)),
            (None, takes) => {
                let interface = self.interface.as_deref().map_or("*".into(), format::visible);
                (takes.unwrap_or_default(), format!("%{interface}"))
            }
        }
    }

    /// Bytes, both ways.
    pub fn bytes(&self) -> u64 {
        self.tx_bytes.unwrap_or_default().saturating_add(self.rx_bytes.unwrap_or_default())
    }
}

impl Snapshot {
    /// Every socket that it lists: connections, what listens, what has ended.
    pub fn sockets(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter().flat_map(|connections| connections.all())
    }

    /// The one of this cookie.
    pub fn socket(&self, cookie: u64) -> Option<&Connection> {
        self.sockets().find(|row| row.cookie == cookie)
    }
}

impl Connections {
    /// Every row: what lives, what listens, what has ended.
    pub fn all(&self) -> impl Iterator<Item = &Connection> {
        self.live.iter().chain(&self.listening).chain(&self.ended)
    }

    /// Those that pass, and of these at most `limit` (0: all) in each list.
    pub fn keep(&mut self, passes: impl Fn(&Connection) -> bool, limit: usize) {
        for list in [&mut self.live, &mut self.listening, &mut self.ended] {
            list.retain(&passes);
            self.left_out += left_out(list, limit);
        }
    }
}

impl Processes {
    /// Those that pass, and of these at most `limit` (0: all).
    pub fn keep(&mut self, passes: impl Fn(&ProcessRow) -> bool, limit: usize) {
        self.rows.retain(passes);
        self.left_out += left_out(&mut self.rows, limit);
    }
}

/// Leaves out what is beyond the limit (0: there is none), and returns how many that are.
pub(super) fn left_out<R>(rows: &mut Vec<R>, limit: usize) -> u64 {
    let all = rows.len();
    if limit > 0 {
        rows.truncate(limit);
    }
    (all - rows.len()) as u64
}

/// Who began a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// The other end: it was accepted.
    In,
    /// This host.
    Out,
    /// Nobody knows.
    #[serde(rename = "?")]
    Unknown,
}

impl Way {
    /// `in`, `out` or `?`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Unknown => "?",
        }
    }
}

/// The processes that have sockets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Processes {
    /// When the census was taken that this is of, Unix nanoseconds.
    pub at_ns: u64,
    /// Processes, the busiest first.
    pub rows: Vec<ProcessRow>,
    /// How many the list leaves out.
    pub left_out: u64,
    /// Where all went that calls on sockets moved; `None`: that is not counted.
    pub accounting: Option<CallsAccounting>,
}

/// Where all bytes went that calls on sockets moved, of every process of the host, since the start or the last reset.
/// Always: `total` = `processes` + `evicted` + `untracked`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallsAccounting {
    /// Everything.
    pub total: Transferred,
    /// Of processes that are remembered.
    pub processes: Transferred,
    /// Of processes that were forgotten, because there was no room.
    pub evicted: Transferred,
    /// For which there was no slot in the kernel.
    pub untracked: Transferred,
    /// Beside the total: counted while another count went on, so that it is not known of which process.
    pub nested: Transferred,
    /// Connections of TCP that ended.
    pub ended: u64,
    /// Of these, the ones that were not told one by one, for which there was no room.
    pub ended_untracked: u64,
    /// Whether the totals and the sums over processes, which are counted apart, agree.
    pub holds: bool,
}

/// Bytes that calls on sockets moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Transferred {
    /// Sent.
    pub tx_bytes: u64,
    /// Received.
    pub rx_bytes: u64,
}

/// One process, or all of a user that are not known. Bytes are what its calls moved, by any socket, since the start or the last reset; where
/// that is not counted, sums over the connections that it has now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessRow {
    /// Its number; `None`: these are sockets of this user, of which it is not known which process has them.
    pub pid: Option<u32>,
    /// What it calls itself.
    pub process: Option<String>,
    /// The number of the process that started it, or took it over.
    pub parent: Option<u32>,
    /// The systemd unit that it runs in.
    pub unit: Option<String>,
    /// The id of the container that it runs in.
    pub container: Option<String>,
    /// The file that it runs, where that may be known.
    pub executable: Option<String>,
    /// Its user.
    pub uid: u32,
    /// When it was started, Unix nanoseconds.
    pub started_ns: Option<u64>,
    /// Connections.
    pub connections: u64,
    /// Sockets that wait for some.
    pub listening: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent per second.
    pub tx_bps: f64,
    /// Bytes received per second.
    pub rx_bps: f64,
    /// Segments sent again.
    pub retransmits: u64,
}
