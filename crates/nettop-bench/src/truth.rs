//! The truth about some sources: a socket at the receiving interface whose filter counts their packets, and takes none. It knows
//! nothing of nettop, and sees what has arrived: not what was sent, and lost on the way.

use std::{
    io, mem,
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
};

use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_PERCPU_ARRAY;
use nettop_tests::{
    bpf::{self, Instruction, map::Map},
    net::Namespace,
};

use crate::{
    assembly::{Assembly, CONTEXT, LOAD_BYTES, LOOK_UP, STACK},
    generator::{HEAVY_BASE, SOURCE},
};

/// The counters; counting ends when dropped.
pub struct Truth {
    counts: Map,
    _socket: OwnedFd,
}

impl Truth {
    /// Counts the packets of `sources` heavy sources on an interface of `namespace`.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn begin(namespace: &Namespace, interface: &str, sources: u32) -> io::Result<Self> {
        let counts = Map::new(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, sources)?;
        let filter = bpf::load_socket_filter(&filter(&counts, sources))?;
        let index = namespace.interface_index(interface);
        let socket = namespace.run(|| open(&filter, index))?;
        Ok(Self { counts, _socket: socket })
    }

    /// How many packets of a source have arrived.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn count(&self, source: u32) -> io::Result<u64> {
        let counts = self.counts.get(&source)?;
        Ok(counts.chunks(8).map(bytemuck::pod_read_unaligned::<u64>).sum())
    }
}

fn filter(counts: &Map, sources: u32) -> Vec<Instruction> {
    const NUMBER: u8 = 7;
    let word = -4;
    let mut assembly = Assembly::default();
    assembly
        .push([bpf::copy(CONTEXT, 1), bpf::mov(2, i32::from(SOURCE)), bpf::copy(3, STACK), bpf::add(3, word)])
        .push([bpf::mov(4, 4), bpf::call(LOAD_BYTES)])
        .bail(|end| bpf::skip_unless(0, 0, end))
        .push([bpf::load32(NUMBER, STACK, word as i16), bpf::big_endian32(NUMBER)])
        .push([bpf::add32(NUMBER, HEAVY_BASE.to_bits().wrapping_neg()), bpf::skip_if_less(NUMBER, sources as i32, 1)])
        .bail(bpf::skip)
        .push([bpf::store32(STACK, word as i16, NUMBER)])
        .push(bpf::load_map(1, counts.as_fd()))
        .push([bpf::copy(2, STACK), bpf::add(2, word), bpf::call(LOOK_UP)])
        .bail(|end| bpf::skip_if(0, 0, end))
        .push([bpf::load64(1, 0, 0), bpf::add(1, 1), bpf::store64(0, 0, 1)]);
    assembly.finish(0)
}

fn open(filter: &OwnedFd, interface: u32) -> io::Result<OwnedFd> {
    let check = |result| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) };
    // Without a protocol it receives nothing, until the filter is there.
    // SAFETY: plain integers.
    let fd = check(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the result is a new file descriptor, which nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let filter = filter.as_raw_fd();
    let (filter, size) = (&raw const filter, size_of_val(&filter) as u32);
    // SAFETY: an integer, and its size.
    check(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_ATTACH_BPF, filter.cast(), size) })?;
    // SAFETY: plain integers and bytes, for which zero is valid.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = interface as i32;
    // SAFETY: the address is as long as is said.
    check(unsafe { libc::bind(fd, (&raw const address).cast(), size_of_val(&address) as u32) })?;
    Ok(socket)
}
