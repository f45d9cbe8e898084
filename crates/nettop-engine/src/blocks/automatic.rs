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
    snapshot::{self, Alert, BlockRow, Degraded, Origin, With},
};
use nettop_requests::Caller;

use super::{
    asked::{Wish, words},
    audit::{self, Denied, Verb},
};
use crate::{
    Engine,
    detect::{self, OwnRule},
};

/// Blocks a minute, at most. After that none are made any more: either a rule is wrong, or this is no way to fend off what comes.
const MOST: usize = 60;
const MINUTE_NS: u64 = 60_000_000_000;
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

/// What was done about an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// It was written down that nothing proves where its packets come from. Something may yet.
    Unproven,
    /// Nothing more is to be done.
    Done,
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
    /// By the number of the alert.
    told: HashMap<u64, Told>,
    /// What would have been blocked, the newest last.
    would: VecDeque<BlockRow>,
}

impl Automatic {
    /// With nothing blocked yet.
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, ..Self::default() }
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
    /// At each tick: blocks whom the alerts of these rules are about, or says that it would.
    pub(super) fn block_automatically(&mut self, now: Moment) {
        if self.blocks.automatic.wanted.rules.is_empty() {
            return;
        }
        let alerts = self.detector.alerts(self.reading.at);
        let automatic = &mut self.blocks.automatic;
        automatic.told.retain(|id, _| alerts.iter().any(|alert| alert.id == *id));
        automatic.is_spoofed = alerts
            .iter()
            .any(|alert| alert.until_ns.is_none() && (alert.forged || alert.kind == detect::SPOOFED_FLOOD));
        if automatic.is_spoofed {
            return;
        }
        for alert in alerts.iter().filter(|alert| alert.until_ns.is_none()) {
            if let Some(Origin::Ip(ip)) = alert.source
                && self.blocks.automatic.wanted.rules.iter().any(|rule| *rule == alert.kind)
            {
                self.act_upon(alert, ip, now);
            }
        }
    }

    fn act_upon(&mut self, alert: &Alert, ip: IpAddr, now: Moment) {
        let net = Net::from(ip);
        let told = self.blocks.automatic.told.get(&alert.id).copied();
        if told == Some(Told::Done) || self.blocks.automatic.is_stopped || self.blocks.book.overlaps(&net) {
            return;
        }
        let caller = Caller { name: format!("rule {}", alert.kind), pid: None, refused: None };
        let proof = self.proof(ip);
        let Some(proof) = proof else {
            if told.is_none() {
                let denied = Denied::from("no handshake with it is known, so its address may be forged");
                let row = audit::Row { why: words(&alert.message), ..audit::Row::new(now, &caller, Verb::Block, net) };
                self.sinks.audit(row.with_result(&Err::<(), _>(denied)));
                self.blocks.automatic.told.insert(alert.id, Told::Unproven);
            }
            return;
        };
        self.blocks.automatic.told.insert(alert.id, Told::Done);
        let enforced = self.blocks.automatic.wanted.enforced;
        let why = words(&format!("{}; {proof}", alert.message));
        let wish = Wish { net, with: With::Xdp, seconds: DEFAULT_TTL, why, by: caller.name.clone(), confirmed: false };
        let may = self.blocks.automatic.may(now);
        let made = match may {
            false => Err(STOPPED.into()),
            true if enforced => self.make_block(&wish).map(drop),
            true => self.judge_wish(&wish),
        };
        let what = if enforced { "is blocked for 10 minutes" } else { "would be blocked (dry run of --auto-block)" };
        self.message = match &made {
            Ok(()) => format!("{net} {what}: {}", alert.message),
            Err(Denied { told, .. }) => format!("{}: {told}", caller.name),
        };
        if made.is_ok() {
            self.blocks.automatic.note(now);
            if !enforced {
                self.blocks.automatic.list(wish.row(now, true));
            }
        }
        let row = audit::Row::wished(now, &caller, &wish);
        let row = row.with_result(&made);
        self.sinks.audit(if made.is_ok() && !enforced {
            audit::Row { result: audit::Outcome::Would, ..row }
        } else {
            row
        });
    }

    /// What shows that packets from there are no forgeries; `None`: nothing does. Whatever else shows it is one more line.
    fn proof(&self, ip: IpAddr) -> Option<String> {
        self.sockets.handshake(ip)
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
}
