//! Counting who asks for and tells the addresses of neighbours. Each message that comes is a record of the log, since there are few, and in a
//! flood of them as many senders as somebody likes; what is sent is in a small table.

use core::{arch::asm, ffi::c_void};

use aya_ebpf::{
    EbpfContext as _,
    programs::{TcContext, XdpContext},
};
use nettop_common::{
    Cpu, Frame, MacPair, Packet,
    cpu::Bank,
    egress::EgressBank,
    log::Record,
    neighbour::{Message, receiver, sender},
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
    let ctx = XdpContext::new(as_it_is(ctx.as_ptr()).cast());
    // SAFETY: the kernel keeps `data..data_end` readable while the program runs; the caller promises the rest.
    unsafe {
        let frame = Frame::from_raw(ctx.data() as *const u8, ctx.data_end() as *const u8);
        if let Some(message) = Message::of_arp(frame) {
            count(message, cpu, bank);
        }
    }
}

/// Counts a message that is sent between these MACs.
///
/// # Safety
/// The bank is the one of this CPU that is counted in.
#[inline(never)]
pub unsafe fn count_sent(message: Message, macs: &MacPair, bank: *mut EgressBank) {
    // SAFETY: a map value stays valid while the program runs, and this CPU alone writes there.
    unsafe { (*bank).neighbours.count(message, receiver(macs)) };
}

/// As [`count_arp`], of what is sent.
///
/// # Safety
/// As for [`count_sent`].
#[inline(never)]
pub unsafe fn count_arp_sent(ctx: &TcContext, macs: &MacPair, bank: *mut EgressBank) {
    let ctx = TcContext::new(as_it_is(ctx.as_ptr()).cast());
    // SAFETY: as in `count_arp`.
    unsafe {
        let frame = Frame::from_raw(ctx.data() as *const u8, ctx.data_end() as *const u8);
        if let Some(message) = Message::of_arp(frame) {
            count_sent(message, macs, bank);
        }
    }
}

/// The pointer as it is, of which LLVM knows nothing. Else it has the caller read what is read through it, in other registers than the verifier
/// knows pointers in.
#[inline(always)]
fn as_it_is(pointer: *mut c_void) -> *mut c_void {
    let mut address = pointer as usize;
    // SAFETY: no instruction at all would do, but the debug information of one is refused.
    unsafe { asm!("{0} = {0}", inout(reg) address, options(pure, nomem, nostack)) };
    address as *mut c_void
}
