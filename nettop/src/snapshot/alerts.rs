//! What the rules found.

use std::{fmt, net::IpAddr};

use serde::{Serialize, Serializer};

use super::Mac;

/// Something that a rule found worth telling.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alert {
    /// The rule: `new-ip`, `new-mac`, `high-pps`, …
    pub kind: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The address it is about; `None` where it is about several.
    pub source: Option<Origin>,
    /// What was found, in a few words.
    pub message: String,
    /// When it began.
    pub since_ns: u64,
    /// When it was found last.
    pub last_ns: u64,
    /// When it was over; `None` while it lasts.
    pub until_ns: Option<u64>,
    /// The highest value found: a rate in packets per second for `high-pps`, else a number of addresses in one second.
    pub peak: f64,
    /// How many addresses it is about.
    pub count: u64,
}

/// How bad an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
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
