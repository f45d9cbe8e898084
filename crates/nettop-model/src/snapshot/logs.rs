//! What logs tell: visits by address, and the newest lines. All of it is claimed by logs; what the kernel knows of it stands beside.

use std::{net::IpAddr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{json::known_or_default, names::Name, places::Place};

/// Who is in the logs, as they claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Visits {
    /// When logs were read last, Unix nanoseconds.
    pub at_ns: u64,
    /// Addresses: those with a reason first, then the busiest.
    pub rows: Vec<VisitRow>,
    /// How many the list leaves out.
    pub left_out: u64,
    /// How many of all have a reason.
    pub suspicious: u64,
    /// The files that are followed.
    pub files: Vec<LogFile>,
    /// How old the oldest byte is that has not been read, seconds.
    pub behind: f64,
    /// What came lately.
    pub lately: Lately,
    /// What became of all lines.
    pub accounting: LogAccounting,
}

/// What came lately, by when it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lately {
    /// Requests per second, over ten seconds.
    pub requests_per_s: f64,
    /// Addresses that were not in the logs before, per second, likewise.
    pub new_per_s: f64,
    /// Who has most requests in the last minute, and how many.
    pub most_requests: Option<Most>,
    /// Who has most established connections with this host that it did not open, and how many; `None`: nobody has any, or connections are not known.
    pub most_connections: Option<Most>,
}

/// Who has most of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Most {
    /// Who.
    pub ip: IpAddr,
    /// How much.
    pub count: u64,
}

/// What logs claim of an address that is looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Visitor {
    /// Its visits; `None`: there are none.
    pub visit: Option<VisitRow>,
    /// Its newest lines, the newest first: of one that is looked at the last 200 since then, before that, the last 16 since there is a reason.
    pub lines: Vec<Arc<LogLine>>,
}

impl Visitor {
    /// What its lines have most often, with how many have it, the most first; what is empty is left out.
    pub fn most<'a>(&'a self, of: impl Fn(&'a LogLine) -> &'a str) -> Vec<(&'a str, u64)> {
        let mut counts = std::collections::BTreeMap::<_, u64>::new();
        for line in &self.lines {
            *counts.entry(of(line)).or_default() += 1;
        }
        counts.remove("");
        let mut most: Vec<_> = counts.into_iter().collect();
        crate::order::sort_by_key(&mut most, |(_, count)| std::cmp::Reverse(*count));
        most
    }
}

/// What became of lines. Always: `lines` = `parsed` + `other_format` + `malformed` + `overlong`, and
/// `parsed` = `attributed` + `no_address` + `ambiguous`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lines {
    /// Lines there were.
    pub lines: u64,
    /// Understood.
    pub parsed: u64,
    /// Of another format, or of a program that is not looked at.
    pub other_format: u64,
    /// Of this format, but contradicting it.
    pub malformed: u64,
    /// Longer than 64 KiB.
    pub overlong: u64,
    /// Of one address.
    pub attributed: u64,
    /// Of none.
    pub no_address: u64,
    /// Can be read in two ways with two addresses: they are nobody's.
    pub ambiguous: u64,
    /// Bytes that nobody has read, since their file was cut or went before.
    pub lost_bytes: u64,
}

impl Lines {
    /// Whether every line is somewhere.
    pub fn holds(&self) -> bool {
        self.lines == self.parsed + self.other_format + self.malformed + self.overlong
            && self.parsed == self.attributed + self.no_address + self.ambiguous
    }

    /// Adds those of another file.
    pub fn add(&mut self, other: &Self) {
        let Self { lines, parsed, other_format, malformed, overlong, attributed, no_address, ambiguous, lost_bytes } =
            other;
        self.lines += lines;
        self.parsed += parsed;
        self.other_format += other_format;
        self.malformed += malformed;
        self.overlong += overlong;
        self.attributed += attributed;
        self.no_address += no_address;
        self.ambiguous += ambiguous;
        self.lost_bytes += lost_bytes;
    }

    /// What has come since these.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            lines: self.lines.saturating_sub(earlier.lines),
            parsed: self.parsed.saturating_sub(earlier.parsed),
            other_format: self.other_format.saturating_sub(earlier.other_format),
            malformed: self.malformed.saturating_sub(earlier.malformed),
            overlong: self.overlong.saturating_sub(earlier.overlong),
            attributed: self.attributed.saturating_sub(earlier.attributed),
            no_address: self.no_address.saturating_sub(earlier.no_address),
            ambiguous: self.ambiguous.saturating_sub(earlier.ambiguous),
            lost_bytes: self.lost_bytes.saturating_sub(earlier.lost_bytes),
        }
    }
}

/// What became of all lines since the start or the last reset. Always, beside what [`Lines`] says: `attributed` = `visits` + `evicted`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogAccounting {
    /// Their sums over all files.
    #[serde(flatten)]
    pub lines: Lines,
    /// Of the addresses that are remembered.
    pub visits: u64,
    /// Of addresses that are not any more.
    pub evicted: u64,
    /// Whether these numbers, which are counted apart, agree.
    pub holds: bool,
}

