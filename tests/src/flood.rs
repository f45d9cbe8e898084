//! A flood of real frames, some millions per second from one CPU: an XDP program sets a random source address and sends
//! the frame out.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsFd as _, OwnedFd},
    time::{Duration, Instant},
};

use crate::{
    bpf::{self, Instruction},
    net::Namespace,
};

/// `bpf_get_prandom_u32` (linux/bpf.h).
const PRANDOM: i32 = 7;
/// `XDP_DROP`, `XDP_TX` (linux/bpf.h).
const DROP: i32 = 1;
const TRANSMIT: i32 = 3;
/// Where the source address of an IPv4 packet is in an Ethernet frame.
const SOURCE: i16 = 26;
/// Frames per system call: about a third of a second.
const CHUNK: u32 = 1 << 20;

/// A flood.
#[derive(Clone, Debug)]
pub struct Flood {
    /// An Ethernet frame with IPv4. The receiver's MAC makes its stack look at every one; another is cheaper.
    pub frame: Vec<u8>,
    /// How many source addresses, drawn at random.
    pub sources: u32,
    /// The lowest of them.
    pub base: Ipv4Addr,
    /// How many frames. Some may be dropped where the receiver's queue is full: count what has arrived there.
    pub count: u32,
}

/// A flood that can be sent at once: looking for its interface and loading its program take as long as thousands of frames.
#[derive(Debug)]
pub struct Ready<'a> {
    namespace: &'a Namespace,
    index: u32,
    program: OwnedFd,
    frame: Vec<u8>,
}

impl Ready<'_> {
    /// Sends so many frames; returns how long that took.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn send(&self, count: u32) -> io::Result<Duration> {
        self.namespace.run(|| {
            let started = Instant::now();
            let mut left = count;
            while left > 0 {
                let chunk = left.min(CHUNK);
                bpf::run_live(self.program.as_fd(), &self.frame, self.index, chunk)?;
                left -= chunk;
            }
            Ok(started.elapsed())
        })
    }
}

impl Flood {
    /// Sends all of it out of an interface of `namespace`; returns how long that took. Its peer needs native XDP (or GRO),
    /// without which a veth takes no such frames.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn run(&self, namespace: &Namespace, interface: &str) -> io::Result<Duration> {
        self.ready(namespace, interface)?.send(self.count)
    }

    /// The same, to be sent in parts.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn ready<'a>(&self, namespace: &'a Namespace, interface: &str) -> io::Result<Ready<'a>> {
        let (program, index) = (self.program()?, namespace.interface_index(interface));
        Ok(Ready { namespace, index, program, frame: self.frame.clone() })
    }

    fn program(&self) -> io::Result<OwnedFd> {
        let instructions: [Instruction; 15] = [
            bpf::copy(6, 1), // the context, where a call leaves it alone
            bpf::call(PRANDOM),
            bpf::modulo32(0, self.sources),
            bpf::add32(0, self.base.to_bits()),
            bpf::big_endian32(0),
            bpf::load32(2, 6, 0), // data
            bpf::load32(3, 6, 4), // data_end
            bpf::copy(4, 2),
            bpf::add(4, 34),
            bpf::skip_if_greater(4, 3, 3),
            bpf::store32(2, SOURCE, 0),
            bpf::mov(0, TRANSMIT),
            bpf::exit(),
            bpf::mov(0, DROP),
            bpf::exit(),
        ];
        bpf::load_xdp(&instructions)
    }
}
