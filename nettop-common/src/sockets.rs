//! What processes send and receive through their sockets, and what TCP connections had moved when they ended.
//!
//! The programs read structures of the kernel whose layout is the kernel's own: user space finds where each [`Field`] is and tells
//! them when they are loaded.

use bytemuck::{Pod, Zeroable};

use crate::{
    counters::indexed,
    slots::{BANKS, Layout, Slot, Tags},
};

/// log₂ of the buckets of a CPU in a bank that there are tags for.
pub const TAGS_BITS: u32 = 9;
/// log₂ of the connections that end between two readings, and are told one by one, of each CPU at most.
pub const ENDED_BITS: u32 = 12;

indexed! {
    /// A field of a structure of the kernel's, with its path there; of the structures the first member is at 0.
    Field {
        /// Which family of addresses.
        Family = "sock.__sk_common.skc_family",
        /// Local port, in the host's order; 0 once a connection has ended.
        LocalPort = "sock.__sk_common.skc_num",
        /// Remote port, in the network's order.
        RemotePort = "sock.__sk_common.skc_dport",
        /// Local IPv4 address.
        Local4 = "sock.__sk_common.skc_rcv_saddr",
        /// Remote IPv4 address.
        Remote4 = "sock.__sk_common.skc_daddr",
        /// Local IPv6 address.
        Local6 = "sock.__sk_common.skc_v6_rcv_saddr",
        /// Remote IPv6 address.
        Remote6 = "sock.__sk_common.skc_v6_daddr",
        /// What the kernel knows the socket by; 0: nobody has asked yet.
        Cookie = "sock.__sk_common.skc_cookie",
        /// The network namespace.
        Namespace = "sock.__sk_common.skc_net",
        /// The flags of the socket.
        Flags = "sock.__sk_common.skc_flags",
        /// The IP protocol.
        Protocol = "sock.sk_protocol",
        /// The number of a network namespace.
        Number = "net.ns.inum",
        /// The socket of the network stack that a file's socket stands for.
        Sock = "socket.sk",
        /// What an open file is of.
        Inode = "file.f_inode",
        /// The number of that.
        InodeNumber = "inode.i_ino",
        /// The number of the process of a thread.
        Process = "task_struct.tgid",
        /// What a thread calls itself.
        Comm = "task_struct.comm",
        /// What a thread may do.
        Credentials = "task_struct.cred",
        /// For which user it acts.
        User = "cred.euid",
        /// The first thread of the process of a thread.
        Leader = "task_struct.group_leader",
        /// When a thread began, nanoseconds since the boot.
        Began = "task_struct.start_boottime",
        /// Local port of a connection, in the network's order.
        SourcePort = "tcp_sock.inet_conn.icsk_inet.inet_sport",
        /// Payload sent, what was sent again included.
        BytesSent = "tcp_sock.bytes_sent",
        /// Of that, what was sent again.
        BytesRetransmitted = "tcp_sock.bytes_retrans",
        /// Payload received, and 1 where the end of it was received.
        BytesReceived = "tcp_sock.bytes_received",
        /// The number of the byte that is expected from the other end.
        Expected = "tcp_sock.rcv_nxt",
        /// Segments sent.
        SegmentsOut = "tcp_sock.segs_out",
        /// Segments received.
        SegmentsIn = "tcp_sock.segs_in",
        /// Smoothed round-trip time, eighths of a microsecond.
        RoundTrip = "tcp_sock.srtt_us",
        /// Segments sent again.
        Retransmits = "tcp_sock.total_retrans",
        /// Segments received out of order.
        OutOfOrder = "tcp_sock.rcv_ooopack",
    }
}

impl Field {
    /// How many bytes the programs read there.
    pub const fn size(self) -> u32 {
        match self {
            Self::Family | Self::LocalPort | Self::RemotePort | Self::Protocol | Self::SourcePort => 2,
            Self::Local4 | Self::Remote4 | Self::Number | Self::Process | Self::User | Self::Expected => 4,
            Self::SegmentsOut | Self::SegmentsIn | Self::RoundTrip | Self::Retransmits | Self::OutOfOrder => 4,
            Self::Cookie | Self::Namespace | Self::Flags | Self::Sock | Self::Inode | Self::InodeNumber => 8,
            Self::Leader | Self::Began | Self::Credentials => 8,
            Self::BytesSent | Self::BytesRetransmitted | Self::BytesReceived => 8,
            Self::Local6 | Self::Remote6 | Self::Comm => 16,
        }
    }
}

/// Where each [`Field`] is in its structure, bytes.
pub type Offsets = [u32; Field::COUNT];

/// Both ends of a socket, as the kernel has them: addresses as they are on the wire, IPv4 in the first four bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Ends {
    /// The address at this end.
    pub local: [u64; 2],
    /// The address at the other end.
    pub remote: [u64; 2],
    /// The port at this end.
    pub local_port: u16,
    /// The port at the other end.
    pub remote_port: u16,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// The IP protocol.
    pub protocol: u16,
}

/// What one process moved by calls on one socket, on one CPU; and who that is, as it was when this began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct CallCounters {
    /// Bytes and calls.
    pub moved: Moved,
    /// Of the socket.
    pub ends: Ends,
    /// The network namespace of the socket: its inode.
    pub namespace: u32,
    /// The user of the process.
    pub uid: u32,
    /// The cgroup of the process: its inode.
    pub cgroup: u64,
    /// When the process began, nanoseconds since the boot.
    pub began_ns: u64,
    /// What the thread calls itself.
    pub comm: [u8; 16],
}

