//! A flood with forged source addresses, of which no kind is enough by itself: ever new sources, and each sends next to nothing.

use super::{
    DetectInput, HOLDS, UNSETTLED,
    locate::{Net, locate},
    rule::{self, Finds, Rule},
    usual::{Key, Of},
};

/// What its alerts are called.
pub const KIND: &str = "spoofed-flood";

pub const RULE: Rule = Rule {
    kind: KIND,
    title: "spoofed flood",
    about: "a flood from forged addresses of which no other kind says enough: new sources per second, of about one packet each",
    threshold: Some(("new sources per second", 5000)),
    evidence: "sources that were never seen before, and their packets",
    advice: "blocking sources is of no use; SYN cookies, rate limits by target, and the provider are",
    finds: Finds::Attack,
};

/// A client that opens a connection sends three packets at least. A flood may draw an address twice in a second.
const BEGINS: f64 = 1.5;
/// From this share on it goes there: what the target answers, where that is seen, goes everywhere.
const SHARE: f64 = 0.3;

/// New sources per second, where they are so many that an attack goes on with them; and whether one begins with them.
pub fn rate(scene: &DetectInput) -> Option<(f64, bool)> {
    let limit = learned(scene).and_then(|(key, ..)| scene.usual.limit(&key)).unwrap_or(0.0);
    let limit = if scene.thresholds.learns(place()) { limit } else { 0.0 };
    let threshold = scene.threshold_of(KIND).max(limit) * if scene.is_settled { 1.0 } else { UNSETTLED };
    let rate = scene.per_second(scene.strangers.count);
    let goes_on = threshold > 0.0 && rate >= threshold * HOLDS && scene.packets_each() <= BEGINS;
    goes_on.then_some((rate, rate >= threshold && !scene.first))
}

/// What of it is to be learned as usual: a server that each of many clients asks once has as much on any day.
pub fn learned(scene: &DetectInput) -> Option<(Key, f64, bool)> {
    let rate = scene.per_second(scene.strangers.count);
    (scene.packets_each() <= BEGINS).then_some(((Of::All, place()), rate, rate >= scene.threshold_of(KIND)))
}

fn place() -> usize {
    rule::place(KIND).unwrap_or_default()
}

/// Where most of it goes.
pub fn target(scene: &DetectInput) -> Option<Net> {
    let places = locate(scene.targets.iter().map(|(address, _, tally)| (address, tally.packets as f64)));
    places.first().filter(|place| place.share >= SHARE).map(|place| place.net)
}

#[cfg(test)]
mod tests {
    use crate::detect::{Thresholds, testing::*};

    /// Another lot of forged sources for each second, of no kind that is enough by itself.
    fn forged(second: u8, packets: u64) -> Flow {
        udp(9, 9, packets).sources(packets as u32).from([100, second, 0, 0])
    }

    #[test]
    fn what_is_one_and_what_is_not() {
        table(vec![
            (
                "one packet of each",
                vec![forged(1, 6000)],
                &["spoofed flood on 192.0.2.1: 6.00k new sources/s; sources forged most likely…"],
            ),
            (
                "just above the threshold",
                vec![forged(1, 5010)],
                &["spoofed flood on 192.0.2.1: 5.01k new sources/s; sources forged most likely…"],
            ),
            ("just below it", vec![forged(1, 4990)], &[]),
            (
                "more than there are slots for",
                vec![forged(1, 3000), forged(2, 3000).untracked()],
                &["spoofed flood on 192.0.2.1: 6.00k new sources/s; sources forged most likely…"],
            ),
            (
                "IPv6",
                vec![forged(1, 6000).v6()],
                &["spoofed flood on 2001:db8::c000:201: 6.00k new sources/s; sources forged most likely…"],
            ),
            (
                "two packets of each",
                vec![forged(1, 6000), forged(1, 6000).from([100, 1, 0, 0])],
                &["UDP flood on 192.0.2.1:9: 12.0k pps, 5.76 Mbit/s; more than 3,000 sources, forged most likely…"],
            ),
            ("a crowd of clients", vec![tcp(443, SYN, 990).sources(990), tcp(443, ACK, 9000).sources(6000)], &[]),
        ]);
    }

    #[test]
    fn three_times_as_many_as_usual_are_one() {
        for (name, packets, expected) in [
            ("not three times as many", 5900, &[][..]),
            ("more than that", 8500, &["spoofed flood on 192.0.2.1: 8.50k new sources/s; sources forged most likely…"]),
        ] {
            let mut play = play(&[], 0, &[]);
            (0..18).for_each(|second| play.second(&[forged(second, 2000)]));
            play.second(&[forged(50, packets)]);
            assert_eq!(play.told(), expected, "{name}");
        }
    }

    #[test]
    fn what_has_a_name_is_told_by_that() {
        let syn = tcp(443, SYN, 6000).sources(6000).from([100, 3, 0, 0]);
        let mut play = play(&[], 1, &[forged(1, 6000)]);
        let id = play.all()[0].id;
        play.second(&[syn]);
        assert_eq!(
            play.told(),
            ["SYN flood on 192.0.2.1:443: 6.00k pps, 2.88 Mbit/s; more than 6,000 sources, forged most likely…"]
        );
        assert_eq!(play.all()[0].id, id, "it is the same attack");
    }

    #[test]
    fn at_the_start_everybody_is_new() {
        let mut play = Play::at_start(Thresholds::default());
        (0..3).for_each(|second| play.second(&[forged(second, 6000)]));
        assert_eq!(play.told(), [""; 0], "too few to tell");
    }

    #[test]
    fn who_comes_then_is_no_news() {
        let mut play = play(&[], 0, &[]);
        (0..3).for_each(|second| play.second(&[forged(second, 6000)]));
        assert_eq!(play.changes.iter().map(|alert| &*alert.kind).collect::<Vec<_>>(), ["spoofed-flood"]);
        play.seconds(61, &[]);
        play.second(&[udp(1, 2, 1).from([10, 9, 9, 9])]);
        assert_eq!(line(&play.alerts("new-ip")[0]), "new source 10.9.9.9");
    }
}
