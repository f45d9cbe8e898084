//! Counting keys in slots, in the log where there is none, and the newest destination and pair of MACs beside the totals.

use aya_ebpf::maps::Array;
use nettop_common::{
    Cpu, PacketsBytes, Protocol, cold_path,
    counters::{Counters, Part, Table},
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
    fn count(self, protocol: Protocol, length: u64, now: u64, own: &mut PerCpu<'_>, counts: impl Counts) {
        if counts(Part::Sources) {
            count_source(protocol, length, now, own, counts);
        }
        if counts(Part::Destinations) || counts(Part::Macs) {
            let destination = if counts(Part::Destinations) { own.packet.destination.0 } else { [0; 2] };
            let macs = if counts(Part::Macs) { own.packet.macs.0 } else { [0; 2] };
            if !own.bank.coalescing.count(&destination, &macs, length) {
                cold_path();
                coalesce(&[destination, macs], length, own, counts);
            }
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
    let found = match unsafe { slots::find(layout, Table::Sources, tags, &packet.source.0, slot) } {
        Ok(source) => Some(source),
        Err(missed) => {
            cold_path();
            // SAFETY: as above.
            let mut begun = unsafe { slots::begin(layout, Table::Sources, tags, &packet.source.0, missed, slot) };
            if let Some(source) = &mut begun {
                source.first_ns = now;
            }
            begun
        }
    };
    let (flags, fragment) = (opaque_read(&packet.tcp_flags), opaque_read(&packet.fragment));
    if let Some(source) = found {
        source.count(protocol, flags, fragment, length, now);
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
fn append(record: Record, key: &Key, cpu: *mut Cpu, bank: &mut Bank) -> bool {
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

/// Counts a packet that has another destination or pair of MACs than the one before, whose counts move into their slots.
#[inline(never)]
fn coalesce([destination, macs]: &[Key; 2], length: u64, own: &mut PerCpu<'_>, counts: impl Counts) {
    let Some(old) = own.bank.coalescing.replace(destination, macs, length) else { return };
    if counts(Part::Destinations) {
        add(&DESTINATIONS, Table::Destinations, &old.destination, own);
    }
    if counts(Part::Macs)
        && let Some(old) = &old.macs
    {
        add(&MACS, Table::Macs, old, own);
    }
}

#[inline(always)]
fn add(map: &Array<Slot<PacketsBytes>>, table: Table, old: &Slot<PacketsBytes>, own: &mut PerCpu<'_>) {
    let PerCpu { cpu, layout, bank, .. } = own;
    let first = bank.first[table as usize];
    let tags = &mut bank.tags[table as usize];
    let slot = |at| map.get_ptr_mut(first + at as u32);
    // SAFETY: as in `count_source`.
    let found = unsafe {
        match slots::find(layout, table, tags, &old.key, slot) {
            Ok(tally) => Some(tally),
            Err(missed) => slots::begin(layout, table, tags, &old.key, missed, slot),
        }
    };
    match found {
        Some(tally) => Counters::add(tally, &old.counters),
        None if append(Record::of_tally(table, old), &old.key, *cpu, bank) => {}
        None => bank.totals.untracked[table as usize].add(old.counters),
    }
}
