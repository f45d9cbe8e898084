//! What the rules found.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Mac,
    json::{MapKey, from_text, known_or_default},
    names::Name,
};

/// Something that a rule found worth telling.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alert {
    /// Its number, which no other one has.
    pub id: u64,
    /// The rule: `new-ip`, `new-mac`, `high-pps`, …
    pub kind: Name,
    /// How bad it is; what a newer monitor calls otherwise is worth a look.
    #[serde(deserialize_with = "known_or_default")]
    pub severity: Severity,
    /// The address it is about; `None` where it is about several.
    pub source: Option<Origin>,
    /// What was found, in a few words.
    pub message: String,
    /// When it began: what the clock showed then.
    pub since_ns: u64,
    /// When it was found last, likewise.
    pub last_ns: u64,
    /// When it was over, likewise; `None` while it lasts.
    pub until_ns: Option<u64>,
    /// For how many seconds it lasts, or lasted, whatever the clock showed.
    pub seconds: f64,
    /// The seconds that `value` is an average over, because nothing was read for so long; `None`: it is of one second.
    pub averaged_over: Option<f64>,
    /// What was found last: so many of [`unit`](Self::unit).
    pub value: f64,
    /// What `value`, `peak` and `usual` count: `failed logins`, `segments/s`; `… so far`, where it is a sum since it began; empty, where the message
    /// says all there is. `None`: packets per second, or new sources per second where a `spoofed-flood` has no parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Name>,
    /// The highest such value.
    pub peak: f64,
    /// How many addresses it is about; for floods, how many sources there are at least.
    pub count: u64,
    /// Where most of it goes; `None`: to hosts all over, or unknown. The port is estimated from sampled packets.
    pub target: Option<Target>,
    /// How many hosts of a prefix that is the target; 0: it is one, or unknown.
    pub hosts: u64,
    /// Whether the addresses of the sources are forged, as far as their number and their packets tell.
    pub forged: bool,
    /// What a flood consists of, the largest first.
    pub vectors: Vec<Vector>,
    /// How often a flood came, and went.
    pub bursts: Bursts,
    /// What is usual of this kind at this target, likewise: the 99th percentile of ten seconds; `None`: nothing is.
    pub usual: Option<f64>,
    /// What the finding rests on, in words.
    pub evidence: Vec<String>,
    /// What can be done about it.
    pub advice: String,
    /// Where the sources of a flood are: prefixes, networks and countries, those with most of it first. Estimated from sampled
    /// packets.
    pub origins: Vec<Share>,
    /// Who sends most of a flood, the busiest first. Estimated from sampled packets.
    pub sources: Vec<TopSource>,
}

impl Alert {
    /// When it began, as a clock would have it that was not set since.
    pub fn began_ns(&self, now_ns: u64) -> u64 {
        match self.until_ns {
            None => now_ns.saturating_sub((self.seconds * 1e9) as u64),
            Some(_) => self.since_ns,
        }
    }

    /// Whether it is a flood that goes on now, whether or not it harms; also anything else that is an alarm.
    pub fn is_flooding(&self) -> bool {
        let is_flood = self.forged || !self.vectors.is_empty();
        self.is_alarm() || is_flood && self.comes()
    }

    /// Whether it lasts, is worth acting upon, and does not pause.
    pub fn is_alarm(&self) -> bool {
        self.comes() && self.severity == Severity::Critical
    }

    /// Whether it goes on, and something comes now.
    pub fn comes(&self) -> bool {
        self.until_ns.is_none() && !self.bursts.paused
    }

    /// Whether nothing came lately of a flood that may come again.
    pub fn is_paused(&self) -> bool {
        self.until_ns.is_none() && self.bursts.paused
    }

    /// How many times its usual it is, or, where nothing comes now, was at most; `None`: nothing is usual there.
    pub fn times_usual(&self) -> Option<f64> {
        let times = if self.comes() { self.value } else { self.peak } / self.usual.filter(|usual| *usual > 0.0)?;
        times.is_finite().then_some(times)
    }
}

