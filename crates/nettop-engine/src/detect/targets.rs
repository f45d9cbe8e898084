//! What came to whom, by class, in one second: exact, from the readings.

use std::collections::VecDeque;

use foldhash::{HashMap, HashMapExt as _};
use nettop_common::{Address, ClassTally, PacketsBytes, TrafficClass, counters::ByClass};

/// Pairs of destination and class that are told apart in a second; of more, only sums are known.
const MOST: usize = 65_536;
/// A burst is looked at over so many seconds at least: shorter ones are the traffic of any busy host.
const BURST_SECONDS: f64 = 0.25;
/// From this many times the average of its second on it is one.
const BURST: f64 = 1.5;

/// What came to destinations in the second that is being counted.
#[derive(Debug)]
pub struct Targets {
    sums: HashMap<(Address, TrafficClass), PacketsBytes>,
    all: ByClass,
    in_reading: ByClass<u64>,
    /// The newest readings: how long each was, and what it brought.
    readings: VecDeque<(f64, ByClass<u64>)>,
    /// The most packets per second over [`BURST_SECONDS`] that ended in this second, and how many packets these were.
    peaks: ByClass<(f64, u64)>,
    /// Seconds read in this second, and packets per second on average of the one before.
    seconds: f64,
    before: ByClass<f64>,
}

impl Default for Targets {
    fn default() -> Self {
        Self {
            sums: HashMap::new(),
            all: Default::default(),
            in_reading: Default::default(),
            readings: VecDeque::new(),
            peaks: Default::default(),
            seconds: 0.0,
            before: Default::default(),
        }
    }
}

impl Targets {
    /// So much came to a destination.
    pub fn add(&mut self, address: &Address, ClassTally { class, tally }: ClassTally) {
        self.all[class as usize].add(tally);
        self.in_reading[class as usize] += tally.packets;
        let room = self.sums.len() < MOST;
        match self.sums.get_mut(&(*address, class)) {
            Some(sum) => sum.add(tally),
            None if room => _ = self.sums.insert((*address, class), tally),
            None => {}
        }
    }

    /// A reading of so many seconds is over.
    pub fn end_reading(&mut self, seconds: f64) {
        self.seconds += seconds;
        self.readings.push_back((seconds, std::mem::take(&mut self.in_reading)));
        let mut all: f64 = self.readings.iter().map(|(seconds, _)| seconds).sum();
        while let Some((oldest, _)) = self.readings.front()
            && all - oldest >= BURST_SECONDS
        {
            all -= oldest;
            self.readings.pop_front();
        }
        if all >= BURST_SECONDS {
            for (class, peak) in self.peaks.iter_mut().enumerate() {
                let packets: u64 = self.readings.iter().map(|(_, classes)| classes[class]).sum();
                let pps = packets as f64 / all;
                if pps > peak.0 {
                    *peak = (pps, packets);
                }
            }
        }
    }

    /// All that came, by class.
    pub fn all(&self) -> &ByClass {
        &self.all
    }

    /// How many times as fast as its average over `seconds` a class came for a moment, 1 if it came evenly; and how many packets came
    /// in that moment.
    pub fn burst(&self, class: TrafficClass, seconds: f64) -> (f64, u64) {
        let average = self.all[class as usize].packets as f64 / seconds;
        let (pps, packets) = self.peaks[class as usize];
        let times = pps / average.max(1.0);
        // The end of what came in the second before is no burst of this one.
        let is_of_this = self.all[class as usize].packets * 2 >= packets && pps >= self.before[class as usize] * BURST;
        (if times >= BURST && is_of_this { times } else { 1.0 }, packets)
    }

    /// Whether anything came to a destination.
    pub fn has(&self, address: &Address) -> bool {
        TrafficClass::ALL.iter().any(|class| self.sums.contains_key(&(*address, *class)))
    }

    /// Packets of all classes that came to a destination.
    pub fn of(&self, address: &Address) -> u64 {
        TrafficClass::ALL.iter().map(|class| self.of_class(address, *class)).sum()
    }

