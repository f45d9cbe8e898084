//! Detection: rules look at every second, and what they find becomes alerts.
//!
//! A rule is one file and one row in [`RULES`]. It keeps nothing: whether a finding is a new alert, one that goes on or one that is over
//! is decided in `attacks` for floods, and in `alerts` for the others. A rule that has to know more asks for a field of
//! [`DetectInput`], which [`SecondStats`] gathers while the aggregates are entered, so that no source is looked at twice.
//!
//! Floods are looked for by target: how much of each class of packets came to it is exact. What they consist of, and who sends it, is
//! estimated from sampled packets, which are looked at only where there is enough of something.

mod alerts;
mod arp_flood;
mod attacks;
mod connection_flood;
mod egress_flood;
mod evidence;
mod floods;
mod half_open;
mod heavy_traffic;
mod high_pps;
mod learning;
mod locate;
mod measure;
mod mix;
mod new_addresses;
pub mod own;
mod retransmission_storm;
mod rule;
mod samples;
mod scans;
mod second_stats;
mod senders;
mod sent;
pub mod sockets;
mod spoofed_flood;
pub mod takers;
mod targets;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod thresholds;
mod usual;
pub mod visits;
mod volumetric;
mod words;

use std::net::IpAddr;

use nettop_common::{Address, Event, Outcome, TrafficClass};
use nettop_model::{
    clock::Moment,
    snapshot::{Alert, Host, Mac, Origin, Severity, Subject, Target},
};

pub use self::{
    alerts::first_alert,
    own::OwnRule,
    rule::{Finds, Rule, table},
    second_stats::{Newcomers, SecondStats, Unadmitted},
    sent::{Conversation, Sent},
    thresholds::Thresholds,
    visits::Suspect,
};
use self::{
    alerts::{Alerts, Wording},
    attacks::Attacks,
    evidence::HostRates,
    learning::{FromStart, Learned},
    locate::Net,
    measure::Site,
    own::OwnRules,
    samples::Samples,
    scans::{Impostors, Scan, Scans},
    senders::Senders,
    sockets::SocketFacts,
    targets::Targets,
    usual::{Of, Usual},
};

/// An alert goes on down to this share of the threshold, so that a value close to it does not raise one after another.
const HOLDS: f64 = 0.8;
/// So long after the start everybody is still new, seconds.
const SETTLED: f64 = 10.0;
/// While everybody is new, many times as many packets have to come.
const UNSETTLED: f64 = 10.0;
/// A source that gets this share of what it sends converses.
const CONVERSES: f64 = 0.1;
/// For how many seconds connections that were made from here are spoken of, about.
const CONNECTIONS_SECONDS: f64 = 60.0;

/// What can be done about an alert of a rule of one's own.
const OWN_ADVICE: &str = "this rule is one of [[rules]] in the configuration: change it there, or leave it out";

/// What one second saw; longer than a second where ticks are.
pub struct DetectInput<'a> {
    /// How long it was.
    pub seconds: f64,
    /// For how many of these nothing was read, where that is no mere delay: then nobody knows when what was counted came.
    pub stall: Option<f64>,
    /// Whether it is the first since the start or a reset, in which everything is new.
    pub first: bool,
    /// Whether sources that come are new, and not just unknown.
    pub is_settled: bool,
    /// From where on rules find something.
    pub thresholds: &'a Thresholds,
    /// From where on something is worth an alert of the rule that looks.
    pub threshold: f64,
    /// Counted packets.
    pub packets: u64,
    /// Frames that are not IP.
    pub not_ip: u64,
    /// Packets that the filter leaves out: nobody knows who sent them.
    pub filtered: u64,
    /// What came to whom.
    pub targets: &'a Targets,
    /// Sampled packets.
    pub samples: &'a Samples,
    /// What single sources do.
    pub senders: &'a Senders,
    /// What is usual.
    pub usual: &'a Usual,
    /// What the host counts.
    pub host: Option<HostRates>,
    /// SYN-ACKs in the last minute, about.
    pub connections_made: f64,
    /// Where a source is, in words.
    pub place: &'a dyn Fn(&Address) -> Vec<String>,
    /// What was measured of floods.
    pub sites: &'a [Site],
    /// Where SYN floods are; `None`: at hosts all over.
    pub syn_floods: Vec<Option<Net>>,
    /// Sources seen for the first time.
    pub new_sources: &'a Newcomers<Address>,
    /// The same with those that could not be looked at, and their packets.
    pub strangers: Unadmitted,
    /// MAC addresses seen for the first time, as source or destination.
    pub new_macs: &'a Newcomers<Mac>,
    /// Sources whose packets per second are over the threshold of `high-pps`, or not far below, the busiest first.
    pub busy: Vec<(Address, f64)>,
    /// Who scans, those that tried most first.
    pub scans: Vec<Scan>,
    /// What this host sent.
    pub sent: &'a Sent,
    /// Whether that is counted.
    pub counts_egress: bool,
    /// What an address was sent, and sent itself, lately.
    pub conversation: &'a dyn Fn(&Address) -> Conversation,
    /// What the newest census says of sockets; `None`: there is none.
    pub sockets: Option<&'a SocketFacts>,
    /// Who does, by logs, what rules look for.
    pub suspects: &'a [Suspect],
}

