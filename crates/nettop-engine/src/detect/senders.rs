//! What single sources do, of as many as memory allows: those whose hash ends with so many zeros are followed packet by packet, and
//! stand for the others (coherent sampling: Spring and Wilkerson, "The power of one-permutation hashing"; Estan and Varghese 2003).
//! In a flood from everywhere these are a few of all; on an ordinary day, all of them.

use foldhash::HashMap;
use nettop_common::{Address, SourceCounters, unique::HashKey};

/// Sources that are followed at once.
const MOST: usize = 16_384;
/// One that was silent for so many seconds is forgotten.
const SILENT: u64 = 20;
/// A SYN is not judged before it is so old, nanoseconds: the client has to get its answer first.
const ROUND_TRIP_NS: u64 = 300_000_000;
/// Fewer packets than these to each SYN mean that no connection came of it: of the shortest one there are two, the segment that
/// completes the handshake and one that ends it.
const PER_SYN: f32 = 1.5;
/// Segments without data are shorter on average, bytes of a frame; with options, tags and IPv6.
const BARE: f32 = 90.0;
/// Who was there so many seconds before an attack does not belong to it.
const BEFORE: u64 = 5;
/// So many packets are one or two.
const LONE: f32 = 2.1;
/// A source is new for so many seconds.
const NEW: u64 = 60;

/// One source.
#[derive(Clone, Copy, Debug, Default)]
struct Sender {
    first_s: u64,
    newest_s: u64,
    /// It was new when it was seen first, and not everybody was.
    new: bool,
    /// Whether it was there before it could be known what it began with.
    unknown: bool,
    /// It came a while ago.
    is_old: bool,
    /// It has asked for a connection.
    has_opened: bool,
    /// Since when SYNs are too young to be judged.
    recent_ns: u64,
    /// SYNs and other segments: old enough, and too young.
    old: (f32, f32),
    recent: (f32, f32),
    /// All packets, and their bytes.
    packets: f32,
    bytes: f32,
}

/// Those that are followed.
#[derive(Debug)]
pub struct Senders {
    senders: HashMap<u64, Sender>,
    /// How many bits of the hash have to be zero.
    bits: u32,
    /// Chosen at random when nettop starts, so that nobody can choose addresses that are followed or not.
    key: HashKey,
    /// Until when was read.
    now_ns: u64,
    second: u64,
    /// Whether sources that come now are new, and not just unknown.
    settled: bool,
    /// The second in which the oldest attack that lasts began.
    attacked: Option<u64>,
}

/// What single sources tell of a packet of theirs; `None`: it is not followed, or not long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// It is followed.
    pub is_followed: bool,
    /// Its SYNs lead to nothing.
    pub unfinished: Option<bool>,
    /// It sends segments of TCP without ever having asked for a connection.
    pub stray: Option<bool>,
    /// It sends nothing but segments without data.
    pub bare: bool,
    /// It came lately.
    pub new: Option<bool>,
    /// It is new, sent one packet or two, and then no more for as long as a client waits.
    pub lone: Option<bool>,
}

impl Default for Senders {
    fn default() -> Self {
        Self {
            senders: HashMap::default(),
            bits: 0,
            key: HashKey([fastrand::u64(..), fastrand::u64(..)]),
            now_ns: 0,
            second: 0,
            settled: false,
            attacked: None,
        }
    }
}

impl Senders {
    /// A reading begins that ends at this time.
    pub fn begin_reading(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// So much came from a source. `new`: for the first time, as far as is known.
    pub fn add(&mut self, address: &Address, counted: &SourceCounters, new: bool) {
        let hash = self.key.hash(*address);
        if hash & ((1 << self.bits) - 1) != 0 {
            return;
        }
        let Self { senders, now_ns, second, settled, .. } = self;
        let sender = senders.entry(hash).or_insert_with(|| Sender {
            first_s: *second,
            newest_s: *second,
            new: new && *settled,
            unknown: new && !*settled,
            recent_ns: *now_ns,
            ..Sender::default()
        });
        sender.decay(*second);
        if now_ns.saturating_sub(sender.recent_ns) >= ROUND_TRIP_NS {
            sender.is_old = true;
            sender.settle(*now_ns);
        }
        let SourceCounters { packets, bytes, syn, udp, icmp, .. } = *counted;
        let others = packets.saturating_sub(u64::from(syn) + u64::from(udp) + u64::from(icmp));
        sender.recent.0 += syn as f32;
        sender.recent.1 += others as f32;
        sender.packets += packets as f32;
        sender.bytes += bytes as f32;
        sender.has_opened |= syn > 0;
        if senders.len() > MOST {
            self.bits += 1;
            let mask = (1 << self.bits) - 1;
            self.senders.retain(|hash, _| hash & mask == 0);
        }
    }

    /// What is known of a source.
    pub fn manner(&self, address: &Address) -> Manner {
        let hash = self.key.hash(*address);
        let Some(mut sender) = self.senders.get(&hash).copied() else { return Manner::default() };
        if self.now_ns.saturating_sub(sender.recent_ns) >= ROUND_TRIP_NS {
            sender.is_old |= sender.recent != (0.0, 0.0) || sender.packets > 0.0;
            sender.settle(self.now_ns);
        }
        let (syn, others) = sender.old;
        Manner {
            is_followed: true,
            unfinished: (syn > 0.0).then_some(others + sender.recent.1 < syn * PER_SYN),
            stray: match sender {
                Sender { has_opened: true, .. } | Sender { new: false, unknown: false, .. } => Some(false),
                // It was there before any attack began.
                Sender { first_s, .. } if first_s + BEFORE <= self.attacked.unwrap_or(self.second) => Some(false),
                Sender { unknown: true, .. } => None,
                Sender { .. } => Some(true),
            },
            bare: sender.bytes < sender.packets * BARE,
            lone: (sender.is_old || sender.packets > LONE).then_some(sender.new && sender.packets <= LONE),
            new: (!sender.unknown).then_some(sender.new && self.second - sender.first_s < NEW),
        }
    }

    /// Whether an attack lasts.
    pub fn attacked(&mut self, lasts: bool) {
        self.attacked = if lasts { self.attacked.or(Some(self.second)) } else { None };
    }

    /// A second is over. `settled`: sources that come from now on are new.
    pub fn next_second(&mut self, settled: bool) {
        self.second += 1;
        self.settled = settled;
        let second = self.second;
        if second.is_multiple_of(4) {
            self.senders.retain(|_, sender| second - sender.newest_s < SILENT);
            if self.bits > 0 && self.senders.len() < MOST / 8 {
                self.bits -= 1;
            }
        }
    }
}

impl Sender {
    /// What is a second old counts for half.
    fn decay(&mut self, second: u64) {
        let passed = second - std::mem::replace(&mut self.newest_s, second);
        if passed > 0 {
            let left = (-(passed.min(60) as f32)).exp2();
            for count in [&mut self.old.0, &mut self.old.1, &mut self.packets, &mut self.bytes] {
                *count *= left;
            }
        }
    }

