//! Counting one packet. Every packet has one [`Outcome`], counted at the one exit.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_get_prandom_u32, bpf_get_smp_processor_id, bpf_jiffies64, bpf_ktime_get_coarse_ns, bpf_xdp_get_buff_len,
    },
    maps::Array,
    programs::XdpContext,
};
use aya_log_ebpf::warn;
use nettop_common::{
    Config, Cpu, Event, Frame, Link, NotIp, Outcome, Packet, Protocol, SizeBucket, Tally, Totals,
    config::NO_FILTER,
    counters::{Counters, Part, Table},
    cpu::{PORTS, Set, State, TCP_FLAGS},
    packet, rare,
    slots::{self, GROUPS, Key, Layout, SETS, Slot, Tags},
    unique::Registers,
};

use crate::maps::{CPUS, DESTINATIONS, EVENTS, FILTERS, MACS, SOURCES};

/// `BPF_RB_NO_WAKEUP` (linux/bpf.h): user space polls the ring, a wake-up per event would cost more than the event.
const NO_WAKEUP: u64 = 1;

/// Counts one packet, in the parts that `counts` says.
#[inline(always)]
pub fn account(ctx: &XdpContext, link: Link, counts: impl Fn(Part) -> bool) {
    // SAFETY: no arguments, no preconditions.
    let Some(cpu) = CPUS.get_ptr_mut(unsafe { bpf_get_smp_processor_id() }) else { return };
    // SAFETY: a map value stays valid while the program runs, and this CPU alone writes what is counted in its own.
    let mut books = Books::new(unsafe { &mut *cpu });
    // SAFETY: the context is the one the kernel passed.
    let length = unsafe { bpf_xdp_get_buff_len(ctx.as_ptr().cast()) };

    books.set.totals.seen.count(length);
    let outcome = classify(ctx, link, length, &mut books, counts);
    books.set.totals.outcomes[outcome as usize].count(length);
}

/// What is this CPU's, and of the set that is counted in.
struct Books<'a> {
    config: &'a Config,
    layout: &'a Layout,
    state: &'a mut State,
    set: &'a mut Set,
    tcp_flags: &'a mut [u64; TCP_FLAGS],
    dst_ports: &'a mut [u64; PORTS],
    src_ports: &'a mut [u64; PORTS],
    unique: &'a mut Registers,
}

impl<'a> Books<'a> {
    #[inline(always)]
    fn new(cpu: &'a mut Cpu) -> Self {
        let Cpu { config, layout, state, sets, tcp_flags, dst_ports, src_ports, unique, .. } = cpu;
        // Once: what is counted for one packet must all be in the same set.
        // SAFETY: a word of a map value, which user space writes whole.
        let set = &mut sets[unsafe { (&raw const config.set).read_volatile() } as usize % SETS as usize];
        Self { config, layout, state, set, tcp_flags, dst_ports, src_ports, unique }
    }
}

#[inline(always)]
fn classify(
    ctx: &XdpContext,
    link: Link,
    length: u64,
    books: &mut Books<'_>,
    counts: impl Fn(Part) -> bool,
) -> Outcome {
    // SAFETY: the kernel keeps `data..data_end` readable while the program runs.
    let frame = unsafe { Frame::from_raw(ctx.data() as *const u8, ctx.data_end() as *const u8) };
    let mut packet = Packet::default();
    match packet::parse_into(frame, link, &mut packet) {
        Ok(()) => {}
        Err(NotIp::OtherProtocol) => return Outcome::NotIp,
        Err(NotIp::Malformed) => return Outcome::Malformed,
    }
    if books.config.paused != 0 || !passes(books.config.filter, &packet) {
        return Outcome::Filtered;
    }
    count(ctx, &packet, length, books, counts);
    Outcome::Counted
}

#[inline(always)]
fn passes(filter: u32, packet: &Packet) -> bool {
    if filter == NO_FILTER {
        return true;
    }
    rare();
    match FILTERS.get(filter - 1) {
        Some(filter) => filter.matches(packet),
        None => true,
    }
}

