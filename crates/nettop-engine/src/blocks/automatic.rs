//! Blocks that rules make (`--auto-block`), or would make: of single sources alone, with proof that these do not forge their address, and not
//! many at a time.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
};

use nettop_model::{
    clock::Moment,
    net::Net,
    request::block::DEFAULT_TTL,
    snapshot::{self, Alert, BlockRow, Degraded, Name, Origin, With},
};
use nettop_requests::Caller;

use super::{
    asked::{Wish, words},
    audit::{self, Denied, Refusals, Verb},
};
use crate::{
    Engine,
    detect::{self, OwnRule, Suspect},
};

/// Blocks a minute, at most. After that none are made any more: either a rule is wrong, or this is no way to fend off what comes.
const MOST: usize = 60;
const MINUTE_NS: u64 = 60_000_000_000;
/// In front of the name of the rule that blocks.
const RULE: &str = "rule ";
/// What would have been blocked, as far as it is listed.
const LISTED: usize = 64;

/// Whose alerts block, and how.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The rules, by name; none: nobody is blocked.
    pub rules: Vec<String>,
    /// Blocks are made; else it is only said which would be.
    pub enforced: bool,
}

/// Whether there are such rules, and their alerts name single sources.
///
/// # Errors
/// The first one that there is not, and which there are.
pub fn check(rules: &[String], own: &[OwnRule]) -> Result<(), String> {
    let names: Vec<_> = detect::about_sources(own).collect();
    match rules.iter().find(|rule| !names.contains(&rule.as_str())) {
        None => Ok(()),
        Some(wrong) if detect::RULES.iter().any(|rule| rule.kind == wrong) => Err(format!(
            "--auto-block {wrong}: its alerts name no single source that could be blocked; those of {} do",
            names.join(", ")
        )),
        Some(wrong) => Err(format!("--auto-block {wrong}: there is no such rule; choose from {}", names.join(", "))),
    }
}

/// Why somebody is to be blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Cause {
    /// An alert, by its number.
    Alert(u64),
    /// What logs tell of somebody, by the rule: many at once share an alert, which then names none of them.
    Lines(&'static str, IpAddr),
}

/// What was done about a cause, and written down.
#[derive(Debug, Default)]
struct Told {
    /// What was blocked because of it, or would have been: then nothing more is to be done.
    made: Option<Net>,
    /// Why it was not, each of these once: a connection to sshd may end, a proof may yet come.
    reasons: Vec<&'static str>,
}

/// Somebody of whom lines of logs tell what a rule looks for.
#[derive(Debug)]
struct Lines {
    text: String,
    /// Since the newest tick.
    is_new: bool,
}

/// Somebody whom a rule would have blocked.
struct Offender {
    cause: Cause,
    kind: Name,
    ip: IpAddr,
    /// What the rule found.
    text: String,
}

/// The state.
#[derive(Debug, Default)]
pub struct Automatic {
    wanted: Wanted,
    /// When blocks were made in the last minute, on the monotonic clock.
    made: VecDeque<u64>,
    is_stopped: bool,
    /// A flood from forged addresses is on.
    is_spoofed: bool,
    /// Somebody would be blocked, if a guard did not refuse.
    is_held: bool,
    told: HashMap<Cause, Told>,
    /// By rule and address.
    lines: HashMap<(&'static str, IpAddr), Lines>,
    /// Lines of the audit about what was refused.
    refusals: Refusals,
    /// What would have been blocked, the newest last.
    would: VecDeque<BlockRow>,
}

impl Automatic {
    /// With nothing blocked yet.
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Is told of whom lines of logs tell what rules look for, at the end of a second.
    pub fn note_suspects(&mut self, suspects: &[Suspect]) {
        let Self { wanted, lines, .. } = self;
        let mut next = HashMap::new();
        for Suspect { kind, ip, is_over, text, .. } in suspects {
            let before = lines.remove(&(*kind, *ip));
            if wanted.rules.iter().any(|rule| rule == kind) && (*is_over || before.is_some()) {
                let is_new = before.is_none_or(|before| before.is_new);
                next.insert((*kind, *ip), Lines { text: text.clone(), is_new });
            }
        }
        // What is over in the same second waits for the tick.
        next.extend(lines.drain().filter(|(_, lines)| lines.is_new));
        self.lines = next;
    }

