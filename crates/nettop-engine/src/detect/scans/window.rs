//! What sources tried within a while: two generations, of which the newer one takes what comes.

use std::hash::BuildHasher as _;

use foldhash::{HashMap, quality::RandomState};
use nettop_common::{Address, Event, TrafficClass};

use super::bits::Bits;
use crate::detect::{floods::services, locate::Net};

/// UDP ports of traceroute, which tries many without wanting any.
const TRACEROUTE: std::ops::RangeInclusive<u16> = 33_434..=33_534;

/// So many packets to each pair of host and port are a use of it.
const USED: f64 = 3.0;

/// What one source tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    /// Pairs of host and port that were tried by TCP and by UDP, and that led to something.
    tcp: Bits,
    udp: Bits,
    answered: Bits,
    /// The same by host, whatever the port, and of echo requests.
    hosts: Bits,
    hosts_answered: Bits,
    pings: Bits,
    pings_answered: Bits,
    /// Datagrams and echo requests.
    datagrams: u32,
    echoes: u32,
    /// Ports, whatever the host.
    numbers: Bits,
    /// The smallest network that has all hosts; `None`: none yet, or they are all over.
    net: Option<Net>,
    is_all_over: bool,
    /// The newest port.
    pub port: u16,
    /// When the first packet came, nanoseconds on the monotonic clock.
    oldest_ns: u64,
    /// When the newest one came.
    pub newest_ns: u64,
}

impl Tried {
    /// Pairs of host and port that led to nothing. What gets datagram after datagram is not tried but used.
    pub fn ports(&self) -> f64 {
        let udp = if self.is_using_udp() { 0.0 } else { (self.udp & !self.answered).count() };
        (self.tcp & !self.answered).count() + udp
    }

    /// Hosts that were tried, none of them with success.
    pub fn hosts(&self) -> f64 {
        let tcp = (self.tcp & !self.answered).count();
        if self.is_using_udp() && tcp < 1.0 { 0.0 } else { (self.hosts & !self.hosts_answered).count() }
    }

    /// Whether each host is tried at one port, about: pairs and hosts are then as many, but for the error of counting.
    pub fn is_one_port(&self) -> bool {
        const ERROR: f64 = 1.5;
        self.ports() <= self.hosts() * ERROR
    }

    /// Hosts that got an echo request, and not one after the other, as monitoring sends them.
    pub fn pings(&self) -> f64 {
        let pings = self.pings.count();
        if f64::from(self.echoes) >= pings * USED { 0.0 } else { (self.pings & !self.pings_answered).count() }
    }

    fn is_using_udp(&self) -> bool {
        f64::from(self.datagrams) >= self.udp.count() * USED
    }

    /// For how long it has been trying, seconds.
    pub fn seconds(&self) -> f64 {
        self.newest_ns.saturating_sub(self.oldest_ns) as f64 / 1e9
    }

    /// Different ports, whatever the host.
    pub fn numbers(&self) -> f64 {
        self.numbers.count()
    }

    fn add(&mut self, other: &Self) {
        let newer = if other.newest_ns > self.newest_ns { other } else { &*self };
        let (port, newest_ns) = (newer.port, newer.newest_ns);
        let mut both = *self;
        other.net.into_iter().for_each(|net| both.reach(net));
        let (net, is_all_over) = (both.net, both.is_all_over || other.is_all_over);
        *self = Self {
            tcp: self.tcp | other.tcp,
            udp: self.udp | other.udp,
            answered: self.answered | other.answered,
            hosts: self.hosts | other.hosts,
            hosts_answered: self.hosts_answered | other.hosts_answered,
            pings: self.pings | other.pings,
            pings_answered: self.pings_answered | other.pings_answered,
            datagrams: self.datagrams.saturating_add(other.datagrams),
            echoes: self.echoes.saturating_add(other.echoes),
            numbers: self.numbers | other.numbers,
            net,
            is_all_over,
            port,
            oldest_ns: self.oldest_ns.min(other.oldest_ns),
            newest_ns,
        };
    }

    fn try_one(&mut self, host: u64, event: &Event) {
        self.hosts.insert(host);
        self.numbers.insert(u64::from(event.destination_port).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16);
        self.reach(Net::host(&event.destination));
        (self.port, self.newest_ns) = (event.destination_port, event.at_ns);
    }

    fn reach(&mut self, net: Net) {
        match self.net {
            None => self.net = Some(net),
            Some(old) => match old.with(net) {
                Some(both) => self.net = Some(both),
                None => self.is_all_over = true,
            },
        }
    }

