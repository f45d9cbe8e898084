//! The audit: who had what blocked and why, what was refused, and what each block had dropped at its end.

use nettop_model::{
    clock::Moment,
    net::Net,
    request::{Allow, Block, Request, Unblock},
    snapshot::{BlockRow, With},
};
use nettop_requests::Caller;
use serde::Serialize;

use super::asked::{Wish, words};
use crate::Engine;

/// Lines a minute, at most, about those who may not ask for anything: else they would fill the disk.
const STRANGERS: u32 = 60;
const MINUTE_NS: u64 = 60_000_000_000;

/// What was to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// A block was asked for, or made by a rule.
    Block,
    /// A block of an earlier run was made again.
    Restore,
    /// A block was renewed, because it drops something.
    Extend,
    /// A block's end was asked for.
    Unblock,
    /// An address is never to be blocked ...
    Allow,
    /// ... or may be again.
    Revoke,
    /// A block has ended.
    End,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not.
    Refused,
    /// It would have been: a rule's, in a dry run.
    Would,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// When, Unix nanoseconds.
    pub at_ns: u64,
    /// Who: a user, an address and port, the screen, a rule, or what ended a block.
    pub by: String,
    /// Its process, where the kernel tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// What was to be done.
    pub verb: Verb,
    /// With which address or prefix.
    pub net: Net,
    /// For how long, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// How.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<With>,
    /// It was typed once more, in spite of a guard.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
    /// Why, in the words of whoever asked; what a rule found.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What came of it.
    pub result: Outcome,
    /// The guard that refused, or ended a block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<&'static str>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the block had dropped in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
    /// Lines about others that may not ask for anything, which were left out before this one.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The guard that refused, if one did.
    pub guard: Option<&'static str>,
    /// In words, for whoever asked.
    pub told: String,
}

impl From<String> for Denied {
    fn from(told: String) -> Self {
        Self { guard: None, told }
    }
}

impl From<&str> for Denied {
    fn from(told: &str) -> Self {
        told.to_string().into()
    }
}

impl Row {
    /// What somebody asked for, and was done.
    pub fn new(now: Moment, caller: &Caller, verb: Verb, net: Net) -> Self {
        Self {
            at_ns: now.unix_ns,
            by: caller.name.clone(),
            pid: caller.pid,
            verb,
            net,
            seconds: None,
            with: None,
            confirmed: false,
            why: String::new(),
            result: Outcome::Done,
            guard: None,
            error: None,
            packets: None,
            left_out: 0,
        }
    }

    /// A block that somebody wants, and got.
    pub(super) fn wished(now: Moment, caller: &Caller, wish: &Wish) -> Self {
        Self {
            seconds: Some(wish.seconds),
            with: Some(wish.with),
            confirmed: wish.confirmed,
            why: wish.why.clone(),
            ..Self::new(now, caller, Verb::Block, wish.net)
        }
    }

    /// A block that was made before, and is again.
    pub(super) fn restored(now: Moment, row: &BlockRow, seconds: u64) -> Self {
        let caller = Caller { name: row.by.clone(), pid: None, refused: None };
        Self { verb: Verb::Restore, ..Self::made(now, &caller, row, seconds) }
    }

    /// The block of a row.
    pub(super) fn made(now: Moment, caller: &Caller, row: &BlockRow, seconds: u64) -> Self {
        Self {
            seconds: Some(seconds),
            with: Some(row.with),
            confirmed: row.confirmed,
            why: row.why.clone(),
            ..Self::new(now, caller, Verb::Block, row.net)
        }
    }

    /// The same, if it was not done.
    #[must_use]
    pub fn with_result<T>(self, result: &Result<T, Denied>) -> Self {
        match result {
            Ok(_) => self,
            Err(Denied { guard, told }) => {
                Self { result: Outcome::Refused, guard: *guard, error: Some(told.clone()), ..self }
            }
        }
    }

    /// What a request asks for; `None`: nothing that is written down.
    fn of(now: Moment, caller: &Caller, request: &Request) -> Option<Self> {
        let row = |verb, net| Self::new(now, caller, verb, net);
        match request {
            Request::Block(Block { net, seconds, with, reason, confirm }) => Some(Self {
                seconds: Some(*seconds),
                with: *with,
                confirmed: confirm.is_some(),
                why: words(reason),
                ..row(Verb::Block, *net)
            }),
            Request::Unblock(Unblock { net }) => Some(row(Verb::Unblock, *net)),
            Request::Allow(Allow { net, revoke }) => Some(row(if *revoke { Verb::Revoke } else { Verb::Allow }, *net)),
            _ => None,
        }
    }
}

/// How many lines there were about those who may not ask for anything.
#[derive(Debug, Default)]
pub struct Strangers {
    minute: u64,
    lines: u32,
    left_out: u64,
}

impl Strangers {
    /// Whether there may be one more; then how many were left out before it.
    fn next(&mut self, now: Moment) -> Option<u64> {
        let minute = now.monotonic_ns / MINUTE_NS;
        if minute != self.minute {
            (self.minute, self.lines) = (minute, 0);
        }
        if self.lines >= STRANGERS {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl Engine {
    /// Writes down that somebody asked for something that this one may not have done.
    pub(crate) fn audit_stranger(&mut self, request: &Request, caller: &Caller, why: &str) {
        let now = Moment::now();
        let Some(row) = Row::of(now, caller, request) else { return };
        if let Some(left_out) = self.blocks.strangers.next(now) {
            self.sinks.audit(Row { left_out, ..row }.with_result(&Err::<(), _>(why.into())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_ask_gets_some_lines_a_minute_and_the_others_are_counted() {
        let mut strangers = Strangers::default();
        let at = |seconds: u64| Moment { monotonic_ns: seconds * 1_000_000_000, unix_ns: 0 };
        let mut lines = 0;
        for second in 0..100 {
            for _ in 0..10 {
                lines += u32::from(strangers.next(at(second)).is_some());
            }
        }
        assert_eq!(lines, 2 * STRANGERS);
        assert_eq!(strangers.next(at(120)), Some(1_000 - 2 * u64::from(STRANGERS) - (600 - 60)), "since the last line");
    }

    #[test]
    fn a_line_has_what_there_is_to_tell() {
        let caller = Caller { name: "user 0".into(), pid: Some(7), refused: None };
        let net: Net = "192.0.2.1".parse().unwrap();
        let now = Moment { monotonic_ns: 1, unix_ns: 2 };
        let row = Row { seconds: Some(600), with: Some(With::Xdp), ..Row::new(now, &caller, Verb::Block, net) };
        let denied = Err::<(), _>(Denied { guard: Some("own"), told: "it is own".into() });
        let begin =
            r#"{"at_ns":2,"by":"user 0","pid":7,"verb":"block","net":"192.0.2.1","seconds":600,"with":"xdp","result":"#;
        for (row, end) in [
            (row.clone().with_result(&Ok::<_, Denied>(())), r#""done"}"#),
            (row.with_result(&denied), r#""refused","guard":"own","error":"it is own"}"#),
        ] {
            assert_eq!(serde_json::to_string(&row).unwrap(), format!("{begin}{end}"));
        }
    }
}
