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
    Address, Config, Event, Frame, Link, NotIp, Outcome, Packet, Protocol, SizeBucket, Tally, Totals,
    config::NO_FILTER,
    counters::{Counters, Part, Table},
    maps::{PORT_SLOTS, TCP_FLAG_SLOTS},
    packet,
    slots::{self, Bucket, CHOICES, CROWDED, Key, SETS, Spot},
};

use crate::maps::{
    CONFIG, DESTINATION_BITS, DESTINATIONS, DST_PORTS, EVENTS, FILTERS, MAC_BITS, MACS, PARTS, SEED, SOURCE_BITS,
    SOURCES, SRC_PORTS, TCP_FLAGS, TOTALS, UNIQUE, USED,
};

/// `BPF_RB_NO_WAKEUP` (linux/bpf.h): user space polls the ring, a wake-up per event would cost more than the event.
const NO_WAKEUP: u64 = 1;

/// Counts one packet.
#[inline(always)]
pub fn account(ctx: &XdpContext, link: Link) {
    // SAFETY: no arguments, no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let Some(config) = CONFIG.get(0) else { return };
    // Once: what is counted for one packet must all be in the same set.
    // SAFETY: a word of a map value, which user space writes whole; it stays valid while the program runs.
    let set = unsafe { (&raw const config.set).read_volatile() } & 1;
    let Some(totals) = TOTALS.get_ptr_mut(cpu * SETS + set) else { return };
    // SAFETY: a map value stays valid while the program runs, and this CPU alone writes its totals.
    let totals = unsafe { &mut *totals };
    // SAFETY: the context is the one the kernel passed.
    let length = unsafe { bpf_xdp_get_buff_len(ctx.as_ptr().cast()) };

    totals.seen.count(length);
    let outcome = classify(ctx, link, Place { cpu, set }, length, totals, config);
    totals.outcomes[outcome as usize].count(length);
}

