//! Counting what calls on sockets move, by socket and process, and what connections had moved when they ended.

use aya_ebpf::{
    helpers::{
        bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_uid_gid, bpf_get_smp_processor_id,
        bpf_get_socket_cookie, bpf_ktime_get_ns,
        generated::{bpf_get_current_cgroup_id, bpf_get_current_task_btf, bpf_skc_to_tcp_sock},
    },
    programs::BtfTracePointContext,
};
use nettop_common::{
    cold_path,
    counters::Table,
    opaque_read,
    slots::{self, BANKS, Layout},
    sockets::{CallCounters, Calls, CallsBank, EndedConnection, EndingsBank, Ends, Field, Moved, key},
};

use crate::{
    atomic,
    maps::{CALLS, ENDED, ENDINGS, OFFSETS, SOCKETS},
};

/// Families of addresses (linux/socket.h).
const INET: u16 = 2;
const INET6: u16 = 10;
/// `IPPROTO_TCP`.
pub const TCP: u16 = 6;
/// `MSG_PEEK`: what is received will be received again.
const PEEK: i32 = 2;
/// `SOCK_DONE` (enum sock_flags, net/sock.h): the end of what is received was received, which the kernel counts as a byte.
const DONE: u32 = 1;
/// States of TCP (enum in linux/tcp.h).
const SYN_SENT: i32 = 2;
const CLOSED: i32 = 7;
/// States whose change to is made by the process itself: SYN_SENT, LISTEN, FIN_WAIT1, LAST_ACK.
const OWN_STATES: [i32; 4] = [SYN_SENT, 10, 4, 9];

/// Whether sockets of this family are told of.
#[inline(always)]
pub fn is_inet(family: u16) -> bool {
    family == INET || family == INET6
}

/// A structure of the kernel's.
pub type Structure = *const u8;

/// Which way bytes were moved.
#[derive(Clone, Copy)]
pub enum Way {
    Sent,
    Received,
}

/// Where a field is. User space sets it before the program is loaded, so the verifier knows the number.
#[inline(always)]
fn offset(field: Field) -> usize {
    let offsets = (&raw const OFFSETS).cast::<u32>();
    // SAFETY: one of as many as there are fields.
    unsafe { offsets.add(field as usize).read_volatile() as usize }
}

/// Reads a field of a structure.
///
/// # Safety
/// The structure is one that the verifier knows, and the field one of its.
#[inline(always)]
pub unsafe fn read<T>(structure: Structure, field: Field) -> T {
    // SAFETY: as the caller promises.
    unsafe { structure.add(offset(field)).cast::<T>().read() }
}

/// A call on a socket has moved bytes.
#[inline(always)]
pub fn moved(ctx: &BtfTracePointContext, way: Way) {
    let (socket, bytes, flags): (Structure, i32, i32) = (ctx.arg(0), ctx.arg(1), ctx.arg(2));
    if bytes <= 0 || matches!(way, Way::Received) && flags & PEEK != 0 {
        return;
    }
    let bytes = bytes as u64;
    let moved = match way {
        Way::Sent => Moved { tx_bytes: bytes, tx_calls: 1, ..Moved::default() },
        Way::Received => Moved { rx_bytes: bytes, rx_calls: 1, ..Moved::default() },
    };
    count(socket, moved);
}

/// A socket of TCP has changed its state, which tells who has it also where nothing is moved.
#[inline(always)]
pub fn changed(ctx: &BtfTracePointContext) {
    let (socket, before, state): (Structure, i32, i32) = (ctx.arg(0), ctx.arg(1), ctx.arg(2));
    if OWN_STATES.contains(&state) {
        count(socket, Moved::default());
    } else if before == SYN_SENT && state == CLOSED {
        cold_path();
        // It was refused, never answered, or given up. When the socket is destroyed, the kernel may have forgotten whom it asked.
        end(socket, |_| true);
    }
}

#[inline(always)]
fn count(socket: Structure, moved: Moved) {
    // SAFETY: the first argument of these tracepoints is a socket.
    let family: u16 = unsafe { read(socket, Field::Family) };
    if !is_inet(family) {
        return;
    }
    // SAFETY: no arguments, no preconditions.
    let Some(cpu) = CALLS.get_ptr_mut(unsafe { bpf_get_smp_processor_id() }) else { return };
    // SAFETY: a map value stays valid while the program runs, and this CPU alone counts in it. What interrupts a program here counts in
    // `nested`, and nothing else does.
    unsafe {
        if (&raw const (*cpu).busy).read_volatile() != 0 {
            cold_path();
            (*cpu).nested.add(moved);
            return;
        }
        (&raw mut (*cpu).busy).write_volatile(1);
        count_alone(socket, family, moved, &mut *cpu);
        (&raw mut (*cpu).busy).write_volatile(0);
    }
}

