//! The host's sockets: rates from two censuses, who began a connection, and sums for each process.

mod by_socket;
mod calls;
mod elsewhere;
mod facts;
mod listeners;
mod rows;
mod state;
mod sums;
mod takes;

use std::{
    cell::OnceCell,
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use foldhash::fast::RandomState;
use nettop_collect::sockets::{
    Census, SocketProtocol, SocketRow,
    calls::{Calls, Ended},
};
use nettop_common::PacketsBytes;
use nettop_model::{
    clock::Moment,
    snapshot::{Connection, Connections, DEFAULT_LIMIT, Degraded, Most, Processes, Subject, Way},
};

use self::{calls::CallBook, listeners::Listeners, state::Kind, sums::Country};
use crate::{detect::sockets::SocketFacts, histories::Total};

/// Sockets remembered from one census to the next: twice as many as one has.
const MOST: usize = 131_072;

/// The newest census, and what followed from it.
#[derive(Default)]
pub struct SocketState {
    newest: Option<Entered>,
    /// What is known of each socket, by its identity.
    known: HashMap<u64, Known, RandomState>,
    /// How many censuses there have been.
    censuses: u64,
    /// Made when somebody asks for the first time since anything was entered: calls are read more often than that.
    published: OnceCell<Published>,
    /// What calls moved.
    calls: CallBook,
    /// What the rules want to know of it.
    facts: SocketFacts,
}

/// A census that is twice as old, or as the one after it was to come, tells rules nothing any more.
const STALE_NS: u64 = 5_000_000_000;

/// The badge that tells of sockets without an owner.
pub const OWNERS_UNKNOWN: &str = "owners unknown";
/// Why a socket has no owner where every process could be looked at.
const NOBODY: &str = "no process that can be seen has them open: they are the kernel's own, or of another PID namespace, such as a \
                      container's host, or were opened meanwhile";

/// What a snapshot of the usual size has.
type Published = (Arc<Connections>, Arc<Processes>);

/// That the owners of some sockets are not known.
pub struct Ownerless {
    /// Of how many.
    pub what: String,
    /// Why.
    pub reason: String,
    /// Whether processes could not be looked at; else none of them has these sockets.
    pub refused: bool,
}

/// A census, and what was made of it.
struct Entered {
    census: Census,
    /// Seconds since the one before; 0: there was none.
    seconds: f64,
    listeners: Listeners,
    sockets: Vec<Counted>,
}

impl Entered {
    /// Who began a connection that has ended, from what listened at the census.
    fn way(&self, ended: &Connection) -> Way {
        let (local, local_port) = (ended.local, ended.local_port);
        let socket = local.map(|local| SocketRow { local, local_port, ..SocketRow::default() });
        socket.map_or(Way::Unknown, |socket| self.listeners.way(&socket, self.census.ephemeral))
    }
}

/// What followed for one socket.
struct Counted {
    /// Its place in the census.
    at: u32,
    kind: Kind,
    tx_bytes: Option<u64>,
    rx_bytes: Option<u64>,
    tx_bps: Option<f64>,
    rx_bps: Option<f64>,
    opened_ns: Option<u64>,
    /// When a census had it first, on the monotonic clock.
    seen_ns: u64,
    /// Segments sent again since the census before.
    resent: u32,
    way: Way,
}

/// What is known of a socket from the censuses before.
struct Known {
    /// The number of the newest census that had it, and when that was.
    census: u64,
    at_ns: u64,
    tx_bytes: Option<u64>,
    rx_bytes: Option<u64>,
    opened_ns: Option<u64>,
    seen_ns: u64,
    retransmits: u32,
    way: Way,
}

impl SocketState {
    /// Without any census; connections that have ended are listed for so long.
    pub fn new(keep_ended: Duration) -> Self {
        Self { calls: CallBook::new(keep_ended), ..Self::default() }
    }

    /// Enters what calls moved, and tells the connections that have ended; `country` tells where an address is.
    pub fn enter_calls(&mut self, mut calls: Calls, country: Country, mut tell: impl FnMut(&Connection)) {
        let ended = std::mem::take(&mut calls.ended).into_iter();
        let ended: Vec<_> = ended.map(|one| rows::placed(self.ended(&one, calls.at), country)).collect();
        ended.iter().for_each(&mut tell);
        self.calls.enter(calls, ended);
        self.published.take();
    }

    /// Forgets what calls moved until now.
    pub fn reset(&mut self) {
        self.calls.reset();
        self.published.take();
    }

    /// Enters a census.
    pub fn enter(&mut self, census: Census) {
        self.censuses += 1;
        let before = self.newest.take().map(|newest| newest.census);
        let seconds = before.as_ref().map_or(0.0, |before| census.at.seconds_since(&before.at));
        // What was not listed before may be older than that.
        let had_all = before.is_some_and(|before| before.is_whole());
        let listeners = Listeners::of(&census.sockets);
        let mut sockets = Vec::with_capacity(census.sockets.len());
        for (at, socket) in (0..).zip(&census.sockets) {
            if let Some(kind) = Kind::of(socket)
                && let Some(counted) = self.count(&census, socket, (at, kind), &listeners, had_all.then_some(seconds))
            {
                sockets.push(counted);
            }
        }
        if census.is_whole() {
            let newest = self.censuses;
            self.known.retain(|_, known| known.census == newest);
            self.calls.keep(|cookie| self.known.contains_key(&cookie));
        } else if self.known.len() > MOST {
            self.known.clear();
        }
        let entered = Entered { census, seconds, listeners, sockets };
        self.facts = facts::facts(&entered);
        self.newest = Some(entered);
        self.published.take();
    }

    /// What follows for one socket; `None`: the census has it twice. `since` is how long ago the census before was, which had all sockets.
    fn count(
        &mut self,
        census: &Census,
        socket: &SocketRow,
        (at, kind): (u32, Kind),
        listeners: &Listeners,
        since: Option<f64>,
    ) -> Option<Counted> {
        let at_ns = census.at.monotonic_ns;
        let (tx_bytes, rx_bytes) = state::payload(socket);
        let newest = Known {
            census: self.censuses,
            at_ns,
            tx_bytes,
            rx_bytes,
            opened_ns: None,
            seen_ns: at_ns,
            retransmits: socket.tcp.retransmits.unwrap_or_default(),
            way: Way::Unknown,
        };
        let (known, is_new) = match self.known.entry(socket.identity()) {
            Entry::Occupied(known) => (known.into_mut(), false),
            // What it has moved it has moved since then.
            Entry::Vacant(place) => {
                (place.insert(Known { census: 0, tx_bytes: Some(0), rx_bytes: Some(0), ..newest }), true)
            }
        };
        if known.census == self.censuses {
            return None;
        }
        let seconds = match is_new {
            true => since.unwrap_or_default(),
            false => at_ns.saturating_sub(known.at_ns) as f64 / 1e9,
        };
        let rate = |now: Option<u64>, before: Option<u64>| {
            let (now, before) = (now?, before?);
            (seconds > 0.0).then(|| now.saturating_sub(before) as f64 / seconds)
        };
        let (tx_bps, rx_bps) = (rate(tx_bytes, known.tx_bytes), rate(rx_bytes, known.rx_bytes));
        // Of one that is new, nobody knows since when.
        let resent = if is_new { 0 } else { newest.retransmits.saturating_sub(known.retransmits) };
        let seen_ns = known.seen_ns;
        let opened_ns = if is_new { since.map(|_| census.at.unix_ns) } else { known.opened_ns };
        // Who listened may have ended since.
        let way = if known.way == Way::Unknown { listeners.way(socket, census.ephemeral) } else { known.way };
        *known = Known { opened_ns, seen_ns, way, ..newest };
        Some(Counted { at, kind, tx_bytes, rx_bytes, tx_bps, rx_bps, opened_ns, seen_ns, resent, way })
    }

    /// The row of a connection that has ended, as it was read at `read`.
    fn ended(&self, one: &Ended, read: Moment) -> Connection {
        let row = rows::of_ended(one, read.unix_offset_ns());
        // No census has those of other network namespaces.
        if one.namespace != 0 {
            return Connection { direction: Some(Way::Unknown), ..row };
        }
        let (known, newest) = (self.known.get(&one.cookie), self.newest.as_ref());
        let opened_ns = match known {
            Some(known) => known.opened_ns,
            // Between two censuses, of which the first had all sockets: it lived for less than the time between them.
            None => row.ended_ns.filter(|_| newest.is_some_and(|newest| newest.census.is_whole())),
        };
        let known_way = known.map(|known| known.way).filter(|way| *way != Way::Unknown);
        let way = known_way.or_else(|| Some(newest?.way(&row))).unwrap_or(Way::Unknown);
        Connection { opened_ns, direction: Some(way), ..row }
    }

    /// What a process or a connection has moved; `None`: it is not known, or is none of these.
    pub fn total(&self, subject: &Subject) -> Option<Total> {
        match *subject {
            Subject::Process(pid) => self.calls.of_pid(pid).map(|booked| booked.moved.into()),
            Subject::Connection(cookie) => match self.calls.socket(cookie) {
                Some(booked) => Some(booked.moved.into()),
                None => self.known.get(&cookie).and_then(|known| {
                    let of = |bytes| PacketsBytes { packets: 0, bytes };
                    Some(Total { received: of(known.rx_bytes?), sent: known.tx_bytes.map(of) })
                }),
            },
            _ => None,
        }
    }

    /// How many connections there are with ends that somebody asks for; `None`: no sockets are listed.
    pub fn connections_with(&self, is_meant: impl Fn(IpAddr) -> bool) -> Option<u64> {
        let sockets = &self.newest.as_ref()?.census.sockets;
        let connections = sockets.iter().filter(|socket| !socket.remote.is_unspecified() && is_meant(socket.remote));
        Some(connections.count() as u64)
    }

    /// How many established connections of TCP there are with each address, and the payload that these have moved.
    pub fn established(&self) -> HashMap<IpAddr, (u64, u64), RandomState> {
        let mut all: HashMap<_, (u64, u64), _> = HashMap::default();
        let Some(Entered { census, sockets, .. }) = &self.newest else { return all };
        for counted in sockets {
            let Some(row) = census.sockets.get(counted.at as usize) else { continue };
            if row.protocol == SocketProtocol::Tcp && row.state == state::ESTABLISHED {
                let sum = all.entry(row.remote).or_default();
                sum.0 += 1;
                sum.1 += counted.tx_bytes.unwrap_or_default() + counted.rx_bytes.unwrap_or_default();
            }
        }
        all
    }

    /// A TCP connection of which the handshake with this address ended, in words; `None`: none is known, now or lately.
    pub fn handshake(&self, ip: IpAddr) -> Option<String> {
        let sockets = self.newest.as_ref().map(|newest| &newest.census.sockets[..]).unwrap_or_default();
        let is_live = |socket: &&SocketRow| {
            socket.protocol == SocketProtocol::Tcp && state::PROVEN.contains(&socket.state) && socket.remote == ip
        };
        if let Some(socket) = sockets.iter().find(is_live) {
            return Some(format!("it has a connection with port {}", socket.local_port));
        }
        // What was sent to it, and never answered, ends as well.
        let is_made = |ended: &&Connection| {
            let answered = ended.direction == Some(Way::In) || ended.rx_bytes.is_some_and(|bytes| bytes > 0);
            ended.protocol == "TCP" && ended.remote == Some(ip) && answered
        };
        let ended = self.calls.ended().find(is_made)?;
        Some(format!("it had a connection with port {}", ended.local_port))
    }

    /// What the rules want to know of the newest census; `None`: there is none, or it is too old to say how it is at `now`.
    pub fn facts(&self, now: Moment) -> Option<&SocketFacts> {
        let newest = self.newest.as_ref()?;
        let age_ns = now.monotonic_ns.saturating_sub(newest.census.at.monotonic_ns);
        (age_ns <= 2 * newest.census.rest_ns.max(STALE_NS)).then_some(&self.facts)
    }

    /// Who has most established connections with this host that it did not open.
    pub fn most_connections(&self, now: Moment) -> Option<Most> {
        self.facts(now).and_then(|facts| facts.most)
    }

    /// What is published of it, with at most `limit` (0: all) rows in each list; `country` tells where an address is.
    pub fn groups(&self, limit: usize, country: Country) -> (Option<Arc<Connections>>, Option<Arc<Processes>>) {
        let Some(newest) = &self.newest else { return (None, None) };
        let make = || {
            let connections = rows::connections(newest, &self.calls, country, limit);
            (Arc::new(connections), Arc::new(rows::processes(newest, &self.calls, limit)))
        };
        let made = if limit == DEFAULT_LIMIT { self.published.get_or_init(make).clone() } else { make() };
        Some(made).unzip()
    }

    /// That some sockets have no owner, where that is so.
    pub fn ownerless(&self) -> Option<Ownerless> {
        let census = &self.newest.as_ref()?.census;
        let unknown = Some(rows::without_owner(census)).filter(|unknown| *unknown > 0)?;
        Some(Ownerless {
            what: format!("of {unknown} of {} sockets it is not known which process has them", census.sockets.len()),
            reason: census.owners_refused.clone().unwrap_or_else(|| NOBODY.into()),
            refused: census.owners_refused.is_some(),
        })
    }

    /// What could not be read, or is not known.
    pub fn degraded(&self) -> Vec<Degraded> {
        let mut rows = Vec::new();
        let Some(Entered { census, .. }) = &self.newest else { return rows };
        let mut push = |badge: &str, what: String, reason: String, remedy: &str| {
            rows.push(Degraded { badge: badge.into(), what, reason, remedy: remedy.into() });
        };
        if !census.problems.is_empty() {
            push(
                "connections",
                "some of the host's sockets cannot be listed".into(),
                census.problems.join("; "),
                "packets are counted all the same; the kernel needs its modules tcp_diag and udp_diag",
            );
        }
        if let Some((what, reason, remedy)) = unlisted(census) {
            push("kinds not listed", what, reason, &remedy);
        }
        if census.left_out > 0 {
            push(
                "connections left out",
                format!("{} sockets are only counted", census.left_out),
                format!("there is room for {}", census.sockets.len()),
                "none: those that are listed stay the same",
            );
        }
        let untracked = self.calls.ended_untracked();
        if untracked > 0 {
            push(
                "ended left out",
                format!("{untracked} connections that have ended are only counted"),
                "more ended at once than the kernel's table has room for, which is 4,096 a CPU at most and a share of --map-memory".into(),
                "a larger --map-memory; reset begins anew",
            );
        }
        if let Some(reason) = &census.unhooked {
            push(
                "no process bytes",
                "what processes move by their sockets is not counted".into(),
                reason.clone(),
                "connections are listed all the same; a kernel with BTF (CONFIG_DEBUG_INFO_BTF) and Linux 6.3, and CAP_PERFMON",
            );
        }
        if let Some(Ownerless { what, reason, refused }) = self.ownerless() {
            let (reason, remedy) = match refused {
                true => (
                    format!(
                        "owners are told by open files, at which nettop may look before it enters its sandbox: {reason}"
                    ),
                    "started anew, nettop knows the owners of the sockets there are by then; nettop sockets, as root, names them all",
                ),
                false => (reason, "none, but starting nettop in the host's PID namespace where it is in a container's"),
            };
            push(OWNERS_UNKNOWN, what, reason, remedy);
        }
        rows
    }
}

/// Kinds of sockets that the kernel does not list, why, and what to do about it; `None`: it lists all there can be.
fn unlisted(census: &Census) -> Option<(String, String, String)> {
    if census.unlisted.is_empty() {
        return None;
    }
    let kinds: Vec<_> = census.unlisted.iter().map(|one| &*one.kind).collect();
    let mut modules: Vec<_> = census.unlisted.iter().map(|one| &*one.module).collect();
    modules.dedup();
    Some((
        format!("sockets of {} may be there, and are not listed", kinds.join(", ")),
        format!("the kernel lists them by {}, which it has not", modules.join(", ")),
        format!(
            "modprobe -a {}, where the kernel has it as a module; nettop asks again each minute",
            modules.join(" ")
        ),
    ))
}

#[cfg(test)]
mod tests;
