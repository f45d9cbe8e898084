//! Counting one packet. Every packet has one [`Outcome`], counted at the one exit.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_get_prandom_u32, bpf_get_smp_processor_id, bpf_ktime_get_coarse_ns, bpf_xdp_get_buff_len},
    maps::PerCpuHashMap,
    programs::XdpContext,
};
use aya_log_ebpf::warn;
use bytemuck::Pod;
use nettop_common::{
    Address, Config, Event, Frame, Link, NotIp, Outcome, Packet, Protocol, SizeBucket, SourceCounters, Totals,
    config::NO_FILTER,
    maps::{PORT_SLOTS, TCP_FLAG_SLOTS},
    packet,
};

use crate::maps::{
    CONFIG, DESTINATIONS, DST_PORTS, EVENTS, FILTERS, MACS, SOURCES, SRC_PORTS, TCP_FLAGS, TOTALS, UNIQUE,
};

/// `BPF_RB_NO_WAKEUP` (linux/bpf.h): user space polls the ring, a wake-up per event would cost more than the event.
const NO_WAKEUP: u64 = 1;
/// `BPF_ANY` (linux/bpf.h): insert or overwrite.
const BPF_ANY: u64 = 0;
/// `-E2BIG`: what a preallocated hash map answers when it is full.
const NO_SPACE: i32 = -7;

/// The value a new entry starts with. A constant, because zeros on the stack are written by a call that costs more than
/// the insert.
static ZEROS: [u64; size_of::<SourceCounters>() / 8] = [0; size_of::<SourceCounters>() / 8];

/// Counts one packet.
#[inline(always)]
pub fn account(ctx: &XdpContext, link: Link) {
    // SAFETY: no arguments, no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let (Some(totals), Some(config)) = (TOTALS.get_ptr_mut(cpu), CONFIG.get_ptr_mut(0)) else { return };
    // SAFETY: a map value stays valid while the program runs. This CPU alone writes its totals; the words of the
    // config are shared, and each is read and written whole.
    let (totals, config) = unsafe { (&mut *totals, &mut *config) };
    // SAFETY: the context is the one the kernel passed.
    let length = unsafe { bpf_xdp_get_buff_len(ctx.as_ptr().cast()) };

    totals.seen.count(length);
    let outcome = classify(ctx, link, cpu, length, totals, config);
    totals.outcomes[outcome as usize].count(length);
}

#[inline(always)]
fn classify(ctx: &XdpContext, link: Link, cpu: u32, length: u64, totals: &mut Totals, config: &mut Config) -> Outcome {
    // SAFETY: the kernel keeps `data..data_end` readable while the program runs.
    let frame = unsafe { Frame::from_raw(ctx.data() as *const u8, ctx.data_end() as *const u8) };
    let packet = match packet::parse(frame, link) {
        Ok(packet) => packet,
        Err(NotIp::OtherProtocol) => return Outcome::NotIp,
        Err(NotIp::Malformed) => return Outcome::Malformed,
    };
    if config.paused != 0 || !passes(config.filter, &packet) {
        return Outcome::Filtered;
    }
    count(ctx, cpu, &packet, length, totals, config);
    Outcome::Counted
}

#[inline(always)]
fn passes(filter: u32, packet: &Packet) -> bool {
    if filter == NO_FILTER {
        return true;
    }
    match FILTERS.get(filter - 1) {
        Some(filter) => filter.matches(packet),
        None => true,
    }
}

