//! Hooks: commands that the operator has prepared. Somebody runs them, or an alert does.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nettop_actor::job::{Done, End, Job};
use nettop_model::{
    answer::{Answer, Reply},
    clock::Moment,
    request::hook::Target,
    snapshot::{Alert, HookRow, Origin},
};
use nettop_requests::Caller;
use serde_json::{Map, json};

use crate::{
    Engine,
    actors::{Next, Which},
    blocks::audit,
};

/// How many alerts may run hooks in a minute, all of them together.
const MOST_A_MINUTE: usize = 60;

/// When alerts have run hooks.
#[derive(Debug, Default)]
pub struct HookTimes {
    /// By the key of the hook: the last time.
    last: BTreeMap<char, Instant>,
    /// In the newest minute.
    lately: Vec<Instant>,
    /// How often none was run because of these limits.
    pub held_back: u64,
}

impl HookTimes {
    /// Whether an alert may run that hook now; notes that it does.
    fn may(&mut self, key: char, every: Duration, now: Instant) -> bool {
        self.lately.retain(|then| now.duration_since(*then) < Duration::from_secs(60));
        let rests = self.last.get(&key).is_some_and(|last| now.duration_since(*last) < every);
        if rests || self.lately.len() >= MOST_A_MINUTE {
            self.held_back += 1;
            return false;
        }
        self.last.insert(key, now);
        self.lately.push(now);
        true
    }
}

impl Engine {
    /// Runs the hook of that key for somebody, or a rule. What is not even begun is written down here, the rest when it is done.
    pub(crate) fn run_hook(&mut self, key: char, target: &Target, by: &Caller) -> Result<(Which, u64), String> {
        let hook = self.actors.rows.iter().find(|hook| hook.key == key).cloned();
        let sent = match &hook {
            Some(hook) => {
                let next = Next::Hooked(Box::new((hook.clone(), target.clone(), by.clone())));
                self.send_job(Which::Hooks, Job::Hook { key, target: target.clone() }, next)
            }
            None if self.actors.rows.is_empty() => {
                Err("there are no hooks; [[hooks]] in the configuration file makes some".into())
            }
            None => Err(format!("there is no hook {key}; nettopctl hooks lists them")),
        };
        if let Err(error) = &sent {
            let label = hook.map_or_else(|| key.to_string(), |hook| hook.label);
            let row = audit::Row::hooked(Moment::now(), by, label, target);
            self.sinks.audit(row.with_result(&Err::<(), _>(error.clone().into())));
        }
        sent
    }

    /// The end of the monitor is that of every hook that still runs or waits.
    pub(crate) fn audit_unfinished_hooks(&mut self) {
        let now = Moment::now();
        let ended = |(hook, target, by): &(HookRow, Target, Caller)| {
            audit::Row::hooked(now, by, hook.label.clone(), target)
                .with_result(&Err::<(), _>("the monitor has ended before it was done".into()))
        };
        let rows: Vec<_> = self.actors.unfinished_hooks().map(ended).collect();
        rows.into_iter().for_each(|row| self.sinks.audit(row));
    }

    /// Runs the hooks of alerts that were raised just now.
    pub(crate) fn run_hooks_of(&mut self, raised: &[Alert]) {
        for alert in raised {
            let hooks: Vec<_> = self.actors.hooks_of(alert).cloned().collect();
            for hook in hooks {
                let every = Duration::from_secs(hook.every);
                if !self.hook_times.may(hook.key, every, Instant::now()) {
                    continue;
                }
                if let Err(error) =
                    self.run_hook(hook.key, &target(alert), &Caller::named(format!("rule {}", alert.kind)))
                {
                    log::warn!("{}, of an alert {}: {error}", hook.label, alert.kind);
                }
            }
        }
    }

    pub(crate) fn hook_done(&mut self, hook: &HookRow, target: &Target, by: &Caller, done: &Done) -> Reply {
        let row = audit::Row::hooked(Moment::now(), by, hook.label.clone(), target).with_end(done);
        self.sinks.audit(row);
        self.message = match done.error() {
            None => format!("{}: done in {} ms", hook.label, done.took_ms),
            Some(error) => format!("{}: {error}", hook.label),
        };
        if let End::NotRun(why) = &done.end {
            return Err(format!("{}: {why}", hook.label));
        }
        let fields = json!({
            "hook": hook.label,
            "code": match done.end { End::Exited(code) => Some(code), _ => None },
            "error": done.error(),
            "output": done.output,
            "cut": done.cut,
            "took_ms": done.took_ms,
        });
        let serde_json::Value::Object(fields) = fields else { return Ok(Answer::Fields(Map::new())) };
        Ok(Answer::Fields(fields))
    }
}

/// What an alert is about.
fn target(alert: &Alert) -> Target {
    let (ip, mac) = match alert.source {
        Some(Origin::Ip(ip)) => (Some(ip), None),
        Some(Origin::Mac(mac)) => (None, Some(mac)),
        None => (None, None),
    };
    let attacked = alert.target.map(|target| target.ip);
    let port = alert.target.and_then(|target| target.port);
    Target { ip, target: attacked, mac, port, rule: Some(alert.kind.to_string()), text: Some(alert.message.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_run_a_hook_now_and_then() {
        let mut times = HookTimes::default();
        let (start, every) = (Instant::now(), Duration::from_secs(60));
        let at = |seconds| start + Duration::from_secs(seconds);
        for (seconds, key, runs) in
            [(0, 'x', true), (59, 'x', false), (59, 'y', true), (60, 'x', true), (61, 'x', false)]
        {
            assert_eq!(times.may(key, every, at(seconds)), runs, "{key} after {seconds} s");
        }
        assert_eq!(times.held_back, 2);
        let ran = (0..200).filter(|_| times.may('z', Duration::ZERO, at(200))).count();
        assert_eq!(ran, MOST_A_MINUTE);
        assert!(times.may('z', Duration::ZERO, at(261)));
    }
}