    /// What was blocked because of something is blocked no more, by a guard: it may be again.
    pub fn note_guarded(&mut self, net: &Net) {
        self.told.values_mut().filter(|told| told.made.as_ref() == Some(net)).for_each(|told| told.made = None);
    }

    /// Whether it depends on guards who is blocked next.
    pub fn is_held(&self) -> bool {
        self.is_held
    }

    /// Whether this reason was not told yet.
    fn is_news(&mut self, cause: Cause, reason: &'static str) -> bool {
        let reasons = &mut self.told.entry(cause).or_default().reasons;
        let is_news = !reasons.contains(&reason);
        if is_news {
            reasons.push(reason);
        }
        is_news
    }

    /// Whether one more may be made. The one after the last stops all of it.
    fn may(&mut self, now: Moment) -> bool {
        while self.made.front().is_some_and(|made| made + MINUTE_NS <= now.monotonic_ns) {
            self.made.pop_front();
        }
        self.is_stopped |= self.made.len() >= MOST;
        !self.is_stopped
    }

    /// One was made, or would have been.
    fn note(&mut self, now: Moment) {
        self.made.push_back(now.monotonic_ns);
    }

    fn list(&mut self, row: BlockRow) {
        if self.would.len() == LISTED {
            self.would.pop_front();
        }
        self.would.push_back(row);
    }

    /// What a snapshot has of it; `None`: nobody asked for it.
    pub fn view(&self) -> Option<snapshot::Automatic> {
        let Wanted { rules, enforced } = &self.wanted;
        let idle = match () {
            () if self.is_stopped => Some(STOPPED.into()),
            () if self.is_spoofed => {
                Some("a flood with forged addresses is on: whoever seems to send may be its victim".into())
            }
            () => None,
        };
        (!rules.is_empty()).then(|| snapshot::Automatic {
            rules: rules.clone(),
            enforced: *enforced,
            idle,
            would: self.would.iter().rev().cloned().collect(),
        })
    }

    /// That it has stopped.
    pub fn degraded(&self) -> Option<Degraded> {
        self.is_stopped.then(|| Degraded {
            badge: "AUTO-BLOCK STOPPED".into(),
            what: "rules block nobody any more".into(),
            reason: STOPPED.into(),
            remedy: "look who these are (nettopctl blocks), and block prefixes by hand; start nettop anew for more"
                .into(),
        })
    }
}

const STOPPED: &str = "60 were blocked within a minute, as many as rules may";

impl Engine {
    /// At each tick: blocks whom these rules have found, or says that it would.
    pub(super) fn block_automatically(&mut self, now: Moment) {
        if self.blocks.automatic.wanted.rules.is_empty() {
            return;
        }
        let alerts = self.detector.alerts(self.reading.at);
        let Automatic { told, lines, is_held, is_spoofed, wanted, .. } = &mut self.blocks.automatic;
        told.retain(|cause, _| match cause {
            Cause::Alert(id) => alerts.iter().any(|alert| alert.id == *id),
            Cause::Lines(kind, ip) => lines.contains_key(&(*kind, *ip)),
        });
        *is_held = false;
        *is_spoofed = alerts
            .iter()
            .any(|alert| alert.until_ns.is_none() && (alert.forged || alert.kind == detect::SPOOFED_FLOOD));
        if *is_spoofed {
            // Nobody waits for the end of that: there may be ever more of them.
            lines.values_mut().for_each(|lines| lines.is_new = false);
            return;
        }
        let of_alert = |alert: &Alert| match alert.source {
            Some(Origin::Ip(ip)) if wanted.rules.iter().any(|rule| *rule == alert.kind) => Some(Offender {
                cause: Cause::Alert(alert.id),
                kind: alert.kind.clone(),
                ip,
                text: alert.message.clone(),
            }),
            _ => None,
        };
        let of_packets = |alert: &&Alert| alert.until_ns.is_none() && !detect::is_of_lines(&alert.kind);
        let mut offenders: Vec<_> = alerts.iter().filter(of_packets).filter_map(of_alert).collect();
        for ((kind, ip), Lines { text, is_new }) in lines {
            *is_new = false;
            let (cause, kind) = (Cause::Lines(kind, *ip), Name::Borrowed(*kind));
            offenders.push(Offender { cause, kind, ip: *ip, text: text.clone() });
        }
        offenders.iter().for_each(|offender| self.act_upon(offender, now));
    }

