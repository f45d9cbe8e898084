//! Sockets as sock_diag(7) lists them: every user's, without any privilege. Each message is read where it lies.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    time::{Duration, Instant},
};

use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use super::{
    files::{self, ProcFile},
    inet::{self, EXTENSIONS},
    packet,
    reading::{SocketProtocol, SocketRow, Unlisted},
};
use crate::netlink::kept::Kept;

/// linux/sock_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// linux/inet_diag.h: the older question, about TCP alone.
const TCPDIAG_GETSOCK: u16 = 18;

/// All states but TIME_WAIT and SYN_RECV. A SYN flood makes thousands of the latter, of which nothing is to be known.
const STATES: u32 = 0xFB7;
/// TCP_ESTABLISHED.
const ESTABLISHED: u32 = 1 << 1;
/// TCP_SYN_RECV and TCP_NEW_SYN_RECV.
const HALF_OPEN: u32 = 1 << 3 | 1 << 12;

/// Addresses and ports at which half-open connections are told apart: more have no listener of their own.
const MOST_LOCAL: usize = 1024;
/// How long the kernel is not asked again for what it knows no list of: each time it looks for a module.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// A question for a list.
#[derive(Clone, Copy)]
enum Question {
    /// TCP of both families at once, which takes one pass over the kernel's table of connections: a quarter of a million buckets, which
    /// take longer than the connections of most hosts. The newer question has no such form.
    EveryTcp,
    /// Sockets of an address family and a protocol.
    Inet(u8, u8),
    /// Packet sockets.
    Packet,
}

/// The questions about a protocol of both address families.
const fn both(protocol: i32) -> [Question; 2] {
    [Question::Inet(libc::AF_INET as u8, protocol as u8), Question::Inet(libc::AF_INET6 as u8, protocol as u8)]
}

/// A kind of sockets, and how it is listed.
struct Kind {
    protocol: SocketProtocol,
    /// What its sockets are called.
    name: &'static str,
    questions: &'static [Question],
    /// The module of the kernel that answers them.
    module: &'static str,
    /// Files of `/proc/net` that list its sockets where the kernel answers none of the questions.
    files: &'static [&'static str],
    /// Its name in `/proc/net/protocols`, without which there can be none.
    registered: &'static str,
}

const TCP_AT_ONCE: &[Question] = &[Question::EveryTcp];
/// The same where the kernel does not know that question any more.
const TCP_BY_FAMILY: &[Question] = &both(libc::IPPROTO_TCP);

const fn kind(protocol: SocketProtocol, registered: &'static str, module: &'static str) -> Kind {
    Kind { protocol, name: registered, questions: &[], module, files: &[], registered }
}

/// What is listed besides TCP, a row each.
const KINDS: [Kind; 6] = [
    Kind { questions: &both(libc::IPPROTO_UDP), ..kind(SocketProtocol::Udp, "UDP", "udp_diag") },
    Kind { questions: &both(libc::IPPROTO_UDPLITE), ..kind(SocketProtocol::UdpLite, "UDP-Lite", "udp_diag") },
    Kind { questions: &both(libc::IPPROTO_SCTP), ..kind(SocketProtocol::Sctp, "SCTP", "sctp_diag") },
    Kind {
        questions: &both(libc::IPPROTO_RAW),
        files: &["raw", "raw6"],
        ..kind(SocketProtocol::Raw, "RAW", "raw_diag")
    },
    // There is no module for those.
    Kind { files: &["icmp", "icmp6"], ..kind(SocketProtocol::Icmp, "PING", "") },
    Kind { questions: &[Question::Packet], ..kind(SocketProtocol::PacketRaw, "PACKET", "af_packet_diag") },
];

/// A socket to ask over, which lists those of the network namespace that it was opened in.
pub struct Diag {
    kept: Kept,
    tcp: &'static [Question],
    /// For each of [`KINDS`] when the kernel knew no list of it, and the files that have one.
    unknown: [Option<Instant>; KINDS.len()],
    files: [Vec<ProcFile>; KINDS.len()],
    /// The protocols of which sockets can be made.
    protocols: ProcFile,
    /// For reading files.
    buffer: Vec<u8>,
}

/// What could not be listed.
#[derive(Default)]
pub struct Missing {
    /// Why, in words.
    pub problems: Vec<String>,
    /// Kinds of which the kernel knows no list.
    pub unlisted: Vec<Unlisted>,
}