#[inline(always)]
fn count(ctx: &XdpContext, packet: &Packet, length: u64, books: &mut Books<'_>, counts: impl Fn(Part) -> bool) {
    let Books { config, layout, state, set, tcp_flags, dst_ports, src_ports, unique } = books;
    let now = clock_ns(state);
    if counts(Part::Sources) {
        let Set { sources, used: [used, ..], first: [first, ..], .. } = &mut **set;
        let slots = Slots { map: &SOURCES, table: Table::Sources, layout, tags: sources, used, first: *first };
        let found = slots.find(&packet.source.0);
        if counts(Part::Unique)
            && let Some((_, true)) | None = found
        {
            unique.insert(packet.source);
        }
        match found {
            Some((source, new)) => {
                if new {
                    source.first_ns = now;
                }
                source.count(packet, length, now);
            }
            None => {
                set.totals.untracked[Table::Sources as usize].count(length);
                if state.warned == 0 {
                    state.warned = 1;
                    warn!(ctx, "there is no slot for a further source");
                }
            }
        }
    }
    if counts(Part::Destinations)
        && let Some(old) = set.newest_destination.count_newest(&packet.destination.0, length)
        && old.counters.packets > 0
    {
        let Set { totals, destinations: tags, used: [_, used, _], first: [_, first, _], .. } = &mut **set;
        let [_, untracked, _] = &mut totals.untracked;
        let slots = Slots { map: &DESTINATIONS, table: Table::Destinations, layout, tags, used, first: *first };
        slots.put_away(old, untracked);
    }
    if counts(Part::Macs)
        && let Some(old) = set.newest_macs.count_newest(&packet.macs.0, length)
        && old.counters.packets > 0
    {
        let Set { totals, macs: tags, used: [_, _, used], first: [_, _, first], .. } = &mut **set;
        let [_, _, untracked] = &mut totals.untracked;
        let slots = Slots { map: &MACS, table: Table::Macs, layout, tags, used, first: *first };
        slots.put_away(old, untracked);
    }
    let totals = &mut set.totals;
    if counts(Part::Protocols) {
        totals.protocols[Protocol::from_number(packet.protocol) as usize].count(length);
        totals.sizes[SizeBucket::of(length) as usize] += 1;
        if packet.fragment {
            totals.fragments += 1;
        }
    }
    if counts(Part::Ports) {
        // Read back from memory, so that every verifier knows that a port is no larger than one.
        // SAFETY: two fields of a local variable.
        let [to, from] = unsafe {
            [(&raw const packet.destination_port).read_volatile(), (&raw const packet.source_port).read_volatile()]
        };
        dst_ports[to as usize] += 1;
        src_ports[from as usize] += 1;
    }
    if counts(Part::Flags)
        && let Some(flags) = packet.tcp_flags
    {
        tcp_flags[flags as usize] += 1;
    }
    if counts(Part::Events) {
        sample(packet, length, now, config.sample, &mut state.until_event, totals);
    }
}

/// The coarse monotonic clock. It advances with the kernel's ticks, whose number costs nothing to read.
#[inline(always)]
fn clock_ns(state: &mut State) -> u64 {
    // SAFETY: no arguments, no preconditions.
    let ticks = unsafe { bpf_jiffies64() };
    if state.clock_ticks != ticks {
        // SAFETY: as above.
        state.clock_ns = unsafe { bpf_ktime_get_coarse_ns() };
        state.clock_ticks = ticks;
    }
    state.clock_ns
}

/// One CPU's part of a table in a set.
struct Slots<'a, C> {
    map: &'a Array<Slot<C>>,
    table: Table,
    layout: &'a Layout,
    tags: &'a mut [Tags],
    used: &'a mut [u8; GROUPS],
    first: u32,
}

impl<'a, C: Counters> Slots<'a, C> {
    /// The counters of a key, and whether they are new; `None`: its buckets belong to other keys.
    #[inline(always)]
    fn find(self, key: &Key) -> Option<(&'a mut C, bool)> {
        let Self { map, table, layout, tags, used, first } = self;
        // SAFETY: a map value stays valid while the program runs, and this CPU alone writes its part of this set.
        let found = unsafe { slots::find(layout, table, tags, key, |at| map.get_ptr_mut(first + at as u32)) };
        let (counters, begun) = found?;
        if let Some(bucket) = begun {
            used[layout.group(table, bucket)] = 1;
        }
        Some((counters, begun.is_some()))
    }
}

impl Slots<'_, Tally> {
    /// Adds what was counted for a key that is not the newest any more.
    #[inline(always)]
    fn put_away(self, old: Slot<Tally>, untracked: &mut Tally) {
        match self.find(&old.key) {
            Some((tally, _)) => tally.add(old.counters),
            None => untracked.add(old.counters),
        }
    }
}

/// Passes one packet in `every` to user space, at random distances so that no rhythm of the traffic can hide.
#[inline(always)]
fn sample(packet: &Packet, length: u64, now: u64, every: u32, until_event: &mut u32, totals: &mut Totals) {
    if every == 0 {
        return;
    }
    if every > 1 && *until_event > 0 {
        *until_event -= 1;
        return;
    }
    // Uniform over 0..=2(n−1): n−1 on average, so one packet in n is an event.
    // SAFETY: no arguments, no preconditions.
    let random = unsafe { bpf_get_prandom_u32() } as u64;
    *until_event = ((random * (2 * every as u64 - 1)) >> 32) as u32;
    totals.events += 1;
    match EVENTS.reserve::<Event>(0) {
        Some(mut entry) => {
            entry.write(Event::new(packet, length, now, every));
            entry.submit(NO_WAKEUP);
        }
        None => totals.events_lost += 1,
    }
}
