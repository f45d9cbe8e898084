//! What a view is filtered by: an expression over what is known of its rows. It hides rows; what is counted it leaves alone.
//!
//! ```text
//! any     = all { "or" all }
//! all     = one { ["and"] one }
//! one     = ("!" | "not") one | "(" any ")" | field ":" value { "," value } | quantity relation number | text
//! ```

mod asks;
mod parse;
mod rows;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use ipnet::IpNet;
use nettop_common::Protocol;
use nettop_geo::CountryCode;

use crate::snapshot::Mac;

pub use asks::TEXT;
pub use parse::{Error, parse};
pub use rows::numbers;

/// What is known of a row.
#[derive(Clone, Copy, Debug)]
pub enum Fact<'a> {
    /// An address or a prefix that packets come from: its first bits.
    Source(IpAddr, u8),
    /// The same, where packets go to.
    Destination(IpAddr, u8),
    /// A port.
    Port(u16),
    /// The port at this end of a connection.
    LocalPort(u16),
    /// The port at the other end.
    RemotePort(u16),
    /// The number of a process.
    Pid(u32),
    /// The number of a user.
    Owner(u32),
    /// What has a word of its own.
    Named(Word, &'a str),
    /// A protocol, by name.
    Protocol(&'a str),
    /// A country.
    Country(CountryCode),
    /// The number of an autonomous system.
    Asn(u32),
    /// A MAC address.
    Mac(Mac),
    /// A number.
    Number(Quantity, f64),
    /// Something else in words.
    Text(&'a str),
    /// Ports, protocols and MACs are not known: none of them is told.
    NoDetail,
}

/// Whether a row passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Passes,
    /// It does not.
    Fails,
    /// What was asked for is not known of it.
    Unknown,
}

/// Words for texts of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The state of a socket, from its beginning.
    State,
    /// What a process calls itself, a part of it.
    Process,
    /// A systemd unit or a container, a part of its name.
    Unit,
    /// Who began a connection: `in`, `out` or `?`.
    Direction,
    /// The network namespace of a socket: its inode, and one of [`NAMESPACES`].
    Namespace,
    /// What of a flow is translated: one of [`NATS`].
    Nat,
    /// Whom an address is known to, by the registries of IANA: one of [`SCOPES`].
    Scope,
    /// The status of an answer, from its beginning: `404`, `4xx`.
    Status,
    /// Why an address is suspicious, a part of it.
    Reason,
    /// As whom somebody logs in, a part of it.
    User,
    /// What a request asks for, a part of it.
    Path,
    /// Whether packets of an address were seen: one of [`SEEN`].
    Seen,
}

/// What [`Word::Scope`] may be: this host alone, some network, a group, everybody.
pub const SCOPES: [&str; 4] = ["local", "private", "multicast", "public"];

/// What [`Word::Namespace`] may be beside a number: the one that is listed whole, or another one.
pub const NAMESPACES: [&str; 2] = ["own", "other"];

/// What [`Word::Seen`] may be.
pub const SEEN: [&str; 3] = ["yes", "no", "unknown"];

/// What [`Word::Nat`] may be; of a flow whose source and destination are translated it is the first three.
pub const NATS: [&str; 4] = ["source", "destination", "both", "none"];

/// What can be compared with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Packets in the newest second.
    Pps,
    /// Packets.
    Packets,
    /// Bytes.
    Bytes,
    /// Sources.
    Ips,
    /// The highest value.
    Peak,
    /// Bytes sent.
    Tx,
    /// Bytes received.
    Rx,
    /// Round-trip time, milliseconds.
    Rtt,
    /// Segments sent again.
    Retransmits,
    /// Requests in the last minute.
    Requests,
    /// Failed logins.
    Failures,
}

/// A filter and its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// As it was typed.
    pub text: String,
    root: Node,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Any(Vec<Node>),
    All(Vec<Node>),
    Not(Box<Node>),
    Is(Test),
}

/// What one fact can pass.
#[derive(Clone, Debug, PartialEq)]
enum Test {
    /// In lower case, a part of it.
    Text(String),
    Net(IpNet),
    Source(IpNet),
    Destination(IpNet),
    /// From the first to the last.
    Ports(u16, u16),
    LocalPorts(u16, u16),
    RemotePorts(u16, u16),
    Pid(u32),
    Owner(u32),
    /// In lower case.
    Named(Word, String),
    /// In upper case.
    Protocol(String),
    /// In upper case; a code, or a part of the name.
    Country(String),
    Asn(u32),
    /// In lower case, a part of it.
    Mac(String),
    Number(Quantity, Relation, f64),
    /// One of these addresses.
    Among(Arc<BTreeSet<IpAddr>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Less,
    LessOrEqual,
    Equal,
    MoreOrEqual,
    More,
}

impl Query {
    /// Whether a row passes, of which `facts` tells all that is known.
    pub fn judge(&self, facts: impl Fn(&mut dyn FnMut(Fact))) -> Verdict {
        self.root.judge(&facts)
    }