// SAFETY: words all through: the size leaves no room for padding.
unsafe impl Pod for Slot<CallCounters> {}

const _: () = assert!(size_of::<Slot<CallCounters>>() == 16 + 104);

/// Bytes that were moved by calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Moved {
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Calls that sent any; this and the next wrap.
    pub tx_calls: u32,
    /// Calls that received any.
    pub rx_calls: u32,
}

impl Moved {
    /// What was moved since it was `earlier`.
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            tx_bytes: self.tx_bytes.wrapping_sub(earlier.tx_bytes),
            rx_bytes: self.rx_bytes.wrapping_sub(earlier.rx_bytes),
            tx_calls: self.tx_calls.wrapping_sub(earlier.tx_calls),
            rx_calls: self.rx_calls.wrapping_sub(earlier.rx_calls),
        }
    }

    /// Adds others.
    #[inline(always)]
    pub fn add(&mut self, other: Self) {
        let Self { tx_bytes, rx_bytes, tx_calls, rx_calls } = other;
        self.tx_bytes += tx_bytes;
        self.rx_bytes += rx_bytes;
        self.tx_calls = self.tx_calls.wrapping_add(tx_calls);
        self.rx_calls = self.rx_calls.wrapping_add(rx_calls);
    }
}

/// The key of a slot: the cookie of the socket, or 0 for all those of a process that have none of their own; the process, and when it began in units of 2²⁰ ns, of which the lower half tells it
/// from another that had its number.
#[inline(always)]
pub const fn key(cookie: u64, process: u32, began_ns: u64) -> [u64; 2] {
    [cookie, (process as u64) << 32 | (began_ns >> 20) as u32 as u64]
}

/// The process of a key.
pub const fn process(key: [u64; 2]) -> u32 {
    (key[1] >> 32) as u32
}

/// What calls moved, of one CPU. The programs run as part of a process, and may be interrupted by one of them as part of the network
/// stack: that counts in `nested` alone.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Calls {
    /// Which bank is counted in: told by user space.
    pub bank: u32,
    /// 1 while a program counts.
    pub busy: u32,
    /// Where keys lie; of its tables the one of destinations.
    pub layout: Layout,
    /// What was counted while `busy`, since the start.
    pub nested: Moved,
    padding: [u64; 1],
    /// What is counted in while the other one is emptied.
    pub banks: [CallsBank; BANKS as usize],
}

/// What is emptied together: *total = all slots + untracked*.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub struct CallsBank {
    /// Everything.
    pub total: Moved,
    /// What had no slot.
    pub untracked: Moved,
    /// Where this CPU's part of the bank begins.
    pub first: u32,
    padding: [u32; 3],
    /// The tags of the buckets.
    pub tags: [Tags; 1 << TAGS_BITS],
}

/// A socket that a process has open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct OpenSocket {
    /// Of the socket; 0: it has none yet, and is known by the number of its file.
    pub cookie: u64,
    /// When the process began, nanoseconds since the boot.
    pub began_ns: u64,
    /// Its number.
    pub process: u32,
    /// The user that it acts for.
    pub uid: u32,
    /// What its first thread calls itself.
    pub comm: [u8; 16],
    /// The number of its file; 0: it is of TCP or UDP, whose lists tell cookies.
    pub inode: u64,
}

const _: () = assert!(size_of::<OpenSocket>() == 48);

/// A connection that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct EndedConnection {
    /// Of the socket.
    pub cookie: u64,
    /// Payload sent, what was sent again not included.
    pub tx_bytes: u64,
    /// Payload received.
    pub rx_bytes: u64,
    /// When it ended: nanoseconds of the monotonic clock.
    pub at_ns: u64,
    /// Both ends.
    pub ends: Ends,
    /// The network namespace: its inode.
    pub namespace: u32,
    /// Segments sent.
    pub tx_segments: u32,
    /// Segments received.
    pub rx_segments: u32,
    /// Smoothed round-trip time, eighths of a microsecond.
    pub round_trip: u32,
    /// Segments sent again.
    pub retransmits: u32,
    /// Segments received out of order.
    pub out_of_order: u32,
}

const _: () = assert!(size_of::<EndedConnection>() == 96);

/// Connections that ended, of one CPU.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Endings {
    /// Which bank is counted in: told by user space.
    pub bank: u32,
    padding: [u32; 7],
    /// What is counted in while the other one is emptied.
    pub banks: [EndingsBank; BANKS as usize],
}

/// What is emptied together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct EndingsBank {
    /// How many connections have ended. The first of them are in the array ...
    pub ended: u64,
    /// ... and what the others had moved is here.
    pub untracked_tx_bytes: u64,
    /// Likewise, received.
    pub untracked_rx_bytes: u64,
    /// Where this CPU's part of the bank begins in the array ...
    pub first: u32,
    /// ... and how many connections it has room for.
    pub room: u32,
    spare: [u64; 2],
}

impl EndingsBank {
    /// An empty one, with so much room from there on.
    pub const fn new(first: u32, room: u32) -> Self {
        Self { ended: 0, untracked_tx_bytes: 0, untracked_rx_bytes: 0, first, room, spare: [0; 2] }
    }
}
