//! Blocks: who is dropped by the kernel program, until when, and what keeps that from doing harm. Nothing is blocked unless somebody asks.

pub mod audit;
pub mod automatic;
mod book;
mod cover;
mod elsewhere;
mod extend;
pub(crate) mod guards;
mod kept;
mod plan;
mod seen;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use nettop_collect::lifelines::Lifelines;
use nettop_common::Outcome;
use nettop_model::{
    answer::{Answer, Reply},
    clock::Moment,
    net::Net,
    request::{Allow, Block, Unblock, block},
    snapshot::{self, BlockRow, Degraded, With},
};
use nettop_process::cause;
use nettop_requests::Caller;
use serde_json::{Map, Value, json};

use self::{
    audit::{Denied, Strangers, Verb},
    automatic::{Automatic, Wanted},
    book::{Book, Ended},
    guards::{Refusal, Scene},
    kept::{Due, Kept},
};
use crate::Engine;

/// For how long a prefix is blocked unless that is confirmed, seconds.
const PREFIX_TTL: u64 = 60;
/// Characters of what is kept of a reason.
const MOST_WORDS: usize = 200;
/// What is not to be blocked, at most.
const MOST_ALLOWED: usize = 1024;

/// How blocks are wanted.
#[derive(Clone, Debug, Default)]
pub struct Blocking {
    /// How they are made unless a request says otherwise; `None`: not at all.
    pub with: Option<With>,
    /// What is never blocked.
    pub allow: Vec<Net>,
    /// Proxies whose clients cannot be told apart by their address.
    pub trusted_proxies: Vec<Net>,
    /// Whether those of an earlier run that have not ended are made again.
    pub restore: bool,
    /// Whether a block that drops something is renewed before its end.
    pub extend: bool,
    /// What rules block.
    pub automatic: Wanted,
    /// The firewalls that this host uses.
    pub in_use: Vec<With>,
    /// Set while something is blocked: then what must not be blocked is looked for each second.
    pub urgency: Arc<AtomicBool>,
}

/// The state.
pub struct Blocks {
    blocking: Blocking,
    book: Book,
    allowed: BTreeSet<Net>,
    /// What must not be blocked; `None`: nobody has looked yet.
    lifelines: Option<Lifelines>,
    /// Blocks of an earlier run, until it is known what must not be blocked.
    waiting: Vec<BlockRow>,
    /// When it was looked last what firewalls block; `None`: not yet.
    looked: Option<Instant>,
    /// What a firewall is still to be told to block, and for how many seconds.
    to_make: VecDeque<(BlockRow, u64)>,
    /// When the file of blocks is to be written.
    kept: Due,
    /// The answer to `cover`.
    cover: cover::Newest,
    /// Who asks without a right to.
    strangers: Strangers,
    automatic: Automatic,
    /// Every block was judged by what must not be blocked now.
    is_judged: bool,
}

impl Blocks {
    /// None.
    pub fn new(blocking: Blocking) -> Self {
        let allowed = blocking.allow.iter().copied().collect();
        let automatic = Automatic::new(blocking.automatic.clone());
        Self {
            automatic,
            blocking,
            book: Book::default(),
            allowed,
            lifelines: None,
            waiting: Vec::new(),
            looked: None,
            to_make: VecDeque::new(),
            kept: Due::default(),
            cover: None,
            strangers: Strangers::default(),
            is_judged: false,
        }
    }

    /// Is told what must not be blocked.
    pub fn enter_lifelines(&mut self, lifelines: Lifelines) {
        self.is_judged &= self.lifelines.as_ref() == Some(&lifelines);
        self.lifelines = Some(lifelines);
    }

    /// Enters what was dropped since the last time. Returns the blocks of which it is known by now what they have dropped in all.
    pub fn enter(&mut self, dropped: &[(u32, u64)]) -> Vec<Ended> {
        self.book.enter(dropped)
    }

    /// So many seconds are over.
    pub fn close(&mut self, seconds: f64) {
        self.book.close(seconds);
    }

    /// Counting begins anew; what each block has dropped stays.
    pub fn reset(&mut self) {
        self.book.since_reset = 0;
    }

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

    /// Proxies that are believed who their clients are.
    pub fn trusted_proxies(&self) -> &[Net] {
        &self.blocking.trusted_proxies
    }

    /// Whether packets of this may be dropped.
    pub fn covers(&self, net: &Net) -> bool {
        self.book.overlaps(net)
    }
}

