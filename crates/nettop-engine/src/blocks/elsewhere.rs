//! Blocks in firewalls of the host: an actor makes and ends them, and is asked now and then whether they are still there.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use nettop_actor::{
    firewall,
    job::{Done, Element, End, Job},
};
use nettop_model::{
    answer::{Answer, Reply},
    clock::Moment,
    net::Net,
    request::{Block, block},
    snapshot::{BlockRow, Degraded, With},
};
use nettop_requests::Caller;

use super::{
    asked::{Wish, check},
    audit::{self, Denied, Verb},
    book::Book,
    guards::Refusal,
    tick::{A_GUARD, ITS_TIME},
};
use crate::{
    Engine,
    actors::{Next, Which},
};

/// How often it is looked whether they are still there.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// And until that was told for the first time.
const UNTIL_KNOWN: Duration = Duration::from_secs(5);
/// Whose time is over so soon is not missed, seconds.
const SOON_OVER: u64 = 3;
/// After how many seconds it is tried again to end one.
const AGAIN: u64 = 30;

/// What is known of what firewalls block.
#[derive(Debug, Default)]
pub struct Looks {
    /// When it was looked last.
    looked: Option<Instant>,
    /// Whether what an earlier run has made was taken over.
    is_known: bool,
    /// Of which firewall it cannot be told, and why.
    problem: Option<(With, String)>,
}

impl Looks {
    /// Whether what an earlier run has made was taken over.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// Whether it is to be looked now; then that counts as done.
    fn is_due(&mut self, now: Instant) -> bool {
        let every = if self.is_known { LOOK_EVERY } else { UNTIL_KNOWN };
        let is_due = self.looked.is_none_or(|looked| now.duration_since(looked) >= every);
        if is_due {
            self.looked = Some(now);
        }
        is_due
    }

    /// Notes that it has been told. Returns whether that was for the first time.
    fn succeeded(&mut self) -> bool {
        self.problem = None;
        !std::mem::replace(&mut self.is_known, true)
    }

    /// Notes that it cannot be told, which is said once.
    fn failed(&mut self, with: With, error: String) -> Reply {
        let problem = Some((with, error));
        if self.problem == problem {
            return Ok(Answer::field("listed", 0));
        }
        let told =
            problem.iter().map(|(with, error)| format!("it cannot be told what {} blocks: {error}", with.label()));
        let told = told.collect();
        self.problem = problem;
        Err(told)
    }

    /// That it cannot be told.
    pub fn degraded(&self) -> Option<Degraded> {
        let (with, error) = self.problem.as_ref()?;
        let name = with.label();
        Some(Degraded {
            badge: format!("{name} unread"),
            what: match self.is_known {
                true => format!("it is not known whether what {name} is to block is still there"),
                false => format!("it is not known what {name} blocks of an earlier run"),
            },
            reason: error.clone(),
            remedy: format!("see that `{name}` works for root; it is tried again until it does"),
        })
    }
}

/// What became of a job; `told` says what that means.
fn outcome(done: &Done, told: impl FnOnce(String) -> String) -> Result<(), Denied> {
    done.error().map_or(Ok(()), |error| Err(told(error).into()))
}

impl Engine {
    /// Has a firewall block what is asked; `None`: it is not to be done by one.
    pub(crate) fn block_elsewhere(&mut self, request: &Block, caller: &Caller) -> Option<Result<(Which, u64), String>> {
        let wish = self.wish(request, caller);
        firewall::of(wish.with)?;
        let sent = check(request).map_err(Denied::from).and_then(|()| self.ask_firewall(&wish));
        // What is done is written down when it is.
        if sent.is_err() {
            self.sinks.audit(audit::Row::wished(Moment::now(), caller, &wish).with_result(&sent));
        }
        Some(sent.map_err(|denied| denied.told))
    }

    fn ask_firewall(&mut self, wish: &Wish) -> Result<(Which, u64), Denied> {
        self.judge_wish(wish)?;
        let Wish { net, with, seconds, .. } = *wish;
        if !self.actors.can(with) {
            return Err(format!(
                "{} is not run by this monitor: start it with --block-with {0}, or block with xdp, or with print to see \
                 the command",
                with.label()
            )
            .into());
        }
        let next = Next::Blocked(wish.row(Moment::now(), false), seconds);
        Ok(self.send_job(Which::Firewall, Job::Block { with, net, seconds }, next)?)
    }

