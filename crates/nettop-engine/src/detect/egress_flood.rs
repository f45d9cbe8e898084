//! A host that attacks: what it sends, and nobody answers.
//!
//! Whatever is served is acknowledged, and whoever asks sends first. So what counts is what goes to addresses that send next to nothing
//! back. SYN-ACKs, resets and ICMP are answers, also those to forged addresses; what comes in for the address that it goes out to is
//! forwarded; nobody answers what goes to a group.

use nettop_common::{Address, TrafficClass};
use nettop_model::{
    format,
    snapshot::{Severity, Target},
};

use super::{
    DetectInput, Effect, Finding, HOLDS, UNSETTLED,
    evidence::LINK,
    floods::{MANY, MOST, percent},
    rule::{self, Each, Finds, Rule},
    sent::MOST as MOST_REMOTES,
    usual::{Of, Rate},
};

/// What its alerts are called.
pub const KIND: &str = "egress-flood";

pub const RULE: Rule = Rule {
    kind: KIND,
    title: "egress flood",
    about: "packets per second that this host sends and nobody answers; or a hundredth as many addresses per second that it sends to for the \
            first time, and that do not answer or get SYNs alone",
    threshold: Some(("unanswered packets per second sent", 10_000)),
    evidence: "what addresses that are sent to send back; not counted: SYN-ACKs, resets and ICMP, what is forwarded, groups",
    advice: "find the process that sends (view Processes; Connections, sorted by sent bytes) and stop it; until then drop what it sends: nftables, \
             hook output",
    finds: Finds::Each(Each { severity: None, yields: false, learned: Some(learned), find, tell }),
};

/// What answers: nobody has to answer that.
const ANSWERS: [TrafficClass; 3] = [TrafficClass::SynAck, TrafficClass::Rst, TrafficClass::Icmp];
/// Segments that a connection has beside its data, and of which alone floods consist.
const BARE: [TrafficClass; 3] = [TrafficClass::Syn, TrafficClass::Ack, TrafficClass::Flags];
/// Who sends back less than this share of what it gets does not answer: one acknowledgment is for hundreds of segments at most.
const ANSWERED: f64 = 0.002;
/// New addresses per second, as a share of the threshold.
const NEW: f64 = 0.01;
/// What is not even this share of the threshold is not looked at: three times as much would be usual still.
const WORTH: f64 = 1.0 / 3.0;
/// So many times its threshold it is critical.
const DOUBTLESS: f64 = 10.0;
/// It is of one class if that has as many packets as it, about; else of those with so much of what is sent.
const ABOUT: f64 = 0.3;
const PART: f64 = 0.2;

/// What a second had of it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Unanswered {
    pps: f64,
    bps: f64,
    /// Addresses that do not answer, of those that are told apart.
    remotes: u64,
    /// The one that gets most of it, if it gets more than half.
    most: Option<Address>,
    /// New addresses per second that do not answer.
    new: f64,
    /// What it rests on.
    evidence: Vec<String>,
}

/// What goes to addresses that are told apart.
#[derive(Default)]
struct Sums {
    all: f64,
    /// Of it, what this host sends itself, to single addresses.
    own: f64,
    /// Of that, what nobody answers.
    silent: f64,
    silent_bytes: f64,
    remotes: u64,
    most: Option<(Address, f64)>,
}

impl Sums {
    fn of(scene: &DetectInput) -> Self {
        let mut sums = Self::default();
        for (address, tally) in scene.sent.remotes() {
            let packets = tally.packets as f64;
            sums.all += packets;
            let own = if is_group(address) { 0 } else { tally.packets.saturating_sub(scene.targets.of(address)) };
            let own = own as f64;
            sums.own += own;
            let talk = (scene.conversation)(address);
            if own == 0.0 || talk.received as f64 >= talk.sent as f64 * ANSWERED && talk.received > 0 {
                continue;
            }
            sums.silent += own;
            sums.silent_bytes += tally.bytes as f64 * own / packets;
            sums.remotes += 1;
            if sums.most.is_none_or(|(_, most)| own > most) {
                sums.most = Some((*address, own));
            }
        }
        sums
    }
}

