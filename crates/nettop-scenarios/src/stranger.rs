//! What the host, as Linux does, and others answer to packets that belong to no conversation.

use fastrand::Rng;
use nettop_engine::rates::SECOND_NS;

use crate::{
    later::Later,
    packet::{
        Packet, What,
        flags::{ACK, FIN, RST, SYN},
        trait_of,
    },
};

/// ICMP messages that say why a packet came to nothing, per second: `net.ipv4.icmp_msgs_per_sec`.
const ERRORS: u32 = 1000;
/// Answers per second of a service over UDP that is asked more than it can do.
const ANSWERS: u32 = 30_000;
/// Of the addresses that are forged, the share whose owner resets what it never began. Most do not exist, or stand behind a firewall.
const OWNERS: f64 = 0.08;

/// The host's services.
pub struct Stranger {
    /// TCP ports that it listens on, and UDP ports that it answers on.
    tcp: Vec<u16>,
    udp: Vec<u16>,
    /// Of the addresses that are sent to, the share that exist.
    alive: f64,
    second: u64,
    errors: u32,
    answers: u32,
    rng: Rng,
}

impl Stranger {
    /// A host with these services.
    pub fn new(tcp: &[u16], udp: &[u16], alive: f64, rng: Rng) -> Self {
        Self { tcp: tcp.to_vec(), udp: udp.to_vec(), alive, second: 0, errors: 0, answers: 0, rng }
    }

    /// Answers a packet that came in, if it is to be answered.
    pub fn meet(&mut self, packet: &Packet, later: &mut Later) {
        let place = trait_of(packet.destination) >> 11 & 0xffff;
        if packet.is_out || place as f64 >= self.alive * 65_536.0 || packet.destination.is_multicast() {
            return;
        }
        if packet.at_ns / SECOND_NS != self.second {
            (self.second, self.errors, self.answers) = (packet.at_ns / SECOND_NS, 0, 0);
        }
        let is_open = match packet.what {
            What::Tcp(_) => self.tcp.contains(&packet.destination_port),
            _ => self.udp.contains(&packet.destination_port),
        };
        let answer = match packet.what {
            What::Tcp(flags) => tcp(flags, is_open).map(|what| (what, 0)),
            What::Udp if is_open => {
                within(&mut self.answers, ANSWERS).then_some((What::Udp, packet.payload.max(40) + 60))
            }
            What::Udp => self.error(packet, (3, 3), (1, 4)),
            What::Icmp(8, 0) => Some((What::Icmp(0, 0), packet.payload)),
            What::Icmp(128, 0) => Some((What::Icmp(129, 0), packet.payload)),
            What::Protocol(_) => self.error(packet, (3, 2), (4, 1)),
            What::Icmp(..) | What::Fragment | What::Arp => None,
        };
        let Some((what, payload)) = answer else { return };
        let answer = packet.answer(what, payload, self.rng.u64(20_000..200_000));
        later.push(answer);
        let handshake = what == What::Tcp(SYN | ACK);
        if handshake && (trait_of(packet.source) >> 24 & 0xffff) as f64 <= OWNERS * 65_536.0 {
            later.push(answer.answer(What::Tcp(RST), 0, self.rng.u64(5_000_000..150_000_000)));
        }
    }

    /// An ICMP or ICMPv6 error, with the beginning of what it is about.
    fn error(&mut self, packet: &Packet, v4: (u8, u8), v6: (u8, u8)) -> Option<(What, u16)> {
        let (kind, code) = if packet.source.is_ipv6() { v6 } else { v4 };
        let quoted = if packet.source.is_ipv6() { 48 } else { 28 } + packet.payload;
        within(&mut self.errors, ERRORS).then_some((What::Icmp(kind, code), quoted.min(548)))
    }
}

fn within(spent: &mut u32, most: u32) -> bool {
    *spent += 1;
    *spent <= most
}

/// RFC 9293 §3.10.7: what a port says that listens, or is closed.
fn tcp(flags: u8, is_open: bool) -> Option<What> {
    match flags {
        flags if flags & RST != 0 => None,
        flags if flags & ACK != 0 => Some(What::Tcp(RST)),
        flags if is_open => (flags & (SYN | FIN) == SYN).then_some(What::Tcp(SYN | ACK)),
        _ => Some(What::Tcp(RST | ACK)),
    }
}