    /// Whether a block is one of a rule about failed logins, of an address that has not got in, as far as logs tell.
    pub(super) fn tries_passwords(&self, net: &Net, by: &str) -> bool {
        let is_of_logins = by.strip_prefix(RULE).is_some_and(detect::is_of_failed_logins);
        is_of_logins && net.is_address() && self.logs.has_only_failed(&net.first())
    }

    fn act_upon(&mut self, Offender { cause, kind, ip, text }: &Offender, now: Moment) {
        let (net, caller) = (Net::from(*ip), Caller::named(format!("{RULE}{kind}")));
        let is_made = self.blocks.automatic.told.get(cause).is_some_and(|told| told.made.is_some());
        if is_made || self.blocks.automatic.is_stopped || self.blocks.book.overlaps(&net) {
            return;
        }
        let proof = match self.proof(kind, *ip) {
            Ok(proof) => proof,
            Err(denied) => {
                if self.blocks.automatic.is_news(*cause, denied.guard.unwrap_or("handshake")) {
                    let row = audit::Row { why: words(text), ..audit::Row::new(now, &caller, Verb::Block, net) };
                    self.audit_refused(row.with_result(&Err::<(), _>(denied)), now);
                }
                return;
            }
        };
        let enforced = self.blocks.automatic.wanted.enforced;
        let why = words(&format!("{text}; {proof}"));
        let (with, by) = (With::Xdp, caller.name.clone());
        let wish = Wish { net, with, seconds: DEFAULT_TTL, why, by, from: None, confirmed: false };
        let made = match self.blocks.automatic.may(now) {
            false => Err(STOPPED.into()),
            true if enforced => self.make_block(&wish).map(drop),
            true => self.judge_wish(&wish),
        };
        let what = if enforced { "is blocked for 10 minutes" } else { "would be blocked (dry run of --auto-block)" };
        let message = match &made {
            Ok(()) => format!("{net} {what}: {text}"),
            Err(Denied { told, .. }) => format!("{}: {told}", caller.name),
        };
        let row = audit::Row::wished(now, &caller, &wish).with_result(&made);
        match made {
            Ok(()) => {
                let automatic = &mut self.blocks.automatic;
                automatic.told.entry(*cause).or_default().made = Some(net);
                automatic.note(now);
                if enforced {
                    self.sinks.audit(row);
                } else {
                    automatic.list(wish.row(now, true));
                    self.sinks.audit(audit::Row { result: audit::Outcome::Would, ..row });
                }
            }
            Err(denied) => {
                self.blocks.automatic.is_held |= denied.guard.is_some();
                if !self.blocks.automatic.is_news(*cause, denied.guard.unwrap_or("other")) {
                    return;
                }
                self.audit_refused(row, now);
            }
        }
        self.message = message;
    }