fn is_group(address: &Address) -> bool {
    match address.to_ip() {
        std::net::IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast(),
        std::net::IpAddr::V6(ip) => ip.is_multicast(),
    }
}

/// Packets per second that are sent, but for answers.
fn sent(scene: &DetectInput) -> f64 {
    scene.per_second(scene.sent.packets()) - of_classes(scene, &ANSWERS)
}

fn of_classes(scene: &DetectInput, classes: &[TrafficClass]) -> f64 {
    scene.per_second(classes.iter().map(|class| scene.sent.of_class(*class)).sum())
}

/// What of a second nobody answers; nothing where too little is sent to ask.
fn measure(scene: &DetectInput) -> Unanswered {
    let threshold = scene.threshold_of(KIND) * WORTH;
    let (sent, new) = (sent(scene), scene.per_second(scene.sent.new_remotes().0));
    if threshold == 0.0 || sent < threshold && new < threshold * NEW {
        return Unanswered::default();
    }
    let sums = Sums::of(scene);
    let share = |part: f64| if sums.all > 0.0 { part / sums.all } else { 0.0 };
    // Of those that are not told apart as much is unanswered.
    let all = scene.per_second(scene.sent.packets());
    let silent = share(sums.silent) * all;
    // Each of these may have been answered, though the address is not known by what it sent.
    let filtered = scene.per_second(scene.filtered);
    let excused = of_classes(scene, &ANSWERS) + scene.per_second(scene.strangers.packets) + filtered;
    let mut found = Unanswered {
        pps: (silent - excused).max(0.0).min(sent),
        remotes: sums.remotes,
        new: silent_new(scene, excused),
        ..Unanswered::default()
    };
    if found.pps > 0.0 {
        found.evidence.push(format!("{} of it goes to addresses that send nothing back", percent(found.pps / sent)));
    }
    let syn = of_classes(scene, &[TrafficClass::Syn]) * share(sums.own);
    let resets = scene.per_second(scene.targets.all()[TrafficClass::Rst as usize].packets);
    if syn >= sent * MOST && syn > found.pps {
        found.pps = syn;
        found.evidence = vec![format!("{} of it is SYNs", percent(syn / sent))];
    } else if resets >= sent * MANY && of_classes(scene, &BARE) >= sent * MOST && sent * share(sums.own) > found.pps {
        found.pps = sent * share(sums.own);
        found.evidence = vec![format!("resets come back for {} of it", percent(resets / sent))];
    }
    let (bytes, packets) = match sums.silent > 0.0 {
        true => (sums.silent_bytes, sums.silent),
        false => (scene.sent.bytes() as f64, scene.sent.packets().max(1) as f64),
    };
    found.bps = found.pps * bytes / packets;
    found.most = sums.most.filter(|(_, most)| *most > sums.silent * MOST).map(|(most, _)| most);
    found
}

/// Addresses per second that are new and do not answer, or get nothing but a SYN. `excused`: packets per second that explain one each.
fn silent_new(scene: &DetectInput, excused: f64) -> f64 {
    let (new, sampled) = scene.sent.new_remotes();
    let own = |address: &&Address| !is_group(address) && !scene.targets.has(address);
    let is_silent = |address: &&Address| (scene.conversation)(address).received == 0;
    let (own, silent) =
        (sampled.iter().filter(own).count() as f64, sampled.iter().filter(own).filter(is_silent).count() as f64);
    let of_all = |part: f64| scene.per_second(new) * part / sampled.len().max(1) as f64;
    let syn = of_classes(scene, &[TrafficClass::Syn]);
    let probed = if syn >= sent(scene) * MOST { of_all(own).min(syn) } else { 0.0 };
    let silent = if silent >= own * MOST { (of_all(silent) - excused).max(0.0) } else { 0.0 };
    probed.max(silent)
}