    /// Packets of a class that came to a destination.
    pub fn of_class(&self, address: &Address, class: TrafficClass) -> u64 {
        self.sums.get(&(*address, class)).map_or(0, |tally| tally.packets)
    }

    /// Every destination and class that is told apart, with what came.
    pub fn iter(&self) -> impl Iterator<Item = (Address, TrafficClass, PacketsBytes)> {
        self.sums.iter().map(|((address, class), tally)| (*address, *class, *tally))
    }

    /// The next second begins.
    pub fn next_second(&mut self) {
        // A flood at every address of a network is not the usual size.
        if self.sums.capacity() > 4 * self.sums.len().max(1024) {
            self.sums.shrink_to(self.sums.len().max(1024));
        }
        self.sums.clear();
        let seconds = std::mem::take(&mut self.seconds).max(f64::MIN_POSITIVE);
        self.before = self.all.map(|tally| tally.packets as f64 / seconds);
        (self.all, self.peaks) = Default::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> Address {
        Address::from_v4_word(n.to_be())
    }

    fn tally(class: TrafficClass, packets: u64) -> ClassTally {
        ClassTally { class, tally: PacketsBytes { packets, bytes: 60 * packets } }
    }

    #[test]
    fn sums_are_exact_also_of_what_is_not_told_apart() {
        let mut targets = Targets::default();
        (0..100_000).for_each(|n| targets.add(&address(n % 90_000), tally(TrafficClass::Udp, 2)));
        targets.add(&address(1), tally(TrafficClass::Syn, 7));
        assert_eq!(targets.iter().count(), MOST);
        assert_eq!(targets.all()[TrafficClass::Udp as usize].packets, 200_000);
        assert_eq!(targets.all()[TrafficClass::Syn as usize].packets, 7);
        targets.next_second();
        assert_eq!((targets.iter().count(), targets.all()[TrafficClass::Udp as usize].packets), (0, 0));
    }

    #[test]
    fn what_came_within_a_moment_is_a_burst() {
        for (name, readings, expected) in [
            ("evenly", &[1_000; 10][..], 1.0),
            ("0.3 s", &[0, 0, 0, 2_500, 2_500, 2_500, 0, 0, 0, 0], 25_000.0 / 7_500.0),
            ("one reading is not enough", &[0, 0, 0, 3_000, 0, 0, 0, 0, 0, 0], 10_000.0 / 3_000.0),
            ("half a second", &[0, 0, 0, 0, 0, 2_000, 2_000, 2_000, 2_000, 2_000], 2.0),
        ] {
            let mut targets = Targets::default();
            for packets in readings {
                targets.add(&address(1), tally(TrafficClass::Udp, *packets));
                targets.end_reading(0.1);
            }
            let (burst, _) = targets.burst(TrafficClass::Udp, 1.0);
            assert!((burst - expected).abs() < 0.01, "{name}: {burst}");
            assert_eq!(targets.burst(TrafficClass::Syn, 1.0).0, 1.0, "{name}");
        }
    }

    #[test]
    fn the_end_of_the_second_before_is_no_burst() {
        for (name, before, readings, expected) in [
            ("it falls", [500; 10], [200; 10], 1.0),
            ("it ends", [500; 10], [50, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1.0),
            ("it rises", [50; 10], [0, 0, 0, 0, 0, 0, 0, 400, 400, 400], 10.0 / 3.0),
            ("a moment of both", [0, 0, 0, 0, 0, 0, 0, 0, 0, 300], [300, 300, 0, 0, 0, 0, 0, 0, 0, 0], 5.0),
        ] {
            let mut targets = Targets::default();
            for second in [before, readings] {
                targets.next_second();
                for packets in second {
                    targets.add(&address(1), tally(TrafficClass::Udp, packets));
                    targets.end_reading(0.1);
                }
            }
            let (burst, _) = targets.burst(TrafficClass::Udp, 1.0);
            assert!((burst - expected).abs() < 0.01, "{name}: {burst}");
        }
    }
}
