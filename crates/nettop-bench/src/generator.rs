//! Programs that give each frame another source address, and then send it out or hand it to another program.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
    time::Duration,
};

use aya_obj::generated::bpf_map_type::{BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_PROG_ARRAY};
use nettop_tests::{
    bpf::{self, Instruction, map::Map},
    net::Namespace,
};

use crate::{
    assembly::{Assembly, CONTEXT, DROP, LOOK_UP, PRANDOM, STACK, TAIL_CALL, TRANSMIT},
    cpu,
};

/// The lowest source address of those that stand for many.
pub const BASE: Ipv4Addr = Ipv4Addr::new(16, 0, 0, 0);
/// The lowest of those that stand out.
pub const HEAVY_BASE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// Where the source address of an IPv4 packet is in an Ethernet frame.
pub const SOURCE: i16 = 26;
/// Where its destination address is.
pub const DESTINATION: i16 = 30;
/// The third to the sixth byte of the source address of an IPv6 packet: each source is of a /48 of its own, and 65,536 of them of
/// one /32. No forged addresses spread further.
pub const SOURCE_V6: i16 = 24;
/// A register that calls leave alone.
const NUMBER: u8 = 7;
/// Frames per system call: about a third of a second.
const CHUNK: u64 = 1 << 20;

/// Which address comes next.
#[derive(Clone, Copy, Debug)]
pub enum Addresses {
    /// One of so many, at random.
    Random(u32),
    /// So many, one after the other, again and again.
    InTurn(u32),
    /// One of `random`, at random, and now and then one of `heavy` others.
    Hidden {
        /// Of these each is as rare as the others.
        random: u32,
        /// Each of these is in one of `of` frames.
        heavy: u32,
        /// See `heavy`.
        of: u32,
    },
}

/// What becomes of a frame then.
#[derive(Clone, Copy, Debug)]
pub enum Then<'a> {
    /// It is sent.
    Send,
    /// Another program runs over it, by a tail call.
    Run(BorrowedFd<'a>),
}

/// The loaded program.
pub struct Generator {
    program: OwnedFd,
    /// What runs then. Without an owner it would be emptied.
    _next: Map,
}

impl Generator {
    /// Loads it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn load(addresses: Addresses, then: Then<'_>) -> io::Result<Self> {
        Self::load_at(SOURCE, addresses, then)
    }

    /// The same with the address at another place in the frame, such as [`DESTINATION`]; of a longer one, four bytes of it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn load_at(place: i16, addresses: Addresses, then: Then<'_>) -> io::Result<Self> {
        let sent = Map::new(BPF_MAP_TYPE_ARRAY, 4, 8, 1)?;
        let next = Map::new(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 1)?;
        let mut assembly = Assembly::default();
        assembly
            .push([bpf::copy(CONTEXT, 1)])
            .push(address(addresses, &sent))
            .push([bpf::big_endian32(0), bpf::load32(2, CONTEXT, 0), bpf::load32(3, CONTEXT, 4)])
            .push([bpf::copy(4, 2), bpf::add(4, i32::from(place) + 4)])
            .bail(|end| bpf::skip_if_greater(4, 3, end))
            .push([bpf::store32(2, place, 0)]);
        match then {
            Then::Send => assembly.push([bpf::mov(0, TRANSMIT), bpf::exit()]),
            Then::Run(program) => {
                next.set(&0u32, &program.as_raw_fd().to_ne_bytes())?;
                assembly.push([bpf::copy(1, CONTEXT)]).push(bpf::load_map(2, next.as_fd()));
                assembly.push([bpf::mov(3, 0), bpf::call(TAIL_CALL)])
            }
        };
        let program = bpf::load_xdp(&assembly.finish(DROP))?;
        Ok(Self { program, _next: next })
    }

    /// The program.
    pub fn program(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }

    /// Sends `frame` so often out of an interface of `namespace`, whose peer needs native XDP.
    /// Returns how long that took, and how much of it this thread had its CPU. Some may be dropped where the receiver's queue is full: count what has arrived there.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn send(
        &self,
        (namespace, interface): (&Namespace, &str),
        frame: &[u8],
        count: u64,
    ) -> io::Result<(Duration, Duration)> {
        let index = namespace.interface_index(interface);
        namespace.run(|| {
            let send = || {
                let mut left = count;
                while left > 0 {
                    let chunk = left.min(CHUNK);
                    bpf::run_live(self.program(), frame, index, chunk as u32)?;
                    left -= chunk;
                }
                io::Result::Ok(())
            };
            let (sent, took, used) = cpu::time(send);
            sent.map(|()| (took, used))
        })
    }
}

