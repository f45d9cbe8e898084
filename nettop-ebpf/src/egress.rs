//! Counting what is sent.

use aya_ebpf::{helpers::bpf_get_smp_processor_id, programs::TcContext};
use nettop_common::{
    Frame, LinkLayer, NotCounted, Packet, PacketsBytes, cold_path,
    counters::{Part, Table},
    egress::{Egress, EgressBank},
    packet,
    slots::{self, BANKS, Layout},
};

use crate::{
    account::class_of,
    is_counted,
    maps::{EGRESS, REMOTES},
    neighbours,
};

/// Headers that are made readable where they are not: Ethernet, two VLAN tags, IPv6 with extension headers, TCP.
const HEADERS: u32 = 192;

/// Counts what is sent by one buffer: one packet, or several that the interface cuts it into.
#[inline(always)]
pub fn account(ctx: &TcContext, link: LinkLayer) {
    // SAFETY: no arguments, no preconditions.
    let Some(cpu) = EGRESS.get_ptr_mut(unsafe { bpf_get_smp_processor_id() }) else { return };
    // SAFETY: a map value stays valid while the program runs. This CPU alone uses its packet, and the bank that it is told to count
    // in; the layout was written before the program was attached. What user space writes meanwhile is read whole, and once.
    let (layout, packet, bank) = unsafe {
        if (&raw const (*cpu).paused).read_volatile() != 0 {
            return;
        }
        let bank = (&raw const (*cpu).bank).read_volatile() % BANKS;
        let Egress { layout, packet, banks, .. } = &mut *cpu;
        (&*layout, &mut *(&raw mut *packet).cast::<Packet>(), &mut banks[bank as usize])
    };
    // SAFETY: the context is the one the kernel passed.
    let (segments, bytes) = unsafe { ((*ctx.skb.skb).gso_segs, (*ctx.skb.skb).wire_len) };
    let tally = PacketsBytes { packets: segments.max(1).into(), bytes: bytes.into() };
    bank.totals.seen.add(tally);
    if let Err(reason) = parse(ctx, link, packet, bank) {
        bank.totals.not_ip.add(tally);
        if matches!((reason, link), (NotCounted::OtherProtocol, LinkLayer::Ethernet)) && is_counted(Part::Macs) {
            // SAFETY: the bank is this CPU's, as above.
            unsafe { neighbours::count_arp_sent(ctx, &packet.macs, bank) };
        }
        return;
    }
    if let Some(sum) = bank.totals.classes.get_mut(class_of(packet)) {
        sum.add(tally);
    }
    count_remote(layout, packet, bank, tally);
}

/// Reads the headers, which need not lie where a program can read them: then they are brought there, and read once more.
#[inline(always)]
fn parse(ctx: &TcContext, link: LinkLayer, packet: &mut Packet, bank: *mut EgressBank) -> Result<(), NotCounted> {
    match parse_readable(ctx, link, packet, bank) {
        Err(NotCounted::Malformed) if ctx.data_end() - ctx.data() < (ctx.len().min(HEADERS)) as usize => {
            cold_path();
            let _ = ctx.pull_data(ctx.len().min(HEADERS));
            parse_readable(ctx, link, packet, bank)
        }
        parsed => parsed,
    }
}

/// Counts a message of neighbour discovery, too, which is told where nothing can go wrong any more: once.
#[inline(always)]
fn parse_readable(
    ctx: &TcContext,
    link: LinkLayer,
    packet: &mut Packet,
    bank: *mut EgressBank,
) -> Result<(), NotCounted> {
    // SAFETY: the kernel keeps `data..data_end` readable while the program runs.
    let frame = unsafe { Frame::from_raw(ctx.data() as *const u8, ctx.data_end() as *const u8) };
    packet::parse_and_tell(frame, link, packet, |message, macs| {
        if matches!(link, LinkLayer::Ethernet) && is_counted(Part::Macs) {
            // SAFETY: it is this CPU's, and nothing else uses it meanwhile.
            unsafe { neighbours::count_sent(message, macs, bank) };
        }
    })
}

/// Counts in the slot of the remote address, if there is one.
#[inline(always)]
fn count_remote(layout: &Layout, packet: &Packet, bank: &mut EgressBank, tally: PacketsBytes) {
    let EgressBank { totals, first, tags, .. } = bank;
    let (key, first) = (&packet.destination.0, *first);
    let slot = |at| REMOTES.get_ptr_mut(first + at as u32);
    // SAFETY: a map value stays valid while the program runs, and this CPU alone writes its part of this bank.
    let found = unsafe { slots::find_or_begin(layout, Table::Destinations, tags, key, slot, |_| {}) };
    match found {
        Some(found) => found.counters.add(tally),
        None => totals.untracked.add(tally),
    }
}
