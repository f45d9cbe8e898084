//! What packets have in common, and in what they differ: from samples of them, so that all of it is estimated.

use std::hash::Hash;

use foldhash::{HashMap, HashSet};
use nettop_common::{Address, Event, event::NO_TCP_FLAGS};
use nettop_model::order;

use super::senders::Senders;

/// Sources that are kept to tell where they are.
const ORIGINS: usize = 256;
/// Fewer samples, of which each stands for several packets, tell nothing.
const ENOUGH: f64 = 20.0;
/// From this share of different sources on, there are more than the samples can tell.
const DIFFERENT: f64 = 0.5;

/// Something with its share in the packets: 1 is all.
pub type Shares<T> = Vec<(T, f64)>;

/// Address and port of both ends.
pub type Flow = (Address, Address, u16, u16);

/// The flow that a packet is of.
pub fn flow(event: &Event) -> Flow {
    (event.source, event.destination, event.source_port, event.destination_port)
}

/// What is told of some packets.
#[derive(Clone, Debug, Default)]
pub struct Mix {
    /// Samples; 0: nothing is known.
    pub events: u32,
    /// Packets that they stand for.
    pub weight: f64,
    /// Average length of a frame, bytes.
    pub length: f64,
    /// Sources, the busiest first; so many at most.
    pub sources: Shares<Address>,
    /// How many sources there are among the samples.
    pub distinct: u64,
    /// There are more than these.
    pub and_more: bool,
    /// Destination ports, those with most packets first, as in the next three; so many at most.
    pub ports: Shares<u16>,
    /// Source ports.
    pub from_ports: Shares<u16>,
    /// IP protocol numbers.
    pub protocols: Shares<u8>,
    /// Bytes of TCP flags.
    pub flags: Shares<u8>,
    /// How many destination ports there are among the samples.
    pub distinct_ports: u64,
    /// How many pairs of address and port of both ends there are.
    pub flows: u64,
    /// The share of the four busiest of these.
    pub few_flows: f64,
    /// These.
    pub busiest_flows: Vec<Flow>,
    /// How many destinations.
    pub hosts: u64,
    /// The share of packets whose source has sent SYNs that led to nothing; `None`, as in the next three: too little is known.
    pub unfinished: Option<f64>,
    /// The share whose source has never asked for a connection.
    pub stray: Option<f64>,
    /// The share whose source is new.
    pub new: Option<f64>,
    /// The share whose source is new and has sent one packet or two, and no more for a while.
    pub lone: Option<f64>,
    /// The share whose source sends nothing but segments without data.
    pub bare: Option<f64>,
}

/// The part of those followed of which something has to be known.
const KNOWN: f64 = 0.3;
/// So many flows are a few.
const FEW: usize = 4;

/// Those listed of ports and the like.
const LISTED: usize = 8;

impl Mix {
    /// Of these samples. `thinned`: some are left out.
    pub fn of<'a>(events: impl Iterator<Item = &'a Event>, thinned: bool, senders: &Senders) -> Self {
        let (mut sources, mut ports, mut from_ports) = (HashMap::default(), HashMap::default(), HashMap::default());
        let (mut protocols, mut flags) = (HashMap::default(), HashMap::default());
        let (mut flows, mut hosts) = (HashMap::default(), HashSet::default());
        let (mut mix, mut bytes, mut squares, mut thinned) = (Self::default(), 0.0, 0.0, thinned);
        for event in events {
            let weight = f64::from(event.weight);
            *sources.entry(event.source).or_default() += weight;
            *ports.entry(event.destination_port).or_default() += weight;
            *from_ports.entry(event.source_port).or_default() += weight;
            *protocols.entry(event.protocol).or_default() += weight;
            hosts.insert(event.destination);
            *flows.entry(flow(event)).or_default() += weight;
            if event.tcp_flags != NO_TCP_FLAGS {
                *flags.entry(event.tcp_flags as u8).or_default() += weight;
            }
            mix.events += 1;
            mix.weight += weight;
            bytes += weight * f64::from(event.length);
            squares += weight * weight;
            thinned |= event.weight > 1;
        }
        // Of different weights, they tell as much as so many of the same (Kish's effective sample size).
        if mix.events == 0 || thinned && mix.weight * mix.weight < squares * ENOUGH {
            return Self::default();
        }
        mix.length = bytes / mix.weight;
        mix.distinct = sources.len() as u64;
        mix.and_more = thinned && mix.distinct as f64 > f64::from(mix.events) * DIFFERENT;
        mix.distinct_ports = ports.len() as u64;
        (mix.flows, mix.hosts) = (flows.len() as u64, hosts.len() as u64);
        let few = shares(flows, mix.weight, FEW);
        mix.few_flows = few.iter().map(|(_, share)| share).sum();
        mix.busiest_flows = few.into_iter().map(|(flow, _)| flow).collect();
        mix.judge_senders(&sources, senders);
        mix.sources = shares(sources, mix.weight, ORIGINS);
        mix.ports = shares(ports, mix.weight, LISTED);
        mix.from_ports = shares(from_ports, mix.weight, LISTED);
        mix.protocols = shares(protocols, mix.weight, LISTED);
        mix.flags = shares(flags, mix.weight, LISTED);
        mix
    }

    fn judge_senders(&mut self, sources: &HashMap<Address, f64>, senders: &Senders) {
        let (mut unfinished, mut stray, mut new, mut lone, mut bare) = Default::default();
        let mut followed = 0.0;
        for (source, weight) in sources {
            let manner = senders.manner(source);
            followed += if manner.is_followed { *weight } else { 0.0 };
            count(&mut unfinished, manner.unfinished, *weight);
            count(&mut stray, manner.stray, *weight);
            count(&mut new, manner.new, *weight);
            count(&mut lone, manner.lone, *weight);
            count(&mut bare, manner.is_followed.then_some(manner.bare), *weight);
        }
        // What is known of a few says nothing about the others.
        let share = |(yes, all): (f64, f64)| (all > 0.0 && all >= followed * KNOWN).then(|| yes / all);
        (self.unfinished, self.stray, self.new, self.lone, self.bare) =
            (share(unfinished), share(stray), share(new), share(lone), share(bare));
    }

    /// The destination port that at least this share goes to.
    pub fn port(&self, share: f64) -> Option<u16> {
        self.ports.first().filter(|(port, of)| *port != 0 && *of >= share).map(|(port, _)| *port)
    }

    /// Whether a source sends much of it.
    pub fn is_busy(&self, source: &Address) -> bool {
        const MUCH: f64 = 0.1;
        self.sources.iter().any(|(one, share)| one == source && *share >= MUCH)
    }

    /// The share of the busiest `count` sources.
    pub fn busiest(&self, count: usize) -> f64 {
        self.sources.iter().take(count).map(|(_, share)| share).sum()
    }
}

