//! A rule as somebody writes it, and what can be wrong with it.

use nettop_model::{
    query::{self, Quantity, Query, TEXT, Verdict},
    snapshot::{DestinationRow, Severity, SourceRow},
};

use crate::detect::rule::place;

/// Rules that are looked at; each costs something every second.
pub const MOST: usize = 64;
const LONGEST_NAME: usize = 32;
/// Bytes of the filter.
const LONGEST_WHEN: usize = 512;
/// Seconds in a row.
const LONGEST: i64 = 3600;

/// Which rows a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Source addresses.
    Sources,
    /// Destination addresses.
    Destinations,
    /// Destination ports.
    Ports,
}

impl Table {
    /// The table that a filter with these words is about: what it asks decides.
    fn of(query: &Query) -> Self {
        let words = query.words();
        let is_number = |word: &&'static str| !word.ends_with(':') && *word != TEXT;
        match words.contains("dst:") {
            true => Self::Destinations,
            false if words.iter().filter(|word| !is_number(word)).eq(["port:"].iter()) => Self::Ports,
            false => Self::Sources,
        }
    }

    /// The words that say something of its rows.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Sources => {
                &["ip:", "src:", "port:", "proto:", "country:", "asn:", "mac:", TEXT, "pps", "packets", "bytes", "peak"]
            }
            Self::Destinations => &["ip:", "dst:", TEXT, "pps", "packets", "bytes", "peak"],
            Self::Ports => &["port:", "pps", "packets"],
        }
    }

    /// Why a filter is about it.
    fn because(self) -> &'static str {
        match self {
            Self::Sources => "a rule without dst: is about sources",
            Self::Destinations => "a rule with dst: is about destinations",
            Self::Ports => "a rule that names nothing but port: is about ports",
        }
    }

    /// What its rows are called, one of them.
    pub fn one(self) -> &'static str {
        match self {
            Self::Sources => "source",
            Self::Destinations => "destination",
            Self::Ports => "port",
        }
    }
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// With which of its keys.
    pub key: &'static str,
    /// Before which character of its value, from 0.
    pub at: usize,
    /// What, and what to write instead.
    pub what: String,
}

impl Wrong {
    fn new(key: &'static str, what: String) -> Self {
        Self { key, at: 0, what }
    }
}

/// A rule that somebody wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnRule {
    /// What its alerts are called.
    pub name: String,
    /// Which rows it finds.
    pub when: Query,
    /// For how many seconds in a row they have to match.
    pub seconds: u32,
    /// How bad it is.
    pub severity: Severity,
    /// What its rows are.
    pub table: Table,
    /// A row with fewer packets per second cannot match.
    pub floor: f64,
}

impl OwnRule {
    /// A rule of this name for rows that match the filter `when` for so many seconds in a row.
    ///
    /// # Errors
    /// What cannot be, and what to write instead.
    pub fn new(name: &str, when: &str, seconds: i64, severity: Severity) -> Result<Self, Wrong> {
        check_name(name).map_err(|what| Wrong::new("name", what))?;
        let (when, table) = filter(when)?;
        let in_range = |seconds: &u32| (1..=LONGEST).contains(&i64::from(*seconds));
        let seconds = u32::try_from(seconds).ok().filter(in_range).ok_or_else(|| {
            Wrong::new("for", format!("{seconds} is not within 1 and {LONGEST}: write for how many seconds in a row"))
        })?;
        let floor = when.at_least(Quantity::Pps);
        Ok(Self { name: name.into(), when, seconds, severity, table, floor })
    }

    /// Adds it to others.
    ///
    /// # Errors
    /// There is one of this name, or there are too many.
    pub fn add_to(self, rules: &mut Vec<Self>) -> Result<(), Wrong> {
        if rules.iter().any(|other| other.name == self.name) {
            return Err(Wrong::new("name", format!("there is another rule {:?}; give each its own name", self.name)));
        }
        if rules.len() >= MOST {
            return Err(Wrong::new("name", format!("there are more than {MOST} rules; join some by \"or\"")));
        }
        rules.push(self);
        Ok(())
    }

    /// What it asks for, in the words it was written with.
    pub fn text(&self) -> String {
        match self.seconds {
            1 => self.when.text.clone(),
            seconds => format!("{}, for {seconds} s", self.when.text),
        }
    }

    /// Whether it finds this source.
    pub fn finds_source(&self, row: &SourceRow) -> bool {
        row.pps >= self.floor && self.when.judge(|see| row.facts(see)) == Verdict::Passes
    }

    /// Whether it finds this destination.
    pub fn finds_destination(&self, row: &DestinationRow) -> bool {
        row.pps >= self.floor && self.when.judge(|see| row.facts(see)) == Verdict::Passes
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_allowed) {
        return Err(format!("{name:?} is no name of a rule: write 1 to {LONGEST_NAME} of a to z, 0 to 9 and -"));
    }
    if place(name).is_some() {
        return Err(format!("{name:?} is a rule that nettop has: write another name, such as \"my-{name}\""));
    }
    Ok(())
}

