//! What an actor is asked and what it answers: a line of JSON each.

use nettop_logs::tail::glob::Glob;
use nettop_model::{net::Net, request::hook::Target, snapshot::With};
use serde::{Deserialize, Serialize};

use crate::hook::Hook;

/// Bytes of a job, at most; what is longer is no job of a monitor.
pub const MOST_JOB: usize = 4 << 10;
/// Bytes of the first line, which has all hooks.
pub const MOST_SETUP: usize = 256 << 10;
/// Bytes of an answer: a whole output that is nothing but control characters, or as many elements of a firewall's as there can be.
pub const MOST_ANSWER: usize = 4 << 20;
/// Bytes of output that are kept.
pub const MOST_OUTPUT: usize = 64 << 10;

/// The first line: what this actor is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Whether it becomes the user who called sudo.
    pub as_invoker: bool,
    /// What it may do.
    pub role: Role,
}

/// What an actor may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Run these firewall tools.
    Firewall(Vec<With>),
    /// Run these hooks.
    Hooks(Vec<Hook>),
    /// Hand over the journal of sshd, entry by entry.
    Journal,
    /// Open the logs that these patterns name.
    Logs(Vec<Glob>),
}

/// A job, and its number in the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Chosen by who asks.
    pub id: u64,
    /// What to do.
    pub job: Job,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub enum Job {
    /// Have a firewall drop what comes from there, for so many seconds; again: renew it.
    Block {
        /// Which firewall.
        with: With,
        /// What.
        net: Net,
        /// For how long.
        seconds: u64,
    },
    /// End that.
    Unblock {
        /// Which firewall.
        with: With,
        /// What.
        net: Net,
    },
    /// Tell what it blocks in the tables of our own.
    List {
        /// Which firewall.
        with: With,
    },
    /// Run a hook.
    Hook {
        /// The key of the hook.
        key: char,
        /// What it is run on.
        #[serde(default)]
        target: Target,
    },
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// The number of the job.
    pub id: u64,
    /// How it ended.
    pub end: End,
    /// What was printed, both streams as they came, the first [`MOST_OUTPUT`] bytes of it. What is no UTF-8 is replaced.
    pub output: String,
    /// Bytes that were printed beyond that.
    pub cut: u64,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// What the firewall blocks, for [`Job::List`].
    pub elements: Vec<Element>,
}

/// One address or prefix that a firewall blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Element {
    /// What.
    pub net: Net,
    /// For how many seconds still.
    pub left: u64,
    /// Packets dropped, where the firewall counts them.
    pub packets: Option<u64>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The program ended with this code.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
    /// It took longer than it may, and was killed, and all that it had started in its process group.
    Late,
    /// It was not run, for this reason.
    NotRun(String),
}

impl End {
    /// What went wrong after so many milliseconds, in a sentence; `None`: nothing.
    pub fn error(&self, took_ms: u64) -> Option<String> {
        match self {
            Self::Exited(0) => None,
            Self::Exited(code) => Some(format!("it ended with code {code}")),
            Self::Killed(signal) => Some(format!("signal {signal} ended it")),
            Self::Late => Some(format!("it was killed after {:.1} s", took_ms as f64 / 1e3)),
            Self::NotRun(why) => Some(why.clone()),
        }
    }
}

impl Done {
    /// Of what was not run.
    pub fn not_run(id: u64, why: impl Into<String>) -> Self {
        let end = End::NotRun(why.into());
        Self { id, end, output: String::new(), cut: 0, took_ms: 0, elements: Vec::new() }
    }

    /// Whether it did what was asked.
    pub fn is_ok(&self) -> bool {
        self.end == End::Exited(0)
    }

    /// What went wrong, in a sentence with the last line of output; `None`: nothing.
    pub fn error(&self) -> Option<String> {
        let what = self.end.error(self.took_ms)?;
        let last = self.output.lines().rfind(|line| !line.trim().is_empty());
        Some(last.map_or(what.clone(), |line| format!("{what}: {}", line.trim())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same_and_nothing_else_is() {
        let net: Net = "2001:db8::/48".parse().unwrap();
        let target = Target { ip: Some("192.0.2.1".parse().unwrap()), port: Some(443), ..Target::default() };
        for job in [
            Job::Block { with: With::Nft, net, seconds: 600 },
            Job::Unblock { with: With::Iptables, net },
            Job::List { with: With::Nft },
            Job::Hook { key: 'x', target },
        ] {
            let asked = Asked { id: 7, job };
            let line = serde_json::to_vec(&asked).unwrap();
            assert_eq!(serde_json::from_slice::<Asked>(&line).unwrap(), asked);
        }
        for wrong in [
            r#"{"id":1,"job":{"verb":"shell","command":"id"}}"#,
            r#"{"id":1,"job":{"verb":"block","with":"nft","net":"192.0.2.1; id","seconds":1}}"#,
            r#"{"id":1,"job":{"verb":"block","with":"nft","net":"192.0.2.1","seconds":1,"argv":["id"]}}"#,
            r#"{"id":1,"job":{"verb":"hook","key":"x","target":{"ip":"$(id)"}}}"#,
            r#"{"id":1,"job":{"verb":"hook","key":"xy"}}"#,
            r#"{"id":1,"job":{"verb":"hook","key":"x","target":{"mac":"02:00:00:00:00:01 x"}}}"#,
            r#"{"id":1,"job":{"verb":"hook","key":"x","target":{"port":70000}}}"#,
        ] {
            assert!(serde_json::from_str::<Asked>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_error_is_the_last_line_that_says_something() {
        for (end, output, told) in [
            (End::Exited(0), "fine", None),
            (End::Exited(1), "one\ntwo\n\n", Some("it ended with code 1: two")),
            (End::Killed(9), "", Some("signal 9 ended it")),
            (End::Late, "", Some("it was killed after 10.0 s")),
            (End::NotRun("there is none".into()), "", Some("there is none")),
        ] {
            let done = Done { end, output: output.into(), took_ms: 10_000, ..Done::not_run(1, "") };
            assert_eq!(done.error().as_deref(), told);
        }
    }
}
