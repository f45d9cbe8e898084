//! Blocks: who is dropped by the kernel program, until when, and what keeps that from doing harm. Nothing is blocked unless somebody asks.

mod asked;
pub mod audit;
pub mod automatic;
mod book;
mod cover;
mod elsewhere;
mod extend;
pub(crate) mod guards;
pub mod kept;
mod plan;
mod proof;
mod restore;
mod seen;
mod tick;
mod visitors;

use std::{
    collections::{BTreeSet, VecDeque},
    net::IpAddr,
    sync::{Arc, atomic::AtomicBool},
};

use nettop_collect::lifelines::Lifelines;
use nettop_common::Outcome;
use nettop_model::{
    answer::{Answer, Reply},
    clock::Moment,
    net::Net,
    snapshot::{self, BlockRow, Degraded, With},
};

use self::{
    audit::Refusals,
    automatic::{Automatic, Wanted},
    book::{Book, Ended},
    guards::Scene,
    kept::Due,
};
use crate::{Engine, detect::Suspect};

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
    /// Those of firewalls that this run does not use.
    unmanaged: Vec<BlockRow>,
    /// What firewalls block, as far as they tell.
    elsewhere: elsewhere::Looks,
    /// What a firewall is still to be told to block, and for how many seconds.
    to_make: VecDeque<(BlockRow, u64)>,
    /// When the file of blocks is to be written.
    kept: Due,
    /// The answer to `cover`.
    cover: cover::Newest,
    /// Who asks without a right to.
    strangers: Refusals,
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
            unmanaged: Vec::new(),
            elsewhere: elsewhere::Looks::default(),
            to_make: VecDeque::new(),
            kept: Due::default(),
            cover: None,
            strangers: Refusals::default(),
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

    /// Is told of whom lines of logs tell what rules look for, at the end of a second.
    pub fn note_suspects(&mut self, suspects: &[Suspect]) {
        self.automatic.note_suspects(suspects);
    }

    /// Somebody has logged in: who was about to try passwords may have got in.
    pub fn note_login(&mut self) {
        self.is_judged = false;
    }

    /// So many seconds are over.
    pub fn close(&mut self, seconds: f64) {
        self.book.close(seconds);
    }

    /// Counting begins anew; what each block has dropped stays.
    pub fn reset(&mut self) {
        self.book.since_reset = 0;
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
    /// What does not work as it should.
    pub(crate) fn blocks_degraded(&self) -> impl Iterator<Item = Degraded> {
        let Blocks { automatic, elsewhere, unmanaged, .. } = &self.blocks;
        automatic.degraded().into_iter().chain(elsewhere.degraded()).chain(restore::degraded(unmanaged))
    }

    /// Hands over what guards know; `None`: it is not known yet.
    fn with_scene<T>(&self, look: impl FnOnce(&Blocks, &Scene<'_>) -> T) -> Option<T> {
        self.with_scene_for(None, false, look)
    }

    /// The same, for somebody who asks from there over TCP, or about somebody who tries passwords.
    fn with_scene_for<T>(
        &self,
        asking: Option<IpAddr>,
        tries_passwords: bool,
        look: impl FnOnce(&Blocks, &Scene<'_>) -> T,
    ) -> Option<T> {
        let blocks = &self.blocks;
        let scene = Scene {
            lifelines: blocks.lifelines.as_ref()?,
            asking,
            tries_passwords,
            allowed: &blocks.allowed,
            trusted: &blocks.blocking.trusted_proxies,
            place: &|ip| self.aggregates.regions.place(&ip.into()),
            seen: &|net| self.seen(net),
        };
        Some(look(blocks, &scene))
    }

    /// Answers `blocks`.
    pub(crate) fn list_blocks(&mut self) -> Reply {
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
    pub(crate) fn blocks(&self, limit: usize) -> snapshot::Blocks {
        let Blocks { blocking, book, allowed, automatic, unmanaged, .. } = &self.blocks;
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
            unmanaged: unmanaged.iter().take(if limit == 0 { usize::MAX } else { limit }).cloned().collect(),
            holds: book.holds(blocked),
        }
    }
}

const NO_BLOCKER: &str =
    "this monitor drops nothing: it was started with --without blocks, or its packets are not counted by the kernel";