#[inline(always)]
fn count_alone(socket: Structure, family: u16, moved: Moved, cpu: &mut Calls) {
    let bank = opaque_read(&cpu.bank) % BANKS;
    let Calls { layout, banks, .. } = cpu;
    let bank = &mut banks[bank as usize];
    bank.total.add(moved);
    let about = About { socket, family, process: (bpf_get_current_pid_tgid() >> 32) as u32, began_ns: began_ns() };
    let cookie = cookie(socket);
    // Where there is no slot for the socket, what was moved is at least its process's.
    if !enter(&about, cookie, moved, layout, bank) && !enter(&about, 0, moved, layout, bank) {
        bank.untracked.add(moved);
    }
}

/// Whom a call is of.
struct About {
    socket: Structure,
    family: u16,
    process: u32,
    began_ns: u64,
}

/// Counts in the slot of a socket, and of this process. False: there is none.
#[inline(always)]
fn enter(about: &About, cookie: u64, moved: Moved, layout: &Layout, bank: &mut CallsBank) -> bool {
    let (key, first) = (key(cookie, about.process, about.began_ns), bank.first);
    let slot = |at| SOCKETS.get_ptr_mut(first + at as u32);
    // SAFETY: as in `count`; the layout was written before the program was attached.
    let found = unsafe {
        slots::find_or_begin_in_two(layout, Table::Destinations, &mut bank.tags, &key, slot, |begun| {
            describe(about.socket, about.family, about.began_ns, begun);
        })
    };
    let Some(found) = found else { return false };
    let CallCounters { moved: sum, ends, .. } = found.counters;
    if moved.tx_calls + moved.rx_calls != 0 && sum.tx_calls | sum.rx_calls == 0 {
        // When a connection was asked for, the kernel had not chosen its port yet.
        // SAFETY: a socket, as in `count`.
        ends.local_port = unsafe { read(about.socket, Field::LocalPort) };
    }
    sum.add(moved);
    true
}

/// What is told of a socket and its process once in a bank.
#[inline(always)]
fn describe(socket: Structure, family: u16, began_ns: u64, counters: &mut CallCounters) {
    // SAFETY: a socket, as in `count`.
    unsafe { ends(socket, family, &mut counters.ends) };
    // SAFETY: likewise.
    counters.ends.local_port = unsafe { read(socket, Field::LocalPort) };
    // SAFETY: likewise.
    counters.namespace = unsafe { namespace(socket) };
    counters.uid = bpf_get_current_uid_gid() as u32;
    // SAFETY: no arguments, no preconditions.
    counters.cgroup = unsafe { bpf_get_current_cgroup_id() };
    counters.began_ns = began_ns;
    counters.comm = bpf_get_current_comm().unwrap_or_default();
}

/// When the process that runs began.
#[inline(always)]
fn began_ns() -> u64 {
    // SAFETY: what the helper returns is the thread that runs; its leader is as good for as long.
    unsafe {
        let thread = bpf_get_current_task_btf().cast::<u8>().cast_const();
        let leader: Structure = read(thread, Field::Leader);
        read(leader, Field::Began)
    }
}

/// What the kernel knows a socket by. The helper takes ten times as long as reading what it has left there.
#[inline(always)]
fn cookie(socket: Structure) -> u64 {
    // SAFETY: a socket, as in `count`.
    match unsafe { read(socket, Field::Cookie) } {
        0 => {
            cold_path();
            // SAFETY: likewise.
            unsafe { bpf_get_socket_cookie(socket.cast_mut().cast()) }
        }
        cookie => cookie,
    }
}

/// The number of the network namespace of a socket.
#[inline(always)]
pub unsafe fn namespace(socket: Structure) -> u32 {
    // SAFETY: the caller has a socket, which has a namespace.
    unsafe {
        let namespace: Structure = read(socket, Field::Namespace);
        read(namespace, Field::Number)
    }
}

