//! Scans: sources that try many ports or hosts, by what leads to nothing. A file and a row each.

mod bits;
mod impostors;
mod rows;
#[cfg(test)]
mod tests;
mod window;

use foldhash::HashMap;
use nettop_common::{Address, Event};
use nettop_model::order;

pub use self::impostors::Impostors;
pub use self::rows::{HOST_SCAN, PING_SWEEP, PORT_SCAN, SLOW_SCAN};
use self::window::{Tried, Window};
use super::locate::Net;

/// Half a minute: a scan is seen over half a minute to a minute.
const SHORT_NS: u64 = 30_000_000_000;
/// Half an hour.
const LONG_NS: u64 = 1_800_000_000_000;
/// Sources of a generation.
const MOST: usize = 4096;
/// Many sources that each try some ports of one host scan it together, from so many sources on ...
const TOGETHER: usize = 10;
/// ... of which each tries so many.
const SOME: f64 = 5.0;
/// For so long after it was found something goes on as what it was. It is over when nothing is tried for a while; a slow one, for as long.
const LATELY_NS: u64 = 60_000_000_000;
const QUIET_NS: u64 = 3_000_000_000;
/// What takes less long is found in the shorter window, seconds.
const SLOW: f64 = 60.0;
/// With so many ports or fewer it is hosts that are looked for.
const FEW_PORTS: f64 = 8.0;

/// How a source scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Many ports.
    Ports,
    /// Many hosts.
    Hosts,
    /// Many hosts, by echo requests.
    Pings,
    /// Many ports or hosts, in a long while.
    Slow,
    /// Many sources, which try some ports each.
    Together,
}

/// One that scans.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    /// Who; `None`: many.
    pub source: Option<Address>,
    /// How.
    pub manner: Manner,
    /// How many ports or hosts.
    pub tried: f64,
    /// The host, or the smallest network that has all of them; `None`: they are all over.
    pub target: Option<Net>,
    /// The newest port.
    pub port: u16,
    /// How many sources.
    pub sources: u64,
}

/// Who may be scanning.
#[derive(Debug)]
pub struct Scans {
    short: Window,
    long: Window,
    /// What was found lately of a source stays what it is, with how much it was at most and when, nanoseconds.
    known: HashMap<Address, (Manner, f64, u64)>,
    /// What many sources scanned together lately, and when.
    together: Option<(Option<Net>, u64)>,
}

impl Default for Scans {
    fn default() -> Self {
        Self {
            short: Window::new(SHORT_NS, MOST),
            long: Window::new(LONG_NS, MOST),
            known: HashMap::default(),
            together: None,
        }
    }
}

impl Scans {
    /// Looks at a sampled packet.
    pub fn add(&mut self, event: &Event) {
        self.short.add(event);
        self.long.add(event);
    }

    /// An attack is at such targets: whoever takes part in it does not scan.
    pub fn forget(&mut self, is: impl Fn(Net) -> bool) {
        self.short.forget(&is);
        self.long.forget(&is);
    }

    /// Those that have tried `least` ports or hosts at least and are still at it at this time, those with most first.
    pub fn find(&mut self, least: f64, now_ns: u64) -> Vec<Scan> {
        let goes_on = |tried: &Tried, quiet_ns| tried.newest_ns + quiet_ns > now_ns;
        let mut scans = Vec::new();
        let mut some: Vec<(Address, Tried)> = Vec::new();
        for (source, tried) in self.short.all().filter(|(_, tried)| goes_on(tried, QUIET_NS)) {
            let scan = |manner, count| Scan {
                source: Some(source),
                manner,
                tried: count,
                target: tried.target(),
                port: tried.port,
                sources: 1,
            };
            let known = self.known.get(&source).copied();
            let manner = match known.map(|(manner, ..)| manner) {
                Some(manner @ (Manner::Hosts | Manner::Ports | Manner::Pings)) => manner,
                _ if tried.pings() >= least => Manner::Pings,
                _ if tried.numbers() <= FEW_PORTS && (tried.hosts() >= least || tried.is_one_port()) => Manner::Hosts,
                _ => Manner::Ports,
            };
            let count = match manner {
                Manner::Hosts => tried.hosts(),
                Manner::Pings => tried.pings(),
                _ => tried.ports(),
            };
            // When so much was tried that it cannot be told any more what of it failed, it goes on as what it is.
            let lately = known
                .filter(|(manner, ..)| *manner != Manner::Slow)
                .filter(|(_, _, at_ns)| tried.newest_ns.saturating_sub(*at_ns) < LATELY_NS);
            let most = lately.map_or(0.0, |(_, most, _)| most);
            if count.max(most) >= least {
                scans.push(scan(manner, count.max(most)));
            }
            let of_many = self.together.is_some_and(|(target, _)| target == tried.target());
            if tried.ports() >= SOME && (of_many || known.is_none()) {
                some.push((source, tried));
            }
        }
        for (source, tried) in self.long.all().filter(|(_, tried)| goes_on(tried, LATELY_NS)) {
            let count = tried.ports().max(tried.pings());
            let is_fast = self.known.get(&source).is_some_and(|(manner, ..)| *manner != Manner::Slow);
            if count >= least
                && tried.seconds() >= SLOW
                && !is_fast
                && !scans.iter().any(|scan| scan.source == Some(source))
            {
                let (target, port) = (tried.target(), tried.port);
                scans.push(Scan { source: Some(source), manner: Manner::Slow, tried: count, target, port, sources: 1 });
            }
        }
        let together = Self::find_together(some, least);
        if let Some(scan) = together {
            self.together = Some((scan.target, now_ns));
        }
        // Who scans with others is not told again by itself.
        let lately = self.together.filter(|(_, at_ns)| now_ns.saturating_sub(*at_ns) < LATELY_NS);
        if let Some((target, _)) = lately {
            scans.retain(|scan| scan.target != target || scan.manner != Manner::Ports);
        }
        scans.extend(together);
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.extend(scans.iter().filter_map(|scan| Some((scan.source?, (scan.manner, scan.tried, now_ns)))));
        order::sort_by(&mut scans, |a, b| b.tried.total_cmp(&a.tried).then(a.source.cmp(&b.source)));
        scans
    }

    /// Many sources that scan a host together.
    fn find_together(mut some: Vec<(Address, Tried)>, least: f64) -> Option<Scan> {
        order::sort_by_key(&mut some, |(_, tried)| tried.target());
        let by_target = some.chunk_by(|a, b| a.1.target() == b.1.target());
        let scan = |sources: &[(Address, Tried)]| Scan {
            source: None,
            manner: Manner::Together,
            tried: sources.iter().map(|(_, tried)| tried.ports()).sum(),
            target: sources[0].1.target(),
            port: sources[0].1.port,
            sources: sources.len() as u64,
        };
        let scans = by_target.filter(|sources| sources.len() >= TOGETHER).map(scan);
        scans.filter(|scan| scan.tried >= 2.0 * least).max_by(|a, b| a.tried.total_cmp(&b.tried))
    }
}