/// Sources are counted before the totals, so that totals read before the sources are never ahead of them.
#[inline(always)]
fn count(ctx: &XdpContext, cpu: u32, packet: &Packet, length: u64, totals: &mut Totals, config: &mut Config) {
    // SAFETY: no arguments, no preconditions. The coarse clock costs a tenth of the exact one.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    let [sources_full, destinations_full, macs_full] = &mut config.full;
    let [sources_untracked, destinations_untracked, macs_untracked] = &mut totals.untracked;

    let was_full = *sources_full != 0;
    match upsert(&SOURCES, &packet.source, sources_full) {
        Entry::Known(source) => source.count(packet, length, now),
        Entry::New(source) => {
            source.count(packet, length, now);
            add_unique(cpu, packet.source);
        }
        Entry::NoRoom => {
            sources_untracked.count(length);
            add_unique(cpu, packet.source);
            if !was_full {
                warn!(ctx, "the map of sources is full");
            }
        }
    }
    match upsert(&DESTINATIONS, &packet.destination, destinations_full) {
        Entry::Known(entry) | Entry::New(entry) => entry.count(length),
        Entry::NoRoom => destinations_untracked.count(length),
    }
    match upsert(&MACS, &packet.macs, macs_full) {
        Entry::Known(entry) | Entry::New(entry) => entry.count(length),
        Entry::NoRoom => macs_untracked.count(length),
    }

    totals.protocols[Protocol::from_number(packet.protocol) as usize].count(length);
    totals.sizes[SizeBucket::of(length) as usize] += 1;
    increment(DST_PORTS.get_ptr_mut(cpu * PORT_SLOTS + packet.destination_port as u32));
    increment(SRC_PORTS.get_ptr_mut(cpu * PORT_SLOTS + packet.source_port as u32));
    if let Some(flags) = packet.tcp_flags {
        increment(TCP_FLAGS.get_ptr_mut(cpu * TCP_FLAG_SLOTS + flags as u32));
    }
    sample(packet, length, now, config.sample, totals);
}

/// How a key fared in its hash map.
enum Entry<'a, V> {
    Known(&'a mut V),
    New(&'a mut V),
    NoRoom,
}

/// The entry of `key`: looked up, else inserted. Once an insert found no room, `full` stops further tries: a try costs
/// more than everything else together.
#[inline(always)]
fn upsert<'a, K, V: Pod>(map: &'a PerCpuHashMap<K, V>, key: &K, full: &mut u32) -> Entry<'a, V> {
    if let Some(value) = map.get_ptr_mut(key) {
        // SAFETY: a map value stays valid while the program runs, and this CPU alone writes its copy.
        return Entry::Known(unsafe { &mut *value });
    }
    if *full != 0 {
        return Entry::NoRoom;
    }
    // Should another CPU have inserted the key meanwhile, this sets only this CPU's copy, which is still zero.
    // SAFETY: `ZEROS` is larger than any value, and a `Pod` is valid for any bits.
    let zero = unsafe { &*(&raw const ZEROS).cast::<V>() };
    if let Err(error) = map.insert(key, zero, BPF_ANY) {
        if error == NO_SPACE {
            *full = 1;
        }
        return Entry::NoRoom;
    }
    match map.get_ptr_mut(key) {
        // SAFETY: as above.
        Some(value) => Entry::New(unsafe { &mut *value }),
        None => Entry::NoRoom,
    }
}

/// Adds a source that the map did not know to the registers of distinct sources; those it knows were added before.
#[inline(always)]
fn add_unique(cpu: u32, source: Address) {
    if let Some(registers) = UNIQUE.get_ptr_mut(cpu) {
        // SAFETY: a map value stays valid while the program runs, and this CPU alone writes its registers.
        unsafe { (*registers).insert(source) };
    }
}

#[inline(always)]
fn increment(counter: Option<*mut u64>) {
    if let Some(counter) = counter {
        // SAFETY: a map value stays valid while the program runs, and this CPU alone writes this one.
        unsafe { *counter += 1 };
    }
}

/// Passes one packet in `every` to user space, at random distances so that no rhythm of the traffic can hide.
#[inline(always)]
fn sample(packet: &Packet, length: u64, now: u64, every: u32, totals: &mut Totals) {
    if every == 0 {
        return;
    }
    if every > 1 && totals.until_event > 0 {
        totals.until_event -= 1;
        return;
    }
    // Uniform over 0..=2(n−1): n−1 on average, so one packet in n is an event.
    // SAFETY: no arguments, no preconditions.
    let random = unsafe { bpf_get_prandom_u32() } as u64;
    totals.until_event = (random * (2 * every as u64 - 1)) >> 32;
    totals.events += 1;
    match EVENTS.reserve::<Event>(0) {
        Some(mut entry) => {
            entry.write(Event::new(packet, length, now, every));
            entry.submit(NO_WAKEUP);
        }
        None => totals.events_lost += 1,
    }
}