    /// A firewall has done so, or not. `caller`: who asked; `None`: it is one of an earlier run, or was missing.
    pub(crate) fn blocked_elsewhere(
        &mut self,
        row: BlockRow,
        seconds: u64,
        caller: Option<&Caller>,
        done: &Done,
    ) -> Reply {
        let (net, with) = (row.net, row.with);
        let now = Moment::now();
        let result = outcome(done, |error| format!("{net} is not blocked: {}: {error}", with.label()));
        let line = match caller {
            Some(caller) => audit::Row::made(now, caller, &row, seconds),
            None => audit::Row::restored(now, &row, seconds),
        };
        self.sinks.audit(line.with_result(&result));
        result.map_err(|denied| denied.told)?;
        self.blocks.book.put_elsewhere(row, now, seconds * 1_000_000_000);
        // What must not be blocked may have changed since it was approved.
        self.blocks.is_judged = false;
        self.note_urgency();
        self.keep_blocks();
        let lasting = block::shown(Duration::from_secs(seconds));
        self.message = format!("{net} is blocked for {lasting} by {}", with.label());
        let row = self.blocks.book.get(&net).map(|entry| Book::row(&net, entry, now));
        Ok(Answer::field("block", serde_json::to_value(row).unwrap_or_default()))
    }

    /// Has a firewall end a block; `None`: it is none of a firewall's.
    pub(crate) fn unblock_elsewhere(
        &mut self,
        net: Net,
        refusal: Option<&Refusal>,
    ) -> Option<Result<(Which, u64), String>> {
        let with = self.blocks.book.get(&net)?.with;
        firewall::of(with)?;
        let next = Next::Unblocked(net, refusal.cloned());
        Some(self.send_job(Which::Firewall, Job::Unblock { with, net }, next))
    }

    /// The same, when its time is over, or a guard wants it; without anybody who waits.
    pub(super) fn end_elsewhere(&mut self, net: &Net, refusal: Option<&Refusal>) {
        if self.is_waiting(|next| matches!(next, Next::Unblocked(other, _) if other == net)) {
            return;
        }
        if let Some(Err(error)) = self.unblock_elsewhere(*net, refusal) {
            self.blocks.book.postpone(net, Moment::now(), AGAIN);
            self.blocks.is_judged = false;
            log::error!("ending the block of {net}: {error}; that is tried again in {AGAIN} s");
        }
    }

    /// A firewall has done so, or not. `caller`: who asked; `None`: its time was over, or a guard wanted it.
    pub(crate) fn unblocked_elsewhere(
        &mut self,
        net: Net,
        refusal: Option<&Refusal>,
        caller: Option<&Caller>,
        done: &Done,
    ) -> Reply {
        let now = Moment::now();
        let still = |error| format!("{net} is still blocked: {error}; ending it is tried again in {AGAIN} s");
        let result = outcome(done, still);
        if let Some(caller) = caller {
            self.sinks.audit(audit::Row::new(now, caller, Verb::Unblock, net).with_result(&result));
        }
        if let Err(Denied { told, .. }) = result {
            self.blocks.book.postpone(&net, now, AGAIN);
            self.blocks.is_judged = false;
            return Err(told);
        }
        let by = match (caller, refusal) {
            (Some(caller), _) => &*caller.name,
            (None, Some(_)) => A_GUARD,
            (None, None) => ITS_TIME,
        };
        let (entry, ended) = self.blocks.book.end_elsewhere(&net, by, refusal).unzip();
        self.audit_ended(ended);
        self.keep_blocks();
        self.note_urgency();
        self.message = format!("{net} is blocked no more");
        let row = entry.map(|entry| Book::row(&net, &entry, now));
        Ok(Answer::field("unblocked", serde_json::to_value(row).unwrap_or_default()))
    }

