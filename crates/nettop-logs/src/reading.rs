//! What logs have told since the reading before: an [`Entry`] for each line that says something, and what became of all lines.

use std::net::IpAddr;

use nettop_model::clock::Moment;
pub use nettop_model::snapshot::Lines;
use serde::{Deserialize, Serialize};

/// Lines in one reading, at most: further ones wait in their files.
pub const MOST_ENTRIES: usize = 131_072;
/// Bytes that are kept of one text.
pub const MOST_TEXT: usize = 512;

/// What logs have told since the reading before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogReading {
    /// When.
    pub at: Moment,
    /// What lines say, in the order of each file.
    pub entries: Vec<Entry>,
    /// The files that are followed, and those that were; counts are since the start.
    pub files: Vec<FileFacts>,
    /// What cannot be read, with the reason and the remedy.
    pub problems: Vec<String>,
    /// How old the oldest byte is that has not been read, seconds.
    pub behind: f64,
}

impl LogReading {
    /// Adds what was read since.
    pub fn add(&mut self, newer: Self) {
        self.entries.extend(newer.entries);
        let Self { at, files, problems, behind, .. } = newer;
        (self.at, self.files, self.problems, self.behind) = (at, files, problems, behind);
    }
}

/// A file that is followed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileFacts {
    /// Where it is.
    pub path: String,
    /// How it is read; empty: nobody knows yet.
    pub format: String,
    /// What became of its lines.
    pub lines: Lines,
}

/// What one line says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The number of its file in [`LogReading::files`].
    pub file: u32,
    /// When it says that was, Unix nanoseconds; where it does not, or that is to come, when it was read.
    pub at_ns: u64,
    /// Of whom it is; `None`: of nobody.
    pub client: Option<IpAddr>,
    /// The other end of the connection, where that is another one: a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// Whether it was there before the start: it is shown and counted, and raises no alarm.
    #[serde(default)]
    pub old: bool,
    /// What it is about.
    pub what: What,
}

impl Entry {
    /// Whether somebody was let in.
    pub fn is_accepted(&self) -> bool {
        matches!(&self.what, What::Auth(AuthEvent { login: Login::Accepted, .. }))
    }
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A request to a web server.
    Request(Request),
    /// Somebody who logs in, or tries to.
    Auth(AuthEvent),
}

/// A request. Texts are as they came, cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    /// Its method; empty: it is no request of HTTP.
    pub method: Box<str>,
    /// What it asks for, without its query unless that is wanted; where it is no request of HTTP, all of it.
    pub target: Box<str>,
    /// A hash of what is asked for without its query: two that are the same have the same.
    pub path: u64,
    /// The status of the answer; 0: there is none.
    pub status: u16,
    /// Bytes of the answer.
    pub bytes: u64,
    /// Who asks, as it says.
    pub agent: Box<str>,
    /// What is notable in it.
    pub marks: Marks,
}

impl Request {
    /// What it asks for; `None`: it is no request of HTTP.
    pub fn path(&self) -> Option<&str> {
        (!self.method.is_empty()).then_some(&*self.target)
    }
}

/// What is notable in a request, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks(pub u8);

impl Marks {
    /// It tries a known way to break in.
    pub const EXPLOIT: Self = Self(1);
    /// It asks for a product that scanners look for.
    pub const PRODUCT: Self = Self(2);
    /// Its agent is the name of a scanner.
    pub const SCANNER: Self = Self(4);

    /// Whether it has all of these.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With these, too.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Somebody who logs in, or tries to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthEvent {
    /// The program that says so: `sshd`, `sudo`, `dovecot`, `postfix`.
    pub service: Box<str>,
    /// How it went.
    pub login: Login,
    /// As whom; empty: it does not say.
    pub user: Box<str>,
    /// How often: syslog adds up what repeats; 0: another line has told of it.
    pub times: u32,
    /// What it says, cut.
    pub text: Box<str>,
}

/// How a login went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// It failed, without a doubt.
    Failed,
    /// It may have: a method failed, and the next one may succeed.
    Weak,
    /// It succeeded.
    Accepted,
    /// None of these.
    Other,
}