/// The filter, and the table that it is about.
fn filter(text: &str) -> Result<(Query, Table), Wrong> {
    if text.len() > LONGEST_WHEN {
        return Err(Wrong::new(
            "when",
            format!("it has {} bytes, more than {LONGEST_WHEN}: write several rules", text.len()),
        ));
    }
    let read = query::parse(text).map_err(|query::Error { at, what }| Wrong { key: "when", at, what })?;
    let query = read.ok_or_else(|| {
        Wrong::new("when", "it is empty: write which rows the rule finds, such as \"pps>10k\"".into())
    })?;
    let table = Table::of(&query);
    match query.words().into_iter().find(|word| !table.words().contains(word)) {
        None => Ok((query, table)),
        Some(unknown) => Err(Wrong::new(
            "when",
            format!(
                "{}, of which nobody knows {unknown}; leave it out: known are {}",
                table.because(),
                table.words().join(" ")
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, when: &str, seconds: i64) -> Result<OwnRule, Wrong> {
        OwnRule::new(name, when, seconds, Severity::Warn)
    }

    #[test]
    fn the_words_of_a_rule_say_what_it_is_about_and_from_where_on_a_row_is_worth_a_look() {
        for (when, table, floor) in [
            ("dst:10.0.0.5 pps>50k", Table::Destinations, 50_000.0),
            ("ip:10.0.0.0/8 dst:10.0.0.5", Table::Destinations, 0.0),
            ("!dst:10.0.0.5 and pps>=10", Table::Destinations, 10.0),
            ("dst:10.0.0.5 or packets>1M", Table::Destinations, 0.0),
            ("src:10.0.0.5 pps>5", Table::Sources, 5.0),
            ("ip:10.0.0.5", Table::Sources, 0.0),
            ("country:KP,IR pps>100", Table::Sources, 100.0),
            ("asn:64500 pps>1k or asn:64501 pps>2k", Table::Sources, 1_000.0),
            ("pps>50k", Table::Sources, 50_000.0),
            ("frankfurt pps>1k", Table::Sources, 1_000.0),
            ("port:22 country:DE pps>10", Table::Sources, 10.0),
            ("port:22 frankfurt", Table::Sources, 0.0),
            ("mac:02:42 proto:udp bytes>1G", Table::Sources, 0.0),
            ("port:53 pps>20k", Table::Ports, 20_000.0),
            ("port:1-1023 !port:443 packets>10", Table::Ports, 0.0),
        ] {
            let rule = rule("a", when, 1).unwrap_or_else(|wrong| panic!("{when}: {wrong:?}"));
            assert_eq!((rule.table, rule.floor), (table, floor), "{when}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_to_write_instead() {
        let long = "a".repeat(33);
        let wide = format!("ip:10.0.0.1{}", " or ip:10.0.0.1".repeat(40));
        for (name, when, seconds, key, at, part) in [
            ("", "pps>1", 1, "name", 0, "write 1 to 32 of a to z, 0 to 9 and -"),
            ("DB", "pps>1", 1, "name", 0, "\"DB\" is no name"),
            ("db flood", "pps>1", 1, "name", 0, "is no name"),
            ("dé", "pps>1", 1, "name", 0, "is no name"),
            (&*long, "pps>1", 1, "name", 0, "1 to 32"),
            ("syn-flood", "pps>1", 1, "name", 0, "such as \"my-syn-flood\""),
            ("new-ip", "pps>1", 1, "name", 0, "a rule that nettop has"),
            ("a", "", 1, "when", 0, "it is empty: write which rows"),
            ("a", "  ", 1, "when", 0, "it is empty"),
            ("a", &*wide, 1, "when", 0, "more than 512: write several rules"),
            ("a", "pps>1 port:x", 1, "when", 11, "\"x\" is not a port"),
            ("a", "target:10.0.0.1", 1, "when", 0, "there is no target:, but ip: src: dst:"),
            ("a", "pps>fast", 1, "when", 4, "not a number such as 1000"),
            (
                "a",
                "ips>5",
                1,
                "when",
                0,
                "is about sources, of which nobody knows ips; leave it out: known are ip: src:",
            ),
            (
                "a",
                "dst:10.0.0.5 src:10.0.0.6",
                1,
                "when",
                0,
                "with dst: is about destinations, of which nobody knows src:",
            ),
            ("a", "dst:10.0.0.5 country:DE", 1, "when", 0, "nobody knows country:"),
            ("a", "port:53 bytes>1M", 1, "when", 0, "is about ports, of which nobody knows bytes"),
            ("a", "pps>1", 0, "for", 0, "0 is not within 1 and 3600"),
            ("a", "pps>1", 3601, "for", 0, "3601 is not within"),
            ("a", "pps>1", -1, "for", 0, "-1 is not within"),
            ("a", "pps>1", i64::MAX, "for", 0, "is not within"),
        ] {
            let wrong = rule(name, when, seconds).expect_err(when);
            assert!(wrong.key == key && wrong.at == at && wrong.what.contains(part), "{name} {when}: {wrong:?}");
        }
        for seconds in [1, 3600] {
            assert!(rule(&"z".repeat(32), "pps>1", seconds).is_ok(), "{seconds}");
        }
        assert!(rule("-0", &format!("{:512}", "pps>1"), 1).is_ok());
    }

    #[test]
    fn names_are_given_once_and_there_are_not_too_many() {
        let mut rules = Vec::new();
        for number in 0..MOST {
            rule(&format!("r{number}"), "pps>1", 1).unwrap().add_to(&mut rules).expect("room");
        }
        for (name, part) in [("r7", "another rule \"r7\""), ("new", "more than 64 rules")] {
            let wrong = rule(name, "pps>1", 1).unwrap().add_to(&mut rules).expect_err(name);
            assert!(wrong.key == "name" && wrong.what.contains(part), "{wrong:?}");
        }
        assert_eq!(rules.len(), MOST);
    }
}