/// What of it is usual.
fn learned(scene: &DetectInput) -> Vec<Rate> {
    let (threshold, place) = (scene.threshold_of(KIND), rule::place(KIND).unwrap_or_default());
    let found = measure(scene);
    let rate = |of, value: f64, floor: f64| ((of, place), value, value >= floor);
    vec![rate(Of::All, found.pps, threshold), rate(Of::NewRemotes, found.new, threshold * NEW)]
}

fn find(scene: &DetectInput) -> Vec<Finding> {
    let found = measure(scene);
    let limit = scene.limit(KIND, Of::All, scene.threshold);
    // At the start every address is new.
    let unsettled = if scene.is_settled || scene.usual.has_past() { 1.0 } else { UNSETTLED };
    let limit_of_new = scene.limit(KIND, Of::NewRemotes, scene.threshold * NEW) * unsettled;
    let times = f64::max(found.pps / limit, found.new / limit_of_new);
    if times.is_nan() || times < HOLDS {
        return Vec::new();
    }
    let mut evidence = found.evidence.clone();
    if found.new >= limit_of_new * HOLDS {
        evidence.push(format!("{} new addresses/s that do not answer, or get SYNs alone", format::pps(found.new)));
    }
    let link = scene.host.map_or(0.0, |host| host.link_out);
    if link >= LINK {
        evidence.push(format!("what is sent takes {} of the link", percent(link)));
    }
    let is_critical = link >= LINK || times >= DOUBTLESS;
    let rate =
        format!("{} pps, {} of {}", format::pps(found.pps), format::bits_per_second(found.bps), classes(scene, &found));
    let note = match found.pps / limit >= HOLDS {
        true => format!("this host sends {rate} that nobody answers, {}", whom(scene, &found)),
        false => format!(
            "this host sends to {} new addresses/s that do not answer: {}",
            format::pps(found.new),
            classes(scene, &found)
        ),
    };
    vec![Finding {
        value: if found.pps / limit >= HOLDS { found.pps } else { sent(scene) },
        count: found.remotes.max(found.new as u64),
        effect: if times >= 1.0 { Effect::Raise } else { Effect::Hold },
        target: found.most.map(|most| Target::host(most.to_ip())),
        severity: Some(if is_critical { Severity::Critical } else { Severity::Warn }),
        usual: scene.usual_of(KIND, Of::All),
        evidence,
        note,
        ..Finding::default()
    }]
}

fn whom(scene: &DetectInput, found: &Unanswered) -> String {
    let told_apart = scene.sent.remotes().count() < MOST_REMOTES;
    match (found.most, found.remotes) {
        (Some(most), 1) => format!("to {}", most.to_ip()),
        (Some(most), _) => format!("mostly to {}", most.to_ip()),
        (None, 0) => "to addresses all over".into(),
        (None, remotes) if told_apart => format!("to {} addresses", format::count(remotes, 11)),
        (None, remotes) => format!("to more than {} addresses", format::count(remotes, 11)),
    }
}

/// What is sent, in words: one class, where that has as many packets as nobody answers; else those that may be it.
fn classes(scene: &DetectInput, found: &Unanswered) -> String {
    let classes = TrafficClass::ALL.iter().filter(|class| !ANSWERS.contains(class));
    let mut rates: Vec<_> = classes.map(|class| (name(*class), of_classes(scene, &[*class]))).collect();
    rates.sort_by(|a, b| b.1.total_cmp(&a.1));
    let apart = |pps: f64| (pps - found.pps).abs();
    let nearest = rates.iter().min_by(|a, b| apart(a.1).total_cmp(&apart(b.1)));
    if let Some((name, _)) = nearest.filter(|(_, pps)| found.pps > 0.0 && apart(*pps) <= found.pps * ABOUT) {
        return (*name).into();
    }
    let worth = rates.iter().filter(|(_, pps)| *pps > 0.0 && *pps >= sent(scene) * PART);
    worth.map(|(name, _)| *name).collect::<Vec<_>>().join(" or ")
}