    fn audit_refused(&mut self, row: audit::Row, now: Moment) {
        if let Some(left_out) = self.blocks.automatic.refusals.next(now) {
            self.sinks.audit(audit::Row { left_out, ..row });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rules_about_single_sources_block() {
        for (rule, told) in [
            ("port-scan", None),
            ("high-pps", None),
            ("ssh-brute-force", None),
            ("exploit-path", None),
            ("login-after-failures", None),
            ("mine", None),
            ("syn-flood", Some("name no single source")),
            ("new-mac", Some("name no single source")),
            ("theirs", Some("no such rule")),
            ("mine-too", Some("no such rule")),
        ] {
            let own = |name: &str, when: &str| {
                OwnRule::new(name, when, 1, snapshot::Severity::Warn).unwrap_or_else(|_| panic!("{when} is a filter"))
            };
            let own = [own("mine", "pps>10"), own("mine-too", "dst:192.0.2.1 pps>10")];
            let found = check(&[rule.to_string()], &own);
            match told {
                None => assert_eq!(found, Ok(()), "{rule}"),
                Some(part) => assert!(found.clone().is_err_and(|told| told.contains(part)), "{rule}: {found:?}"),
            }
        }
    }

    #[test]
    fn so_many_a_minute_and_then_none_any_more() {
        let at = |seconds: u64| Moment { monotonic_ns: seconds * 1_000_000_000, unix_ns: 0 };
        // One each second are sixty a minute.
        let mut automatic = Automatic::default();
        for second in 0..600 {
            assert!(automatic.may(at(second)), "{second}");
            automatic.note(at(second));
        }
        let mut automatic = Automatic::default();
        for at_ms in 0..60 {
            let now = Moment { monotonic_ns: at_ms * 1_000_000, unix_ns: 0 };
            assert!(automatic.may(now));
            automatic.note(now);
        }
        assert!(automatic.degraded().is_none());
        assert!(!automatic.may(at(30)));
        assert!(!automatic.may(at(3_600)), "it stays stopped");
        assert_eq!(automatic.degraded().map(|row| row.badge).as_deref(), Some("AUTO-BLOCK STOPPED"));
    }

    #[test]
    fn who_is_found_by_lines_waits_for_the_tick_and_stays_as_long_as_that_lasts() {
        let suspect = |kind: &'static str, last: u8, is_over| Suspect {
            kind,
            ip: [203, 0, 113, last].into(),
            value: 6.0,
            is_over,
            text: "6 failed logins at once".into(),
        };
        let wanted = Wanted { rules: vec!["ssh-brute-force".into()], enforced: true };
        let mut automatic = Automatic::new(wanted);
        let noted = |automatic: &Automatic| {
            let mut all: Vec<_> = automatic.lines.keys().map(|(_, ip)| ip.to_string()).collect();
            all.sort_unstable();
            all.join(" ")
        };
        let brute = |last, is_over| suspect("ssh-brute-force", last, is_over);
        // Another rule, and one that was never over its threshold.
        automatic.note_suspects(&[brute(1, true), suspect("http-burst", 2, true), brute(3, false)]);
        assert_eq!(noted(&automatic), "203.0.113.1");
        // No tick came yet.
        automatic.note_suspects(&[]);
        assert_eq!(noted(&automatic), "203.0.113.1");
        automatic.lines.values_mut().for_each(|lines| lines.is_new = false);
        automatic.note_suspects(&[brute(1, false), brute(4, true)]);
        assert_eq!(noted(&automatic), "203.0.113.1 203.0.113.4");
        automatic.lines.values_mut().for_each(|lines| lines.is_new = false);
        automatic.note_suspects(&[brute(4, false)]);
        assert_eq!(noted(&automatic), "203.0.113.4");
    }

    #[test]
    fn what_a_guard_ended_may_be_blocked_again_and_each_reason_is_told_once() {
        let mut automatic = Automatic::default();
        let (cause, net) = (Cause::Alert(7), "203.0.113.7".parse().unwrap());
        automatic.told.entry(cause).or_default().made = Some(net);
        automatic.note_guarded(&"203.0.113.8".parse().unwrap());
        assert_eq!(automatic.told[&cause].made, Some(net));
        automatic.note_guarded(&net);
        assert_eq!(automatic.told[&cause].made, None);
        let told = ["ssh", "ssh", "seen", "ssh"].map(|reason| automatic.is_news(cause, reason));
        assert_eq!(told, [true, false, true, false]);
    }
}
