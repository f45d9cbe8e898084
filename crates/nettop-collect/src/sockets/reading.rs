//! The sockets of this network namespace, as they were read at one instant.

use std::{
    collections::BTreeMap,
    hash::BuildHasher as _,
    net::{IpAddr, Ipv4Addr},
};

use foldhash::fast::FixedState;
use nettop_model::clock::Moment;
use serde::{Deserialize, Serialize};

/// What was read at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Census {
    /// When.
    pub at: Moment,
    /// How much of a CPU it took, nanoseconds.
    pub cost_ns: u64,
    /// How long until the next one, nanoseconds.
    pub rest_ns: u64,
    /// The sockets, in the kernel's order; one may be there twice.
    pub sockets: Vec<SocketRow>,
    /// How many more there are, for which there was no room.
    pub left_out: u64,
    /// How many of those are of TCP in which state, as in [`SocketRow::state`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out_by_state: BTreeMap<u8, u64>,
    /// Some could not be listed: `problems` says why.
    pub partial: bool,
    /// Processes that have some of them.
    pub processes: Vec<Process>,
    /// Connections that only wait until nothing of them can be under way any more; `None`: not known.
    pub time_wait: Option<u64>,
    /// Connections that were asked for, and not confirmed yet.
    pub syn_recv: Option<u64>,
    /// The same by the address and port of this host that they were asked for at, as far as there was room.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub half_open: Vec<(IpAddr, u16, u64)>,
    /// Connections that no process has any more.
    pub orphans: Option<u64>,
    /// The first and the last of the ports that the kernel chooses from for who asks for none.
    pub ephemeral: Option<(u16, u16)>,
    /// Why the owners of sockets are not looked for, in words; `None`: they are.
    pub owners_refused: Option<String>,
    /// Why it is not counted what calls on sockets move, in words; `None`: it is, or nobody wants it.
    pub unhooked: Option<String>,
    /// Kinds of sockets that may be there, of which the kernel knows no list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<Unlisted>,
    /// The names of interfaces that sockets are bound to, by their index.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<(u32, String)>,
    /// What could not be read, and why, in words.
    pub problems: Vec<String>,
}

/// A kind of sockets of which the kernel knows no list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlisted {
    /// What the kernel calls their protocol.
    pub kind: String,
    /// The module of the kernel that would list them.
    pub module: String,
}

/// One socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SocketRow {
    /// What the kernel knows it by, for as long as the host runs; 0: the kernel does not tell, as of those that ping(8) uses. Associations of
    /// one socket of SCTP have the same.
    pub cookie: u64,
    /// Of which protocol.
    pub protocol: SocketProtocol,
    /// Its state, as the kernel numbers them: 1 is established, 7 unconnected, 10 listening (include/net/tcp_states.h); that of an association
    /// of SCTP by that protocol's numbers (include/net/sctp/constants.h).
    pub state: u8,
    /// The address at this end; IPv4-mapped ones are IPv4.
    pub local: IpAddr,
    /// The port at this end; of raw sockets the IP protocol, of those that ping(8) uses the identifier, of packet sockets the EtherType (3 is
    /// all of them).
    pub local_port: u16,
    /// The address at the other end; unspecified: there is none.
    pub remote: IpAddr,
    /// The port at the other end.
    pub remote_port: u16,
    /// Of IPv6, whether it takes no IPv4.
    #[serde(skip_serializing_if = "is_default")]
    pub v6_only: bool,
    /// The number of its file; 0: no process has it.
    pub inode: u32,
    /// The user that made it.
    pub uid: u32,
    /// The index of the interface that it is bound to; 0: none.
    #[serde(skip_serializing_if = "is_default")]
    pub interface: u32,
    /// Bytes received that were not read yet; of one that listens, connections that were not accepted yet.
    #[serde(skip_serializing_if = "is_default")]
    pub receive_queue: u32,
    /// Bytes sent that were not acknowledged yet; of one that listens, how many connections may wait.
    #[serde(skip_serializing_if = "is_default")]
    pub send_queue: u32,
    /// Packets for which it had no room.
    #[serde(skip_serializing_if = "is_default")]
    pub drops: u32,
    /// What TCP knows of it.
    #[serde(skip_serializing_if = "is_default")]
    pub tcp: TcpFacts,
    /// The place of its owner in [`Census::processes`].
    #[serde(skip_serializing_if = "is_default")]
    pub owner: Option<u32>,
}

