//! The host that is watched, as it knows itself: its sockets, its own counters, and what it sends; made from the packets of a scenario.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
};

use nettop_collect::{
    collector,
    host::{COUNTERS, HostReading},
    reading::Reading,
    sockets::{Census, Process, SocketProtocol, SocketRow, TcpFacts},
};
use nettop_common::{Address, PacketsBytes, TrafficClass, egress::EgressTotals};
use nettop_engine::rates::SECOND_NS;
use nettop_model::clock::Moment;

use crate::{
    packet::{
        Packet, What,
        flags::{ACK, FIN, RST, SYN},
        host,
    },
    recipe::Scenario,
};

/// States of a socket (include/net/tcp_states.h).
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const UNCONNECTED: u8 = 7;
const LISTEN: u8 = 10;
/// A socket of UDP for one question is closed with the answer, or when nobody waits for it any more.
const QUESTION_NS: u64 = 2 * SECOND_NS;
/// What a connection has moved that was there before the scenario, bytes.
const MOVED: u64 = 100_000;
/// The ports that Linux chooses from for who asks for none.
const EPHEMERAL: (u16, u16) = (32_768, 60_999);

/// Protocol, port at this end, the other end; that of what takes anybody's packets is 0.
type Key = (SocketProtocol, u16, IpAddr, u16);

/// The host.
pub struct ThisHost {
    own: [IpAddr; 2],
    /// Sockets, and when each moved anything last.
    sockets: HashMap<Key, (SocketRow, u64)>,
    /// Connections that were asked for by who goes on with them.
    opening: HashSet<Key>,
    /// Those that were asked for and are not confirmed, by port.
    half_open: BTreeMap<(IpAddr, u16), u64>,
    backlog: u32,
    counters: Vec<u64>,
    egress: EgressTotals,
    remotes: HashMap<Address, PacketsBytes>,
    cookies: u64,
    now_ns: u64,
}

impl ThisHost {
    /// That of a scenario, with what listens.
    pub fn new(scenario: &Scenario) -> Self {
        let mut this = Self {
            own: [host(false), host(true)],
            sockets: HashMap::new(),
            opening: HashSet::new(),
            half_open: BTreeMap::new(),
            backlog: scenario.backlog,
            counters: vec![0; COUNTERS.len()],
            egress: EgressTotals::default(),
            remotes: HashMap::new(),
            cookies: 0,
            now_ns: 0,
        };
        scenario.tcp_open.iter().for_each(|port| this.listen(SocketProtocol::Tcp, *port));
        scenario.udp_open.iter().for_each(|port| this.listen(SocketProtocol::Udp, *port));
        this
    }

    /// A packet that came in or went out; of what is sent, its class, if it is IP, and the length of its frame.
    pub fn meet(&mut self, packet: &Packet, class: Option<TrafficClass>, length: u64) {
        self.now_ns = packet.at_ns;
        if packet.is_out {
            self.send(packet, class, length);
        }
        let (local, _) = ends(packet);
        if !self.own.contains(&local.0) {
            return;
        }
        match packet.what {
            What::Tcp(flags) => self.tcp(packet, flags),
            What::Udp => self.udp(packet),
            _ => {}
        }
    }

    fn send(&mut self, packet: &Packet, class: Option<TrafficClass>, length: u64) {
        let tally = PacketsBytes { packets: 1, bytes: length };
        self.egress.seen.add(tally);
        match class {
            Some(class) => {
                self.egress.classes[class as usize].add(tally);
                self.remotes.entry(packet.destination.into()).or_default().add(tally);
            }
            None => self.egress.not_ip.add(tally),
        }
    }

    /// Moves what was sent since the last time into a reading.
    pub fn drain(&mut self, reading: &mut Reading) {
        reading.egress = std::mem::take(&mut self.egress);
        reading.remotes = self.remotes.drain().collect();
        reading.remotes.sort_unstable_by_key(|(address, _)| *address);
    }

    fn tcp(&mut self, packet: &Packet, flags: u8) {
        let (local, remote) = ends(packet);
        let key = (SocketProtocol::Tcp, local.1, remote.0, remote.1);
        let listens = self.sockets.contains_key(&open(SocketProtocol::Tcp, local));
        if packet.is_out {
            self.count("TcpOutSegs", 1);
            self.count("TcpRetransSegs", u64::from(packet.again));
            self.count("TcpOutRsts", u64::from(flags & RST != 0));
        }
        if flags & RST != 0 {
            self.opening.remove(&key);
            // Also an address that was forged may have an owner, who resets what comes.
            if self.sockets.remove(&key).is_none()
                && let Some(count) = self.half_open.get_mut(&local)
            {
                *count = count.saturating_sub(1);
            }
        } else if flags & FIN != 0 {
            self.sockets.remove(&key);
        } else if flags & (SYN | ACK) == SYN {
            match (packet.belongs, packet.is_out) {
                (true, true) => self.open(key, local.0, SYN_SENT),
                (true, false) => _ = self.opening.insert(key),
                (false, false) if listens => self.ask(local),
                (false, _) => {}
            }
        } else if flags & SYN == 0 && packet.belongs {
            self.go_on(packet, key, local);
        }
    }

    /// Somebody asks for a connection, and does not go on with it.
    fn ask(&mut self, local: (IpAddr, u16)) {
        let count = self.half_open.entry(local).or_default();
        if *count < u64::from(self.backlog) {
            *count += 1;
        } else {
            self.count("TcpExtSyncookiesSent", 1);
        }
    }