    /// What is about one of these addresses, or about none at all; `text` is how that is written.
    pub fn among(addresses: BTreeSet<IpAddr>, text: &str) -> Self {
        Self { text: text.into(), root: Node::Is(Test::Among(addresses.into())) }
    }

    /// What passes both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { text: format!("({}) {}", self.text, other.text), root: Node::All(vec![self.root, other.root]) }
    }
}

impl Node {
    /// As in Kleene's logic: what is not known decides nothing that something else decides.
    fn judge(&self, facts: &impl Fn(&mut dyn FnMut(Fact))) -> Verdict {
        match self {
            Self::Any(nodes) => Self::first(nodes, facts, Verdict::Passes, Verdict::Fails),
            Self::All(nodes) => Self::first(nodes, facts, Verdict::Fails, Verdict::Passes),
            Self::Not(node) => match node.judge(facts) {
                Verdict::Passes => Verdict::Fails,
                Verdict::Fails => Verdict::Passes,
                Verdict::Unknown => Verdict::Unknown,
            },
            Self::Is(Test::Among(addresses)) => {
                let (mut found, mut any) = (false, false);
                facts(&mut |fact| {
                    if let Fact::Source(ip, _) | Fact::Destination(ip, _) = fact {
                        any = true;
                        found = found || addresses.contains(&ip);
                    }
                });
                if found || !any { Verdict::Passes } else { Verdict::Fails }
            }
            Self::Is(test) => {
                let (mut found, mut unknown) = (false, false);
                facts(&mut |fact| {
                    found = found || test.passes(fact);
                    unknown = unknown || matches!(fact, Fact::NoDetail) && test.needs_detail();
                });
                match (found, unknown) {
                    (true, _) => Verdict::Passes,
                    (false, true) => Verdict::Unknown,
                    (false, false) => Verdict::Fails,
                }
            }
        }
    }

    /// `decisive`, if one of them says so; else whether one does not know; else the other one.
    fn first(nodes: &[Self], facts: &impl Fn(&mut dyn FnMut(Fact)), decisive: Verdict, otherwise: Verdict) -> Verdict {
        let mut verdict = otherwise;
        for node in nodes {
            match node.judge(facts) {
                judged if judged == decisive => return decisive,
                Verdict::Unknown => verdict = Verdict::Unknown,
                _ => {}
            }
        }
        verdict
    }
}

impl Test {
    /// Whether it may be about what [`Fact::NoDetail`] says is not known. A text most likely is about something else, unless it
    /// is a port's or a protocol's.
    fn needs_detail(&self) -> bool {
        match self {
            Self::Ports(..) | Self::Protocol(_) | Self::Mac(_) => true,
            Self::Text(text) => {
                let mut labels = Protocol::ALL.iter().map(|protocol| protocol.label());
                text.parse::<u16>().is_ok() || labels.any(|label| label.eq_ignore_ascii_case(text))
            }
            Self::Net(_) | Self::Source(_) | Self::Destination(_) => false,
            Self::LocalPorts(..) | Self::RemotePorts(..) | Self::Pid(_) | Self::Owner(_) | Self::Named(..) => false,
            Self::Country(_) | Self::Asn(_) | Self::Number(..) | Self::Among(_) => false,
        }
    }

    fn passes(&self, fact: Fact) -> bool {
        match (self, fact) {
            (Self::Net(net), Fact::Source(ip, length) | Fact::Destination(ip, length))
            | (Self::Source(net), Fact::Source(ip, length))
            | (Self::Destination(net), Fact::Destination(ip, length)) => {
                net.prefix_len() <= length && net.contains(&ip)
            }
            (Self::Ports(first, last), Fact::Port(port) | Fact::LocalPort(port) | Fact::RemotePort(port))
            | (Self::LocalPorts(first, last), Fact::LocalPort(port))
            | (Self::RemotePorts(first, last), Fact::RemotePort(port)) => (*first..=*last).contains(&port),
            (Self::Pid(wanted), Fact::Pid(number)) | (Self::Owner(wanted), Fact::Owner(number)) => *wanted == number,
            (Self::Named(wanted, part), Fact::Named(word, text)) => *wanted == word && word.passes(text, part),
            (Self::Protocol(name), Fact::Protocol(protocol)) => protocol.eq_ignore_ascii_case(name),
            (Self::Country(code), Fact::Country(country)) => country.to_string() == *code,
            (Self::Asn(asn), Fact::Asn(number)) => *asn == number,
            (Self::Mac(part), Fact::Mac(mac)) => mac.to_string().contains(part),
            (Self::Number(wanted, relation, limit), Fact::Number(quantity, number)) => {
                *wanted == quantity && relation.holds(number, *limit)
            }
            (Self::Text(part), fact) => fact.has(part),
            _ => false,
        }
    }
}