impl DetectInput<'_> {
    /// So many in this second, per second.
    pub fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.seconds
    }

    /// Whether a SYN flood is at this address of this host; unspecified: at any.
    pub fn is_syn_flooded(&self, ip: IpAddr) -> bool {
        let is_at = |net: &Option<Net>| net.is_none_or(|net| ip.is_unspecified() || net.contains(&ip.into()));
        self.syn_floods.iter().any(is_at)
    }

    /// The threshold of a kind.
    pub fn threshold_of(&self, kind: &str) -> f64 {
        self.thresholds.of(kind) as f64
    }

    /// From where on something is not usual any more: this floor, or three times what is usual, where that is learned.
    pub fn limit(&self, kind: &str, of: Of, floor: f64) -> f64 {
        let Some(place) = rule::place(kind) else { return floor };
        let learned = self.usual.limit(&(of, place)).filter(|_| self.thresholds.learns(place));
        floor.max(learned.unwrap_or_default())
    }

    /// What is usual of it; `None`: nothing is.
    pub fn usual_of(&self, kind: &str, of: Of) -> Option<f64> {
        self.usual.of(&(of, rule::place(kind)?))
    }

    /// Packets of each source without a past, on average.
    pub fn packets_each(&self) -> f64 {
        self.strangers.packets as f64 / self.strangers.count.max(1) as f64
    }

    /// Whether most packets are of sources that nobody has seen before and that send nothing else, in whatever number.
    pub fn is_forged(&self) -> bool {
        // A client that opens a connection sends at least three packets.
        const EACH: f64 = 2.0;
        const SHARE: f64 = 0.5;
        !self.first && self.strangers.count as f64 >= self.packets as f64 * SHARE && self.packets_each() <= EACH
    }
}

/// What a rule with a look of its own found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finding {
    /// The address it is about; `None`: several.
    pub source: Option<Origin>,
    /// How much of it there was.
    pub value: f64,
    /// How many addresses it is about.
    pub count: u64,
    /// What it does to alerts.
    pub effect: Effect,
    /// Where it goes.
    pub target: Option<Target>,
    /// The row of a table that it is about, where that is no source; `None`: it is a source, or several.
    pub row: Option<Subject>,
    /// What else there is to tell.
    pub note: String,
    /// How bad it is; `None`: as its rule says.
    pub severity: Option<Severity>,
    /// What it rests on, beside what its rule does.
    pub evidence: Vec<String>,
    /// What is usual of it, where that is known.
    pub usual: Option<f64>,
}

/// What a finding does to alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// It has happened, and is over.
    #[default]
    Once,
    /// It begins or goes on.
    Raise,
    /// If it has begun it goes on, but it would not begin.
    Hold,
}

/// Every rule.
pub const RULES: &[Rule] = &{
    let mut rules = [volumetric::RULE; floods::FLOODS.len() + OTHERS.len()];
    let mut at = 0;
    while at < rules.len() {
        rules[at] = if at < floods::FLOODS.len() { floods::FLOODS[at] } else { OTHERS[at - floods::FLOODS.len()] };
        at += 1;
    }
    rules
};

/// Those that are not about a class of packets to a target.
const OTHERS: &[Rule] = &[
    volumetric::RULE,
    spoofed_flood::RULE,
    scans::PORT_SCAN,
    scans::HOST_SCAN,
    scans::PING_SWEEP,
    scans::SLOW_SCAN,
    arp_flood::RULE,
    egress_flood::RULE,
    half_open::RULE,
    connection_flood::RULE,
    retransmission_storm::RULE,
    heavy_traffic::RULE,
    high_pps::RULE,
    new_addresses::NEW_IP,
    new_addresses::NEW_MAC,
    visits::EXPLOIT_PATH,
    visits::PROBE_PATH,
    visits::HTTP_PROBING,
    visits::HTTP_BURST,
    visits::HTTP_CRAWL,
    visits::SCANNER_AGENT,
    visits::HTTP_LOGIN,
    visits::SSH_BRUTE_FORCE,
    visits::SSH_USERS,
    visits::LOGIN_AFTER_FAILURES,
    visits::SYN_NO_REQUEST,
    visits::MANY_CONNS,
    visits::RETURNS,
];

/// What the alerts of a flood are called that only its forged addresses tell of.
pub const SPOOFED_FLOOD: &str = spoofed_flood::RULE.kind;

