//! The last ten minutes of what stands at the head of the lists, and of what somebody looks at: a bounded number of keys, each
//! of about a kilobyte; of one destination that somebody looks at, by class, too.

use std::{collections::VecDeque, net::IpAddr};

use foldhash::{HashMap, HashMapExt as _};
use nettop_common::{PacketsBytes, TrafficClass, counters::ByClass};

use nettop_model::snapshot::{History, RatePoint, Snapshot, Subject};

/// Keys followed at a time; who was wanted longest ago makes room.
const MOST: usize = 512;
/// Of the sources, so many from the head of the list.
const SOURCES: usize = 128;
/// Of each other list.
const OTHERS: usize = 64;
/// Of each length of prefixes.
const PREFIXES: usize = 20;
/// What is kept of each: a minute, and ten.
const KEPT: usize = 60;
/// The steps of the ten minutes, seconds, less the jitter of a timer.
const STEP: f64 = 9.5;
/// So many seconds fill both; of a longer time without a reading no more is kept.
const MOST_SECONDS: f64 = 600.0;
/// Who was not asked for during so many seconds is not looked at any more: another destination may be followed by class.
const LOOKED_AT: u64 = 3;

/// They.
#[derive(Debug)]
pub struct Histories {
    /// Everything counted.
    pub all: Track,
    /// Everything sent.
    pub sent: Track,
    tracks: HashMap<Subject, Both>,
    by_class: Option<Classes>,
    /// Seconds so far.
    now: u64,
}

/// What was counted of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Received, or all of it where nothing is sent.
    pub received: PacketsBytes,
    /// Sent, where that is counted.
    pub sent: Option<PacketsBytes>,
}

impl From<PacketsBytes> for Total {
    fn from(received: PacketsBytes) -> Self {
        Self { received, sent: None }
    }
}

/// One key's, both ways.
#[derive(Debug, Default)]
struct Both {
    received: Track,
    sent: Option<Track>,
    /// The second in which it was wanted last.
    wanted: u64,
}

impl Both {
    fn new(Total { received, sent }: Total, wanted: u64) -> Self {
        let track = |seen| Track { seen, ..Track::default() };
        Self { received: track(received), sent: sent.map(track), wanted }
    }

    fn close(&mut self, seconds: f64, Total { received, sent }: Total) {
        self.received.close(seconds, received);
        if let Some(track) = &mut self.sent {
            track.close(seconds, sent.unwrap_or_default());
        }
    }
}

/// One way.
#[derive(Debug, Default)]
pub struct Track {
    /// What was counted when the newest second closed.
    seen: PacketsBytes,
    seconds: VecDeque<RatePoint>,
    tens: VecDeque<RatePoint>,
    /// Packets and bytes that came in the step that is not over, and its length in seconds.
    step: (f64, f64),
    step_seconds: f64,
}

/// The classes of one destination. Not of several: whoever looks sees one, and each is ten tracks.
#[derive(Debug)]
struct Classes {
    destination: IpAddr,
    tracks: ByClass<Track>,
    /// The second in which it was wanted last.
    wanted: u64,
}

impl Histories {
    /// None yet.
    pub fn new() -> Self {
        Self { all: Track::default(), sent: Track::default(), tracks: HashMap::new(), by_class: None, now: 0 }
    }

    /// A second, or a longer tick, is over: `all` was counted and `sent` since the start, `total` tells it of one key, and `classes` of a
    /// destination; `None`: it has no account.
    pub fn close(
        &mut self,
        seconds: f64,
        [all, sent]: [PacketsBytes; 2],
        total: impl Fn(&Subject) -> Option<Total>,
        classes: impl FnOnce(IpAddr) -> Option<ByClass>,
    ) {
        self.now += 1;
        self.all.close(seconds, all);
        self.sent.close(seconds, sent);
        for (subject, track) in &mut self.tracks {
            // Nothing came of a key that was forgotten; counted anew it begins at nothing.
            track.close(seconds, total(subject).unwrap_or_default());
        }
        self.by_class.take_if(|one| self.now > one.wanted + LOOKED_AT);
        if let Some(Classes { destination, tracks, .. }) = &mut self.by_class {
            let totals = classes(*destination).unwrap_or_default();
            tracks.iter_mut().zip(totals).for_each(|(track, total)| track.close(seconds, total));
        }
    }

    /// Follows a destination by class, of which `totals` were counted until now, unless somebody looks at another one.
    pub fn want_classes(&mut self, destination: IpAddr, totals: ByClass) {
        let one = self.by_class.get_or_insert_with(|| {
            let tracks = totals.map(|seen| Track { seen, ..Track::default() });
            Classes { destination, tracks, wanted: self.now }
        });
        if one.destination == destination {
            one.wanted = self.now;
        }
    }

