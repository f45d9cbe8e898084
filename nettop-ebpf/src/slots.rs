//! Counting keys in slots, in the log where there is none, and the newest pair of MACs beside the totals.

use nettop_common::{
    Cpu, PacketsBytes, Protocol, cold_path,
    counters::{Part, Table},
    cpu::Bank,
    log::{Record, Ring, Unit},
    opaque_read,
    slots::{self, Key, Slot},
};

use crate::{
    account::{Counts, Keys, PerCpu},
    maps::{DESTINATIONS, LOG, MACS, SOURCES},
};

/// Counts in slots.
#[derive(Clone, Copy)]
pub struct Slots;

impl Keys for Slots {
    #[inline(always)]
    fn count(self, protocol: Protocol, class: usize, length: u64, now: u64, own: &mut PerCpu<'_>, counts: impl Counts) {
        if counts(Part::Sources) {
            count_source(protocol, length, now, own, counts);
        }
        if counts(Part::Destinations) {
            count_destination(class, length, own);
        }
        if counts(Part::Macs) && !own.bank.coalescing.count_macs(&own.packet.macs.0, length) {
            cold_path();
            other_macs(length, own);
        }
    }
}

/// Counts in the slot of the source, or else appends to the log.
#[inline(always)]
fn count_source(protocol: Protocol, length: u64, now: u64, own: &mut PerCpu<'_>, counts: impl Counts) {
    let PerCpu { cpu, layout, packet, bank, .. } = own;
    let first = bank.first[Table::Sources as usize];
    let tags = &mut bank.tags[Table::Sources as usize];
    let slot = |at| SOURCES.get_ptr_mut(first + at as u32);
    // SAFETY: a map value stays valid while the program runs, and this CPU alone writes its part of this bank.
    let found = unsafe {
        slots::find_or_begin(layout, Table::Sources, tags, &packet.source.0, slot, |begun| begun.first_ns = now)
    };
    let (flags, fragment) = (opaque_read(&packet.tcp_flags), opaque_read(&packet.fragment));
    if let Some(source) = found {
        source.counters.count(protocol, flags, fragment, length, now);
        return;
    }
    cold_path();
    let record = Record::of_source(packet.source, protocol, flags, fragment, length, now);
    if !append(record, &packet.source.0, *cpu, bank) {
        bank.totals.untracked[Table::Sources as usize].count(length);
        if counts(Part::Unique) {
            own.insert_unique();
        }
    }
}

/// Appends a record to the log, and the key behind it where it is a long one. False: the log is full.
#[inline(always)]
pub fn append(record: Record, key: &Key, cpu: *mut Cpu, bank: &mut Bank) -> bool {
    // SAFETY: as in `PerCpu::new`: user space writes the tail, whole, and only this CPU the head.
    let (Ring { head, first, mask, .. }, tail) = unsafe {
        let ring = &raw const (*cpu).ring;
        (*ring, (&raw const (*ring).tail).read_volatile())
    };
    let units = 1 + record.is_long() as u64;
    if !Ring::has_room(head, tail, mask, units) {
        return false;
    }
    let write = |number: u64, unit: Unit| {
        if let Some(place) = LOG.get_ptr_mut(Ring::place(first, mask, number)) {
            // SAFETY: a map value stays valid while the program runs; user space does not read it before it has read in the bank
            // that it is there.
            unsafe { *place = unit };
        }
    };
    write(head, record.0);
    if record.is_long() {
        write(head + 1, *key);
    }
    // SAFETY: as above.
    unsafe { (*cpu).ring.head = head + units };
    bank.end = head + units;
    true
}

/// Counts in the word of its class in the slot of the destination, which is mostly that of the packet before.
#[inline(always)]
fn count_destination(class: usize, length: u64, own: &mut PerCpu<'_>) {
    if !own.bank.coalescing.is_destination(&own.packet.destination.0) {
        cold_path();
        other_destination(own);
    }
    // SAFETY: as in `count_source`.
    let slot = DESTINATIONS.get_ptr_mut(own.bank.coalescing.slot()).map(|slot| unsafe { &mut (*slot).counters });
    if let Some(counters) = slot
        && let Some(tally) = counters.classes.get_mut(class)
    {
        if tally.count(length) {
            cold_path();
            if let Some(PacketsBytes { packets, bytes }) = counters.make_room(class) {
                log_destination(class, packets, bytes, own);
            }
        }
        return;
    }
    cold_path();
    log_destination(class, 1, length, own);
}

/// Finds or begins the slot of a destination that the packet before did not have.
#[inline(never)]
fn other_destination(own: &mut PerCpu<'_>) {
    let PerCpu { layout, packet, bank, .. } = own;
    let first = bank.first[Table::Destinations as usize];
    let tags = &mut bank.tags[Table::Destinations as usize];
    let slot = |at| DESTINATIONS.get_ptr_mut(first + at as u32);
    // SAFETY: as in `count_source`.
    let found = unsafe { slots::find_or_begin(layout, Table::Destinations, tags, &packet.destination.0, slot, |_| {}) };
    let at = found.map(|found| first + found.at as u32);
    bank.coalescing.set_destination(&packet.destination.0, at);
}

/// Appends what has no place in a slot to the log.
#[inline(never)]
fn log_destination(class: usize, packets: u64, bytes: u64, own: &mut PerCpu<'_>) {
    let tally = PacketsBytes { packets, bytes };
    let PerCpu { cpu, packet, bank, .. } = own;
    let key = &packet.destination.0;
    if !append(Record::of_destination(key, class, tally), key, *cpu, bank) {
        bank.totals.untracked[Table::Destinations as usize].add(tally);
    }
}

/// Counts a packet that has another pair of MACs than the one before, whose count moves into its slot.
#[inline(never)]
fn other_macs(length: u64, own: &mut PerCpu<'_>) {
    let PerCpu { cpu, layout, packet, bank, .. } = own;
    let Some(Slot { key, counters }) = bank.coalescing.replace_macs(&packet.macs.0, length) else { return };
    let first = bank.first[Table::Macs as usize];
    let tags = &mut bank.tags[Table::Macs as usize];
    let slot = |at| MACS.get_ptr_mut(first + at as u32);
    // SAFETY: as in `count_source`.
    let found = unsafe { slots::find_or_begin(layout, Table::Macs, tags, &key, slot, |_| {}) };
    match found {
        Some(found) => found.counters.add(counters),
        None if append(Record::of_macs(counters), &key, *cpu, bank) => {}
        None => bank.totals.untracked[Table::Macs as usize].add(counters),
    }
}
