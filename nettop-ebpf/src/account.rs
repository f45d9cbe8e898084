//! Counting one packet. Every packet has one [`Outcome`], counted at the one exit.

use core::arch::asm;

use aya_ebpf::{
    EbpfContext as _,
    bindings::xdp_action::{XDP_DROP, XDP_PASS},
    helpers::{
        bpf_get_prandom_u32, bpf_get_smp_processor_id, bpf_jiffies64, bpf_ktime_get_coarse_ns, bpf_xdp_get_buff_len,
    },
    programs::XdpContext,
};
use nettop_common::{
    Class, Config, Cpu, Event, Frame, LinkLayer, NotCounted, Outcome, Packet, Protocol, SizeBucket, Totals,
    TrafficClass, cold_path,
    counters::Part,
    cpu::{Bank, FROM_PORT, State},
    event::is_chosen,
    interfaces, opaque_read, packet,
    slots::{BANKS, Layout},
};

use crate::{
    atomic, blocks,
    maps::{CPUS, EVENTS, FILTERS, PORTS},
    neighbours,
};

/// `BPF_RB_NO_WAKEUP` (linux/bpf.h): user space polls the ring, a wake-up per event would cost more than the event.
const NO_WAKEUP: u64 = 1;

/// Counts one packet, in the parts that `counts` says, and its keys where `keys` says. Returns what becomes of it.
#[inline(always)]
pub fn account(ctx: &XdpContext, link: LinkLayer, keys: impl Keys, counts: impl Counts) -> u32 {
    // SAFETY: no arguments, no preconditions.
    let Some(cpu) = CPUS.get_ptr_mut(unsafe { bpf_get_smp_processor_id() }) else { return XDP_PASS };
    let mut own = PerCpu::new(cpu);
    // SAFETY: the context is the one the kernel passed.
    let length = unsafe { bpf_xdp_get_buff_len(ctx.as_ptr().cast()) };

    own.bank.totals.seen.count(length);
    let class = classify(ctx, link, length, &mut own, keys, counts);
    own.bank.totals.class(class).count(length);
    if class.outcome_is(Outcome::Blocked) {
        cold_path();
        return XDP_DROP;
    }
    XDP_PASS
}

/// Tells which parts are counted. By value, and of no size: a function takes five arguments, and this is none.
pub trait Counts: Fn(Part) -> bool + Copy {}

impl<F: Fn(Part) -> bool + Copy> Counts for F {}

/// Tells where keys are counted: of no size, too.
pub trait Keys: Copy {
    /// Counts a packet for its source, its destination and its pair of MACs.
    /// `class`: the number in [`TrafficClass::ALL`] of that of the packet, where destinations are counted.
    fn count(self, protocol: Protocol, class: usize, length: u64, now: u64, own: &mut PerCpu<'_>, counts: impl Counts);
}

/// What is this CPU's, and of the bank that is counted in. User space writes what the pointer leads to, and nothing of the rest.
pub struct PerCpu<'a> {
    pub cpu: *mut Cpu,
    pub layout: &'a Layout,
    state: &'a mut State,
    pub packet: &'a mut Packet,
    pub bank: &'a mut Bank,
}

impl<'a> PerCpu<'a> {
    #[inline(always)]
    fn new(cpu: *mut Cpu) -> Self {
        // SAFETY: a map value stays valid while the program runs. This CPU alone uses its state, its packet, and the bank that it is
        // told to count in; the layout was written before the program was attached. A word of the configuration is
        // written whole; the bank is read once, since all that is counted for one packet must be in the same.
        unsafe {
            let bank = (&raw const (*cpu).config.bank).read_volatile() % BANKS;
            let packet = (&raw mut (*cpu).packet).cast::<Packet>();
            Self {
                cpu,
                layout: &(*cpu).layout,
                state: &mut (*cpu).state,
                packet: &mut *packet,
                bank: &mut (*cpu).banks[bank as usize],
            }
        }
    }

    /// Adds the source of the packet to those that are distinct.
    #[inline(always)]
    pub fn insert_unique(&mut self) {
        // SAFETY: as above.
        unsafe { (*self.cpu).unique.insert(self.packet.source) };
    }

