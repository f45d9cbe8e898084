//! The reference: the least that a program must do that counts by source. It parses Ethernet and IPv4, adds to one per-CPU hash
//! and to one per-CPU array, looks up before it increments, and inserts only on a miss.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use aya_obj::generated::bpf_map_type::{BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_PERCPU_HASH};
use nettop_tests::bpf::{self, map::Map};

use crate::assembly::{Assembly, CONTEXT, LOOK_UP, PASS, STACK, UPDATE};

/// Sources that its hash has room for.
pub const SOURCES: u32 = 65_536;

/// Key, as words: those of an IPv4-mapped IPv6 address.
const KEY: usize = 16;
/// Packets and bytes.
const VALUE: usize = 16;

const ETHER_TYPE: i16 = 12;
const VERSION: i16 = 14;
const SOURCE: i16 = 26;
/// Ethernet and the shortest IPv4 header.
const HEADERS: i32 = 34;

/// The loaded program, with its maps.
pub struct Reference {
    /// The program.
    pub program: OwnedFd,
    sources: Map,
    totals: Map,
}

impl Reference {
    /// Loads it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn load() -> io::Result<Self> {
        let sources = Map::new(BPF_MAP_TYPE_PERCPU_HASH, KEY, VALUE, SOURCES)?;
        let totals = Map::new(BPF_MAP_TYPE_PERCPU_ARRAY, 4, VALUE, 1)?;
        let program = bpf::load_xdp(&program(&sources, &totals))?;
        Ok(Self { program, sources, totals })
    }

    /// How many packets it has counted, in all and by source.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn counted(&self) -> io::Result<(u64, u64)> {
        let packets = |values: &[u8]| -> u64 {
            values.chunks(VALUE).map(|value| bytemuck::pod_read_unaligned::<[u64; 2]>(value)[0]).sum()
        };
        let mut by_source = 0;
        self.sources.read_all(1024, |_, values| by_source += packets(values))?;
        Ok((packets(&self.totals.get(&0u32)?), by_source))
    }
}

/// Registers: 2 the data, 3 its end, 7 the length of the frame.
fn program(sources: &Map, totals: &Map) -> Vec<bpf::Instruction> {
    const LENGTH: u8 = 7;
    let (key, value, index) = (-16, -32, -36);
    let increment = [
        bpf::load64(1, 0, 0),
        bpf::add(1, 1),
        bpf::store64(0, 0, 1),
        bpf::load64(1, 0, 8),
        bpf::add_register(1, LENGTH),
        bpf::store64(0, 8, 1),
    ];
    let mut assembly = Assembly::default();
    assembly
        .push([bpf::copy(CONTEXT, 1), bpf::load32(2, CONTEXT, 0), bpf::load32(3, CONTEXT, 4)])
        .push([bpf::copy(LENGTH, 3), bpf::subtract(LENGTH, 2), bpf::copy(4, 2), bpf::add(4, HEADERS)])
        .bail(|end| bpf::skip_if_greater(4, 3, end))
        .push([bpf::load16(5, 2, ETHER_TYPE)])
        .bail(|end| bpf::skip_unless(5, i32::from(0x0800u16.to_be()), end))
        .push([bpf::load8(5, 2, VERSION), bpf::copy(4, 5), bpf::and(4, 0xf0)])
        .bail(|end| bpf::skip_unless(4, 0x40, end))
        // The header with its options must be there.
        .push([bpf::and(5, 0x0f), bpf::shift_left(5, 2)])
        .bail(|end| bpf::skip_if_less(5, 20, end))
        .push([bpf::copy(4, 2), bpf::add(4, 14), bpf::add_register(4, 5)])
        .bail(|end| bpf::skip_if_greater(4, 3, end))
        .push([bpf::load32(1, 2, SOURCE), bpf::set32(STACK, key, 0), bpf::set32(STACK, key + 4, 0)])
        .push([bpf::set32(STACK, key + 8, 0xffffu32.to_be()), bpf::store32(STACK, key + 12, 1)])
        .push(bpf::load_map(1, sources.as_fd()))
        .push([bpf::copy(2, STACK), bpf::add(2, i32::from(key)), bpf::call(LOOK_UP)]);
    let mut insert = vec![bpf::mov(1, 1), bpf::store64(STACK, value, 1), bpf::store64(STACK, value + 8, LENGTH)];
    insert.extend(bpf::load_map(1, sources.as_fd()));
    insert.extend([
        bpf::copy(2, STACK),
        bpf::add(2, i32::from(key)),
        bpf::copy(3, STACK),
        bpf::add(3, i32::from(value)),
    ]);
    insert.extend([bpf::mov(4, 0), bpf::call(UPDATE)]);
    assembly
        .push([bpf::skip_if(0, 0, increment.len() as i16 + 1)])
        .push(increment)
        .push([bpf::skip(insert.len() as i16)])
        .push(insert)
        .push([bpf::set32(STACK, index, 0)])
        .push(bpf::load_map(1, totals.as_fd()))
        .push([bpf::copy(2, STACK), bpf::add(2, i32::from(index)), bpf::call(LOOK_UP)])
        .bail(|end| bpf::skip_if(0, 0, end))
        .push(increment);
    assembly.finish(PASS)
}

#[cfg(test)]
mod tests {
    use nettop_tests::{
        frames::{Spec, Transport, arp},
        skip,
    };
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn the_reference_counts_what_it_should() {
        if !skip::privileged() {
            return;
        }
        let reference = Reference::load().unwrap();
        let udp = Spec::v4(Transport::Udp(1, 2)).payload(18).frame();
        assert_eq!(bpf::run(reference.program.as_fd(), &udp, 10).unwrap(), PASS as u32);
        assert_eq!(reference.counted().unwrap(), (10, 10));
        for other in [arp(), Spec::v6(Transport::Udp(1, 2)).frame(), udp[..30].to_vec()] {
            assert_eq!(bpf::run(reference.program.as_fd(), &other, 1).unwrap(), PASS as u32);
        }
        assert_eq!(reference.counted().unwrap(), (10, 10));
    }
}
