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
    Address, Class, Config, Cpu, Event, Frame, LinkLayer, NotCounted, Outcome, Packet, PacketsBytes, Protocol,
    SizeBucket, SourceCounters, Totals, cold_path,
    config::NO_FILTER,
    counters::{Counters, Part, Table},
    cpu::{Bank, PORTS, State, TCP_FLAGS},
    event::is_chosen,
    opaque_read, packet,
    slots::{self, BANKS, Key, Layout, Missed, Slot, Tags},
    unique::Distinct,
};

use crate::maps::{CPUS, DESTINATIONS, EVENTS, FILTERS, MACS, SOURCES};

/// `BPF_RB_NO_WAKEUP` (linux/bpf.h): user space polls the ring, a wake-up per event would cost more than the event.
const NO_WAKEUP: u64 = 1;

/// Counts one packet, in the parts that `counts` says.
#[inline(always)]
pub fn account(ctx: &XdpContext, link: LinkLayer, counts: impl Counts) {
    // SAFETY: no arguments, no preconditions.
    let Some(cpu) = CPUS.get_ptr_mut(unsafe { bpf_get_smp_processor_id() }) else { return };
    // SAFETY: a map value stays valid while the program runs, and this CPU alone writes what is counted in its own.
    let mut own = PerCpu::new(unsafe { &mut *cpu });
    // SAFETY: the context is the one the kernel passed.
    let length = unsafe { bpf_xdp_get_buff_len(ctx.as_ptr().cast()) };

    own.bank.totals.seen.count(length);
    let class = classify(ctx, link, length, &mut own, counts);
    own.bank.totals.class(class).count(length);
}

/// Tells which parts are counted. By value, and of no size: a function takes five arguments, and this is none.
pub trait Counts: Fn(Part) -> bool + Copy {}

impl<F: Fn(Part) -> bool + Copy> Counts for F {}

/// What is this CPU's, and of the bank that is counted in.
struct PerCpu<'a> {
    config: &'a Config,
    layout: &'a Layout,
    state: &'a mut State,
    bank: &'a mut Bank,
    tcp_flags: &'a mut [u64; TCP_FLAGS],
    dst_ports: &'a mut [u64; PORTS],
    src_ports: &'a mut [u64; PORTS],
    unique: &'a mut Distinct,
}

impl<'a> PerCpu<'a> {
    #[inline(always)]
    fn new(cpu: &'a mut Cpu) -> Self {
        let Cpu { config, layout, state, banks, tcp_flags, dst_ports, src_ports, unique, .. } = cpu;
        // Once: what is counted for one packet must all be in the same bank.
        // SAFETY: a word of a map value, which user space writes whole.
        let bank = &mut banks[unsafe { (&raw const config.bank).read_volatile() } as usize % BANKS as usize];
        Self { config, layout, state, bank, tcp_flags, dst_ports, src_ports, unique }
    }
}

#[inline(always)]
fn classify(ctx: &XdpContext, link: LinkLayer, length: u64, own: &mut PerCpu<'_>, counts: impl Counts) -> Class {
    // SAFETY: the kernel keeps `data..data_end` readable while the program runs.
    let frame = unsafe { Frame::from_raw(ctx.data() as *const u8, ctx.data_end() as *const u8) };
    let mut packet = Packet::default();
    match packet::parse_into(frame, link, &mut packet) {
        Ok(()) => {}
        Err(NotCounted::OtherProtocol) => return Class::of(Outcome::NotIp),
        Err(NotCounted::Malformed) => return Class::of(Outcome::Malformed),
        Err(NotCounted::Martian) => return Class::of(Outcome::Martian),
    }
    if own.config.paused != 0 || !passes(own.config.filter, &packet) {
        return Class::of(Outcome::Filtered);
    }
    count(ctx, &packet, length, own, counts)
}

#[inline(always)]
fn passes(filter: u32, packet: &Packet) -> bool {
    if filter == NO_FILTER {
        return true;
    }
    cold_path();
    matches(filter, &copy(packet))
}

/// A copy for one of the functions below: the original need not be in memory then.
#[inline(always)]
fn copy(packet: &Packet) -> Packet {
    Packet {
        protocol: opaque_read(&packet.protocol),
        fragment: opaque_read(&packet.fragment),
        source_port: opaque_read(&packet.source_port),
        destination_port: opaque_read(&packet.destination_port),
        tcp_flags: opaque_read(&packet.tcp_flags),
        ..*packet
    }
}

// A function of its own, as all that most packets do not run: what they do run lies together then, and its registers are its own.
#[inline(never)]
fn matches(filter: u32, packet: &Packet) -> bool {
    match FILTERS.get(filter - 1) {
        Some(filter) => filter.matches(packet),
        None => true,
    }
}