/// The rules whose alerts last and are about one source each; `own` are those of one's own.
pub fn about_sources(own: &[OwnRule]) -> impl Iterator<Item = &str> {
    let own = own.iter().filter(|rule| rule.table == own::Table::Sources).map(|rule| &*rule.name);
    SCANS.iter().copied().chain([high_pps::KIND]).chain(visits::KINDS).chain(own)
}

/// Whether a rule goes by lines of logs, and not by packets.
pub fn is_of_lines(kind: &str) -> bool {
    visits::KINDS.contains(&kind)
}

/// Whether a rule is about logins that failed, and no other ones.
pub fn is_of_failed_logins(kind: &str) -> bool {
    [visits::SSH_BRUTE_FORCE.kind, visits::SSH_USERS.kind].contains(&kind)
}

/// Those that are about scans.
const SCANS: [&str; 4] = [scans::PORT_SCAN.kind, scans::HOST_SCAN.kind, scans::PING_SWEEP.kind, scans::SLOW_SCAN.kind];

/// The rules at work.
pub struct Detector {
    /// Told of every key that is entered, and of every sampled packet.
    pub stats: SecondStats,
    thresholds: Thresholds,
    first: bool,
    age: f64,
    connections_made: f64,
    usual: Usual,
    attacks: Attacks,
    scans: Scans,
    impostors: Impostors,
    from_start: FromStart,
    own: OwnRules,
    alerts: Alerts,
}

/// What a second is judged by beside what was noted of it.
pub struct Surroundings<'a> {
    /// Packets per second of a source in the second.
    pub pps: &'a dyn Fn(&Address) -> f64,
    /// Where a source is, in words.
    pub place: &'a dyn Fn(&Address) -> Vec<String>,
    /// What the host counts; `None`: it is not asked.
    pub host: Option<&'a Host>,
    /// What an address was sent, and sent itself, lately.
    pub conversation: &'a dyn Fn(&Address) -> Conversation,
    /// Whether what is sent is counted.
    pub counts_egress: bool,
    /// What the newest census says of sockets; `None`: there is none, or it is old.
    pub sockets: Option<&'a SocketFacts>,
    /// Who does, by logs, what rules look for.
    pub suspects: &'a [Suspect],
}

impl Detector {
    /// The same, whose first alert has this number.
    #[must_use]
    pub fn numbered_from(mut self, id: u64) -> Self {
        self.alerts.number_from(id);
        self
    }

    /// One that has seen nothing.
    pub fn new(thresholds: Thresholds) -> Self {
        let busy = high_pps::notable(thresholds.of(high_pps::KIND));
        Self {
            stats: SecondStats::new(busy),
            thresholds,
            first: true,
            age: 0.0,
            connections_made: 0.0,
            usual: Usual::default(),
            attacks: Attacks::default(),
            scans: Scans::default(),
            impostors: Impostors::default(),
            from_start: FromStart::default(),
            own: OwnRules::default(),
            alerts: Alerts::default(),
        }
    }

    /// The same, with these rules of one's own.
    #[must_use]
    pub fn with_rules(self, rules: Vec<OwnRule>) -> Self {
        self.with(OwnRules::new(rules))
    }

    fn with(mut self, own: OwnRules) -> Self {
        self.stats.noted = own.noted();
        self.own = own;
        self
    }

    /// Has the rules of one's own look at the second that ends at `at`, before [`Self::judge`] does. Returns what was raised. Floods
    /// do not mute them: whoever wrote a rule wants to know.
    pub fn judge_own(&mut self, at: Moment, seconds: f64, rows: &own::Rows) -> Vec<Alert> {
        let Self { stats, own, alerts, .. } = self;
        let found = own.find(seconds, stats.stall.is_some(), &stats.targets, &stats.noted, rows);
        let each = own.rules().iter().zip(found).flat_map(|(rule, found)| {
            let wording = Wording {
                kind: &rule.name,
                severity: rule.severity,
                evidence: &rule.text(),
                advice: OWN_ADVICE,
                stall: stats.stall,
                unit: "pps",
                tell: &|finding, peak| own::tell(rule, finding, peak),
            };
            alerts.enter_found(at, &wording, found)
        });
        each.collect()
    }