impl Engine {
    /// Takes what an earlier monitor has kept.
    pub(super) fn load_blocks(&mut self) {
        let Some(bytes) = self.sinks.state().and_then(|state| state.read(kept::FILE, kept::MOST_BYTES)) else { return };
        let (lines, broken) = kept::read(&bytes);
        if broken > 0 {
            log::warn!("{}: {broken} lines cannot be read, and are left out", kept::FILE);
        }
        let Blocks { allowed, waiting, blocking, .. } = &mut self.blocks;
        for line in lines {
            match line {
                Kept::Allow(net) => _ = allowed.insert(net),
                Kept::Block(row) if blocking.restore => waiting.push(row),
                Kept::Block(_) => {}
            }
        }
    }

    /// Has the blocks written, soon.
    fn keep_blocks(&mut self) {
        self.blocks.kept.note();
        self.write_blocks(false);
    }

    /// Hands over the blocks to be written, if something has changed and that is due. `end`: of the monitor.
    pub(super) fn write_blocks(&mut self, end: bool) {
        let now = Moment::now();
        if !self.blocks.kept.take(now, end) {
            return;
        }
        let Some(state) = self.sinks.state() else { return };
        let Blocks { book, allowed, waiting, blocking, .. } = &self.blocks;
        let rows = book.iter().map(|(net, entry)| Kept::Block(Book::row(net, entry, now)));
        let allowed = allowed.iter().filter(|net| !blocking.allow.contains(net)).map(|net| Kept::Allow(*net));
        state.write(kept::FILE, kept::write(rows.chain(waiting.iter().cloned().map(Kept::Block)).chain(allowed)));
    }

    /// At each tick: blocks of an earlier run are made again, those whose time is over end, and those that a guard finds by now.
    pub(super) fn tend_blocks(&mut self) {
        let now = Moment::now();
        self.look_elsewhere();
        // What firewalls still block of an earlier run is known by then.
        let is_looked = self.actors.firewall.is_none() || self.blocks.looked.is_some();
        if self.blocks.lifelines.is_some() && is_looked && !self.blocks.waiting.is_empty() {
            self.restore_blocks(now);
        }
        self.extend_blocks(now);
        let mut ending: Vec<_> = self.blocks.book.over(now).into_iter().map(|net| (net, None)).collect();
        // Until something else must not be blocked, the answer is the same.
        if !self.blocks.is_judged {
            let found = self.with_scene(|blocks, scene| {
                let judged = |(net, entry): (&Net, &book::Entry)| {
                    Some((*net, Some(guards::judge_again(scene, net, entry.confirmed)?)))
                };
                blocks.book.iter().filter_map(judged).collect::<Vec<_>>()
            });
            self.blocks.is_judged = found.is_some();
            ending.extend(found.unwrap_or_default());
        }
        if !ending.is_empty() {
            for (net, refusal) in ending {
                self.end_block(&net, refusal.as_ref());
            }
            self.keep_blocks();
        }
        self.block_automatically(now);
        self.note_urgency();
    }

    /// What does not work as it should.
    pub(super) fn blocks_degraded(&self) -> Option<Degraded> {
        self.blocks.automatic.degraded()
    }

    fn note_urgency(&self) {
        self.blocks.blocking.urgency.store(!self.blocks.book.is_empty(), Ordering::Relaxed);
    }

    fn end_block(&mut self, net: &Net, refusal: Option<&Refusal>) {
        let by = if refusal.is_some() { A_GUARD } else { ITS_TIME };
        match self.blocks.book.get(net) {
            Some(entry) if entry.with == With::Xdp => {
                let Some(blocker) = self.source.blocker() else { return };
                if let Err(error) = self.blocks.book.end(blocker, net, by, refusal) {
                    log::error!("ending the block of {net}: {}", cause::told(&error));
                    // A guard tries again.
                    self.blocks.is_judged = false;
                }
            }
            Some(entry) if refusal.is_none() && entry.ends_by_itself() => {
                let ended = self.blocks.book.end_elsewhere(net, by, None);
                self.audit_ended(ended.map(|(_, ended)| ended));
            }
            _ => self.end_elsewhere(net, refusal),
        }
        if let Some(Refusal { guard, why, .. }) = refusal {
            self.message = format!("{net} is not blocked any more ({guard}): {why}");
            log::warn!("{}", self.message);
        }
    }