fn count(sums: &mut (f64, f64), known: Option<bool>, weight: f64) {
    if let Some(known) = known {
        sums.0 += if known { weight } else { 0.0 };
        sums.1 += weight;
    }
}

fn shares<T: Copy + Ord + Hash>(weights: HashMap<T, f64>, all: f64, most: usize) -> Shares<T> {
    let mut shares: Vec<_> = weights.into_iter().map(|(key, weight)| (key, weight / all)).collect();
    order::sort_by(&mut shares, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    shares.truncate(most);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::syn;

    fn mix(thinned: bool, events: &[Event]) -> Mix {
        Mix::of(events.iter(), thinned, &Senders::default())
    }

    #[test]
    fn few_samples_tell_nothing_unless_they_are_all_there_is() {
        let of = |count: u32, weight| (0..count).map(|n| syn(n, 80, 0, weight)).collect::<Vec<_>>();
        let mut uneven = of(30, 1);
        uneven.push(syn(99, 80, 0, 1000));
        for (name, thinned, events, expected) in [
            ("none", false, vec![], 0),
            ("one, and that is all", false, of(1, 1), 1),
            ("one of many", true, of(1, 1), 0),
            ("19 that stand for more", false, of(19, 10), 0),
            ("20", false, of(20, 10), 20),
            ("one that stands for nearly all", false, uneven, 0),
        ] {
            assert_eq!(mix(thinned, &events).events, expected, "{name}");
        }
    }

    #[test]
    fn shares_are_in_order_and_bounded() {
        // Half of it is of one source and one port, the others have one each.
        let events: Vec<_> =
            (0..1000).map(|n| if n % 2 == 0 { syn(7, 443, 0, 10) } else { syn(1000 + n, n as u16, 0, 10) }).collect();
        let mix = mix(true, &events);
        assert_eq!((mix.events, mix.weight, mix.length), (1000, 10_000.0, 60.0));
        assert_eq!((mix.distinct, mix.and_more), (501, true), "more of them than the samples can tell");
        assert_eq!((mix.sources[0], mix.sources.len()), ((Address::from_v4_word(7), 0.5), ORIGINS));
        assert_eq!((mix.ports[0].0, mix.ports.len(), mix.distinct_ports, mix.flows), (443, LISTED, 500, 501));
        assert_eq!((mix.port(0.5), mix.port(0.51)), (Some(443), None));
        assert_eq!(mix.flags, [(2, 1.0)]);
        assert!((mix.few_flows - 0.503).abs() < 1e-9 && (mix.busiest(2) - 0.501).abs() < 1e-9, "{mix:?}");
        assert!(mix.is_busy(&Address::from_v4_word(7)) && !mix.is_busy(&Address::from_v4_word(1001)));
        assert_eq!(mix.busiest_flows[0], flow(&events[0]));
        assert_eq!((mix.unfinished, mix.stray, mix.new), (None, None, None), "nobody is followed");
    }
}