    /// Looks at the second that ends at `at`. Returns what was raised, and what is over.
    pub fn judge(&mut self, at: Moment, seconds: f64, around: &Surroundings) -> Vec<Alert> {
        let Self {
            stats,
            thresholds,
            first,
            age,
            connections_made,
            usual,
            attacks,
            scans,
            impostors,
            alerts,
            from_start,
            ..
        } = self;
        let made = stats.targets.all()[TrafficClass::SynAck as usize].packets as f64;
        *connections_made = *connections_made * (-seconds / CONNECTIONS_SECONDS).exp() + made;
        let mut scene = DetectInput {
            seconds,
            stall: stats.stall,
            first: *first,
            is_settled: *age >= SETTLED,
            thresholds,
            threshold: 0.0,
            packets: stats.totals.outcome(Outcome::Counted).packets,
            not_ip: stats.totals.outcome(Outcome::NotIp).packets,
            filtered: stats.totals.outcome(Outcome::Filtered).packets,
            targets: &stats.targets,
            samples: &stats.samples,
            senders: &stats.senders,
            usual,
            host: around.host.and_then(HostRates::of),
            connections_made: *connections_made,
            place: around.place,
            sites: &[],
            syn_floods: Vec::new(),
            busy: high_pps::busiest(&stats.busy, thresholds.of(high_pps::KIND), around.pps),
            scans: Vec::new(),
            new_sources: &stats.new_sources,
            strangers: stats.strangers,
            new_macs: &stats.new_macs,
            sent: &stats.sent,
            counts_egress: around.counts_egress,
            conversation: around.conversation,
            sockets: around.sockets,
            suspects: around.suspects,
        };
        let sites = measure::measure(&scene);
        let attacks::Changes { raised: mut changes, over } = attacks.enter(at, &scene, &sites, &mut alerts.next);
        changes.extend(over.iter().cloned());
        over.into_iter().for_each(|alert| alerts.keep(alert));
        scene.sites = &sites;
        scene.syn_floods = rule::place(floods::SYN_FLOOD).map_or(Vec::new(), |syn| attacks.places_of(syn).collect());
        if !changes.is_empty() {
            scans.forget(|net| attacks.is_near(net));
        }
        scene.scans = scans.find(thresholds.least(&SCANS) * HOLDS, at.monotonic_ns);
        impostors.remove(&mut scene.scans, &sites, &stats.targets);
        let is_heavy = |source: &Address| attacks::heavy(&sites).any(|(_, part, _)| part.mix.is_busy(source));
        let is_host = |source: &Address, pps: f64| stats.targets.of(source) as f64 / seconds >= pps * CONVERSES;
        let is_answered = |source: &Address| {
            let Conversation { sent, received } = (around.conversation)(source);
            around.counts_egress && sent >= received * CONVERSES
        };
        let is_none = |source: &Address, pps: f64| {
            attacks.is_sender(source) || is_heavy(source) || is_host(source, pps) || is_answered(source)
        };
        scene.busy.retain(|(source, pps)| !is_none(source, *pps));
        for (place, rule) in RULES.iter().enumerate() {
            let Finds::Each(each) = rule.finds else { continue };
            let threshold = thresholds.value(place);
            if threshold == 0 || each.yields && attacks.lasts() {
                continue;
            }
            scene.threshold = threshold as f64;
            changes.extend(alerts.enter(at, rule, each, &scene));
        }
        changes.extend(alerts.end(at));
        let Learned { rates, heavy } = from_start.learned(&scene, attacks, alerts, *age);
        heavy.iter().for_each(|key| usual.note_heavy(key));
        usual.learn(seconds, rates.into_iter());
        *first = *first && stats.new_sources.count == 0;
        if !*first {
            *age += seconds;
        }
        stats.senders.attacked(attacks.lasts());
        stats.next_second(*age >= SETTLED);
        changes
    }

    /// From where on rules find something.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// What is usual, to be kept until the next start.
    pub fn save(&self) -> Vec<u8> {
        self.usual.save()
    }

    /// Takes what is usual from an earlier start. Returns how many rows were left out.
    ///
    /// # Errors
    /// It is not what was saved.
    pub fn load(&mut self, saved: &[u8]) -> Result<usize, String> {
        self.usual.load(saved)
    }

    /// A packet was sampled. Returns whether it belongs to no attack.
    pub fn sample(&mut self, event: &Event) -> bool {
        self.stats.samples.add(event);
        let is_calm = !self.attacks.has(event);
        if is_calm {
            self.scans.add(event);
        }
        is_calm
    }

    /// Whether an attack lasts.
    pub fn is_attacked(&self) -> bool {
        self.attacks.lasts()
    }

    /// The newest alerts, newest first, as they are at `at`.
    pub fn alerts(&self, at: Moment) -> Vec<Alert> {
        self.alerts.newest(at, self.attacks.alerts(at).collect())
    }

    /// Forgets everything but what is usual. Returns what is over by that.
    pub fn reset(&mut self, at: Moment) -> Vec<Alert> {
        let mut over = self.attacks.clear(at);
        over.extend(self.alerts.clear(at));
        let (alerts, usual) = (std::mem::take(&mut self.alerts), std::mem::take(&mut self.usual));
        let mut own = std::mem::take(&mut self.own);
        own.reset();
        *self = Self { alerts, usual, ..Self::new(self.thresholds).with(own) };
        over
    }
}