    /// Follows what stands at the head of the lists.
    pub fn follow(&mut self, snapshot: &Snapshot) {
        let tally = |packets, bytes| Total::from(PacketsBytes { packets, bytes });
        for row in snapshot.sources.rows.iter().take(SOURCES) {
            let sent = row.sent.map(|sent| PacketsBytes { packets: sent.packets, bytes: sent.bytes });
            self.want(Subject::Source(row.ip), Total { sent, ..tally(row.packets, row.bytes) });
        }
        for row in snapshot.destinations.rows.iter().take(OTHERS) {
            self.want(Subject::Destination(row.ip), tally(row.packets, row.bytes));
        }
        for row in snapshot.ports.rows.iter().take(OTHERS) {
            self.want(Subject::Port(row.port), tally(row.packets, 0));
        }
        for row in snapshot.prefixes.lengths.iter().flat_map(|(_, rows)| rows.iter().take(PREFIXES)) {
            self.want(Subject::Prefix(row.prefix), tally(row.sums.packets, row.sums.bytes));
        }
    }

    /// Follows a key, of which `total` was counted until now.
    pub fn want(&mut self, subject: Subject, total: Total) {
        if let Some(track) = self.tracks.get_mut(&subject) {
            track.wanted = self.now;
            return;
        }
        if self.tracks.len() >= MOST {
            let Some(oldest) = self.tracks.iter().min_by_key(|(_, track)| track.wanted) else { return };
            let oldest = *oldest.0;
            self.tracks.remove(&oldest);
        }
        self.tracks.insert(subject, Both::new(total, self.now));
    }

    /// The history of a key; `None`: it is not followed.
    pub fn get(&self, subject: &Subject) -> Option<History> {
        let Both { received, sent, .. } = self.tracks.get(subject)?;
        let sent = sent.as_ref().map(Track::history).unwrap_or_default();
        let (sent_seconds, sent_tens) = (sent.seconds, sent.tens);
        Some(History { sent_seconds, sent_tens, classes: self.classes(subject), ..received.history() })
    }

    /// Of a destination that is followed by class, the classes that came.
    fn classes(&self, subject: &Subject) -> Vec<(TrafficClass, Vec<RatePoint>)> {
        let one = self.by_class.as_ref().filter(|one| *subject == Subject::Destination(one.destination));
        let classes = one.into_iter().flat_map(|one| TrafficClass::ALL.iter().copied().zip(&one.tracks));
        let came = classes.filter(|(_, track)| track.seen.packets > 0);
        came.map(|(class, track)| (class, track.seconds.iter().copied().collect())).collect()
    }

    /// Packets per second of a key in the newest second; `None`: it is not followed.
    pub fn pps(&self, subject: &Subject) -> Option<f64> {
        self.tracks.get(subject)?.received.seconds.back().map(|pace| f64::from(pace.pps))
    }
}

impl Track {
    /// Where no reading came for longer than a second, what came meanwhile is spread evenly over as many values as seconds have
    /// passed, so that those before stay where they belong.
    fn close(&mut self, seconds: f64, total: PacketsBytes) {
        let PacketsBytes { packets, bytes } = total.since(self.seen);
        self.seen = total;
        let values = seconds.round().clamp(1.0, MOST_SECONDS);
        let (packets, bytes, length) = (packets as f64 / values, bytes as f64 / values, seconds / values);
        for _ in 0..values as usize {
            push(&mut self.seconds, pace((packets, bytes), length));
            self.step.0 += packets;
            self.step.1 += bytes;
            self.step_seconds += length;
            if self.step_seconds >= STEP {
                push(&mut self.tens, pace(self.step, self.step_seconds));
                (self.step, self.step_seconds) = ((0.0, 0.0), 0.0);
            }
        }
    }

    /// As it is shown.
    pub fn history(&self) -> History {
        let mut tens: Vec<_> = self.tens.iter().copied().collect();
        if self.step_seconds > 0.0 {
            tens.push(pace(self.step, self.step_seconds));
        }
        History { seconds: self.seconds.iter().copied().collect(), tens, ..History::default() }
    }
}

fn pace((packets, bytes): (f64, f64), seconds: f64) -> RatePoint {
    // Never over nothing: a bucket has at least the length of a reading.
    let per_second = |count: f64| (count / seconds.max(1e-3)) as f32;
    RatePoint { pps: per_second(packets), bps: per_second(bytes) }
}

