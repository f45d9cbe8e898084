//! Counting who asks for and tells the addresses of neighbours: each message is a record of the log, since there are few, and in a flood of
//! them as many senders as somebody likes.

use core::arch::asm;

use aya_ebpf::{EbpfContext as _, programs::XdpContext};
use nettop_common::{
    Cpu, Frame, Packet,
    cpu::Bank,
    log::Record,
    neighbour::{Message, sender},
};

use crate::slots::append;

/// Counts a message of the packet that is being counted.
///
/// # Safety
/// The bank is the one of this CPU that is counted in.
#[inline(never)]
pub unsafe fn count(message: Message, cpu: *mut Cpu, bank: *mut Bank) {
    // SAFETY: a map value stays valid while the program runs, and this CPU alone writes there.
    let (bank, macs) = unsafe { (&mut *bank, (*(&raw const (*cpu).packet).cast::<Packet>()).macs) };
    let number = message as usize % Message::COUNT;
    bank.neighbours.seen[number] += 1;
    if !append(Record::of_neighbour(message, sender(&macs)), &[0, 0], cpu, bank) {
        bank.neighbours.untracked[number] += 1;
    }
}

/// Counts a message of ARP, if that is what the packet holds. It is looked at anew: to keep where it begins would cost all others a register.
///
/// # Safety
/// As for [`count`].
#[inline(never)]
pub unsafe fn count_arp(ctx: &XdpContext, cpu: *mut Cpu, bank: *mut Bank) {
    let mut ctx = ctx.as_ptr() as usize;
    // It stays as it is. Else LLVM has the caller read what is read here, in other registers than the verifier knows pointers in.
    // SAFETY: no instruction at all would do, but the debug information of one is refused.
    unsafe { asm!("{0} = {0}", inout(reg) ctx, options(pure, nomem, nostack)) };
    let ctx = XdpContext::new(ctx as *mut _);
    // SAFETY: the kernel keeps `data..data_end` readable while the program runs; the caller promises the rest.
    unsafe {
        let frame = Frame::from_raw(ctx.data() as *const u8, ctx.data_end() as *const u8);
        if let Some(message) = Message::of_arp(frame) {
            count(message, cpu, bank);
        }
    }
}
