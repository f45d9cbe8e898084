//! What a filter asks for, without a row to judge: its words, and how large a number has to be at least.

use std::collections::BTreeSet;

use super::{Node, Quantity, Query, Relation, Test, Word, parse::QUANTITIES};

/// What text without a field is called among the words of a filter.
pub const TEXT: &str = "text";

impl Query {
    /// The words that it is made of: fields with their colon (`dst:`), quantities (`pps`), and [`TEXT`].
    pub fn words(&self) -> BTreeSet<&'static str> {
        let mut words = BTreeSet::new();
        self.root.words(&mut words);
        words
    }

    /// What a number must be at least for any row to pass that has the number; 0 where the filter does not say so.
    pub fn at_least(&self, quantity: Quantity) -> f64 {
        self.root.at_least(quantity, true)
    }
}

impl Node {
    fn words(&self, words: &mut BTreeSet<&'static str>) {
        match self {
            Self::Any(nodes) | Self::All(nodes) => nodes.iter().for_each(|node| node.words(words)),
            Self::Not(node) => node.words(words),
            Self::Is(test) => _ = words.insert(test.word()),
        }
    }

    /// For a row that passes, or fails.
    fn at_least(&self, quantity: Quantity, passes: bool) -> f64 {
        let each = |nodes: &[Self]| nodes.iter().map(|node| node.at_least(quantity, passes)).collect::<Vec<_>>();
        match (self, passes) {
            (Self::Not(node), _) => node.at_least(quantity, !passes),
            (Self::All(nodes), true) | (Self::Any(nodes), false) => each(nodes).into_iter().fold(0.0, f64::max),
            (Self::Any(nodes), true) | (Self::All(nodes), false) => {
                each(nodes).into_iter().reduce(f64::min).unwrap_or_default()
            }
            (Self::Is(Test::Number(asked, relation, limit)), _) if *asked == quantity => match (relation, passes) {
                (Relation::More | Relation::MoreOrEqual | Relation::Equal, true)
                | (Relation::Less | Relation::LessOrEqual, false) => *limit,
                _ => 0.0,
            },
            (Self::Is(_), _) => 0.0,
        }
    }
}

impl Test {
    /// The word that it is written with.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Text(_) => TEXT,
            Self::Net(_) => "ip:",
            Self::Source(_) => "src:",
            Self::Destination(_) => "dst:",
            Self::Ports(..) => "port:",
            Self::Protocol(_) => "proto:",
            Self::Country(_) => "country:",
            Self::Asn(_) => "asn:",
            Self::Mac(_) => "mac:",
            Self::LocalPorts(..) => "lport:",
            Self::RemotePorts(..) => "rport:",
            Self::Pid(_) => "pid:",
            Self::Owner(_) => "owner:",
            Self::Named(Word::State, _) => "state:",
            Self::Named(Word::Direction, _) => "dir:",
            Self::Named(Word::Namespace, _) => "ns:",
            Self::Named(Word::Nat, _) => "nat:",
            Self::Named(Word::Scope, _) => "scope:",
            Self::Named(Word::Process, _) => "process:",
            Self::Named(Word::Unit, _) => "unit:",
            Self::Named(Word::Status, _) => "status:",
            Self::Named(Word::Reason, _) => "reason:",
            Self::Named(Word::User, _) => "user:",
            Self::Named(Word::Path, _) => "path:",
            Self::Named(Word::Seen, _) => "seen:",
            Self::Among(_) => "ip:",
            // Of the two words for packets, the first one.
            Self::Number(quantity, ..) => {
                QUANTITIES.iter().find(|(_, one)| one == quantity).map_or(TEXT, |(name, _)| *name)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse;

    #[test]
    fn what_a_number_must_be_at_least_follows_from_the_whole_filter() {
        for (text, expected) in [
            ("pps>50k", 50_000.0),
            ("dst:10.0.0.1 pps>=50k", 50_000.0),
            ("pps=7", 7.0),
            ("pps<50k", 0.0),
            ("not pps<50k", 50_000.0),
            ("!pps>50k", 0.0),
            ("pps>10 pps>20", 20.0),
            ("pps>10 or pps>20", 10.0),
            ("pps>10 or country:DE", 0.0),
            ("(pps>10 or pps>20) and country:DE", 10.0),
            ("!(pps<10 or country:DE)", 10.0),
            ("!(pps<10 and country:DE)", 0.0),
            ("!!pps>5", 5.0),
            ("packets>9 bytes>9", 0.0),
            ("tcp", 0.0),
        ] {
            let query = parse(text).unwrap().unwrap();
            assert_eq!(query.at_least(Quantity::Pps), expected, "{text}");
        }
    }

    #[test]
    fn words_are_told_once_each() {
        for (text, expected) in [
            ("dst:10.0.0.5 pps>50k", &["dst:", "pps"][..]),
            ("!(ip:::1 or port:22) pkts>1 packets<9", &["ip:", "packets", "port:"]),
            ("10.0.0.0/8 \"pps\"", &["ip:", "text"]),
            ("country:de,fr asn:1 mac:02 proto:udp", &["asn:", "country:", "mac:", "proto:"]),
        ] {
            let words = parse(text).unwrap().unwrap().words();
            assert_eq!(words.into_iter().collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
