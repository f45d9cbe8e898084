//! What a row is known by, wherever it stands.

use std::{fmt, net::IpAddr};

use nettop_geo::CountryCode;

use nettop_model::net::Net;
use nettop_model::snapshot::{Alert, Mac, Name, Origin, Prefix};

/// What a row is known by. As text it is what is copied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Id {
    /// An address.
    Ip(IpAddr),
    /// A prefix.
    Prefix(Prefix),
    /// A port.
    Port(u16),
    /// A MAC address.
    Mac(Mac),
    /// A neighbour, and the interface that it is at.
    Neighbour(IpAddr, String),
    /// A country.
    Country(CountryCode),
    /// An autonomous system.
    Network(u32),
    /// An alert: its rule, whom it is about, and its number.
    Alert(Name, Option<Origin>, u64),
    /// A socket: its cookie, and the address that it is about.
    Connection(u64, Option<IpAddr>),
    /// A process: its number and when it was started; or what is not known of a user's.
    Process(Option<u32>, Option<u64>, u32),
    /// A block.
    Block(Net),
    /// A line of a log, and whose it is.
    Line(u64, Option<IpAddr>),
    /// Something else that has a name.
    Name(String),
}

impl From<&Alert> for Id {
    fn from(alert: &Alert) -> Self {
        Self::Alert(alert.kind.clone(), alert.source, alert.id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) | Self::Neighbour(ip, _) => ip.fmt(f),
            Self::Prefix(prefix) => prefix.fmt(f),
            Self::Port(port) => port.fmt(f),
            Self::Mac(mac) => mac.fmt(f),
            Self::Country(code) => code.fmt(f),
            Self::Network(asn) => write!(f, "AS{asn}"),
            Self::Alert(kind, Some(origin), _) => write!(f, "{kind} {origin}"),
            Self::Alert(kind, None, _) => f.write_str(kind),
            Self::Connection(_, Some(address)) => address.fmt(f),
            Self::Connection(cookie, None) => cookie.fmt(f),
            Self::Process(Some(pid), ..) => pid.fmt(f),
            Self::Process(None, _, uid) => write!(f, "owner:{uid}"),
            Self::Block(net) => net.fmt(f),
            Self::Line(_, Some(ip)) => ip.fmt(f),
            Self::Line(number, None) => number.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}