    /// What was too young is old enough.
    fn settle(&mut self, now_ns: u64) {
        let (syn, others) = std::mem::take(&mut self.recent);
        self.old = (self.old.0 + syn, self.old.1 + others);
        self.recent_ns = now_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> Address {
        Address::from_v4_word(n.to_be())
    }

    fn counted(packets: u64, syn: u32) -> SourceCounters {
        SourceCounters { packets, bytes: packets * 60, syn, ..SourceCounters::default() }
    }

    /// Plays readings of 100 ms: SYNs and other segments of one source, from second 2 on.
    fn play(readings: &[(u32, u64)]) -> (Manner, Senders) {
        let mut senders = Senders::default();
        let mut now_ns = 2_000_000_000;
        senders.next_second(true);
        for (n, (syn, others)) in readings.iter().enumerate() {
            now_ns += 100_000_000;
            senders.begin_reading(now_ns);
            if *syn > 0 || *others > 0 {
                senders.add(&address(7), &counted(u64::from(*syn) + others, *syn), n == 0);
            }
            if n % 10 == 9 {
                senders.next_second(true);
            }
        }
        (senders.manner(&address(7)), senders)
    }

    #[test]
    fn connections_are_told_from_syns_that_lead_to_nothing() {
        for (name, readings, expected) in [
            ("one SYN, just now", vec![(1, 0)], None),
            ("one SYN, a while ago", vec![(1, 0), (0, 0), (0, 0), (0, 0), (0, 0)], Some(true)),
            ("a connection", vec![(1, 0), (0, 3), (0, 2), (0, 0), (0, 0)], Some(false)),
            ("the shortest one", vec![(1, 0), (0, 2), (0, 0), (0, 0)], Some(false)),
            ("a bot", vec![(7, 0); 20], Some(true)),
            ("a bot that sends as many ACKs", vec![(7, 7); 20], Some(true)),
            ("many connections", vec![(7, 21); 20], Some(false)),
            ("health checks", vec![(300, 600); 20], Some(false)),
        ] {
            assert_eq!(play(&readings).0.unfinished, expected, "{name}");
        }
    }

    #[test]
    fn who_never_asked_for_a_connection_is_stray() {
        for (name, readings, expected) in [
            ("ACKs from the first on", vec![(0, 50); 10], Some(true)),
            ("a connection", vec![(1, 0), (0, 50), (0, 50)], Some(false)),
        ] {
            let (manner, _) = play(&readings);
            assert_eq!((manner.stray, manner.bare, manner.new), (expected, true, Some(true)), "{name}");
        }
        let mut senders = Senders::default();
        senders.add(&address(1), &counted(9, 0), true);
        assert_eq!(senders.manner(&address(1)).stray, None, "everybody is new at the start");
        senders.next_second(true);
        senders.add(&address(2), &counted(9, 0), false);
        assert_eq!(senders.manner(&address(2)).stray, Some(false), "it was there before");
    }

    #[test]
    fn of_a_flood_some_are_followed_whole() {
        let mut senders = Senders::default();
        senders.next_second(true);
        (0..1_000_000).for_each(|n| senders.add(&address(n), &counted(1, 1), true));
        assert!((MOST / 4..=MOST).contains(&senders.senders.len()), "{}", senders.senders.len());
        (0..40).for_each(|_| senders.next_second(true));
        assert!(senders.senders.is_empty());
    }
}
