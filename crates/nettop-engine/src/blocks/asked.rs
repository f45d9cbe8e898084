//! What somebody asks for: to block, to end a block, never to block; and why that is not done.

use std::{net::IpAddr, time::Duration};

use nettop_actor::firewall;
use nettop_model::{
    answer::{Answer, Reply},
    clock::Moment,
    net::Net,
    request::{Allow, Block, Unblock, block},
    snapshot::{BlockRow, With},
};
use nettop_process::cause;
use nettop_requests::Caller;
use serde_json::{Map, Value, json};

use super::{
    Blocks, NO_BLOCKER,
    audit::{self, Denied, Verb},
    book::Book,
    guards::{self, Refusal},
};
use crate::Engine;

/// For how long a prefix is blocked unless that is confirmed, seconds.
const PREFIX_TTL: u64 = 60;
/// Characters of what is kept of a reason.
const MOST_WORDS: usize = 200;
/// What is not to be blocked, at most.
const MOST_ALLOWED: usize = 1024;
const NOT_YET: &str = "it is not known yet what must not be blocked; try again in a second";

/// A block that somebody wants.
pub(crate) struct Wish {
    pub(super) net: Net,
    pub(super) with: With,
    pub(super) seconds: u64,
    pub(super) why: String,
    pub(super) by: String,
    /// From where it was asked for over TCP.
    pub(super) from: Option<IpAddr>,
    pub(super) confirmed: bool,
}

impl Wish {
    /// As a row; `dry`: it is not made.
    pub(super) fn row(&self, now: Moment, dry: bool) -> BlockRow {
        BlockRow {
            why: self.why.clone(),
            by: self.by.clone(),
            confirmed: self.confirmed,
            since_ns: now.unix_ns,
            until_ns: now.unix_ns + self.seconds * 1_000_000_000,
            dry,
            ..BlockRow::new(self.net, self.with)
        }
    }
}

impl Blocks {
    /// From now on never blocks it, or may do so again.
    fn change_allowed(&mut self, net: Net, revoke: bool) -> Result<(), Denied> {
        let Self { allowed, blocking, .. } = self;
        if revoke {
            if blocking.allow.contains(&net) {
                return Err(format!("{net} is allowed by --allow; change that, and start the monitor again").into());
            }
            if !allowed.remove(&net) {
                return Err(format!("{net} was not allowed").into());
            }
        } else if allowed.len() >= MOST_ALLOWED {
            return Err(format!("{MOST_ALLOWED} are allowed, as many as there can be; allow a prefix").into());
        } else {
            allowed.insert(net);
            self.is_judged = false;
        }
        Ok(())
    }
}

impl Engine {
    /// What somebody asks for.
    pub(super) fn wish(&self, Block { net, seconds, with, reason, confirm }: &Block, caller: &Caller) -> Wish {
        let confirmed = confirm.is_some();
        Wish {
            net: *net,
            with: with.or(self.blocks.blocking.with).unwrap_or_default(),
            seconds: if net.is_address() || confirmed { *seconds } else { (*seconds).min(PREFIX_TTL) },
            why: words(reason),
            by: words(&caller.name),
            from: caller.from,
            confirmed,
        }
    }

    /// Answers `block` where the XDP program does it, or nothing is to be done.
    pub(crate) fn block(&mut self, request: &Block, caller: &Caller) -> Reply {
        let wish = self.wish(request, caller);
        let checked = check(request);
        if checked.is_ok() && wish.with == With::Print {
            return Ok(Answer::Fields(self.plan(&wish)));
        }
        let made = checked.map_err(Denied::from).and_then(|()| self.make_block(&wish));
        self.sinks.audit(audit::Row::wished(Moment::now(), caller, &wish).with_result(&made));
        let row = made.map_err(|denied| denied.told)?;
        let lasting = block::shown(Duration::from_secs(wish.seconds));
        self.message = format!("{} is blocked for {lasting}", wish.net);
        Ok(Answer::field("block", serde_json::to_value(row).unwrap_or_default()))
    }

    /// Makes a block in the XDP program, or renews it, unless something speaks against that.
    pub(super) fn make_block(&mut self, wish: &Wish) -> Result<BlockRow, Denied> {
        let net = &wish.net;
        if self.source.blocker().is_none() {
            return Err(NO_BLOCKER.into());
        }
        self.judge_wish(wish)?;
        let now = Moment::now();
        let blocker = self.source.blocker().ok_or(NO_BLOCKER)?;
        let put = self.blocks.book.put(blocker, wish.row(now, false), now, wish.seconds * 1_000_000_000);
        put.map_err(|error| format!("{net} is not blocked: {}", cause::told(&error)))?;
        self.note_urgency();
        self.keep_blocks();
        let entry = self.blocks.book.get(net).ok_or(NO_BLOCKER)?;
        Ok(Book::row(net, entry, now))
    }

