//! Counting the packets that the kernel drops, by its reason.

use aya_ebpf::{helpers::bpf_get_smp_processor_id, programs::BtfTracePointContext};

use crate::maps::DROPS;

/// The kernel drops a packet.
#[inline(always)]
pub fn dropped(ctx: &BtfTracePointContext) {
    // The last argument, the socket, may be none (Linux 6.14), and is not looked at.
    let reason: u32 = ctx.arg(2);
    // SAFETY: no arguments, no preconditions.
    let Some(cpu) = DROPS.get_ptr_mut(unsafe { bpf_get_smp_processor_id() }) else { return };
    // SAFETY: a map value stays valid while the program runs, and only this CPU writes there: the kernel does not run this program
    // in the middle of itself.
    unsafe { (*cpu).count(reason) };
}