#[inline(always)]
fn count(ctx: &XdpContext, packet: &Packet, length: u64, own: &mut PerCpu<'_>, counts: impl Counts) -> Class {
    let PerCpu { config, layout, state, bank, tcp_flags, dst_ports, src_ports, unique } = own;
    let now = clock_ns(state);
    // SAFETY: no arguments, no preconditions.
    let random = || unsafe { bpf_get_prandom_u32() };
    if counts(Part::Events) && is_chosen(config.sample, &mut state.until_event, random) {
        cold_path();
        emit(&copy(packet), length, now, config.sample, &mut bank.totals);
    }
    let protocol = Protocol::from_number(opaque_read(&packet.protocol));
    if counts(Part::Sources) {
        match source(packet.source, now, layout, bank, unique, counts) {
            Some(source) => {
                source.count(protocol, opaque_read(&packet.tcp_flags), opaque_read(&packet.fragment), length, now);
            }
            None => {
                cold_path();
                bank.totals.untracked[Table::Sources as usize].count(length);
                if state.warned == 0 {
                    state.warned = 1;
                    warn!(ctx, "there is no slot for a further source");
                }
            }
        }
    }
    if counts(Part::Destinations) || counts(Part::Macs) {
        let destination = if counts(Part::Destinations) { packet.destination.0 } else { [0; 2] };
        let macs = if counts(Part::Macs) { packet.macs.0 } else { [0; 2] };
        if !bank.coalescing.count(&destination, &macs, length) {
            cold_path();
            coalesce(&[destination, macs], length, layout, bank, counts);
        }
    }
    if counts(Part::Ports) {
        dst_ports[opaque_read(&packet.destination_port) as usize] += 1;
        src_ports[opaque_read(&packet.source_port) as usize] += 1;
    }
    if counts(Part::Flags)
        && let Some(flags) = opaque_read(&packet.tcp_flags).get()
    {
        tcp_flags[flags as usize] += 1;
    }
    if counts(Part::Protocols) {
        Class::counted(protocol, SizeBucket::of(length), opaque_read(&packet.fragment))
    } else {
        Class::of(Outcome::Counted)
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

/// The counters of a source; `None`: there is no slot for it. Then it is entered in `unique`: user space enters those it reads.
#[inline(always)]
fn source<'a>(
    source: Address,
    now: u64,
    layout: &Layout,
    bank: &'a mut Bank,
    unique: &mut Distinct,
    counts: impl Counts,
) -> Option<&'a mut SourceCounters> {
    let first = bank.first[Table::Sources as usize];
    // SAFETY: a map value stays valid while the program runs, and this CPU alone writes its part of this bank.
    let found = unsafe {
        let slot = |at| SOURCES.get_ptr_mut(first + at as u32);
        slots::find_first(layout, Table::Sources, &bank.sources, &source.0, slot)
    };
    match found {
        Ok(counters) => Some(counters),
        Err(missed) => {
            cold_path();
            seek_source(&Sought { source, missed, now }, layout, bank, unique, counts)
        }
    }
}

/// A source that is not where most are: it is somewhere else, or new.
struct Sought {
    source: Address,
    missed: Missed,
    now: u64,
}

#[inline(never)]
fn seek_source<'a>(
    sought: &Sought,
    layout: &Layout,
    bank: &'a mut Bank,
    unique: &mut Distinct,
    counts: impl Counts,
) -> Option<&'a mut SourceCounters> {
    let Sought { source, missed, now } = *sought;
    let Some((counters, new)) = seek(&SOURCES, Table::Sources, &source.0, missed, layout, bank) else {
        if counts(Part::Unique) {
            unique.insert(source);
        }
        return None;
    };
    if new {
        counters.first_ns = now;
    }
    Some(counters)
}

/// Counts a packet that has another destination or pair of MACs than the one before, whose counts move into their slots.
#[inline(never)]
fn coalesce([destination, macs]: &[Key; 2], length: u64, layout: &Layout, bank: &mut Bank, counts: impl Counts) {
    let Some(old) = bank.coalescing.replace(destination, macs, length) else { return };
    if counts(Part::Destinations) {
        add(&DESTINATIONS, Table::Destinations, &old.destination, layout, bank);
    }
    if counts(Part::Macs)
        && let Some(old) = &old.macs
    {
        add(&MACS, Table::Macs, old, layout, bank);
    }
}

#[inline(always)]
fn add(map: &Array<Slot<PacketsBytes>>, table: Table, old: &Slot<PacketsBytes>, layout: &Layout, bank: &mut Bank) {
    let first = bank.first[table as usize];
    // SAFETY: as in `seek`.
    let found = unsafe {
        slots::find_first(layout, table, tags(table, bank), &old.key, |at| map.get_ptr_mut(first + at as u32))
    };
    let tally = match found {
        Ok(tally) => Some(tally),
        Err(missed) => seek(map, table, &old.key, missed, layout, bank).map(|(tally, _)| tally),
    };
    match tally {
        Some(tally) => tally.add(old.counters),
        None => bank.totals.untracked[table as usize].add(old.counters),
    }
}

#[inline(always)]
fn tags(table: Table, bank: &mut Bank) -> &mut [Tags] {
    match table {
        Table::Sources => &mut bank.sources,
        Table::Destinations => &mut bank.destinations,
        Table::Macs => &mut bank.macs,
    }
}

/// The counters of a key that is not in the first of its buckets, and whether they are new; `None`: its buckets belong to other keys.
#[inline(always)]
fn seek<'a, C: Counters>(
    map: &Array<Slot<C>>,
    table: Table,
    key: &Key,
    missed: Missed,
    layout: &Layout,
    bank: &mut Bank,
) -> Option<(&'a mut C, bool)> {
    let first = bank.first[table as usize];
    // SAFETY: a map value stays valid while the program runs, and this CPU alone writes its part of this bank.
    let found = unsafe {
        let slot = |at| map.get_ptr_mut(first + at as u32);
        slots::find_further(layout, table, tags(table, bank), key, missed, slot)
    };
    let (counters, begun) = found?;
    if let Some(hash) = begun {
        bank.used[table as usize][layout.group(table, hash)] = 1;
    }
    Some((counters, begun.is_some()))
}

/// Passes a packet to user space.
#[inline(never)]
fn emit(packet: &Packet, length: u64, now: u64, every: u32, totals: &mut Totals) {
    totals.events += 1;
    match EVENTS.reserve::<Event>(0) {
        Some(mut entry) => {
            entry.write(Event::new(packet, length, now, every));
            entry.submit(NO_WAKEUP);
        }
        None => totals.events_lost += 1,
    }
}
