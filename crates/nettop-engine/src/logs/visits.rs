//! Visits: a row for each address that logs name, in bounded memory.

use std::net::IpAddr;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use nettop_collect::logs::{AuthEvent, Entry, Login, Request, What, cut};
use nettop_model::snapshot::{Name, Reason};

use super::minute::Minute;

/// Bytes that are kept of a path, an agent and a name.
const MOST_PATH: usize = 96;
const MOST_AGENT: usize = 64;
const MOST_USER: usize = 32;
/// Rows that are looked at for one that goes.
const LOOKED_AT: usize = 16;
/// So many lines are few.
const FEW: u64 = 16;
/// Reasons of one address.
const MOST_REASONS: usize = 16;
/// Services that are told apart: each is a bit.
pub const SERVICES: [&str; 5] = ["http", "sshd", "sudo", "dovecot", "postfix"];

/// What logs claim of one address.
#[derive(Debug, Default)]
pub struct Visit {
    pub lines: u64,
    pub requests: u64,
    pub bytes: u64,
    /// Requests by the first digit of their status.
    pub statuses: [u32; 6],
    minute: Minute,
    /// Sketches: a bit for each hash.
    paths: u64,
    users: u64,
    pub failures: u32,
    pub weak: u32,
    pub accepted: u32,
    /// Failures since somebody was let in.
    pub since_accepted: u32,
    pub services: u8,
    pub first_ns: u64,
    pub last_ns: u64,
    /// When the newest line was read that names it as the other end of a connection, and as somebody behind a proxy, on the monotonic clock;
    /// 0: none was since the start.
    pub itself_ns: u64,
    pub behind_ns: u64,
    pub path: Box<str>,
    pub agent: Box<str>,
    rare: Option<Box<Rare>>,
}

const _: () = assert!(size_of::<Visit>() <= 224);

/// What few have.
#[derive(Debug, Default)]
pub struct Rare {
    pub user: Box<str>,
    pub peers: [Option<IpAddr>; 2],
    pub reasons: Vec<Reason>,
}

impl Visit {
    fn add(&mut self, entry: &Entry) {
        self.lines += 1;
        if self.first_ns == 0 {
            self.first_ns = entry.at_ns;
        }
        self.last_ns = self.last_ns.max(entry.at_ns);
        match &entry.what {
            What::Request(request) => self.request(entry, request),
            What::Auth(event) => self.auth(entry, event),
        }
        if let Some(peer) = entry.peer {
            let peers = &mut self.rare().peers;
            if !peers.contains(&Some(peer)) {
                *peers = [Some(peer), peers[0]];
            }
        }
    }

    fn request(&mut self, entry: &Entry, request: &Request) {
        self.requests += 1;
        self.bytes = self.bytes.saturating_add(request.bytes);
        let class = usize::from(request.status / 100).min(5);
        self.statuses[class] = self.statuses[class].saturating_add(1);
        self.minute.add(entry.at_ns, 1, 0);
        self.paths |= 1 << (request.path >> 58);
        self.services |= service_bit("http");
        replace(&mut self.path, &request.target, MOST_PATH);
        if !request.agent.is_empty() {
            replace(&mut self.agent, &request.agent, MOST_AGENT);
        }
    }

    fn auth(&mut self, entry: &Entry, event: &AuthEvent) {
        self.services |= service_bit(&event.service);
        match event.login {
            Login::Failed => {
                self.failures = self.failures.saturating_add(event.times);
                self.since_accepted = self.since_accepted.saturating_add(event.times);
                self.minute.add(entry.at_ns, 0, event.times);
            }
            Login::Weak => self.weak = self.weak.saturating_add(1),
            Login::Accepted => self.accepted = self.accepted.saturating_add(1),
            Login::Other => {}
        }
        if !event.user.is_empty() {
            self.users |= 1 << (hash(&event.user) >> 58);
            replace(&mut self.rare().user, &event.user, MOST_USER);
        }
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// What few have.
    pub fn more(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// Requests and failures of the last minute.
    pub fn minute(&self, now_ns: u64) -> (u64, u64) {
        self.minute.sums(now_ns)
    }

    /// Different paths and names, about.
    pub fn different(&self) -> (u64, u64) {
        (distinct(self.paths), distinct(self.users))
    }

    /// There is a reason; of a kind that there is one of, the newer one stays.
    pub fn note(&mut self, kind: &'static str, text: String, at_ns: u64) {
        let reasons = &mut self.rare().reasons;
        reasons.retain(|reason| reason.kind != kind);
        if reasons.len() < MOST_REASONS {
            reasons.push(Reason { kind: Name::Borrowed(kind), text, at_ns });
        }
    }

    /// Whether there is a reason.
    pub fn is_suspicious(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.reasons.is_empty())
    }
}

fn service_bit(name: &str) -> u8 {
    SERVICES.iter().position(|service| *service == name).map_or(0, |at| 1 << at)
}

fn replace(place: &mut Box<str>, text: &str, most: usize) {
    let text = cut(text, most);
    if **place != *text {
        *place = text.into();
    }
}

/// A hash of a name.
pub fn hash(text: &str) -> u64 {
    use std::hash::BuildHasher as _;
    foldhash::fast::FixedState::with_seed(0).hash_one(text)
}

/// How many different ones have set the bits of a sketch (linear counting).
fn distinct(sketch: u64) -> u64 {
    let empty = f64::from(sketch.count_zeros());
    (-64.0 * (empty.max(0.5) / 64.0).ln()).round() as u64
}

/// All of them.
pub struct VisitTable {
    rows: IndexMap<IpAddr, Visit, RandomState>,
    most: usize,
    /// Lines of those that are not remembered any more.
    evicted: u64,
}

impl VisitTable {
    /// With room for so many.
    pub fn new(most: usize) -> Self {
        Self { rows: IndexMap::default(), most, evicted: 0 }
    }

    /// Enters a line of an address, and returns what is claimed of it.
    pub fn enter(&mut self, ip: IpAddr, entry: &Entry) -> &mut Visit {
        if self.rows.len() >= self.most && !self.rows.contains_key(&ip) {
            self.evict();
        }
        let visit = self.rows.entry(ip).or_default();
        visit.add(entry);
        visit
    }

    /// There is a reason about an address, of which there may be no line.
    pub fn note(&mut self, ip: IpAddr, kind: &'static str, text: String, at_ns: u64) {
        if self.rows.len() >= self.most && !self.rows.contains_key(&ip) {
            self.evict();
        }
        self.rows.entry(ip).or_default().note(kind, text, at_ns);
    }

    /// Lets the one go, of some, that has least to say: without a reason, with few lines, silent for longest.
    fn evict(&mut self) {
        let weight = |at: &usize| {
            let visit = &self.rows[*at];
            (visit.is_suspicious(), visit.lines > FEW, visit.last_ns)
        };
        let some = (0..LOOKED_AT).map(|_| fastrand::usize(..self.rows.len()));
        if let Some(at) = some.min_by_key(weight)
            && let Some((_, visit)) = self.rows.swap_remove_index(at)
        {
            self.evicted += visit.lines;
        }
    }

    /// What is claimed of an address.
    pub fn get(&self, ip: &IpAddr) -> Option<&Visit> {
        self.rows.get(ip)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&IpAddr, &Visit)> {
        self.rows.iter()
    }

    /// Their lines.
    pub fn lines(&self) -> u64 {
        self.rows.values().map(|visit| visit.lines).sum()
    }

    /// Lines of those that are not remembered any more.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}
