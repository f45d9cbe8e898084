//! The newest lines of single addresses: of those that somebody looks at, and of those that there is a reason about.

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use nettop_model::snapshot::LogLine;

/// Addresses that somebody looks at, and lines of each.
const LOOKED_AT: usize = 64;
const OF_LOOKED_AT: usize = 200;
/// Addresses that there is a reason about, and lines of each.
const FLAGGED: usize = 512;
const OF_FLAGGED: usize = 16;

/// Lines of an address, the newest last.
#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Arc<LogLine>>,
    /// When it was wanted, or written to, last: a number that counts up.
    last: u64,
}

/// Rings by address.
#[derive(Debug)]
struct Rings {
    rows: IndexMap<IpAddr, Ring, RandomState>,
    addresses: usize,
    lines: usize,
}

/// All of them.
#[derive(Debug)]
pub struct Followed {
    looked_at: Rings,
    flagged: Rings,
    last: u64,
}

impl Default for Followed {
    fn default() -> Self {
        let rings = |addresses, lines| Rings { rows: IndexMap::default(), addresses, lines };
        Self { looked_at: rings(LOOKED_AT, OF_LOOKED_AT), flagged: rings(FLAGGED, OF_FLAGGED), last: 0 }
    }
}

impl Rings {
    /// The ring of an address; for a new one the one goes that was left alone for longest.
    fn ring(&mut self, ip: IpAddr, last: u64) -> &mut Ring {
        if self.rows.len() >= self.addresses
            && !self.rows.contains_key(&ip)
            && let Some(oldest) = (0..self.rows.len()).min_by_key(|at| self.rows[*at].last)
        {
            self.rows.swap_remove_index(oldest);
        }
        let ring = self.rows.entry(ip).or_default();
        ring.last = last;
        ring
    }

    fn push(&mut self, ip: IpAddr, line: &Arc<LogLine>, last: u64) {
        let most = self.lines;
        let ring = self.ring(ip, last);
        while ring.lines.len() >= most {
            ring.lines.pop_front();
        }
        ring.lines.push_back(Arc::clone(line));
    }
}

impl Followed {
    /// Somebody looks at an address. Of one that nobody looked at before, what is known by now is taken: `newest` are the newest lines of all, the newest
    /// first.
    pub fn want<'a>(&mut self, ip: IpAddr, newest: impl Iterator<Item = &'a Arc<LogLine>>) {
        self.last += 1;
        if let Some(ring) = self.looked_at.rows.get_mut(&ip) {
            ring.last = self.last;
            return;
        }
        let mut lines: Vec<_> = newest.filter(|line| line.ip == Some(ip)).take(OF_LOOKED_AT).map(Arc::clone).collect();
        let flagged = self.flagged.rows.swap_remove(&ip).unwrap_or_default();
        let oldest = lines.last().map_or(u64::MAX, |line| line.number);
        lines.extend(flagged.lines.into_iter().rev().filter(|line| line.number < oldest));
        lines.truncate(OF_LOOKED_AT);
        self.looked_at.ring(ip, self.last).lines = lines.into_iter().rev().collect();
    }

    /// Whether somebody looks at an address: then none of its lines is to be left out.
    pub fn wants(&self, ip: &IpAddr) -> bool {
        self.looked_at.rows.contains_key(ip)
    }

    /// A line has come of an address; `is_flagged`: there is a reason about it.
    pub fn push(&mut self, ip: IpAddr, line: &Arc<LogLine>, is_flagged: bool) {
        // That somebody looks is what counts there, not that lines come.
        if let Some(last) = self.looked_at.rows.get(&ip).map(|ring| ring.last) {
            self.looked_at.push(ip, line, last);
        } else if is_flagged {
            self.last += 1;
            self.flagged.push(ip, line, self.last);
        }
    }

    /// The lines of an address, the newest first.
    pub fn lines(&self, ip: &IpAddr) -> Vec<Arc<LogLine>> {
        let ring = self.looked_at.rows.get(ip).or_else(|| self.flagged.rows.get(ip));
        ring.map(|ring| ring.lines.iter().rev().map(Arc::clone).collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, ip: IpAddr) -> Arc<LogLine> {
        Arc::new(LogLine { number, ip: Some(ip), ..LogLine::default() })
    }

    fn numbers(followed: &Followed, ip: IpAddr) -> Vec<u64> {
        followed.lines(&ip).iter().map(|line| line.number).collect()
    }

    #[test]
    fn lines_of_single_addresses_are_kept_and_bounded() {
        let (flagged, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let mut followed = Followed::default();
        for number in 1..=20 {
            followed.push(flagged, &line(number, flagged), true);
            followed.push(other, &line(number, other), false);
        }
        assert_eq!(numbers(&followed, flagged), (5..=20).rev().collect::<Vec<_>>());
        assert_eq!(numbers(&followed, other), [0; 0]);
        // Looked at, what is among the newest of all comes before that.
        let newest: Vec<_> = (18..=25).rev().map(|number| line(number, flagged)).collect();
        followed.want(flagged, newest.iter());
        assert_eq!(numbers(&followed, flagged), (5..=25).rev().collect::<Vec<_>>());
        (26..=300).for_each(|number| followed.push(flagged, &line(number, flagged), true));
        assert_eq!(numbers(&followed, flagged), (101..=300).rev().collect::<Vec<_>>());
        // Asked again, nothing begins anew.
        followed.want(flagged, newest.iter());
        assert_eq!(numbers(&followed, flagged).len(), 200);
        for last in 0..=255 {
            followed.want([198, 51, 100, last].into(), newest.iter());
        }
        assert_eq!((followed.looked_at.rows.len(), followed.wants(&flagged)), (LOOKED_AT, false));
        for n in 0..2000_u32 {
            let ip = IpAddr::from(n.to_be_bytes());
            followed.push(ip, &line(u64::from(n), ip), true);
        }
        assert_eq!(followed.flagged.rows.len(), FLAGGED);
        assert_eq!(numbers(&followed, IpAddr::from(1999_u32.to_be_bytes())), [1999]);
    }
}
