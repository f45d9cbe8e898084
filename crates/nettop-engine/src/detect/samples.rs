//! The sampled packets of one second: they tell where most of something goes and who sends it.

use std::net::IpAddr;

use foldhash::{HashMap, HashMapExt as _};
use nettop_common::{Address, Event, MacPair};

use nettop_model::{
    order,
    snapshot::{Target, TopSource},
};
use nettop_process::heap;

/// Fewer, of which each stands for several, tell nothing.
const ENOUGH: f64 = 20.0;
/// Packets kept of a second; of more, these are drawn at random.
const MOST: usize = 10_240;
/// What has this share of the packets is told.
const TARGET_SHARE: f64 = 0.5;
const SOURCE_SHARE: f64 = 0.01;
/// Sources told.
const TOP_SOURCES: usize = 5;
/// From this share of different sources on, there are more than the samples can tell.
const DIFFERENT_SHARE: f64 = 0.5;

/// Them.
#[derive(Debug, Default)]
pub struct Samples {
    kept: Vec<Sample>,
    seen: usize,
}

/// Of an event, what rules ask for: two thirds of its size.
#[derive(Clone, Copy, Debug)]
struct Sample {
    source: Address,
    destination: Address,
    length: u32,
    weight: u32,
    source_port: u16,
    destination_port: u16,
    tcp_flags: u16,
    protocol: u8,
    class: u8,
}

impl From<&Event> for Sample {
    fn from(event: &Event) -> Self {
        let Event {
            at_ns: _,
            source,
            destination,
            macs: _,
            length,
            weight,
            source_port,
            destination_port,
            tcp_flags,
            protocol,
            class,
        } = *event;
        Self { source, destination, length, weight, source_port, destination_port, tcp_flags, protocol, class }
    }
}

impl From<Sample> for Event {
    fn from(sample: Sample) -> Self {
        let Sample { source, destination, length, weight, source_port, destination_port, tcp_flags, protocol, class } =
            sample;
        let (at_ns, macs) = (0, MacPair::default());
        Self {
            at_ns,
            source,
            destination,
            macs,
            length,
            weight,
            source_port,
            destination_port,
            tcp_flags,
            protocol,
            class,
        }
    }
}

/// What a part of the packets has in common. All of it is estimated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopTalkers {
    /// Where most of them go.
    pub target: Option<Target>,
    /// The sources that send the most, and which share of it, the busiest first.
    pub sources: Vec<(IpAddr, f64)>,
    /// Sources seen among the samples.
    pub distinct: u64,
    /// There are more than these.
    pub and_more: bool,
}

impl TopTalkers {
    /// The sources, where they all together send so many packets per second.
    pub fn rates(&self, pps: f64) -> impl Iterator<Item = TopSource> {
        self.sources.iter().map(move |(ip, share)| TopSource { ip: *ip, pps: pps * share })
    }
}

impl Samples {
    /// Adds one.
    pub fn add(&mut self, event: &Event) {
        self.seen += 1;
        if self.kept.len() < MOST {
            heap::make_room(&mut self.kept);
            self.kept.push(event.into());
        } else if let Some(place) = self.kept.get_mut(fastrand::usize(..self.seen)) {
            // Each has the same chance to stay (Vitter's algorithm R).
            *place = event.into();
        }
    }

    /// The next second begins.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.seen = 0;
    }

    /// Those kept, without time and MACs. How many packets each stands for is its weight: only ratios of sums of weights mean
    /// something.
    pub fn iter(&self) -> impl Iterator<Item = Event> {
        self.kept.iter().map(|sample| (*sample).into())
    }

    /// The weight of those that match.
    pub fn weight(&self, matches: impl Fn(&Event) -> bool) -> f64 {
        self.iter().filter(|event| matches(event)).map(|event| f64::from(event.weight)).sum()
    }

    /// The share of `part` in `whole`; `None`: there are no samples of it.
    pub fn share(&self, part: impl Fn(&Event) -> bool, whole: impl Fn(&Event) -> bool) -> Option<f64> {
        let all = self.weight(&whole);
        (all > 0.0).then(|| self.weight(|event| whole(event) && part(event)) / all)
    }

    /// The average frame length of those that match, bytes; `None`: there are none.
    pub fn average_length(&self, matches: impl Fn(&Event) -> bool) -> Option<f64> {
        let (mut packets, mut bytes) = (0.0, 0.0);
        for event in self.iter().filter(|event| matches(event)) {
            let weight = f64::from(event.weight);
            packets += weight;
            bytes += weight * f64::from(event.length);
        }
        (packets > 0.0).then(|| bytes / packets)
    }

    /// What those that match have in common; nothing, where they are too few.
    pub fn talkers(&self, matches: impl Fn(&Event) -> bool) -> TopTalkers {
        let (mut targets, mut ports, mut sources) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut squares = 0.0;
        let (mut all, mut count, mut thinned) = (0.0, 0_u32, self.seen > MOST);
        for event in self.iter().filter(|event| matches(event)) {
            let weight = f64::from(event.weight);
            *targets.entry(event.destination).or_default() += weight;
            *ports.entry((event.destination, event.destination_port)).or_default() += weight;
            *sources.entry(event.source).or_default() += weight;
            all += weight;
            squares += weight * weight;
            count += 1;
            thinned |= event.weight > 1;
        }
        // Of different weights, they tell as much as so many of the same (Kish's effective sample size).
        if thinned && all * all < squares * ENOUGH {
            return TopTalkers::default();
        }
        let distinct = sources.len();
        let target = most(&targets).filter(|(_, weight)| *weight >= all * TARGET_SHARE).map(|(address, weight)| {
            let port = most(&ports)
                .filter(|((of, port), most)| *of == address && *port != 0 && *most >= weight * TARGET_SHARE);
            Target { ip: address.to_ip(), port: port.map(|((_, port), _)| port) }
        });
        let mut busiest: Vec<(Address, f64)> =
            sources.into_iter().filter(|(_, weight)| *weight >= all * SOURCE_SHARE).collect();
        order::sort_by(&mut busiest, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let share = |(address, weight): (Address, f64)| (address.to_ip(), weight / all);
        TopTalkers {
            target,
            sources: busiest.into_iter().take(TOP_SOURCES).map(share).collect(),
            distinct: distinct as u64,
            and_more: thinned && distinct as f64 > f64::from(count) * DIFFERENT_SHARE,
        }
    }
}