    fn restore_blocks(&mut self, now: Moment) {
        for row in std::mem::take(&mut self.blocks.waiting) {
            let Some(left_ns) = row.until_ns.checked_sub(now.unix_ns).filter(|left_ns| *left_ns > 0) else { continue };
            let left_ns = left_ns.min(block::TTL_RANGE.end() * 1_000_000_000);
            let net = row.net;
            let refusal = self.with_scene(|_, scene| guards::judge(scene, &net, row.confirmed)).flatten();
            let refused = refusal.map(|refusal| Denied { guard: Some(refusal.guard), told: told(&net, &refusal) });
            if refused.is_none() && row.with != With::Xdp {
                self.blocks.to_make.push_back((row, left_ns / 1_000_000_000));
                continue;
            }
            let line = audit::Row::restored(now, &row, left_ns / 1_000_000_000);
            let restored = match (refused, self.source.blocker()) {
                (Some(denied), _) => Err(denied),
                (None, None) => Err(NO_BLOCKER.into()),
                (None, Some(blocker)) => {
                    self.blocks.book.put(blocker, row, now, left_ns).map_err(|error| cause::told(&error).into())
                }
            };
            if let Err(Denied { told, .. }) = &restored {
                log::warn!("{net} is not blocked again: {told}");
            }
            self.sinks.audit(line.with_result(&restored));
        }
        self.keep_blocks();
    }

    /// Writes down which blocks have ended, and what they had dropped in all.
    pub(super) fn audit_ended(&mut self, ended: impl IntoIterator<Item = Ended>) {
        let now = Moment::now();
        for Ended { net, with, packets, by, guard, why } in ended {
            let caller = Caller { name: by, pid: None, refused: None };
            let with = Some(with);
            self.sinks.audit(audit::Row { with, packets, guard, why, ..audit::Row::new(now, &caller, Verb::End, net) });
        }
    }

    /// The end of the monitor is that of every block.
    pub(super) fn audit_last(&mut self) {
        let lasting = self.blocks.book.lasting("the end of the monitor");
        self.audit_ended(lasting);
    }