    fn go_on(&mut self, packet: &Packet, key: Key, local: (IpAddr, u16)) {
        if self.opening.contains(&key) && !packet.is_out {
            self.opening.remove(&key);
            self.count("TcpPassiveOpens", 1);
            self.listen(SocketProtocol::Tcp, local.1);
            self.open(key, local.0, ESTABLISHED);
        } else if packet.payload > 0 && !self.sockets.contains_key(&key) {
            self.open(key, local.0, ESTABLISHED);
            // It was there before.
            self.sockets.entry(key).and_modify(|(row, _)| row.tcp.bytes_received = Some(MOVED));
        }
        let Some((row, last_ns)) = self.sockets.get_mut(&key) else { return };
        (row.state, *last_ns) = (ESTABLISHED, packet.at_ns);
        let payload = u64::from(packet.payload);
        let add = |sum: &mut Option<u64>, bytes: u64| *sum = Some(sum.unwrap_or_default() + bytes);
        if packet.is_out {
            add(&mut row.tcp.bytes_sent, payload);
            add(&mut row.tcp.bytes_retrans, if packet.again { payload } else { 0 });
            row.tcp.retransmits = Some(row.tcp.retransmits.unwrap_or_default() + u32::from(packet.again));
        } else {
            add(&mut row.tcp.bytes_received, payload);
        }
    }

    fn udp(&mut self, packet: &Packet) {
        let (local, remote) = ends(packet);
        let key = (SocketProtocol::Udp, local.1, remote.0, remote.1);
        let is_open = self.sockets.contains_key(&open(SocketProtocol::Udp, local));
        let v6 = local.0.is_ipv6();
        if packet.is_out {
            self.count(if v6 { "Udp6OutDatagrams" } else { "UdpOutDatagrams" }, 1);
            // Who asks is connected to whom it asks.
            if packet.belongs && !is_open && !self.sockets.contains_key(&key) {
                self.open(key, local.0, ESTABLISHED);
            }
        } else if is_open || packet.belongs || self.sockets.contains_key(&key) {
            self.count(if v6 { "Udp6InDatagrams" } else { "UdpInDatagrams" }, 1);
            if !is_open && !self.sockets.contains_key(&key) {
                self.listen(SocketProtocol::Udp, local.1);
            }
        } else {
            self.count(if v6 { "Udp6NoPorts" } else { "UdpNoPorts" }, 1);
        }
        if let Some((_, last_ns)) = self.sockets.get_mut(&key) {
            *last_ns = packet.at_ns;
        }
    }

    /// A socket that takes what anybody sends to a port, of both families, unless there is one.
    fn listen(&mut self, protocol: SocketProtocol, port: u16) {
        let key = (protocol, port, unspecified(), 0);
        if !self.sockets.contains_key(&key) {
            let is_tcp = protocol == SocketProtocol::Tcp;
            self.open(key, unspecified(), if is_tcp { LISTEN } else { UNCONNECTED });
            let backlog = if is_tcp { self.backlog } else { 0 };
            self.sockets.entry(key).and_modify(|(row, _)| row.send_queue = backlog);
        }
    }

    fn open(&mut self, key: Key, local: IpAddr, state: u8) {
        let (protocol, local_port, remote, remote_port) = key;
        self.cookies += 1;
        let none = Some(0);
        let facts = TcpFacts {
            bytes_sent: none,
            bytes_retrans: none,
            bytes_received: none,
            retransmits: none.map(|_| 0),
            ..TcpFacts::default()
        };
        let tcp = if protocol == SocketProtocol::Tcp { facts } else { TcpFacts::default() };
        let (cookie, owner) = (self.cookies, Some(0));
        let row = SocketRow {
            cookie,
            protocol,
            state,
            local,
            local_port,
            remote,
            remote_port,
            inode: 1,
            owner,
            tcp,
            ..SocketRow::default()
        };
        self.sockets.insert(key, (row, self.now_ns));
    }

    fn count(&mut self, name: &str, more: u64) {
        let place = COUNTERS.iter().position(|counter| counter.name == name);
        place.into_iter().for_each(|place| self.counters[place] += more);
    }

    /// What collectors beside the one of packets read at this moment.
    pub fn readings(&mut self, at: Moment) -> [collector::Reading; 2] {
        let now_ns = self.now_ns;
        let is_over = |(protocol, _, _, port): &Key, last_ns: u64| {
            *protocol == SocketProtocol::Udp && *port != 0 && now_ns.saturating_sub(last_ns) > QUESTION_NS
        };
        self.sockets.retain(|key, (_, last_ns)| !is_over(key, *last_ns));
        let mut sockets: Vec<_> = self.sockets.values().map(|(row, _)| row.clone()).collect();
        sockets.sort_unstable_by_key(|row| row.cookie);
        let census = Census {
            at,
            cost_ns: 1_000_000,
            rest_ns: SECOND_NS,
            sockets,
            processes: vec![Process { pid: 80, name: "server".into(), ..Process::default() }],
            syn_recv: Some(self.half_open.values().sum()),
            half_open: self.half_open.iter().map(|((address, port), count)| (*address, *port, *count)).collect(),
            ephemeral: Some(EPHEMERAL),
            ..Census::default()
        };
        let counters = self.counters.iter().map(|count| Some(*count)).collect();
        let counted = HostReading { at, counters, ..HostReading::default() };
        [collector::Reading::Sockets(Box::new(census)), collector::Reading::Host(Box::new(counted))]
    }
}

/// The end that is here, and the other one.
fn ends(packet: &Packet) -> ((IpAddr, u16), (IpAddr, u16)) {
    let (source, destination) = ((packet.source, packet.source_port), (packet.destination, packet.destination_port));
    if packet.is_out { (source, destination) } else { (destination, source) }
}

/// The key of what takes anybody's packets to a port.
fn open(protocol: SocketProtocol, (_, port): (IpAddr, u16)) -> Key {
    (protocol, port, unspecified(), 0)
}

fn unspecified() -> IpAddr {
    [0_u16; 8].into()
}