/// Where most of a flood goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The address, or the first one of the prefix.
    pub ip: IpAddr,
    /// The port; `None`: to several, or it has none.
    pub port: Option<u16>,
    /// Of a flood at many hosts, the prefix that they have in common; `None`: it goes to one host.
    #[serde(default)]
    pub prefix: Option<IpNet>,
}

impl Target {
    /// One host.
    pub fn host(ip: IpAddr) -> Self {
        Self { ip, port: None, prefix: None }
    }
}

/// A part of a flood.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vector {
    /// Which rule found it, or would have by itself.
    pub kind: Name,
    /// Packets per second in the newest second.
    pub pps: f64,
    /// Bytes per second, likewise.
    pub bps: f64,
    /// Its share in the packets of the flood since it began.
    pub share: f64,
    /// The destination ports that have a fifth of it at least, the busiest first. Estimated.
    pub ports: Vec<u16>,
    /// What it is made of where the kind does not say it: services of reflectors, protocols, TCP flags. Estimated.
    pub of: Vec<String>,
}

/// How often a flood came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bursts {
    /// How often it came; 1: it never paused.
    pub count: u32,
    /// How long a burst lasts on average, seconds.
    pub seconds: f64,
    /// From the beginning of one to that of the next on average, seconds; 0: there was one.
    pub every: f64,
    /// Nothing comes now.
    pub paused: bool,
}

/// What has a share in a flood.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Share {
    /// A prefix, a network or a country.
    pub of: String,
    /// Which part of the packets: 1 is all.
    pub share: f64,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.prefix, self.port) {
            (Some(prefix), None) => prefix.fmt(f),
            (Some(prefix @ IpNet::V4(_)), Some(port)) => write!(f, "{prefix}:{port}"),
            (Some(prefix @ IpNet::V6(_)), Some(port)) => write!(f, "[{prefix}]:{port}"),
            (None, Some(port)) => SocketAddr::new(self.ip, port).fmt(f),
            (None, None) => self.ip.fmt(f),
        }
    }
}

/// One of the sources of a flood.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopSource {
    /// The address.
    pub ip: IpAddr,
    /// Packets per second.
    pub pps: f64,
}

/// How bad an alert is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    #[default]
    Warn,
    /// Worth acting upon.
    Critical,
}

impl Severity {
    /// The word for it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Critical => "critical",
        }
    }
}

/// The address that an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A source address.
    Ip(IpAddr),
    /// A MAC address.
    Mac(Mac),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Mac(mac) => mac.fmt(f),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl MapKey for Origin {
    fn read(text: &str) -> Option<Self> {
        text.parse().map(Self::Ip).or_else(|_| text.parse().map(Self::Mac)).ok()
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_that_pauses_is_no_alarm_and_is_measured_by_its_peak() {
        let flood = Alert {
            severity: Severity::Critical,
            value: 4_000.0,
            peak: 9_000.0,
            usual: Some(100.0),
            ..Alert::default()
        };
        let paused = Alert { bursts: Bursts { paused: true, ..Bursts::default() }, ..flood.clone() };
        let over = Alert { until_ns: Some(1), ..paused.clone() };
        for (name, alert, alarm, pauses, times) in [
            ("it comes", flood.clone(), true, false, Some(40.0)),
            ("it pauses", paused, false, true, Some(90.0)),
            ("it is over", over, false, false, Some(90.0)),
            ("nothing is usual", Alert { usual: None, ..flood.clone() }, true, false, None),
            ("usually nothing comes", Alert { usual: Some(0.0), ..flood.clone() }, true, false, None),
            ("a warning", Alert { severity: Severity::Warn, ..flood }, false, false, Some(40.0)),
        ] {
            assert_eq!((alert.is_alarm(), alert.is_paused(), alert.times_usual()), (alarm, pauses, times), "{name}");
        }
    }
}