impl Diag {
    /// Opens it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        let mut kept = Kept::open(NETLINK_SOCK_DIAG)?;
        // No socket is in no state.
        let at_once = dump(&mut kept, Question::EveryTcp, 0, 0, &mut |_| {}).is_ok();
        Ok(Self {
            kept,
            tcp: if at_once { TCP_AT_ONCE } else { TCP_BY_FAMILY },
            unknown: [None; KINDS.len()],
            files: KINDS.map(|kind| kind.files.iter().map(|name| ProcFile::open(name)).collect()),
            protocols: ProcFile::open("protocols"),
            buffer: Vec::new(),
        })
    }

    /// Hands over every socket; returns what could not be listed.
    pub fn list(&mut self, each: &mut dyn FnMut(SocketRow)) -> Missing {
        let mut missing = Missing::default();
        for question in self.tcp {
            let listed = dump(&mut self.kept, *question, EXTENSIONS, STATES, &mut |body| {
                _ = inet::row(body, SocketProtocol::Tcp).map(&mut *each);
            });
            if let Err(error) = listed {
                missing.problems.push(format!("the sockets of TCP: {error}"));
            }
        }
        for (at, kind) in KINDS.iter().enumerate() {
            self.list_kind(at, kind, each, &mut missing);
        }
        missing
    }

    fn list_kind(&mut self, at: usize, kind: &Kind, each: &mut dyn FnMut(SocketRow), missing: &mut Missing) {
        if self.unknown[at].is_some_and(|since| since.elapsed() >= ASK_AGAIN) {
            self.unknown[at] = None;
        }
        let mut has_list = false;
        for question in kind.questions {
            if self.unknown[at].is_some() {
                break;
            }
            let listed = dump(&mut self.kept, *question, EXTENSIONS, STATES, &mut |body| {
                let row = match question {
                    Question::Packet => packet::row(body),
                    _ => inet::row(body, kind.protocol),
                };
                _ = row.map(&mut *each);
            });
            match listed {
                Ok(()) => has_list = true,
                // Where there is a list of IPv4, there is no IPv6.
                Err(error) if error.kind() == io::ErrorKind::NotFound && has_list => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.unknown[at] = Some(Instant::now()),
                Err(error) => {
                    has_list = true;
                    missing.problems.push(format!("the sockets of {}: {error}", kind.name));
                }
            }
        }
        if has_list {
            return;
        }
        for file in &self.files[at] {
            missing.problems.extend(file.read(&mut self.buffer).err());
            files::rows(&self.buffer, kind.protocol).for_each(&mut *each);
        }
        if kind.files.is_empty() && self.is_registered(kind.registered) {
            missing.unlisted.push(Unlisted { kind: kind.name.into(), module: kind.module.into() });
        }
    }

    /// Whether sockets of this protocol can be made; where the kernel does not tell, they may.
    fn is_registered(&mut self, name: &str) -> bool {
        if self.protocols.read(&mut self.buffer).is_err() {
            return true;
        }
        let mut names =
            self.buffer.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').next());
        names.any(|one| one == name.as_bytes())
    }

    /// Hands over the port and the other end (address and port) of each connection of TCP at one of these ports.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn peers(&mut self, at: impl Fn(u16) -> bool, each: &mut dyn FnMut(u16, (IpAddr, u16))) -> io::Result<()> {
        for question in self.tcp {
            dump(&mut self.kept, *question, 0, ESTABLISHED, &mut |body| {
                let found = inet::row(body, SocketProtocol::Tcp).filter(|row| at(row.local_port));
                found.into_iter().for_each(|row| each(row.local_port, (row.remote, row.remote_port)));
            })?;
        }
        Ok(())
    }

    /// How many connections were asked for and not confirmed yet, and at which addresses and ports of this host; `None`: the kernel does not
    /// tell.
    pub fn half_open(&mut self) -> Option<HalfOpen> {
        let mut found = HalfOpen::default();
        for question in self.tcp {
            dump(&mut self.kept, *question, 0, HALF_OPEN, &mut |body| found.add(inet::local(body))).ok()?;
        }
        Some(found)
    }
}