fn push(paces: &mut VecDeque<RatePoint>, pace: RatePoint) {
    if paces.len() >= KEPT {
        paces.pop_front();
    }
    paces.push_back(pace);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(packets: u64) -> PacketsBytes {
        PacketsBytes { packets, bytes: packets * 100 }
    }

    #[test]
    fn seconds_and_tens_tell_the_same() {
        let (mut histories, subject) = (Histories::new(), Subject::Port(80));
        histories.want(subject, tally(1_000).into());
        for second in 1..=900 {
            histories.close(1.0, [tally(second * 7); 2], |_| Some(tally(1_000 + second * 5).into()), |_| None);
        }
        let history = histories.get(&subject).unwrap();
        assert_eq!((history.seconds.len(), history.tens.len()), (60, 60));
        assert!(history.seconds.iter().chain(&history.tens).all(|pace| *pace == RatePoint { pps: 5.0, bps: 500.0 }));
        assert_eq!(histories.pps(&subject), Some(5.0));
        assert!(histories.all.history().seconds.iter().all(|pace| pace.pps == 7.0));
    }

    #[test]
    fn what_is_sent_has_a_history_of_its_own_where_it_is_counted() {
        let mut histories = Histories::new();
        let (both, one) = (Subject::Process(7), Subject::Process(8));
        histories.want(both, Total { received: tally(5), sent: Some(tally(50)) });
        histories.want(one, tally(5).into());
        let total = |subject: &Subject| Total { received: tally(8), sent: (*subject == both).then(|| tally(70)) };
        histories.close(1.0, [tally(0); 2], |subject| Some(total(subject)), |_| None);
        let pps = |subject| {
            let history = histories.get(&subject).unwrap_or_default();
            [history.seconds, history.sent_seconds, history.sent_tens]
                .map(|paces| paces.iter().map(|pace| pace.pps).collect::<Vec<_>>())
        };
        assert_eq!(pps(both), [vec![3.0], vec![20.0], vec![20.0]]);
        assert_eq!(pps(one), [vec![3.0], vec![], vec![]]);
    }

    #[test]
    fn a_time_without_readings_keeps_its_place_on_the_axis() {
        for (stall, seconds, tens) in
            [(0.97, 1, 0), (2.4, 2, 0), (5.0, 5, 0), (31.0, 31, 3), (60.0, 60, 6), (200.0, 60, 20), (9e5, 60, 60)]
        {
            let (mut histories, mut total) = (Histories::new(), 0);
            for (length, packets) in (0..60).map(|_| (1.0, 7)).chain([(stall, (stall * 50.0) as u64), (1.0, 3)]) {
                total += packets;
                histories.close(length, [tally(total); 2], |_| None, |_| None);
            }
            let history = histories.all.history();
            let of_stall = |paces: &[RatePoint]| paces.iter().filter(|pace| (45.0..55.0).contains(&pace.pps)).count();
            assert_eq!(history.seconds.len(), 60, "{stall}");
            assert_eq!(of_stall(&history.seconds), seconds.min(59), "{stall}: {:?}", history.seconds);
            assert_eq!(history.seconds[59].pps, 3.0, "{stall}");
            assert!(of_stall(&history.tens).abs_diff(tens) <= 1, "{stall}: {:?}", history.tens);
        }
    }

    #[test]
    fn one_that_was_forgotten_and_comes_back_begins_at_nothing() {
        let (mut histories, subject) = (Histories::new(), Subject::Port(80));
        histories.want(subject, tally(100).into());
        for total in [Some(tally(150)), None, Some(tally(9))] {
            histories.close(1.0, [PacketsBytes::default(); 2], |_| total.map(Total::from), |_| None);
        }
        let paces: Vec<_> = histories.get(&subject).unwrap().seconds.iter().map(|pace| pace.pps).collect();
        assert_eq!(paces, [50.0, 0.0, 9.0]);
    }

    #[test]
    fn one_destination_at_a_time_is_followed_by_class() {
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let totals = |syn, udp| {
            let mut totals = ByClass::default();
            (totals[TrafficClass::Syn as usize], totals[TrafficClass::Udp as usize]) = (tally(syn), tally(udp));
            totals
        };
        let mut histories = Histories::new();
        let classes = |histories: &Histories, ip| {
            let history = histories.get(&Subject::Destination(ip)).unwrap_or_default();
            let pps = |paces: Vec<RatePoint>| paces.iter().map(|pace| pace.pps).collect::<Vec<_>>();
            history.classes.into_iter().map(|(class, paces)| (class, pps(paces))).collect::<Vec<_>>()
        };
        for second in 0..70 {
            for ip in [one, other] {
                histories.want(Subject::Destination(ip), Total::default());
                histories.want_classes(ip, totals(100, 0));
            }
            let close = |ip| (ip == one).then(|| totals(100 + 7 * (second + 1), 0));
            histories.close(1.0, [tally(0); 2], |_| None, close);
        }
        assert_eq!(classes(&histories, one), [(TrafficClass::Syn, vec![7.0; KEPT])]);
        assert_eq!(classes(&histories, other), [], "somebody looks at the first");
        for _ in 0..=LOOKED_AT {
            histories.close(1.0, [tally(0); 2], |_| None, |_| None);
        }
        histories.want_classes(other, totals(5, 5));
        histories.close(1.0, [tally(0); 2], |_| None, |ip| (ip == other).then(|| totals(5, 9)));
        assert_eq!(classes(&histories, one), []);
        assert_eq!(classes(&histories, other), [(TrafficClass::Syn, vec![0.0]), (TrafficClass::Udp, vec![4.0])]);
    }

    #[test]
    fn who_was_wanted_longest_ago_makes_room() {
        let mut histories = Histories::new();
        for port in 0..=MOST as u16 {
            histories.want(Subject::Port(0), Total::default());
            histories.want(Subject::Port(port), Total::default());
            histories.close(1.0, [PacketsBytes::default(); 2], |_| None, |_| None);
        }
        assert_eq!(histories.tracks.len(), MOST);
        let followed = [0, 1, 2, MOST as u16].map(|port| histories.get(&Subject::Port(port)).is_some());
        assert_eq!(followed, [true, false, true, true]);
    }
}