    /// The host that was tried, or the smallest network that has all of them; `None`: they are all over.
    pub fn target(&self) -> Option<Net> {
        self.net.filter(|_| !self.is_all_over)
    }
}

type Generation = HashMap<Address, Tried>;

/// Sources and what they tried.
#[derive(Debug)]
pub struct Window {
    newer: Generation,
    older: Generation,
    since_ns: u64,
    /// How long a generation takes what comes, nanoseconds.
    length_ns: u64,
    most: usize,
    hasher: RandomState,
}

impl Window {
    /// Of two generations of that length, for so many sources each.
    pub fn new(length_ns: u64, most: usize) -> Self {
        let (newer, older) = Default::default();
        Self { newer, older, since_ns: 0, length_ns, most, hasher: RandomState::default() }
    }

    /// Looks at a sampled packet.
    pub fn add(&mut self, event: &Event) {
        if event.at_ns.saturating_sub(self.since_ns) >= self.length_ns {
            self.older = std::mem::take(&mut self.newer);
            self.since_ns = event.at_ns;
        }
        self.note_answer(event);
        let Event { source, destination, destination_port, at_ns, .. } = *event;
        let (pair, host) = (self.hash((destination, destination_port)), self.hash(destination));
        match event.traffic_class() {
            TrafficClass::Syn | TrafficClass::Flags => {
                if let Some(tried) = self.tried(source, at_ns) {
                    tried.tcp.insert(pair);
                    tried.try_one(host, event);
                }
            }
            // Whoever goes on has got an answer.
            TrafficClass::Ack | TrafficClass::Data => {
                if let Some(tried) = self.newer.get_mut(&source) {
                    tried.answered.insert(pair);
                    tried.hosts_answered.insert(host);
                }
            }
            TrafficClass::Udp
                if destination_port != 0 && !services::is_answer(event) && !TRACEROUTE.contains(&destination_port) =>
            {
                if let Some(tried) = self.tried(source, at_ns) {
                    tried.udp.insert(pair);
                    tried.datagrams = tried.datagrams.saturating_add(1);
                    tried.try_one(host, event);
                }
            }
            TrafficClass::Icmp => {
                if let Some(tried) = self.tried(source, at_ns) {
                    tried.pings.insert(host);
                    tried.echoes = tried.echoes.saturating_add(1);
                    tried.reach(Net::host(&destination));
                    tried.newest_ns = at_ns;
                }
            }
            _ => {}
        }
    }

    /// What goes back to a source that tries something.
    fn note_answer(&mut self, event: &Event) {
        let Event { source, source_port, destination, .. } = *event;
        let (pair, host) = (self.hash((source, source_port)), self.hash(source));
        let Some(tried) = self.newer.get_mut(&destination) else { return };
        match event.traffic_class() {
            TrafficClass::SynAck | TrafficClass::Data | TrafficClass::Udp => {
                tried.answered.insert(pair);
                tried.hosts_answered.insert(host);
            }
            TrafficClass::Icmp => _ = tried.pings_answered.insert(host),
            _ => {}
        }
    }

    fn hash(&self, key: impl std::hash::Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    /// What a source has tried; `None`: there is no room for it.
    fn tried(&mut self, source: Address, at_ns: u64) -> Option<&mut Tried> {
        if self.newer.len() >= self.most && !self.newer.contains_key(&source) {
            // Of a flood of sources each tries one thing.
            self.newer.retain(|_, tried| tried.tcp.count() + tried.udp.count() + tried.pings.count() >= 2.0);
            if self.newer.len() >= self.most {
                return None;
            }
        }
        Some(self.newer.entry(source).or_insert(Tried { oldest_ns: at_ns, ..Tried::default() }))
    }

    /// What every source has tried that was seen lately.
    pub fn all(&self) -> impl Iterator<Item = (Address, Tried)> {
        self.newer.iter().map(|(source, tried)| {
            let mut both = *tried;
            self.older.get(source).iter().for_each(|older| both.add(older));
            (*source, both)
        })
    }

    /// Forgets what was tried at such targets.
    pub fn forget(&mut self, is: impl Fn(Net) -> bool) {
        let keeps = |source: &Address, tried: &mut Tried| !is(Net::host(source)) && !tried.net.is_some_and(&is);
        self.newer.retain(keeps);
        self.older.retain(keeps);
    }
}
