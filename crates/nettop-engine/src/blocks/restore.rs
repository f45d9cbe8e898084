//! Blocks that outlive a monitor: written down while it runs, and made again by the next one.

use nettop_model::{clock::Moment, request::block, snapshot::With};
use nettop_process::cause;

use super::{
    Blocks, NO_BLOCKER,
    asked::told,
    audit::{self, Denied},
    book::Book,
    guards,
    kept::{self, Kept},
};
use crate::Engine;

impl Engine {
    /// Takes what an earlier monitor has kept.
    pub(crate) fn load_blocks(&mut self) {
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
    pub(super) fn keep_blocks(&mut self) {
        self.blocks.kept.note();
        self.write_blocks(false);
    }

    /// Hands over the blocks to be written, if something has changed and that is due. `end`: of the monitor.
    pub(crate) fn write_blocks(&mut self, end: bool) {
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

    pub(super) fn restore_blocks(&mut self, now: Moment) {
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
}
