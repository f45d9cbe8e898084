use std::collections::HashMap as Map;

use super::*;
use crate::detect::testing::syn;

const SECOND: u64 = 1_000_000_000;
/// More than there is room for.
const CROWD: u32 = 6_000;

/// Details, and aggregates that know what was sent.
struct Play {
    details: Details,
    aggregates: Map<Address, Known>,
    at_ns: u64,
}

fn source(number: u32) -> Address {
    Address::from_v4_word(number)
}

impl Play {
    fn new() -> Self {
        Self { details: Details::new(10), aggregates: Map::new(), at_ns: SECOND }
    }

    /// Each of these sources sends so many packets within a second, all of which are sampled; the aggregates know of them a moment
    /// later than the events come, as they do.
    fn second(&mut self, sources: &(impl Iterator<Item = u32> + Clone), packets: u32) {
        self.thinned(sources, packets, 1);
        self.close();
    }

    /// The same, one packet in `weight` is sampled; the second is not over yet.
    fn thinned(&mut self, sources: &(impl Iterator<Item = u32> + Clone), packets: u32, weight: u32) {
        for number in 0..packets {
            self.at_ns += SECOND / u64::from(packets);
            for sender in sources.clone() {
                if number % weight == 0 {
                    let event = syn(sender, 80, self.at_ns, weight);
                    self.details.record(&event, |source| self.aggregates.get(source).copied());
                }
            }
            for sender in sources.clone() {
                let known = self.aggregates.entry(source(sender)).or_default();
                if known.packets == 0 {
                    known.first_ns = self.at_ns;
                }
                known.packets += 1;
                known.lately += 1;
                known.silent = 0;
            }
        }
    }

    fn close(&mut self) {
        self.aggregates.values_mut().for_each(|known| known.silent += 1);
        self.details.close(|source| self.aggregates.get(source).copied());
    }

    /// A minute passes in which nobody sends.
    fn minute(&mut self) {
        self.at_ns += 60 * SECOND;
        self.aggregates.values_mut().for_each(|known| known.lately = 0);
        self.close();
    }

    fn detail(&self, number: u32) -> Option<&Detail> {
        self.details.get(&source(number)).map(|detail| &**detail)
    }

    /// How many of these have detail, and of how many it is an estimate.
    fn with(&self, sources: impl Iterator<Item = u32>) -> (usize, usize) {
        let details: Vec<_> = sources.filter_map(|number| self.detail(number)).collect();
        (details.len(), details.iter().filter(|detail| detail.estimated).count())
    }
}

#[test]
fn below_the_budget_detail_is_exact() {
    let mut play = Play::new();
    play.second(&(1..3_001), 5);
    let detail = play.detail(1).unwrap();
    assert_eq!(detail.dst_ports, LiteMap::from_iter([(80, 5)]));
    assert_eq!(detail.tcp_flags, LiteMap::from_iter([(TcpFlags(2), 5)]));
    assert_eq!(play.with(1..3_001), (3_000, 0));
}

#[test]
fn the_busiest_have_detail_whenever_they_come() {
    for (name, crowd) in [("one packet each", 1), ("a few", 3), ("nearly as many", 9)] {
        let mut play = Play::new();
        play.second(&(1..CROWD), crowd);
        // One after another, while the crowd goes on.
        for group in 0..4 {
            let busy = (0..250).map(move |n| 1_000_000 + group * 250 + n);
            play.second(&busy, 5 * crowd + 1);
            play.second(&(1..CROWD), 1);
            play.second(&busy, 5 * crowd + 1);
        }
        let (has, estimated) = play.with(1_000_000..1_001_000);
        assert_eq!(has, 1_000, "{name}");
        assert_eq!(estimated, 1_000, "{name}: the first packets were not looked into");
        assert!(play.details.all().len() <= 3_072);
        let (has, _) = play.with(1..CROWD);
        assert_eq!(has, 2_072, "{name}: whoever has room keeps it");
    }
}

#[test]
fn a_thousand_at_once_have_it_in_the_second_second() {
    let mut play = Play::new();
    play.second(&(1..CROWD), 10);
    play.second(&(1_000_000..1_001_000), 30);
    assert_eq!(play.with(1_000_000..1_001_000).0, 1_000);
}