    /// Has firewalls told what they block, now and then.
    pub(super) fn look_elsewhere(&mut self) {
        if self.blocks.lifelines.is_none() || self.is_waiting(|next| matches!(next, Next::Listed(_))) {
            return;
        }
        let lists = |with: &With| firewall::of(*with).is_some_and(|firewall| firewall.list.is_some());
        let listing: Vec<_> = self.actors.firewalls.iter().copied().filter(lists).collect();
        let looks = &mut self.blocks.elsewhere;
        // What tells nothing has nothing to be taken over.
        looks.is_known |= listing.is_empty();
        if listing.is_empty() || !looks.is_due(Instant::now()) {
            return;
        }
        for with in listing {
            if let Err(error) = self.send_job(Which::Firewall, Job::List { with }, Next::Listed(with)) {
                log::warn!("looking what {} blocks: {error}", with.label());
            }
        }
    }

    /// Has firewalls block what waits for that, as far as they take it.
    pub(crate) fn make_elsewhere(&mut self) {
        while let Some((row, seconds)) = self.blocks.to_make.pop_front() {
            let job = Job::Block { with: row.with, net: row.net, seconds };
            if self.send_job(Which::Firewall, job, Next::Blocked(row.clone(), seconds)).is_err() {
                self.blocks.to_make.push_front((row, seconds));
                break;
            }
        }
    }

    pub(crate) fn listed_elsewhere(&mut self, with: With, done: &Done) -> Reply {
        let looks = &mut self.blocks.elsewhere;
        let elements: &[Element] = match (done.error(), &done.end) {
            (None, _) => &done.elements,
            // The table: nothing has ever been blocked, or somebody has deleted it.
            (Some(_), End::Exited(_)) if done.output.contains("No such file or directory") => &[],
            (Some(error), _) => return looks.failed(with, error),
        };
        let is_first = looks.succeeded();
        let now = Moment::now();
        let mut adopted = 0_u64;
        for Element { net, left, packets } in elements {
            match self.blocks.book.get(net) {
                Some(entry) if entry.with == with => self.blocks.book.note_packets(net, *packets),
                Some(_) => {}
                // What an earlier monitor has made, which its file may know more of.
                None if is_first => {
                    let known = self.blocks.waiting.iter().position(|row| row.net == *net && row.with == with);
                    let row = known.map(|at| self.blocks.waiting.remove(at));
                    let row = row.unwrap_or_else(|| BlockRow {
                        why: format!("found in the table of {}", with.label()),
                        by: "an earlier run".into(),
                        since_ns: now.unix_ns,
                        ..BlockRow::new(*net, with)
                    });
                    self.blocks.book.put_elsewhere(row, now, left * 1_000_000_000);
                    self.blocks.is_judged = false;
                    self.blocks.book.note_packets(net, *packets);
                    adopted += 1;
                }
                None => {}
            }
        }
        if adopted > 0 {
            self.message = format!("{adopted} blocks of an earlier run are in the table of {}", with.label());
        }
        let there: HashSet<_> = elements.iter().map(|element| element.net).collect();
        let missing = self.blocks.book.missing(with, now, SOON_OVER, |net| there.contains(net));
        if !missing.is_empty() {
            let many = missing.len();
            self.message = format!("somebody has emptied the table of {}: {many} blocks are made again", with.label());
            log::warn!("{}", self.message);
        }
        self.blocks.to_make.extend(missing);
        self.make_elsewhere();
        self.note_urgency();
        Ok(Answer::field("listed", elements.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_until_the_first_success_and_what_is_wrong_is_said_once() {
        let mut looks = Looks::default();
        let start = Instant::now();
        let is_due = |looks: &mut Looks, seconds| looks.is_due(start + Duration::from_secs(seconds));
        assert_eq!([0, 4, 5, 9, 10].map(|seconds| is_due(&mut looks, seconds)), [true, false, true, false, true]);
        assert!(looks.failed(With::Nft, "busy".into()).is_err_and(|told| told.contains("nft blocks: busy")));
        assert!(looks.failed(With::Nft, "busy".into()).is_ok());
        assert!(looks.failed(With::Nft, "late".into()).is_err());
        let row = looks.degraded().expect("a badge");
        assert!(row.badge == "nft unread" && row.what.contains("earlier run") && row.reason == "late", "{row:?}");
        assert!(!looks.is_known() && looks.succeeded(), "the first success, which takes over");
        assert!(looks.is_known() && looks.degraded().is_none() && !looks.succeeded());
        assert_eq!([15, 39, 40].map(|seconds| is_due(&mut looks, seconds)), [false, false, true]);
    }
}
