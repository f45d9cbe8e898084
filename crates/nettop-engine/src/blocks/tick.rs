//! At each tick: blocks whose time is over end, and those that a guard finds by now; what ended is written down.

use std::sync::atomic::Ordering;

use nettop_model::{clock::Moment, net::Net, snapshot::With};
use nettop_process::cause;
use nettop_requests::Caller;

use super::{
    Blocks,
    audit::{self, Verb},
    book::{self, Ended},
    guards::{self, Refusal, Scene},
};
use crate::Engine;

/// What ends a block, in the audit.
pub(super) const ITS_TIME: &str = "its time";
pub(super) const A_GUARD: &str = "a guard";

impl Engine {
    /// At each tick: blocks of an earlier run are made again, those whose time is over end, and those that a guard finds by now.
    pub(crate) fn tend_blocks(&mut self) {
        let now = Moment::now();
        self.look_elsewhere();
        self.restore_blocks(now);
        self.extend_blocks(now);
        let mut ending: Vec<_> = self.blocks.book.over(now).into_iter().map(|net| (net, None)).collect();
        // Until something else must not be blocked, the answer is the same.
        if !self.blocks.is_judged {
            let found = self.with_scene(|blocks, scene| {
                let judged = |(net, entry): (&Net, &book::Entry)| {
                    let scene = Scene { tries_passwords: self.tries_passwords(net, &entry.by), ..*scene };
                    Some((*net, Some(guards::judge_again(&scene, net, entry.confirmed)?)))
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

    pub(super) fn note_urgency(&self) {
        let Blocks { book, automatic, blocking, .. } = &self.blocks;
        blocking.urgency.store(!book.is_empty() || automatic.is_held(), Ordering::Relaxed);
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
            self.blocks.automatic.note_guarded(net);
            self.message = format!("{net} is not blocked any more ({guard}): {why}");
            log::warn!("{}", self.message);
        }
    }

    /// Writes down which blocks have ended, and what they had dropped in all.
    pub(crate) fn audit_ended(&mut self, ended: impl IntoIterator<Item = Ended>) {
        let now = Moment::now();
        for Ended { net, with, packets, by, guard, why } in ended {
            let caller = Caller::named(by);
            let with = Some(with);
            self.sinks.audit(audit::Row { with, packets, guard, why, ..audit::Row::new(now, &caller, Verb::End, net) });
        }
    }

    /// The end of the monitor is that of every block.
    pub(crate) fn audit_last(&mut self) {
        let lasting = self.blocks.book.lasting("the end of the monitor");
        self.audit_ended(lasting);
    }
}