const fn name(class: TrafficClass) -> &'static str {
    match class {
        TrafficClass::Syn => "TCP SYNs",
        TrafficClass::Ack => "TCP ACKs",
        TrafficClass::Data => "TCP data",
        TrafficClass::Flags => "TCP with odd flags",
        TrafficClass::Udp => "UDP",
        TrafficClass::Fragment => "fragments",
        TrafficClass::SynAck => "SYN-ACKs",
        TrafficClass::Rst => "resets",
        TrafficClass::Icmp => "ICMP",
        TrafficClass::Other => "other protocols",
    }
}

fn tell(finding: &Finding, peak: f64, _: &DetectInput) -> String {
    let most = format::pps(peak);
    match format::pps(finding.value) == most {
        true => format!("egress flood: {}", finding.note),
        false => format!("egress flood: {}, at most {most} pps", finding.note),
    }
}

#[cfg(test)]
mod tests {
    use nettop_common::TrafficClass::{Ack, Data, Icmp, Rst, Syn, SynAck, Udp};

    use crate::detect::{Thresholds, testing::*};

    /// What is sent, and what comes, in a second after a quiet while.
    fn play(sends: &[Sending], flows: &[Flow]) -> Play {
        let mut play = Play::new(Thresholds::never().with(super::KIND, 10_000));
        play.sends = sends.to_vec();
        play.second(flows);
        play
    }

    fn said(sends: &[Sending], flows: &[Flow]) -> Vec<String> {
        play(sends, flows).told()
    }

    /// What the remote address, or the first of several, sends to this host.
    fn from_remote(packets: u64) -> Flow {
        tcp(443, ACK, packets).from([198, 51, 100, 7])
    }

    #[test]
    fn what_is_one_and_what_is_not() {
        check([
            (
                "one target",
                said(&[sends(Udp, 40_000).length(1000)], &[]),
                &["egress flood: this host sends 40.0k pps, 320 Mbit/s of UDP that nobody answers, to 198.51.100.7…"][..],
            ),
            (
                "IPv6",
                said(&[sends(Udp, 40_000).length(1000).v6()], &[]),
                &[
                    "egress flood: this host sends 40.0k pps, 320 Mbit/s of UDP that nobody answers, to 2001:db8::c633:6407…",
                ],
            ),
            (
                "just above",
                said(&[sends(Udp, 10_010)], &[]),
                &["egress flood: this host sends 10.0k pps, 4.80 Mbit/s of UDP that nobody answers, to 198.51.100.7…"],
            ),
            ("just below", said(&[sends(Udp, 9990)], &[]), &[]),
            (
                "several targets, and one that gets most",
                said(&[sends(Udp, 40_000), sends(Udp, 30_000).to([100, 1, 0, 0], 9)], &[]),
                &[
                    "egress flood: this host sends 70.0k pps, 33.6 Mbit/s of UDP that nobody answers, mostly to 198.51.100.7…",
                ],
            ),
            (
                "targets that it sends to for long",
                {
                    let mut play = play(&[], &[]);
                    for lot in 0..5 {
                        play.sends = vec![sends(Udp, 80).to([100, 1, lot, 0], 80)];
                        play.second(&[]);
                    }
                    play.sends = (0..5).map(|lot| sends(Udp, 8000).to([100, 1, lot, 0], 80).length(1000)).collect();
                    play.second(&[]);
                    play.told()
                },
                &["egress flood: this host sends 40.0k pps, 320 Mbit/s of UDP that nobody answers, to 400 addresses…"],
            ),
            (
                "amid what is served",
                {
                    let mut play = play(&[sends(Data, 90_000)], &[from_remote(2000)]);
                    play.sends.push(sends(Udp, 40_000).to([100, 1, 0, 0], 1));
                    play.second(&[from_remote(2000)]);
                    play.told()
                },
                &["egress flood: this host sends 40.0k pps, 19.2 Mbit/s of UDP that nobody answers, to 100.1.0.0…"],
            ),
            (
                "SYNs that are answered",
                said(&[sends(Syn, 20_000)], &[tcp(40_000, SYN | ACK, 20_000).from([198, 51, 100, 7])]),
                &[
                    "egress flood: this host sends 20.0k pps, 9.60 Mbit/s of TCP SYNs that nobody answers, to addresses all over…",
                ],
            ),
            (
                "ACKs that resets answer",
                said(&[sends(Ack, 20_000)], &[tcp(40_000, RST, 19_000).from([198, 51, 100, 7])]),
                &[
                    "egress flood: this host sends 20.0k pps, 9.60 Mbit/s of TCP ACKs that nobody answers, to addresses all over…",
                ],
            ),
        ]);
    }