/// Leaves the next address in register 0, in the order of the host.
fn address(addresses: Addresses, sent: &Map) -> Vec<Instruction> {
    match addresses {
        Addresses::Random(sources) => random(sources),
        Addresses::InTurn(sources) => {
            let mut code = next(sent);
            code.extend([bpf::copy(0, NUMBER), bpf::modulo32(0, sources), bpf::add32(0, BASE.to_bits())]);
            code
        }
        Addresses::Hidden { random: sources, heavy, of } => {
            let one_of_many = random(sources);
            let one_of_few = [bpf::copy(0, NUMBER), bpf::add32(0, HEAVY_BASE.to_bits())];
            let mut code = vec![bpf::call(PRANDOM), bpf::modulo32(0, of), bpf::copy(NUMBER, 0)];
            code.push(bpf::skip_if_less(NUMBER, heavy as i32, one_of_many.len() as i16 + 1));
            code.extend(one_of_many);
            code.push(bpf::skip(one_of_few.len() as i16));
            code.extend(one_of_few);
            code
        }
    }
}

fn random(sources: u32) -> Vec<Instruction> {
    vec![bpf::call(PRANDOM), bpf::modulo32(0, sources), bpf::add32(0, BASE.to_bits())]
}

/// Counts the frame, and leaves how many there have been in a register. One CPU generates at a time.
fn next(sent: &Map) -> Vec<Instruction> {
    let mut code = vec![bpf::set32(STACK, -4, 0), bpf::mov(NUMBER, 0)];
    code.extend(bpf::load_map(1, sent.as_fd()));
    code.extend([bpf::copy(2, STACK), bpf::add(2, -4), bpf::call(LOOK_UP), bpf::skip_if(0, 0, 3)]);
    code.extend([bpf::load64(NUMBER, 0, 0), bpf::add(NUMBER, 1), bpf::store64(0, 0, NUMBER)]);
    code
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        net::{IpAddr, Ipv6Addr},
    };

    use nettop_common::LinkLayer;
    use nettop_tests::{frames::SOURCE_V6 as ONE, kernel::Kernel, skip};

    use super::*;
    use crate::rig;

    /// The addresses of a thousand, as the kernel program counts them.
    fn addresses(place: i16, frame: &[u8]) -> BTreeSet<IpAddr> {
        let mut kernel = Kernel::load();
        let program = kernel.program(LinkLayer::Ethernet);
        let generator = Generator::load_at(place, Addresses::InTurn(1_000), Then::Run(program.as_fd())).unwrap();
        bpf::run(generator.program(), frame, 2_000).unwrap();
        let reading = kernel.read();
        assert_eq!(reading.totals.seen.packets, 2_000);
        match place {
            DESTINATION => reading.destinations.iter().map(|(address, _)| address.to_ip()).collect(),
            _ => reading.sources.iter().map(|(address, _)| address.to_ip()).collect(),
        }
    }

    #[test]
    fn addresses_are_those_that_were_asked_for() {
        if !skip::privileged() {
            return;
        }
        let v4: BTreeSet<IpAddr> =
            (0..1_000).map(|number| Ipv4Addr::from_bits(BASE.to_bits() + number).into()).collect();
        assert_eq!(addresses(SOURCE, &rig::frame()), v4);
        assert_eq!(addresses(DESTINATION, &rig::frame()), v4);
        // Bytes three to six: each of a /48 of its own.
        let v6 = |number: u16| {
            let [first, _, _, rest @ ..] = ONE.segments();
            let [a, b, c, d, e] = rest;
            Ipv6Addr::new(first, 0x1000, number, a, b, c, d, e).into()
        };
        assert_eq!(addresses(SOURCE_V6, &rig::frame_v6()), (0..1_000).map(v6).collect());
    }
}
