//! Whether packets came from an address lately. What a log says of an address that sent nothing is forged, or is of somebody behind another
//! one; and to block it would do nothing.

use nettop_common::counters::Table;
use nettop_model::{clock::Moment, net::Net, snapshot::Seen};

use crate::Engine;

/// How long ago is lately, seconds.
const LATELY: f64 = 600.0;

/// What is known of one address or prefix.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Seconds since its newest packet; `None`: it has no account.
    silent: Option<f64>,
    /// Packets of it may be in no account: it was evicted or never admitted, and so on.
    may_be_lost: bool,
    /// For how many seconds everything has been counted.
    watched: f64,
}

impl Known {
    fn seen(self) -> Seen {
        match self.silent {
            Some(silent) if silent <= LATELY => Seen::Yes,
            _ if self.may_be_lost || self.watched < LATELY => Seen::Unknown,
            _ => Seen::No,
        }
    }
}

impl Engine {
    /// Whether packets came from there lately.
    pub(crate) fn seen(&self, net: &Net) -> Seen {
        let Self { aggregates, reading, .. } = self;
        let sources = &aggregates.sources;
        let silent = |last_ns: u64| reading.at.seconds_since(&Moment { monotonic_ns: last_ns, unix_ns: 0 });
        let key = net.first().into();
        let (newest, is_lost) = match net.is_address() {
            true => (sources.get(&key).map(|account| account.total.last_ns), sources.may_lack(&key)),
            false => {
                let inside = sources.iter().filter(|(address, _)| net.contains(address.to_ip()));
                (inside.map(|(_, account)| account.total.last_ns).max(), sources.evicted().packets > 0)
            }
        };
        let is_everything_counted = !self.paused
            && self.settings.filter.filter.is_none()
            && self.aggregates.totals.untracked(Table::Sources).packets == 0
            && !self.blocks.covers(net)
            && self.watches_all();
        let known = Known {
            silent: newest.map(silent),
            may_be_lost: is_lost || !is_everything_counted,
            watched: reading.at.seconds_since(&aggregates.started),
        };
        known.seen()
    }

    /// Whether every interface is watched by which packets come from elsewhere.
    fn watches_all(&self) -> bool {
        let watched = self.interfaces.rows();
        let is_watched = |name: &str| name == "lo" || watched.iter().any(|row| row.name == name);
        self.host.host().is_some_and(|host| {
            host.interfaces.iter().all(|interface| interface.rx.packets == 0 || is_watched(&interface.name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_have_been_missed_is_unknown() {
        let whole = Known { silent: None, may_be_lost: false, watched: 3_600.0 };
        for (name, known, expected) in [
            ("a minute ago", Known { silent: Some(60.0), ..whole }, Seen::Yes),
            (
                "a minute ago, though others were lost",
                Known { silent: Some(60.0), may_be_lost: true, ..whole },
                Seen::Yes,
            ),
            ("an hour ago", Known { silent: Some(3_600.0), ..whole }, Seen::No),
            ("never", whole, Seen::No),
            ("never, or it was evicted", Known { may_be_lost: true, ..whole }, Seen::Unknown),
            ("before the start, perhaps", Known { watched: 599.0, ..whole }, Seen::Unknown),
        ] {
            assert_eq!(known.seen(), expected, "{name}");
        }
    }
}