    /// Counts the packet for its class of the interface with this index.
    #[inline(always)]
    fn count_interface(&mut self, index: u32, class: usize, length: u64) {
        // SAFETY: as above.
        let told = |place: usize| unsafe { (&raw const (*self.cpu).interfaces[place]).read_volatile() };
        let newest = opaque_read(&self.state.place) as usize % interfaces::PLACES;
        let place = if told(newest) == index { newest } else { self.other_interface(index) };
        if let Some(tally) = self.bank.interfaces[place].get_mut(class) {
            tally.count(length);
        }
    }

    /// The place of an interface that the packet before did not come by.
    #[inline(never)]
    fn other_interface(&mut self, index: u32) -> usize {
        // SAFETY: as above.
        let told = |place: usize| unsafe { (&raw const (*self.cpu).interfaces[place]).read_volatile() };
        let place = interfaces::place(index, told) % interfaces::PLACES;
        self.state.place = place as u32;
        place
    }

    /// One word of what it is told.
    #[inline(always)]
    fn told(&self, word: impl FnOnce(&Config) -> *const u32) -> u32 {
        // SAFETY: as above.
        unsafe { word(&(*self.cpu).config).read_volatile() }
    }
}

/// The number in [`TrafficClass::ALL`] of the class of a packet.
#[inline(always)]
pub fn class_of(packet: &Packet) -> usize {
    let (protocol, flags) = (opaque_read(&packet.protocol), opaque_read(&packet.tcp_flags));
    let (fragment, payload) = (opaque_read(&packet.fragment), opaque_read(&packet.payload));
    let mut number = TrafficClass::of(protocol, flags, fragment, payload) as usize;
    // It comes out of a table, of which LLVM knows what is in it and the verifier does not: a check of an index must stay.
    // SAFETY: it stays as it is. No instruction at all would do, but the debug information of one is refused.
    unsafe { asm!("{0} = {0}", inout(reg) number, options(pure, nomem, nostack)) };
    // Once for all that it is an index of: after two checks the verifier of Linux 6.1 still follows the way between them, which is none.
    if number < TrafficClass::COUNT { number } else { TrafficClass::Other as usize }
}

#[inline(always)]
fn classify(
    ctx: &XdpContext,
    link: LinkLayer,
    length: u64,
    own: &mut PerCpu<'_>,
    keys: impl Keys,
    counts: impl Counts,
) -> Class {
    // SAFETY: the kernel keeps `data..data_end` readable while the program runs.
    let frame = unsafe { Frame::from_raw(ctx.data() as *const u8, ctx.data_end() as *const u8) };
    let (cpu, bank) = (own.cpu, &raw mut *own.bank);
    let tell = |message, _: &_| {
        if counts(Part::Macs) {
            // SAFETY: both are this CPU's, as in `PerCpu::new`.
            unsafe { neighbours::count(message, cpu, bank) };
        }
    };
    match packet::parse_and_tell(frame, link, own.packet, tell) {
        Ok(()) => {}
        Err(NotCounted::OtherProtocol) => {
            if matches!(link, LinkLayer::Ethernet) && counts(Part::Macs) {
                // SAFETY: as above.
                unsafe { neighbours::count_arp(ctx, cpu, bank) };
            }
            return Class::of(Outcome::NotIp);
        }
        Err(NotCounted::Malformed) => return Class::of(Outcome::Malformed),
        Err(NotCounted::Martian) => return Class::of(Outcome::Martian),
    }
    let paused = own.told(|config| &raw const config.paused);
    // Which blocks and which filter: two numbers, of which most packets need to know only that both are none.
    let rules = own.told(|config| (&raw const config.filter).cast());
    if paused | rules != 0 {
        cold_path();
        // A block is lifted neither by a filter nor by a pause.
        let blocks = rules >> u16::BITS;
        if blocks != 0 && is_blocked(blocks, own) {
            return Class::of(Outcome::Blocked);
        }
        let filter = rules & u32::from(u16::MAX);
        if paused != 0 || filter != 0 && !matches(filter, own.packet) {
            return Class::of(Outcome::Filtered);
        }
    }
    count(ctx, length, own, keys, counts)
}