impl Census {
    /// Whether it has all sockets there are.
    pub fn is_whole(&self) -> bool {
        self.left_out == 0 && !self.partial
    }
}

impl SocketProtocol {
    /// Whether it is a packet socket, which has no addresses.
    pub const fn is_packet(self) -> bool {
        matches!(self, Self::PacketRaw | Self::PacketDatagram)
    }
}

impl SocketRow {
    /// What a socket is known by that has no cookie: a number made from that of its file.
    pub fn by_file(inode: u32) -> u64 {
        // The kernel counts cookies up from 1, and down from the largest number where it is interrupted, and comes to neither; all readers of
        // JSON have these numbers whole.
        const BY_FILE: u64 = 1 << 52;
        BY_FILE | u64::from(inode)
    }

    /// What tells it from all other rows of a census, and stays: its cookie, where it has one of its own.
    pub fn identity(&self) -> u64 {
        // Likewise no cookie, nor made from a file.
        const ASSOCIATION: u64 = 1 << 51;
        match self.protocol {
            SocketProtocol::Sctp if self.remote_port != 0 => {
                let ends = (self.cookie, self.local_port, self.remote, self.remote_port);
                FixedState::with_seed(0).hash_one(ends) % ASSOCIATION + ASSOCIATION
            }
            _ if self.cookie == 0 => Self::by_file(self.inode),
            _ => self.cookie,
        }
    }
}

impl Default for SocketRow {
    fn default() -> Self {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self {
            cookie: 0,
            protocol: SocketProtocol::Tcp,
            state: 0,
            local: nowhere,
            local_port: 0,
            remote: nowhere,
            remote_port: 0,
            v6_only: false,
            inode: 0,
            uid: 0,
            interface: 0,
            receive_queue: 0,
            send_queue: 0,
            drops: 0,
            tcp: TcpFacts::default(),
            owner: None,
        }
    }
}

/// The protocols whose sockets are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SocketProtocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// UDP-Lite (RFC 3828).
    UdpLite,
    /// SCTP: a socket, or an association of one.
    Sctp,
    /// A raw socket, which takes the packets of an IP protocol.
    Raw,
    /// One that ping(8) uses: it sends ICMP echo requests, and takes the replies.
    Icmp,
    /// A packet socket, which takes whole frames.
    PacketRaw,
    /// A packet socket without the link's header.
    PacketDatagram,
}

/// What TCP knows of a connection (`struct tcp_info`); `None`: this kernel does not tell, or it is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TcpFacts {
    /// Smoothed round-trip time, µs.
    pub rtt_us: Option<u32>,
    /// Its mean deviation, µs.
    pub rttvar_us: Option<u32>,
    /// The least one lately, µs.
    pub min_rtt_us: Option<u32>,
    /// Congestion window, segments.
    pub cwnd: Option<u32>,
    /// Segments sent again.
    pub retransmits: Option<u32>,
    /// How far segments were found to change places, segments.
    pub reordering: Option<u32>,
    /// Bytes of payload acknowledged by the other end; one more for each of SYN and FIN.
    pub bytes_acked: Option<u64>,
    /// Bytes of payload received; one more for the FIN.
    pub bytes_received: Option<u64>,
    /// Segments sent.
    pub segs_out: Option<u32>,
    /// Segments received.
    pub segs_in: Option<u32>,
    /// Segments received that had payload.
    pub data_segs_in: Option<u32>,
    /// Segments sent that had payload.
    pub data_segs_out: Option<u32>,
    /// How fast the newest segments were delivered, bytes per second.
    pub delivery_rate: Option<u64>,
    /// Bytes of payload sent, those sent again included.
    pub bytes_sent: Option<u64>,
    /// Bytes of payload sent again.
    pub bytes_retrans: Option<u64>,
    /// Segments received out of order.
    pub out_of_order: Option<u32>,
}

/// A process that has sockets. Its command line is none of it: it may hold secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The process that started it, or took it over; 0: none, or not known.
    #[serde(skip_serializing_if = "is_default")]
    pub parent: u32,
    /// When it was started, in ticks of the clock (1/100 s) since the host was: with its number, what tells it from all others.
    pub started: u64,
    /// What it calls itself, 15 bytes at most.
    pub name: String,
    /// Its user.
    pub uid: u32,
    /// The systemd unit that it runs in.
    pub unit: Option<String>,
    /// The container that it runs in, 64 hexadecimal digits.
    pub container: Option<String>,
    /// The file that it runs.
    pub executable: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