    #[test]
    fn what_is_answered_is_none() {
        let crowd = |each: u64| tcp(443, ACK, 5000 * each).sources(5000).from([100, 1, 0, 0]);
        check([
            ("a backup with large segments", said(&[sends(Data, 80_000).length(1500)], &[from_remote(900)]), &[][..]),
            ("a crowd at a web server", said(&[sends(Data, 90_000).to([100, 1, 0, 0], 5000)], &[crowd(4)]), &[]),
            ("the same of IPv6", said(&[sends(Data, 90_000).to([100, 1, 0, 0], 5000).v6()], &[crowd(4).v6()]), &[]),
            (
                "a resolver",
                said(
                    &[sends(Udp, 30_000).to([100, 1, 0, 0], 3000)],
                    &[udp(40_000, 53, 30_000).sources(3000).from([100, 1, 0, 0])],
                ),
                &[],
            ),
            (
                "calls",
                said(
                    &[sends(Udp, 15_000).to([100, 1, 0, 0], 300)],
                    &[udp(9, 9, 15_000).sources(300).from([100, 1, 0, 0])],
                ),
                &[],
            ),
            ("QUIC", said(&[sends(Udp, 90_000).length(1200)], &[udp(9, 443, 4000).from([198, 51, 100, 7])]), &[]),
            ("backscatter of forged SYNs", said(&[sends(SynAck, 60_000).to([100, 1, 0, 0], 20_000)], &[]), &[]),
            ("resets", said(&[sends(Rst, 60_000).to([100, 1, 0, 0], 20_000)], &[]), &[]),
            ("ICMP", said(&[sends(Icmp, 60_000).to([100, 1, 0, 0], 20_000)], &[]), &[]),
            ("a group", said(&[sends(Udp, 60_000).to([239, 1, 2, 3], 8)], &[]), &[]),
            ("what is forwarded", said(&[sends(Udp, 60_000)], &[udp(9, 9, 60_000).to([198, 51, 100, 7])]), &[]),
            (
                "answers to sources that were never seen",
                said(
                    &[sends(Udp, 30_000).to([100, 1, 0, 0], 15_000)],
                    &[udp(9, 53, 30_000).sources(30_000).from([100, 1, 0, 0]).untracked()],
                ),
                &[],
            ),
        ]);
    }