fn dump(
    kept: &mut Kept,
    question: Question,
    extensions: u8,
    states: u32,
    each: &mut dyn FnMut(&[u8]),
) -> io::Result<()> {
    let (kind, body) = match question {
        Question::EveryTcp => (TCPDIAG_GETSOCK, inet::older_question(extensions, states)),
        Question::Inet(family, protocol) => (SOCK_DIAG_BY_FAMILY, inet::question(family, protocol, extensions, states)),
        Question::Packet => (SOCK_DIAG_BY_FAMILY, packet::question()),
    };
    kept.dump(kind, &body, each)
}

/// Connections that were asked for and not confirmed yet.
#[derive(Clone, Debug, Default)]
pub struct HalfOpen {
    /// How many.
    pub count: u64,
    by_local: HashMap<(IpAddr, u16), u64>,
}

impl HalfOpen {
    pub(super) fn add(&mut self, local: Option<(IpAddr, u16)>) {
        self.count += 1;
        let Some(local) = local else { return };
        let room = self.by_local.len() < MOST_LOCAL;
        match self.by_local.get_mut(&local) {
            Some(count) => *count += 1,
            None if room => _ = self.by_local.insert(local, 1),
            None => {}
        }
    }

    /// Address and port of this host, and how many are there; in no order.
    pub fn by_local(&self) -> impl Iterator<Item = (IpAddr, u16, u64)> {
        self.by_local.iter().map(|((ip, port), count)| (*ip, *port, *count))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn both_questions_find_the_same_connections() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listening socket");
        let port = listener.local_addr().expect("an address").port();
        let held = std::net::TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        let mut diag = Diag::open().expect("a socket");
        let found = [TCP_AT_ONCE, TCP_BY_FAMILY].map(|tcp| {
            diag.tcp = tcp;
            let mut cookies = Vec::new();
            let missing = diag.list(&mut |row| {
                let ends = (row.local_port, row.remote_port);
                let is_own = row.protocol == SocketProtocol::Tcp && (ends.0 == port || ends.1 == port);
                cookies.extend(is_own.then_some((row.cookie, row.state, row.tcp.segs_out)));
            });
            assert_eq!(missing.problems, Vec::<String>::new());
            assert!(diag.half_open().is_some());
            cookies.sort_unstable();
            cookies
        });
        assert_eq!((&found[0], found[0].len()), (&found[1], 3));
        drop(held);
    }

    #[test]
    fn half_open_connections_are_told_apart_as_far_as_there_is_room() {
        let mut found = HalfOpen::default();
        let (v4, v6): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), "2001:db8::1".parse::<Ipv6Addr>().unwrap().into());
        [Some((v4, 443)), Some((v4, 443)), Some((v6, 443)), None].into_iter().for_each(|local| found.add(local));
        let mut told: Vec<_> = found.by_local().collect();
        told.sort_unstable();
        assert_eq!((found.count, told), (4, vec![(v4, 443, 2), (v6, 443, 1)]));
        (0..3000).for_each(|port| found.add(Some((v6, port))));
        assert_eq!((found.count, found.by_local().count()), (3004, MOST_LOCAL));
        assert!(found.by_local().any(|local| local == (v6, 443, 2)), "those there go on");
    }

    #[test]
    fn what_cannot_be_made_is_not_missing() {
        let mut diag = Diag::open().expect("a socket");
        assert_eq!(["UDP", "PACKET", "DECnet"].map(|name| diag.is_registered(name)), [true, true, false]);
        let of = |diag: &mut Diag, name, registered| {
            // A protocol that no module has ever listed.
            let kind = Kind {
                questions: &[Question::Inet(libc::AF_INET as u8, 254)],
                ..kind(SocketProtocol::Sctp, registered, "some_diag")
            };
            let mut missing = Missing::default();
            diag.list_kind(2, &kind, &mut |row| panic!("a socket: {row:?}"), &mut missing);
            assert_eq!(missing.problems, Vec::<String>::new(), "{name}");
            missing.unlisted
        };
        assert_eq!(of(&mut diag, "it is not there", "DECnet"), []);
        let unlisted = Unlisted { kind: "UDP".into(), module: "some_diag".into() };
        for name in ["it is there", "again"] {
            assert_eq!(of(&mut diag, name, "UDP"), std::slice::from_ref(&unlisted), "{name}");
            assert!(diag.unknown[2].is_some(), "{name}: not asked at once again");
        }
    }
}