/// Both ends of a socket, but for the local port.
#[inline(always)]
unsafe fn ends(socket: Structure, family: u16, ends: &mut Ends) {
    // SAFETY: the caller has a socket.
    unsafe {
        if family == INET {
            ends.local = [u64::from(read::<u32>(socket, Field::Local4)), 0];
            ends.remote = [u64::from(read::<u32>(socket, Field::Remote4)), 0];
        } else {
            let (local, remote) = (offset(Field::Local6), offset(Field::Remote6));
            let word = |at: usize| socket.add(at).cast::<u64>().read_unaligned();
            ends.local = [word(local), word(local + 8)];
            ends.remote = [word(remote), word(remote + 8)];
        }
        ends.remote_port = u16::from_be(read(socket, Field::RemotePort));
        ends.family = family;
        ends.protocol = read(socket, Field::Protocol);
    }
}

/// A socket of TCP is destroyed: what its connection had moved is told, unless that was told when it could not be made.
#[inline(always)]
pub fn ended(ctx: &BtfTracePointContext) {
    // Until the other end has answered, the number of the byte that is expected from it is 0.
    // SAFETY: a socket of TCP.
    end(ctx.arg(0), |tcp| unsafe { read::<u32>(tcp, Field::Expected) } != 0);
}

/// Tells what the connection of a socket had moved, if it is one of TCP, and passes.
#[inline(always)]
fn end(socket: Structure, passes: impl Fn(Structure) -> bool) {
    // SAFETY: the first argument of these tracepoints is a socket.
    let family: u16 = unsafe { read(socket, Field::Family) };
    // SAFETY: likewise.
    let tcp: Structure = unsafe { bpf_skc_to_tcp_sock(socket.cast_mut().cast()) }.cast::<u8>().cast_const();
    // SAFETY: no arguments, no preconditions.
    let cpu = ENDINGS.get_ptr_mut(unsafe { bpf_get_smp_processor_id() });
    let Some(cpu) = cpu.filter(|_| !tcp.is_null() && is_inet(family)) else { return };
    // Without another end it was no connection: it listened, or was never used.
    // SAFETY: as above.
    if unsafe { read::<u16>(socket, Field::RemotePort) } == 0 || !passes(tcp) {
        return;
    }
    // SAFETY: a map value stays valid while the program runs, and only programs on this CPU write there. One of them may interrupt another:
    // what both write is written atomically.
    let bank = unsafe {
        let bank = (&raw const (*cpu).bank).read_volatile() % BANKS;
        &mut (*cpu).banks[bank as usize]
    };
    // SAFETY: both are sockets.
    unsafe { enter_ended(socket, tcp, family, bank) };
}

#[inline(always)]
unsafe fn enter_ended(socket: Structure, tcp: Structure, family: u16, bank: &mut EndingsBank) {
    // SAFETY: the caller has both.
    unsafe {
        let received: u64 = read(tcp, Field::BytesReceived);
        let done = u64::from(read::<u32>(socket, Field::Flags) >> DONE & 1);
        let again: u64 = read(tcp, Field::BytesRetransmitted);
        let (tx_bytes, rx_bytes) =
            (read::<u64>(tcp, Field::BytesSent).wrapping_sub(again), received.saturating_sub(done));
        let place = atomic::fetch_add(&raw mut bank.ended, 1);
        let record = match place < u64::from(bank.room) {
            true => ENDED.get_ptr_mut(bank.first.wrapping_add(place as u32)),
            false => None,
        };
        let Some(record) = record else {
            cold_path();
            atomic::add(&raw mut bank.untracked_tx_bytes, tx_bytes);
            atomic::add(&raw mut bank.untracked_rx_bytes, rx_bytes);
            return;
        };
        let record: &mut EndedConnection = &mut *record;
        record.cookie = cookie(socket);
        (record.tx_bytes, record.rx_bytes) = (tx_bytes, rx_bytes);
        record.at_ns = bpf_ktime_get_ns();
        ends(socket, family, &mut record.ends);
        record.ends.local_port = u16::from_be(read(tcp, Field::SourcePort));
        record.ends.protocol = TCP;
        record.namespace = namespace(socket);
        record.tx_segments = read(tcp, Field::SegmentsOut);
        record.rx_segments = read(tcp, Field::SegmentsIn);
        record.round_trip = read(tcp, Field::RoundTrip);
        record.retransmits = read(tcp, Field::Retransmits);
        record.out_of_order = read(tcp, Field::OutOfOrder);
    }
}