    /// Hands over what guards know; `None`: it is not known yet.
    fn with_scene<T>(&self, look: impl FnOnce(&Blocks, &Scene<'_>) -> T) -> Option<T> {
        let blocks = &self.blocks;
        let scene = Scene {
            lifelines: blocks.lifelines.as_ref()?,
            allowed: &blocks.allowed,
            trusted: &blocks.blocking.trusted_proxies,
            place: &|ip| self.aggregates.regions.place(&ip.into()),
            seen: &|net| self.seen(net),
        };
        Some(look(blocks, &scene))
    }

    /// What somebody asks for.
    fn wish(&self, Block { net, seconds, with, reason, confirm }: &Block, caller: &Caller) -> Wish {
        let confirmed = confirm.is_some();
        Wish {
            net: *net,
            with: with.or(self.blocks.blocking.with).unwrap_or_default(),
            seconds: if net.is_address() || confirmed { *seconds } else { (*seconds).min(PREFIX_TTL) },
            why: words(reason),
            by: words(&caller.name),
            confirmed,
        }
    }

    /// Answers `block` where the XDP program does it, or nothing is to be done.
    pub(super) fn block(&mut self, request: &Block, caller: &Caller) -> Reply {
        let wish = self.wish(request, caller);
        let checked = check(request);
        if checked.is_ok() && wish.with == With::Print {
            return Ok(Answer::Fields(self.plan(&wish.net, wish.seconds)));
        }
        let made = checked.map_err(Denied::from).and_then(|()| self.make_block(&wish));
        self.sinks.audit(audit::Row::wished(Moment::now(), caller, &wish).with_result(&made));
        let row = made.map_err(|denied| denied.told)?;
        let lasting = block::shown(Duration::from_secs(wish.seconds));
        self.message = format!("{} is blocked for {lasting}", wish.net);
        Ok(Answer::field("block", serde_json::to_value(row).unwrap_or_default()))
    }

    /// Makes a block in the XDP program, or renews it, unless something speaks against that.
    fn make_block(&mut self, wish: &Wish) -> Result<BlockRow, Denied> {
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
    fn judge_wish(&self, Wish { net, with, confirmed, .. }: &Wish) -> Result<(), Denied> {
        if self.blocks.blocking.with.is_none() {
            return Err("this monitor blocks nothing: it was started with --block-with none".into());
        }
        if let Some(other) = self.blocks.book.get(net).map(|entry| entry.with).filter(|other| other != with) {
            return Err(format!("{net} is blocked by {} already; unblock it first", other.label()).into());
        }
        let refusal = self.with_scene(|_, scene| guards::judge(scene, net, *confirmed)).ok_or(NOT_YET)?;
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
    pub(super) fn unblock(&mut self, Unblock { net }: Unblock, caller: &Caller) -> Reply {
        let ended = self.take_block(&net, caller);
        self.sinks.audit(audit::Row::new(Moment::now(), caller, Verb::Unblock, net).with_result(&ended));
        let row = ended.map_err(|denied| denied.told)?;
        self.message = format!("{net} is blocked no more");
        Ok(Answer::field("unblocked", serde_json::to_value(row).unwrap_or_default()))
    }

    fn take_block(&mut self, net: &Net, caller: &Caller) -> Result<BlockRow, Denied> {
        let blocker = self.source.blocker().ok_or(NO_BLOCKER)?;
        let ended = self.blocks.book.end(blocker, net, &caller.name, None).map_err(|error| cause::told(&error))?;
        let ended = ended.ok_or_else(|| format!("{net} is not blocked; nettopctl blocks lists what is"))?;
        self.keep_blocks();
        self.note_urgency();
        Ok(Book::row(net, &ended, Moment::now()))
    }

    /// Answers `allow`.
    pub(super) fn allow(&mut self, Allow { net, revoke }: Allow, caller: &Caller) -> Reply {
        let changed = self.blocks.change_allowed(net, revoke);
        let verb = if revoke { Verb::Revoke } else { Verb::Allow };
        self.sinks.audit(audit::Row::new(Moment::now(), caller, verb, net).with_result(&changed));
        changed.map_err(|denied| denied.told)?;
        self.keep_blocks();
        self.tend_blocks();
        self.message = if revoke { format!("{net} may be blocked") } else { format!("{net} is never blocked") };
        Ok(Answer::field("allowed", json!(self.blocks.allowed)))
    }

    /// Answers `blocks`.
    pub(super) fn list_blocks(&mut self) -> Reply {
        if self.source.blocker().is_none() {
            return Err(NO_BLOCKER.into());
        }
        Ok(Answer::field("blocks", serde_json::to_value(self.blocks(0)).unwrap_or_default()))
    }

    /// How blocks can be made.
    fn methods(&self) -> Vec<With> {
        if self.blocks.blocking.with.is_none() {
            return vec![With::Print];
        }
        let xdp = (self.room_for_blocks > 0).then_some(With::Xdp);
        [With::Print].into_iter().chain(xdp).chain(self.actors.firewalls.iter().copied()).collect()
    }

    /// The group of a snapshot, with so many rows at most (0: all).
    pub(super) fn blocks(&self, limit: usize) -> snapshot::Blocks {
        let Blocks { blocking, book, allowed, automatic, .. } = &self.blocks;
        let (rows, left_out) = book.rows(limit, Moment::now());
        let blocked = self.aggregates.totals.outcome(Outcome::Blocked).packets;
        snapshot::Blocks {
            rows,
            left_out,
            room: self.room_for_blocks as u64,
            dropped: book.dropped,
            ended: book.ended,
            untracked: book.untracked,
            pps: book.pps(),
            next_end_ns: book.next_end_ns(Moment::now()),
            with: blocking.with,
            methods: self.methods(),
            allowed: allowed.iter().copied().collect(),
            automatic: automatic.view(),
            holds: book.holds(blocked),
        }
    }
}

/// What ends a block, in the audit.
const ITS_TIME: &str = "its time";
const A_GUARD: &str = "a guard";

const NO_BLOCKER: &str =
    "this monitor drops nothing: it was started with --without blocks, or its packets are not counted by the kernel";
const NOT_YET: &str = "it is not known yet what must not be blocked; try again in a second";

/// A block that somebody wants.
pub(crate) struct Wish {
    net: Net,
    with: With,
    seconds: u64,
    why: String,
    by: String,
    confirmed: bool,
}

impl Wish {
    /// As a row; `dry`: it is not made.
    fn row(&self, now: Moment, dry: bool) -> BlockRow {
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

/// What is kept of what somebody says.
fn words(text: &str) -> String {
    text.chars().take(MOST_WORDS).collect()
}

/// Whether a request is one that can be done.
fn check(Block { net, seconds, confirm, .. }: &Block) -> Result<(), String> {
    if !block::TTL_RANGE.contains(seconds) {
        return Err(format!("a block lasts from {} s to 30 days, not {seconds} s", block::TTL_RANGE.start()));
    }
    if confirm.is_some_and(|confirm| confirm != *net) {
        return Err(format!("{net} is not blocked: something else was confirmed"));
    }
    Ok(())
}

/// A refusal as one line.
fn told(net: &Net, Refusal { guard, why, yields }: &Refusal) -> String {
    let remedy = match yields {
        true => format!("to block it all the same, type it again: --confirm {net}"),
        false => "nothing overrides that".into(),
    };
    format!("{net} is not blocked ({guard}): {why}; {remedy}")
}

/// The same, for who asks what would happen.
fn field(refusal: Option<&Refusal>) -> Value {
    refusal.map_or(Value::Null, |Refusal { guard, why, yields }| json!({"guard": guard, "why": why, "yields": yields}))
}

/// Fields in an answer.
type Fields = Map<String, Value>;
