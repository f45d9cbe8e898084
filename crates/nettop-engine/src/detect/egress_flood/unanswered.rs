//! How much of what is sent nobody answers.

use std::net::IpAddr;

use nettop_common::{Address, TrafficClass};
use nettop_model::format;

use super::KIND;
use crate::detect::{
    DetectInput,
    floods::{MANY, MOST, percent},
};

/// What answers: nobody has to answer that.
pub const ANSWERS: [TrafficClass; 3] = [TrafficClass::SynAck, TrafficClass::Rst, TrafficClass::Icmp];
/// Segments that a connection has beside its data, and of which alone floods consist.
const BARE: [TrafficClass; 3] = [TrafficClass::Syn, TrafficClass::Ack, TrafficClass::Flags];
/// Who sends back less than this share of what it gets, ICMP aside, does not answer. On a fast path one acknowledgment is for a thousand
/// segments and more, and a receiver of a stream reports every few seconds.
const ANSWERED: f64 = 0.0001;
/// Nobody sends so many acknowledgments for each packet that comes.
const ACKNOWLEDGMENTS: f64 = 3.0;
/// New addresses per second, as a share of the threshold.
pub const NEW: f64 = 0.01;
/// What is not even this share of the threshold is not looked at: three times as much would be usual still.
const WORTH: f64 = 1.0 / 3.0;
/// What a second had of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unanswered {
    /// Packets per second.
    pub pps: f64,
    /// Bytes per second.
    pub bps: f64,
    /// Addresses that do not answer, of those that are told apart.
    pub remotes: u64,
    /// The one that gets most of it, if it gets more than half.
    pub most: Option<Address>,
    /// New addresses per second that do not answer.
    pub new: f64,
    /// What it rests on.
    pub evidence: Vec<String>,
    /// It is told by what it consists of, whether or not something comes back.
    pub of_segments: bool,
}

/// What goes to addresses that are told apart.
#[derive(Default)]
struct Sums {
    all: f64,
    /// Of it, what this host sends itself, to single addresses.
    own: f64,
    most_own: Option<(Address, f64)>,
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
            if own > 0.0 && sums.most_own.is_none_or(|(_, most)| own > most) {
                sums.most_own = Some((*address, own));
            }
            let talk = (scene.conversation)(address);
            if own == 0.0 || talk.received > 0.0 && talk.received >= talk.sent * ANSWERED {
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
        IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_multicast(),
    }
}

/// Packets per second that are sent, but for answers.
pub fn sent(scene: &DetectInput) -> f64 {
    scene.per_second(scene.sent.tally().packets) - of_classes(scene, &ANSWERS)
}

/// Packets per second of these classes.
pub fn of_classes(scene: &DetectInput, classes: &[TrafficClass]) -> f64 {
    scene.per_second(classes.iter().map(|class| scene.sent.of_class(*class)).sum())
}

/// What of a second nobody answers; nothing where too little is sent to ask.
pub fn measure(scene: &DetectInput) -> Unanswered {
    let threshold = scene.threshold_of(KIND) * WORTH;
    let (sent, new) = (sent(scene), scene.per_second(scene.sent.new_remotes().0));
    if threshold == 0.0 || sent < threshold && new < threshold * NEW {
        return Unanswered::default();
    }
    let sums = Sums::of(scene);
    let share = |part: f64| if sums.all > 0.0 { part / sums.all } else { 0.0 };
    // Of those that are not told apart as much is unanswered.
    let all = scene.per_second(scene.sent.tally().packets);
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
    let bare = of_classes(scene, &BARE) * share(sums.own);
    let came = scene.per_second(scene.packets) + filtered;
    let resets = scene.per_second(scene.targets.all()[TrafficClass::Rst as usize].packets);
    let of_segments = if syn >= sent * MOST {
        Some((syn, format!("{} of what is sent is SYNs", percent(syn / sent))))
    } else if bare >= sent * MOST && resets >= sent * MANY {
        Some((bare, format!("resets come back for {} of it", percent(resets / sent))))
    } else if bare >= sent * MOST && bare >= came * ACKNOWLEDGMENTS {
        let each = format::pps(bare / came.max(1.0));
        Some((bare, format!("{each} segments without data for each packet that comes")))
    } else {
        None
    };
    if let Some((pps, evidence)) = of_segments.filter(|(pps, _)| *pps > found.pps) {
        found = Unanswered { pps, evidence: vec![evidence], of_segments: true, ..found };
    }
    let (bytes, packets, most) = match found.of_segments {
        true => (scene.sent.tally().bytes as f64, scene.sent.tally().packets as f64, sums.most_own),
        false => (sums.silent_bytes, sums.silent, sums.most),
    };
    found.bps = found.pps * bytes / packets.max(1.0);
    let half = MOST * if found.of_segments { sums.own } else { sums.silent };
    found.most = most.filter(|(_, most)| *most > half).map(|(most, _)| most);
    found
}

/// Addresses per second that are new and do not answer, or get nothing but a SYN. `excused`: packets per second that explain one each.
fn silent_new(scene: &DetectInput, excused: f64) -> f64 {
    let (new, sampled) = scene.sent.new_remotes();
    let own = |address: &&Address| !is_group(address) && !scene.targets.has(address);
    let is_silent = |address: &&Address| (scene.conversation)(address).received == 0.0;
    let (own, silent) =
        (sampled.iter().filter(own).count() as f64, sampled.iter().filter(own).filter(is_silent).count() as f64);
    let of_all = |part: f64| scene.per_second(new) * part / sampled.len().max(1) as f64;
    let syn = of_classes(scene, &[TrafficClass::Syn]);
    let probed = if syn >= sent(scene) * MOST { of_all(own).min(syn) } else { 0.0 };
    let silent = if silent >= own * MOST { (of_all(silent) - excused).max(0.0) } else { 0.0 };
    probed.max(silent)
}