/// A file that is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogFile {
    /// Where it is.
    pub path: String,
    /// How it is read; empty: nobody knows yet.
    pub format: String,
    /// Its lines.
    pub lines: u64,
    /// Of these, those that are understood.
    pub parsed: u64,
    /// Of these, those of one address.
    pub attributed: u64,
    /// Bytes that were gone before they were read.
    pub lost_bytes: u64,
    /// Whether its lines add up.
    pub holds: bool,
}

/// Whether the kernel counted a packet of an address lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// In the last ten minutes.
    Yes,
    /// None was, and it would have been: the line is forged, or of somebody behind another address.
    No,
    /// None is known of, but may have come.
    #[default]
    Unknown,
}

impl Seen {
    /// `yes`, `no` or `unknown`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// What logs claim of one address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisitRow {
    /// The address.
    pub ip: IpAddr,
    /// Where it is.
    #[serde(default)]
    pub place: Place,
    /// Whether the kernel has counted a packet of it lately.
    #[serde(default, deserialize_with = "known_or_default")]
    pub seen: Seen,
    /// Packets that it sent; `None`: it has no account.
    #[serde(default)]
    pub packets: Option<u64>,
    /// Packets per second, over ten seconds.
    #[serde(default)]
    pub pps: Option<f64>,
    /// Requests.
    #[serde(default)]
    pub requests: u64,
    /// Requests in the last minute.
    #[serde(default)]
    pub requests_60s: u64,
    /// Bytes of the answers.
    #[serde(default)]
    pub bytes: u64,
    /// Requests by the first digit of their status; those without an answer first.
    #[serde(default)]
    pub statuses: [u64; 6],
    /// Different paths, about.
    #[serde(default)]
    pub paths: u64,
    /// The newest path, or what was no request of HTTP.
    #[serde(default)]
    pub path: String,
    /// The newest agent.
    #[serde(default)]
    pub agent: String,
    /// Failed logins.
    #[serde(default)]
    pub failures: u64,
    /// Logins that may have failed: a method did, or the connection ended before.
    #[serde(default)]
    pub weak: u64,
    /// Logins.
    #[serde(default)]
    pub accepted: u64,
    /// Failed logins in the last minute.
    #[serde(default)]
    pub failures_60s: u64,
    /// Different names, about.
    #[serde(default)]
    pub users: u64,
    /// The newest name.
    #[serde(default)]
    pub user: String,
    /// What it visited: `http`, `sshd`, `dovecot`, …
    #[serde(default)]
    pub services: Vec<Name>,
    /// The newest proxies that its requests came through.
    #[serde(default)]
    pub peers: Vec<IpAddr>,
    /// First line, Unix nanoseconds; 0: there is none, but a reason.
    #[serde(default)]
    pub first_ns: u64,
    /// Newest line, likewise.
    #[serde(default)]
    pub last_ns: u64,
    /// Why it is suspicious, the newest last; none: it is not.
    #[serde(default)]
    pub reasons: Vec<Reason>,
}

/// Why an address is suspicious.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The rule that says so.
    pub kind: Name,
    /// In words.
    pub text: String,
    /// When, Unix nanoseconds.
    pub at_ns: u64,
}

/// The newest lines of all logs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogLines {
    /// The newest first.
    pub rows: Vec<Arc<LogLine>>,
    /// How many of those kept the list leaves out.
    pub left_out: u64,
}

/// A line of a log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogLine {
    /// Counts up; two lines never have the same.
    pub number: u64,
    /// When, Unix nanoseconds.
    pub at_ns: u64,
    /// Whose it is; `None`: nobody's.
    pub ip: Option<IpAddr>,
    /// The proxy that it came through.
    pub peer: Option<IpAddr>,
    /// `http`, or the program that says so.
    pub service: Name,
    /// The status of an answer; 0: there was none, or it is no request.
    pub status: u16,
    /// The method of a request; or how a login went: `failed`, `weak`, `accepted`, `other`.
    pub what: Name,
    /// What was asked for; or what the program says.
    pub text: String,
    /// Bytes of the answer.
    pub bytes: u64,
    /// Who asks, as it says; or as whom somebody logs in.
    pub who: String,
    /// Where the line stands.
    pub file: String,
    /// Whether something in it is notable: a way to break in, a product that scanners look for, the name of a scanner.
    pub notable: bool,
}

impl Visits {
    /// Those that pass, and of these at most `limit` (0: all).
    pub fn keep(&mut self, passes: impl Fn(&VisitRow) -> bool, limit: usize) {
        self.rows.retain(passes);
        self.left_out += super::connections::left_out(&mut self.rows, limit);
    }
}

impl LogLines {
    /// Those that pass, and of these at most `limit` (0: all).
    pub fn keep(&mut self, passes: impl Fn(&LogLine) -> bool, limit: usize) {
        self.rows.retain(|row| passes(row));
        self.left_out += super::connections::left_out(&mut self.rows, limit);
    }
}