#[inline(always)]
fn classify(ctx: &XdpContext, link: Link, place: Place, length: u64, totals: &mut Totals, config: &Config) -> Outcome {
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
    count(ctx, place, &packet, length, totals, config);
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

#[inline(always)]
fn count(ctx: &XdpContext, place: Place, packet: &Packet, length: u64, totals: &mut Totals, config: &Config) {
    let now = clock_ns(totals);
    let [sources_untracked, destinations_untracked, macs_untracked] = &mut totals.untracked;
    let [a, b, c] = packet.macs.0;

    let found = match counts(Part::Sources) {
        true => find(&SOURCES, place, Table::Sources, SOURCE_BITS.load(), &packet.source.0, sources_untracked),
        false => None,
    };
    if counts(Part::Unique)
        && let Some((.., true)) | None = found
    {
        add_unique(place.cpu, packet.source);
    }
    match found {
        Some((source, ..)) => source.count(packet, length, now),
        None => {
            sources_untracked.count(length);
            if totals.warned == 0 {
                totals.warned = 1;
                warn!(ctx, "there is no slot for a further source");
            }
        }
    }
    let [recent_destination, recent_macs] = &mut totals.recent;
    if counts(Part::Destinations) {
        let bits = DESTINATION_BITS.load();
        let (recent, key, untracked) = (recent_destination, &packet.destination.0, &*destinations_untracked);
        match find_again(&DESTINATIONS, recent, place, Table::Destinations, bits, key, untracked) {
            Some(destination) => destination.count(length),
            None => destinations_untracked.count(length),
        }
    }
    if counts(Part::Macs) {
        let (bits, key) = (MAC_BITS.load(), &[a, b, c, 0]);
        match find_again(&MACS, recent_macs, place, Table::Macs, bits, key, macs_untracked) {
            Some(macs) => macs.count(length),
            None => macs_untracked.count(length),
        }
    }
    if counts(Part::Protocols) {
        totals.protocols[Protocol::from_number(packet.protocol) as usize].count(length);
        totals.sizes[SizeBucket::of(length) as usize] += 1;
        if packet.fragment {
            totals.fragments += 1;
        }
    }
    if counts(Part::Ports) {
        increment(DST_PORTS.get_ptr_mut(place.cpu * PORT_SLOTS + packet.destination_port as u32));
        increment(SRC_PORTS.get_ptr_mut(place.cpu * PORT_SLOTS + packet.source_port as u32));
    }
    if counts(Part::Flags)
        && let Some(flags) = packet.tcp_flags
    {
        increment(TCP_FLAGS.get_ptr_mut(place.cpu * TCP_FLAG_SLOTS + flags as u32));
    }
    if counts(Part::Events) {
        sample(packet, length, now, config.sample, totals);
    }
}

/// The coarse monotonic clock. It advances with the kernel's ticks, whose number costs nothing to read.
#[inline(always)]
fn clock_ns(totals: &mut Totals) -> u64 {
    // SAFETY: no arguments, no preconditions.
    let ticks = unsafe { bpf_jiffies64() };
    if totals.clock_ticks != ticks {
        // SAFETY: as above.
        totals.clock_ns = unsafe { bpf_ktime_get_coarse_ns() };
        totals.clock_ticks = ticks;
    }
    totals.clock_ns
}

/// Whether a part is counted. The verifier knows, and removes what is not.
#[inline(always)]
fn counts(part: Part) -> bool {
    PARTS.load() & part.bit() != 0
}

/// Whose part of which set.
#[derive(Clone, Copy)]
struct Place {
    cpu: u32,
    set: u32,
}

/// The counters of a key, their spot, and whether they are new; `None`: its buckets belong to other keys, of
/// which `untracked` packets were counted for none.
#[inline(always)]
#[expect(clippy::mut_from_ref, reason = "a map is shared, but this part of it is this CPU's alone")]
fn find<'a, C: Counters>(
    map: &'a Array<Bucket<C>>,
    Place { cpu, set }: Place,
    table: Table,
    bits: u32,
    key: &Key,
    untracked: &Tally,
) -> Option<(&'a mut C, Spot, bool)> {
    for (choice, number) in slots::buckets(key, SEED.load(), bits).into_iter().enumerate() {
        if choice == CHOICES - 1 && untracked.packets >= CROWDED {
            break;
        }
        let index = slots::index(cpu, set, bits, number);
        let bucket = map.get_ptr_mut(index)?;
        // SAFETY: a map value stays valid while the program runs, and this CPU alone writes its part of this set.
        let Some((counters, way, new)) = unsafe { &mut *bucket }.find(key) else { continue };
        if new {
            let used = USED.get_ptr_mut(slots::group(cpu, set, table as u32, bits, number))?;
            // SAFETY: as above.
            unsafe { *used = 1 };
        }
        return Some((counters, Spot::new(index, way), new));
    }
    None
}

/// As [`find`], where the next packet mostly has the key of the one before: then there is nothing to search.
#[inline(always)]
#[expect(clippy::mut_from_ref, reason = "as above")]
fn find_again<'a, C: Counters>(
    map: &'a Array<Bucket<C>>,
    recent: &mut Spot,
    place: Place,
    table: Table,
    bits: u32,
    key: &Key,
    untracked: &Tally,
) -> Option<&'a mut C> {
    if let Some((index, way)) = recent.get() {
        // SAFETY: as in `find`: only spots of this CPU and set are remembered.
        let Bucket(slots) = unsafe { &mut *map.get_ptr_mut(index)? };
        if let Some(slot) = slots.get_mut(way)
            && slot.has(key)
        {
            return Some(&mut slot.counters);
        }
    }
    let (counters, spot, _) = find(map, place, table, bits, key, untracked)?;
    *recent = spot;
    Some(counters)
}

/// Adds a source that this set did not know to the registers of distinct sources.
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