impl Fact<'_> {
    /// Whether a text, in lower case, is a part of how it is written.
    fn has(self, part: &str) -> bool {
        match self {
            Self::Source(ip, length) | Self::Destination(ip, length) => match (ip, length) {
                // Of an address nobody types the length.
                (IpAddr::V4(_), 32) | (IpAddr::V6(_), 128) => ip.to_string().contains(part),
                _ => format!("{ip}/{length}").contains(part),
            },
            Self::Port(port) | Self::LocalPort(port) | Self::RemotePort(port) => port.to_string() == part,
            Self::Pid(pid) => pid.to_string() == part,
            // Of every row it is one of the same words.
            Self::Named(Word::Namespace, text) => text == part,
            Self::Protocol(text) | Self::Text(text) | Self::Named(_, text) => text.to_lowercase().contains(part),
            Self::Country(code) => code.to_string().to_lowercase() == part,
            Self::Asn(asn) => format!("as{asn}") == part,
            Self::Mac(mac) => mac.to_string().contains(part),
            Self::Owner(_) | Self::Number(..) | Self::NoDetail => false,
        }
    }
}

impl Word {
    /// Whether a text is what was asked for, in lower case.
    fn passes(self, text: &str, asked: &str) -> bool {
        let text = text.to_lowercase();
        match self {
            Self::State | Self::Status => text.starts_with(asked),
            Self::Direction | Self::Nat | Self::Scope | Self::Namespace | Self::Seen => text == asked,
            Self::Process | Self::Unit | Self::Reason | Self::User | Self::Path => text.contains(asked),
        }
    }
}