    /// Whether nothing speaks against a block.
    pub(super) fn judge_wish(&self, Wish { net, with, confirmed, from, by, .. }: &Wish) -> Result<(), Denied> {
        if self.blocks.blocking.with.is_none() {
            return Err("this monitor blocks nothing: it was started with --block-with none".into());
        }
        if let Some(other) = self.blocks.book.get(net).map(|entry| entry.with).filter(|other| other != with) {
            return Err(format!("{net} is blocked by {} already; unblock it first", other.label()).into());
        }
        let refusal = self
            .with_scene_for(*from, self.tries_passwords(net, by), |_, scene| guards::judge(scene, net, *confirmed))
            .ok_or(NOT_YET)?;
        self.check_lifelines()?;
        match refusal {
            Some(refusal) => Err(Denied { guard: Some(refusal.guard), told: told(net, &refusal) }),
            None => Ok(()),
        }
    }

    /// Where it could not be read what must not be blocked, nothing is.
    fn check_lifelines(&self) -> Result<(), String> {
        match self.blocks.lifelines.as_ref().and_then(|lifelines| lifelines.problems.first()) {
            Some(problem) => {
                Err(format!("it cannot be told what must not be blocked: {problem}; block with --with print"))
            }
            None => Ok(()),
        }
    }

    /// Answers `unblock`.
    pub(crate) fn unblock(&mut self, Unblock { net }: Unblock, caller: &Caller) -> Reply {
        let ended = self.take_block(&net, caller);
        self.sinks.audit(audit::Row::new(Moment::now(), caller, Verb::Unblock, net).with_result(&ended));
        let row = ended.map_err(|denied| denied.told)?;
        self.message = format!("{net} is blocked no more");
        Ok(Answer::field("unblocked", serde_json::to_value(row).unwrap_or_default()))
    }

    fn take_block(&mut self, net: &Net, caller: &Caller) -> Result<BlockRow, Denied> {
        let blocker = self.source.blocker().ok_or(NO_BLOCKER)?;
        let ended = self.blocks.book.end(blocker, net, &caller.name, None).map_err(|error| cause::told(&error))?;
        let ended = ended.ok_or_else(|| self.not_blocked(net))?;
        self.keep_blocks();
        self.note_urgency();
        Ok(Book::row(net, &ended, Moment::now()))
    }

    /// Why there is no block to be ended.
    fn not_blocked(&self, net: &Net) -> String {
        let unmanaged = self.blocks.unmanaged.iter().find(|row| row.net == *net).and_then(|row| firewall::of(row.with));
        match unmanaged {
            Some(firewall) => format!(
                "{net} was blocked by {0} in an earlier run, and this one does not run it: start nettop with --block-with {0}, \
                 or do it yourself: {1}",
                firewall.with.label(),
                firewall::line(&(firewall.unblock)(net))
            ),
            None => format!("{net} is not blocked; nettopctl blocks lists what is"),
        }
    }

    /// Answers `allow`.
    pub(crate) fn allow(&mut self, Allow { net, revoke }: Allow, caller: &Caller) -> Reply {
        let changed = self.blocks.change_allowed(net, revoke);
        let verb = if revoke { Verb::Revoke } else { Verb::Allow };
        self.sinks.audit(audit::Row::new(Moment::now(), caller, verb, net).with_result(&changed));
        changed.map_err(|denied| denied.told)?;
        self.keep_blocks();
        self.tend_blocks();
        self.message = if revoke { format!("{net} may be blocked") } else { format!("{net} is never blocked") };
        Ok(Answer::field("allowed", json!(self.blocks.allowed)))
    }
}

/// What is kept of what somebody says.
pub(super) fn words(text: &str) -> String {
    text.chars().take(MOST_WORDS).collect()
}

/// Whether a request is one that can be done.
pub(super) fn check(Block { net, seconds, confirm, .. }: &Block) -> Result<(), String> {
    if !block::TTL_RANGE.contains(seconds) {
        return Err(format!("a block lasts from {} s to 30 days, not {seconds} s", block::TTL_RANGE.start()));
    }
    if confirm.is_some_and(|confirm| confirm != *net) {
        return Err(format!("{net} is not blocked: something else was confirmed"));
    }
    Ok(())
}

/// A refusal as one line.
pub(super) fn told(net: &Net, Refusal { guard, why, yields }: &Refusal) -> String {
    let remedy = match yields {
        true => format!("to block it all the same, type it again: --confirm {net}"),
        false => "nothing overrides that".into(),
    };
    format!("{net} is not blocked ({guard}): {why}; {remedy}")
}

/// The same, for who asks what would happen.
pub(super) fn field(refusal: Option<&Refusal>) -> Value {
    refusal.map_or(Value::Null, |Refusal { guard, why, yields }| json!({"guard": guard, "why": why, "yields": yields}))
}

/// Fields in an answer.
pub(super) type Fields = Map<String, Value>;
