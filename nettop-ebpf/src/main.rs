//! The kernel programs: parse → block → filter → count → pass; and beside it, what is sent. A packet is dropped if its source is blocked, and
//! for no other reason.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(missing_docs, reason = "the xdp macro makes functions that cannot carry a doc comment")]
#![expect(clippy::needless_pass_by_value, reason = "the xdp macro passes the context by value")]

mod account;
mod atomic;
mod blocks;
mod drops;
mod egress;
mod hash;
mod maps;
mod neighbours;
mod open_files;
mod slots;
mod sockets;

use aya_ebpf::{
    macros::{btf_tracepoint, classifier, xdp},
    programs::{BtfTracePointContext, TcContext, XdpContext},
};
use nettop_common::{LinkLayer, counters::Part};

use self::{account::account, hash::Hash, maps::PARTS, slots::Slots, sockets::Way};

/// For interfaces whose frames begin with an Ethernet header.
#[xdp(frags)]
pub fn nettop(ctx: XdpContext) -> u32 {
    account(&ctx, LinkLayer::Ethernet, Slots, |_| true)
}

/// For interfaces whose frames begin with an IP header, such as tunnels.
#[xdp(frags)]
pub fn nettop_raw_ip(ctx: XdpContext) -> u32 {
    account(&ctx, LinkLayer::RawIp, Slots, |_| true)
}

/// As `nettop`, counting some parts only.
#[xdp(frags)]
pub fn nettop_parts(ctx: XdpContext) -> u32 {
    account(&ctx, LinkLayer::Ethernet, Slots, is_counted)
}

/// As `nettop_raw_ip`, counting some parts only.
#[xdp(frags)]
pub fn nettop_raw_ip_parts(ctx: XdpContext) -> u32 {
    account(&ctx, LinkLayer::RawIp, Slots, is_counted)
}

/// As `nettop_parts`, counting keys in hash maps.
#[xdp(frags)]
pub fn nettop_hash(ctx: XdpContext) -> u32 {
    account(&ctx, LinkLayer::Ethernet, Hash, is_counted)
}

/// As `nettop_raw_ip_parts`, counting keys in hash maps.
#[xdp(frags)]
pub fn nettop_raw_ip_hash(ctx: XdpContext) -> u32 {
    account(&ctx, LinkLayer::RawIp, Hash, is_counted)
}

/// `TCX_NEXT` (linux/bpf.h): the verdict is left to whatever else there is.
const NEXT: i32 = -1;

/// Counts what interfaces send whose frames begin with an Ethernet header.
#[classifier]
pub fn nettop_egress(ctx: TcContext) -> i32 {
    egress::account(&ctx, LinkLayer::Ethernet);
    NEXT
}

/// Counts what interfaces send whose frames begin with an IP header.
#[classifier]
pub fn nettop_raw_ip_egress(ctx: TcContext) -> i32 {
    egress::account(&ctx, LinkLayer::RawIp);
    NEXT
}

/// Counts what a call on a socket has sent.
#[btf_tracepoint(function = "sock_send_length")]
pub fn nettop_sent(ctx: BtfTracePointContext) -> i32 {
    sockets::moved(&ctx, Way::Sent);
    0
}

/// Counts what a call on a socket has received.
#[btf_tracepoint(function = "sock_recv_length")]
pub fn nettop_received(ctx: BtfTracePointContext) -> i32 {
    sockets::moved(&ctx, Way::Received);
    0
}

/// Notes whose a socket is that is opened or closed.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn nettop_state(ctx: BtfTracePointContext) -> i32 {
    sockets::changed(&ctx);
    0
}

/// Notes what a connection had moved when it ended.
#[btf_tracepoint(function = "tcp_destroy_sock")]
pub fn nettop_ended(ctx: BtfTracePointContext) -> i32 {
    sockets::ended(&ctx);
    0
}

/// Tells whose a socket is: for each open file of each process, where somebody reads. There is no macro for it.
#[unsafe(link_section = "iter/task_file")]
#[unsafe(no_mangle)]
pub extern "C" fn nettop_owners(ctx: &open_files::TaskFile) -> i32 {
    open_files::tell(ctx);
    0
}

/// Counts what the kernel drops, by its reason.
#[btf_tracepoint(function = "kfree_skb")]
pub fn nettop_dropped(ctx: BtfTracePointContext) -> i32 {
    drops::dropped(&ctx);
    0
}

/// Whether a part is counted. The verifier knows, and removes the code of those that are not.
#[inline(always)]
fn is_counted(part: Part) -> bool {
    PARTS.load() & part.bit() != 0
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}

// `bpf_ktime_get_coarse_ns` is for GPL-compatible programs.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
