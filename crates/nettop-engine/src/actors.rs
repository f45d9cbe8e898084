//! The processes beside the monitor that run firewall tools and hooks: what they were asked, and who waits for it.

use std::{collections::BTreeMap, sync::Arc};

use nettop_actor::{
    Link,
    job::{Done, Job},
};
use nettop_model::{
    answer::Reply,
    net::Net,
    request::{Request, hook::Target},
    snapshot::{Alert, BlockRow, Degraded, HookRow, With},
};
use nettop_requests::Caller;
use tokio::sync::oneshot;

use crate::{Engine, blocks::guards::Refusal};

/// The two actors, where there are any.
#[derive(Debug, Default)]
pub struct Actors {
    /// Runs firewall tools.
    pub firewall: Option<Link>,
    /// Those that it may run.
    pub firewalls: Vec<With>,
    /// Runs hooks.
    pub hooks: Option<Link>,
    /// The hooks.
    pub rows: Arc<[HookRow]>,
    waiting: BTreeMap<(Which, u64), Waiting>,
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Which {
    Firewall,
    Hooks,
}

/// What is done when a job is done.
#[derive(Debug)]
pub(crate) enum Next {
    /// The block is entered: it lasts so many seconds.
    Blocked(BlockRow, u64),
    /// It is gone.
    Unblocked(Net, Option<Refusal>),
    /// Its blocks are compared with ours.
    Listed(With),
    /// Somebody, or an alert, ran a hook on something.
    Hooked(Box<(HookRow, Target, Caller)>),
}

#[derive(Debug)]
struct Waiting {
    next: Next,
    /// Who is answered; `None`: nobody asked.
    asked: Option<(Caller, oneshot::Sender<Reply>)>,
}

impl Actors {
    /// With these links, firewalls and hooks.
    pub fn new(firewall: Option<Link>, firewalls: Vec<With>, hooks: Option<Link>, rows: Vec<HookRow>) -> Self {
        Self { firewall, firewalls, hooks, rows: rows.into(), waiting: BTreeMap::new() }
    }

    /// Whether a firewall can be used.
    pub fn can(&self, with: With) -> bool {
        self.firewall.is_some() && self.firewalls.contains(&with)
    }

    fn link(&mut self, which: Which) -> Option<&mut Link> {
        match which {
            Which::Firewall => self.firewall.as_mut(),
            Which::Hooks => self.hooks.as_mut(),
        }
    }

    /// The hooks that an alert runs when it is raised; none: it is over.
    pub(crate) fn hooks_of(&self, alert: &Alert) -> impl Iterator<Item = &HookRow> {
        let is_raised = alert.until_ns.is_none();
        self.rows.iter().filter(move |hook| is_raised && hook.on.as_deref() == Some(&*alert.kind))
    }

    /// Whether there is one.
    pub(crate) fn has_hook_of(&self, alert: &Alert) -> bool {
        self.hooks_of(alert).next().is_some()
    }

    /// What was asked of hooks, and is not done yet.
    pub(crate) fn unfinished_hooks(&self) -> impl Iterator<Item = &(HookRow, Target, Caller)> {
        self.waiting.values().filter_map(|waiting| match &waiting.next {
            Next::Hooked(hooked) => Some(&**hooked),
            _ => None,
        })
    }

    /// Those that are lost.
    pub fn degraded(&self) -> Vec<Degraded> {
        let lost = |link: &Option<Link>| link.as_ref().is_some_and(Link::is_lost);
        let all = [
            (&self.firewall, "firewalls are not told to block any more, nor to end that; XDP still drops"),
            (&self.hooks, "hooks do not run any more"),
        ];
        let row = |what: &str| Degraded {
            badge: "ACTOR LOST".into(),
            what: what.into(),
            reason: "the process beside the monitor that runs them has ended".into(),
            remedy: "start the monitor again".into(),
        };
        all.into_iter().filter(|(link, _)| lost(link)).map(|(_, what)| row(what)).collect()
    }
}

impl Engine {
    /// With these processes beside it.
    #[must_use]
    pub fn with_actors(self, actors: Actors) -> Self {
        Self { actors, ..self }
    }

    /// Answers a request, at once or, where an actor has to do something first, when that is done.
    pub(super) fn serve(&mut self, caller: &Caller, request: Request, reply: oneshot::Sender<Reply>) {
        let delegated = if caller.refused.is_some() { None } else { self.delegate(&request, caller) };
        match delegated {
            // Whoever asked may have gone meanwhile.
            None => drop(reply.send(self.handle_for(caller, request))),
            Some(Err(error)) => drop(reply.send(Err(error))),
            Some(Ok(key)) => {
                if let Some(waiting) = self.actors.waiting.get_mut(&key) {
                    waiting.asked = Some((caller.clone(), reply));
                }
            }
        }
    }

    /// Has an actor do what is asked; `None`: it is nothing for one.
    fn delegate(&mut self, request: &Request, caller: &Caller) -> Option<Result<(Which, u64), String>> {
        match request {
            Request::Block(request) => self.block_elsewhere(request, caller),
            Request::Unblock(request) => self.unblock_elsewhere(request.net, None),
            Request::Hook(request) => Some(self.run_hook(request.key, &request.target, caller)),
            _ => None,
        }
    }

    /// Hands over a job.
    pub(crate) fn send_job(&mut self, which: Which, job: Job, next: Next) -> Result<(Which, u64), String> {
        let link = self.actors.link(which).ok_or("there is no process that could do it")?;
        let id = link.send(job)?;
        self.actors.waiting.insert((which, id), Waiting { next, asked: None });
        Ok((which, id))
    }

    /// Whether something like that is waiting or being done.
    pub(crate) fn is_waiting(&self, is_meant: impl Fn(&Next) -> bool) -> bool {
        self.actors.waiting.values().any(|waiting| is_meant(&waiting.next))
    }

    /// Enters what actors have done. Returns whether that was anything.
    pub(super) fn hear_actors(&mut self) -> bool {
        let mut all = Vec::new();
        for which in [Which::Firewall, Which::Hooks] {
            all.extend(self.actors.link(which).into_iter().flat_map(|link| link.done()).map(|done| (which, done)));
        }
        let any = !all.is_empty();
        for (which, done) in all {
            let Some(Waiting { next, asked }) = self.actors.waiting.remove(&(which, done.id)) else { continue };
            let (caller, reply) = asked.unzip();
            let answer = self.finish_job(next, caller.as_ref(), &done);
            if let (Err(error), None) = (&answer, &reply) {
                log::warn!("{error}");
                self.message.clone_from(error);
            }
            reply.into_iter().for_each(|reply| drop(reply.send(answer.clone())));
        }
        self.make_elsewhere();
        any
    }

    fn finish_job(&mut self, next: Next, caller: Option<&Caller>, done: &Done) -> Reply {
        match next {
            Next::Blocked(row, seconds) => self.blocked_elsewhere(row, seconds, caller, done),
            Next::Unblocked(net, refusal) => self.unblocked_elsewhere(net, refusal.as_ref(), caller, done),
            Next::Listed(with) => self.listed_elsewhere(with, done),
            Next::Hooked(hooked) => {
                let (hook, target, by) = *hooked;
                self.hook_done(&hook, &target, &by, done)
            }
        }
    }
}