/// The key with the greatest weight; of several, the lowest, so that it does not change from second to second.
fn most<K: Copy + Ord>(weights: &HashMap<K, f64>) -> Option<(K, f64)> {
    let most = weights.iter().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(a.0)));
    most.map(|(key, weight)| (*key, *weight))
}

#[cfg(test)]
mod tests {
    use nettop_common::Packet;

    use super::*;

    fn event(source: u32, destination: u32, port: u16, weight: u32) -> Event {
        let packet = Packet {
            source: Address::from_v4_word(source.to_be()),
            destination: Address::from_v4_word(destination.to_be()),
            destination_port: port,
            protocol: 17,
            ..Packet::default()
        };
        Event::new(&packet, 60, 0, weight)
    }

    fn samples(events: impl IntoIterator<Item = Event>) -> Samples {
        let mut samples = Samples::default();
        events.into_iter().for_each(|event| samples.add(&event));
        samples
    }

    #[test]
    fn a_focus_names_what_most_packets_share() {
        let target = |talkers: &TopTalkers| talkers.target.map(|target| target.to_string());
        for (name, events, expected) in [
            ("nothing", vec![], None),
            ("one port", vec![event(1, 9, 53, 1), event(2, 9, 53, 1)], Some("0.0.0.9:53")),
            ("many ports", (1..9).map(|port| event(1, 9, port, 1)).collect(), Some("0.0.0.9")),
            ("no port", vec![event(1, 9, 0, 1)], Some("0.0.0.9")),
            ("many hosts", (1..9).map(|host| event(1, host, 53, 1)).collect(), None),
            ("some of weight", [[event(1, 8, 53, 1); 30], [event(1, 9, 80, 64); 30]].concat(), Some("0.0.0.9:80")),
            ("too few", vec![event(1, 9, 80, 64)], None),
            ("too few that matter", [vec![event(1, 8, 53, 1); 99], vec![event(1, 9, 80, 999); 9]].concat(), None),
        ] {
            let talkers = samples(events).talkers(|_| true);
            assert_eq!(target(&talkers).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn the_busiest_sources_come_first_and_their_rates_are_shares() {
        let of = |source, count, weight| vec![event(source, 9, 1, weight); count];
        let events = [of(1, 30, 1), of(2, 23, 3), of(3, 1, 1), vec![event(4, 9, 2, 900)]].concat();
        let talkers = samples(events).talkers(|event| event.destination_port == 1);
        let rates: Vec<_> = talkers.rates(1000.0).map(|source| (source.ip.to_string(), source.pps)).collect();
        let expected = [("0.0.0.2", 690.0), ("0.0.0.1", 300.0), ("0.0.0.3", 10.0)];
        assert_eq!(rates, expected.map(|(ip, pps)| (ip.to_string(), pps)));
        assert_eq!((talkers.distinct, talkers.and_more), (3, false));
    }

    #[test]
    fn a_source_for_every_packet_means_that_there_are_more() {
        for (repeat, weight, expected) in [(1, 2, (1000, true)), (10, 2, (100, false)), (1, 1, (1000, false))] {
            let talkers = samples((0..1000).map(|n| event(n / repeat, 9, 1, weight))).talkers(|_| true);
            assert_eq!((talkers.distinct, talkers.and_more), expected, "{repeat} packets of each, of weight {weight}");
        }
    }

    #[test]
    fn memory_is_bounded_and_the_draw_is_fair() {
        let mut samples = samples((0..100_000).map(|n| event(n, n % 2, 1, 1)));
        assert_eq!(samples.iter().count(), MOST);
        let one = Address::from_v4_word(1u32.to_be());
        let share = samples.share(|event| event.destination == one, |_| true).unwrap();
        assert!((0.45..0.55).contains(&share), "{share}");
        samples.clear();
        assert_eq!(samples.share(|_| true, |_| true), None);
    }
}