// A function of its own, as all that most packets do not run: what they do run lies together then, and its registers are its own.
#[inline(never)]
fn matches(filter: u32, packet: &Packet) -> bool {
    match FILTERS.get(filter - 1) {
        Some(filter) => filter.matches(packet),
        None => true,
    }
}

#[inline(always)]
fn is_blocked(blocks: u32, own: &mut PerCpu<'_>) -> bool {
    blocks::is_blocked(blocks - 1, &own.packet.source, own.state, own.bank.first_dropped)
}

#[inline(always)]
fn count(ctx: &XdpContext, length: u64, own: &mut PerCpu<'_>, keys: impl Keys, counts: impl Counts) -> Class {
    let now = clock_ns(own.state);
    let sampling = own.told(|config| &raw const config.sample);
    // SAFETY: no arguments, no preconditions.
    let random = || unsafe { bpf_get_prandom_u32() };
    if counts(Part::Events) && is_chosen(sampling, &mut own.state.until_event, random) {
        cold_path();
        emit(own.packet, length, now, sampling, &mut own.bank.totals);
    }
    let protocol = Protocol::from_number(opaque_read(&own.packet.protocol));
    let mut class = 0;
    if counts(Part::Destinations) {
        class = class_of(own.packet);
        own.count_interface(ctx.ingress_ifindex() as u32, class, length);
    }
    keys.count(protocol, class, length, now, own, counts);
    if counts(Part::Ports) {
        count_ports(own);
    }
    if counts(Part::Flags)
        && let Some(flags) = opaque_read(&own.packet.tcp_flags).get()
    {
        // SAFETY: as in `PerCpu::new`; only this CPU writes there.
        unsafe { (*own.cpu).tcp_flags[flags as usize] += 1 };
    }
    if counts(Part::Protocols) {
        Class::counted(protocol, SizeBucket::of(length), opaque_read(&own.packet.fragment))
    } else {
        Class::of(Outcome::Counted)
    }
}

#[inline(always)]
fn count_ports(own: &PerCpu<'_>) {
    // SAFETY: as in `PerCpu::new`: both were written before the program was attached.
    let (at, is_shared) = unsafe { ((*own.cpu).ports, (*own.cpu).shares_ports != 0) };
    let Some(ports) = PORTS.get_ptr_mut(at) else { return };
    // SAFETY: a map value stays valid while the program runs.
    let (destination, source) = unsafe {
        (
            &raw mut (*ports)[opaque_read(&own.packet.destination_port) as usize],
            &raw mut (*ports)[opaque_read(&own.packet.source_port) as usize],
        )
    };
    if is_shared {
        cold_path();
        // SAFETY: as above; whoever counts in it does so atomically.
        unsafe {
            atomic::add(destination, 1);
            atomic::add(source, FROM_PORT);
        }
    } else {
        // SAFETY: as above, and this CPU alone counts in it.
        unsafe {
            *destination = (*destination).wrapping_add(1);
            *source = (*source).wrapping_add(FROM_PORT);
        }
    }
}

/// The coarse monotonic clock. It advances with the kernel's ticks, whose number costs nothing to read.
#[inline(always)]
pub fn clock_ns(state: &mut State) -> u64 {
    // SAFETY: no arguments, no preconditions.
    let ticks = unsafe { bpf_jiffies64() };
    if state.clock_ticks != ticks {
        // SAFETY: as above.
        state.clock_ns = unsafe { bpf_ktime_get_coarse_ns() };
        state.clock_ticks = ticks;
    }
    state.clock_ns
}

/// Passes a packet to user space.
#[inline(never)]
fn emit(packet: &Packet, length: u64, now: u64, every: u32, totals: &mut Totals) {
    totals.events += 1;
    match EVENTS.reserve::<Event>(0) {
        Some(mut entry) => {
            entry.write(Event::new(packet, length, now, every));
            entry.submit(NO_WAKEUP);
        }
        None => totals.events_lost += 1,
    }
}