    #[test]
    fn many_new_addresses_that_do_not_answer_are_a_scan_or_a_worm() {
        let scan = |remotes: u32| sends(Syn, u64::from(remotes)).to([100, 1, 0, 0], remotes);
        let queries = sends(Udp, 900).to([100, 1, 0, 0], 300);
        check([
            (
                "SYNs",
                said(&[scan(400)], &[]),
                &["egress flood: this host sends to 400 new addresses/s that do not answer: TCP SYNs…"][..],
            ),
            (
                "just above",
                said(&[scan(101)], &[]),
                &["egress flood: this host sends to 101 new addresses/s that do not answer: TCP SYNs…"],
            ),
            ("just below", said(&[scan(99)], &[]), &[]),
            (
                "IPv6",
                said(&[scan(400).v6()], &[]),
                &["egress flood: this host sends to 400 new addresses/s that do not answer: TCP SYNs…"],
            ),
            (
                "SYNs that are answered by resets",
                said(&[scan(400)], &[tcp(40_000, RST, 400).sources(400).from([100, 1, 0, 0])]),
                &["egress flood: this host sends to 400 new addresses/s that do not answer: TCP SYNs…"],
            ),
            (
                "UDP",
                said(&[queries], &[]),
                &["egress flood: this host sends to 300 new addresses/s that do not answer: UDP…"],
            ),
            ("a resolver that asks", said(&[queries], &[udp(53, 9, 900).sources(300).from([100, 1, 0, 0])]), &[]),
            (
                "a crawler",
                said(&[scan(300), sends(Ack, 2000)], &[tcp(9, ACK, 4000).sources(300).from([100, 1, 0, 0])]),
                &[],
            ),
            ("backscatter", said(&[scan(90), sends(SynAck, 6000).to([100, 2, 0, 0], 6000)], &[]), &[]),
            (
                "those that it has sent to before",
                {
                    let mut play = play(&[scan(90)], &[]);
                    play.seconds(9, &[]);
                    play.told()
                },
                &[],
            ),
        ]);
    }

    #[test]
    fn it_lasts_ends_and_its_harm_is_told() {
        let mut play = play(&[sends(Udp, 40_000)], &[]);
        play.sends = vec![sends(Udp, 20_000)];
        play.second(&[]);
        let alert = &play.all()[0];
        assert_eq!(alert.severity.label(), "warn");
        assert_eq!(alert.target.map(|target| target.to_string()).as_deref(), Some("198.51.100.7"));
        assert_eq!(
            play.told(),
            [
                "egress flood: this host sends 20.0k pps, 9.60 Mbit/s of UDP that nobody answers, to 198.51.100.7, at most 40.0k pps…"
            ]
        );
        assert_eq!(alert.evidence[1..], ["100 % of it goes to addresses that send nothing back"]);
        // Just below the threshold it goes on.
        play.sends = vec![sends(Udp, 8100)];
        play.seconds(5, &[]);
        assert_eq!(play.all()[0].until_ns, None);
        play.sends = vec![sends(Udp, 120_000)];
        play.second(&[]);
        assert_eq!(play.all()[0].severity.label(), "critical", "ten times the threshold");
        play.sends.clear();
        play.seconds(3, &[]);
        assert!(play.all()[0].until_ns.is_some());
    }

    #[test]
    fn one_that_began_before_nettop_is_found_but_at_the_start_every_address_is_new() {
        for (name, sends, found) in [
            ("a flood", sends(Udp, 40_000), true),
            ("addresses", sends(Udp, 900).to([100, 1, 0, 0], 300), false),
            ("a scan, ten times the threshold", sends(Syn, 3000).to([100, 1, 0, 0], 3000), true),
        ] {
            let mut play = Play::at_start(Thresholds::default());
            play.sends = vec![sends];
            play.seconds(3, &[]);
            assert_eq!(!play.alerts(super::KIND).is_empty(), found, "{name}");
        }
    }

    #[test]
    fn three_times_what_is_usual_is_one_unless_thresholds_are_fixed() {
        let learning = Thresholds::never().with("high-pps", 0);
        let open = |thresholds: Thresholds, pps: u64, then: u64| {
            let mut play = Play::new(thresholds);
            play.sends = vec![sends(Udp, pps)];
            play.seconds(30, &[]);
            play.sends = vec![sends(Udp, then)];
            play.second(&[]);
            play.alerts(super::KIND).len()
        };
        // What a rule is told of by an option is fixed: the default is not.
        let default = Thresholds::default();
        for (name, thresholds, pps, then, found) in [
            ("three times as much", default, 9000, 31_000, 1),
            ("not three times as much", default, 9000, 25_000, 0),
            ("fixed ones only", default.learning(false), 9000, 25_000, 1),
            ("given", default.with(super::KIND, 20_000), 9000, 25_000, 1),
            ("never", learning, 9000, 90_000, 0),
        ] {
            assert_eq!(open(thresholds, pps, then), found, "{name}");
        }
    }
}