#[test]
fn a_flood_of_forged_sources_pushes_nobody_out() {
    let mut play = Play::new();
    let busy = 1..1_001;
    play.second(&busy, 3);
    for second in 0..20 {
        let forged = (0..10_000).map(move |n| 5_000_000 + second * 10_000 + n);
        play.thinned(&forged, 1, 1);
        play.second(&busy, 2);
    }
    assert_eq!(play.with(busy), (1_000, 0), "and they lack nothing");
}

#[test]
fn who_sent_most_ever_keeps_it_while_silent() {
    let mut play = Play::new();
    play.second(&(1..1_001), 100);
    play.minute();
    for second in 0..3 {
        play.second(&((0..6_000).map(move |n| 1_000_000 + second * 6_000 + n)), 10);
    }
    assert_eq!(play.with(1..1_001), (1_000, 0));
}

#[test]
fn who_is_looked_at_has_it_however_little_it_sends() {
    let mut play = Play::new();
    play.second(&(1..CROWD), 20);
    let quiet = 7_000_000..7_000_064;
    quiet.clone().for_each(|number| play.details.want(source(number)));
    play.second(&quiet, 1);
    assert_eq!(play.with(quiet.clone()).0, 64);
    // It stays, also over a reset, until as many others were looked at.
    for _ in 0..3 {
        play.second(&(1..CROWD), 20);
    }
    assert_eq!(play.with(quiet.clone()).0, 64);
    play.details.reset();
    play.second(&(1..CROWD), 20);
    play.second(&quiet, 1);
    assert_eq!(play.with(quiet.clone()).0, 64);
    (0..64).for_each(|number| play.details.want(source(8_000_000 + number)));
    for _ in 0..3 {
        play.second(&((0..6_000).map(|n| 1_000_000 + n)), 50);
    }
    assert_eq!(play.with(quiet).0, 0);
}

#[test]
fn what_lacks_packets_is_an_estimate() {
    let others = 100..200;
    for (name, expected) in [
        ("nothing", false),
        ("weight", true),
        ("loss", true),
        ("keys", true),
        ("silent while others are sampled", false),
        ("sends while nothing of it is sampled", true),
        ("begins later, in the flood", true),
        ("begins long after it", false),
        ("forgotten, and seen again", true),
    ] {
        let mut play = Play::new();
        match name {
            "nothing" => play.second(&(1..2), 5),
            "weight" => play.thinned(&(1..2), 8, 8),
            "loss" => {
                play.second(&(1..2), 5);
                play.details.note_loss(play.at_ns);
            }
            "keys" => (0..=MOST_KEYS as u16).for_each(|port| play.details.record(&syn(1, port, SECOND, 1), |_| None)),
            "silent while others are sampled" => {
                play.second(&(1..2), 5);
                play.close();
                play.thinned(&others, 8, 8);
                play.close();
            }
            "sends while nothing of it is sampled" => {
                play.second(&(1..2), 5);
                play.details.note_thinning(play.at_ns);
                play.aggregates.get_mut(&source(1)).unwrap().silent = 0;
                play.close();
            }
            "begins later, in the flood" => {
                play.thinned(&others, 8, 8);
                play.second(&(1..2), 5);
            }
            "begins long after it" => {
                play.thinned(&others, 8, 8);
                (0..3).for_each(|_| play.second(&others, 5));
                play.second(&(1..2), 5);
            }
            _ => {
                play.second(&(1..2), 5);
                play.details.forget(&source(1));
                play.second(&(1..2), 5);
            }
        }
        assert_eq!(play.detail(1).unwrap().estimated, expected, "{name}");
    }
}

#[test]
fn memory_is_bounded() {
    let mut details = Details::new(3);
    (0..10_000).for_each(|number| details.record(&syn(number, 80, 1, 1), |_| None));
    details.close(|_| None);
    (0..10_000).for_each(|number| details.record(&syn(number, 80, 1, 1), |_| Some(Known::default())));
    assert_eq!(details.all().len(), 3_072);
    assert_eq!(details.newest(50).count(), 3);
}
