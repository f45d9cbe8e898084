//! Counting in user space, frame by frame: what the kernel program does, for sources that bring their own frames. It
//! parses and filters with the very same code.

use std::{collections::VecDeque, mem};

use foldhash::HashMap;
use nettop_common::{
    Address, Class, ClassTally, Event, Filter, Frame, LinkLayer, MacPair, NotCounted, Outcome, Packet, PacketsBytes,
    Protocol, SizeBucket, SourceCounters, Totals, counters::ByClass, event::is_chosen, packet,
};
use nettop_model::clock::Moment;

use crate::reading::{Reading, Tables};

/// Events kept until they are drained; more are lost, and counted.
const MAX_EVENTS: usize = 1 << 16;

/// The counters of a source in user space.
#[derive(Default)]
pub struct FrameCounter {
    filter: Option<Box<Filter>>,
    paused: bool,
    sample: u32,
    /// Packets still to let pass until the next one is an event.
    until_event: u32,
    totals: Totals,
    sources: HashMap<Address, SourceCounters>,
    destinations: HashMap<Address, ByClass>,
    macs: HashMap<MacPair, PacketsBytes>,
    tcp_flags: HashMap<u8, u64>,
    dst_ports: HashMap<u16, u64>,
    src_ports: HashMap<u16, u64>,
    events: VecDeque<Event>,
}

impl FrameCounter {
    /// Counts a frame of which `frame` was captured and which was `length` bytes on the wire.
    pub fn count(&mut self, frame: &[u8], link: LinkLayer, length: u64, at_ns: u64) {
        self.count_parsed(packet::parse(Frame::from(frame), link), length, at_ns);
    }

    /// Counts a frame of `length` bytes on the wire, in which parsing found this.
    pub fn count_parsed(&mut self, parsed: Result<Packet, NotCounted>, length: u64, at_ns: u64) {
        self.totals.seen.count(length);
        let class = match parsed {
            Err(NotCounted::OtherProtocol) => Class::of(Outcome::NotIp),
            Err(NotCounted::Malformed) => Class::of(Outcome::Malformed),
            Err(NotCounted::Martian) => Class::of(Outcome::Martian),
            Ok(packet) if self.paused || !self.filter.as_ref().is_none_or(|filter| filter.matches(&packet)) => {
                Class::of(Outcome::Filtered)
            }
            Ok(packet) => self.count_packet(&packet, length, at_ns),
        };
        self.totals.class(class).count(length);
    }

    fn count_packet(&mut self, packet: &Packet, length: u64, at_ns: u64) -> Class {
        let protocol = Protocol::from_number(packet.protocol);
        let first = || SourceCounters { first_ns: at_ns, ..SourceCounters::default() };
        let source = self.sources.entry(packet.source).or_insert_with(first);
        let SourceCounters { first_ns, last_ns, .. } = *source;
        source.count(protocol, packet.tcp_flags, packet.fragment, length, at_ns);
        // The stamps of a capture may go back.
        (source.first_ns, source.last_ns) = (first_ns.min(at_ns), last_ns.max(at_ns));
        let class = packet.traffic_class();
        self.destinations.entry(packet.destination).or_default()[class as usize].count(length);
        self.macs.entry(packet.macs).or_default().count(length);
        *self.dst_ports.entry(packet.destination_port).or_default() += 1;
        *self.src_ports.entry(packet.source_port).or_default() += 1;
        if let Some(flags) = packet.tcp_flags.get() {
            *self.tcp_flags.entry(flags).or_default() += 1;
        }
        self.sample(packet, length, at_ns);
        Class::counted(protocol, SizeBucket::of(length), packet.fragment)
    }

    fn sample(&mut self, packet: &Packet, length: u64, at_ns: u64) {
        if !is_chosen(self.sample, &mut self.until_event, || fastrand::u32(..)) {
            return;
        }
        self.totals.events += 1;
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(Event::new(packet, length, at_ns, self.sample));
        } else {
            self.totals.events_lost += 1;
        }
    }

    /// Moves what was counted since the last time into `reading`.
    pub fn read(&mut self, at: Moment, reading: &mut Reading) {
        reading.clear();
        reading.at = at;
        reading.totals = mem::take(&mut self.totals);
        reading.sources.extend(self.sources.drain());
        for (address, classes) in self.destinations.drain() {
            reading.destinations.extend(ClassTally::each(classes).map(|tally| (address, tally)));
        }
        reading.macs.extend(self.macs.drain());
    }

    /// Reads the cumulative tables.
    pub fn read_tables(&self, tables: &mut Tables) {
        self.tcp_flags.iter().for_each(|(flags, count)| tables.tcp_flags[usize::from(*flags)] = *count);
        self.dst_ports.iter().for_each(|(port, count)| tables.dst_ports[usize::from(*port)] = *count);
        self.src_ports.iter().for_each(|(port, count)| tables.src_ports[usize::from(*port)] = *count);
    }

    /// The totals since the last reading.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Calls `each` for every event since the last time.
    pub fn drain_events(&mut self, each: &mut dyn FnMut(&Event)) {
        self.events.drain(..).for_each(|event| each(&event));
    }

    /// Puts a filter in force, or none.
    pub fn set_filter(&mut self, filter: Option<Box<Filter>>) {
        self.filter = filter;
    }

    /// Stops or goes on counting.
    pub fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Makes one packet in `every` an event; 0: none.
    pub fn set_sampling(&mut self, every: u32) {
        self.sample = every;
    }
}

/// The methods of [`Traffic`](crate::traffic::Traffic) that a field of this type answers.
macro_rules! answered_by_counter {
    ($counter:ident) => {
        fn read_tables(&mut self, tables: &mut $crate::reading::Tables) {
            self.$counter.read_tables(tables);
        }

        fn drain_events(&mut self, each: &mut dyn FnMut(&nettop_common::Event)) {
            self.$counter.drain_events(each);
        }

        fn set_filter(&mut self, filter: Option<&nettop_common::Filter>) {
            self.$counter.set_filter(filter.map(|filter| Box::new(*filter)));
        }

        fn set_sampling(&mut self, every: u32) {
            self.$counter.set_sampling(every);
        }
    };
}
pub(crate) use answered_by_counter;
