//! The audit: who had what blocked and why, what was refused, and what each block had dropped at its end.

use nettop_actor::job::{Done, End};
use nettop_model::{
    clock::Moment,
    net::Net,
    request::{Allow, Block, Hook, Request, Unblock, hook::Target},
    snapshot::{BlockRow, Mac, With},
};
use nettop_requests::Caller;
use serde::Serialize;

use super::asked::{Wish, words};
use crate::Engine;

/// Lines a minute, at most, about those who may not ask for anything, and about what rules are refused: else they would fill the disk.
const MOST_REFUSALS: u32 = 60;
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
    /// A hook was run, by somebody or an alert.
    Hook,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not.
    Refused,
    /// A hook was run, and did not do well.
    Failed,
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
    /// With which address or prefix; `None`: a hook that was run on none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net: Option<Net>,
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
    /// The hook that was run, and what became of it.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub hook: Option<RanHook>,
    /// Lines about others that may not ask for anything, or that rules were refused, which were left out before this one.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

/// A hook. Its arguments may hold secrets, and are not written down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RanHook {
    /// What it is called; of one that there is not, its key.
    pub hook: String,
    /// What it was run on, beside an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// What its program ended with; `None`: it was killed, or not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// How long it took, milliseconds; `None`: it was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
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
    pub fn new(now: Moment, caller: &Caller, verb: Verb, net: impl Into<Option<Net>>) -> Self {
        Self {
            at_ns: now.unix_ns,
            by: caller.name.clone(),
            pid: caller.pid,
            verb,
            net: net.into(),
            seconds: None,
            with: None,
            confirmed: false,
            why: String::new(),
            result: Outcome::Done,
            guard: None,
            error: None,
            packets: None,
            hook: None,
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
        let caller = Caller::named(&*row.by);
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

    /// What became of a hook.
    #[must_use]
    pub fn with_end(self, done: &Done) -> Self {
        let code = if let End::Exited(code) = done.end { Some(code) } else { None };
        let took_ms = (!matches!(done.end, End::NotRun(_))).then_some(done.took_ms);
        let hook = self.hook.clone().map(|hook| RanHook { code, took_ms, ..hook });
        let result = match (&done.end, done.error()) {
            (_, None) => Outcome::Done,
            (End::NotRun(_), Some(_)) => Outcome::Refused,
            (_, Some(_)) => Outcome::Failed,
        };
        // What it printed is its own business.
        let error = done.end.error(done.took_ms);
        Self { hook, result, error, ..self }
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

    /// A hook that somebody wants to be run on something.
    pub fn hooked(now: Moment, caller: &Caller, hook: String, target: &Target) -> Self {
        let net = target.ip.or(target.target).map(Net::from);
        let ran = RanHook { hook, port: target.port, mac: target.mac, ..RanHook::default() };
        Self {
            why: target.rule.as_deref().map(words).unwrap_or_default(),
            hook: Some(ran),
            ..Self::new(now, caller, Verb::Hook, net)
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
            Request::Hook(Hook { key, target }) => Some(Self::hooked(now, caller, key.to_string(), target)),
            _ => None,
        }
    }
}

/// How many lines there were of refusals that others can bring about as often as they like.
#[derive(Debug, Default)]
pub struct Refusals {
    minute: u64,
    lines: u32,
    left_out: u64,
}

impl Refusals {
    /// Whether there may be one more; then how many were left out before it.
    pub fn next(&mut self, now: Moment) -> Option<u64> {
        let minute = now.monotonic_ns / MINUTE_NS;
        if minute != self.minute {
            (self.minute, self.lines) = (minute, 0);
        }
        if self.lines >= MOST_REFUSALS {
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
        let Some(mut row) = Row::of(now, caller, request) else { return };
        if let (Request::Hook(Hook { key, .. }), Some(hook)) = (request, &mut row.hook) {
            let known = self.actors.rows.iter().find(|known| known.key == *key);
            known.into_iter().for_each(|known| hook.hook.clone_from(&known.label));
        }
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
        let mut strangers = Refusals::default();
        let at = |seconds: u64| Moment { monotonic_ns: seconds * 1_000_000_000, unix_ns: 0 };
        let mut lines = 0;
        for second in 0..100 {
            for _ in 0..10 {
                lines += u32::from(strangers.next(at(second)).is_some());
            }
        }
        assert_eq!(lines, 2 * MOST_REFUSALS);
        assert_eq!(
            strangers.next(at(120)),
            Some(1_000 - 2 * u64::from(MOST_REFUSALS) - (600 - 60)),
            "since the last line"
        );
    }

    #[test]
    fn a_line_has_what_there_is_to_tell() {
        let caller = Caller { pid: Some(7), ..Caller::named("user 0") };
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
