//! Blocks that outlive a monitor: written down while it runs, and made again by the next one.

use nettop_actor::firewall;
use nettop_model::{
    clock::Moment,
    request::block,
    snapshot::{BlockRow, Degraded, With},
};
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
                // What a firewall ends by itself may still be blocked, whatever this run does.
                Kept::Block(row) if blocking.restore || ends_by_itself(row.with) => waiting.push(row),
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
        let Blocks { book, allowed, waiting, unmanaged, blocking, .. } = &self.blocks;
        let rows = book.iter().map(|(net, entry)| Kept::Block(Book::row(net, entry, now)));
        let allowed = allowed.iter().filter(|net| !blocking.allow.contains(net)).map(|net| Kept::Allow(*net));
        state.write(
            kept::FILE,
            kept::write(rows.chain(waiting.iter().chain(unmanaged).cloned().map(Kept::Block)).chain(allowed)),
        );
    }

    /// At each tick: what an earlier monitor has blocked is blocked again, as soon as it is known what must not be, and what firewalls
    /// still block of it. What is of a firewall that this run does not use only ends in its time.
    pub(super) fn restore_blocks(&mut self, now: Moment) {
        let Blocks { unmanaged, waiting, lifelines, .. } = &mut self.blocks;
        let known = unmanaged.len();
        unmanaged.retain(|row| row.until_ns > now.unix_ns);
        let mut is_changed = unmanaged.len() < known;
        if lifelines.is_some() && !waiting.is_empty() {
            let rows = std::mem::take(waiting);
            let before = rows.len();
            rows.into_iter().for_each(|row| self.restore_block(row, now));
            is_changed |= self.blocks.waiting.len() < before;
        }
        if is_changed {
            self.keep_blocks();
        }
    }

    fn restore_block(&mut self, row: BlockRow, now: Moment) {
        let (net, with) = (row.net, row.with);
        let Some(left_ns) = row.until_ns.checked_sub(now.unix_ns).filter(|left_ns| *left_ns > 0) else { return };
        let is_of_firewall = firewall::of(with).is_some();
        if is_of_firewall && !self.actors.can(with) {
            return self.blocks.unmanaged.push(BlockRow { unmanaged: true, ..row });
        }
        let row = BlockRow { unmanaged: false, ..row };
        if is_of_firewall && !self.blocks.elsewhere.is_known() {
            return self.blocks.waiting.push(row);
        }
        let left_ns = left_ns.min(block::TTL_RANGE.end() * 1_000_000_000);
        if !self.blocks.blocking.restore {
            // Else it would be in its table; but there are firewalls that tell nothing.
            if firewall::of(with).is_some_and(|firewall| firewall.list.is_none()) {
                self.blocks.book.put_elsewhere(row, now, left_ns);
                self.blocks.is_judged = false;
            }
            return;
        }
        let tries = self.tries_passwords(&net, &row.by);
        let refusal = self.with_scene_for(None, tries, |_, scene| guards::judge(scene, &net, row.confirmed)).flatten();
        let refused = refusal.map(|refusal| Denied { guard: Some(refusal.guard), told: told(&net, &refusal) });
        if refused.is_none() && is_of_firewall {
            return self.blocks.to_make.push_back((row, left_ns / 1_000_000_000));
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
}

fn ends_by_itself(with: With) -> bool {
    firewall::of(with).is_some_and(|firewall| firewall.ends_by_itself)
}

/// That there are blocks of firewalls that this run does not use: a row for each of these.
pub fn degraded(unmanaged: &[BlockRow]) -> impl Iterator<Item = Degraded> {
    With::ALL.into_iter().filter_map(|with| {
        let count = unmanaged.iter().filter(|row| row.with == with).count();
        let name = with.label();
        (count > 0).then(|| Degraded {
            badge: format!("blocks of {name}"),
            what: match ends_by_itself(with) {
                true => format!("blocks of an earlier run may still be in {name}, which is not looked at: {count}"),
                false => format!("blocks of an earlier run are not made again by {name}: {count}"),
            },
            reason: format!(
                "this monitor does not run {name}, which had made them; they are listed until their time is over"
            ),
            remedy: match ends_by_itself(with) {
                true => format!(
                    "start nettop with --block-with {name} to have them looked after; `nettopctl blocks` lists them"
                ),
                false => {
                    format!("start nettop with --block-with {name}, or block them anew; `nettopctl blocks` lists them")
                }
            },
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_firewall_that_is_not_run_is_named_once() {
        let row = |net: &str, with| BlockRow::new(net.parse().unwrap(), with);
        let rows = [row("192.0.2.1", With::Ufw), row("192.0.2.2", With::Nft), row("192.0.2.3", With::Ufw)];
        let found: Vec<_> = degraded(&rows).collect();
        let badges: Vec<_> = found.iter().map(|row| &*row.badge).collect();
        assert_eq!(badges, ["blocks of nft", "blocks of ufw"]);
        assert!(found[0].what.contains("may still be in nft, which is not looked at: 1"), "{:?}", found[0]);
        assert!(found[1].what.contains("not made again by ufw: 2"), "{:?}", found[1]);
        assert!(found.iter().all(|row| row.remedy.contains("--block-with")), "{found:?}");
        assert_eq!(degraded(&[]).count(), 0);
    }
}