impl Relation {
    fn holds(self, number: f64, limit: f64) -> bool {
        match self {
            Self::Less => number < limit,
            Self::LessOrEqual => number <= limit,
            Self::Equal => number == limit,
            Self::MoreOrEqual => number >= limit,
            Self::More => number > limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known of one source.
    fn facts(see: &mut dyn FnMut(Fact)) {
        see(Fact::Source("198.51.100.7".parse().unwrap(), 32));
        see(Fact::Destination("192.0.2.1".parse().unwrap(), 32));
        see(Fact::Country(CountryCode(*b"DE")));
        see(Fact::Text("Frankfurt am Main"));
        see(Fact::Asn(64_511));
        see(Fact::Text("Beispiel GmbH"));
        see(Fact::Port(53));
        see(Fact::Port(443));
        see(Fact::Protocol("UDP"));
        see(Fact::Mac(Mac([2, 0x42, 0xac, 0x11, 0, 9])));
        see(Fact::Number(Quantity::Pps, 1_500.0));
        see(Fact::Number(Quantity::Bytes, 2e6));
    }

    #[test]
    fn rows_pass_or_not() {
        for (text, expected) in [
            ("frankfurt", true),
            ("paris", false),
            ("198.51", true),
            ("ip:198.51.100.0/24", true),
            ("198.51.100.0/24", true),
            ("ip:198.51.100.0/24,10.0.0.0/8", true),
            ("ip:::ffff:198.51.100.0/120", true),
            ("ip:::ffff:198.51.100.7", true),
            ("ip:::/0", false),
            ("ip:0.0.0.0/0", true),
            ("ip:10.0.0.0/8", false),
            ("ip:2001:db8::/32", false),
            ("ip:192.0.2.1", true),
            ("src:198.51.100.0/24", true),
            ("src:192.0.2.1", false),
            ("dst:192.0.2.1", true),
            ("dst:10.0.0.1,192.0.2.0/24", true),
            ("dst:198.51.100.7", false),
            ("!dst:192.0.2.1", false),
            ("SRC:198.51.100.7 dst:192.0.2.1", true),
            ("port:443", true),
            ("port:80,440-450", true),
            ("port:80", false),
            ("proto:udp", true),
            ("proto:tcp", false),
            ("country:de", true),
            ("country:DE,FR", true),
            ("country:FR", false),
            ("asn:64511", true),
            ("asn:AS64511", true),
            ("asn:1", false),
            ("mac:02:42:ac", true),
            ("mac:ff", false),
            ("pps>1000", true),
            ("pps > 1k", true),
            ("pps<1k", false),
            ("bytes>=1M", true),
            ("bytes>=2MiB", false),
            ("bytes=2M", true),
            ("!port:443", false),
            ("not port:80", true),
            ("port:443 proto:udp", true),
            ("port:443 and proto:tcp", false),
            ("port:80 or proto:udp", true),
            ("(port:80 or port:443) and !country:US", true),
            ("port:443 and proto:tcp or country:de", true),
            ("port:443 and (proto:tcp or country:us)", false),
            ("\"am main\"", true),
            ("\"and\"", false),
        ] {
            let query = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}")).expect("a filter");
            let expected = if expected { Verdict::Passes } else { Verdict::Fails };
            assert_eq!(query.judge(facts), expected, "{text}");
        }
    }

    #[test]
    fn connections_pass_or_not() {
        let facts = |see: &mut dyn FnMut(Fact)| {
            see(Fact::source("192.0.2.1".parse().unwrap()));
            see(Fact::destination("198.51.100.7".parse().unwrap()));
            see(Fact::LocalPort(443));
            see(Fact::RemotePort(50_000));
            see(Fact::Pid(77));
            see(Fact::Owner(33));
            see(Fact::Named(Word::State, "CLOSE-WAIT"));
            see(Fact::Named(Word::Process, "nginx: worker"));
            see(Fact::Named(Word::Unit, "nginx.service"));
            see(Fact::Named(Word::Direction, "in"));
            see(Fact::Named(Word::Scope, "public"));
            see(Fact::Named(Word::Namespace, "other"));
            see(Fact::Named(Word::Namespace, "4026532177"));
            see(Fact::Number(Quantity::Tx, 2e6));
            see(Fact::Number(Quantity::Rtt, 12.5));
        };
        for (text, expected) in [
            ("src:192.0.2.1", true),
            ("dst:192.0.2.1", false),
            ("lport:443", true),
            ("sport:400-450", true),
            ("rport:443", false),
            ("dport:50000", true),
            ("port:443 port:50000", true),
            ("port:80", false),
            ("443", true),
            ("77", true),
            ("33", false),
            ("pid:77", true),
            ("pid:7", false),
            ("owner:33", true),
            ("state:close-wait", true),
            ("state:CLOSE", true),
            ("state:wait", false),
            ("ns:other", true),
            ("ns:OWN", false),
            ("ns:own,4026532177", true),
            ("ns:402653217", false),
            ("process:nginx", true),
            ("process:worker", true),
            ("nginx", true),
            ("unit:NGINX", true),
            ("unit:worker", false),
            ("dir:in", true),
            ("dir:out", false),
            ("dir:out,in", true),
            ("!dir:in", false),
            ("scope:PUBLIC", true),
            ("!scope:local", true),
            ("scope:private,local", false),
            ("tx>1M rtt>12", true),
            ("rx>0", false),
        ] {
            let query = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}")).expect("a filter");
            let expected = if expected { Verdict::Passes } else { Verdict::Fails };
            assert_eq!(query.judge(facts), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_of_a_row_is_neither_so_nor_otherwise() {
        use Verdict::{Fails, Passes, Unknown};
        let facts = |see: &mut dyn FnMut(Fact)| {
            see(Fact::source("198.51.100.7".parse().unwrap()));
            see(Fact::Country(CountryCode(*b"DE")));
            see(Fact::Number(Quantity::Pps, 1_500.0));
            see(Fact::NoDetail);
        };
        for (text, expected) in [
            ("port:22", Unknown),
            ("port:1-65535", Unknown),
            ("proto:tcp", Unknown),
            ("mac:02", Unknown),
            ("!port:22", Unknown),
            ("22", Unknown),
            ("udp", Unknown),
            ("198", Passes),
            ("frankfurt", Fails),
            ("ip:10.0.0.0/8", Fails),
            ("country:de", Passes),
            ("country:de port:22", Unknown),
            ("country:fr port:22", Fails),
            ("port:22 country:fr", Fails),
            ("country:de or port:22", Passes),
            ("port:22 or country:de", Passes),
            ("country:fr or port:22", Unknown),
            ("!(country:fr and port:22)", Passes),
            ("pps>1k and !proto:udp", Unknown),
            ("pps<1k or !(port:22 or country:de)", Fails),
        ] {
            let query = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}")).expect("a filter");
            assert_eq!(query.judge(facts), expected, "{text}");
        }
    }
}
